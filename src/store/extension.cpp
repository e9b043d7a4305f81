#include "store/extension.hpp"

#include "store/statement.hpp"

namespace refresh_mv::extension {

bool is_member(Oid relation)
{
    Oid extension = get_extension_oid("refresh_mv", true);
    return OidIsValid(extension)
           && getExtensionOfObject(RelationRelationId, relation) == extension;
}

void check_version()
{
    static const char version[] = "1.0";

    SPI_connect();
    statement::execute("SELECT extversion FROM pg_catalog.pg_extension"
                    " WHERE extname OPERATOR(pg_catalog.=) 'refresh_mv'",
                    statement::Values(), SPI_OK_SELECT);
    const char *found = SPI_processed > 0
                            ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)
                            : "none";
    if (strcmp(found, version) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("extension refresh_mv has version %s, but its library is of version %s",
                        found, version),
                 errhint("Run ALTER EXTENSION refresh_mv UPDATE.")));
    SPI_finish();
}

ViewPair *dependencies(int *count)
{
    MemoryContext context = CurrentMemoryContext;

    SPI_connect();
    statement::execute("SELECT view::pg_catalog.oid, depends_on::pg_catalog.oid FROM refresh_mv.dependencies"
                    " WHERE kind OPERATOR(pg_catalog.=) 'materialized view'",
                    statement::Values(), SPI_OK_SELECT);
    *count = static_cast<int>(SPI_processed);
    auto *pairs = static_cast<ViewPair *>(
        MemoryContextAlloc(context, sizeof(ViewPair) * (SPI_processed + 1)));
    for (int i = 0; i < *count; i++) {
        bool null;
        HeapTuple row = SPI_tuptable->vals[i];
        pairs[i] = {DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &null)),
                    DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &null))};
    }
    SPI_finish();
    return pairs;
}

void note_merge(Oid view)
{
    SPI_connect();
    statement::change("state",
                      "WITH o AS (SELECT ctid FROM refresh_mv.state"
                      " WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE)"
                      " SELECT (SELECT o.ctid FROM o), $1 AS view, pg_catalog.now() AS merged_at",
                      statement::Values().oid(view));
    SPI_finish();
}

} // namespace refresh_mv::extension
