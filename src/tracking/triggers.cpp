#include "tracking/triggers.hpp"

#include "query/view.hpp"
#include "store/statement.hpp"
#include "tracking/hypertable.hpp"
#include "tracking/logged_relation.hpp"
#include "tracking/source.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

struct Definition {
    const char *name;
    int16 timing;
    int16 events;
    bool row;
    bool old_rows;
    bool new_rows;
    char fires;
};

constexpr int16 any_change = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE;
constexpr Definition move_trigger = {"refresh_mv_move", TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_UPDATE,
                                     true, false, false, TRIGGER_FIRES_ALWAYS};
constexpr Definition common_triggers[] = {
    {"refresh_mv_begin", TRIGGER_TYPE_BEFORE, any_change, false, false, false, TRIGGER_FIRES_ALWAYS},
    {"refresh_mv_insert", TRIGGER_TYPE_AFTER, TRIGGER_TYPE_INSERT, false, false, true,
     TRIGGER_FIRES_ALWAYS},
    {"refresh_mv_update", TRIGGER_TYPE_AFTER, TRIGGER_TYPE_UPDATE, false, true, true,
     TRIGGER_FIRES_ALWAYS},
    {logged_relation::delete_trigger, TRIGGER_TYPE_AFTER, TRIGGER_TYPE_DELETE, false, true, false,
     TRIGGER_FIRES_ALWAYS},
    {"refresh_mv_truncate", TRIGGER_TYPE_AFTER, TRIGGER_TYPE_TRUNCATE, false, false, false,
     TRIGGER_FIRES_ALWAYS},
};
constexpr Definition chunk_trigger = {"refresh_mv_chunk", TRIGGER_TYPE_AFTER,
                                      TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE, true, false, false,
                                      TRIGGER_FIRES_ALWAYS};
constexpr Definition chunk_delete_trigger = {"refresh_mv_chunk_delete", TRIGGER_TYPE_AFTER, TRIGGER_TYPE_DELETE,
                                             true, false, false, TRIGGER_FIRES_ALWAYS};
constexpr Definition row_trigger = {logged_relation::row_trigger, TRIGGER_TYPE_AFTER, any_change, true, false, false,
                                    TRIGGER_FIRES_ALWAYS};
constexpr Definition apply_trigger = {logged_relation::apply_trigger, TRIGGER_TYPE_AFTER, any_change, true,
                                      false, false, TRIGGER_FIRES_ON_REPLICA};

// The function that all of them call.
Oid function()
{
    List *name = list_make2(makeString(pstrdup("refresh_mv")), makeString(pstrdup("log_change")));
    return LookupFuncName(name, 0, nullptr, false);
}

Node *transition(const char *name, bool is_new)
{
    TriggerTransition *node = makeNode(TriggerTransition);
    node->name = pstrdup(name);
    node->isNew = is_new;
    node->isTable = true;
    return reinterpret_cast<Node *>(node);
}

// Has the trigger go with the extension.
void depend_on_extension(const ObjectAddress &trigger)
{
    Oid extension = get_extension_oid("refresh_mv", false);
    CommandCounterIncrement(); // a replaced trigger has lost its dependencies
    if (list_member_oid(getAutoExtensionsOfObject(TriggerRelationId, trigger.objectId), extension))
        return;
    ObjectAddress address;
    ObjectAddressSet(address, ExtensionRelationId, extension);
    recordDependencyOn(&trigger, &address, DEPENDENCY_AUTO_EXTENSION);
}

// Calls each(tuple) for every trigger on a relation that calls a function, or any.
template <class Each>
void for_each_trigger(Oid relation, Oid function, Each each)
{
    Relation catalog = table_open(TriggerRelationId, AccessShareLock);
    ScanKeyData key;
    HeapTuple tuple;
    ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(relation));
    SysScanDesc scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, nullptr, 1, &key);
    while (HeapTupleIsValid(tuple = systable_getnext(scan)))
        if (!OidIsValid(function) || reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgfoid == function)
            each(tuple);
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

// Fails if somebody else's trigger has the name.
void check_name(Oid relation, const char *name, Oid function)
{
    Oid trigger = get_trigger_oid(relation, name, true);
    if (!OidIsValid(trigger))
        return;
    bool ours = false;
    for_each_trigger(relation, function, [&](HeapTuple tuple) {
        ours |= reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->oid == trigger;
    });
    if (!ours)
        ereport(ERROR,
                (errcode(ERRCODE_DUPLICATE_OBJECT),
                 errmsg("trigger \"%s\" for relation \"%s\" already exists", name,
                        get_rel_name(relation)),
                 errhint("Rename it: refresh_mv uses this name for its own trigger.")));
}

// WHEN (refresh_mv.function('oid of the table')).
Node *when(const char *function, Oid table)
{
    auto *oid = makeNode(A_Const);
    oid->val.sval.type = T_String;
    oid->val.sval.sval = psprintf("%u", table);
    List *name = list_make2(makeString(pstrdup("refresh_mv")), makeString(pstrdup(function)));
    return reinterpret_cast<Node *>(makeFuncCall(name, list_make1(oid), COERCE_EXPLICIT_CALL, -1));
}

