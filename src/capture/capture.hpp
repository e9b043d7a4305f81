// The triggers that log the changes of a table.
//
// Invariants:
// - A write does not fail because of tracking: what cannot be logged row by row
//   is logged as "everything", and said once.
// - An update that leaves the logged columns alone logs nothing.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::capture {

// Logs what a statement (or, applied by logical replication, a row) has changed.
void log_change(TriggerData *trigger);

// Logs a statement that was begun and never ended.
void log_unfinished(Oid source, bool on_commit);

// A statement that changes more rows than this logs "everything".
extern int most_rows;

} // namespace refresh_mv::capture
