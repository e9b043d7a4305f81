#include "hypertable.hpp"

namespace {

// The catalog of hypertables; InvalidOid if TimescaleDB is not there.
Oid catalog()
{
    Oid schema = get_namespace_oid("_timescaledb_catalog", true);
    if (!OidIsValid(schema))
        return InvalidOid;
    // Anybody may have made a schema of this name.
    Oid extension = get_extension_oid("timescaledb", true);
    if (!OidIsValid(extension) || getExtensionOfObject(NamespaceRelationId, schema) != extension)
        return InvalidOid;
    return get_relname_relid("hypertable", schema);
}

// Whether a column of type name holds a text.
bool holds(HeapTuple tuple, TupleDesc desc, AttrNumber column, const char *text)
{
    bool null;
    Datum value = heap_getattr(tuple, column, desc, &null);
    return !null && strcmp(NameStr(*DatumGetName(value)), text) == 0;
}

} // namespace

namespace hypertable {

bool is(Oid table)
{
    bool plain = get_rel_relkind(table) == RELKIND_RELATION && !get_rel_relispartition(table);
    Oid oid = plain ? catalog() : InvalidOid;
    bool found = false;
    HeapTuple tuple;

    if (!OidIsValid(oid))
        return false;
    const char *schema = get_namespace_name(get_rel_namespace(table));
    const char *name = get_rel_name(table);
    AttrNumber schema_name = get_attnum(oid, "schema_name");
    AttrNumber table_name = get_attnum(oid, "table_name");
    if (schema_name <= 0 || table_name <= 0)
        return false;
    Relation hypertables = table_open(oid, AccessShareLock);
    SysScanDesc scan = systable_beginscan(hypertables, InvalidOid, false, nullptr, 0, nullptr);
    while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
        found = holds(tuple, RelationGetDescr(hypertables), table_name, name)
                && holds(tuple, RelationGetDescr(hypertables), schema_name, schema);
    systable_endscan(scan);
    table_close(hypertables, AccessShareLock);
    return found;
}

Oid of_chunk(Oid table)
{
    if (get_rel_relkind(table) == '\0' || get_rel_relispartition(table) || !has_superclass(table))
        return InvalidOid;
    Relation inherits = table_open(InheritsRelationId, AccessShareLock);
    ScanKeyData key;
    HeapTuple tuple;
    Oid parent = InvalidOid;
    ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    SysScanDesc scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
    while (!OidIsValid(parent) && HeapTupleIsValid(tuple = systable_getnext(scan))) {
        Oid oid = reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent;
        parent = is(oid) ? oid : InvalidOid;
    }
    systable_endscan(scan);
    table_close(inherits, AccessShareLock);
    return parent;
}

List *chunks(Oid table, LOCKMODE lock)
{
    if (!is(table))
        return NIL;
    return list_delete_oid(find_all_inheritors(table, lock, nullptr), table);
}

bool is_made_empty(Oid chunk)
{
    Relation relation = table_open(chunk, NoLock);
    TupleDesc desc = RelationGetDescr(relation);
    bool made = true;
    for (int i = 0; i < desc->natts; i++)
        made &= TupleDescAttr(desc, i)->attisdropped || !TupleDescAttr(desc, i)->attislocal;
    table_close(relation, NoLock);
    return made;
}

} // namespace hypertable
