#include "incremental/incremental.hpp"

#include "incremental/group_state.hpp"
#include "incremental/key_shape.hpp"
#include "incremental/old_state.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

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

// A refresh under way, or only planned: then no query of it is run, but those for the
// parts, and each is noted.
struct Work {
    Relation view;
    double limit; // of costs
    double cost;  // so far
    bool planned;
    List *queries; // PlannedQuery *
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
    normalize::normalize(&analysis.query);
    analysis.anchoring = anchor::of(analysis.query, changed);
    analysis.groups = group_shape::of(analysis.query, analysis.anchoring);
    return analysis;
}

// Gives the many small queries of a refresh the memory of a maintenance command, a share
// for each of the sorts and hash tables that a query has at a time; and does not compile
// them, until the view is closed.
void set_options()
{
    int share = maintenance_work_mem / 4;
    set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    if (work_mem < share)
        set_config_option("work_mem", psprintf("%d", share), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                          false);
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
           && affected_parts::obstacle(analysis.anchoring, NIL) == nullptr;
}

bool refuse(Work *work, const char *reason)
{
    work->scope.reason = reason;
    return false;
}

// Adds a cost; whether all are within the limit.
bool affordable(Work *work, double cost)
{
    work->cost += cost;
    return work->cost <= work->limit || refuse(work, "an exact refresh would cost more than a full one");
}

// Notes a query for whoever wants to see what would be run.
void note(Work *work, const char *name, Query *query)
{
    if (!work->planned)
        return;
    auto *noted = static_cast<PlannedQuery *>(palloc(sizeof(PlannedQuery)));
    *noted = {name, copy(query)};
    work->queries = lappend(work->queries, noted);
}

// What the queries of a refresh give, or may give if it is only planned.
ephemeral_rows::Result result_of(const Work *work)
{
    return work->planned ? ephemeral_rows::expected_of : static_cast<ephemeral_rows::Result>(ephemeral_rows::result_of);
}

// Runs a query and shows its rows.
void run_and_show(Work *work, Query *query, const char *name)
{
    ephemeral_rows::show(work->environment, result_of(work)(query::plan(query, 0), name, work->environment));
}

// The same if it is affordable.
bool run_affordable(Work *work, Query *query, const char *name)
{
    note(work, name, query);
    PlannedStmt *plan = query::plan(query, 0);
    if (!affordable(work, query::cost(plan)))
        return false;
    ephemeral_rows::show(work->environment, result_of(work)(plan, name, work->environment));
    return true;
}

// ---- delta ----

// Runs queries made of the view's in both states, and shows their rows by a name with
// _now and _before.
template <class Select>
bool run_both(Work *work, const char *name, Select select)
{
    for (TableState state : {TableState::now, TableState::before}) {
        Query *query = copy(work->analysis.query);
        select(query);
        old_state::apply(query, work->analysis.anchoring, work->changes, state, work->parts,
                         work->environment);
        const char *shown = psprintf("refresh_mv_%s_%s", name, state == TableState::now ? "now" : "before");
        if (!run_affordable(work, query, shown))
            return false;
    }
    return true;
}

// Rows expected under another name, as many as both states have.
void expect_both(Work *work, const char *name, const char *both)
{
    NamedRows now = ephemeral_rows::shown(work->environment, psprintf("refresh_mv_%s_now", name));
    NamedRows before = ephemeral_rows::shown(work->environment, psprintf("refresh_mv_%s_before", name));
    ephemeral_rows::show(work->environment,
                ephemeral_rows::expected(both, now.desc, static_cast<double>(Max(now.count, before.count))));
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
bool redo(Work *work)
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
    if (!run_affordable(work, query, "refresh_mv_pieces_redone"))
        return false;
    ephemeral_rows::show(work->environment, group_state::redone(shape, work->environment));
    return true;
}

