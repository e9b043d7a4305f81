#include "refresh.hpp"

#include "bridge.hpp"
#include "catalog.hpp"
#include "merge.hpp"
#include "query.hpp"
#include "strategy.hpp"
#include "text.hpp"
#include "window.hpp"

namespace {

// Tells this extension's lock on a view from other locks on the same object.
constexpr uint16 lock_id = 0x7276;

// A view opened for its refresh, in the security context of its owner.
struct OpenView {
    Relation relation;
    Oid saved_user;
    int saved_context;
    int guc_level;
    WindowColumn window;
    bool has_data;
    DateADT newest;
    char newest_text[MAXDATELEN + 1];
};

OpenView open_view(Oid oid)
{
    OpenView view{};
    view.relation = table_open(oid, NoLock);
    CheckTableNotInUse(view.relation, "refresh_materialized_views()");
    GetUserIdAndSecContext(&view.saved_user, &view.saved_context);
    SetUserIdAndSecContext(view.relation->rd_rel->relowner,
                           view.saved_context | SECURITY_RESTRICTED_OPERATION);
    view.guc_level = NewGUCNestLevel();
    pg::restrict_search_path();
    UpdateActiveSnapshotCommandId();
    return view;
}

void close_view(OpenView *view)
{
    AtEOXact_GUC(false, view->guc_level);
    SetUserIdAndSecContext(view->saved_user, view->saved_context);
    table_close(view->relation, NoLock);
}

// A relation whose pg_class row the snapshot does not show in its present form
// may have been truncated or rewritten since: what the snapshot reads of it is
// not what was there.
void check_unchanged_since_snapshot(Oid relation)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        return;
    TransactionId xmin = HeapTupleHeaderGetXmin(tuple->t_data);
    bool hidden = !TransactionIdIsCurrentTransactionId(xmin)
                  && XidInMVCCSnapshot(xmin, GetActiveSnapshot());
    ReleaseSysCache(tuple);
    if (hidden)
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("could not serialize access to relation \"%s\" due to a concurrent change of its definition or storage",
                        get_rel_name(relation)),
                 errhint("Retry the transaction.")));
}

// A snapshot that is as old as the transaction must show the last merge, and
// every relation as it is.
void check_serializable(Relation view)
{
    ListCell *cell;

    if (!IsolationUsesXactSnapshot())
        return;
    check_unchanged_since_snapshot(RelationGetRelid(view));
    foreach (cell, query::lock_sources(view))
        check_unchanged_since_snapshot(lfirst_oid(cell));
    catalog::note_merge(RelationGetRelid(view));
    UpdateActiveSnapshotCommandId();
}

// Finds the window column and the newest value in it.
void read_facts(OpenView *view)
{
    Datum newest;

    view->window = shape::window_column(view->relation, query::stored(view->relation),
                                        catalog::date_column(RelationGetRelid(view->relation)));
    if (view->window.attno == 0 || !window::newest(view->relation, view->window, &newest))
        return;
    view->has_data = true;
    view->newest = window::as_date(view->window.type, newest);
    strlcpy(view->newest_text,
            DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(view->newest))),
            sizeof(view->newest_text));
}

// The two queries and what comes of comparing them.
Diff *compare(Relation view, Query *fresh, Node *condition)
{
    PairingKey key = shape::pairing_key(view, query::stored(view));
    return diff::compute(view, query::select_held(view, condition),
                         query::select_fresh(view, fresh, condition), key);
}

RowCounts counts_of(const Diff *diff)
{
    return {diff->fresh_rows, diff->changed_rows, diff->gone_rows, diff->unchanged_rows};
}

struct Merged {
    RowCounts rows;
    Method method;
};

void note_changes(Relation view, const Diff *diff)
{
    if (diff->gone_rows + diff->changed_rows + diff->fresh_rows > 0 && !IsolationUsesXactSnapshot())
        catalog::note_merge(RelationGetRelid(view));
}

// Merges everything, or swaps the file where most rows change.
Merged refresh_whole(Relation view)
{
    check_serializable(view);
    Diff *diff = compare(view, query::rewritten(view), nullptr);
    RowCounts rows = counts_of(diff);
    uint64 changes = rows.inserted + rows.updated + rows.deleted;
    uint64 after = rows.inserted + rows.updated + rows.unchanged;
    Method method = Method::full;

    if (strategy::rebuild_pays(changes, after) && merge::swap(view, diff))
        method = Method::rebuild;
    else
        merge::apply(view, diff);
    note_changes(view, diff);
    diff::release(diff);
    return {rows, method};
}

