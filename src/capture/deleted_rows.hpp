// The rows that a simple DELETE has deleted, without a transition table.
//
// They stay in their pages until the transaction ends, so that it is enough to note where the rows are that the
// statement finds.  A transition table would fetch each by its place, copy it, and, beyond work_mem, write it to disk: for
// most DELETEs that is more work than all else.
//
// Invariants:
// - Noted are a DELETE's rows only where it is all that the query does, on one ordinary heap table, by one scan, which
//   returns a row once, and where no other trigger asks for the transition table.  In all other cases the server fills
//   that, as ever; and what cascades add to it while a noted DELETE ends is told as well.
// - More rows are noted than deleted, by triggers and other sessions, never fewer.  Deleted by the statement is what has
//   its transaction and command in its header, or the row's last version has.
// - What is noted takes six bytes a row, and no more than refresh_mv.max_logged_rows of them, as that was at its beginning.
// - It is told by the triggers of the statement itself: those of statements within it may be rolled back.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct NotedDelete;

namespace deleted_rows {

// Queries are looked at from now on.  For _PG_init.
void watch();

// Looks at a query that is about to run.
void begin(QueryDesc *query, int flags);

// How many rows were noted of the DELETE on a table at the end of which our trigger is called, and have not been taken; more
// than can be logged if not all were noted.
int64 noted(Oid table);

// Calls each() for every row that it has deleted, and forgets them.
void take(Relation table, void (*each)(TupleTableSlot *row, void *context), void *context);

} // namespace deleted_rows

} // namespace refresh_mv
