#include "incremental/group_shape.hpp"

#include "incremental/from_clause.hpp"
#include "incremental/image_key.hpp"
#include "incremental/partial_aggregates.hpp"
#include "incremental/row_names.hpp"
#include "query/query.hpp"
#include "query/sameness.hpp"
#include "query/sql_template.hpp"
#include "tracking/source.hpp"
#include "values/equality.hpp"

namespace refresh_mv {

namespace {

// A state has a column for each, and a row of them has to fit where rows are compared.
constexpr int most_keys = 1000;

void object(GroupShape *shape, const char *obstacle)
{
    if (shape->obstacle == nullptr)
        shape->obstacle = obstacle;
}

// ---- keys ----

// The view's column that holds an expression; 0 if none does.
AttrNumber output_of(Query *query, Expr *expr)
{
    ListCell *cell;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk
            && equal(pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr))), expr))
            return entry->resno;
    }
    return 0;
}

// The output columns and HAVING, with the aliases of joins replaced.
Node *flat(Query *query, void *expr)
{
    return pg::flatten(query, static_cast<Node *>(copyObjectImpl(expr)));
}

// What a query groups by, as expressions.
List *grouping_expressions(Query *query)
{
    List *expressions = NIL;
    ListCell *cell;
    foreach (cell, query->groupClause)
        expressions = lappend(
            expressions,
            flat(query, get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList)->expr));
    return expressions;
}

// Whether a query groups by a column of a table.
bool groups_by_column(List *expressions, int rti, AttrNumber column)
{
    ListCell *cell;
    foreach (cell, expressions) {
        auto *var = static_cast<Var *>(lfirst(cell));
        if (IsA(var, Var) && var->varno == rti && var->varattno == column && var->varlevelsup == 0)
            return true;
    }
    return false;
}

// Whether a query groups by the key of an entry of its FROM, so that a group has at most one of its rows.
bool groups_by_row(Query *query, List *expressions, int rti)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    if (rte->rtekind != RTE_RELATION)
        return false;
    Relation table = table_open(rte->relid, AccessShareLock);
    TrackingKey key = source::key(table);
    bool all = key.count > 0;
    for (int i = 0; i < key.count && all; i++) {
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table), key.columns[i] - 1);
        all = groups_by_column(expressions, rti, attribute->attnum)
              && equality::means_same(attribute->atttypid, attribute->attcollation);
    }
    table_close(table, NoLock);
    return all;
}

// Whether an expression is the same in all rows of a group, whatever it is: it is made of rows of which a group has
// one at most.
bool is_of_one_row(Query *query, Expr *expr)
{
    auto *node = reinterpret_cast<Node *>(expr);
    List *expressions = grouping_expressions(query);
    ListCell *cell;
    if (contain_subplans(node) || query::mentions_around(node))
        return false;
    foreach (cell, pull_var_clause(node, 0))
        if (!groups_by_row(query, expressions, lfirst_node(Var, cell)->varno))
            return false;
    return true;
}

// Whether equal values of a key are told apart as well as if they were not: false if there is no way to.
bool tell_apart(Query *query, Expr *expr, bool *carried)
{
    bool has_image = list_member(grouping_expressions(query), image_key::of(expr));
    *carried = !has_image && is_of_one_row(query, expr);
    return has_image || *carried;
}

void add_key(GroupShape *shape, Query *query, Expr *expr, SortGroupClause *clause)
{
    bool carried = false;
    if (!equality::is_plain(clause->eqop, expr))
        object(shape, sameness::holds(query, clause->eqop, expr)
                          ? "it groups by values of a type without a hash function"
                          : "it groups by values that can be equal and look different");
    else if (!sameness::holds(query, clause->eqop, expr) && !tell_apart(query, expr, &carried))
        object(shape, "it groups by values that can be equal and look different");
    if (shape->nkeys < most_keys)
        shape->keys[shape->nkeys++] = {expr, clause, output_of(query, expr), from_clause::never_null(query, expr), carried};
    else
        object(shape, "it groups by too many values");
}

// Adds the images of carried keys.
void add_images(GroupShape *shape)
{
    for (int i = 0, count = shape->nkeys; i < count; i++) {
        if (!shape->keys[i].carried)
            continue;
        if (shape->nkeys < most_keys)
            shape->keys[shape->nkeys++] = {image_key::of(shape->keys[i].expr), image_key::clause(), 0, false, true};
        else
            object(shape, "it groups by too many values");
    }
}

