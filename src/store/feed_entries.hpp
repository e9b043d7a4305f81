// The feed of a view, refresh_mv.feed_entries: the rows that left it and came, of each refresh that wrote any.
//
// Invariants:
// - Whoever writes an entry keeps other refreshes of the view away until his transaction ends, so the entries of a
//   view are committed in the order of their marks.  A mark is the time in microseconds, or the next number if
//   that is taken: no mark is used twice, not after a restore or a recovery to an earlier time either.
// - Part 0 of an entry is written last and says what the view was then.  The rows of an entry are in its other parts, all that left
//   before all that came.
// - Between an entry and the next one that does not say "start over", the view has changed by the rows of the latter, as
//   long as it is what the former says.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::feed_entries {

// What a view was at an entry.
struct Form {
    Oid file;
    const char *columns; // their names and types
};

Form form_of(Oid view);

// A new mark of a view; *current tells whether the view's last entry is there and says what the view is.
int64 next_mark(Oid view, bool *current);

// Writes a part of an entry: rows that left and came, as lists of texts.
void write_rows(Oid view, int64 mark, int part, List *gone, List *came);

// Writes part 0 of an entry; reason: why readers have to start over, or null.
void write_head(Oid view, int64 mark, int64 run, const char *reason);

// Removes what is older than so long, but for the head of the newest entry of that age.
void purge(Oid view, Interval *age);

// Removes all entries of a view.
void forget(Oid view);

} // namespace refresh_mv::feed_entries
