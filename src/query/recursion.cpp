#include "query/recursion.hpp"

#include "query/query.hpp"

namespace refresh_mv::recursion {

namespace {

// Where a walk is: so many levels below the query of an expression.
struct Place {
    const CommonTableExpr *cte;
    Index depth;
};

// Whether a node is about something so many levels up that it is around the expression.
bool mentions_around(Node *node, void *context)
{
    auto *place = static_cast<Place *>(context);
    if (node == nullptr)
        return false;
    switch (nodeTag(node)) {
    case T_Query: {
        place->depth++;
        bool found = query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(mentions_around), context,
                                       QTW_EXAMINE_RTES_BEFORE);
        place->depth--;
        return found;
    }
    case T_RangeTblEntry: {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        bool itself = rte->self_reference && strcmp(rte->ctename ? rte->ctename : "", place->cte->ctename) == 0;
        // The query that has the expression is one level further up.
        return rte->rtekind == RTE_CTE
               && (rte->ctelevelsup > place->depth || (rte->ctelevelsup == place->depth && !itself));
    }
    case T_Var:
        return reinterpret_cast<Var *>(node)->varlevelsup >= place->depth;
    case T_Aggref:
        if (reinterpret_cast<Aggref *>(node)->agglevelsup >= place->depth)
            return true;
        break;
    case T_GroupingFunc:
        if (reinterpret_cast<GroupingFunc *>(node)->agglevelsup >= place->depth)
            return true;
        break;
    default:
        break;
    }
    return expression_tree_walker(node, pg::walker(mentions_around), context);
}

} // namespace

bool is_closed(const CommonTableExpr *cte)
{
    Place place = {cte, 0};
    return IsA(cte->ctequery, Query) && !mentions_around(cte->ctequery, &place);
}

Query *read_all(const RangeTblEntry *reference, const CommonTableExpr *cte)
{
    Query *query = makeNode(Query);
    auto *rte = static_cast<RangeTblEntry *>(copyObjectImpl(reference));
    auto *own = static_cast<CommonTableExpr *>(copyObjectImpl(cte));
    RangeTblRef *ref = makeNode(RangeTblRef);
    ListCell *type, *typmod, *collation;

    own->cterefcount = 1;
    query->commandType = CMD_SELECT;
    query->querySource = QSRC_ORIGINAL;
    query->canSetTag = true;
    query->hasRecursive = true;
    query->cteList = list_make1(own);
    rte->ctelevelsup = 0;
    rte->inFromCl = true;
    rte->lateral = false;
    pg::set_tables(query, list_make1(rte));
    ref->rtindex = 1;
    query->jointree = makeFromExpr(list_make1(ref), nullptr);
    forthree (type, rte->coltypes, typmod, rte->coltypmods, collation, rte->colcollations) {
        auto number = static_cast<AttrNumber>(foreach_current_index(type) + 1);
        Var *var = makeVar(1, number, lfirst_oid(type), lfirst_int(typmod), lfirst_oid(collation), 0);
        query->targetList = lappend(query->targetList,
                                    makeTargetEntry(reinterpret_cast<Expr *>(var), number,
                                                    pstrdup(strVal(list_nth(rte->eref->colnames, number - 1))), false));
    }
    return query;
}

bool is_read_all(Query *query)
{
    if (list_length(query->cteList) != 1 || list_length(query->rtable) != 1 || !query::only_joins(query)
        || !linitial_node(CommonTableExpr, query->cteList)->cterecursive)
        return false;
    auto *rte = linitial_node(RangeTblEntry, query->rtable);
    return rte->rtekind == RTE_CTE && rte->ctelevelsup == 0 && !rte->self_reference;
}

} // namespace refresh_mv::recursion
