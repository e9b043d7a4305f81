// The states of nodes, as a full refresh makes them.
//
// Whether joined rows are kept (rows_below.hpp) is decided here, since only here it is known how many there are; what
// comes of it goes with the baseline.
#pragma once

#include "incremental/nodes.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

namespace make_node {

// The most that the state of joined rows may take, in megabytes; 0: there is none.
extern int size_limit;

// Makes the state of a node; or says why not, if it is one of joined rows.
const char *of(State state, const SubqueryNode &node);

} // namespace make_node

} // namespace refresh_mv
