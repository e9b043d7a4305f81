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
// - Parts are a superset: each joined row that is there in one state only, or
//   other times, has its anchor among them.
// - The query's own conditions and joins are not touched, so that NULLs, outer
//   joins and the like mean what they mean.
#pragma once

#include "incremental/anchor.hpp"
#include "tracking/net_changes.hpp"

namespace refresh_mv {

enum class TableState { now, before };

// Anchor values: distinct ones, not null, as rows "refresh_mv_parts_now", and without
// those that cannot have been there as "refresh_mv_parts_before".
struct PartRows {
    int64 count;
    bool has_range; // of integers
    int64 least;
    int64 greatest;
};

struct Parts {
    bool has_null;
    PartRows now;
    PartRows before;
};

namespace two_state {

// Why a query cannot be evaluated on its tables as they were; null if it can.
const char *no_old_state(const Anchoring &anchoring);

// Whether the query reads any table that has changed.
bool concerns(const Anchoring &anchoring, List *changes);

// Why the parts cannot be found; null if they can.
const char *obstacle(const Anchoring &anchoring, List *changes);

// Finds the parts of a query, which is not modified, that may differ; with what is
// expected instead of results, how many there may be.  Adds to the cost, in the planner's
// units.  null, with a reason, if that would be more than the limit.
const Parts *parts(Query *query, const Anchoring &anchoring, List *changes, double limit,
                   ephemeral_rows::Result result, QueryEnvironment *environment, double *cost, const char **reason);

// Turns the tables of a query, in place, into the state; anchored ones restricted to
// the parts, if there are any.  Its FROM is that of the query of which the anchoring was
// made.
void apply(Query *query, const Anchoring &anchoring, List *changes, TableState state, const Parts *parts,
           QueryEnvironment *environment);

} // namespace two_state

} // namespace refresh_mv
