#include "exact.hpp"

#include "bridge.hpp"
#include "group_state.hpp"
#include "key_shape.hpp"
#include "normal.hpp"
#include "query.hpp"
#include "two_state.hpp"

namespace {

// To read a change from the log and to find its row costs at least as much as this, in
// the planner's units: a good part of a page.
constexpr double cost_of_change = 1;

// A view's query, analysed.
struct Analysis {
    Query *query;
    Anchoring anchoring;
    GroupShape groups;
};

// A refresh under way.
struct Work {
    Relation view;
    double limit; // of costs
    Analysis analysis;
    List *changes;
    const Parts *parts;
    QueryEnvironment *environment;
    ExactScope scope;
};

Query *copy(Query *query)
{
    return static_cast<Query *>(copyObjectImpl(query));
}

Analysis analyse(Relation view, List *changed)
{
    Analysis analysis{};
    analysis.query = query::rewritten(view);
    normal::normalize(&analysis.query);
    analysis.anchoring = anchor::of(analysis.query, changed);
    analysis.groups = group_shape::of(analysis.query, analysis.anchoring);
    return analysis;
}

// Gives the many small queries of a refresh as much memory as a maintenance command
// has, and does not compile them, until the view is closed.
void set_options()
{
    set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    if (work_mem < maintenance_work_mem)
        set_config_option("work_mem", psprintf("%d", maintenance_work_mem), PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
}

List *changed_relations(List *changes)
{
    List *relations = NIL;
    ListCell *cell;
    foreach (cell, changes)
        relations = lappend_oid(relations, static_cast<NetChanges *>(lfirst(cell))->relation);
    return relations;
}

// Whether groups of the query can be kept in a state.
bool has_state(const Analysis &analysis)
{
    return analysis.groups.obstacle == nullptr
           && two_state::obstacle(analysis.anchoring, NIL) == nullptr;
}

bool refuse(Work *work, const char *reason)
{
    work->scope.reason = reason;
    return false;
}

// Whether a cost is within the rest of the limit, which is lowered.
bool affordable(Work *work, double cost, double *rest)
{
    *rest -= cost;
    return *rest >= 0 || refuse(work, "as many rows are concerned as a full refresh reads");
}

// Runs a query and shows its rows.
void run_and_show(Work *work, Query *query, const char *name)
{
    named::show(work->environment, named::result_of(query, name, work->environment));
}

// The same if it is affordable.
bool run_affordable(Work *work, Query *query, const char *name, double *rest)
{
    PlannedStmt *plan = query::plan(query, 0);
    if (!affordable(work, query::cost(plan), rest))
        return false;
    named::show(work->environment, named::result_of(plan, name, work->environment));
    return true;
}

// ---- delta ----

// Runs queries made of the view's in both states, and shows their rows by a name with
// _now and _before.
template <class Select>
bool run_both(Work *work, const char *name, double *rest, Select select)
{
    for (TableState state : {TableState::now, TableState::before}) {
        Query *query = copy(work->analysis.query);
        select(query);
        two_state::apply(query, work->analysis.anchoring, work->changes, state, work->parts,
                         work->environment);
        const char *shown = psprintf("refresh_mv_%s_%s", name, state == TableState::now ? "now" : "before");
        if (!run_affordable(work, query, shown, rest))
            return false;
    }
    return true;
}

// Whether there is a group to be computed anew.  Fails if a group counts less than
// no rows: the state is not what it should be.
bool has_redo(const NamedRows &groups, const GroupShape &shape)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(groups.desc, &TTSOpsMinimalTuple);
    bool redo = false;
    bool null;

    tuplestore_rescan(groups.rows);
    while (tuplestore_gettupleslot(groups.rows, true, false, slot)) {
        if (DatumGetInt64(slot_getattr(slot, static_cast<AttrNumber>(shape.nkeys + 3), &null)) < 0)
            elog(ERROR, "the state of a group counts less than no rows");
        redo |= DatumGetBool(slot_getattr(slot, static_cast<AttrNumber>(groups.desc->natts), &null));
    }
    ExecDropSingleTupleTableSlot(slot);
    return redo;
}

// Computes those groups anew of which a piece cannot be had by adding and subtracting.
bool redo(Work *work, double *rest)
{
    const GroupShape &shape = work->analysis.groups;
    Query *query = copy(work->analysis.query);
    StringInfoData keys;

    if (shape.single)
        return refuse(work, "the smallest or largest value of all has gone");
    initStringInfo(&keys);
    for (int i = 0; i < shape.nkeys; i++)
        appendStringInfo(&keys, "%sf.k%d", i > 0 ? ", " : "", i + 1);
    run_and_show(work, query::unchecked(psprintf("SELECT %s FROM refresh_mv_groups f WHERE f.redo", keys.data),
                                        work->environment),
                 "refresh_mv_redo");
    key_shape::restrict_to(query, shape.keys, shape.nkeys, "refresh_mv_redo", work->environment);
    group_shape::select_pieces(query, shape);
    if (!run_affordable(work, query, "refresh_mv_pieces_redone", rest))
        return false;
    named::show(work->environment, group_state::redone(shape, work->environment));
    return true;
}

// Brings the state up to date.
bool advance_state(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    Oid view = RelationGetRelid(work->view);
    double rest = work->limit;

    if (!run_both(work, "pieces", &rest, [&](Query *query) { group_shape::select_pieces(query, shape); }))
        return false;
    for (int i = 0; i < shape.npieces; i++)
        if (shape.pieces[i].kind == PieceKind::values
            && !run_both(work, psprintf("values_%d", i + 1), &rest,
                         [&](Query *query) { group_shape::select_values(query, shape, shape.pieces[i]); }))
            return false;
    NamedRows groups = group_state::next(view, shape, work->environment);
    named::show(work->environment, groups);
    if (has_redo(groups, shape) && !redo(work, &rest))
        return false;
    group_state::write(view, shape, named::shown(work->environment, "refresh_mv_groups"), work->environment);
    UpdateActiveSnapshotCommandId();
    return true;
}

void delta(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    bool whole = shape.whole || shape.single;

    if (!advance_state(work))
        return;
    work->scope.method = Method::delta;
    work->scope.held = whole ? query::select_held(work->view, nullptr)
                             : key_shape::select_held(work->view, shape.keys, shape.nkeys,
                                                      "refresh_mv_groups", work->environment);
    work->scope.fresh =
        group_shape::select_rows(work->analysis.query, shape,
                                 whole ? group_state::table(RelationGetRelid(work->view)) : "refresh_mv_groups",
                                 work->environment);
    work->scope.groups = group_shape::fingerprint(shape);
}

// ---- keys ----

// The parts as keys.
void show_parts(Work *work, const Key &key)
{
    Oid type = exprType(reinterpret_cast<Node *>(key.expr));
    run_and_show(work,
                 query::unchecked(psprintf("SELECT p.part::%s AS k1 FROM refresh_mv_parts_now p%s",
                                           format_type_be_qualified(type),
                                           work->parts->has_null ? " UNION ALL SELECT NULL" : ""),
                                  work->environment),
                 "refresh_mv_touched");
}

// The keys of the parts' rows in either state.
bool show_touched(Work *work, const KeyShape &shape, double *rest)
{
    if (!run_both(work, "keys", rest, [&](Query *query) { key_shape::select_keys(query, shape); }))
        return false;
    run_and_show(work,
                 query::unchecked("SELECT * FROM refresh_mv_keys_now UNION SELECT * FROM refresh_mv_keys_before",
                                  work->environment),
                 "refresh_mv_touched");
    return true;
}

void keys(Work *work)
{
    KeyShape shape = key_shape::of(work->analysis.query, work->analysis.anchoring);
    Query *fresh = copy(work->analysis.query);
    double rest = work->limit;

    if (shape.obstacle != nullptr) {
        refuse(work, shape.obstacle);
        return;
    }
    if (shape.anchored) {
        show_parts(work, shape.keys[0]);
        two_state::apply(fresh, work->analysis.anchoring, work->changes, TableState::now, work->parts,
                         work->environment);
    } else {
        if (!show_touched(work, shape, &rest))
            return;
        key_shape::restrict_to(fresh, shape.keys, shape.nkeys, "refresh_mv_touched", work->environment);
    }
    if (!affordable(work, query::cost(fresh), &rest))
        return;
    work->scope.method = Method::keys;
    work->scope.held = key_shape::select_held(work->view, shape.keys, shape.nkeys, "refresh_mv_touched",
                                              work->environment);
    work->scope.fresh = fresh;
}

// Whether the baseline's state is one of the groups as they are analysed.
bool has_state_of(Work *work, const char *groups)
{
    return groups != nullptr && strcmp(groups, group_shape::fingerprint(work->analysis.groups)) == 0;
}

// Analyses the query, by the anchor that suits the changes best; of a view with a
// state, by one that fits the state.
void analyse_for(Work *work, const char *groups)
{
    work->analysis = analyse(work->view, changed_relations(work->changes));
    if (groups != nullptr && has_state(work->analysis) && !has_state_of(work, groups))
        work->analysis = analyse(work->view, NIL);
}

// Finds the scope, or a reason why there is none.
void find_scope(Work *work, const char *groups)
{
    bool stateful = has_state(work->analysis);
    const char *obstacle = two_state::obstacle(work->analysis.anchoring, work->changes);

    if (obstacle != nullptr) {
        refuse(work, obstacle);
        return;
    }
    if (stateful && !(has_state_of(work, groups) && group_state::is_there(RelationGetRelid(work->view)))) {
        refuse(work, "there is no state of its groups yet");
        return;
    }
    work->parts = two_state::parts(work->analysis.query, work->analysis.anchoring, work->changes,
                                   work->limit, work->environment, &work->scope.reason);
    if (work->parts == nullptr)
        return;
    if (stateful)
        delta(work);
    else
        keys(work);
}

} // namespace

