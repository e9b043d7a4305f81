// GROUPING SETS, ROLLUP and CUBE as a UNION ALL of the groups of each set.
//
// Invariant: the query returns the same rows as before, in the order that it says, if it says one.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::grouping_sets {

// Takes the sets of a query apart.  Leaves alone what does more with its groups than to select them, groups
// by constants or by one expression twice, mentions anything around it, or has very many sets.
void take_apart(Query *query);

} // namespace refresh_mv::grouping_sets
