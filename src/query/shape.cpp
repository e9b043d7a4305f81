#include "query/shape.hpp"

#include "query/nullness.hpp"
#include "query/sameness.hpp"

namespace refresh_mv::shape {

Oid date_type(Oid type)
{
    Oid base = getBaseType(type);
    return base == DATEOID || base == TIMESTAMPOID || base == TIMESTAMPTZOID ? base : InvalidOid;
}

static TargetEntry *output_column(Query *query, AttrNumber attno)
{
    ListCell *cell;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resno == attno && !entry->resjunk)
            return entry;
    }
    elog(ERROR, "query has no column %d", attno);
}

Node *column_expression(Query *query, AttrNumber attno)
{
    TargetEntry *entry = output_column(query, attno);
    return pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr)));
}

// Whether a target entry is among the sort or grouping clauses of a list.
static bool listed(TargetEntry *entry, List *clauses)
{
    return entry->ressortgroupref != 0 && targetIsInSortList(entry, InvalidOid, clauses);
}

Query *subquery_of(Query *query, RangeTblEntry *rte, bool *shared)
{
    ListCell *cell;

    *shared = false;
    if (rte->rtekind == RTE_SUBQUERY)
        return rte->subquery;
    if (rte->rtekind != RTE_CTE || rte->self_reference || rte->ctelevelsup != 0)
        return nullptr;
    foreach (cell, query->cteList) {
        auto *cte = lfirst_node(CommonTableExpr, cell);
        if (strcmp(cte->ctename, rte->ctename) != 0)
            continue;
        if (cte->cterecursive || !IsA(cte->ctequery, Query))
            return nullptr;
        *shared = cte->cterefcount != 1 || cte->ctematerialized == CTEMaterializeAlways;
        return reinterpret_cast<Query *>(cte->ctequery);
    }
    return nullptr;
}

// Collects the arms below a node of a tree of set operations.
static List *arms_below(Query *query, Node *node)
{
    check_stack_depth();
    if (IsA(node, SetOperationStmt)) {
        auto *operation = reinterpret_cast<SetOperationStmt *>(node);
        return list_concat(arms_below(query, operation->larg), arms_below(query, operation->rarg));
    }
    return list_make1(rt_fetch(castNode(RangeTblRef, node)->rtindex, query->rtable)->subquery);
}

List *arms(Query *query)
{
    return query->setOperations ? arms_below(query, query->setOperations) : NIL;
}

// The same for a column that an expression of the query mentions.
static bool var_pushable(Query *query, Var *var)
{
    bool shared;
    if (var->varattno <= 0)
        return false;
    RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
    Query *inner = subquery_of(query, rte, &shared);
    return inner != nullptr ? pushable(inner, var->varattno) : rte->rtekind != RTE_CTE;
}

bool pushable(Query *query, AttrNumber attno)
{
    ListCell *cell;

    check_stack_depth();

    if (query->limitCount || query->limitOffset)
        return false;
    foreach (cell, arms(query))
        if (!pushable(lfirst_node(Query, cell), attno))
            return false;
    if (query->setOperations)
        return true;

    TargetEntry *entry = output_column(query, attno);
    Node *expr = column_expression(query, attno);
    if (contain_subplans(expr) || contain_agg_clause(expr) || contain_window_function(expr)
        || contain_volatile_functions(expr) || expression_returns_set(expr))
        return false;
    bool grouped = query->groupClause || query->hasAggs || query->havingQual;
    if (query->groupingSets || (grouped && !listed(entry, query->groupClause)))
        return false;
    if (query->hasDistinctOn && !listed(entry, query->distinctClause))
        return false;
    foreach (cell, query->windowClause)
        if (!listed(entry, lfirst_node(WindowClause, cell)->partitionClause))
            return false;

    // Columns of subqueries must be pushable there too.
    foreach (cell, pull_vars_of_level(expr, 0))
        if (!var_pushable(query, lfirst_node(Var, cell)))
            return false;
    return true;
}

bool grouped_by_image(Query *query, AttrNumber attno)
{
    bool groups = query->setOperations || query->groupClause || query->distinctClause
                  || query->hasAggs || query->hasWindowFuncs;
    ListCell *cell;

    check_stack_depth();
    if (groups && !sameness::holds(query, output_column(query, attno)->expr))
        return false;
    foreach (cell, arms(query))
        if (!grouped_by_image(lfirst_node(Query, cell), attno))
            return false;
    if (query->setOperations)
        return true;
    foreach (cell, pull_vars_of_level(column_expression(query, attno), 0)) {
        auto *var = lfirst_node(Var, cell);
        bool shared;
        RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
        Query *inner = subquery_of(query, rte, &shared);
        if (inner == nullptr ? rte->rtekind == RTE_CTE
                             : var->varattno <= 0 || !grouped_by_image(inner, var->varattno))
            return false;
    }
    return true;
}

