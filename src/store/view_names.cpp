#include "store/view_names.hpp"

namespace refresh_mv::view_names {

ViewName of(Oid view)
{
    char *name = get_rel_name(view);
    char *schema = name ? get_namespace_name(get_rel_namespace(view)) : nullptr;
    return {schema, schema ? name : nullptr};
}

bool add(statement::Values *values, Oid view)
{
    ViewName name = of(view);
    if (name.view == nullptr)
        return false;
    values->text(name.schema).text(name.view);
    return true;
}

// Whether the name is the one that is noted.
static bool is_noted(Oid view)
{
    ViewName name = of(view);
    own_rows::Scan scan = own_rows::begin("names", own_rows::Under::newest_snapshot, {own_rows::is("view", view)});
    bool noted = name.view != nullptr && own_rows::next(&scan)
                 && strcmp(own_rows::string(scan, "view_schema"), name.schema) == 0
                 && strcmp(own_rows::string(scan, "view_name"), name.view) == 0;
    own_rows::end(&scan);
    return noted;
}

void note(Oid view)
{
    statement::Values values;

    if (is_noted(view) || !add(&values, view))
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
