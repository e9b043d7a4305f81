// A query that groups joined rows, taken apart for the delta method: its keys, and
// its aggregates as partial ones that can be added and subtracted.
//
// Invariants:
// - For a group, the partial aggregates of two disjoint sets of joined rows together
//   give those of their union, and the query's aggregates are expressions over them, to
//   the last byte.  (Of extremes the outermost few are known; where all of these are lost, or of
//   those that can only be added, the one, the group is computed anew.)
// - Values of a key that are equal have the same bytes, so that it does not matter
//   which row of a group a label was taken from; or the image of the value is a key, too.
// - Carried keys depend on the others: at any time there is one group at most for what those are.
// - Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "incremental/anchor.hpp"

namespace refresh_mv {

// sum, count: added.  exact: a sum of numeric (see values/numeric_sum.cpp).  smallest, largest: one,
// combined, where there can be no extremes (see ambiguity::is_settled).  values: how many distinct
// ones a table of its own has.  members: how many distinct ones there are, of which each is in one
// part only; which are there can be looked up.  extremes: a list of the outermost values (see
// values/extremes.cpp).
enum class PartialKind { sum, count, exact, smallest, largest, values, members, extremes };

// A column of the state, p1, p2, ...
struct PartialAggregate {
    PartialKind kind;
    Expr *aggregate; // that computes it; of values null
    Expr *value;     // of values and members: what is counted
    Expr *filter;    // of these: in which rows
    Oid type;
    Oid collation;
    Oid equality;    // of values and members
};

// An aggregate of the query, and what it is over the state's columns.
struct Aggregate {
    Aggref *original;
    const char *expression;
};

struct Key {
    Expr *expr;
    SortGroupClause *clause;
    AttrNumber output; // the view's column; 0: none
    bool not_null;
    bool carried = false;
};

struct GroupShape {
    const char *obstacle; // why the delta method cannot be used; null: it can
    int nkeys;
    Key *keys;
    int npartials;
    PartialAggregate *partials;
    List *aggregates; // Aggregate *
    bool single;      // no GROUP BY: one row whatever there is
    bool whole;       // the result is not made group by group (LIMIT, DISTINCT, windows)
};

namespace group_shape {

// Takes a normalized query apart, to which the result points.
GroupShape analyse(Query *query, const Anchoring &anchoring);

// Something that changes whenever the state would have other columns, or others in
// the same place.
const char *fingerprint(const GroupShape &shape);

// Makes a query return the keys, the count of rows and the partial aggregates of each
// group.
void select_partials(Query *query, const GroupShape &shape);

// What a partial aggregate is made of, for one joined row: its value, null where it has none to
// add; null as a whole if the row itself is what is counted.
Expr *input(const PartialAggregate &partial);

// The partial aggregate over a column that has its inputs (0: it counts rows), in the rows with a
// condition.
Expr *over_column(const PartialAggregate &partial, AttrNumber column, Expr *condition);

// Makes a query return the keys, each value of a partial aggregate of that kind, and the count
// of its rows.
void select_values(Query *query, const GroupShape &shape, const PartialAggregate &partial);

// The query's rows over the state's columns, which the source has; what is not made group by group
// included.  Whether what reads them may be mixed with them, as the planner likes.
Query *select_rows(Query *query, const GroupShape &shape, const char *source, QueryEnvironment *environment,
                   bool mixed = false);

} // namespace group_shape

} // namespace refresh_mv
