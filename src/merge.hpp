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

#include "diff.hpp"

namespace merge {

// Applies a diff through the table access method.  Readers go on reading.
void apply(Relation view, Diff *diff);

// Writes the rows that the view should hold to a new file and swaps it in,
// as core's REFRESH does.  Needs AccessExclusiveLock on the view: returns
// false, having done nothing, where that lock is not free at once.
bool swap(Relation view, Diff *diff);

} // namespace merge
