#include "incremental/incremental.hpp"

#include "incremental/analysis.hpp"
#include "incremental/delta.hpp"
#include "incremental/group_state.hpp"
#include "incremental/key_shape.hpp"
#include "incremental/keys.hpp"
#include "incremental/make_node.hpp"
#include "incremental/node_changes.hpp"
#include "incremental/way.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

namespace {

// To read a change from the log and to find its row takes as long as so many units of the
// planner's costs take.
constexpr double cost_of_change = 1;

// Gives the many small queries of a refresh the memory of a maintenance command, a share
// for each of the sorts and hash tables that a query has at a time; and does not compile
// them, until the view is closed.  What they look up is in memory, mostly.  How often a key occurs in rows that are
// in memory is not known: a merge join by some of the keys would go through all that share these, again and again.
void set_options()
{
    constexpr double cached_page = 1.1;
    int share = maintenance_work_mem / 4;
    if (random_page_cost > cached_page * seq_page_cost)
        set_config_option("random_page_cost", psprintf("%g", cached_page * seq_page_cost), PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
    for (const char *name : {"jit", "enable_mergejoin"})
        set_config_option(name, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    if (work_mem < share)
        set_config_option("work_mem", psprintf("%d", share), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                          false);
}

// Whether the baseline's states are those of the query as it is analysed.
bool has_state_of(Work *work, const char *groups)
{
    return groups != nullptr && !work->analysis.incomplete
           && strcmp(groups, analysis::fingerprint(work->analysis)) == 0;
}

// Analyses the query, by the anchor that suits the changes best; of a view with a
// state, by one that fits the state.
void analyse_for(Work *work, const char *groups)
{
    work->analysis = analysis::of(work->view, work->changes, nullptr, groups);
    if (groups != nullptr && analysis::has_state(work->analysis) && !has_state_of(work, groups))
        work->analysis = analysis::of(work->view, NIL, nullptr, groups);
}

// The same for whoever only reads: by the state of its groups if that is wanted, and else without any.
void analyse_to_read(Work *work, const char *groups)
{
    if (groups != nullptr)
        analyse_for(work, groups);
    else
        work->analysis = analysis::without_states(work->view, work->changes, nullptr);
}

// A standby cannot read a state, and so not tell whether a crash has emptied it.
bool is_there(State state)
{
    return RecoveryInProgress() ? OidIsValid(state_tables::groups_oid(state)) : group_state::is_there(state);
}

// Whether the view has the states that a refresh can begin with.
bool has_usable_state(Work *work, const char *groups)
{
    ListCell *cell;
    if (!has_state_of(work, groups))
        return false;
    foreach (cell, work->analysis.nodes)
        if (!is_there({work->state.view, static_cast<SubqueryNode *>(lfirst(cell))->number}))
            return false;
    return !analysis::has_groups(work->analysis) || is_there(work->state);
}

// Where the passage of time makes no difference for the tables as they are, has the time stand still: the query gives
// then what it gives now.
void stop_time(Work *work)
{
    if (!work->passage.passed || work->passage.moved != NIL)
        return;
    for (List *changes : {work->changes, static_cast<List *>(NIL)}) {
        Analysis stopped = work->analysis.stateless ? analysis::without_states(work->view, changes, work->as_of)
                                                    : analysis::of(work->view, changes, work->as_of, nullptr);
        if (strcmp(analysis::fingerprint(stopped), analysis::fingerprint(work->analysis)) != 0)
            continue;
        work->analysis = stopped;
        work->passage = passage::none();
        return;
    }
}

// Decides whether the changes are taken by terms or by parts; why neither can be, or null.
const char *find_way(Work *work)
{
    const char *obstacle = analysis::explained(work->analysis, way::find(work));
    if (work->by_terms)
        return nullptr;
    stop_time(work);
    if (work->passage.passed)
        return "rows have come or gone by the time alone while a table has changed that it does not only join";
    return work->as_of == nullptr ? obstacle : affected_parts::obstacle(work->analysis.query, work->analysis.anchoring, work->changes);
}

// Finds out what the time has moved; why its query cannot be taken apart, or null.
const char *find_obstacle(Work *work)
{
    const char *obstacle = old_state::obstacle(work->analysis.anchoring);
    work->find_passage();
    return obstacle != nullptr ? obstacle : work->passage.obstacle;
}

// Whether a view without nodes reads anything that has changed, or the time has moved anything.
bool top_is_concerned(Work *work)
{
    bool concerned = way::is_concerned(work);
    return work->scope.reason == nullptr && work->find_moved() && (concerned || work->passage.moved != NIL);
}

// Whether the view reads anything that has changed, be it by way of its nodes.  False, with a reason, if it is not
// affordable to look.
bool is_concerned(Work *work)
{
    if (work->analysis.nodes == NIL)
        return top_is_concerned(work);
    Work top = *work;
    top.changes = node_changes::read_by(work->analysis.anchoring, work->changes);
    if (way::is_concerned(&top))
        return true;
    work->scope.reason = top.scope.reason;
    return work->scope.reason == nullptr && node_changes::concern(work);
}

// Why the states cannot be read without waiting for whoever makes them anew; null if they can.
const char *obstacle_to_reading(Work *work)
{
    bool free = !analysis::has_groups(work->analysis)
                || state_tables::lock_if_free(work->state, work->analysis.groups.npartials);
    ListCell *cell;
    foreach (cell, work->analysis.nodes) {
        auto *node = static_cast<SubqueryNode *>(lfirst(cell));
        free = free && state_tables::lock_if_free({work->state.view, node->number}, node->groups.npartials);
    }
    return free ? nullptr : "the state of its groups is being made anew";
}

// Finds the method, or an obstacle. No query is run but those for changed rows.
void find_method(Work *work, const char *groups)
{
    bool stateful = analysis::has_state(work->analysis);
    const char *obstacle = find_obstacle(work);

    if (obstacle == nullptr && stateful && work->reading)
        obstacle = obstacle_to_reading(work);
    if (obstacle == nullptr && stateful && !has_usable_state(work, groups))
        obstacle = "there is no state of its groups yet";
    if (obstacle == nullptr && !is_concerned(work))
        work->scope.method = Method::skip; // without a reason
    else if (obstacle == nullptr && work->analysis.nodes == NIL)
        obstacle = find_way(work);
    if (obstacle != nullptr)
        work->refuse(obstacle);
    else if (work->scope.method != Method::skip)
        work->scope.method = stateful ? Method::delta : Method::keys;
}

// Begins a refresh: reads the changes, and finds the method.  What refresh carries out and what explain
// tells is decided here, for both.  groups as the baseline has it, or null to read without any state.
void begin(Work *work, const BaselineStatus &baseline, const char *groups)
{
    const char *reason = nullptr;

    constexpr int64 few = 1000;
    double reading = static_cast<double>(baseline.pending) * cost_of_change;
    if (reading > work->limit && baseline.pending > few) {
        *work->cost = reading;
        work->refuse("too many rows have changed");
        return;
    }
    work->as_of = baseline.time_has_passed() ? &baseline.as_of : nullptr;
    work->keeps = baseline.kept != nullptr;
    if (baseline.pending > 0)
        work->changes = net_changes::read(RelationGetRelid(work->view), baseline.sources, work->environment, &reason);
    if (reason != nullptr) {
        work->changes = nullptr;
        work->refuse(reason);
    } else if (work->changes == nullptr && work->as_of == nullptr)
        work->scope.method = Method::skip;
    else
        guard([&] {
            set_options();
            work->reading ? analyse_to_read(work, groups) : analyse_for(work, groups);
            find_method(work, groups);
        });
}

// Makes the state of the view's groups anew, over its nodes; returns the view's rows over that.
Query *query_over_new_groups(Work *work)
{
    const Analysis &analysis = work->analysis;
    state_tables::drop_one(work->state);
    group_state::fill(work->state, analysis.query, analysis.groups);
    UpdateActiveSnapshotCommandId();
    return group_shape::select_rows(analysis.query, analysis.groups, state_tables::groups(work->state), nullptr);
}

// Compares all rows of the view with those of its query, if to read the states of its nodes instead of all tables
// spares most of the work.
void find_whole_scope(Work *work)
{
    constexpr double most = 0.5;
    const char *reason = work->scope.reason;
    Query *fresh = work->query();
    double cost = query::cost(fresh);
    if (cost > most * gate::cost_limit * query::cost(query::rewritten(work->view)))
        return;
    work->scope.reason = nullptr;
    work->note("the query over its nodes", fresh);
    if (work->affordable(cost))
        work->scope.held = work->held_rows(nullptr, 0, nullptr);
    if (work->scope.held == nullptr) {
        work->scope.reason = reason;
        return;
    }
    work->scope.fresh = analysis::has_groups(work->analysis) && !work->planned && !work->reading ? query_over_new_groups(work) : fresh;
}

// Anchors the query that reads the nodes as suits all changes best, theirs included, and as its state allows.
void anchor_for_changes(Work *work)
{
    Analysis analysis = work->analysis;
    analysis.anchoring = anchor::choose(analysis.query, work->changes);
    analysis.groups = group_shape::analyse(analysis.query, analysis.anchoring);
    if (analysis::same_groups(analysis, work->analysis))
        work->analysis = analysis;
}

// Finds the rows to compare of a view with nodes, as they change: those with the keys that changes touch, or all.
void find_scope_over_nodes(Work *work)
{
    work->scope.method = Method::delta;
    if (!node_changes::find(work) || work->analysis.incomplete)
        return;
    work->changes = node_changes::read_by(work->analysis.anchoring, work->changes);
    anchor_for_changes(work);
    if (!way::is_concerned(work))
        return; // with nothing to compare
    bool has_groups = analysis::has_groups(work->analysis);
    const char *obstacle = way::find(work);
    if (obstacle != nullptr)
        work->refuse(obstacle);
    else if (work->by_terms || work->find_parts())
        has_groups ? delta::find_scope(work) : keys::find_scope(work);
    if (work->scope.reason != nullptr)
        find_whole_scope(work);
    work->scope.method = Method::delta;
}

// Finds the rows to compare, by the method that was found.
void find_scope(Work *work, Method method)
{
    if (work->analysis.nodes != NIL)
        return find_scope_over_nodes(work);
    if (!work->by_terms && !work->find_parts())
        return;
    if (method == Method::delta)
        delta::find_scope(work);
    else
        keys::find_scope(work);
}

// Why a method is none for the view, whatever has changed; null if it is one.
const char *method_obstacle(Work *work, Method method)
{
    const Analysis &analysis = work->analysis;
    const char *obstacle = find_obstacle(work);
    if (obstacle != nullptr)
        return obstacle;
    if (analysis.nodes != NIL)
        return method == Method::keys ? "its subqueries are refreshed by their states" : nullptr;
    return method == Method::delta ? analysis.groups.obstacle : nullptr;
}

// Plans to find them.  What stands in the way of a method is told even if there is nothing to find.
void plan_scope(Work *work, Method method)
{
    const Analysis &analysis = work->analysis;
    const char *obstacle = method_obstacle(work, method);

    bool concerned = obstacle == nullptr && is_concerned(work);
    if (work->scope.reason != nullptr)
        return;
    if (concerned && analysis.nodes == NIL)
        obstacle = find_way(work);
    else if (obstacle == nullptr && !concerned && method == Method::keys)
        obstacle = analysis::explained(analysis, key_shape::analyse(analysis.query, analysis.anchoring).obstacle);
    if (obstacle != nullptr)
        work->refuse(obstacle);
    else if (concerned)
        find_scope(work, method);
}

} // namespace

namespace incremental {

Prospect prospect(Relation view, const BaselineStatus &baseline, const Gate &gate, QueryEnvironment *environment)
{
    Work work{};
    double cost = 0;
    work.view = view;
    work.state.view = RelationGetRelid(view);
    work.cost = &cost;
    work.limit = gate.limit;
    work.environment = environment;
    begin(&work, baseline, baseline.groups);
    return {work.scope.reason, work.scope.method, work.changes};
}

// An exact refresh that has not begun.
static Work make_work(Relation view, const Gate &gate, double *cost)
{
    Work work{};
    work.view = view;
    work.state.view = RelationGetRelid(view);
    work.cost = cost;
    work.limit = gate.limit;
    work.environment = work.scope.environment = guard([] { return create_queryEnv(); });
    return work;
}

ExactScope scope(Relation view, const BaselineStatus &baseline, const Gate &gate, double *cost)
{
    Work work = make_work(view, gate, cost);
    begin(&work, baseline, baseline.groups);
    if (work.scope.reason == nullptr && work.scope.method != Method::skip)
        guard([&] {
            find_scope(&work, work.scope.method);
            if (analysis::has_state(work.analysis) || work.analysis.without_rows != nullptr)
                work.scope.groups = analysis::fingerprint(work.analysis);
        });
    return work.scope;
}

// Finds the scope for whoever only reads, by the state of such groups or (null) by none.
static ExactScope try_to_read(Relation view, const BaselineStatus &baseline, const char *groups, const Gate &gate,
                              double *cost)
{
    Work work = make_work(view, gate, cost);
    work.reading = true;
    begin(&work, baseline, groups);
    if (work.scope.reason == nullptr && work.scope.method != Method::skip)
        guard([&] { find_scope(&work, work.scope.method); });
    return work.scope;
}

ExactScope scope_to_read(Relation view, const BaselineStatus &baseline, const Gate &gate, double *cost)
{
    bool readable = baseline.groups != nullptr && !RecoveryInProgress();
    if (!readable)
        return try_to_read(view, baseline, nullptr, gate, cost);
    ExactScope scope = try_to_read(view, baseline, baseline.groups, gate, cost);
    if (scope.reason == nullptr)
        return scope;
    guard([&] { release(&scope); });
    *cost = 0;
    return try_to_read(view, baseline, nullptr, gate, cost);
}

const char *follow(Relation view, const BaselineStatus &baseline, const Gate &gate, const char **groups)
{
    double cost = 0;
    Work work = make_work(view, gate, &cost);
    begin(&work, baseline, baseline.groups);
    *groups = baseline.groups;
    guard([&] {
        if (work.scope.reason == nullptr && work.scope.method == Method::delta)
            find_scope(&work, Method::delta);
        if (work.scope.reason == nullptr && work.scope.fresh != nullptr)
            *groups = analysis::fingerprint(work.analysis);
        ephemeral_rows::release_all(work.environment);
    });
    return work.scope.reason;
}

ExactPlan plan(Relation view, const ExactQuestion &question)
{
    Work work{};
    double cost = 0;
    ListCell *cell;
    work.view = view;
    work.state.view = RelationGetRelid(view);
    work.cost = &cost;
    work.environment = create_queryEnv();
    foreach (cell, question.changes)
        ephemeral_rows::lend(work.environment, static_cast<NetChanges *>(lfirst(cell))->rows);
    work.limit = question.limit;
    work.planned = true;
    work.changes = question.changes;
    work.imagined = question.imagined;
    work.as_of = question.as_of;
    work.keeps = question.keeps;
    set_options();
    analyse_for(&work, question.groups);

    ExactPlan plan{};
    plan.anchoring = work.analysis.anchoring;
    plan.groups = work.analysis.groups;
    plan.stateful = analysis::has_state(work.analysis);
    plan.has_state = work.stateful = plan.stateful && has_usable_state(&work, question.groups);
    plan_scope(&work, question.method);
    plan.by_terms = work.by_terms;
    plan.obstacle = work.scope.reason;
    plan.cost = cost;
    plan.costly = plan.obstacle != nullptr && cost > work.limit;
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
    State state = {RelationGetRelid(view), 0};
    state_tables::drop(state.view);
    Analysis analysis = analysis::make(view, make_node::of);
    bool has_state = analysis::has_state(analysis);

    *groups = has_state || analysis.without_rows != nullptr ? analysis::fingerprint(analysis) : nullptr;
    if (!has_state)
        return query::rewritten(view);
    if (!analysis::has_groups(analysis))
        return analysis.query;
    group_state::fill(state, analysis.query, analysis.groups);
    UpdateActiveSnapshotCommandId();
    return group_shape::select_rows(analysis.query, analysis.groups, state_tables::groups(state), nullptr);
}

} // namespace incremental

} // namespace refresh_mv
