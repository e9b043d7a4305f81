#include "query/set_operations.hpp"

#include "query/ephemeral_rows.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// A query that is being turned.
struct Turning {
    Query *query;
    int width; // columns
};

Query *turned(const Turning &turning, Node *node);

// "u.c1, u.c2".
char *columns(const Turning &turning, const char *prefix)
{
    return sql_template::number_all(psprintf(", %sc#", prefix), turning.width) + strlen(", ");
}

constexpr char arm[] = "refresh_mv_arm";

// All rows of queries, with the number of each, as a text to be read as u.
char *all_rows(const Turning &turning, List *queries)
{
    StringInfoData text;
    initStringInfo(&text);
    for (int number = 1; number <= list_length(queries); number++)
        appendStringInfo(&text, "%sSELECT a.*, %d FROM %s a", number > 1 ? " UNION ALL " : "", number,
                         ephemeral_rows::numbered(arm, number));
    return psprintf("(%s) u(%s, side)", text.data, columns(turning, ""));
}

// Parses a text that reads all rows of queries.
Query *over(const char *text, List *queries)
{
    return ephemeral_rows::over_all(text, arm, queries, create_queryEnv());
}

// Whether an operand is just more of what a union unites: if that keeps duplicates, one that does so, too, and one
// that makes the same types of its columns.
bool unites_more(const SetOperationStmt *whole, Node *node)
{
    auto *operation = reinterpret_cast<SetOperationStmt *>(node);
    return IsA(node, SetOperationStmt) && operation->op == SETOP_UNION && (operation->all || !whole->all)
           && equal(operation->colTypes, whole->colTypes);
}

// Adds what is united, at any depth.
List *add_united(const Turning &turning, List *queries, const SetOperationStmt *whole, const SetOperationStmt *operation)
{
    for (Node *node : {operation->larg, operation->rarg})
        queries = unites_more(whole, node)
                      ? add_united(turning, queries, whole, reinterpret_cast<SetOperationStmt *>(node))
                      : lappend(queries, turned(turning, node));
    return queries;
}

Query *union_of(const Turning &turning, const SetOperationStmt *operation)
{
    List *queries = add_united(turning, NIL, operation, operation);
    return over(sql_template::fill("SELECT {columns} FROM {rows}{group_by}",
                                   {{"columns", columns(turning, "u.")},
                                    {"rows", all_rows(turning, queries)},
                                    {"group_by", operation->all ? "" : psprintf(" GROUP BY %s", columns(turning, "u."))}}),
                queries);
}

constexpr char rows_of_left[] = "pg_catalog.count(*) FILTER (WHERE u.side = 1)";
constexpr char rows_of_right[] = "pg_catalog.count(*) FILTER (WHERE u.side = 2)";

Query *intersection_or_rest(const Turning &turning, const SetOperationStmt *operation)
{
    List *queries = list_make2(turned(turning, operation->larg), turned(turning, operation->rarg));
    bool rest = operation->op == SETOP_EXCEPT;
    const char *left = rest ? "g.l - g.r" : "LEAST(g.l, g.r)";
    const char *text =
        operation->all
            ? "SELECT {of_groups} FROM (SELECT {columns}, {left} AS l, {right} AS r FROM {rows} GROUP BY {columns}) g,"
              " pg_catalog.generate_series(1, {times})"
            : "SELECT {columns} FROM {rows} GROUP BY {columns} HAVING {left} > 0 AND {right} {test}";
    return over(sql_template::fill(text, {{"of_groups", columns(turning, "g.")},
                                          {"columns", columns(turning, "u.")},
                                          {"rows", all_rows(turning, queries)},
                                          {"left", rows_of_left},
                                          {"right", rows_of_right},
                                          {"times", left},
                                          {"test", rest ? "= 0" : "> 0"}}),
                queries);
}

