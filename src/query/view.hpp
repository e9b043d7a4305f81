// A view made ready for its refresh: rights, locks, security context, settings.
//
// Invariants:
// - A view is locked in RowExclusiveLock, so that core's REFRESH and DDL wait
//   and readers and VACUUM do not, and by an object lock of this extension, so
//   that two refreshes of it never overlap.  Its sources are locked in
//   AccessShareLock.  All are held to the end of the transaction.
// - Snapshots are taken after the locks.  Nothing that is not MVCC-safe
//   (TRUNCATE, a rewrite, a swap of files) can come between the two.
// - Between open() and close() the current user is the view's owner, in a
//   security-restricted operation.
// - A view that is only looked at (lock_to_read(), open_to_read()) is locked in
//   AccessShareLock, as its sources are, and nothing is written.
#pragma once

#include "query/shape.hpp"
#include "store/view_settings.hpp"

namespace refresh_mv {

struct OpenView {
    Relation relation;
    ViewSettings settings;
    WindowColumn window; // by the settings
    Oid saved_user;
    int saved_context;
    int guc_level;
    bool timed; // its statement_timeout is in force
    int64 run;  // the number of the run that refreshes it; 0: none
};

namespace view {

// The name of a view for people and for regclass: qualified where the
// search_path does not find it.
const char *name(Oid oid);

// Fails unless the oid is a materialized view.
void check_kind(Oid oid);

// Opens a materialized view under a lock; fails as check_kind() does, also if it is dropped while the lock is waited for.
Relation open_existing(Oid oid, LOCKMODE lock);

// Fails unless the oid is a materialized view that the current user may refresh.
void check_right(Oid oid);

// The owner of a relation; InvalidOid if it has been dropped.
Oid owner(Oid relation);

// Whether the current user has the rights of the relation's owner; the other one
// fails unless he has.
bool is_owner(Oid relation);
void check_owner(Oid oid);

// Locks a view against refreshes alone, until the end of the transaction or until it is
// unlocked; the second one only if nobody is refreshing it, else it returns false.
void lock_against_refresh(Oid oid);
bool lock_against_refresh_if_free(Oid oid);
void unlock_against_refresh(Oid oid);

// The process that holds a lock of ours with such an id on a view, or 0.
int holder_of_lock(Oid view, uint16 id);

// What keeps a view from being refreshed now.
enum class Hindrance { none, dropped, locked, refreshing };

struct Prepared {
    Hindrance hindrance;
    int pid; // of the session that is refreshing the view, where known
};

// Checks the caller's right, if it has to be, and takes the locks.  Without wait,
// reports that another session is refreshing the view or has it locked instead of
// waiting.
Prepared prepare(Oid oid, bool wait, bool check_rights);

// The same, waiting; fails if the view has been dropped.
void prepare_existing(Oid oid);

// Opens a prepared view and makes its settings effective.  Everything written
// before is visible to the active snapshot afterwards.
OpenView open(Oid oid);
void close(OpenView *view);

// Makes a snapshot the active one that shows all that has been committed, and all that
// this transaction has done so far, by calls in the statement under way too.
void push_snapshot();

// The same for a view that is not to be refreshed.  A snapshot has to be taken
// between the two.  The view's statement_timeout is not in force.
void lock_to_read(Oid oid);
OpenView open_to_read(Oid oid);

// Closes the relation and goes back to the caller's security context, so that a
// core command can do the rest; the settings stay in force until close().
void hand_over(OpenView *view);

// Under REPEATABLE READ and above: fails with SQLSTATE 40001 unless the active
// snapshot shows the view and its sources as they are now; check_serializable()
// also unless it shows the last merge into the view.
void check_snapshot(Relation view);
void check_serializable(Relation view);

// Whether the active snapshot, taken before the locks perhaps, shows the view and its sources as
// they are now.
bool is_in_snapshot(Relation view);

// What may be told of an error that a view's query met, which may quote data: the message
// to whoever has the rights of its owner, to others the SQLSTATE.
const char *told(const ErrorData *error, bool to_owner);

// Whether the time that a view's statement_timeout allows has run out.
bool timed_out();

// Stops that clock, and forgets whether it ran out.
void stop_clock();

} // namespace view

} // namespace refresh_mv
