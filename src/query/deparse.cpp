#include "query/deparse.hpp"

namespace refresh_mv {

namespace {

// Turns named rows, which the server cannot print, into references to common table
// expressions.
bool name_rows(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(name_rows), context);
    auto *query = reinterpret_cast<Query *>(node);
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_NAMEDTUPLESTORE)
            continue;
        rte->rtekind = RTE_CTE;
        rte->ctename = rte->enrname;
        rte->relid = InvalidOid;
    }
    return query_tree_walker(query, pg::walker(name_rows), context, 0);
}

} // namespace

namespace deparse {

const char *text(Query *query)
{
    auto *copy = static_cast<Query *>(copyObjectImpl(query));
    name_rows(reinterpret_cast<Node *>(copy), nullptr);
    return pg_get_querydef(copy, true);
}

} // namespace deparse

} // namespace refresh_mv
