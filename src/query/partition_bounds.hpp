// Partitions as parts of their trees: a partition holds the rows of its root that its bounds allow.
//
// A subquery may read the root by the bounds of a partition, of which an entry of its range table that is not
// in FROM tells:
//
//     SELECT columns FROM root t WHERE bounds     and the partition, as the second entry
//
// Invariant: as long as it reads the root itself, the partition holds the same rows.  So the planner is shown
// the partition; what stands in the place of the root (its changed rows, say) is taken by the bounds.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::partition_bounds {

// The root of the tree that a partition belongs to; InvalidOid of other relations.
Oid root_of(Oid partition);

// The bounds of a partition, those of the levels above it included, as a condition on the columns of its root.
Node *of(Oid partition, Oid root);

// Has a subquery that reads the root, and nothing else, do so by the bounds of the partition that an entry reads.
void add(Query *subquery, const RangeTblEntry *partition);

// The partition by whose bounds a subquery reads its root; InvalidOid if there is none, or something else
// stands in the place of the root.
Oid partition_read_by(const Query *subquery);

// Has whatever in a query does that read the partitions themselves, in place.
void read_partitions(Query *query);

// Text that changes whenever the bounds of a partition do.  (Those of a default partition do so by new partitions
// beside it.)
const char *fingerprint(Oid partition);

} // namespace refresh_mv::partition_bounds
