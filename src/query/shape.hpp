// What a view's query is: which columns identify its rows, and along which
// date column a part of it can be recomputed.
//
// Invariants:
// - Analysis reads catalogs and the query tree, never data, and has no effect.
// - A column is a window column only if a condition on it can be moved below
//   aggregation, windows, DISTINCT and LIMIT without changing the rows that
//   satisfy it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// The columns that identify a row of the view, so that its old and its new
// version can be paired and updated in place.  Only a means to cheaper writes:
// it need not be unique to be safe.  No columns: rows are compared whole.
struct PairingKey {
    int count;
    AttrNumber *columns;
    bool nulls_distinct; // a row with a NULL in these columns is compared whole
};

// The date column along which a view can be refreshed in part, or why there
// is none.
struct WindowColumn {
    AttrNumber attno;   // 0: there is none
    Oid type;           // date, timestamp or timestamptz (of a domain: its base)
    const char *reason; // why there is none, in words
};

namespace shape {

// The columns that pair old and new rows of the view: those of its GROUP BY
// or DISTINCT ON, else those of a unique index, else none.
PairingKey pairing_key(Relation view, Query *query);

// The window column: the named one, else the first grouping column of a date
// type, else the first such output column; of several the first that is never NULL.
WindowColumn window_column(Relation view, Query *query, const char *name);

// The output columns of the query that can be window columns, as a list of numbers.
List *date_columns(Query *query);

// Whether a condition on an output column can be moved to the rows that the
// query reads, without changing the rows that satisfy it.  What a refresh
// gives never depends on it, what it costs does; but for the ranges that
// date_window::add_implied_ranges() adds, which rest on it.
bool pushable(Query *query, AttrNumber attno);

// Whether any condition on an output column treats all rows alike that the query
// puts into one group, window partition or distinct row, at any level: they hold
// the same image of what the column is made of.  Takes the rewritten query, in
// which ordinary views are subqueries.
bool grouped_by_image(Query *query, AttrNumber attno);

// The arms of a query's set operations, as queries.
List *arms(Query *query);

// The expression behind an output column, aliases of joins replaced.
Node *column_expression(Query *query, AttrNumber attno);

// The query that an entry of the range table stands for: a subquery, or a CTE
// of this query level; null for anything else, recursive CTEs included.
// *shared tells that other parts of the query read the same rows.
Query *subquery_of(Query *query, RangeTblEntry *rte, bool *shared);

// date, timestamp and timestamptz, below domains; InvalidOid for others.
Oid date_type(Oid type);

} // namespace shape

} // namespace refresh_mv
