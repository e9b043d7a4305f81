#include "api/take_over.hpp"

#include "api/arguments.hpp"
#include "query/view.hpp"
#include "run/run.hpp"
#include "server/bridge.hpp"
#include "store/extension.hpp"
#include "tracking/triggers.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_refresh_statement);
}

namespace {

// A REFRESH on its way.
struct Statement {
    RefreshMatViewStmt *refresh;
    const char *text;
    ProcessUtilityContext context;
    QueryCompletion *completion; // or null
    Statement *outer; // within which it runs
    Oid view;         // that was refreshed by us; InvalidOid: none was
};

ProcessUtility_hook_type next_hook = nullptr;
Statement *handed_on = nullptr; // by the hook, and not yet taken by the procedure
Statement *running = nullptr;

// ---- what is ours ----

// The relation that a statement names, without failing; InvalidOid if there is none.
Oid named(const RangeVar *name)
{
    if (name->catalogname != nullptr)
        return InvalidOid; // rarely written, and perhaps not allowed
    if (name->schemaname == nullptr)
        return RelnameGetRelid(name->relname);
    Oid schema = get_namespace_oid(name->schemaname, true);
    return OidIsValid(schema) ? get_relname_relid(name->relname, schema) : InvalidOid;
}

bool may_use_schema(const RangeVar *name)
{
    return name->schemaname == nullptr
           || pg::may_use_schema(get_namespace_oid(name->schemaname, true), GetUserId());
}

// Whether rows of a view can be changed in place, and it is there to be refreshed.
bool is_suitable(Oid view, bool concurrently)
{
    Relation relation = try_relation_open(view, AccessShareLock);
    if (relation == nullptr)
        return false;
    bool suits = relation->rd_rel->relkind == RELKIND_MATVIEW && relation->rd_rel->relam == HEAP_TABLE_AM_OID
                 && (RelationIsPopulated(relation) || !concurrently);
    relation_close(relation, AccessShareLock);
    return suits;
}

// The view that a statement asks us to refresh; InvalidOid: it is for core to do, or to refuse.
Oid ours(const RefreshMatViewStmt *refresh)
{
    if (refresh->skipData)
        return InvalidOid;
    Oid view = named(refresh->relation);
    if (!OidIsValid(view) || get_rel_relkind(view) != RELKIND_MATVIEW || !may_use_schema(refresh->relation)
        || !pg::may_refresh(view, GetUserId()))
        return InvalidOid;
    return view;
}

// The procedure that does it; InvalidOid if it is not there, or not to be called.
Oid procedure()
{
    oidvector *no_types = buildoidvector(nullptr, 0);
    Oid schema = get_namespace_oid("refresh_mv_internal", true);
    if (!OidIsValid(schema) || !extension::is_current())
        return InvalidOid;
    Oid found = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("refresh_statement"),
                                PointerGetDatum(no_types), ObjectIdGetDatum(schema));
    return OidIsValid(found) && pg::may_execute(found, GetUserId()) ? found : InvalidOid;
}

// Whether the session is in a state in which it can refresh a view by other means than core's.
bool can_refresh()
{
    return take_over::setting != take_over::off && !run::skip_refresh && !XactReadOnly && !RecoveryInProgress()
           && !IsInParallelMode() && !InSecurityRestrictedOperation() && !IsBinaryUpgrade;
}

// ---- the hook ----

