// The names of views, by which their settings and their history are kept.
#pragma once

#include "store/own_rows.hpp"
#include "store/statement.hpp"

namespace refresh_mv {

// What a view is called now; null if it has been dropped.
struct ViewName {
    const char *schema;
    const char *view;
};

namespace view_names {

ViewName of(Oid view);

// The conditions on rows kept by name.
struct Keys {
    explicit Keys(const ViewName &name)
        : keys{own_rows::is("view_schema", name.schema), own_rows::is("view_name", name.view)}
    {
    }
    own_rows::Key keys[2];
};

// A condition on rows kept by name, for the first two parameters that add() has added.
#define OF_VIEW \
    " WHERE view_schema OPERATOR(pg_catalog.=) $1 AND view_name OPERATOR(pg_catalog.=) $2"

// Adds the schema and the name of a view to parameters; false if it has been dropped.
bool add(statement::Values *values, Oid view);

// Notes the name of a view, by which it is found again after it is renamed.  The
// caller has the view prepared for a refresh.
void note(Oid view);

} // namespace view_names

} // namespace refresh_mv
