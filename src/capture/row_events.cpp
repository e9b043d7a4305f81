#include "capture/row_events.hpp"

#include "capture/deleted_rows.hpp"
#include "capture/merge_moves.hpp"
#include "tracking/logged_relation.hpp"

namespace refresh_mv {

namespace {

ExecutorStart_hook_type others = nullptr;

// Whether it fires as replica only, and for rows that no statement changes.
bool is_spared(const Trigger &trigger)
{
    return trigger.tgenabled == TRIGGER_FIRES_ON_REPLICA && TRIGGER_FOR_AFTER(trigger.tgtype)
           && strcmp(trigger.tgname, logged_relation::apply_trigger) == 0;
}

// Has the triggers of a table in a query, which are its own copy, go without events for rows that only ours would take.
void spare(TriggerDesc *triggers)
{
    bool ours = false, insert = false, update = false, remove = false;
    for (int i = 0; i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (!TRIGGER_FOR_ROW(trigger.tgtype) || !TRIGGER_FOR_AFTER(trigger.tgtype))
            continue;
        bool spared = is_spared(trigger);
        ours |= spared;
        insert |= !spared && TRIGGER_FOR_INSERT(trigger.tgtype);
        update |= !spared && TRIGGER_FOR_UPDATE(trigger.tgtype);
        remove |= !spared && TRIGGER_FOR_DELETE(trigger.tgtype);
    }
    if (!ours)
        return;
    triggers->trig_insert_after_row = insert;
    triggers->trig_update_after_row = update;
    triggers->trig_delete_after_row = remove;
}

void start(QueryDesc *query, int flags)
{
    ListCell *cell;
    if (others != nullptr)
        others(query, flags);
    else
        standard_ExecutorStart(query, flags);
    deleted_rows::begin(query, flags);
    if (query->operation == CMD_MERGE || query->estate->es_auxmodifytables != NIL)
        merge_moves::begin(query);
    if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
        return;
    foreach (cell, query->estate->es_opened_result_relations) {
        TriggerDesc *triggers = static_cast<ResultRelInfo *>(lfirst(cell))->ri_TrigDesc;
        if (triggers != nullptr)
            spare(triggers);
    }
}

} // namespace

namespace row_events {

void watch()
{
    others = ExecutorStart_hook;
    ExecutorStart_hook = start;
}

} // namespace row_events

} // namespace refresh_mv
