// Whether a query can have several right answers, of which each refresh may give another.
//
// Analysis reads catalogs and the query tree, never data, and has no effect.  It may be
// wrong in being careful: rows that sort alike may all be different.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::ambiguity {

// What makes a query ambiguous, in words; null if nothing is found.  Takes the rewritten
// query.
const char *find(Query *query);

// The same of an expression of a query, subqueries included.
const char *of_expression(Query *query, Node *expr);

// Whether an expression over the rows that a query joins has the same image for each of them whenever they are
// joined: it is made of columns of tables, or nothing that it may be made of is ambiguous and equal values
// are the same.
bool is_settled(Query *query, Expr *expr);

// Whether an aggregate without ORDER BY gives different results for different orders.
bool depends_on_order(Oid aggregate);

// Whether an aggregate of a query is the least or the greatest of values that can be equal and look
// different.
bool is_extreme_of_labels(Query *query, const Aggref *aggregate);

// Whether LIMIT or OFFSET of a query can cut among rows that sort alike.
bool is_cut(const Query *query);

// Whether a tree of set operations keeps all rows of its arms.
bool is_union_all(Node *operation);

} // namespace refresh_mv::ambiguity
