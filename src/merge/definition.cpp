#include "merge/definition.hpp"

#include "server/attribute_versions.hpp"

namespace refresh_mv {

namespace {

void depend(Oid view, AttrNumber column, Oid catalog, Oid object)
{
    ObjectAddress dependent, referenced;
    ObjectAddressSubSet(dependent, RelationRelationId, view, column);
    ObjectAddressSet(referenced, catalog, object);
    recordDependencyOn(&dependent, &referenced, DEPENDENCY_NORMAL);
}

// Counts columns that were added to a view in pg_class.
void count_columns(Oid view, int added)
{
    Relation catalog = table_open(RelationRelationId, RowExclusiveLock);
    HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(view));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for relation %u", view);
    reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relnatts += static_cast<int16>(added);
    CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
    table_close(catalog, RowExclusiveLock);
}

// Writes the action of a view's rule; returns the oid of the rule.
Oid write_action(Oid view, const char *action)
{
    Relation catalog = table_open(RewriteRelationId, RowExclusiveLock);
    HeapTuple tuple = SearchSysCacheCopy2(RULERELNAME, ObjectIdGetDatum(view), CStringGetDatum(ViewSelectRuleName));
    Datum values[Natts_pg_rewrite] = {};
    bool nulls[Natts_pg_rewrite] = {};
    bool replaced[Natts_pg_rewrite] = {};

    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for the rule of materialized view %u", view);
    values[Anum_pg_rewrite_ev_action - 1] = CStringGetTextDatum(action);
    replaced[Anum_pg_rewrite_ev_action - 1] = true;
    HeapTuple changed = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaced);
    CatalogTupleUpdate(catalog, &changed->t_self, changed);
    table_close(catalog, RowExclusiveLock);
    return reinterpret_cast<Form_pg_rewrite>(GETSTRUCT(tuple))->oid;
}

// Has the rule depend on its view, and on what its action mentions.
void note_dependencies(Oid view, Oid rule, List *action)
{
    ObjectAddress dependent, referenced;
    ObjectAddressSet(dependent, RewriteRelationId, rule);
    ObjectAddressSet(referenced, RelationRelationId, view);
    deleteDependencyRecordsFor(RewriteRelationId, rule, false);
    recordDependencyOn(&dependent, &referenced, DEPENDENCY_INTERNAL);
    recordDependencyOnExpr(&dependent, reinterpret_cast<Node *>(action), NIL, DEPENDENCY_NORMAL);
}

} // namespace

namespace definition {

void add_columns(Oid view, TupleDesc columns)
{
    Relation catalog = table_open(AttributeRelationId, RowExclusiveLock);
    pg::insert_columns(catalog, columns, view, attribute_versions::options());
    table_close(catalog, RowExclusiveLock);
    count_columns(view, columns->natts);
    for (int i = 0; i < columns->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        depend(view, column->attnum, TypeRelationId, column->atttypid);
        if (OidIsValid(column->attcollation) && column->attcollation != DEFAULT_COLLATION_OID)
            depend(view, column->attnum, CollationRelationId, column->attcollation);
        InvokeObjectPostCreateHook(RelationRelationId, view, column->attnum);
    }
    CommandCounterIncrement();
    NewHeapCreateToastTable(view, 0, ExclusiveLock, InvalidOid);
    CommandCounterIncrement();
}

void replace_rule(Oid view, Query *query)
{
    ObjectAddress address;
    Relation relation = table_open(view, NoLock);
    Query *copy = static_cast<Query *>(copyObjectImpl(query));
    List *action = list_make1(pg::as_rule_action(relation, copy));
    table_close(relation, NoLock);
    Oid rule = write_action(view, nodeToString(action));
    note_dependencies(view, rule, action);
    ObjectAddressSet(address, RelationRelationId, view);
    recordDependencyOnCurrentExtension(&address, true);
    CacheInvalidateRelcacheByRelid(view);
    InvokeObjectPostAlterHook(RewriteRelationId, rule, 0);
    CommandCounterIncrement();
}

} // namespace definition

} // namespace refresh_mv
