#include "tracking/distributed.hpp"

namespace refresh_mv::distributed {

bool is(Oid table)
{
    // In pg_catalog, where nobody makes tables but extensions of superusers.
    Oid oid = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
    AttrNumber column = OidIsValid(oid) ? get_attnum(oid, "logicalrelid") : InvalidAttrNumber;
    if (column == InvalidAttrNumber)
        return false;
    ScanKeyData key;
    ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    Relation catalog = table_open(oid, AccessShareLock);
    SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 1, &key);
    bool found = HeapTupleIsValid(systable_getnext(scan));
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return found;
}

} // namespace refresh_mv::distributed