// An operand as a query.
Query *turned(const Turning &turning, Node *node)
{
    check_stack_depth();
    if (IsA(node, RangeTblRef))
        return rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex, turning.query->rtable)->subquery;
    auto *operation = castNode(SetOperationStmt, node);
    return operation->op == SETOP_UNION ? union_of(turning, operation)
                                        : intersection_or_rest(turning, operation);
}

// ---- which queries ----

bool is_union_all(Node *node)
{
    auto *operation = reinterpret_cast<SetOperationStmt *>(node);
    return !IsA(node, SetOperationStmt)
           || (operation->op == SETOP_UNION && operation->all && is_union_all(operation->larg)
               && is_union_all(operation->rarg));
}

// Whether two queries return columns that are stored and compared alike.
bool same_columns(Query *a, Query *b)
{
    if (ExecCleanTargetListLength(a->targetList) != ExecCleanTargetListLength(b->targetList))
        return false;
    ListCell *left, *right;
    forboth (left, a->targetList, right, b->targetList) {
        auto *x = reinterpret_cast<Node *>(lfirst_node(TargetEntry, left)->expr);
        auto *y = reinterpret_cast<Node *>(lfirst_node(TargetEntry, right)->expr);
        if (exprType(x) != exprType(y) || exprTypmod(x) != exprTypmod(y) || exprCollation(x) != exprCollation(y))
            return false;
    }
    return true;
}

// Whether all arms return columns like the query's own.
bool is_even(Query *query, Node *node)
{
    if (IsA(node, RangeTblRef)) {
        Query *arm = rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex, query->rtable)->subquery;
        ListCell *left, *right;
        forboth (left, query->targetList, right, arm->targetList)
            if (exprCollation(reinterpret_cast<Node *>(lfirst_node(TargetEntry, left)->expr))
                != exprCollation(reinterpret_cast<Node *>(lfirst_node(TargetEntry, right)->expr)))
                return false;
        return true;
    }
    auto *operation = castNode(SetOperationStmt, node);
    return is_even(query, operation->larg) && is_even(query, operation->rarg);
}

// Whether columns can be grouped by.
bool can_group(Query *query)
{
    ListCell *cell;
    foreach (cell, query->targetList) {
        Oid type = exprType(reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr));
        if (!OidIsValid(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr))
            return false;
    }
    return query->targetList != NIL;
}

// ---- what is done with the result ----

// Names the columns as they were, and has the query limited as it was.
void finish(Query *made, Query *original)
{
    ListCell *cell;
    Index ref = 0;
    foreach (cell, made->targetList)
        ref = Max(ref, lfirst_node(TargetEntry, cell)->ressortgroupref);
    foreach (cell, original->targetList)
        list_nth_node(TargetEntry, made->targetList, foreach_current_index(cell))->resname =
            lfirst_node(TargetEntry, cell)->resname;
    made->limitCount = original->limitCount;
    made->limitOffset = original->limitOffset;
    made->limitOption = original->limitOption;
    foreach (cell, original->sortClause) {
        auto *clause = static_cast<SortGroupClause *>(copyObjectImpl(lfirst(cell)));
        TargetEntry *by = get_sortgroupclause_tle(clause, original->targetList);
        auto *entry = list_nth_node(TargetEntry, made->targetList, by->resno - 1);
        if (entry->ressortgroupref == 0)
            entry->ressortgroupref = ++ref;
        clause->tleSortGroupRef = entry->ressortgroupref;
        made->sortClause = lappend(made->sortClause, clause);
    }
}

} // namespace

void set_operations::turn_into_groups(Query *query)
{
    if (query->setOperations == nullptr || is_union_all(query->setOperations) || query->cteList != NIL
        || query->rowMarks != NIL || !can_group(query) || !is_even(query, query->setOperations)
        || query::mentions_around(query))
        return;
    Turning turning = {query, list_length(query->targetList)};
    Query *made = turned(turning, query->setOperations);
    if (!same_columns(made, query))
        return;
    pg::expand_groups(made); // as it has been done for the query
    finish(made, query);
    *query = *made;
}

} // namespace refresh_mv
