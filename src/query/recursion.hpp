// Recursive queries (WITH RECURSIVE) in a form that can be read as any subquery.
//
// A reference to a recursive common table expression that mentions nothing around it becomes a
// subquery that has the expression for itself: SELECT all columns FROM it.  So it may be moved and
// restricted with the query that reads it.
//
// Invariant: what is read is the same.  An expression that is read twice is evaluated twice, as
// others are.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::recursion {

// Whether a recursive common table expression of a query, at its own level, mentions nothing
// around it but itself.
bool is_closed(const CommonTableExpr *cte);

// A query for all columns of what an entry of a range table refers to, which is that expression.
Query *read_all(const RangeTblEntry *reference, const CommonTableExpr *cte);

// Whether a query is one of those, or reads nothing else in its FROM: then a condition on the columns of its
// only entry restricts what it joins, wherever it stands.
bool is_read_all(Query *query);

} // namespace refresh_mv::recursion
