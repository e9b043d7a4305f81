#include "query/ambiguity.hpp"

#include "query/query.hpp"
#include "query/sameness.hpp"
#include "query/shape.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

bool is_one_of(const char *name, std::initializer_list<const char *> names)
{
    for (const char *known : names)
        if (name != nullptr && strcmp(name, known) == 0)
            return true;
    return false;
}

// Whether an aggregate adds floating-point numbers: its last digits depend on the order.
bool adds_floats(Oid aggregate)
{
    HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
    if (!HeapTupleIsValid(tuple))
        return false;
    auto *form = reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(tuple));
    Oid type = form->aggtranstype;
    bool extreme = OidIsValid(form->aggsortop);
    ReleaseSysCache(tuple);
    return !extreme && (type == FLOAT4OID || type == FLOAT8OID || type == FLOAT8ARRAYOID);
}

bool collects(const char *name)
{
    return is_one_of(name, {"array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg",
                            "xmlagg", "json_agg_strict", "jsonb_agg_strict", "json_object_agg_strict",
                            "jsonb_object_agg_strict", "json_object_agg_unique", "json_object_agg_unique_strict"});
}

// Whether DISTINCT has an aggregate take any one of values that are equal and look different.
bool picks_labels(Query *query, const Aggref *aggregate)
{
    ListCell *cell;
    foreach (cell, aggregate->aggdistinct) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        Expr *expr = get_sortgroupref_tle(clause->tleSortGroupRef, aggregate->args)->expr;
        Oid type = exprType(reinterpret_cast<Node *>(expr));
        if (type != FLOAT4OID && type != FLOAT8OID && !sameness::holds(query, clause->eqop, expr))
            return true;
    }
    return false;
}

const char *of_aggregate(Query *query, const Aggref *aggregate)
{
    char *name = get_func_name(aggregate->aggfnoid);
    // That 0 may be shown as -0 is nothing to warn of.
    bool floats = aggregate->aggtype == FLOAT4OID || aggregate->aggtype == FLOAT8OID;
    if (ambiguity::is_extreme_of_labels(query, aggregate) && !floats)
        return psprintf("%s() of values that are equal and look different can be any of them", name);
    if (!is_one_of(name, {"count"}) && picks_labels(query, aggregate))
        return psprintf("%s(DISTINCT) of values that are equal and look different can take any of them", name);
    if (aggregate->aggorder != NIL || aggregate->aggdistinct != NIL || aggregate->aggkind != AGGKIND_NORMAL)
        return nullptr;
    if (adds_floats(aggregate->aggfnoid))
        return psprintf("the last digits of %s() depend on the order of rows", name);
    if (is_one_of(name, {"any_value"}))
        return psprintf("%s() can be any of them", name);
    if (collects(name))
        return psprintf("%s() has no ORDER BY", name);
    return nullptr;
}

const char *of_window_function(const WindowFunc *function)
{
    char *name = get_func_name(function->winfnoid);
    if (is_one_of(name, {"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"}))
        return psprintf("%s() of rows that sort alike can be any of theirs", name);
    return nullptr;
}

// Whether the rows are sorted by all that a query groups by.
bool sorts_groups(const Query *query)
{
    ListCell *cell;
    if (query->groupClause == NIL || query->groupingSets != NIL)
        return false;
    foreach (cell, query->groupClause) {
        auto *group = lfirst_node(SortGroupClause, cell);
        bool found = false;
        ListCell *sort;
        foreach (sort, query->sortClause)
            found |= lfirst_node(SortGroupClause, sort)->tleSortGroupRef == group->tleSortGroupRef;
        if (!found)
            return false;
    }
    return true;
}

// Whether equal values of all that clauses of a query group by look the same.
bool groups_by_image(Query *query, List *clauses)
{
    ListCell *cell;
    foreach (cell, clauses) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        TargetEntry *entry = get_sortgroupclause_tle(clause, query->targetList);
        if (OidIsValid(clause->eqop) && !sameness::holds(query, clause->eqop, entry->expr))
            return false;
    }
    return true;
}

// Whether equal values of all output columns look the same.
bool shows_images(Query *query)
{
    ListCell *cell;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk && !sameness::holds(query, entry->expr))
            return false;
    }
    return true;
}

const char *of_clauses(Query *query)
{
    if (ambiguity::is_cut(query))
        return "LIMIT can cut among rows that sort alike";
    if (query->hasDistinctOn)
        return "DISTINCT ON can take any of the rows that sort alike";
    if (!groups_by_image(query, query->groupClause) || !groups_by_image(query, query->distinctClause))
        return "a group of values that are equal and look different can be shown as any of them";
    if (query->setOperations && !ambiguity::is_union_all(query->setOperations) && !shows_images(query))
        return "of rows that are equal and look different any can be shown";
    return nullptr;
}

// The query that an expression is of, and what makes it ambiguous.
struct Search {
    Query *query;
    const char *found;
};

