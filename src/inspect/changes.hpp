// The net changes of a source that are new to a view, for SQL.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::changes {

// Puts a row (key, old_row), both as text, for each key of the source that has
// changed since the view's last refresh into the function's result; old_row is
// null where the row did not exist.  Fails where changes are not known.
void put(Oid view, Oid source, ReturnSetInfo *result);

} // namespace refresh_mv::changes
