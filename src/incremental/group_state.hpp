// The state of a view that is refreshed by delta: for each group of joined rows its
// keys, their count, and partial aggregates.
//
//     refresh_mv.group_state_OID     h, k1 .., n, p1 ..    a row for each group
//     refresh_mv.group_values_OID_N  h, k1 .., v, n        each distinct value of partial
//                                                          aggregate N, and its rows
//
// Those of a node (nodes.hpp) have its number after the view's.
//
// Invariants:
// - Together with a baseline whose fingerprint is that of the view's shape, the state
//   is that of the query's rows under the baseline's snapshot.  It is written in the
//   transaction that saves the baseline, by nobody else.
// - h is a hash of the keys, and only finds candidates.
// - A crash empties the tables unless they are logged (store/state_tables.hpp), which shows by the lack of a mark.
#pragma once

#include "incremental/group_shape.hpp"
#include "query/ephemeral_rows.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv::group_state {

// Whether there is a state that may be changed, and no crash has emptied it.
bool is_there(State state);

// Makes the tables, which are not there, and fills them with what the query, which is normalized and
// reads everything, returns.  False if the groups take more bytes than that, if it is not negative; the tables are
// of no use then.
bool fill(State state, Query *query, const GroupShape &shape, double most_bytes = -1);

// Queries for the touched groups as they will be, with the columns of the state, and place (null: a
// new group) and redo (all known extremes were lost: the partial aggregates tell nothing); and for the
// touched values of a partial aggregate, with their new counts, and step: whether they come (1) or
// go (-1).  net as net.hpp has it; for the groups, the values are shown as row_names::values(i).
Query *next(State state, const GroupShape &shape, Query *net, QueryEnvironment *environment);
Query *next_values(State state, const GroupShape &shape, int partial, Query *net, QueryEnvironment *environment);

// The touched groups, with refresh_mv_partials_redone for those to be computed anew.
NamedRows redone(const GroupShape &shape, QueryEnvironment *environment);

// Writes the touched groups, and the values that go with them.
void write(State state, const GroupShape &shape, const NamedRows &groups, QueryEnvironment *environment);

} // namespace refresh_mv::group_state
