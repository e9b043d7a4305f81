#include "refresh/window_trust.hpp"

#include "query/determinism.hpp"
#include "query/nullness.hpp"
#include "query/query.hpp"

namespace refresh_mv::window_trust {

// Whether an entry of the range table is a relation that is read: a rule's OLD and NEW are
// entries too.
static bool is_read(const RangeTblEntry *rte)
{
    return rte->rtekind == RTE_RELATION && rte->inFromCl;
}

// Locks what a query reads, ordinary views included, unless that had to be waited for.
static bool lock_if_free(Node *node, void *failed)
{
    check_stack_depth();
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        if (!is_read(rte))
            return false;
        if (!ConditionalLockRelationOid(rte->relid, AccessShareLock))
            return *static_cast<bool *>(failed) = true;
        if (get_rel_relkind(rte->relid) != RELKIND_VIEW)
            return false;
        Relation view = table_open(rte->relid, NoLock);
        bool stop = lock_if_free(reinterpret_cast<Node *>(get_view_query(view)), failed);
        table_close(view, NoLock);
        return stop;
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(lock_if_free), failed,
                                 QTW_EXAMINE_RTES_BEFORE);
    return expression_tree_walker(node, pg::walker(lock_if_free), failed);
}

// The rewritten query of a materialized view that is read by another one; null if that
// would have to wait for somebody: a refresh would not.
static Query *query_below(Oid oid)
{
    bool failed = false;
    Relation view = table_open(oid, AccessShareLock);
    lock_if_free(reinterpret_cast<Node *>(query::stored(view)), &failed);
    Query *query = failed ? nullptr : query::rewritten(view);
    table_close(view, NoLock);
    return query;
}

// Puts the queries of materialized views in their place; stops, incomplete, at one whose
// query is not to be had.
static bool expand(Node *node, void *complete)
{
    check_stack_depth();
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        if (!is_read(rte) || get_rel_relkind(rte->relid) != RELKIND_MATVIEW)
            return false;
        rte->subquery = query_below(rte->relid);
        if (rte->subquery == nullptr) {
            *static_cast<bool *>(complete) = false;
            return true;
        }
        rte->rtekind = RTE_SUBQUERY;
        rte->relid = InvalidOid;
        return false; // what it reads is walked next
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(expand), complete,
                                 QTW_EXAMINE_RTES_BEFORE);
    return expression_tree_walker(node, pg::walker(expand), complete);
}

// Whether a query groups by an output column, or keeps one row for each of its values, or
// shows what a query below it has by such columns.
static bool is_grouped_by(Query *query, AttrNumber attno)
{
    ListCell *cell;
    bool shared;

    check_stack_depth();
    foreach (cell, shape::arms(query))
        if (!is_grouped_by(lfirst_node(Query, cell), attno))
            return false;
    if (query->setOperations)
        return true;
    List *clauses = query->hasDistinctOn ? query->distinctClause : query->groupClause;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resno == attno && entry->ressortgroupref != 0
            && targetIsInSortList(entry, InvalidOid, clauses))
            return true;
    }
    List *vars = pull_vars_of_level(shape::column_expression(query, attno), 0);
    foreach (cell, vars) {
        auto *var = lfirst_node(Var, cell);
        Query *inner = shape::subquery_of(query, rt_fetch(var->varno, query->rtable), &shared);
        if (inner == nullptr || var->varattno <= 0 || !is_grouped_by(inner, var->varattno))
            return false;
    }
    return vars != NIL;
}

// Whether a date column says by itself that new rows are found by it.
static bool tells_new_rows(Query *query, AttrNumber attno)
{
    return is_grouped_by(query, attno) || nullness::never(query, attno);
}

// Why rows may change that are not recent.
static const char *doubt_of(Relation view, WindowColumn column, bool named)
{
    const char *name = NameStr(TupleDescAttr(RelationGetDescr(view), column.attno - 1)->attname);
    Query *query = query::rewritten(view);
    bool complete = true;

    const char *depends_on = determinism::analyse(query, view->rd_rel->relowner).depends_on;
    if (depends_on != nullptr)
        return psprintf("its result depends on more than data: %s", depends_on);
    expand(reinterpret_cast<Node *>(query), &complete);
    if (!complete)
        return "what a materialized view below it reads is locked";
    depends_on = determinism::analyse(query, view->rd_rel->relowner).depends_on;
    if (depends_on != nullptr)
        return psprintf("a materialized view below it depends on more than data: %s", depends_on);
    if (!shape::pushable(query, column.attno))
        return psprintf("older rows can change with newer ones in a view below it, where a condition on column \"%s\""
                        " cannot be applied before grouping",
                        name);
    if (!named && !tells_new_rows(query, column.attno))
        return psprintf("its date column \"%s\" can be NULL, and it does not group by it", name);
    return nullptr;
}

const char *doubt(Relation view, WindowColumn column, bool named)
{
    int level = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    const char *doubt = doubt_of(view, column, named);
    AtEOXact_GUC(false, level);
    return doubt;
}

// The share of NULLs in a view's column by its statistics; 0 if there are none.
static double share_of_nulls(Oid view, AttrNumber attno)
{
    HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(view), Int16GetDatum(attno), BoolGetDatum(false));
    if (!HeapTupleIsValid(tuple))
        return 0;
    double share = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple))->stanullfrac;
    ReleaseSysCache(tuple);
    return share;
}

// The one of some columns with the fewest NULLs, the first of several.
static AttrNumber with_fewest_nulls(Oid view, List *columns)
{
    AttrNumber best = 0;
    ListCell *cell;
    foreach (cell, columns) {
        auto attno = static_cast<AttrNumber>(lfirst_int(cell));
        if (best == 0 || share_of_nulls(view, attno) < share_of_nulls(view, best))
            best = attno;
    }
    return best;
}

DateColumn better_column(Relation view, WindowColumn column, bool named)
{
    List *columns = shape::date_columns(query::stored(view));
    Query *query = query::rewritten(view);
    bool complete = true;
    ListCell *cell;

    expand(reinterpret_cast<Node *>(query), &complete);
    if (!complete || determinism::analyse(query, view->rd_rel->relowner).depends_on != nullptr || !shape::pushable(query, column.attno)
        || tells_new_rows(query, column.attno))
        return {0, nullptr};
    const char *name = NameStr(TupleDescAttr(RelationGetDescr(view), column.attno - 1)->attname);
    foreach (cell, columns)
        if (tells_new_rows(query, static_cast<AttrNumber>(lfirst_int(cell))))
            return {static_cast<AttrNumber>(lfirst_int(cell)),
                    psprintf("column \"%s\" can be NULL and is not grouped by, this one is better", name)};
    if (named)
        return {0, nullptr};
    return {with_fewest_nulls(RelationGetRelid(view), columns),
            "if new rows, and rows that change, are dated by it; smart refreshes recent rows alone then"};
}

} // namespace refresh_mv::window_trust
