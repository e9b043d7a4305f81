// The log entries of a merge: a materialized view that other, tracked ones read
// is a source like a table, and its merges are the only changes of it that are
// known row by row.
#pragma once

#include "merge/diff.hpp"

namespace refresh_mv::log_merge {

// Logs what a diff will change in a view, if the view is a source of others.
// Call it before the diff is applied.
void write(Relation view, Diff *diff);

// Logs that anything may have changed in a view, if it is a source.
void everything(Oid view, const char *reason);

} // namespace refresh_mv::log_merge