// Adds a column that is not grouped by, but depends on the grouping columns.
void add_dependent(GroupShape *shape, Query *query, Var *var)
{
    TypeCacheEntry *type = lookup_type_cache(var->vartype, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR
                                                               | TYPECACHE_HASH_PROC);
    SortGroupClause *clause = makeNode(SortGroupClause);
    clause->eqop = type->eq_opr;
    clause->sortop = type->lt_opr;
    clause->hashable = OidIsValid(type->hash_proc);
    if (!OidIsValid(clause->eqop))
        return object(shape, "it has a column of a type that cannot be compared");
    add_key(shape, query, reinterpret_cast<Expr *>(copyObjectImpl(var)), clause);
}

bool is_key(const GroupShape &shape, Node *node)
{
    for (int i = 0; i < shape.nkeys; i++)
        if (equal(shape.keys[i].expr, node))
            return true;
    return false;
}

struct Collection {
    GroupShape *shape;
    Query *query;
    const Anchoring *anchoring;
};

// Collects aggregates, and columns that depend on the grouping columns.
bool collect(Node *node, void *context)
{
    auto *collection = static_cast<Collection *>(context);
    GroupShape *shape = collection->shape;
    ListCell *cell;

    if (node == nullptr || shape->obstacle != nullptr || is_key(*shape, node))
        return false;
    if (IsA(node, Var)) {
        if (reinterpret_cast<Var *>(node)->varattno <= 0)
            object(shape, "it has a whole row");
        else
            add_dependent(shape, collection->query, reinterpret_cast<Var *>(node));
        return false;
    }
    if (IsA(node, SubLink) || IsA(node, GroupingFunc))
        object(shape, "it has a subquery over its groups");
    if (!IsA(node, Aggref))
        return expression_tree_walker(node, pg::walker(collect), context);
    auto *aggregate = reinterpret_cast<Aggref *>(node);
    foreach (cell, shape->aggregates)
        if (equal(static_cast<Aggregate *>(lfirst(cell))->original, aggregate))
            return false;
    auto *entry = static_cast<Aggregate *>(palloc(sizeof(Aggregate)));
    entry->original = aggregate;
    entry->expression = partial_aggregates::expression(shape, collection->query, *collection->anchoring, aggregate);
    shape->aggregates = lappend(shape->aggregates, entry);
    return false;
}

// What the method has no way for, at the top of the query.
const char *clause_obstacle(Query *query)
{
    if (query->setOperations != nullptr)
        return "it has a set operation at the top";
    if (query->groupingSets != NIL)
        return "it has grouping sets";
    if (query->hasTargetSRFs)
        return "it has a function that returns rows in its output";
    if (!query->groupClause && !query->hasAggs)
        return "it has neither groups nor aggregates";
    return nullptr;
}

// ---- rows over the state ----

struct Substitution {
    const GroupShape *shape;
    Query *source; // SELECT keys, then each aggregate's expression
};

// A column of the source, which is the first entry of the range table.
Var *column_of(const Substitution *substitution, int number)
{
    return makeVarFromTargetEntry(1, get_tle_by_resno(substitution->source->targetList,
                                                      static_cast<AttrNumber>(number)));
}

// The column of a key: of a domain the state has the base type.
Node *key_column(const Substitution *substitution, int number, Node *expr)
{
    Var *column = column_of(substitution, number);
    Oid type = exprType(expr);
    return column->vartype == type
               ? reinterpret_cast<Node *>(column)
               : reinterpret_cast<Node *>(makeRelabelType(reinterpret_cast<Expr *>(column), type, exprTypmod(expr),
                                                          exprCollation(expr), COERCE_IMPLICIT_CAST));
}

// Replaces keys and aggregates by what they are over the state.
Node *substitute(Node *node, void *context)
{
    auto *substitution = static_cast<Substitution *>(context);
    const GroupShape *shape = substitution->shape;
    ListCell *cell;

    if (node == nullptr)
        return nullptr;
    for (int i = 0; i < shape->nkeys; i++)
        if (equal(shape->keys[i].expr, node))
            return key_column(substitution, i + 1, node);
    if (IsA(node, Aggref))
        foreach (cell, shape->aggregates)
            if (equal(static_cast<Aggregate *>(lfirst(cell))->original, node))
                return reinterpret_cast<Node *>(
                    column_of(substitution, shape->nkeys + foreach_current_index(cell) + 1));
    return expression_tree_mutator(node, pg::mutator(substitute), context);
}