// Finds what is to be added to the state, and what to be taken away.
bool find_pieces(Work *work)
{
    const GroupShape &shape = work->analysis.groups;

    if (!run_both(work, "pieces", [&](Query *query) { group_shape::select_pieces(query, shape); }))
        return false;
    for (int i = 0; i < shape.npieces; i++)
        if (shape.pieces[i].kind == PieceKind::values
            && !run_both(work, psprintf("values_%d", i + 1),
                         [&](Query *query) { group_shape::select_values(query, shape, shape.pieces[i]); }))
            return false;
    return true;
}

// Finds the touched groups as they will be.
bool find_groups(Work *work)
{
    const GroupShape &shape = work->analysis.groups;

    if (!find_pieces(work))
        return false;
    if (work->planned) {
        expect_both(work, "pieces", "refresh_mv_groups");
        return true;
    }
    NamedRows groups = group_state::next(RelationGetRelid(work->view), shape, work->environment);
    ephemeral_rows::show(work->environment, groups);
    return !has_redo(groups, shape) || redo(work);
}

// The rows of the view that an exact refresh compares.
Query *held_rows(Work *work, const Key *keys, int nkeys, const char *touched)
{
    Query *held = nkeys == 0 ? query::select_held(work->view, nullptr)
                             : key_shape::select_held(work->view, keys, nkeys, touched, work->environment);
    note(work, "rows of the view", held);
    return affordable(work, query::cost(held)) ? held : nullptr;
}

// Brings the state up to date.
void write_state(Work *work)
{
    group_state::write(RelationGetRelid(work->view), work->analysis.groups,
                       ephemeral_rows::shown(work->environment, "refresh_mv_groups"), work->environment);
    UpdateActiveSnapshotCommandId();
}

