// Tracking of views: logging the changes of everything that a view reads.
//
//     track:   view's sources -> rights -> locks -> tracked, uses
//              each source -> layout -> triggers -> sources, members
//
// Invariants:
// - A snapshot that shows the rows of refresh_mv.tracked shows all changes made
//   before the triggers: they were installed under ShareRowExclusiveLock, which
//   waits for writers, in the transaction that wrote the rows.
// - A source is logged once, with all columns that any tracked view uses.
// - Whoever has a table's changes logged owns the view, and owns the table or has
//   TRIGGER on it.
#pragma once

#include "query/determinism.hpp"
#include "server/pg.hpp"

namespace refresh_mv::track {

// Adds the locks that it takes to track a view (see query/view_locks.hpp).  Fails, as track()
// does, if it cannot be tracked or the caller lacks the rights.
List *locks(List *wanted, Oid view);

// Tracks a view.  Fails, with detail and hint, if it cannot be tracked.  Locks
// its sources in ShareRowExclusiveLock, and the view against refreshes, until the
// transaction ends, if there is anything to do.  on_commit or coarse null: leaves that as it is.
void track(Oid view, const bool *on_commit, const bool *coarse);

// Adds the locks that it takes for the tracking of a view to follow another query, rewritten:
// those of tables that are not logged, or not all columns that it uses.  Fails if the view
// is tracked and cannot be by that query, or the caller lacks the rights.
List *locks_to_follow(List *wanted, Oid view, Query *query);

// Has the tracking of a view follow its query, which has been replaced, if it is tracked;
// the locks are held.  A full refresh should come next.
void follow_query(Oid view);

// The first table among those of sources (Source *) whose changes the current user may not
// have logged; InvalidOid if there is none.
Oid without_right(List *sources);

// Why track() or resume() failed, in short: "cannot be tracked" goes without saying.
const char *obstacle(const ErrorData *error);

// Stops tracking views, and logging what no other tracked view reads; locks as track()
// does, but tables whose triggers are removed in AccessExclusiveLock.  sweep() should
// follow.
void untrack(List *views);

// Clears away what dropped views have left: triggers, but for those of tables that
// are in use right now, and entries.  Takes AccessExclusiveLock as untrack() does.
void sweep();

// Why a view's tracking is not what track() would make of it, or null.  sources
// as a list of Source *, saved as a list of TrackedSource *.
const char *damage(List *sources, List *saved);

// Whether a view that is prepared for its refresh should be tracked and its
// tracking is not whole.
bool is_damaged(Oid view);

// Makes tracking of a view whole again, if no lock has to be waited for and the
// view's owner has the rights.  False if that could not be done.
bool resume(Oid view);

// Adapts a source to a change of its tables (a new partition, another key);
// false if no lock on them was to be had.
bool adapt(Oid source);

// Warns of publications that this extension's tables belong to.
void warn_of_publications();

} // namespace refresh_mv::track
