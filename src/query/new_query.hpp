// The query that a materialized view shall have, from what a user has written.
//
// Invariants:
// - What CREATE MATERIALIZED VIEW would refuse is refused, with the same errors; names are looked up
//   as there, by the search_path of whoever calls.
// - It returns the view's columns as they are (name, type, modifier, collation: Vars of other views have
//   them), and any others only after these.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::new_query {

// Parses and analyses the query.  Locks what it reads (AccessShareLock).
Query *parse(const char *text);

// The columns that a view would get besides those that it has: their number, type and so on,
// numbered as they will be; null if there are none.  Fails, with the reason, if the query cannot be
// the view's.
TupleDesc added_columns(Relation view, Query *query);

// Fails if a query reads the view whose query it shall be, itself; and if a view's query, as it is
// stored, reads the view through others.
void check_no_cycle(Relation view, Query *query);
void check_no_cycle(Oid view);

} // namespace refresh_mv::new_query
