// How a view is divided into chunks: along one of its columns, from its greatest values down.
//
// Invariants:
// - The chunks of a refresh are disjoint and cover all rows that a view of that query can have: the first has no upper
//   bound, the last no lower one, and rows without a value are a chunk of their own, unless the query cannot have any.
// - Which rows a chunk has is decided by a condition on the view's column alone, for held and fresh rows alike.  Where
//   the chunks begin is a matter of their size only: it may be chosen by anything.
// - Every chunk begins below the one before, so that there is an end to them.
#pragma once

#include "query/view.hpp"

namespace refresh_mv {

// How large chunks are: so many rows that the view holds, or so much of time.
struct ChunkSize {
    int64 rows; // 0: by time
    Interval span;
};

// The column.
struct ChunkAxis {
    AttrNumber column;
    Oid type; // of its values, below domains
    Oid collation;
    bool dated; // it is the window column
};

// A value of the axis, or none.
struct ChunkBound {
    bool set;
    Datum value;
};

// A part of the view: the rows with values from a bound on and below another, and those without a value.
struct ChunkPart {
    bool values;
    ChunkBound from;
    ChunkBound below;
    bool nulls;
};

// What a refresh has found out of the view's query where the view holds no rows yet.
struct ChunkHorizon {
    bool known;
    bool any;
    int64 least; // the least date that it returns, as date_window::ordinal() has it
};

namespace chunk_axis {

// The column by which a view is divided; fails if there is none for chunks of that size.
ChunkAxis of(const OpenView &view, const ChunkSize &size);

// The condition on the view's columns (varno 1) that selects a part; null if it is all rows.
Node *condition(Relation view, const ChunkAxis &axis, const ChunkPart &part);

// Has a rewritten query read no more of its tables than a part needs, where it can be told; may call functions on
// values that are not in the data, whose errors are errors.
void narrow(Query *query, const ChunkAxis &axis, const ChunkPart &part);

// The greatest values below a bound of the rows that satisfy a condition: where the chunk begins that ends there.  Not
// set: it takes in all that is left.
ChunkBound next(const OpenView &view, const ChunkAxis &axis, const ChunkSize &size, ChunkBound below, Node *kept,
                ChunkHorizon *horizon);

// A bound as the axis' type sends it, as text, and back.
bytea *sent(const ChunkAxis &axis, ChunkBound bound);
const char *text(const ChunkAxis &axis, ChunkBound bound);
ChunkBound received(const ChunkAxis &axis, bytea *value);

} // namespace chunk_axis

} // namespace refresh_mv
