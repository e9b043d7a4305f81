#include "store/view_names.hpp"

namespace refresh_mv::view_names {

bool add(statement::Values *values, Oid view)
{
    char *name = get_rel_name(view);
    char *schema = name ? get_namespace_name(get_rel_namespace(view)) : nullptr;
    if (schema == nullptr)
        return false;
    values->text(schema).text(name);
    return true;
}

void note(Oid view)
{
    statement::Values values;

    if (!add(&values, view))
        return;
    SPI_connect();
    statement::change(
        "names",
        "WITH o AS (SELECT ctid FROM refresh_mv.names WHERE view OPERATOR(pg_catalog.=) $3 AND NOT ("
        "view_schema OPERATOR(pg_catalog.=) $1 AND view_name OPERATOR(pg_catalog.=) $2) FOR UPDATE)"
        " SELECT (SELECT o.ctid FROM o), $3 AS view, $1 AS view_schema, $2 AS view_name"
        " WHERE NOT EXISTS (SELECT FROM refresh_mv.names" OF_VIEW " AND view OPERATOR(pg_catalog.=) $3)",
        values.oid(view));
    SPI_finish();
}

} // namespace refresh_mv::view_names
