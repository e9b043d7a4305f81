// The names of views, by which their settings and their history are kept.
#pragma once

#include "store/statement.hpp"

namespace refresh_mv::view_names {

// A condition on rows kept by name, for the first two parameters that add() has added.
#define OF_VIEW \
    " WHERE view_schema OPERATOR(pg_catalog.=) $1 AND view_name OPERATOR(pg_catalog.=) $2"

// Adds the schema and the name of a view to parameters; false if it has been dropped.
bool add(statement::Values *values, Oid view);

// Notes the name of a view, by which it is found again after it is renamed.  The
// caller has the view prepared for a refresh.
void note(Oid view);

} // namespace refresh_mv::view_names
