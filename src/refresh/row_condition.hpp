// Conditions that bound a refresh, as expressions over the view's columns
// (Vars of varno 1), for held rows and fresh rows alike.
#pragma once

#include "query/shape.hpp"

namespace refresh_mv::row_condition {

// The rows that are not older than so long, or have no date; null (all rows)
// where no age is given.  Fails if the view has no date column.
Node *kept(Relation view, WindowColumn column, Interval *age);

// Where these begin, as text for bound() of another time; null where no age is given, or there is no date column.
const char *bound(WindowColumn column, Interval *age);

// Why rows from the bound on may have been kept, instead of what the query returns, by a refresh with the bound
// before; null: they were not.  The bound goes back with the TimeZone of a session, or with the clock.
const char *moved_back(const char *before, const char *now);

// A condition given by a user.  Fails unless it depends on the view's columns
// alone, and every column in it can be restricted before grouping.  The names
// in it are those that search_path finds.
Node *parse(Relation view, const char *text);

} // namespace refresh_mv::row_condition
