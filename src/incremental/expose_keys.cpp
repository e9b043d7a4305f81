#include "incremental/expose_keys.hpp"

#include "incremental/from_clause.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// A subquery with more columns is left as it is.
constexpr int most_columns = 200;

void add_output(Query *query, Var *var)
{
    ListCell *cell;
    foreach (cell, query->targetList)
        if (equal(lfirst_node(TargetEntry, cell)->expr, var))
            return;
    query::add_output(query, reinterpret_cast<Expr *>(var), psprintf("key %d", list_length(query->targetList) + 1));
}

// Adds the columns of a table's key.
void add_key(Query *query, int rti, RangeTblEntry *rte)
{
    Relation table = table_open(rte->relid, AccessShareLock);
    TrackingKey key = source::key(table);
    for (int i = 0; i < key.count; i++) {
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table), key.columns[i] - 1);
        add_output(query, makeVar(rti, attribute->attnum, attribute->atttypid, attribute->atttypmod,
                                  attribute->attcollation, 0));
    }
    table_close(table, NoLock);
}

bool can_return_more(RangeTblEntry *rte)
{
    ListCell *cell;
    if (rte->rtekind != RTE_SUBQUERY || !query::only_joins(rte->subquery)
        || list_length(rte->subquery->targetList) > most_columns)
        return false;
    foreach (cell, rte->subquery->targetList)
        if (lfirst_node(TargetEntry, cell)->resjunk)
            return false;
    return true;
}

// Names the columns that an entry's subquery has been given.
void name_columns(RangeTblEntry *rte)
{
    ListCell *cell;
    rte->eref = static_cast<Alias *>(copyObjectImpl(rte->eref));
    for_each_from (cell, rte->subquery->targetList, list_length(rte->eref->colnames))
        rte->eref->colnames = lappend(rte->eref->colnames,
                                      makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
}

// Has a query that only joins return the keys of what it joins.
void return_keys(Query *query)
{
    From from = from_clause::of_query(query);
    ListCell *cell, *column;

    check_stack_depth();
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        RangeTblEntry *rte = rt_fetch(rti, query->rtable);
        if (from_clause::is_nullable(from, rti))
            continue;
        if (rte->rtekind == RTE_RELATION && rte->inFromCl)
            add_key(query, rti, rte);
        if (!can_return_more(rte))
            continue;
        int before = list_length(rte->subquery->targetList);
        return_keys(rte->subquery);
        name_columns(rte);
        for_each_from (column, rte->subquery->targetList, before)
            add_output(query, makeVarFromTargetEntry(rti, lfirst_node(TargetEntry, column)));
    }
    normalize::describe_joins(query);
}

} // namespace

void expose_keys::in_subqueries(Query *query)
{
    ListCell *cell;
    if (query->setOperations != nullptr || query->jointree == nullptr)
        return;
    From from = from_clause::of_query(query);
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        RangeTblEntry *rte = rt_fetch(rti, query->rtable);
        if (from_clause::is_nullable(from, rti) || !can_return_more(rte))
            continue;
        return_keys(rte->subquery);
        name_columns(rte);
    }
    normalize::describe_joins(query);
}

} // namespace refresh_mv