void create(Oid relation, const Definition &definition, bool transitions, List *arguments,
            Oid function, Node *when = nullptr)
{
    check_name(relation, definition.name, function);
    CreateTrigStmt *statement = makeNode(CreateTrigStmt);
    statement->replace = true;
    statement->trigname = pstrdup(definition.name);
    statement->args = arguments;
    statement->row = definition.row;
    statement->timing = definition.timing;
    statement->events = definition.events;
    statement->whenClause = when;
    if (definition.old_rows && transitions)
        statement->transitionRels = lappend(statement->transitionRels, transition("old_rows", false));
    if (definition.new_rows && transitions)
        statement->transitionRels = lappend(statement->transitionRels, transition("new_rows", true));
    depend_on_extension(CreateTriggerFiringOn(statement, nullptr, relation, InvalidOid, InvalidOid,
                                              InvalidOid, function, InvalidOid, nullptr, false, false,
                                              definition.fires));
}

// How a trigger on one of the extension's own tables has to fire; as it does, if it is
// somebody else's, or was disabled on purpose.
char own_firing(const char *name, char now)
{
    return now == TRIGGER_DISABLED         ? now
           : strcmp(name, "keep_out") == 0 ? TRIGGER_FIRES_ON_REPLICA
           : strcmp(name, "guard") == 0    ? TRIGGER_FIRES_ALWAYS
                                           : now;
}

// Whether all triggers of one of these tables fire as they have to; if it is gone by now, there are none.
bool own_are_whole(Oid table)
{
    Relation relation = try_table_open(table, AccessShareLock);
    if (relation == nullptr)
        return true;
    const TriggerDesc *triggers = relation->trigdesc;
    bool whole = true;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        char now = triggers->triggers[i].tgenabled;
        whole &= own_firing(triggers->triggers[i].tgname, now) == now;
    }
    table_close(relation, AccessShareLock);
    return whole;
}

// Has a locked table's triggers fire as they have to.
void mend_table(Oid table)
{
    Relation catalog = table_open(TriggerRelationId, RowExclusiveLock);
    for_each_trigger(table, InvalidOid, [&](HeapTuple tuple) {
        HeapTuple copy = heap_copytuple(tuple);
        auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(copy));
        char fires = own_firing(NameStr(trigger->tgname), trigger->tgenabled);
        if (fires == trigger->tgenabled)
            return;
        trigger->tgenabled = fires;
        CatalogTupleUpdate(catalog, &copy->t_self, copy);
    });
    table_close(catalog, RowExclusiveLock);
    CacheInvalidateRelcacheByRelid(table);
    CommandCounterIncrement();
}

void drop(Oid trigger)
{
    ObjectAddress address;
    ObjectAddressSet(address, TriggerRelationId, trigger);
    performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

// Removes the triggers of this extension from one relation, or just the one of a name.
void remove_from(Oid relation, const char *only)
{
    List *triggers = NIL;
    ListCell *cell;

    for_each_trigger(relation, function(), [&](HeapTuple tuple) {
        auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
        const char *name = NameStr(trigger->tgname);
        if (only != nullptr ? strcmp(name, only) == 0 : strncmp(name, "refresh_mv_", 11) == 0)
            triggers = lappend_oid(triggers, trigger->oid);
    });
    foreach (cell, triggers)
        drop(lfirst_oid(cell));
}

// Puts the trigger on a table that is called for rows of which no statement trigger tells.  Those on parents tell of
// rows of their children as well, and not of which.
void install_for_rows(Oid table, bool in_tree, List *arguments, Oid function)
{
    remove_from(table, in_tree ? apply_trigger.name : row_trigger.name);
    if (in_tree)
        create(table, row_trigger, false, arguments, function, when("untold_row", table));
    else
        create(table, apply_trigger, false, arguments, function);
}

// Puts the trigger on a partition that counts rows, where these are logged.
void install_for_moves(Oid partition, bool coarse, List *arguments, Oid function)
{
    if (coarse)
        remove_from(partition, move_trigger.name);
    else
        create(partition, move_trigger, false, arguments, function);
}

// Puts the row triggers on a hypertable and its chunks.  TimescaleDB gives it to chunks to
// come, but only those row triggers that are made by a statement to chunks that are there.
void cover_chunks(Oid table, List *arguments, Oid function)
{
    ListCell *cell;
    List *with_table = list_make2(linitial(arguments), makeString(psprintf("%u", table)));
    foreach (cell, lcons_oid(table, hypertable::chunks(table, NoLock))) {
        remove_from(lfirst_oid(cell), apply_trigger.name); // from when it was an ordinary table
        create(lfirst_oid(cell), chunk_trigger, false, with_table, function, when("unseen_row", table));
        create(lfirst_oid(cell), chunk_delete_trigger, false, with_table, function);
    }
}

} // namespace

