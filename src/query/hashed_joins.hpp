// Joins of rows in memory that do not become slow if the planner is wrong about their number.
//
// It knows how many rows are in memory, and nothing of what is in them: where it expects that conditions leave one row, it
// goes through another thousand for each of the thousand that they leave.  A hash table costs hardly more if it is right.
//
// Invariants:
// - Only queries that read rows in memory are planned so, and only while planned() runs.
// - A nested loop stays where it looks rows up by the outer row's values, or no condition can be hashed.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::hashed_joins {

// Has the planner ask; called once, when the library is loaded.
void install();

// A plan of a query for a command.
PlannedStmt *planned(Query *query, const char *command, int cursor_options);

} // namespace refresh_mv::hashed_joins
