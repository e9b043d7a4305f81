// Rows of a table by its key, found in the index, one after the other, without a plan.
//
// Keys that come in the order of the index, and close to each other, are not searched from its root each time: the
// scan goes on to them.
#pragma once

#include "tracking/registry.hpp"

namespace refresh_mv {

struct KeyLookup {
    Relation table;
    Relation index;
    IndexScanDesc scan;
    ScanKeyData *keys;
    TupleTableSlot *row;
    bool walks;    // from key to key, which are of one integer column
    bool placed;   // the scan is at an entry
    int64 current; // of this key
    int64 last;    // that was looked up
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
