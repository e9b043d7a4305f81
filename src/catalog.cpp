#include "catalog.hpp"

namespace catalog {

bool is_member(Oid relation)
{
    Oid extension = get_extension_oid("refresh_mv", true);
    return OidIsValid(extension)
           && getExtensionOfObject(RelationRelationId, relation) == extension;
}

// The owner of the schema with the tables.
static Oid owner()
{
    Oid schema = get_namespace_oid("refresh_mv", false);
    HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
    Oid role = reinterpret_cast<Form_pg_namespace>(GETSTRUCT(tuple))->nspowner;
    ReleaseSysCache(tuple);
    return role;
}

// Runs one statement as the owner of the tables.  The caller has connected SPI.
static void execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
                    int expected)
{
    Oid saved_user;
    int saved_context;

    GetUserIdAndSecContext(&saved_user, &saved_context);
    SetUserIdAndSecContext(owner(), saved_context | SECURITY_LOCAL_USERID_CHANGE);
    int result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
    SetUserIdAndSecContext(saved_user, saved_context);
    if (result != expected)
        elog(ERROR, "unexpected result of a statement on refresh_mv's tables: %s",
             SPI_result_code_string(result));
}

// The name of a view, as the key of its settings.
static void view_key(Oid view, Datum *values)
{
    values[0] = CStringGetTextDatum(get_namespace_name(get_rel_namespace(view)));
    values[1] = CStringGetTextDatum(get_rel_name(view));
}

const char *date_column(Oid view)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[2];
    char *column = nullptr;
    MemoryContext context = CurrentMemoryContext;

    view_key(view, values);
    SPI_connect();
    execute("SELECT s.date_column FROM refresh_mv.settings s "
            "WHERE s.view_schema OPERATOR(pg_catalog.=) $1 AND s.view_name OPERATOR(pg_catalog.=) $2",
            2, types, values, nullptr, SPI_OK_SELECT);
    if (SPI_processed > 0) {
        char *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        column = value ? MemoryContextStrdup(context, value) : nullptr;
    }
    SPI_finish();
    return column;
}

void set_date_column(Oid view, const char *column)
{
    Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
    Datum values[3] = {0, 0, column ? CStringGetTextDatum(column) : 0};

    view_key(view, values);
    SPI_connect();
    if (column == nullptr)
        execute("DELETE FROM refresh_mv.settings s "
                "WHERE s.view_schema OPERATOR(pg_catalog.=) $1 AND s.view_name OPERATOR(pg_catalog.=) $2",
                2, types, values, nullptr, SPI_OK_DELETE);
    else
        execute("INSERT INTO refresh_mv.settings (view_schema, view_name, date_column) "
                "VALUES ($1, $2, $3) ON CONFLICT (view_schema, view_name) "
                "DO UPDATE SET date_column = EXCLUDED.date_column",
                3, types, values, nullptr, SPI_OK_INSERT);
    SPI_finish();
}

void note_merge(Oid view)
{
    Oid types[] = {OIDOID};
    Datum values[] = {ObjectIdGetDatum(view)};

    SPI_connect();
    execute("INSERT INTO refresh_mv.state (view, merged_at) "
            "VALUES ($1, pg_catalog.now()) ON CONFLICT (view) "
            "DO UPDATE SET merged_at = EXCLUDED.merged_at",
            1, types, values, nullptr, SPI_OK_INSERT);
    SPI_finish();
}

} // namespace catalog
