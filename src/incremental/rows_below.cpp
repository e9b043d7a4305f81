#include "incremental/rows_below.hpp"

#include "incremental/from_clause.hpp"
#include "incremental/image_key.hpp"
#include "query/ephemeral_rows.hpp"
#include "query/query.hpp"
#include "query/sameness.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// A query that is taken apart: the columns of its FROM that are needed above, as Vars.
struct Apart {
    Query *query;
    List *columns;
    bool possible;
};

// ---- columns as they are kept ----

bool has_own_equality(Expr *expr)
{
    Oid collation = exprCollation(reinterpret_cast<Node *>(expr));
    return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

Expr *relabelled(Expr *expr, Oid type, int32 typmod, Oid collation)
{
    return reinterpret_cast<Expr *>(makeRelabelType(expr, type, typmod, collation, COERCE_IMPLICIT_CAST));
}

Expr *collated(Expr *expr, Oid collation)
{
    CollateExpr *collated = makeNode(CollateExpr);
    collated->arg = expr;
    collated->collOid = collation;
    collated->location = -1;
    return reinterpret_cast<Expr *>(collated);
}

// As text, or from text.
Expr *by_way_of_text(Expr *expr, Oid type)
{
    CoerceViaIO *coerced = makeNode(CoerceViaIO);
    coerced->arg = expr;
    coerced->resulttype = type;
    coerced->resultcollid = get_typcollation(type);
    coerced->coerceformat = COERCE_EXPLICIT_CAST;
    coerced->location = -1;
    return reinterpret_cast<Expr *>(coerced);
}

// What is kept of a column, so that it can be grouped by: a domain's value as one of its base type, text of whatever
// collation byte by byte, and json as its text.
Expr *kept(const Var *column)
{
    auto *expr = static_cast<Expr *>(copyObjectImpl(column));
    int32 typmod = column->vartypmod;
    Oid base = getBaseTypeAndTypmod(column->vartype, &typmod);
    if (base != column->vartype)
        expr = relabelled(expr, base, typmod, column->varcollid);
    if (base == JSONOID)
        return by_way_of_text(expr, TEXTOID);
    return has_own_equality(expr) ? collated(expr, C_COLLATION_OID) : expr;
}

// The column's value again, of what is kept.
Expr *restored(const Var *column, Expr *expr)
{
    Oid base = getBaseType(column->vartype);
    if (base == JSONOID)
        expr = by_way_of_text(expr, JSONOID);
    if (OidIsValid(column->varcollid) && column->varcollid != exprCollation(reinterpret_cast<Node *>(expr)))
        expr = collated(expr, column->varcollid);
    return base == column->vartype ? expr : relabelled(expr, column->vartype, column->vartypmod, column->varcollid);
}

// ---- what is needed above ----

bool find_columns(Node *node, void *context)
{
    auto *apart = static_cast<Apart *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, SubLink)) {
        auto *sublink = reinterpret_cast<SubLink *>(node);
        apart->possible &= !contain_vars_of_level(sublink->subselect, 1);
        return find_columns(sublink->testexpr, context);
    }
    if (!IsA(node, Var))
        return expression_tree_walker(node, pg::walker(find_columns), context);
    apart->possible &= reinterpret_cast<Var *>(node)->varattno > 0;
    apart->columns = list_append_unique(apart->columns, node);
    return false;
}

// Puts the outputs of the rows in the place of columns; context is Apart.
Node *over_rows(Node *node, void *context)
{
    auto *apart = static_cast<Apart *>(context);
    ListCell *cell;
    if (node == nullptr)
        return nullptr;
    if (!IsA(node, Var))
        return expression_tree_mutator(node, pg::mutator(over_rows), context);
    foreach (cell, apart->columns) {
        auto *column = lfirst_node(Var, cell);
        if (!equal(column, node))
            continue;
        auto *expr = reinterpret_cast<Node *>(kept(column));
        return reinterpret_cast<Node *>(
            restored(column, reinterpret_cast<Expr *>(makeVar(1, static_cast<AttrNumber>(foreach_current_index(cell) + 1),
                                                              exprType(expr), exprTypmod(expr), exprCollation(expr), 0))));
    }
    return node;
}

// ---- keys ----

// Marks columns of an entry as nulled by the joins above it; whether the entry is below a node of the FROM.
bool mark_nulled(Node *node, int rti, List *columns)
{
    if (IsA(node, RangeTblRef))
        return reinterpret_cast<RangeTblRef *>(node)->rtindex == rti;
    auto *join = castNode(JoinExpr, node);
    bool left = mark_nulled(join->larg, rti, columns);
    bool right = !left && mark_nulled(join->rarg, rti, columns);
    if ((left && (join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL))
        || (right && (join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL)))
        pg::mark_nulled(columns, join->rtindex);
    return left || right;
}

