// Refreshing views at the end of the transaction that changed their sources.
//
// Invariants:
// - Each such view is refreshed once per transaction, after all deferred triggers and after
//   the views that it reads.
// - All of them are locked before the first is refreshed, as any refresh of several views
//   does it: transactions wait for each other, but do not deadlock.
// - A transaction that is prepared refreshes nothing: it would hold the locks until it is
//   committed. Its changes are new to the next refresh after that.
// - A refresh that fails does not keep the transaction from committing: the
//   changes stay in the log for the next one.
#pragma once

namespace refresh_mv::on_commit {

// Refreshes at the end of every transaction from now on, unless switched off.
// For _PG_init.
void watch();

} // namespace refresh_mv::on_commit
