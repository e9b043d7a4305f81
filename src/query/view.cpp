#include "query/view.hpp"

#include "query/query.hpp"
#include "server/class_row.hpp"
#include "store/extension.hpp"
#include "store/statement.hpp"
#include "store/view_names.hpp"
#include "store/view_settings.hpp"

namespace refresh_mv {

namespace {

// Tells this extension's lock on a view from other locks on the same object.
constexpr uint16 lock_id = 0x7276;

// ---- the statement timeout of a view ----

volatile sig_atomic_t clock_armed = false;
volatile sig_atomic_t clock_ran_out = false;
int clock_id = -1;

// Cancels the statement, as core's own timeout does.
void on_clock()
{
    if (!clock_armed)
        return;
    clock_ran_out = true;
    InterruptPending = true;
    QueryCancelPending = true;
    SetLatch(MyLatch);
}

void start_clock(int milliseconds)
{
    if (milliseconds <= 0)
        return;
    if (clock_id < 0)
        clock_id = RegisterTimeout(USER_TIMEOUT, on_clock);
    clock_armed = true;
    enable_timeout_after(static_cast<TimeoutId>(clock_id), milliseconds);
}

void disable_clock()
{
    clock_armed = false;
    if (clock_id >= 0)
        disable_timeout(static_cast<TimeoutId>(clock_id), false);
}

// ---- locks ----

// ---- settings ----

void set_option(const char *name, int value, const char *unit)
{
    if (value > 0)
        set_config_option(name, psprintf("%d%s", value, unit), PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
}

// A relation whose pg_class row the snapshot does not show in its present form
// may have been truncated or rewritten since: what the snapshot reads of it is
// not what was there.
bool is_unchanged_since_snapshot(Oid relation)
{
    ClassRow row = class_row(relation);
    return !row.exists || TransactionIdIsCurrentTransactionId(row.xmin)
           || !XidInMVCCSnapshot(row.xmin, GetActiveSnapshot());
}

void check_unchanged_since_snapshot(Oid relation)
{
    if (!is_unchanged_since_snapshot(relation))
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("could not serialize access to relation \"%s\" due to a concurrent change of its definition or storage",
                        get_rel_name(relation)),
                 errhint("Retry the transaction.")));
}

// Takes the locks on the view itself.
view::Prepared take_locks(Oid oid, bool wait)
{
    if (wait) {
        LockDatabaseObject(RelationRelationId, oid, lock_id, ExclusiveLock);
        LockRelationOid(oid, RowExclusiveLock);
        return {view::Hindrance::none, 0};
    }
    if (!ConditionalLockDatabaseObject(RelationRelationId, oid, lock_id, ExclusiveLock))
        return {view::Hindrance::refreshing, view::holder_of_lock(oid, lock_id)};
    if (!ConditionalLockRelationOid(oid, RowExclusiveLock))
        return {view::Hindrance::locked, 0};
    return {view::Hindrance::none, 0};
}

bool is_dropped(Oid oid)
{
    return get_rel_relkind(oid) == '\0';
}

} // namespace

namespace view {

const char *name(Oid oid)
{
    return DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(oid)));
}

void check_kind(Oid oid)
{
    char kind = get_rel_relkind(oid);
    if (kind == '\0')
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("materialized view with OID %u does not exist", oid)));
    if (kind != RELKIND_MATVIEW)
        ereport(ERROR,
                (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                 errmsg("\"%s\" is not a materialized view", get_rel_name(oid)),
                 errhint("Name materialized views only.")));
}

Relation open_existing(Oid oid, LOCKMODE lock)
{
    LockRelationOid(oid, lock);
    check_kind(oid);
    return table_open(oid, NoLock);
}

void check_right(Oid oid)
{
    check_kind(oid);
    if (!pg::may_refresh(oid, GetUserId()))
        pg::no_right_to_refresh(get_rel_name(oid));
}

Oid owner(Oid relation)
{
    return class_row(relation).form.relowner;
}

bool is_owner(Oid relation)
{
    Oid role = owner(relation);
    return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

void check_owner(Oid oid)
{
    if (!is_owner(oid))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, get_rel_name(oid));
}

int holder_of_lock(Oid view, uint16 id)
{
    SPI_connect();
    statement::execute("SELECT pid::pg_catalog.int8 FROM pg_catalog.pg_locks"
                       " WHERE locktype OPERATOR(pg_catalog.=) 'object' AND granted"
                       " AND classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
                       " AND objid OPERATOR(pg_catalog.=) $1 AND objsubid OPERATOR(pg_catalog.=) $2"
                       " AND database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database"
                       " WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
                       statement::Values().oid(view).int4(id), SPI_OK_SELECT);
    int pid = SPI_processed > 0 ? static_cast<int>(statement::returned_int64(0, 1)) : 0;
    SPI_finish();
    return pid;
}

void lock_against_refresh(Oid oid)
{
    LockDatabaseObject(RelationRelationId, oid, lock_id, ExclusiveLock);
}