// The columns of the key of an entry of the FROM; NIL if it has none.
List *key_columns(Query *query, int rti)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    List *columns = NIL;
    ListCell *cell;
    if (rte->rtekind != RTE_RELATION || (rte->inh && source::is_inherited(rte->relid)))
        return NIL;
    Relation table = table_open(rte->relid, AccessShareLock);
    TrackingKey key = source::key(table);
    for (int i = 0; i < key.count; i++) {
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table), key.columns[i] - 1);
        columns = lappend(columns, makeVar(rti, attribute->attnum, attribute->atttypid, attribute->atttypmod,
                                           attribute->attcollation, 0));
    }
    table_close(table, NoLock);
    foreach (cell, query->jointree->fromlist)
        mark_nulled(static_cast<Node *>(lfirst(cell)), rti, columns);
    return columns;
}

// Adds what tells joined rows from each other: the keys of all that is joined; false if something has none.
bool add_keys(Apart *apart)
{
    List *columns = list_copy(apart->columns);
    ListCell *cell;
    foreach (cell, from_clause::of_query(apart->query).entries) {
        List *key = key_columns(apart->query, static_cast<RangeTblRef *>(lfirst(cell))->rtindex);
        if (key == NIL)
            return false;
        columns = list_concat_unique(columns, key);
    }
    apart->columns = columns;
    return true;
}

// ---- the two queries ----

// The joined rows, with the columns first; if they are not unique, with how many there are of each last.
Query *make_rows(const Apart &apart, bool unique)
{
    auto *rows = static_cast<Query *>(copyObjectImpl(apart.query));
    List *images = NIL;
    ListCell *cell;
    auto add = [&](Expr *expr) {
        query::add_output(rows, expr, psprintf("r%d", list_length(rows->targetList) + 1));
    };
    query::select_joined(rows, NIL);
    foreach (cell, apart.columns) {
        Expr *expr = kept(lfirst_node(Var, cell));
        add(expr);
        if (!sameness::holds(rows, expr))
            images = lappend(images, image_key::of(expr));
    }
    foreach (cell, images)
        add(static_cast<Expr *>(lfirst(cell)));
    if (!rows_below::group_by_all(rows))
        return nullptr;
    rows->hasAggs = !unique;
    if (!unique)
        add(query::count_rows());
    return rows;
}

// Has a query read each of the rows once, or as often as its last output says.
void read_rows(Query *query, Query *rows, bool unique)
{
    constexpr char name[] = "refresh_mv_joined";
    if (unique)
        return query::read_only(query, rows);
    const char *text = psprintf("SELECT FROM %s q, pg_catalog.generate_series(1, q.r%d)", name,
                                list_length(rows->targetList));
    Query *read = ephemeral_rows::over(text, name, rows, create_queryEnv());
    pg::set_tables(query, read->rtable);
    query->jointree = read->jointree;
}

} // namespace

namespace rows_below {

RowsBelow take_apart(Query *query)
{
    Apart apart = {query, NIL, true};
    auto *outputs = static_cast<List *>(copyObjectImpl(query->targetList));
    Node *list = pg::flatten(query, reinterpret_cast<Node *>(outputs));
    Node *having = pg::flatten(query, static_cast<Node *>(copyObjectImpl(query->havingQual)));

    find_columns(list, &apart);
    find_columns(having, &apart);
    if (!apart.possible || query->groupingSets != NIL)
        return {};
    bool unique = add_keys(&apart);
    Query *rows = apart.columns == NIL ? nullptr : make_rows(apart, unique);
    if (rows == nullptr)
        return {};
    auto *above = static_cast<Query *>(copyObjectImpl(query));
    above->targetList = reinterpret_cast<List *>(over_rows(list, &apart));
    above->havingQual = over_rows(having, &apart);
    read_rows(above, rows, unique);
    return {above, rows};
}

bool group_by_all(Query *query)
{
    ListCell *cell;
    query->sortClause = NIL;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        TypeCacheEntry *type = lookup_type_cache(exprType(reinterpret_cast<Node *>(entry->expr)),
                                                 TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR | TYPECACHE_HASH_PROC);
        SortGroupClause *clause = makeNode(SortGroupClause);
        if (!OidIsValid(type->eq_opr))
            return false;
        clause->eqop = type->eq_opr;
        clause->sortop = type->lt_opr;
        clause->hashable = OidIsValid(type->hash_proc);
        clause->tleSortGroupRef = entry->ressortgroupref = static_cast<Index>(foreach_current_index(cell) + 1);
        query->groupClause = lappend(query->groupClause, clause);
    }
    return true;
}

} // namespace rows_below

} // namespace refresh_mv
