// The parts of a query (see anchor.hpp) that may differ since a baseline.
//
// Invariants:
// - Parts are a superset: each joined row that is there in one state only, or
//   other times, has its anchor among them.
#pragma once

#include "incremental/anchor.hpp"

namespace refresh_mv {

// Anchor values: distinct ones, not null, of parts that may have joined rows now, as rows "refresh_mv_parts_now", and
// of those that may have had some, as "refresh_mv_parts_before".
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

namespace affected_parts {

// Whether the query reads any table that has changed.
bool concerns(const Anchoring &anchoring, List *changes);

// Why the parts cannot be found, or the tables not be seen as they were; null if they can.  Notes of lost instances by which
// other anchor they are followed.
const char *obstacle(Query *query, const Anchoring &anchoring, List *changes);

// Finds the parts of a query that may differ, by the signed changes (SignedChanges *) if there are any; with what is
// expected instead of results, how many there may be.  The query is not modified; obstacle() has found none.  Adds to
// the cost, in the planner's units.  null, with a reason, if that would be more than the limit.
const Parts *find(Query *query, const Anchoring &anchoring, List *changes, List *signs, double limit,
                   ephemeral_rows::Result result, QueryEnvironment *environment, double *cost, const char **reason);

} // namespace affected_parts

} // namespace refresh_mv
