// The entries that range tables have for grouping expressions, from PostgreSQL 18 on.
//
// Queries are worked on without them (pg::expand_groups()).  To the planner they tell which expressions the grouping sets
// make NULL: without them it takes, from 19 on, a column that is NOT NULL for one that is so above the grouping, too.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::group_entries {

// Gives the levels of a query that have grouping sets their entries again.
void restore(Query *query);

} // namespace refresh_mv::group_entries
