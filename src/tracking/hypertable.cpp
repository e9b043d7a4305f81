#include "tracking/hypertable.hpp"

namespace refresh_mv {

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

// A column of type name; null if there is none, or it has no value.
const char *name_in(HeapTuple tuple, TupleDesc desc, Oid catalog, const char *column)
{
    bool null = true;
    AttrNumber number = get_attnum(catalog, column);
    Datum value = number > 0 ? heap_getattr(tuple, number, desc, &null) : 0;
    return null ? nullptr : pstrdup(NameStr(*DatumGetName(value)));
}

bool equal_names(const char *a, const char *b)
{
    return a != nullptr && b != nullptr && strcmp(a, b) == 0;
}

// How TimescaleDB names the chunks of a hypertable.
struct Naming {
    const char *schema;
    const char *prefix;
};

// Finds a table among the hypertables.
bool find(Oid table, Naming *naming)
{
    bool plain = get_rel_relkind(table) == RELKIND_RELATION && !get_rel_relispartition(table);
    Oid oid = plain ? catalog() : InvalidOid;
    bool found = false;
    HeapTuple tuple;

    if (!OidIsValid(oid))
        return false;
    const char *schema = get_namespace_name(get_rel_namespace(table));
    const char *name = get_rel_name(table);
    Relation hypertables = table_open(oid, AccessShareLock);
    TupleDesc desc = RelationGetDescr(hypertables);
    SysScanDesc scan = systable_beginscan(hypertables, InvalidOid, false, nullptr, 0, nullptr);
    while (!found && HeapTupleIsValid(tuple = systable_getnext(scan))) {
        found = equal_names(name_in(tuple, desc, oid, "table_name"), name)
                && equal_names(name_in(tuple, desc, oid, "schema_name"), schema);
        if (found && naming != nullptr)
            *naming = {name_in(tuple, desc, oid, "associated_schema_name"),
                       name_in(tuple, desc, oid, "associated_table_prefix")};
    }
    systable_endscan(scan);
    table_close(hypertables, AccessShareLock);
    return found;
}

// Calls each(tuple) for every parent of a table.
template <class Each>
void for_each_parent(Oid table, Each each)
{
    Relation inherits = table_open(InheritsRelationId, AccessShareLock);
    ScanKeyData key;
    HeapTuple tuple;
    ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    SysScanDesc scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
    while (HeapTupleIsValid(tuple = systable_getnext(scan)))
        each(tuple);
    systable_endscan(scan);
    table_close(inherits, AccessShareLock);
}

// The transaction that made a table, as its row type tells.
TransactionId maker(Oid table)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(get_rel_type_id(table)));
    if (!HeapTupleIsValid(tuple))
        return InvalidTransactionId;
    TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
    ReleaseSysCache(tuple);
    return xmin;
}

} // namespace

namespace hypertable {

bool is(Oid table)
{
    return find(table, nullptr);
}

Oid of_chunk(Oid table)
{
    Oid parent = InvalidOid;
    if (get_rel_relkind(table) == '\0' || get_rel_relispartition(table) || !has_superclass(table))
        return InvalidOid;
    for_each_parent(table, [&](HeapTuple tuple) {
        Oid oid = reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent;
        if (is(oid))
            parent = oid;
    });
    return parent;
}

List *chunks(Oid table, LOCKMODE lock)
{
    if (!is(table))
        return NIL;
    return list_delete_oid(find_all_inheritors(table, lock, nullptr), table);
}

bool is_made_empty(Oid hypertable, Oid chunk)
{
    Naming naming{};
    bool at_once = false;
    if (!find(hypertable, &naming) || naming.prefix == nullptr
        || !equal_names(get_namespace_name(get_rel_namespace(chunk)), naming.schema)
        || strncmp(get_rel_name(chunk), naming.prefix, strlen(naming.prefix)) != 0)
        return false;
    TransactionId made_by = maker(chunk);
    for_each_parent(chunk, [&](HeapTuple tuple) {
        at_once = HeapTupleHeaderGetRawXmin(tuple->t_data) == made_by;
    });
    return at_once;
}

} // namespace hypertable

} // namespace refresh_mv