// The output columns of a date type that can be pushed, as a list of numbers: those of
// GROUP BY first, in its order, then the others.
static List *date_columns(Query *query, bool grouped)
{
    List *columns = NIL;
    ListCell *cell;
    auto add = [&](TargetEntry *entry) {
        if (!entry->resjunk && OidIsValid(date_type(exprType(reinterpret_cast<Node *>(entry->expr))))
            && pushable(query, entry->resno))
            columns = list_append_unique_int(columns, entry->resno);
    };
    foreach (cell, grouped ? query->groupClause : NIL)
        add(get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList));
    foreach (cell, grouped ? NIL : query->targetList)
        add(lfirst_node(TargetEntry, cell));
    return columns;
}

List *date_columns(Query *query)
{
    return list_concat_unique_int(date_columns(query, true), date_columns(query, false));
}

// The date column to take where none is named: of those that are grouped by, or else of
// all, the first that is never NULL, or else the first.
static AttrNumber first_date_column(Query *query)
{
    List *columns = date_columns(query, true);
    ListCell *cell;

    if (columns == NIL)
        columns = date_columns(query, false);
    if (columns == NIL)
        return InvalidAttrNumber;
    foreach (cell, list_length(columns) > 1 ? columns : NIL)
        if (nullness::never(query, static_cast<AttrNumber>(lfirst_int(cell))))
            return static_cast<AttrNumber>(lfirst_int(cell));
    return static_cast<AttrNumber>(linitial_int(columns));
}

WindowColumn window_column(Relation view, Query *query, const char *name)
{
    TupleDesc desc = RelationGetDescr(view);

    if (name == nullptr) {
        AttrNumber attno = first_date_column(query);
        if (attno == InvalidAttrNumber)
            return {0, InvalidOid,
                    "it has no date or timestamp column by which its query can be restricted"};
        return {attno, date_type(TupleDescAttr(desc, attno - 1)->atttypid), nullptr};
    }

    AttrNumber attno = get_attnum(RelationGetRelid(view), name);
    if (attno <= 0)
        return {0, InvalidOid, psprintf("column \"%s\" does not exist", name)};
    Oid type = date_type(TupleDescAttr(desc, attno - 1)->atttypid);
    if (!OidIsValid(type))
        return {0, InvalidOid,
                psprintf("column \"%s\" is not a date or timestamp", name)};
    if (!pushable(query, attno))
        return {0, InvalidOid,
                psprintf("a condition on column \"%s\" cannot be applied before grouping",
                         name)};
    return {attno, type, nullptr};
}

// The output columns of the given clauses; no columns unless each clause has
// one.
static PairingKey output_columns(Query *query, List *clauses)
{
    PairingKey key = {0, nullptr, false};
    ListCell *cell;

    key.columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * (list_length(clauses) + 1)));
    foreach (cell, clauses) {
        TargetEntry *entry = get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell),
                                                     query->targetList);
        if (entry->resjunk)
            return {0, nullptr, false};
        key.columns[key.count++] = entry->resno;
    }
    return key;
}

// The columns of a unique index of the view, if it has one over plain columns.
static PairingKey unique_index_columns(Relation view)
{
    PairingKey key = {0, nullptr, true};
    List *indexes = RelationGetIndexList(view);
    ListCell *cell;

    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        Form_pg_index form = index->rd_index;
        bool usable = form->indisunique && form->indimmediate && form->indisvalid
                      && RelationGetIndexPredicate(index) == NIL
                      && RelationGetIndexExpressions(index) == NIL;
        if (usable) {
            key.count = form->indnkeyatts;
            key.columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * key.count));
            for (int i = 0; i < key.count; i++)
                key.columns[i] = form->indkey.values[i];
        }
        index_close(index, NoLock);
        if (usable)
            break;
    }
    return key;
}

PairingKey pairing_key(Relation view, Query *query)
{
    PairingKey key = {0, nullptr, false};

    if (query->setOperations == nullptr && !query->hasTargetSRFs) {
        if (query->hasDistinctOn)
            key = output_columns(query, query->distinctClause);
        else if (query->groupClause && !query->groupingSets)
            key = output_columns(query, query->groupClause);
    }
    return key.count > 0 ? key : unique_index_columns(view);
}

} // namespace refresh_mv::shape
