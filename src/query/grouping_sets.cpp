#include "query/grouping_sets.hpp"

#include "query/ephemeral_rows.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

// More sets are left together.
constexpr int most_sets = 64;

// A set of a query.
struct Set {
    Query *query;
    List *refs; // of the expressions that it groups by
};

// The reference of a grouped expression; 0 if it is none.
Index ref_of(Query *query, Node *node)
{
    ListCell *cell;
    foreach (cell, query->groupClause) {
        TargetEntry *entry = get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList);
        if (equal(entry->expr, node))
            return entry->ressortgroupref;
    }
    return 0;
}

Node *null_like(Node *node)
{
    return reinterpret_cast<Node *>(makeNullConst(exprType(node), exprTypmod(node), exprCollation(node)));
}

// What GROUPING(...) is in a set.
Node *grouping_in(const Set &set, const GroupingFunc *function)
{
    int32 bits = 0;
    ListCell *cell;
    foreach (cell, function->refs)
        bits = bits * 2 + (list_member_int(set.refs, lfirst_int(cell)) ? 0 : 1);
    return reinterpret_cast<Node *>(
        makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(bits), false, true));
}

// An expression over groups as it is in a set: what that does not group by is null.
Node *in_set(Node *node, void *context)
{
    auto *set = static_cast<Set *>(context);
    if (node == nullptr)
        return nullptr;
    if (IsA(node, Aggref)) {
        auto *aggregate = static_cast<Aggref *>(copyObjectImpl(node));
        aggregate->aggdirectargs = castNode(
            List, expression_tree_mutator(reinterpret_cast<Node *>(aggregate->aggdirectargs), pg::mutator(in_set), context));
        return reinterpret_cast<Node *>(aggregate);
    }
    if (IsA(node, GroupingFunc))
        return grouping_in(*set, reinterpret_cast<GroupingFunc *>(node));
    Index ref = ref_of(set->query, node);
    if (ref != 0)
        return list_member_int(set->refs, static_cast<int>(ref)) ? node : null_like(node);
    return expression_tree_mutator(node, pg::mutator(in_set), context);
}

// Whether an expression over groups has a column that no set groups by, or a subquery.
bool is_more(Node *node, void *context)
{
    if (node == nullptr || IsA(node, GroupingFunc) || ref_of(static_cast<Query *>(context), node) != 0)
        return false;
    if (IsA(node, Aggref))
        return is_more(reinterpret_cast<Node *>(reinterpret_cast<Aggref *>(node)->aggdirectargs), context);
    return IsA(node, Var) || IsA(node, SubLink) || expression_tree_walker(node, pg::walker(is_more), context);
}

// Whether what stands for a grouped expression elsewhere is nothing else: one that is grouped by only once, is no
// constant, and has no subquery.
bool is_plain(Query *query, SortGroupClause *clause)
{
    auto *entry = get_sortgroupclause_tle(clause, query->targetList);
    auto *node = reinterpret_cast<Node *>(entry->expr);
    return ref_of(query, node) == entry->ressortgroupref && contain_var_clause(node) && !contain_subplans(node);
}

bool is_junk(Query *query, SortGroupClause *clause)
{
    return get_sortgroupclause_tle(clause, query->targetList)->resjunk;
}

bool can_be_taken_apart(Query *query)
{
    ListCell *cell;
    if (query->groupingSets == NIL || query->windowClause != NIL || query->distinctClause != NIL
        || query->limitCount != nullptr || query->limitOffset != nullptr || query->hasTargetSRFs
        || query->cteList != NIL || query->rowMarks != NIL || query::mentions_around(query))
        return false;
    foreach (cell, query->groupClause)
        if (!is_plain(query, lfirst_node(SortGroupClause, cell)))
            return false;
    foreach (cell, query->sortClause)
        if (is_junk(query, lfirst_node(SortGroupClause, cell)))
            return false;
    return !is_more(reinterpret_cast<Node *>(query->targetList), query) && !is_more(query->havingQual, query);
}

// One row if there is none at all, as an empty set makes it.
void make_one_group(Query *arm)
{
    const char *always = "SELECT 1 HAVING pg_catalog.count(*) >= 0";
    arm->havingQual = make_and_qual(arm->havingQual, query::unchecked(always)->havingQual);
    arm->hasAggs = true;
}

// The groups of a set.
Query *groups_of(Query *query, List *refs)
{
    Set set = {query, refs};
    auto *arm = static_cast<Query *>(copyObjectImpl(query));
    ListCell *cell;
    arm->groupingSets = arm->groupClause = arm->sortClause = arm->targetList = NIL;
    arm->groupDistinct = false;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        bool grouped = entry->ressortgroupref != 0 && list_member_int(refs, static_cast<int>(entry->ressortgroupref));
        if (entry->resjunk && !grouped)
            continue;
        auto *copy = flatCopyTargetEntry(entry);
        copy->expr = reinterpret_cast<Expr *>(in_set(static_cast<Node *>(copyObjectImpl(entry->expr)), &set));
        copy->ressortgroupref = grouped ? entry->ressortgroupref : 0;
        copy->resno = static_cast<AttrNumber>(list_length(arm->targetList) + 1);
        arm->targetList = lappend(arm->targetList, copy);
    }
    arm->havingQual = in_set(static_cast<Node *>(copyObjectImpl(query->havingQual)), &set);
    foreach (cell, query->groupClause)
        if (list_member_int(refs, static_cast<int>(lfirst_node(SortGroupClause, cell)->tleSortGroupRef)))
            arm->groupClause = lappend(arm->groupClause, copyObjectImpl(lfirst(cell)));
    if (arm->groupClause == NIL && !arm->hasAggs)
        make_one_group(arm);
    return arm;
}

// The columns of a query that are not junk.
List *outputs(Query *query)
{
    List *entries = NIL;
    ListCell *cell;
    foreach (cell, query->targetList)
        if (!lfirst_node(TargetEntry, cell)->resjunk)
            entries = lappend(entries, lfirst(cell));
    return entries;
}

// Names the columns as they were, and sorts as before.
void finish(Query *all, Query *query)
{
    List *entries = outputs(query);
    ListCell *cell;
    foreach (cell, all->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        auto *original = list_nth_node(TargetEntry, entries, foreach_current_index(cell));
        entry->resname = original->resname;
        entry->ressortgroupref = original->ressortgroupref;
    }
    all->sortClause = static_cast<List *>(copyObjectImpl(query->sortClause));
}

} // namespace

void grouping_sets::take_apart(Query *query)
{
    List *arms = NIL;
    ListCell *cell;
    if (!can_be_taken_apart(query))
        return;
    List *sets = expand_grouping_sets(query->groupingSets, query->groupDistinct, most_sets);
    if (sets == NIL)
        return;
    foreach (cell, sets)
        arms = lappend(arms, groups_of(query, static_cast<List *>(lfirst(cell))));
    Query *all = ephemeral_rows::union_all("refresh_mv_set", arms, create_queryEnv());
    finish(all, query);
    *query = *all;
}

} // namespace refresh_mv
