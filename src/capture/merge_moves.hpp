// Rows that MERGE moves between partitions.
//
// The server puts them into the transition tables of DELETE and INSERT, not of UPDATE, and fires the
// triggers of these only if the MERGE has such actions as well.  So where it has not, ours are
// fired, and nobody else's, at the end of the query.
//
// Invariants:
// - A MERGE of which nothing is done here leaves rows of its UPDATE out, and is found out by their number.
// - No trigger is cancelled: not where something else in the query writes to the same table.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::merge_moves {

// Ends of queries are looked at from now on.  For _PG_init.
void watch();

} // namespace refresh_mv::merge_moves
