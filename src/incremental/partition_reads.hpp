// Queries that read a partition by its own name, whose changes are logged for the whole tree.
//
// A partition holds the rows of its tree that its bounds allow.  So a query that reads it reads
//
//     SELECT the columns FROM the root WHERE the bounds
//
// as well, and changes of the root can be followed to what it reads.  Where a query reads the root
// itself, and not its changes, the planner is shown the partition again (query/partition_bounds.hpp).
//
// Invariant: the query returns the same rows, if its owner may read the partition, which stays to be checked.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::partition_reads {

// Has a normalized query read the roots instead, in place.
void by_roots(Query *query);

} // namespace refresh_mv::partition_reads
