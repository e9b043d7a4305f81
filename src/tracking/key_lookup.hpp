// Rows of a table by its key, found in the index, one after the other, without a plan.
//
// Keys that come in the order of the index, and close to each other, are not searched from its root each time: the
// scan goes on to them.  Of keys of several columns these are those that differ in the last one alone, such as the lines
// of an order.
#pragma once

#include "tracking/registry.hpp"

namespace refresh_mv {

struct KeyLookup {
    Relation table;
    Relation index;
    IndexScanDesc scan;
    ScanKeyData *keys;
    TupleTableSlot *row;
    bool walks;    // from key to key, of which the last column is an integer
    bool placed;   // the scan is at an entry with the same other columns as the key that was looked up last
    int64 current; // the entry's last column
    int64 last;    // that key's
};

namespace key_lookup {

// Whether a source's rows can be found that way: it is one table with a btree on its key.
bool possible(const TrackedSource &source);

// Begins to look so many rows up under the active snapshot, in the order of their keys, if they are of one integer.
KeyLookup begin(const TrackedSource &source, double ordered);

// The row with the key in the values of all columns; null if there is none.  It stays until the next call.
TupleTableSlot *find(KeyLookup *lookup, const Datum *values);

void end(KeyLookup *lookup);

} // namespace key_lookup

} // namespace refresh_mv
