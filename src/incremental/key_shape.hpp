// The columns by which a view falls into rows that can be computed anew without the
// others: its groups, the partitions of its windows, its distinct rows, or just rows
// with the same values.
//
// Invariants:
// - A condition on the keys can be moved below everything that the query does to its
//   joined rows, without changing the rows that satisfy it.
// - Each key is an output column, so that the view's rows can be told by it.
// - Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "incremental/group_shape.hpp"
#include "query/ephemeral_rows.hpp"

namespace refresh_mv {

struct KeyShape {
    const char *obstacle; // why the keys method cannot be used; null: it can
    int nkeys;
    Key *keys;            // clause null: not one of the query
    bool anchored;        // the only key is the anchor
};

namespace key_shape {

// Takes a normalized query apart, to which the result points.
KeyShape analyse(Query *query, const Anchoring &anchoring);

// Makes a query return the distinct keys of its joined rows.
void select_keys(Query *query, const KeyShape &shape);

// Makes a query return just the rows whose keys are among the rows of that name
// (k1, k2, ..., all of them distinct).
void restrict_to(Query *query, const Key *keys, int nkeys, const char *name, QueryEnvironment *environment);

// SELECT ctid and all columns FROM the view, of rows whose keys are among those rows.
Query *select_held(Relation view, const Key *keys, int nkeys, const char *name,
                   QueryEnvironment *environment);

} // namespace key_shape

} // namespace refresh_mv