// The statement as a call of our procedure.
PlannedStmt *as_call(PlannedStmt *planned, Oid procedure)
{
    PlannedStmt *copy = makeNode(PlannedStmt);
    CallStmt *call = makeNode(CallStmt);
    *copy = *planned;
    call->funccall = makeFuncCall(list_make2(makeString(pstrdup("refresh_mv_internal")),
                                             makeString(pstrdup("refresh_statement"))),
                                  NIL, COERCE_EXPLICIT_CALL, -1);
    call->funcexpr = makeFuncExpr(procedure, VOIDOID, NIL, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
    copy->utilityStmt = reinterpret_cast<Node *>(call);
    return copy;
}

void go_on(PlannedStmt *planned, const char *text, bool read_only, ProcessUtilityContext context, ParamListInfo params,
           QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
    ProcessUtility_hook_type next = next_hook != nullptr ? next_hook : standard_ProcessUtility;
    next(planned, text, read_only, context, params, environment, dest, completion);
}

void on_utility(PlannedStmt *planned, const char *text, bool read_only, ProcessUtilityContext context,
                ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
    Oid call = InvalidOid;
    if (IsA(planned->utilityStmt, RefreshMatViewStmt) && can_refresh()
        && OidIsValid(ours(castNode(RefreshMatViewStmt, planned->utilityStmt))))
        call = procedure();
    if (!OidIsValid(call)) {
        go_on(planned, text, read_only, context, params, environment, dest, completion);
        return;
    }

    auto *refresh = castNode(RefreshMatViewStmt, planned->utilityStmt);
    Statement statement = {refresh, text, context, completion, nullptr, InvalidOid};
    Statement *outer = handed_on;
    PG_TRY();
    {
        handed_on = &statement;
        go_on(as_call(planned, call), text, true, context, params, environment, dest, completion);
    }
    PG_FINALLY();
    {
        handed_on = outer;
    }
    PG_END_TRY();
}

// ---- the refresh ----

ObjectAddress address_of(Oid view)
{
    ObjectAddress address;
    ObjectAddressSet(address, RelationRelationId, view);
    return address;
}

// Locks what the statement is about, and tells what that is; false: it is for core to do.
bool lock(const Statement &statement, Call *call, Oid *view)
{
    for (;;) {
        *view = guard([&] {
            CHECK_FOR_INTERRUPTS();
            return ours(statement.refresh);
        });
        if (!OidIsValid(*view))
            return false;
        *call = arguments::statement(*view, take_over::setting == take_over::cascade);
        // Its name may be that of another one, now that there was time to wait.
        if (run::lock(*call) && guard([&] { return ours(statement.refresh); }) == *view)
            return guard([&] { return is_suitable(*view, statement.refresh->concurrent); });
    }
}

// Whether core's REFRESH would not fail, though it cannot keep its promise: under a snapshot that does not show the
// last refresh it brings the view back to what was then.
bool is_for_core(const Statement &statement, const Call &call, const PgError &error)
{
    return error.data->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && !statement.refresh->concurrent
           && call.views.size() == 1;
}

// Refreshes the call's views; false, with nothing done, if that is for core to do.  *written says how many rows
// of the view that was named were written.
bool refresh_by_us(const Statement &statement, const Call &call, Oid view, uint64 *written)
{
    auto refresh = [&] {
        for (const Outcome &outcome : run::all_or_none(call, run::limits)) {
            const RowCounts &rows = outcome.refreshed.rows;
            if (outcome.view == view)
                *written = rows.inserted + rows.updated + rows.deleted;
        }
    };
    if (!IsolationUsesXactSnapshot()) {
        refresh();
        return true;
    }
    try {
        subtransaction(refresh);
        return true;
    } catch (const PgError &error) {
        if (!is_for_core(statement, call, error))
            throw;
        return false;
    }
}

ObjectAddress refresh(Statement *statement)
{
    Call call;
    Oid view;
    uint64 written = 0;
    if (!lock(*statement, &call, &view) || !refresh_by_us(*statement, call, view, &written))
        return guard([&] { return pg::exec_refresh(statement->refresh, statement->text, statement->completion); });
    statement->view = view;
    guard([&] {
        triggers::mend_own();
        if (statement->completion != nullptr)
            SetQueryCompletion(statement->completion, CMDTAG_REFRESH_MATERIALIZED_VIEW, written);
    });
    return address_of(view);
}

// The same, and no command of ours is shown to event triggers, as none of core's is.
ObjectAddress refresh_unseen(Statement *statement)
{
    ObjectAddress view = InvalidObjectAddress;
    EventTriggerInhibitCommandCollection();
    PG_TRY();
    {
        view = entry([&] { return refresh(statement); });
    }
    PG_FINALLY();
    {
        EventTriggerUndoInhibitCommandCollection();
    }
    PG_END_TRY();
    return view;
}

// What the server does for a statement that event triggers are told of.
void refresh_with_triggers(Statement *statement)
{
    auto *node = reinterpret_cast<Node *>(statement->refresh);
    bool is_complete = statement->context != PROCESS_UTILITY_SUBCOMMAND;
    bool has_state = is_complete && EventTriggerBeginCompleteQuery();

    PG_TRY();
    {
        running = statement;
        if (is_complete)
            EventTriggerDDLCommandStart(node);
        EventTriggerCollectSimpleCommand(refresh_unseen(statement), InvalidObjectAddress, node);
        if (is_complete) {
            EventTriggerSQLDrop(node);
            EventTriggerDDLCommandEnd(node);
        }
    }
    PG_FINALLY();
    {
        running = statement->outer;
        if (has_state)
            EventTriggerEndCompleteQuery();
    }
    PG_END_TRY();
}

} // namespace

Datum refresh_mv_refresh_statement(PG_FUNCTION_ARGS)
{
    Statement *statement = handed_on;
    if (statement == nullptr)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("refresh_mv_internal.refresh_statement() must be called by REFRESH MATERIALIZED VIEW"),
                 errhint("SET refresh_mv.take_over = on, and use that.")));
    handed_on = nullptr;
    statement->outer = running;
    refresh_with_triggers(statement);
    PG_RETURN_VOID();
}

namespace take_over {

int setting = off;

const config_enum_entry settings[] = {{"off", off, false},  {"on", on, false},     {"cascade", cascade, false},
                                      {"false", off, true}, {"no", off, true},     {"0", off, true},
                                      {"true", on, true},   {"yes", on, true},     {"1", on, true},
                                      {nullptr, 0, false}};

void watch()
{
    next_hook = ProcessUtility_hook;
    ProcessUtility_hook = on_utility;
}

bool has_done(const Node *statement)
{
    return running != nullptr && OidIsValid(running->view)
           && reinterpret_cast<const Node *>(running->refresh) == statement;
}

} // namespace take_over

} // namespace refresh_mv
