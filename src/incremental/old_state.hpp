// A query's tables as they are and as they were, restricted to the parts that may
// differ (see anchor.hpp).
//
//     now     the table
//     before  rows of the table whose key has not changed
//             UNION ALL the old images of those that have
//     part    either, with the anchor column among the parts
//
// The restriction is put into each arm: the planner cannot move it there, and
// would read the whole table.
//
// Invariants:
// - The query's own conditions and joins are not touched, so that NULLs, outer
//   joins and the like mean what they mean.
#pragma once

#include "incremental/affected_parts.hpp"
#include "incremental/row_names.hpp"

namespace refresh_mv::old_state {

// Why a query cannot be evaluated on its tables as they were; null if it can.
const char *obstacle(const Anchoring &anchoring);

// A text for columns of t, the rows that an instance has in either state (changes: null if there are none), perhaps joined
// with others that stand before it in the FROM.
const char *rows_of_both(const Instance *instance, const NetChanges *changes, const char *columns, const char *join = "",
                         const char *on = "");

// Turns the tables of a query, in place, into the state; anchored ones restricted to
// the parts, if there are any.  Its FROM is that of the query of which the anchoring was
// made.
void apply(Query *query, const Anchoring &anchoring, List *changes, TableState state, const Parts *parts,
           QueryEnvironment *environment);

} // namespace refresh_mv::old_state