bool lock_against_refresh_if_free(Oid oid)
{
    return ConditionalLockDatabaseObject(RelationRelationId, oid, lock_id, ExclusiveLock);
}

void unlock_against_refresh(Oid oid)
{
    UnlockDatabaseObject(RelationRelationId, oid, lock_id, ExclusiveLock);
}

Prepared prepare(Oid oid, bool wait, bool check_rights)
{
    if (is_dropped(oid))
        return {Hindrance::dropped, 0};
    if (check_rights)
        check_right(oid);
    int guc_level = NewGUCNestLevel();
    set_option("lock_timeout", view_settings::read(oid).lock_timeout, "ms");
    Prepared prepared = take_locks(oid, wait);
    if (prepared.hindrance == Hindrance::none && is_dropped(oid))
        prepared.hindrance = Hindrance::dropped;
    if (prepared.hindrance == Hindrance::none) {
        if (check_rights)
            check_right(oid); // it may have been given away meanwhile
        Relation relation = table_open(oid, NoLock);
        query::lock_sources(relation);
        table_close(relation, NoLock);
    }
    AtEOXact_GUC(false, guc_level);
    return prepared;
}

void prepare_existing(Oid oid)
{
    if (prepare(oid, true, true).hindrance == Hindrance::dropped)
        check_kind(oid);
}

// Makes the view's owner the current user, and its settings effective.
static OpenView enter(Relation relation)
{
    OpenView view{};
    view.relation = relation;
    view.settings = view_settings::read(RelationGetRelid(relation));
    GetUserIdAndSecContext(&view.saved_user, &view.saved_context);
    SetUserIdAndSecContext(relation->rd_rel->relowner, view.saved_context | SECURITY_RESTRICTED_OPERATION);
    view.guc_level = NewGUCNestLevel();
    pg::restrict_search_path();
    set_option("work_mem", view.settings.work_mem, "kB");
    set_option("lock_timeout", view.settings.lock_timeout, "ms");
    view.window = shape::window_column(relation, query::stored(relation), view.settings.date_column);
    return view;
}

OpenView open(Oid oid)
{
    Relation relation = table_open(oid, NoLock);
    CheckTableNotInUse(relation, "REFRESH MATERIALIZED VIEW");
    view_names::note(oid);
    UpdateActiveSnapshotCommandId();
    OpenView view = enter(relation);
    start_clock(view.settings.statement_timeout);
    view.timed = true;
    return view;
}

void push_snapshot()
{
    CommandCounterIncrement();
    PushCopiedSnapshot(GetTransactionSnapshot());
}

void lock_to_read(Oid oid)
{
    Relation relation = open_existing(oid, AccessShareLock);
    query::lock_sources(relation);
    table_close(relation, NoLock);
}

OpenView open_to_read(Oid oid)
{
    return enter(table_open(oid, NoLock));
}

void hand_over(OpenView *view)
{
    SetUserIdAndSecContext(view->saved_user, view->saved_context);
    table_close(view->relation, NoLock);
    view->relation = nullptr;
}

void close(OpenView *view)
{
    if (view->timed)
        disable_clock();
    CHECK_FOR_INTERRUPTS();            // it may have run out just now
    if (view->timed && clock_ran_out) // and a function of the view's may have caught it
        ereport(ERROR,
                (errcode(ERRCODE_QUERY_CANCELED),
                 errmsg("canceling refresh due to the view's statement_timeout")));
    AtEOXact_GUC(false, view->guc_level);
    if (view->relation != nullptr)
        hand_over(view);
}

void check_snapshot(Relation view)
{
    ListCell *cell;

    if (!IsolationUsesXactSnapshot())
        return;
    check_unchanged_since_snapshot(RelationGetRelid(view));
    foreach (cell, query::lock_sources(view))
        check_unchanged_since_snapshot(lfirst_oid(cell));
}

bool is_in_snapshot(Relation view)
{
    ListCell *cell;
    if (!is_unchanged_since_snapshot(RelationGetRelid(view)))
        return false;
    foreach (cell, query::lock_sources(view))
        if (!is_unchanged_since_snapshot(lfirst_oid(cell)))
            return false;
    return true;
}

void check_serializable(Relation view)
{
    if (!IsolationUsesXactSnapshot())
        return;
    check_snapshot(view);
    extension::note_merge(RelationGetRelid(view));
    UpdateActiveSnapshotCommandId();
}

const char *told(const ErrorData *error, bool to_owner)
{
    if (!to_owner)
        return psprintf("it fails with SQLSTATE %s", unpack_sql_state(error->sqlerrcode));
    return error->message ? error->message : "unknown error";
}

bool timed_out()
{
    return clock_ran_out;
}

void stop_clock()
{
    disable_clock();
    if (clock_ran_out)
        QueryCancelPending = false; // if it was not acted upon yet
    clock_ran_out = false;
}

} // namespace view

} // namespace refresh_mv
