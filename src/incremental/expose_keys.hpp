// Keys of tables that a query reads in subqueries, where an anchor can be looked for.
//
// Invariant: the query returns the same rows as before, if whole rows have been spelled out (whole_rows.hpp).
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::expose_keys {

// Has the subqueries in a query's FROM that only select and join, and that no join makes null, return the
// keys of the tables that they join without making them null, too.
void in_subqueries(Query *query);

} // namespace refresh_mv::expose_keys
