#include "query/view_sources.hpp"

namespace refresh_mv {

namespace {

// What is reached from a view: each thing once, those to be looked at yet at the end.
struct Reach {
    List *relations;
    List *functions;
};

// Adds the relations and functions that an object depends on.
void add_uses(Reach *reach, Relation depend, Oid catalog, Oid object)
{
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(catalog));
    ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
    SysScanDesc scan = systable_beginscan(depend, DependDependerIndexId, true, nullptr, 2, keys);
    while (HeapTuple tuple = systable_getnext(scan)) {
        auto *use = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
        if (use->refclassid == RelationRelationId)
            reach->relations = list_append_unique_oid(reach->relations, use->refobjid);
        else if (use->refclassid == ProcedureRelationId)
            reach->functions = list_append_unique_oid(reach->functions, use->refobjid);
    }
    systable_endscan(scan);
}

// Adds what the query of a view depends on, if the relation has one.
void add_uses_of_query(Reach *reach, Relation depend, Oid relation)
{
    HeapTuple rule = SearchSysCache2(RULERELNAME, ObjectIdGetDatum(relation), PointerGetDatum(ViewSelectRuleName));
    if (!HeapTupleIsValid(rule))
        return;
    Oid oid = reinterpret_cast<Form_pg_rewrite>(GETSTRUCT(rule))->oid;
    ReleaseSysCache(rule);
    add_uses(reach, depend, RewriteRelationId, oid);
}

// The materialized views that a view reads.
List *sources_of(Relation depend, Oid view)
{
    Reach reach{};
    List *sources = NIL;
    int relation = 0, function = 0; // the next to look at

    add_uses_of_query(&reach, depend, view);
    while (relation < list_length(reach.relations) || function < list_length(reach.functions)) {
        CHECK_FOR_INTERRUPTS();
        if (function < list_length(reach.functions)) {
            add_uses(&reach, depend, ProcedureRelationId, list_nth_oid(reach.functions, function++));
            continue;
        }
        Oid used = list_nth_oid(reach.relations, relation++);
        if (get_rel_relkind(used) != RELKIND_MATVIEW)
            add_uses_of_query(&reach, depend, used);
        else if (used != view)
            sources = lappend_oid(sources, used);
    }
    list_free(reach.relations);
    list_free(reach.functions);
    return sources;
}

} // namespace

namespace view_sources {

ViewPair *below(const Oid *views, int views_count, int *count)
{
    Relation depend = table_open(DependRelationId, AccessShareLock);
    List *all = NIL; // grows meanwhile
    int capacity = 16;
    auto *pairs = static_cast<ViewPair *>(palloc(sizeof(ViewPair) * static_cast<Size>(capacity)));
    ListCell *cell, *source;

    *count = 0;
    for (int i = 0; i < views_count; i++)
        all = list_append_unique_oid(all, views[i]);
    foreach (cell, all) {
        Oid view = lfirst_oid(cell);
        foreach (source, sources_of(depend, view)) {
            if (*count == capacity)
                pairs = static_cast<ViewPair *>(repalloc(pairs, sizeof(ViewPair) * static_cast<Size>(capacity *= 2)));
            pairs[(*count)++] = {view, lfirst_oid(source)};
            all = list_append_unique_oid(all, lfirst_oid(source));
        }
    }
    table_close(depend, AccessShareLock);
    return pairs;
}

} // namespace view_sources

} // namespace refresh_mv
