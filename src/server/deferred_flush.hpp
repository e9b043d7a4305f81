// Commits that do not wait until they are on disk, and the wait for several of them at once.
//
// Invariants:
// - What is lost in a crash before that wait is the last commits, each as a whole, in the order of their WAL: as if they
//   had not been made yet.  Nothing that depends on one of them is durable before it.
// - Only such transactions are deferred of which nobody outside of the database has been told.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::deferred_flush {

// The current transaction's commit does not wait.
void defer();

// Where the WAL of this session's last commit ends.
XLogRecPtr last_commit();

// Waits until all up to there is as durable as the session's synchronous_commit wants it.
void wait_for(XLogRecPtr commit);

} // namespace refresh_mv::deferred_flush