void delta(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    bool whole = shape.whole || shape.single;
    const char *rows = whole ? state_tables::groups(RelationGetRelid(work->view)) : "refresh_mv_groups";

    if (!find_groups(work))
        return;
    work->scope.held = held_rows(work, shape.keys, whole ? 0 : shape.nkeys, "refresh_mv_groups");
    if (work->scope.held == nullptr)
        return;
    work->scope.method = Method::delta;
    if (work->planned)
        return;
    write_state(work);
    work->scope.fresh = group_shape::select_rows(work->analysis.query, shape, rows, work->environment);
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
bool show_touched(Work *work, const KeyShape &shape)
{
    if (!run_both(work, "keys", [&](Query *query) { key_shape::select_keys(query, shape); }))
        return false;
    if (work->planned)
        expect_both(work, "keys", "refresh_mv_touched");
    else
        run_and_show(work,
                     query::unchecked("SELECT * FROM refresh_mv_keys_now UNION SELECT * FROM refresh_mv_keys_before",
                                      work->environment),
                     "refresh_mv_touched");
    return true;
}

// Restricts the view's query to the touched keys.
bool restrict_to_touched(Work *work, const KeyShape &shape, Query *query)
{
    if (shape.anchored) {
        show_parts(work, shape.keys[0]);
        old_state::apply(query, work->analysis.anchoring, work->changes, TableState::now, work->parts,
                         work->environment);
        return true;
    }
    if (!show_touched(work, shape))
        return false;
    key_shape::restrict_to(query, shape.keys, shape.nkeys, "refresh_mv_touched", work->environment);
    return true;
}

void keys(Work *work)
{
    KeyShape shape = key_shape::of(work->analysis.query, work->analysis.anchoring);
    Query *fresh = copy(work->analysis.query);

    if (shape.obstacle != nullptr)
        refuse(work, shape.obstacle);
    if (shape.obstacle != nullptr || !restrict_to_touched(work, shape, fresh))
        return;
    note(work, "the query for them", fresh);
    if (!affordable(work, query::cost(fresh)))
        return;
    work->scope.held = held_rows(work, shape.keys, shape.nkeys, "refresh_mv_touched");
    if (work->scope.held == nullptr)
        return;
    work->scope.method = Method::keys;
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

// Finds the parts of the query that may differ.
bool find_parts(Work *work, ephemeral_rows::Result result)
{
    work->parts = affected_parts::find(work->analysis.query, work->analysis.anchoring, work->changes, work->limit,
                                   result, work->environment, &work->cost, &work->scope.reason);
    return work->parts != nullptr;
}

// Finds the scope, or a reason why there is none.
void find_scope(Work *work, const char *groups)
{
    bool stateful = has_state(work->analysis);
    const char *obstacle = affected_parts::obstacle(work->analysis.anchoring, work->changes);

    if (obstacle != nullptr) {
        refuse(work, obstacle);
        return;
    }
    if (stateful && !(has_state_of(work, groups) && group_state::is_there(RelationGetRelid(work->view)))) {
        refuse(work, "there is no state of its groups yet");
        return;
    }
    if (!affected_parts::concerns(work->analysis.anchoring, work->changes)) {
        work->scope.method = Method::skip; // a table that a CTE reads which nothing refers to
        return;
    }
    if (!find_parts(work, ephemeral_rows::result_of))
        return;
    if (stateful)
        delta(work);
    else
        keys(work);
}

} // namespace

namespace incremental {

double cost_limit = 1;

double full_cost(Relation view)
{
    return query::checked_cost(query::rewritten(view)) + query::cost(query::select_held(view, nullptr));
}

ExactScope scope(Relation view, List *sources, int64 pending, const char *groups)
{
    Work work{};
    const char *reason;
    bool many = guard([&] {
        work.view = view;
        work.environment = work.scope.environment = create_queryEnv();
        work.limit = incremental::full_cost(view) * cost_limit;
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

ExactPlan plan(Relation view, const ExactQuestion &question)
{
    Work work{};
    ListCell *cell;
    work.view = view;
    work.environment = create_queryEnv();
    foreach (cell, question.changes)
        ephemeral_rows::lend(work.environment, static_cast<NetChanges *>(lfirst(cell))->rows);
    work.limit = question.limit;
    work.planned = true;
    work.changes = question.changes;
    set_options();
    analyse_for(&work, question.groups);

    ExactPlan plan{};
    plan.anchoring = work.analysis.anchoring;
    plan.groups = work.analysis.groups;
    plan.stateful = has_state(work.analysis);
    // Not read: that would lock it, and is impossible on a standby.
    plan.has_state = plan.stateful && has_state_of(&work, question.groups) && state_tables::exist(RelationGetRelid(view));
    if (question.method == Method::delta && work.analysis.groups.obstacle != nullptr)
        work.scope.reason = work.analysis.groups.obstacle;
    else
        work.scope.reason = affected_parts::obstacle(work.analysis.anchoring, work.changes);
    plan.concerned = affected_parts::concerns(work.analysis.anchoring, work.changes);
    if (work.scope.reason == nullptr && plan.concerned
        && find_parts(&work, question.imagined ? ephemeral_rows::expected_of
                                               : static_cast<ephemeral_rows::Result>(ephemeral_rows::result_of)))
        question.method == Method::delta ? delta(&work) : keys(&work);
    plan.obstacle = work.scope.reason;
    plan.cost = work.cost;
    plan.costly = plan.obstacle != nullptr && work.cost > work.limit;
    plan.queries = work.queries;
    ephemeral_rows::release_all(work.environment);
    return plan;
}

void release(ExactScope *scope)
{
    ephemeral_rows::release_all(scope->environment);
}

Query *query_with_state(Relation view, const char **groups)
{
    Analysis analysis = analyse(view, NIL);

    *groups = nullptr;
    if (!has_state(analysis)) {
        state_tables::drop(RelationGetRelid(view));
        return query::rewritten(view);
    }
    group_state::fill(RelationGetRelid(view), analysis.query, analysis.groups);
    UpdateActiveSnapshotCommandId();
    *groups = group_shape::fingerprint(analysis.groups);
    return group_shape::select_rows(analysis.query, analysis.groups,
                                    state_tables::groups(RelationGetRelid(view)), nullptr);
}

} // namespace incremental

} // namespace refresh_mv
