// Rows that MERGE moves between partitions.
//
// The server puts them into the transition tables of DELETE and INSERT, not of UPDATE, and fires the
// triggers of these only if the MERGE has such actions as well.  So where it has not, ours are
// fired, and nobody else's, at the end of the query.
//
// And where it routes a row that MERGE inserts to a partition, it keeps that row as the one to put into transition
// tables, so that the next row that the MERGE updates in its place is told to be it: our row trigger has it forget.
//
// Invariants:
// - A MERGE of which nothing is done here leaves rows of its UPDATE out, and is found out by their number.
// - No trigger is cancelled: not where something else in the query writes to the same table.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::merge_moves {

// Ends of queries are looked at from now on.  For _PG_init.
void watch();

// Looks at a query that is about to run.
void begin(QueryDesc *query);

// A row of a source is about to be updated.
void before_update(Oid source);

// Whether a MERGE may have told of inserted rows in the place of updated ones: its query had begun before this library was
// loaded, by the first trigger of the session.
bool may_mistake_rows(Oid source);

} // namespace refresh_mv::merge_moves
