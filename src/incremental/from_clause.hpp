// What a query joins: the entries of its FROM, the columns that its conditions make
// equal, and what is on the nullable side of a join.
//
// Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// A condition that makes two columns of one query equal.
struct Link {
    Var *left;
    Var *right;
    Relids nullable; // of an outer join's condition: its nullable side
    bool full;       // a full join's condition
};

// What is in a query's FROM.
struct From {
    Query *query;
    List *entries;   // RangeTblRef, of tables and subqueries
    Relids nullable; // those on the nullable side of some join
    List *links;     // Link *
    List *positive;  // conditions that hold for every joined row
};

namespace from_clause {

// Takes the FROM and WHERE of a query apart, to which the result points.
From of_query(Query *query);

// The expression below casts that change nothing but the type's name.
Node *strip(Node *node);

// Types whose = tells as much as their bytes.
bool is_plain_type(Oid type);

// The type as which a type is compared: varchar is as text.
Oid compared_type(Oid type);

// The column that an expression is, of any level; null if it is none of a plain type.
Var *as_column(Query *query, Node *expr);

// Whether an operator is = of a type, for values of that type on both sides.
bool is_equality(OpExpr *op);

// The two columns that a condition makes equal; false if it does not.
bool equates(Query *query, Node *condition, Var **left, Var **right);

// Whether an entry of the FROM is on the nullable side of a join.
bool is_nullable(const From &from, int rti);

// Whether a column of the FROM cannot be NULL.
bool column_never_null(const From &from, Var *var);

// Whether an expression is a column that cannot be NULL in the query's joined rows.
bool never_null(Query *query, Expr *expr);

// Whether a query only selects and joins, or is nothing but a UNION ALL: what it returns is additive in what
// it joins, if the arms are such queries, too.
bool is_additive(Query *query);

// The arms of a query that is nothing but a UNION ALL, as entries of its range
// table; NIL for others.
List *union_arms(Query *query);

// The first arm of a set operation, after which its columns are called, as its number in the
// range table.
int first_arm(Query *query);

} // namespace from_clause

} // namespace refresh_mv
