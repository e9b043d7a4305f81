#include "query/flatten.hpp"

#include "query/query.hpp"

namespace refresh_mv {

namespace {

// Whether a query only selects and joins, and has nothing that would be lost.
bool is_plain(Query *query)
{
    return query::only_joins(query) && query->commandType == CMD_SELECT && query->cteList == NIL
           && query->sortClause == NIL && query->rowMarks == NIL && query->jointree->fromlist != NIL;
}

struct Search {
    int rti;
    int levels_up;
};

// Whether the whole row of an entry is used.
bool find_whole_row(Node *node, void *context)
{
    auto *search = static_cast<Search *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Query)) {
        search->levels_up++;
        bool found = query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(find_whole_row), context, 0);
        search->levels_up--;
        return found;
    }
    if (!IsA(node, Var))
        return expression_tree_walker(node, pg::walker(find_whole_row), context);
    auto *var = reinterpret_cast<Var *>(node);
    return var->varno == search->rti && static_cast<int>(var->varlevelsup) == search->levels_up && var->varattno <= 0;
}

bool can_be_merged(Query *query, int rti)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    Search search = {rti, 0};
    ListCell *cell;
    if (rte->rtekind != RTE_SUBQUERY || rte->lateral || rte->security_barrier || rte->securityQuals != NIL
        || !is_plain(rte->subquery)
        || query_tree_walker(query, pg::walker(find_whole_row), &search, 0))
        return false;
    foreach (cell, rte->subquery->targetList)
        if (lfirst_node(TargetEntry, cell)->resjunk)
            return false;
    return true;
}

// What is left of an entry whose subquery has been merged: privileges to be checked.
Query *nothing()
{
    Query *query = makeNode(Query);
    query->commandType = CMD_SELECT;
    query->querySource = QSRC_ORIGINAL;
    query->canSetTag = true;
    query->jointree = makeFromExpr(NIL, nullptr);
    return query;
}

// Puts the tables of an entry's subquery in its place in the FROM.
Query *merge(Query *query, int rti)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    Query *sub = rte->subquery;
    bool sublinks = query->hasSubLinks || sub->hasSubLinks;
    List *entries = NIL;
    ListCell *cell;

    rte->subquery = nothing();
    rte->inFromCl = false;
    OffsetVarNodes(reinterpret_cast<Node *>(sub), list_length(query->rtable), 0);
    IncrementVarSublevelsUp(reinterpret_cast<Node *>(sub), -1, 1);
    query = reinterpret_cast<Query *>(pg::replace_vars(reinterpret_cast<Node *>(query), rti, rte, sub->targetList, &sublinks));
    pg::append_tables(query, sub);
    foreach (cell, query->jointree->fromlist) {
        auto *node = static_cast<Node *>(lfirst(cell));
        if (IsA(node, RangeTblRef) && reinterpret_cast<RangeTblRef *>(node)->rtindex == rti)
            entries = list_concat(entries, sub->jointree->fromlist);
        else
            entries = lappend(entries, node);
    }
    query->jointree->fromlist = entries;
    query->jointree->quals = make_and_qual(sub->jointree->quals, query->jointree->quals);
    query->hasSubLinks = sublinks;
    query->hasRowSecurity |= sub->hasRowSecurity;
    return query;
}

// An entry of the FROM that can be merged; 0 if there is none.
int find_entry(Query *query)
{
    ListCell *cell;
    foreach (cell, query->jointree->fromlist) {
        auto *node = static_cast<Node *>(lfirst(cell));
        if (IsA(node, RangeTblRef) && can_be_merged(query, reinterpret_cast<RangeTblRef *>(node)->rtindex))
            return reinterpret_cast<RangeTblRef *>(node)->rtindex;
    }
    return 0;
}

} // namespace

Query *flatten::from(Query *query)
{
    int rti;
    check_stack_depth();
    if (query->setOperations != nullptr || query->jointree == nullptr)
        return query;
    while ((rti = find_entry(query)) != 0)
        query = merge(query, rti);
    return query;
}

} // namespace refresh_mv
