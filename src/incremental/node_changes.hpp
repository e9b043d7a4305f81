// The changes of nodes: what the states of a view's nodes gain and lose, as changes of their tables that what reads
// them can follow.
//
// Invariants:
// - A node's changes are found from those of base tables and of earlier nodes, as the delta method finds them.
// - Afterwards, unless this is only planned, its state is that of the tables as they are; of whoever only reads, to the
//   queries that are planned.
// - A group whose columns that are read stay the same has no change.
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv::node_changes {

// Those of the changes that an analysed query reads.
List *read_by(const Anchoring &anchoring, List *changes);

// Whether any node has changes to take in.  False, with a reason, if it is not affordable to look.
bool concern(Work *work);

// Brings the nodes up to date, and adds their changes to those of the base tables.  False, with a reason, if there is
// no way.
bool find(Work *work);

} // namespace refresh_mv::node_changes
