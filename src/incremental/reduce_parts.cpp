#include "incremental/reduce_parts.hpp"

#include "incremental/from_clause.hpp"

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

// The conditions on these entries alone; *filters if any of them is more than a link.
List *conditions_on(const From &from, Relids entries, bool *filters)
{
    List *conditions = NIL;
    ListCell *cell;
    foreach (cell, from.positive) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        Var *left, *right;
        if (contain_subplans(condition) || contain_vars_of_level(condition, 1)
            || !bms_is_subset(pull_varnos(nullptr, condition), entries))
            continue;
        conditions = lappend(conditions, condition);
        *filters |= !from_clause::equates(from.query, condition, &left, &right);
    }
    return conditions;
}

// The anchor, as a column of one of these entries; null if none has it.
Var *anchor_of(const From &from, Relids entries, const Anchoring &anchoring)
{
    int rti = -1;
    if (anchoring.other == nullptr && bms_is_member(anchoring.column->varno, entries))
        return anchoring.column;
    while ((rti = bms_next_member(entries, rti)) >= 0) {
        Instance *instance = instance::find(anchoring.instances, from.query, rti);
        if (instance == nullptr || instance->anchor == 0)
            continue;
        Oid type, collation;
        int32 typmod;
        get_atttypetypmodcoll(instance->relation, instance->anchor, &type, &typmod, &collation);
        return makeVar(rti, instance->anchor, type, typmod, collation, 0);
    }
    return nullptr;
}

} // namespace

Query *reduce_parts::possible(Query *original, const Anchoring &chosen, List *changes)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Anchoring anchoring = anchor::choose_same(query, chosen);
    From from = from_clause::of_query(query);
    Relids steady = steady_entries(from, anchoring, changes);
    bool filters = false;
    List *conditions = conditions_on(from, steady, &filters);
    Var *part = anchor_of(from, steady, anchoring);
    List *entries = NIL;
    ListCell *cell;
    int rti = -1;

    if (part == nullptr || !filters)
        return nullptr;
    while ((rti = bms_next_member(steady, rti)) >= 0) {
        RangeTblRef *ref = makeNode(RangeTblRef);
        ref->rtindex = rti;
        entries = lappend(entries, ref);
    }
    // The planner looks for the outer joins of the range table in the FROM.
    foreach (cell, query->rtable)
        if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_JOIN)
            lfirst_node(RangeTblEntry, cell)->jointype = JOIN_INNER;
    query->jointree = makeFromExpr(entries, reinterpret_cast<Node *>(make_ands_explicit(conditions)));
    query->targetList = list_make1(makeTargetEntry(static_cast<Expr *>(copyObjectImpl(part)), 1, pstrdup("part"), false));
    query->groupClause = query->groupingSets = query->distinctClause = query->sortClause = NIL;
    query->windowClause = NIL;
    query->havingQual = query->limitCount = query->limitOffset = nullptr;
    query->hasAggs = query->hasWindowFuncs = query->hasDistinctOn = query->hasTargetSRFs = false;
    return query;
}

} // namespace refresh_mv
