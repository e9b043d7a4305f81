#include "incremental/reduce_parts.hpp"

#include "incremental/from_clause.hpp"
#include "incremental/inner_tables.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// Whether anything has changed that an entry of a query's range table reads.
bool reads_changed(Query *query, int rti, const Anchoring &anchoring, List *changes)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    List *instances = NIL;
    ListCell *cell;
    if (rte->rtekind == RTE_SUBQUERY)
        instances = instance::all(rte->subquery);
    else if (Instance *own = instance::find(anchoring.instances, query, rti))
        instances = list_make1(own);
    else
        return true; // a function, say, that may look at what has
    foreach (cell, instances)
        if (instance::changes_of(changes, static_cast<Instance *>(lfirst(cell))) != nullptr)
            return true;
    return false;
}

// The entries that are joined, make nothing null, look at nothing beside them, and have not changed.
Relids steady_entries(const From &from, const Anchoring &anchoring, List *changes)
{
    Relids steady = nullptr;
    ListCell *cell;
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        if (!from_clause::is_nullable(from, rti) && !rt_fetch(rti, from.query->rtable)->lateral
            && !reads_changed(from.query, rti, anchoring, changes))
            steady = bms_add_member(steady, rti);
    }
    return steady;
}

// Looks for a table that has changed in the subqueries of a condition; the context are the changes.
bool reads_any_changed(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(reads_any_changed), context);
    foreach (cell, instance::all(reinterpret_cast<Query *>(node)))
        if (instance::changes_of(static_cast<List *>(context), static_cast<Instance *>(lfirst(cell))) != nullptr)
            return true;
    return false;
}

// The conditions on these entries alone, and on what has not changed.
List *conditions_on(const From &from, Relids entries, List *changes)
{
    List *conditions = NIL;
    ListCell *cell;
    foreach (cell, from.positive) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        if (!query::mentions_around(condition) && bms_is_subset(pull_varnos(nullptr, condition), entries)
            && !reads_any_changed(condition, changes))
            conditions = lappend(conditions, condition);
    }
    return conditions;
}

// Whether any of the conditions is more than a link.
bool any_filters(const From &from, List *conditions)
{
    Var *left, *right;
    ListCell *cell;
    foreach (cell, conditions)
        if (!from_clause::equates(from.query, static_cast<Node *>(lfirst(cell)), &left, &right))
            return true;
    return false;
}

} // namespace

namespace reduce_parts {

Query *possible(Query *original, const Anchoring &chosen, List *changes)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Anchoring anchoring = anchor::choose_same(query, chosen);
    From from = from_clause::of_query(query);
    Relids steady = steady_entries(from, anchoring, changes);
    Var *part = inner_tables::anchor_of(from, steady, anchoring);
    if (part == nullptr)
        return nullptr;
    Relids kept = inner_tables::joined_with(part->varno, conditions_on(from, steady, changes));
    List *conditions = conditions_on(from, kept, changes);
    if (!any_filters(from, conditions))
        return nullptr;
    inner_tables::read_only(query, kept, conditions);
    auto *value = static_cast<Expr *>(copyObjectImpl(part));
    query::select_joined(query, list_make1(makeTargetEntry(value, 1, pstrdup("part"), false)));
    return query;
}

bool has_row_of_part(Query *query, const Instance *instance, const NetChanges *changes)
{
    return !changes->bag && instance->anchor != 0 && list_length(changes->source->key) == 1
           && get_attnum(changes->relation, static_cast<char *>(linitial(changes->source->key))) == instance->anchor
           && instance->query == query && !from_clause::is_nullable(from_clause::of_query(query), static_cast<int>(instance->rti));
}

const char *had_row(const Instance *instance, const NetChanges *changes)
{
    // not EXCEPT, whose hash table grows without limit
    return sql_template::fill("NOT EXISTS (SELECT FROM {changes} d WHERE d.{anchor} {equals} p.part AND NOT d.{existed})",
                              {{"changes", changes->rows.name},
                               {"anchor", instance::column_name(instance->relation, instance->anchor)},
                               {"equals", net_changes::equality(get_atttype(instance->relation, instance->anchor))},
                               {"existed", net_changes::existed_column(changes)}});
}

const char *left_by_row(const Instance *instance, const SignedChanges *signs, const char *left, TableState state, const char *parts)
{
    return sql_template::fill("SELECT p.part FROM {parts} p WHERE NOT EXISTS (SELECT FROM {signs} d WHERE d.{anchor} {equals} p.part)"
                              " UNION ALL SELECT p.part FROM {parts} p"
                              " WHERE EXISTS (SELECT FROM {left} d WHERE d.{anchor} {equals} p.part AND d.{sign} {came} 0)",
                              {{"parts", parts},
                               {"signs", signs->rows.name},
                               {"left", left},
                               {"anchor", instance::column_name(instance->relation, instance->anchor)},
                               {"equals", net_changes::equality(get_atttype(instance->relation, instance->anchor))},
                               {"sign", net_changes::existed_column(signs->changes)},
                               {"came", state == TableState::now ? ">" : "<"}});
}

} // namespace reduce_parts

} // namespace refresh_mv
