// A difference being found: what rows are compared by, and the rows that differ.
#pragma once

#include "merge/diff.hpp"

namespace refresh_mv {

// The columns of a row of the view, wherever they are.
struct Columns {
    const Datum *values;
    const bool *nulls;
};

struct Comparison {
    Relation view;
    TupleDesc desc;
    PairingKey key;
    Bitmapset *indexed; // columns that an update in place may not change
    Diff *diff;
    TupleTableSlot *changed_slot; // (tid, row) on its way to diff->changed
    TupleTableSlot *gone_slot;
    MemoryContext row_context; // reset for each row
};

namespace comparison {

// A part of maintenance_work_mem, in kB.
int memory_share(int divisor);

// Begins and ends one.
void begin(Comparison *m, Relation view, PairingKey key);
void end(Comparison *m);

Columns columns_of(TupleTableSlot *row, int skip = 0);

// Whether rows have the same image in a column, and in those of the key, if there is one.
bool same_column(const Comparison *m, int c, Columns a, Columns b);
bool key_matches(const Comparison *m, Columns held, Columns fresh);

// Whether the held row can be updated to the fresh one without touching an
// index.
bool updatable_in_place(const Comparison *m, Columns held, Columns fresh);

// The hash of what a row is looked up by.
uint64 row_hash(const Comparison *m, const Datum *values, const bool *nulls);

// Adds a row that goes; a fresh row that takes the place of a held one; and one that comes.
void emit_gone(Comparison *m, ItemPointer tid);
void emit_changed(Comparison *m, ItemPointer tid, Columns held, Columns fresh);
void emit_fresh(Comparison *m, TupleTableSlot *fresh);

} // namespace comparison

} // namespace refresh_mv
