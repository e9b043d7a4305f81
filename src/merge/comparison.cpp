#include "merge/comparison.hpp"

#include "values/image.hpp"

namespace refresh_mv::comparison {

int memory_share(int divisor)
{
    return Max(maintenance_work_mem / divisor, 64);
}

Columns columns_of(TupleTableSlot *row, int skip)
{
    return {row->tts_values + skip, row->tts_isnull + skip};
}

bool same_column(const Comparison *m, int c, Columns a, Columns b)
{
    return image::same(TupleDescAttr(m->desc, c), a.values[c], a.nulls[c], b.values[c], b.nulls[c]);
}

void emit_gone(Comparison *m, ItemPointer tid)
{
    ExecClearTuple(m->gone_slot);
    m->gone_slot->tts_values[0] = ItemPointerGetDatum(tid);
    m->gone_slot->tts_isnull[0] = false;
    ExecStoreVirtualTuple(m->gone_slot);
    tuplestore_puttupleslot(m->diff->gone, m->gone_slot);
    m->diff->gone_rows++;
}

// A fresh row that takes the place of a held one.  It keeps the held datum of each column whose image is unchanged:
// heap_update sees no change of an indexed column only if the raw datums agree, and a kept TOAST pointer is not written
// again.
void emit_changed(Comparison *m, ItemPointer tid, Columns held, Columns fresh)
{
    TupleTableSlot *slot = m->changed_slot;
    ExecClearTuple(slot);
    slot->tts_values[0] = ItemPointerGetDatum(tid);
    slot->tts_isnull[0] = false;
    for (int c = 0; c < m->desc->natts; c++) {
        slot->tts_values[c + 1] = same_column(m, c, held, fresh) ? held.values[c] : fresh.values[c];
        slot->tts_isnull[c + 1] = fresh.nulls[c];
    }
    ExecStoreVirtualTuple(slot);
    tuplestore_puttupleslot(m->diff->changed, slot);
    m->diff->changed_rows++;
}

void emit_fresh(Comparison *m, TupleTableSlot *fresh)
{
    tuplestore_puttupleslot(m->diff->fresh, fresh);
    m->diff->fresh_rows++;
}

bool key_matches(const Comparison *m, Columns held, Columns fresh)
{
    for (int i = 0; i < m->key.count; i++)
        if (!same_column(m, m->key.columns[i] - 1, held, fresh))
            return false;
    return m->key.count > 0;
}

bool updatable_in_place(const Comparison *m, Columns held, Columns fresh)
{
    if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, m->indexed))
        return false; // an index on the whole row
    for (int c = 0; c < m->desc->natts; c++)
        if (bms_is_member(c + 1 - FirstLowInvalidHeapAttributeNumber, m->indexed) && !same_column(m, c, held, fresh))
            return false;
    return true;
}

// Whether a row is looked up by the key's columns, and not by all of them.
static bool has_key(const Comparison *m, const bool *nulls)
{
    if (m->key.nulls_distinct)
        for (int i = 0; i < m->key.count; i++)
            if (nulls[m->key.columns[i] - 1])
                return false;
    return m->key.count > 0;
}

uint64 row_hash(const Comparison *m, const Datum *values, const bool *nulls)
{
    MemoryContext old = MemoryContextSwitchTo(m->row_context);
    uint64 hash = image::hash_row(m->desc, values, nulls,
                                  has_key(m, nulls) ? m->key.columns : nullptr, m->key.count);
    MemoryContextSwitchTo(old);
    return hash;
}

static Diff *make_diff(TupleDesc desc)
{
    auto *diff = static_cast<Diff *>(palloc0(sizeof(Diff)));
    diff->gone_desc = CreateTemplateTupleDesc(1);
    TupleDescInitEntry(diff->gone_desc, 1, "tid", TIDOID, -1, 0);
    pg::finished(diff->gone_desc);
    diff->changed_desc = diff::prefixed(desc, TIDOID);
    diff->gone = tuplestore_begin_heap(false, false, memory_share(16));
    diff->changed = tuplestore_begin_heap(false, false, memory_share(8));
    diff->fresh = tuplestore_begin_heap(false, false, memory_share(8));
    return diff;
}

void begin(Comparison *m, Relation view, PairingKey key)
{
    m->view = view;
    m->desc = RelationGetDescr(view);
    m->key = key;
    m->indexed = pg::indexed_columns(view);
    m->diff = make_diff(m->desc);
    m->changed_slot = MakeSingleTupleTableSlot(m->diff->changed_desc, &TTSOpsVirtual);
    m->gone_slot = MakeSingleTupleTableSlot(m->diff->gone_desc, &TTSOpsVirtual);
    m->row_context = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv row", ALLOCSET_DEFAULT_SIZES);
}

void end(Comparison *m)
{
    ExecDropSingleTupleTableSlot(m->gone_slot);
    ExecDropSingleTupleTableSlot(m->changed_slot);
    MemoryContextDelete(m->row_context);
}

} // namespace refresh_mv::comparison
