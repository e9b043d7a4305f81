#include "capture/merge_moves.hpp"

#include "log/open_statements.hpp"
#include "tracking/logged_relation.hpp"

namespace refresh_mv {

namespace {

ExecutorFinish_hook_type others = nullptr;

// A MERGE that inserts and updates rows of partitions, in the memory of its query.
struct Merge {
    Merge *outer; // that had begun before
    Oid source;
    TransitionCaptureState *rows;
    MemoryContextCallback at_end;
};
Merge *merges = nullptr;

// When the statement of the client had begun in which this was loaded.
TimestampTz loaded_in = 0;

void forget(void *argument)
{
    for (Merge **place = &merges; *place != nullptr; place = &(*place)->outer)
        if (*place == argument) {
            *place = (*place)->outer;
            return;
        }
}

// Our trigger on a table for a kind of event; null if there is none.
Trigger *trigger_of(const ResultRelInfo *table, const char *name, Oid function)
{
    const TriggerDesc *triggers = table->ri_TrigDesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (triggers->triggers[i].tgfoid == function && strcmp(triggers->triggers[i].tgname, name) == 0)
            return &triggers->triggers[i];
    return nullptr;
}

// The statements of a query that write, MERGE among them.
List *writers(const QueryDesc *query)
{
    List *found = list_copy(query->estate->es_auxmodifytables);
    if (IsA(query->planstate, ModifyTableState))
        found = list_append_unique_ptr(found, query->planstate);
    return found;
}

Oid table_of(const ModifyTableState *writer)
{
    return RelationGetRelid(writer->rootResultRelInfo->ri_RelationDesc);
}

// Whether another statement of the query writes to the same table: its triggers would be fired together
// with ours, just once, and so be cancelled.
bool shares_table(const ModifyTableState *merge, List *writers)
{
    ListCell *cell;
    foreach (cell, writers)
        if (lfirst(cell) != merge && table_of(static_cast<ModifyTableState *>(lfirst(cell))) == table_of(merge))
            return true;
    return false;
}

// Whether a MERGE that updates rows may have moved some, which then are in transition tables.
bool may_have_moved(const ModifyTableState *merge)
{
    const TransitionCaptureState *rows = merge->mt_transition_capture;
    return merge->operation == CMD_MERGE && (merge->mt_merge_subcommands & MERGE_UPDATE) != 0
           && merge->rootResultRelInfo->ri_RelationDesc->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && rows != nullptr
           && rows->tcs_delete_old_table && rows->tcs_insert_new_table
           && (merge->mt_partition_tuple_routing != nullptr || !merge->mt_done);
}

// Fires one trigger, as of a statement of its kind that has begun.
void fire(ModifyTableState *merge, CmdType kind, Trigger *trigger, Oid source, bool on_commit)
{
    TriggerDesc only{};
    ResultRelInfo table = *merge->rootResultRelInfo;
    only.triggers = trigger;
    only.numtriggers = 1;
    only.trig_insert_after_statement = kind == CMD_INSERT;
    only.trig_delete_after_statement = kind == CMD_DELETE;
    table.ri_TrigDesc = &only;
    open_statements::begin(source, kind, on_commit);
    if (kind == CMD_INSERT)
        ExecASInsertTriggers(merge->ps.state, &table, merge->mt_transition_capture);
    else
        ExecASDeleteTriggers(merge->ps.state, &table, merge->mt_transition_capture);
}

// Has the rows told that a MERGE has moved.
void tell_moves(ModifyTableState *merge, Oid function)
{
    const ResultRelInfo *table = merge->rootResultRelInfo;
    Trigger *inserted = trigger_of(table, "refresh_mv_insert", function);
    Trigger *deleted = trigger_of(table, "refresh_mv_delete", function);
    if (inserted == nullptr || deleted == nullptr)
        return;
    const Logged *logged = logged_relation::find(table->ri_RelationDesc, inserted);
    Oid source = logged->source;
    bool on_commit = logged->on_commit;
    if (!open_statements::is_open(source, CMD_UPDATE))
        return;
    open_statements::tell_moves(source);
    if ((merge->mt_merge_subcommands & MERGE_DELETE) == 0)
        fire(merge, CMD_DELETE, deleted, source, on_commit);
    if ((merge->mt_merge_subcommands & MERGE_INSERT) == 0)
        fire(merge, CMD_INSERT, inserted, source, on_commit);
}

// The same of all of a query, the rows of which are all written, or will be before triggers are called.
void tell_all_moves(const QueryDesc *query)
{
    List *all = writers(query);
    ListCell *cell;
    foreach (cell, all) {
        auto *merge = lfirst_node(ModifyTableState, cell);
        if (!may_have_moved(merge) || shares_table(merge, all))
            continue;
        List *name = list_make2(makeString(pstrdup("refresh_mv")), makeString(pstrdup("log_change")));
        Oid function = LookupFuncName(name, 0, nullptr, true);
        if (OidIsValid(function))
            tell_moves(merge, function);
    }
    list_free(all);
}

void finish(QueryDesc *query)
{
    constexpr int without_triggers = EXEC_FLAG_SKIP_TRIGGERS | EXEC_FLAG_EXPLAIN_ONLY;
    if (open_statements::any() && (query->estate->es_top_eflags & without_triggers) == 0)
        tell_all_moves(query);
    if (others != nullptr)
        others(query);
    else
        standard_ExecutorFinish(query);
}

} // namespace

namespace merge_moves {

void begin(QueryDesc *query)
{
    constexpr int both = MERGE_INSERT | MERGE_UPDATE;
    ListCell *cell;
    foreach (cell, writers(query)) {
        auto *writer = lfirst_node(ModifyTableState, cell);
        Relation table = writer->rootResultRelInfo->ri_RelationDesc;
        if (writer->operation != CMD_MERGE || (writer->mt_merge_subcommands & both) != both
            || writer->mt_transition_capture == nullptr || table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
            continue;
        auto *merge = static_cast<Merge *>(MemoryContextAllocZero(query->estate->es_query_cxt, sizeof(Merge)));
        merge->source = logged_relation::source_of(table);
        merge->rows = writer->mt_transition_capture;
        merge->at_end.func = forget;
        merge->at_end.arg = merge;
        MemoryContextRegisterResetCallback(query->estate->es_query_cxt, &merge->at_end);
        merge->outer = merges;
        merges = merge;
    }
}

void before_update(Oid source)
{
    for (Merge *merge = merges; merge != nullptr; merge = merge->outer)
        if (merge->source == source)
            merge->rows->tcs_original_insert_tuple = nullptr;
}

bool may_mistake_rows(Oid source)
{
    for (Merge *merge = merges; merge != nullptr; merge = merge->outer)
        if (merge->source == source)
            return false;
    return GetCurrentStatementStartTimestamp() == loaded_in && open_statements::is_open(source, CMD_INSERT);
}

void watch()
{
    loaded_in = GetCurrentStatementStartTimestamp();
    others = ExecutorFinish_hook;
    ExecutorFinish_hook = finish;
}

} // namespace merge_moves

} // namespace refresh_mv
