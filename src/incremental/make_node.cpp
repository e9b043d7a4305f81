#include "incremental/make_node.hpp"

#include "incremental/gate.hpp"
#include "incremental/group_state.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

constexpr char too_large[] = "to keep its joined rows would take more than refresh_mv.node_size_limit";
constexpr char too_slow[] = "to read its joined rows would take most of a full refresh";

double bytes_allowed()
{
    return static_cast<double>(make_node::size_limit) * 1024 * 1024;
}

// What reading a state as a whole costs at least, by the planner's estimates of its rows.
double cost_of_reading(double rows, double bytes)
{
    return bytes / BLCKSZ * seq_page_cost + rows * cpu_tuple_cost;
}

// Why not to make the state of joined rows, as far as that can be known before.
const char *obstacle(State state, const SubqueryNode &node)
{
    constexpr double most = 0.5; // as find_whole_scope() has it
    constexpr double row_overhead = 48;
    auto *query = static_cast<Query *>(copyObjectImpl(node.query));
    group_shape::select_partials(query, node.groups);
    const Plan *plan = query::plan(query, CURSOR_OPT_PARALLEL_OK)->planTree;
    double bytes = plan->plan_rows * (plan->plan_width + row_overhead);
    if (bytes > bytes_allowed())
        return too_large;
    Relation view = table_open(state.view, NoLock);
    double full = query::cost(query::rewritten(view));
    table_close(view, NoLock);
    return cost_of_reading(plan->plan_rows, bytes) > most * gate::cost_limit * full ? too_slow : nullptr;
}

} // namespace

int make_node::size_limit = 1024;

const char *make_node::of(State state, const SubqueryNode &node)
{
    const char *reason = node.rows ? obstacle(state, node) : nullptr;
    if (reason != nullptr)
        return reason;
    bool filled = group_state::fill(state, node.query, node.groups, node.rows ? bytes_allowed() : -1);
    UpdateActiveSnapshotCommandId();
    return filled ? nullptr : too_large;
}

} // namespace refresh_mv