// Merges the window.  *found is false, and nothing is done, where its start
// cannot be determined.
Merged refresh_window(Relation view, WindowColumn column, int days, bool *found)
{
    Datum start;

    *found = window::start(query::stored(view), column, days, &start);
    if (!*found)
        return {};
    check_serializable(view);
    Query *fresh = query::rewritten(view);
    window::add_implied_ranges(fresh, column, start, days);
    Diff *diff = compare(view, fresh, window::condition(view, column, start));
    RowCounts rows = counts_of(diff);
    merge::apply(view, diff);
    note_changes(view, diff);
    diff::release(diff);
    return {rows, Method::window};
}

// Core's REFRESH, for a view that nobody can be reading.
Merged refresh_by_core(Oid oid)
{
    QueryCompletion completion;
    RefreshMatViewStmt *statement = makeNode(RefreshMatViewStmt);
    statement->relation = makeRangeVar(get_namespace_name(get_rel_namespace(oid)),
                                       get_rel_name(oid), -1);
    InitializeQueryCompletion(&completion);
    pg::exec_refresh(statement, "REFRESH MATERIALIZED VIEW", &completion);
    catalog::note_merge(oid);
    return {{completion.nprocessed, 0, 0, 0}, Method::rebuild};
}

Facts facts_of(const OpenView &view)
{
    Facts facts;
    facts.populated = RelationIsPopulated(view.relation);
    facts.windowable = view.window.attno != 0;
    facts.not_windowable = view.window.reason ? view.window.reason : "";
    facts.has_data = view.has_data;
    facts.days_behind = guard([] { return GetSQLCurrentDate(); }) - view.newest;
    facts.newest = view.newest_text;
    return facts;
}

// Tells what was decided, in the words that users know.
void announce(const Request &request, const Facts &facts, const Decision &decision)
{
    if (request.mode == RefreshMode::smart) {
        if (facts.has_data)
            notice("Last data date: %s (%d days behind)", facts.newest.c_str(),
                   facts.days_behind > 0 ? facts.days_behind : 0);
        if (decision.method == Method::window)
            notice("Performing incremental refresh of the last %d days: %s", decision.days,
                   decision.reason.c_str());
        else
            notice("Performing full refresh: %s", decision.reason.c_str());
    } else if (request.mode == RefreshMode::incremental && decision.method != Method::window)
        notice("Performing full refresh instead: %s", decision.reason.c_str());
}

} // namespace

namespace refresh {

std::string name_of_view(Oid view)
{
    return guard([&]() -> const char * {
        return DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(view)));
    });
}

// Fails unless the oid is a view that the current user may refresh.
static void check_view(Oid view)
{
    char kind = get_rel_relkind(view);
    if (kind == '\0')
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("materialized view with OID %u does not exist", view)));
    if (kind != RELKIND_MATVIEW)
        ereport(ERROR,
                (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                 errmsg("\"%s\" is not a materialized view", get_rel_name(view))));
    if (!pg::may_refresh(view, GetUserId()))
        pg::no_right_to_refresh(get_rel_name(view));
}

void prepare(Oid oid)
{
    guard([&] {
        check_view(oid);
        LockDatabaseObject(RelationRelationId, oid, lock_id, ExclusiveLock);
        LockRelationOid(oid, RowExclusiveLock);
        check_view(oid); // it may have been dropped or given away meanwhile
        Relation view = table_open(oid, NoLock);
        query::lock_sources(view);
        table_close(view, NoLock);
    });
}

Outcome refresh(Oid oid, const Request &request)
{
    OpenView view = guard([&] {
        OpenView opened = open_view(oid);
        if (RelationIsPopulated(opened.relation))
            read_facts(&opened);
        return opened;
    });
    Facts facts = facts_of(view);
    Decision decision = strategy::choose(request, facts);
    announce(request, facts, decision);

    bool found = true;
    Merged result{};
    if (decision.method == Method::window) {
        result = guard([&] { return refresh_window(view.relation, view.window, decision.days, &found); });
        if (!found)
            notice("Performing full refresh instead: the start of the window cannot be determined for its date column");
    }
    if (decision.method == Method::full || !found)
        result = guard([&] { return refresh_whole(view.relation); });
    guard([&] { close_view(&view); });
    if (decision.method == Method::rebuild)
        result = guard([&] { return refresh_by_core(oid); });
    return {name_of_view(oid), true, result.method, result.rows, ""};
}

} // namespace refresh