// CASE WHEN filter THEN value END: the filter comes first.
Expr *filtered(Expr *original, Expr *filter)
{
    auto *value = static_cast<Expr *>(copyObjectImpl(original));
    if (filter == nullptr)
        return value;
    CaseExpr *counted = makeNode(CaseExpr);
    CaseWhen *when = makeNode(CaseWhen);
    Oid type = exprType(reinterpret_cast<Node *>(value));
    Oid collation = exprCollation(reinterpret_cast<Node *>(value));
    when->expr = static_cast<Expr *>(copyObjectImpl(filter));
    when->result = value;
    when->location = counted->location = -1;
    counted->casetype = type;
    counted->casecollid = collation;
    counted->args = list_make1(when);
    counted->defresult = reinterpret_cast<Expr *>(
        makeNullConst(type, exprTypmod(reinterpret_cast<Node *>(value)), collation));
    return reinterpret_cast<Expr *>(counted);
}

Expr *counted_value(const PartialAggregate &partial)
{
    return filtered(partial.value, partial.filter);
}

bool find_aggregate(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Aggref))
        return expression_tree_walker(node, pg::walker(find_aggregate), context);
    *static_cast<Aggref **>(context) = reinterpret_cast<Aggref *>(node);
    return true;
}

// The aggregate in the expression of a partial one.
Aggref *aggregate_in(Expr *expr)
{
    Aggref *aggregate = nullptr;
    find_aggregate(reinterpret_cast<Node *>(expr), &aggregate);
    return aggregate;
}

void select_keys(Query *query, const GroupShape &shape)
{
    query::select_joined(query, NIL);
    for (int i = 0; i < shape.nkeys; i++) {
        TargetEntry *entry = makeTargetEntry(static_cast<Expr *>(copyObjectImpl(shape.keys[i].expr)),
                                             static_cast<AttrNumber>(i + 1), row_names::key_column(i), false);
        auto *clause = static_cast<SortGroupClause *>(copyObjectImpl(shape.keys[i].clause));
        entry->ressortgroupref = clause->tleSortGroupRef = static_cast<Index>(i + 1);
        query->targetList = lappend(query->targetList, entry);
        query->groupClause = lappend(query->groupClause, clause);
    }
}

} // namespace

namespace group_shape {

GroupShape analyse(Query *query, const Anchoring &anchoring)
{
    GroupShape shape{};
    Collection collection = {&shape, query, &anchoring};
    ListCell *cell;

    shape.obstacle = clause_obstacle(query);
    if (shape.obstacle != nullptr)
        return shape;
    shape.keys = static_cast<Key *>(palloc0(sizeof(Key) * most_keys));
    shape.partials = static_cast<PartialAggregate *>(palloc0(sizeof(PartialAggregate) * partial_aggregates::most));
    foreach (cell, query->groupClause) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        TargetEntry *entry = get_sortgroupclause_tle(clause, query->targetList);
        add_key(&shape, query, reinterpret_cast<Expr *>(flat(query, entry->expr)), clause);
    }
    shape.single = shape.nkeys == 0;
    collect(flat(query, query->targetList), &collection);
    collect(flat(query, query->havingQual), &collection);
    add_images(&shape);
    if (contain_subplans(query->limitCount) || contain_subplans(query->limitOffset))
        object(&shape, "its LIMIT is a subquery");
    shape.whole = query->limitCount || query->limitOffset || query->distinctClause || query->windowClause;
    for (int i = 0; i < shape.nkeys; i++)
        shape.whole |= shape.keys[i].output == 0 && !shape.keys[i].carried;
    return shape;
}

const char *fingerprint(const GroupShape &shape)
{
    StringInfoData parts;
    initStringInfo(&parts);
    for (int i = 0; i < shape.nkeys; i++)
        appendStringInfo(&parts, "%s %u\n", nodeToString(shape.keys[i].expr), shape.keys[i].clause->eqop);
    for (int i = 0; i < shape.npartials; i++) {
        const PartialAggregate &partial = shape.partials[i];
        appendStringInfo(&parts, "%d %s %s %s\n", static_cast<int>(partial.kind), nodeToString(partial.aggregate),
                         nodeToString(partial.value), nodeToString(partial.filter));
    }
    Datum md5 = DirectFunctionCall1(md5_text, PointerGetDatum(cstring_to_text_with_len(parts.data, parts.len)));
    return TextDatumGetCString(md5);
}