namespace exact {

double cost_limit = 1;

ExactScope scope(Relation view, List *sources, int64 pending, const char *groups)
{
    Work work{};
    const char *reason;
    bool many = guard([&] {
        work.view = view;
        work.environment = work.scope.environment = create_queryEnv();
        work.limit = query::checked_cost(query::rewritten(view)) * cost_limit;
        set_options();
        return static_cast<double>(pending) * cost_of_change > work.limit;
    });
    if (many) {
        work.scope.reason = "too many rows have changed";
        return work.scope;
    }
    work.changes = net_changes::read(RelationGetRelid(view), sources, work.environment, &reason);
    if (reason != nullptr)
        work.scope.reason = reason;
    else if (work.changes == NIL)
        work.scope.method = Method::skip;
    else
        guard([&] {
            analyse_for(&work, groups);
            find_scope(&work, groups);
        });
    return work.scope;
}

void release(ExactScope *scope)
{
    named::release_all(scope->environment);
}

Query *query_with_state(Relation view, const char **groups)
{
    Analysis analysis = analyse(view, NIL);

    *groups = nullptr;
    if (!has_state(analysis)) {
        group_state::drop(RelationGetRelid(view));
        return query::rewritten(view);
    }
    group_state::fill(RelationGetRelid(view), analysis.query, analysis.groups);
    UpdateActiveSnapshotCommandId();
    *groups = group_shape::fingerprint(analysis.groups);
    return group_shape::select_rows(analysis.query, analysis.groups,
                                    group_state::table(RelationGetRelid(view)), nullptr);
}

} // namespace exact
