#include "store/extension.hpp"

#include "store/statement.hpp"

namespace refresh_mv::extension {

bool is_member(Oid relation)
{
    Oid extension = get_extension_oid("refresh_mv", true);
    return OidIsValid(extension)
           && getExtensionOfObject(RelationRelationId, relation) == extension;
}

// The version of the extension in this database; "none" if it is not there.
static const char *installed_version()
{
    Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
    ScanKeyData key;
    const char *version = "none";
    ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("refresh_mv"));
    SysScanDesc scan = systable_beginscan(catalog, ExtensionNameIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        bool null;
        Datum found = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(catalog), &null);
        version = TextDatumGetCString(found);
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return version;
}

// Of this library.
static const char version[] = "1.0";

bool is_current()
{
    return strcmp(installed_version(), version) == 0;
}

void check_version()
{
    const char *found = installed_version();

    if (strcmp(found, version) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("extension refresh_mv has version %s, but its library is of version %s",
                        found, version),
                 errhint("Run ALTER EXTENSION refresh_mv UPDATE.")));
}

void note_merge(Oid view)
{
    static SPIPlanPtr plan = nullptr;
    SPI_connect();
    statement::change(&plan, "state",
                      "WITH o AS (SELECT ctid FROM refresh_mv.state"
                      " WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE)"
                      " SELECT (SELECT o.ctid FROM o), $1 AS view, pg_catalog.now() AS merged_at",
                      statement::Values().oid(view));
    SPI_finish();
}

} // namespace refresh_mv::extension