void select_partials(Query *query, const GroupShape &shape)
{
    select_keys(query, shape);
    query::add_output(query, query::count_rows(), "n");
    for (int i = 0; i < shape.npartials; i++) {
        const PartialAggregate &partial = shape.partials[i];
        auto *expr = partial.aggregate ? static_cast<Expr *>(copyObjectImpl(partial.aggregate))
                                     : reinterpret_cast<Expr *>(makeNullConst(partial.type, -1, InvalidOid));
        query::add_output(query, expr, row_names::partial_column(i));
    }
    query->hasAggs = true;
}

Expr *input(const PartialAggregate &partial)
{
    if (partial.value != nullptr)
        return counted_value(partial);
    Aggref *aggregate = aggregate_in(partial.aggregate);
    auto *always = reinterpret_cast<Expr *>(makeBoolConst(true, false));
    if (aggregate->args == NIL && aggregate->aggfilter == nullptr)
        return nullptr;
    return filtered(aggregate->args == NIL ? always : linitial_node(TargetEntry, aggregate->args)->expr,
                    aggregate->aggfilter);
}

Expr *over_column(const PartialAggregate &partial, AttrNumber column, Expr *condition)
{
    auto *expr = static_cast<Expr *>(copyObjectImpl(partial.aggregate));
    Aggref *aggregate = aggregate_in(expr);
    aggregate->aggfilter = condition;
    if (column == 0)
        return expr;
    Expr *value = input(partial);
    auto *node = reinterpret_cast<Node *>(value);
    Var *var = makeVar(1, column, exprType(node), exprTypmod(node), exprCollation(node), 0);
    if (aggregate->aggstar) {
        aggregate->aggfnoid = F_COUNT_ANY;
        aggregate->aggargtypes = list_make1_oid(BOOLOID);
        aggregate->aggstar = false;
    }
    aggregate->args = list_make1(makeTargetEntry(reinterpret_cast<Expr *>(var), 1, nullptr, false));
    return expr;
}

void select_values(Query *query, const GroupShape &shape, const PartialAggregate &partial)
{
    Index ref = static_cast<Index>(shape.nkeys + 1);
    SortGroupClause *clause = makeNode(SortGroupClause);
    TypeCacheEntry *type = lookup_type_cache(exprType(reinterpret_cast<Node *>(partial.value)), TYPECACHE_LT_OPR);

    select_keys(query, shape);
    query::add_output(query, counted_value(partial), "v");
    llast_node(TargetEntry, query->targetList)->ressortgroupref = ref;
    clause->tleSortGroupRef = ref;
    clause->eqop = partial.equality;
    clause->sortop = type->lt_opr;
    clause->hashable = true;
    query->groupClause = lappend(query->groupClause, clause);
    query::add_output(query, query::count_rows(), "n");
    query->hasAggs = true;

    NullTest *test = makeNode(NullTest);
    test->arg = counted_value(partial);
    test->nulltesttype = IS_NOT_NULL;
    test->location = -1;
    auto *condition = reinterpret_cast<Node *>(test);
    query->jointree->quals = make_and_qual(query->jointree->quals, condition);
}

Query *select_rows(Query *original, const GroupShape &shape, const char *source, QueryEnvironment *environment,
                   bool mixed)
{
    StringInfoData aggregates;
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    ListCell *cell;

    initStringInfo(&aggregates);
    foreach (cell, shape.aggregates)
        appendStringInfo(&aggregates, "%s, ", static_cast<Aggregate *>(lfirst(cell))->expression);
    // As columns of a subquery, aggregates cost nothing, as they did, and conditions are
    // tested in the same order.
    const char *sql = sql_template::fill("SELECT {keys}{aggregates}1 FROM {groups} s WHERE {there}{fence}",
                                         {{"keys", sql_template::number_all("s.k#, ", shape.nkeys)},
                                          {"aggregates", aggregates.data},
                                          {"groups", source},
                                          {"there", shape.single ? "s.h IS NOT NULL" : "s.n > 0"},
                                          {"fence", mixed ? "" : " OFFSET 0"}});
    Substitution substitution = {&shape, query::unchecked(sql, environment)};

    query->targetList = castNode(List, substitute(flat(original, original->targetList), &substitution));
    Node *having = substitute(flat(original, original->havingQual), &substitution);
    query->groupClause = NIL;
    query->havingQual = nullptr;
    query->hasAggs = query->hasSubLinks = false;
    query::read_only(query, substitution.source);
    query->jointree->quals = having;
    return query;
}

} // namespace group_shape

} // namespace refresh_mv
