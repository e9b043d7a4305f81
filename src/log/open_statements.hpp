// The statements that are changing logged relations right now, and what is to
// be done at the end of the transaction because of them.
//
//     BEFORE STATEMENT trigger -> begin()    AFTER STATEMENT trigger -> end()
//
// Invariants:
// - Statements on one source that are open at the same time, for whatever reason
//   (a row trigger, a function, a data-modifying CTE, MERGE, ON CONFLICT), are
//   nested, and so are all others on it until none is open.
// - So are those on tables of one inheritance tree: each may change rows of others.
// - A statement that was begun and never ended (SPI stops fetching from
//   INSERT ... RETURNING) is found at commit, and "everything" logged.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::open_statements {

// A statement of that kind (INSERT, UPDATE or DELETE) begins on a source, of which
// a view is refreshed on commit or is not.
void begin(Oid source, CmdType kind, bool on_commit);

// The same on a table of an inheritance tree with such a top.  by_rows: it does not tell of its rows, row triggers
// do that.
void begin_in_tree(Oid source, CmdType kind, bool on_commit, Oid top, bool by_rows);

// Whether the open statement of that kind does not tell of its rows.
bool is_by_rows(Oid source, CmdType kind);

// Whether an open statement tells of a row of the source that is being changed; or some other one, on a parent, is
// changing it at the same time, and tell_rows() finds that out.
bool tells_row(Oid source);

// Whether others were open on the source at the same time.
bool is_nested(Oid source, CmdType kind);

// It has ended.
void end(Oid source, CmdType kind);

// Whether a statement on the source is open; of that kind, if it is not CMD_UNKNOWN.
bool is_open(Oid source, CmdType kind = CMD_UNKNOWN);

// Whether any statement on any source is.
bool any();

// Whether a row of the source for which a row trigger fires is one of an open statement.
// Else it was changed without a statement, perhaps by a function within one.
bool has_row(Oid source);

// A row of the open UPDATE on a partition was seen by its row trigger.
void count_row(Oid source);

// How many were.
int64 counted_rows(Oid source);

// The rows that the open UPDATE has moved between partitions are told by an INSERT and a DELETE, which
// are open as well; and whether they are.
void tell_moves(Oid source);
bool are_moves_told(Oid source);

// A row of a chunk is changed; false if no statement on its hypertable is open.
bool see_row(Oid source);

// A statement on a hypertable, or a table of an inheritance tree, is about to end, and tells of so many rows.  False if it is
// the last one that is open and not as many rows were seen as were told of: others were
// changed meanwhile by the names of their chunks, or of parents.
bool tell_rows(Oid source, int64 rows);

// Calls the function once before the transaction ends, for each source of which
// a statement never ended.
using Unfinished = void (*)(Oid source, bool on_commit);
void at_commit(Unfinished unfinished);

} // namespace refresh_mv::open_statements
