// Parts in which there can be no joined row: those that what has not changed rules out.
//
// A part has joined rows, in either state, only if the tables that have not changed and that the query
// joins without making them null have rows with its anchor value that satisfy the query's conditions on
// them alone.
#pragma once

#include "incremental/anchor.hpp"

namespace refresh_mv::reduce_parts {

// A query for the anchor values, as part, that what has not changed leaves; null if it
// has no conditions.  The query is not modified.
Query *possible(Query *query, const Anchoring &anchoring, List *changes);

} // namespace refresh_mv::reduce_parts
