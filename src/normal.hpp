// A query in a form that leaves fewer cases to whoever analyses it.
//
// Invariant: the query returns the same rows as before.
#pragma once

#include "pg.hpp"

namespace normal {

// Rewrites a query in place: common table expressions become subqueries, unless
// they are recursive; right joins become left joins; set operations at the top
// become a subquery; SELECT DISTINCT without aggregates becomes GROUP BY.
void normalize(Query **query);

} // namespace normal
