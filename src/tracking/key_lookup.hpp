// Rows of a table by its key, found in the index, one after the other, without a plan.
#pragma once

#include "tracking/registry.hpp"

namespace refresh_mv {

struct KeyLookup {
    Relation table;
    Relation index;
    IndexScanDesc scan;
    ScanKeyData *keys;
    TupleTableSlot *row;
};

namespace key_lookup {

// Whether a source's rows can be found that way: it is one table with a btree on its key.
bool possible(const TrackedSource &source);

// Begins to look rows up under the active snapshot.
KeyLookup begin(const TrackedSource &source);

// The row with the key in the values of all columns; null if there is none.  It stays until the next call.
TupleTableSlot *find(KeyLookup *lookup, const Datum *values);

void end(KeyLookup *lookup);

} // namespace key_lookup

} // namespace refresh_mv
