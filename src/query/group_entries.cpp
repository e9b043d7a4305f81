#include "query/group_entries.hpp"

namespace refresh_mv {

namespace {

// The grouping expressions of a level of a query, and the entry that they get.
struct Grouping {
    int entry;
    List *targets; // copies of those of the target list
    List *common;  // the references that all sets have
    Index depth;   // of where the walk is, below that level
};

// The references that all grouping sets of a query have.
List *common_to_all(Query *query)
{
    constexpr int most_sets = 4096; // as the parser has it
    List *sets = expand_grouping_sets(query->groupingSets, query->groupDistinct, most_sets);
    auto *common = static_cast<List *>(linitial(sets)); // of integers
    ListCell *cell;
    for_each_from (cell, sets, 1)
        common = list_intersection_int(common, static_cast<List *>(lfirst(cell)));
    return common;
}

// Whether an expression is that of a target.  Below the level columns are looked for alone, as the parser does.
bool stands_for(Node *node, const TargetEntry *target, Index depth)
{
    if (depth == 0)
        return equal(node, target->expr);
    if (!IsA(node, Var) || !IsA(target->expr, Var) || castNode(Var, node)->varlevelsup != depth)
        return false;
    auto *column = static_cast<Var *>(copyObjectImpl(node));
    column->varlevelsup = 0;
    return equal(column, target->expr);
}

// The Var for the grouping expression of a number.
Node *reference(const Grouping &grouping, int number)
{
    auto *target = list_nth_node(TargetEntry, grouping.targets, number);
    auto *expr = reinterpret_cast<Node *>(target->expr);
    Var *var = makeVar(grouping.entry, static_cast<AttrNumber>(number + 1), exprType(expr), exprTypmod(expr),
                       exprCollation(expr), grouping.depth);
    if (!list_member_int(grouping.common, static_cast<int>(target->ressortgroupref)))
        pg::mark_nulled(list_make1(var), grouping.entry);
    return reinterpret_cast<Node *>(var);
}

// Whether a node is an aggregate, or grouping(), of a level at or above the one whose expressions are looked for: what is
// within is of rows before they are grouped.
bool is_before_grouping(Node *node, Index depth)
{
    return (IsA(node, Aggref) && castNode(Aggref, node)->agglevelsup >= depth)
           || (IsA(node, GroupingFunc) && castNode(GroupingFunc, node)->agglevelsup >= depth);
}

// An expression over groups with Vars of the entry for the grouping expressions in it.
Node *refer(Node *node, void *context)
{
    auto *grouping = static_cast<Grouping *>(context);
    if (node == nullptr)
        return nullptr;
    if (is_before_grouping(node, grouping->depth)) {
        if (!IsA(node, Aggref) || castNode(Aggref, node)->agglevelsup > grouping->depth)
            return node;
        auto *aggregate = static_cast<Aggref *>(copyObjectImpl(node));
        aggregate->aggdirectargs = reinterpret_cast<List *>(refer(reinterpret_cast<Node *>(aggregate->aggdirectargs), context));
        return reinterpret_cast<Node *>(aggregate);
    }
    for (int i = 0; i < list_length(grouping->targets); i++)
        if (stands_for(node, list_nth_node(TargetEntry, grouping->targets, i), grouping->depth))
            return reference(*grouping, i);
    if (!IsA(node, Query))
        return expression_tree_mutator(node, pg::mutator(refer), context);
    grouping->depth++;
    Query *below = query_tree_mutator(reinterpret_cast<Query *>(node), pg::mutator(refer), context, 0);
    grouping->depth--;
    return reinterpret_cast<Node *>(below);
}

// Gives a level with grouping sets its entry, if it has none.
void restore_level(Query *query)
{
    List *targets = NIL;
    ListCell *cell;

    foreach (cell, query->groupClause)
        targets = lappend(targets, copyObjectImpl(get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList)));
    if (!pg::add_groups(query, targets))
        return;
    Grouping grouping = {list_length(query->rtable), targets, common_to_all(query), 0};
    query->targetList = reinterpret_cast<List *>(refer(reinterpret_cast<Node *>(query->targetList), &grouping));
    query->havingQual = refer(query->havingQual, &grouping);
}

// Does so for all levels.
bool walk(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(walk), context);
    auto *query = reinterpret_cast<Query *>(node);
    if (query->groupingSets != NIL && query->groupClause != NIL)
        restore_level(query);
    return query_tree_walker(query, pg::walker(walk), context, 0);
}

} // namespace

void group_entries::restore(Query *query)
{
    walk(reinterpret_cast<Node *>(query), nullptr);
}

} // namespace refresh_mv