bool walk(Node *node, void *context)
{
    auto *search = static_cast<Search *>(context);
    if (node == nullptr || search->found != nullptr)
        return false;
    if (IsA(node, Aggref))
        search->found = of_aggregate(search->query, reinterpret_cast<Aggref *>(node));
    else if (IsA(node, WindowFunc))
        search->found = of_window_function(reinterpret_cast<WindowFunc *>(node));
    else if (IsA(node, Query)) {
        auto *query = reinterpret_cast<Query *>(node);
        Search below = {query, of_clauses(query)};
        bool ends = below.found != nullptr || query_tree_walker(query, pg::walker(walk), &below, 0);
        search->found = below.found;
        return ends;
    }
    return search->found != nullptr || expression_tree_walker(node, pg::walker(walk), context);
}

// ---- settled expressions ----

bool is_column_of_tables(Query *query, AttrNumber attno);

// Whether a query returns rows of what it reads, each for itself.
bool joins_only(const Query *query)
{
    return !query->groupClause && !query->groupingSets && !query->hasAggs && !query->distinctClause
           && !query->hasWindowFuncs && !query->hasTargetSRFs && !query->limitCount && !query->limitOffset
           && (!query->setOperations || ambiguity::is_union_all(query->setOperations));
}

// Looks for what does not come from a column of a table.
bool find_other(Node *node, void *context)
{
    auto *query = static_cast<Query *>(context);
    bool shared;
    if (node == nullptr)
        return false;
    if (!IsA(node, Var))
        return IsA(node, SubLink) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc)
               || expression_tree_walker(node, pg::walker(find_other), context);
    auto *var = reinterpret_cast<Var *>(node);
    if (var->varlevelsup > 0 || query->setOperations)
        return true;
    RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
    Query *inner = shape::subquery_of(query, rte, &shared);
    return rte->rtekind != RTE_RELATION
           && (inner == nullptr || var->varattno <= 0 || !is_column_of_tables(inner, var->varattno));
}

// Whether an output column is made of columns of tables alone.
bool is_column_of_tables(Query *query, AttrNumber attno)
{
    ListCell *cell;
    check_stack_depth();
    if (!joins_only(query))
        return false;
    foreach (cell, shape::arms(query))
        if (!is_column_of_tables(lfirst_node(Query, cell), attno))
            return false;
    return query->setOperations || !find_other(shape::column_expression(query, attno), query);
}

// What makes what a query reads ambiguous; null if nothing is found.
const char *below(const Query *query)
{
    Query only = *query;
    only.targetList = only.groupClause = only.distinctClause = only.windowClause = only.sortClause = NIL;
    only.havingQual = only.limitCount = only.limitOffset = nullptr;
    only.hasDistinctOn = false;
    return ambiguity::find(&only);
}

} // namespace

namespace ambiguity {

const char *find(Query *query)
{
    return of_expression(query, reinterpret_cast<Node *>(query));
}

const char *of_expression(Query *query, Node *expr)
{
    Search search = {query, nullptr};
    walk(expr, &search);
    return search.found;
}

bool is_settled(Query *query, Expr *expr)
{
    auto *node = reinterpret_cast<Node *>(expr);
    return !find_other(pg::flatten(query, static_cast<Node *>(copyObjectImpl(node))), query)
           || (sameness::holds(query, expr) && of_expression(query, node) == nullptr && below(query) == nullptr);
}

bool depends_on_order(Oid aggregate)
{
    const char *name = get_func_name(aggregate);
    return adds_floats(aggregate) || collects(name) || is_one_of(name, {"any_value"});
}

bool is_extreme_of_labels(Query *query, const Aggref *aggregate)
{
    HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate->aggfnoid));
    if (!HeapTupleIsValid(tuple))
        return false;
    bool extreme = OidIsValid(reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(tuple))->aggsortop);
    ReleaseSysCache(tuple);
    if (!extreme || list_length(aggregate->args) != 1)
        return false;
    return !sameness::holds(query, linitial_node(TargetEntry, aggregate->args)->expr);
}

bool is_cut(const Query *query)
{
    auto is = [](Node *node, int64 number) {
        Node *value = node ? eval_const_expressions(nullptr, static_cast<Node *>(copyObjectImpl(node))) : nullptr;
        return value == nullptr
               || (IsA(value, Const) && (reinterpret_cast<Const *>(value)->constisnull
                                         || DatumGetInt64(reinterpret_cast<Const *>(value)->constvalue) == number));
    };
    // OFFSET 0 and LIMIT ALL, which keep the planner from moving conditions, cut nothing.
    bool cut = !is(query->limitCount, PG_INT64_MAX) || !is(query->limitOffset, 0);
    return cut && query->limitOption != LIMIT_OPTION_WITH_TIES && !sorts_groups(query);
}

bool is_union_all(Node *operation)
{
    check_stack_depth();
    if (!IsA(operation, SetOperationStmt))
        return true;
    auto *set = reinterpret_cast<SetOperationStmt *>(operation);
    return set->op == SETOP_UNION && set->all && is_union_all(set->larg) && is_union_all(set->rarg);
}

} // namespace ambiguity

} // namespace refresh_mv
