// A query in a form that leaves fewer cases to whoever analyses it.
//
// Invariant: the query returns the same rows as before.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::normalize {

// Rewrites a query in place: common table expressions become subqueries (recursive ones
// as recursion.hpp has it); subqueries that only select and join become part of the top; columns of joins become those that they stand for; set
// operations at the top become a subquery; SELECT DISTINCT without aggregates becomes
// GROUP BY; OFFSET 0 goes.
void normalize(Query **query);

// Makes the entries of joins in the range table say what they join.  To be called for
// a query in normal form when columns of what is joined have come or gone: the server
// reads beyond arrays when it prints a query whose entries are at odds.
void describe_joins(Query *query);

} // namespace refresh_mv::normalize
