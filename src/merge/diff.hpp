// The difference between what a materialized view holds and what its query
// returns, inside a scope.
//
//     view  --held rows-->  +---------+  --> gone     rows to delete
//                           | matcher |  --> changed  rows to update in place
//     query --fresh rows->  +---------+  --> fresh    rows to insert
//
// Invariants:
// - Rows are a multiset.  Each held row is matched with at most one fresh row
//   and the reverse; (held - gone - changed) + changed + fresh is the query's
//   result, whatever the key columns are and whether or not they are unique.
// - Hashes only find candidates.  Every match is verified by image on the held
//   row itself.
// - Nothing is written to the view here.
// - Memory: about maintenance_work_mem.  Held rows are remembered as they are; past
//   half of that memory by hash and tid; past that, both sides are sorted by hash on
//   disk and merged one hash at a time.  Rows of one hash (duplicates, that is) must fit
//   in memory, at some 30 bytes each.
#pragma once

#include "query/shape.hpp"
#include "server/pg.hpp"

namespace refresh_mv {

struct Diff {
    Tuplestorestate *gone;    // tid
    Tuplestorestate *changed; // tid, then the columns of the view: of those with the same image the held datums
    Tuplestorestate *fresh;   // the columns of the view
    TupleDesc gone_desc;
    TupleDesc changed_desc;
    uint64 held_rows; // in the scope, before
    uint64 gone_rows;
    uint64 changed_rows;
    uint64 fresh_rows;
    uint64 unchanged_rows;
};

namespace diff {

// Runs both queries under the active snapshot and compares their rows.  held
// returns ctid and the view's columns, fresh the view's columns.  The caller
// holds RowExclusiveLock on the view and keeps other refreshes away.  They may read
// the named rows of the environment, if there is one.
Diff *compute(Relation view, Query *held, Query *fresh, PairingKey key,
              QueryEnvironment *environment = nullptr);

// The same where it is known which rows the view has gained and lost: signed returns its columns and a sign
// (integer, 1 or -1), and held among others all rows of which there is one lost with their image.  Signs of one
// image add up.  Fails if a row that was lost is not held.  Takes memory for the signed rows.
Diff *compute_signed(Relation view, Query *held, Query *signed_rows, PairingKey key, QueryEnvironment *environment);

// Releases the files and memory of a diff.
void release(Diff *diff);

// A row description with a leading column of the given type, then the columns
// of the view.
TupleDesc prefixed(TupleDesc desc, Oid type);

// Fills a slot with the columns of a row, of which all are at hand, but for the
// first few.
void store_without_prefix(TupleTableSlot *slot, TupleTableSlot *row, int skip);

} // namespace diff

} // namespace refresh_mv
