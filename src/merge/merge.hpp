// Makes a materialized view match its query by writing a diff into it.
//
// Invariants:
// - The caller holds RowExclusiveLock on the view and keeps other refreshes
//   away, runs as the view's owner, and has the snapshot of the diff active.
// - All deletes come first, then updates in place, then inserts, so that a
//   unique index never sees two versions of a row.
// - An empty diff writes nothing.
// - A row that another transaction changed after the snapshot is an error with
//   SQLSTATE 40001, never overwritten.
#pragma once

#include "merge/diff.hpp"

namespace refresh_mv::merge {

// Applies a diff through the table access method.  Readers go on reading.
void apply(Relation view, Diff *diff);

// Writes the rows that the view should hold to a new file and swaps it in, as
// core's REFRESH does.  Takes AccessExclusiveLock on the view, but only for the
// swap and the building of indexes, and only if it is free at once; otherwise
// returns false, and the caller rolls its subtransaction back, which removes
// the new file.
bool swap(Relation view, Diff *diff);

} // namespace refresh_mv::merge
