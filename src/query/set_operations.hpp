// Set operations as groups of what their arms return:
//
//     A UNION B          the groups of A UNION ALL B
//     A INTERSECT B      those with rows of both
//     A EXCEPT B         those with rows of A alone
//     ... ALL            as many rows of each as are left
//
// Invariant: the query returns the same rows as before, in the order that it says, if it says one.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::set_operations {

// Turns a query that is such an operation into one of groups, with its LIMIT if it has one.  Leaves alone what is a
// UNION ALL, mentions anything around it, or has columns that this would give another type or collation.
void turn_into_groups(Query *query);

} // namespace refresh_mv::set_operations
