#include "normal.hpp"

#include "query.hpp"

#include <utility>

namespace {

// ---- common table expressions ----

// A reference to a common table expression of the query that is so many levels up.
struct Reference {
    CommonTableExpr *cte;
    int levels_up;
};

bool inline_reference(Node *node, void *context);

void inline_in(Query *query, Reference *reference)
{
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_CTE || rte->self_reference
            || rte->ctelevelsup != static_cast<Index>(reference->levels_up)
            || strcmp(rte->ctename, reference->cte->ctename) != 0)
            continue;
        rte->rtekind = RTE_SUBQUERY;
        rte->subquery = static_cast<Query *>(copyObjectImpl(reference->cte->ctequery));
        // The subquery is one level below the entry, as the CTE is below its query.
        if (reference->levels_up > 0)
            IncrementVarSublevelsUp(reinterpret_cast<Node *>(rte->subquery), reference->levels_up, 1);
        rte->ctename = nullptr;
        rte->ctelevelsup = 0;
        rte->coltypes = rte->coltypmods = rte->colcollations = NIL;
    }
    reference->levels_up++;
    query_tree_walker(query, pg::walker(inline_reference), reference, 0);
    reference->levels_up--;
}

bool inline_reference(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(inline_reference), context);
    inline_in(reinterpret_cast<Query *>(node), static_cast<Reference *>(context));
    return false;
}

// Puts the CTEs of a query, which may refer to earlier ones, where they are used.
void inline_ctes(Query *query)
{
    List *recursive = NIL;
    ListCell *cell;

    foreach (cell, query->cteList) {
        auto *cte = lfirst_node(CommonTableExpr, cell);
        if (cte->cterecursive || !IsA(cte->ctequery, Query)) {
            recursive = lappend(recursive, cte);
            continue;
        }
        Reference reference = {cte, 0};
        inline_in(query, &reference);
    }
    query->cteList = recursive;
    query->hasRecursive = recursive != NIL;
}

// ---- joins ----

void turn_joins(Query *query, Node *node)
{
    ListCell *cell;

    check_stack_depth();
    if (IsA(node, FromExpr))
        foreach (cell, reinterpret_cast<FromExpr *>(node)->fromlist)
            turn_joins(query, static_cast<Node *>(lfirst(cell)));
    if (!IsA(node, JoinExpr))
        return;
    auto *join = reinterpret_cast<JoinExpr *>(node);
    turn_joins(query, join->larg);
    turn_joins(query, join->rarg);
    if (join->jointype != JOIN_RIGHT)
        return;
    std::swap(join->larg, join->rarg);
    join->jointype = JOIN_LEFT;
    if (join->rtindex != 0)
        rt_fetch(join->rtindex, query->rtable)->jointype = JOIN_LEFT;
}

bool normalize_level(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(normalize_level), context);
    auto *query = reinterpret_cast<Query *>(node);
    inline_ctes(query);
    pg::expand_groups(query);
    if (query->jointree != nullptr)
        turn_joins(query, reinterpret_cast<Node *>(query->jointree));
    return query_tree_walker(query, pg::walker(normalize_level), context, 0);
}

// ---- the top ----

// SELECT all columns FROM (query).
Query *wrap(Query *inner)
{
    Query *query = makeNode(Query);
    ListCell *cell;

    foreach (cell, inner->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk)
            query->targetList = lappend(
                query->targetList,
                makeTargetEntry(reinterpret_cast<Expr *>(makeVarFromTargetEntry(1, entry)), entry->resno,
                                entry->resname ? pstrdup(entry->resname) : nullptr, false));
    }
    query->commandType = CMD_SELECT;
    query->querySource = QSRC_ORIGINAL;
    query->canSetTag = true;
    query::read_only(query, inner);
    return query;
}

bool is_plain_distinct(Query *query)
{
    return query->distinctClause != NIL && !query->hasDistinctOn && !query->hasAggs
           && query->groupClause == NIL && query->havingQual == nullptr
           && query->windowClause == NIL && !query->hasTargetSRFs;
}

} // namespace

namespace normal {

void normalize(Query **query)
{
    normalize_level(reinterpret_cast<Node *>(*query), nullptr);
    if ((*query)->setOperations != nullptr && (*query)->limitCount == nullptr
        && (*query)->limitOffset == nullptr)
        *query = wrap(*query);
    if (is_plain_distinct(*query)) {
        (*query)->groupClause = (*query)->distinctClause;
        (*query)->distinctClause = NIL;
    }
}

} // namespace normal
