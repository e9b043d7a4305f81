#include "query/hashed_joins.hpp"

namespace refresh_mv {

namespace {

set_join_pathlist_hook_type next_hook;
bool enabled; // while a query that reads rows in memory is planned

bool reads_named_rows(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(reads_named_rows), context);
    auto *query = reinterpret_cast<Query *>(node);
    foreach (cell, query->rtable)
        if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_NAMEDTUPLESTORE)
            return true;
    return query_tree_walker(query, pg::walker(reads_named_rows), context, 0);
}

// Whether a condition compares a value of each side, by an operator that can be hashed.
bool can_hash(RestrictInfo *condition, const RelOptInfo *outer, const RelOptInfo *inner)
{
    if (!condition->can_join || !OidIsValid(condition->hashjoinoperator))
        return false;
    bool turned = bms_is_subset(condition->left_relids, inner->relids) && bms_is_subset(condition->right_relids, outer->relids);
    condition->outer_is_left = !turned;
    if (turned)
        return OidIsValid(get_commutator(castNode(OpExpr, condition->clause)->opno));
    return bms_is_subset(condition->left_relids, outer->relids) && bms_is_subset(condition->right_relids, inner->relids);
}

// The conditions by which two sides can be joined with a hash table.
List *hash_conditions(const RelOptInfo *joined, const RelOptInfo *outer, const RelOptInfo *inner, JoinType type,
                      const JoinPathExtraData *extra)
{
    List *conditions = NIL;
    ListCell *cell;
    foreach (cell, extra->restrictlist) {
        auto *condition = lfirst_node(RestrictInfo, cell);
        bool own = !IS_OUTER_JOIN(type) || !RINFO_IS_PUSHED_DOWN(condition, joined->relids);
        if (own && can_hash(condition, outer, inner))
            conditions = lappend(conditions, condition);
    }
    return conditions;
}

// Whether a path goes through all of its inner side for each outer row.
bool repeats_all(const Path *path)
{
    return IsA(path, NestPath) && PATH_REQ_OUTER(reinterpret_cast<const NestPath *>(path)->jpath.innerjoinpath) == nullptr;
}

// Puts a hash join in the place of nested loops of two sides.
void prefer_hash(PlannerInfo *root, RelOptInfo *joined, RelOptInfo *outer, RelOptInfo *inner, JoinType type,
                 JoinPathExtraData *extra)
{
    Path *outer_path = outer->cheapest_total_path;
    Path *inner_path = inner->cheapest_total_path;
    List *left = NIL;
    ListCell *cell;
    foreach (cell, joined->pathlist)
        if (!repeats_all(static_cast<Path *>(lfirst(cell))))
            left = lappend(left, lfirst(cell));
    if (list_length(left) == list_length(joined->pathlist) || PATH_REQ_OUTER(outer_path) != nullptr
        || PATH_REQ_OUTER(inner_path) != nullptr)
        return;
    List *conditions = hash_conditions(joined, outer, inner, type, extra);
    if (conditions == NIL)
        return;
    JoinCostWorkspace costs;
    joined->pathlist = left;
    initial_cost_hashjoin(root, &costs, type, conditions, outer_path, inner_path, extra, false);
    add_path(joined, reinterpret_cast<Path *>(create_hashjoin_path(root, joined, type, &costs, extra, outer_path, inner_path,
                                                                   false, extra->restrictlist, nullptr, conditions)));
}

void consider(PlannerInfo *root, RelOptInfo *joined, RelOptInfo *outer, RelOptInfo *inner, JoinType type,
              JoinPathExtraData *extra)
{
    if (next_hook != nullptr)
        next_hook(root, joined, outer, inner, type, extra);
    if (enabled && (type == JOIN_INNER || type == JOIN_LEFT || type == JOIN_SEMI || type == JOIN_ANTI))
        prefer_hash(root, joined, outer, inner, type, extra);
}

} // namespace

namespace hashed_joins {

void install()
{
    next_hook = set_join_pathlist_hook;
    set_join_pathlist_hook = consider;
}

PlannedStmt *planned(Query *query, const char *command, int cursor_options)
{
    PlannedStmt *volatile plan = nullptr;
    bool before = enabled;
    PG_TRY();
    {
        enabled = reads_named_rows(reinterpret_cast<Node *>(query), nullptr);
        plan = pg::plan_query(query, command, cursor_options);
    }
    PG_FINALLY();
    {
        enabled = before;
    }
    PG_END_TRY();
    return plan;
}

} // namespace hashed_joins

} // namespace refresh_mv
