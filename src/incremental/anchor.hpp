// The anchor of a query: a class of columns that joins make equal, such as order_id
// of orders and of items.
//
// The rows that the query joins fall into parts by the anchor's value: the part of
// a value depends only on the rows of anchored tables with that value, and on the
// other tables as a whole.  A query over such rows can therefore be evaluated for
// some values only.
//
// Invariants (a part would be wrong otherwise):
// - An anchored table is in the FROM of the query, of a subquery that hands the
//   column up unchanged, or of a correlated one that compares it with the anchor.
// - Between it and the joined rows there is no grouping, DISTINCT or window whose
//   keys lack the column, and no LIMIT.
// - On the nullable side of a join it is anchored only by that join's own equality
//   with an anchored column of the other side.
// - Columns are compared by = of built-in types that tells as much as their bytes.
// - Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// A table in the query, at any depth.
struct Instance {
    Query *query; // whose range table it is in
    Index rti;
    Oid relation;
    AttrNumber anchor; // its column of the class; 0: it has none
    bool keeps_nulls;  // a row with a null there matters to all parts (NOT IN)
    bool joined;       // read through FROM and queries that only select and join
};

struct Anchoring {
    List *instances; // Instance *, in the order of the query tree
    Oid type;        // InvalidOid: there is no anchor
    Oid collation;
    Expr *value;     // of a joined row of the top level
    Var *column;     // of the top level's FROM, from which the class was found
    Var *other;      // the one on the other side, if these are joined by a full join
};

namespace anchor {

// Analyses a normalized query, to which the result points.  Of several anchors takes
// the one that leaves fewest of the changed relations to be read as a whole, then the
// one that makes most and smallest parts.
Anchoring of(Query *query, List *changed);

// The same for a query with the same FROM, by the same anchor.
Anchoring again(Query *query, const Anchoring &anchoring);

// Whether an entry of the query's FROM is on the nullable side of a join.
bool is_nullable(Query *query, Index rti);

// Whether an expression is a column that cannot be NULL in the query's joined rows.
bool never_null(Query *query, Expr *expr);

// Whether restricting the rows that a query joins by one of its output columns
// restricts its result by just that: no LIMIT, and no grouping, DISTINCT ON or window
// without the column.
bool hands_up(Query *query, TargetEntry *entry);

// Whether a query only selects and joins, so that each row of its FROM makes a row.
bool only_joins(Query *query);

// The arms of a query that is nothing but a UNION ALL, as entries of its range
// table; NIL for others.
List *union_arms(Query *query);

} // namespace anchor

} // namespace refresh_mv
