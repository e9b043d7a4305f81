// Who wants to know what a refresh has changed: sessions that LISTEN, and readers of the view's feed.
//
// Invariants:
// - What is told is told if, and only if, the refresh is committed: it is a part of its transaction.
// - The feed has each change of the view, or an entry that says "start over": after changes that are not
//   known row by row (too many rows, core's REFRESH), or other columns.
// - A notification is one JSON object of less than 8000 bytes, and names the keys of the changed rows only if all of
//   them fit.  Everybody in the database can listen: it is the owner of the view who has it sent.
#pragma once

#include "merge/diff.hpp"
#include "query/view.hpp"
#include "server/method.hpp"

namespace refresh_mv {

struct Listeners;

namespace listeners {

// Writes what a diff will change to the view's feed, and notes its keys; null if nobody wants to know,
// or there are no changes.  Call it before the diff is applied.
Listeners *begin(const OpenView &view, Diff *diff, PairingKey key);

// Ends the entry, and notifies.  Call it when the diff is applied.
void finish(Listeners *listeners, Method method, const RowCounts &rows);

// Tells that a view was filled anew by core, as whoever wants to know of it will be told.
void filled_anew(Oid view, int64 run, const char *reason);

// Begins or ends the feed of a view whose setting was changed; and has it start over if the view has other columns now.
void follow_setting(Oid view);
void follow_columns(Oid view);

} // namespace listeners

} // namespace refresh_mv
