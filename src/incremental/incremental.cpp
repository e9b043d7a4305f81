#include "incremental/incremental.hpp"

#include "incremental/delta.hpp"
#include "incremental/expose_keys.hpp"
#include "incremental/group_state.hpp"
#include "incremental/key_shape.hpp"
#include "incremental/keys.hpp"
#include "incremental/whole_rows.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

namespace {

// To read a change from the log and to find its row takes as long as so many units of the
// planner's costs take.
constexpr double cost_of_change = 1;

// Analyses a view's query, as of a time if there is one.
Analysis analyse(Relation view, List *changed, const Moment *as_of = nullptr)
{
    Analysis analysis{};
    analysis.query = query::rewritten(view);
    normalize::normalize(&analysis.query);
    whole_rows::spell_out(analysis.query);
    expose_keys::in_subqueries(analysis.query);
    if (as_of != nullptr)
        analysis.query = castNode(Query, time_conditions::at(reinterpret_cast<Node *>(analysis.query), *as_of));
    analysis.anchoring = anchor::choose(analysis.query, changed);
    analysis.groups = group_shape::analyse(analysis.query, analysis.anchoring);
    return analysis;
}

// Gives the many small queries of a refresh the memory of a maintenance command, a share
// for each of the sorts and hash tables that a query has at a time; and does not compile
// them, until the view is closed.  What they look up is in memory, mostly.
void set_options()
{
    constexpr double cached_page = 1.1;
    int share = maintenance_work_mem / 4;
    if (random_page_cost > cached_page * seq_page_cost)
        set_config_option("random_page_cost", psprintf("%g", cached_page * seq_page_cost), PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
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

// Why no changes can be taken in, whatever has changed; null if some can.
const char *shape_obstacle(const Analysis &analysis)
{
    const char *obstacle = old_state::obstacle(analysis.anchoring);
    ListCell *cell;
    foreach (cell, obstacle == nullptr ? analysis.anchoring.instances : NIL)
        if (static_cast<Instance *>(lfirst(cell))->linear)
            return nullptr;
    return obstacle != nullptr ? obstacle : affected_parts::obstacle(analysis.anchoring, NIL);
}

// Whether groups of the query can be kept in a state.
bool has_state(const Analysis &analysis)
{
    return analysis.groups.obstacle == nullptr && shape_obstacle(analysis) == nullptr;
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

// Whether the view has a state that a refresh can begin with.  A standby cannot read it, and
// so not tell whether a crash has emptied it.
bool has_usable_state(Work *work, const char *groups)
{
    Oid view = RelationGetRelid(work->view);
    return has_state_of(work, groups)
           && (RecoveryInProgress() ? state_tables::exist(view) : group_state::is_there(view));
}

// Whether two analyses are of the same groups, or both of none.
bool same_groups(const Analysis &a, const Analysis &b)
{
    return has_state(a) == has_state(b)
           && (!has_state(a) || strcmp(group_shape::fingerprint(a.groups), group_shape::fingerprint(b.groups)) == 0);
}

// Where the passage of time makes no difference for the tables as they are, has the time stand still: the query gives
// then what it gives now.
void stop_time(Work *work)
{
    if (!work->passage.passed || work->passage.moved != NIL)
        return;
    for (List *changed : {changed_relations(work->changes), static_cast<List *>(NIL)}) {
        Analysis stopped = analyse(work->view, changed, work->as_of);
        if (!same_groups(stopped, work->analysis))
            continue;
        work->analysis = stopped;
        work->passage = passage::none();
        return;
    }
}

// Decides whether the changes are taken by terms or by parts; why neither can be, or null.
const char *find_way(Work *work)
{
    work->by_terms = signed_terms::tell_all(work->analysis.query, work->analysis.anchoring, work->changes);
    if (work->by_terms)
        return nullptr;
    stop_time(work);
    return work->passage.passed ? "rows have come or gone by the time alone while a table has changed that it does not only join"
                                : affected_parts::obstacle(work->analysis.anchoring, work->changes);
}

// Finds out what the time has moved; why its query cannot be taken apart, or null.
const char *find_obstacle(Work *work)
{
    const char *obstacle = old_state::obstacle(work->analysis.anchoring);
    work->find_passage();
    return obstacle != nullptr ? obstacle : work->passage.obstacle;
}

// Whether the query reads anything that has changed, or the time has; not if that is a table that a CTE reads which nothing refers
// to, or a column that it does not read.  False, with a reason, if it is not affordable to look.
bool is_concerned(Work *work)
{
    bool concerned = affected_parts::concerns(work->analysis.anchoring, work->changes) && work->show_signs()
                     && affected_parts::concerns(work->analysis.anchoring, work->changes);
    return work->scope.reason == nullptr && work->find_moved() && (concerned || work->passage.moved != NIL);
}

// Finds the method, or an obstacle. No query is run but those for changed rows.
void find_method(Work *work, const char *groups)
{
    bool stateful = has_state(work->analysis);
    const char *obstacle = find_obstacle(work);

    if (obstacle == nullptr && stateful && !has_usable_state(work, groups))
        obstacle = "there is no state of its groups yet";
    if (obstacle == nullptr && !is_concerned(work))
        work->scope.method = Method::skip; // without a reason
    else if (obstacle != nullptr || (obstacle = find_way(work)) != nullptr)
        work->refuse(obstacle);
    else
        work->scope.method = stateful ? Method::delta : Method::keys;
}

// Begins a refresh: reads the changes, and finds the method.  What refresh carries out and what explain
// tells is decided here, for both.
void begin(Work *work, const BaselineStatus &baseline)
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
            analyse_for(work, baseline.groups);
            find_method(work, baseline.groups);
        });
}

// Finds the rows to compare, by the method that was found.
void find_scope(Work *work, Method method)
{
    if (!work->by_terms && !work->find_parts())
        return;
    if (method == Method::delta)
        delta::find_scope(work);
    else
        keys::find_scope(work);
}

// Plans to find them.  What stands in the way of a method is told even if there is nothing to find.
void plan_scope(Work *work, Method method)
{
    const Analysis &analysis = work->analysis;
    const char *obstacle = find_obstacle(work);

    if (method == Method::delta && analysis.groups.obstacle != nullptr)
        obstacle = analysis.groups.obstacle;
    bool concerned = obstacle == nullptr && is_concerned(work);
    if (work->scope.reason != nullptr)
        return;
    if (concerned)
        obstacle = find_way(work);
    else if (obstacle == nullptr && method == Method::keys)
        obstacle = key_shape::analyse(analysis.query, analysis.anchoring).obstacle;
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
    work.cost = &cost;
    work.limit = gate.limit;
    work.environment = environment;
    begin(&work, baseline);
    return {work.scope.reason, work.scope.method, work.changes};
}

ExactScope scope(Relation view, const BaselineStatus &baseline, const Gate &gate, double *cost)
{
    Work work{};
    work.view = view;
    work.cost = cost;
    work.limit = gate.limit;
    work.environment = work.scope.environment = guard([] { return create_queryEnv(); });
    begin(&work, baseline);
    if (work.scope.reason == nullptr && work.scope.method != Method::skip)
        guard([&] { find_scope(&work, work.scope.method); });
    return work.scope;
}

ExactPlan plan(Relation view, const ExactQuestion &question)
{
    Work work{};
    double cost = 0;
    ListCell *cell;
    work.view = view;
    work.cost = &cost;
    work.environment = create_queryEnv();
    foreach (cell, question.changes)
        ephemeral_rows::lend(work.environment, static_cast<NetChanges *>(lfirst(cell))->rows);
    work.limit = question.limit;
    work.planned = true;
    work.changes = question.changes;
    work.imagined = question.imagined;
    work.as_of = question.as_of;
    set_options();
    analyse_for(&work, question.groups);

    ExactPlan plan{};
    plan.anchoring = work.analysis.anchoring;
    plan.groups = work.analysis.groups;
    plan.stateful = has_state(work.analysis);
    plan.has_state = plan.stateful && has_usable_state(&work, question.groups);
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
