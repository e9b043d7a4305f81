// Queries that read a table with what its children by inheritance hold: each member's own rows are logged apart.
//
//     FROM parent     FROM (SELECT columns FROM ONLY parent UNION ALL SELECT columns FROM ONLY child ...)
//
// Invariant: the query returns the same rows, if its owner may read the parent, which stays to be checked.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::inheritance_reads {

// Has a normalized query read the members one by one, in place.
void by_members(Query *query);

} // namespace refresh_mv::inheritance_reads
