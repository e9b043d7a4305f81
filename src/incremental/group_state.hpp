// The state of a view that is refreshed by delta: for each group of joined rows its
// keys, their count, and partial aggregates.
//
//     refresh_mv.group_state_OID     h, k1 .., n, p1 ..    a row for each group
//     refresh_mv.group_values_OID_N  h, k1 .., v, n        each distinct value of partial
//                                                          aggregate N, and its rows
//
// Invariants:
// - Together with a baseline whose fingerprint is that of the view's shape, the state
//   is that of the query's rows under the baseline's snapshot.  It is written in the
//   transaction that saves the baseline, by nobody else.
// - h is a hash of the keys, and only finds candidates.
// - A crash empties the tables (store/state_tables.hpp), which shows by the lack of a mark.
#pragma once

#include "incremental/group_shape.hpp"
#include "query/ephemeral_rows.hpp"

namespace refresh_mv {

namespace group_state {

// Whether a view has a state, and no crash has emptied it.
bool is_there(Oid view);

// Makes the tables anew and fills them with what the query, which is normalized and
// reads everything, returns.
void fill(Oid view, Query *query, const GroupShape &shape);

// The touched groups as they will be, as rows "refresh_mv_groups" with the columns of
// the state, and place (null: a new group) and redo (an extreme was lost: the partial
// aggregates tell nothing).  Of the partial aggregates and values now and before, which queries
// of the environment see as refresh_mv_partials_now, refresh_mv_values_1_now and so on.
NamedRows next(Oid view, const GroupShape &shape, QueryEnvironment *environment);

// The same with refresh_mv_partials_redone for groups to be computed anew.
NamedRows redone(const GroupShape &shape, QueryEnvironment *environment);

// Writes the touched groups, and the values that go with them.
void write(Oid view, const GroupShape &shape, const NamedRows &groups, QueryEnvironment *environment);

} // namespace group_state

} // namespace refresh_mv
