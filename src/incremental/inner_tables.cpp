#include "incremental/inner_tables.hpp"

#include "query/query.hpp"

namespace refresh_mv::inner_tables {

Relids joined_with(int rti, List *conditions)
{
    Relids joined = bms_make_singleton(rti);
    int count = 0;
    ListCell *cell;
    while (count < bms_num_members(joined)) {
        count = bms_num_members(joined);
        foreach (cell, conditions) {
            Relids mentioned = pull_varnos(nullptr, static_cast<Node *>(lfirst(cell)));
            if (bms_overlap(mentioned, joined))
                joined = bms_add_members(joined, mentioned);
        }
    }
    return joined;
}

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

void read_only(Query *query, Relids kept, List *conditions)
{
    List *entries = NIL;
    ListCell *cell;
    int rti = -1;
    while ((rti = bms_next_member(kept, rti)) >= 0) {
        RangeTblRef *ref = makeNode(RangeTblRef);
        ref->rtindex = rti;
        entries = lappend(entries, ref);
    }
    // The entries of joins become some of nothing: the planner looks for the outer joins of the range table in the
    // FROM, and so does who prints it.
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_JOIN)
            continue;
        rte->rtekind = RTE_RESULT;
        rte->jointype = JOIN_INNER;
        rte->joinaliasvars = rte->joinleftcols = rte->joinrightcols = NIL;
    }
    query->jointree = makeFromExpr(entries, reinterpret_cast<Node *>(make_ands_explicit(conditions)));
}

} // namespace refresh_mv::inner_tables
