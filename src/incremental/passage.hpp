// What the passage of time does to the rows that a query joins (see query/time_conditions.hpp).
//
// A condition that has moved holds for other rows than before.  The rows in which it differs are those for which
// it is true at one time and not at the other.  Bounds leave out rows that cannot differ (time_bounds.hpp), so that an index
// can find the others; what decides is the condition itself.
//
// Invariants:
// - As long as no condition has moved, the query joins the same rows at both times, whatever its tables hold.
// - Conditions have numbers, in the order of the tree, which are the same in a copy of the query.
#pragma once

#include "query/time_conditions.hpp"

namespace refresh_mv {

struct Passage {
    Moment before;
    Moment now;
    bool passed;          // some conditions have moved
    List *moved;          // the numbers of these, or of those that are known to differ for some rows
    const char *obstacle; // why that is not all that the time does; null: it is
};

// The joined rows in which a condition differs: what they are joined by, and their sign.
struct Difference {
    Query *query;
    Expr *sign;
};

namespace passage {

// The passage of time for a normalized query.  Fails if one of the user's expressions does.
Passage of(Query *query, const Moment &before, const Moment &now);

// No time has passed.
Passage none();

// A query that returns a row if a condition that has moved differs for any row of its table, as that is; null if it
// is not about one table alone.
Query *probe(Query *query, const Passage &passage, int condition);

// Makes a copy of the query join the rows in which a condition that has moved differs: conditions before it hold now,
// those after it before.
Difference apply(Query *copy, const Passage &passage, int condition);

} // namespace passage

} // namespace refresh_mv
