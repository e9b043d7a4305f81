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
// - A recursive query is anchored as a table is, by a column of what it returns: it is evaluated as a whole,
//   and its rows are restricted.  What it reads is anchored by nothing.
// - Between it and the joined rows there is no grouping, DISTINCT or window whose
//   keys lack the column, and no LIMIT.
// - On the nullable side of a join it is anchored only by that join's own equality
//   with an anchored column of the other side.
// - Columns are compared by = of built-in types that tells as much as their bytes.
// - Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "incremental/from_clause.hpp"
#include "incremental/instance.hpp"

namespace refresh_mv {

struct Anchoring {
    List *instances; // Instance *, in the order of the query tree
    List *recursions; // the same of those that read recursive queries
    Oid type;        // InvalidOid: there is no anchor
    Oid collation;
    Expr *value;     // of a joined row of the top level
    Var *column;     // of the top level's FROM, from which the class was found
    Var *other;      // the one on the other side, if these are joined by a full join
};

namespace anchor {

// Analyses a normalized query, to which the result points.  Of several anchors takes the one that leaves fewest of the
// changed instances to be read as a whole, then the one that makes most and smallest parts, of which the changes
// (NetChanges *; NIL: not known) concern fewest.
Anchoring choose(Query *query, List *changes);

// The same by the anchor that suits changes of a relation best.
Anchoring choose_for(Query *query, Oid relation);

// Another anchor, by which the changes of an instance can be followed that is lost by the one that was chosen (is_lost());
// null if there is none, or its class is of both sides of a full join.
const Anchoring *other_for(Query *query, int place, List *changes);

// What a query reads, with nothing told about how.
Anchoring unanalysed(Query *query);

// Begins to analyse a query: how it reads its instances, of which none is anchored yet.
Anchoring none(Query *query);

// Anchors what a column of the top level's FROM allows, and nothing else; other is the one on the other side of a full
// join.  False if the column cannot serve.
bool by_column(const Anchoring &anchoring, const From &from, Var *column, Var *other);

// The same for a query with the same FROM, by the same anchor.
Anchoring choose_same(Query *query, const Anchoring &anchoring);

// An anchored instance that a subquery reads beside another, so that the joined rows of that subquery alone tell which
// anchor values a row of the other has to do with; null if there is none.  (Conditions that mention what is around
// the subquery are none of its own: without one of a join that makes rows null, others would be.)
Instance *beside(List *instances, const Instance *instance);

// Whether there is no telling which joined rows of the top level a row of an instance has to do with.
bool is_lost(List *instances, const Instance *instance);

// Whether restricting the rows that a query joins by one of its output columns
// restricts its result by just that: no LIMIT, and no grouping, DISTINCT ON or window
// without the column.
bool hands_up(Query *query, TargetEntry *entry);

} // namespace anchor

} // namespace refresh_mv