namespace triggers {

void install(Oid member, const Arguments &arguments)
{
    char kind = get_rel_relkind(member);
    bool in_chunks = hypertable::is(member);
    List *list = list_make1(makeString(logged_relation::argument(
        {arguments.exact, arguments.on_commit, in_chunks, arguments.coarse}, arguments.key, arguments.others)));
    Oid log_change = function();
    Oid saved_user;
    int saved_context;

    if (kind == RELKIND_MATVIEW)
        return;
    // A statement that is changing it right now would not be logged.
    Relation relation = table_open(member, NoLock);
    CheckTableNotInUse(relation, "refresh_mv.track()");
    table_close(relation, NoLock);
    GetUserIdAndSecContext(&saved_user, &saved_context);
    SetUserIdAndSecContext(view::owner(member), saved_context | SECURITY_LOCAL_USERID_CHANGE);
    for (const Definition &definition : common_triggers)
        create(member, definition,
               arguments.transitions && !(in_chunks && definition.events == TRIGGER_TYPE_DELETE), list, log_change);
    if (in_chunks)
        cover_chunks(member, list, log_change);
    else if (kind == RELKIND_RELATION)
        install_for_rows(member, source::is_inherited(member), list, log_change);
    if (kind == RELKIND_RELATION && get_rel_relispartition(member))
        install_for_moves(member, arguments.coarse, list, log_change);
    CommandCounterIncrement();
    SetUserIdAndSecContext(saved_user, saved_context);
}

void remove(Oid member)
{
    ListCell *cell;
    foreach (cell, lcons_oid(member, hypertable::chunks(member, AccessExclusiveLock)))
        remove_from(lfirst_oid(cell), nullptr);
}

bool tell_rows(Oid table)
{
    bool found = false;
    for_each_trigger(table, function(), [&](HeapTuple tuple) {
        found |= strcmp(NameStr(reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgname), row_trigger.name) == 0;
    });
    return found;
}

void depend_on_extension()
{
    Relation catalog = table_open(TriggerRelationId, AccessShareLock);
    Oid log_change = function();
    List *found = NIL;
    ListCell *cell;
    HeapTuple tuple;
    SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 0, nullptr);
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
        if (trigger->tgfoid == log_change)
            found = lappend_oid(found, trigger->oid);
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    foreach (cell, found) {
        ObjectAddress trigger;
        ObjectAddressSet(trigger, TriggerRelationId, lfirst_oid(cell));
        refresh_mv::depend_on_extension(trigger);
    }
    CommandCounterIncrement();
}

const char *of_chunk(Oid chunk)
{
    StringInfoData text;
    int found = 0;
    initStringInfo(&text);
    for_each_trigger(chunk, function(), [&](HeapTuple tuple) {
        auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
        const char *name = NameStr(trigger->tgname);
        bool fires = trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN || trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
        if (!fires || (strcmp(name, chunk_trigger.name) != 0 && strcmp(name, chunk_delete_trigger.name) != 0))
            return;
        found++;
        appendStringInfo(&text, "%u.%u.%c ", trigger->oid, HeapTupleHeaderGetRawXmin(tuple->t_data),
                         trigger->tgenabled);
    });
    return found == 2 ? text.data : nullptr;
}

Oid uncovered_chunk(Oid member)
{
    ListCell *cell;
    bool in_chunks = hypertable::is(member);
    foreach (cell, in_chunks ? lcons_oid(member, hypertable::chunks(member, NoLock)) : NIL)
        if (of_chunk(lfirst_oid(cell)) == nullptr)
            return lfirst_oid(cell);
    return InvalidOid;
}

void mend_own()
{
    for (const char *name : {"settings", "trusted", "state", "journal", "names", "feed_entries", "sources", "members", "tracked", "uses", "log"}) {
        Oid table = statement::find_relation(name);
        if (OidIsValid(table) && !own_are_whole(table) && ConditionalLockRelationOid(table, ShareRowExclusiveLock))
            mend_table(table);
    }
}

char *fingerprint(Oid member)
{
    StringInfoData text;

    initStringInfo(&text);
    for_each_trigger(member, function(), [&](HeapTuple tuple) {
        auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
        appendStringInfo(&text, "%u.%u.%c ", trigger->oid,
                         HeapTupleHeaderGetRawXmin(tuple->t_data), trigger->tgenabled);
    });
    return text.data;
}

bool are_disabled(Oid member)
{
    bool disabled = false;
    ListCell *cell;
    foreach (cell, lcons_oid(member, hypertable::chunks(member, NoLock)))
        for_each_trigger(lfirst_oid(cell), function(), [&](HeapTuple tuple) {
            disabled |= reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgenabled == TRIGGER_DISABLED;
        });
    return disabled;
}

} // namespace triggers

} // namespace refresh_mv
