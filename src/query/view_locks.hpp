// Locks on many tables and views at once, without an order among them.
//
// Writers and refreshes lock tables and views in orders of their own: a writer has written
// to any of them when its commit refreshes views, a refresh locks the view first.
//
// Invariant: while a lock is waited for, no other one of the list is held.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct WantedLock {
    Oid object;
    LOCKMODE mode; // NoLock: that of refreshes, on a view
};

namespace view_locks {

// Adds a lock to a list of WantedLock *.
List *add(List *wanted, Oid object, LOCKMODE mode);

// Takes all locks of a list, until the end of the transaction.
void take(List *wanted);

} // namespace view_locks

} // namespace refresh_mv
