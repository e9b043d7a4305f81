#include "merge/comparison.hpp"

#include "query/query.hpp"
#include "server/progress.hpp"
#include "values/image.hpp"

namespace refresh_mv {

namespace {

using namespace comparison;

// A row of which there are more or fewer than before.
struct SignedRow {
    uint64 hash;
    SignedRow *next;
    int64 net; // how many more there are to be
    const Datum *values;
    const bool *nulls;
};

// Signed rows in memory, found by hash.
struct SignedRows {
    MemoryContext memory;
    SignedRow **buckets;
    uint64 mask;
    uint64 count;
    SignedRow **rows; // in the order in which they came
    TupleTableSlot *slot;
};

struct SignedReceiver {
    DestReceiver pub;
    Comparison *comparison;
    SignedRows *rows;
};

Columns columns_in(const SignedRow *row)
{
    return {row->values, row->nulls};
}

SignedRow *find_signed(Comparison *m, SignedRows *rows, uint64 hash, Columns image)
{
    for (SignedRow *row = rows->buckets[hash & rows->mask]; row != nullptr; row = row->next)
        if (row->hash == hash && image::same_row(m->desc, row->values, row->nulls, image.values, image.nulls))
            return row;
    return nullptr;
}

// Makes room for twice as many rows.
void grow(SignedRows *rows)
{
    uint64 size = rows->buckets == nullptr ? 1024 : 2 * (rows->mask + 1);
    auto **larger = static_cast<SignedRow **>(
        MemoryContextAllocExtended(rows->memory, size * sizeof(SignedRow *), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    Size bytes = size * sizeof(SignedRow *);
    for (uint64 i = 0; i < rows->count; i++) {
        SignedRow *row = rows->rows[i];
        row->next = larger[row->hash & (size - 1)];
        larger[row->hash & (size - 1)] = row;
    }
    if (rows->buckets != nullptr)
        pfree(rows->buckets);
    rows->buckets = larger;
    rows->mask = size - 1;
    rows->rows = static_cast<SignedRow **>(rows->rows != nullptr ? repalloc_huge(rows->rows, bytes)
                                                                 : MemoryContextAllocHuge(rows->memory, bytes));
}

// Remembers a row.
SignedRow *add_signed(Comparison *m, SignedRows *rows, uint64 hash, Columns image)
{
    auto natts = static_cast<size_t>(m->desc->natts);
    if (rows->buckets == nullptr || rows->count > rows->mask)
        grow(rows);
    MemoryContext old = MemoryContextSwitchTo(rows->memory);
    auto *row = static_cast<SignedRow *>(palloc(sizeof(SignedRow) + natts * (sizeof(Datum) + sizeof(bool))));
    auto *values = reinterpret_cast<Datum *>(row + 1);
    auto *nulls = reinterpret_cast<bool *>(values + natts);
    for (size_t i = 0; i < natts; i++) {
        Form_pg_attribute attr = TupleDescAttr(m->desc, static_cast<int>(i));
        nulls[i] = image.nulls[i];
        values[i] = nulls[i] ? 0 : datumCopy(image.values[i], attr->attbyval, attr->attlen);
    }
    MemoryContextSwitchTo(old);
    SignedRow **bucket = &rows->buckets[hash & rows->mask];
    *row = {hash, *bucket, 0, values, nulls};
    *bucket = row;
    rows->rows[rows->count++] = row;
    return row;
}

bool receive_signed(TupleTableSlot *slot, DestReceiver *self)
{
    Comparison *m = reinterpret_cast<SignedReceiver *>(self)->comparison;
    SignedRows *rows = reinterpret_cast<SignedReceiver *>(self)->rows;

    slot_getallattrs(slot);
    progress::count_row();
    MemoryContext old = MemoryContextSwitchTo(m->row_context);
    Columns image = columns_of(slot);
    uint64 hash = row_hash(m, image.values, image.nulls);
    SignedRow *row = rows->count > 0 ? find_signed(m, rows, hash, image) : nullptr;
    if (row == nullptr)
        row = add_signed(m, rows, hash, image);
    row->net += DatumGetInt32(slot->tts_values[m->desc->natts]);
    MemoryContextSwitchTo(old);
    MemoryContextReset(m->row_context);
    return true;
}

void store_row(TupleTableSlot *slot, const SignedRow *row)
{
    auto natts = static_cast<size_t>(slot->tts_tupleDescriptor->natts);
    ExecClearTuple(slot);
    memcpy(slot->tts_values, row->values, natts * sizeof(Datum));
    memcpy(slot->tts_isnull, row->nulls, natts * sizeof(bool));
    ExecStoreVirtualTuple(slot);
}

// Takes a held row that was lost: it becomes one that was gained with the same key, or goes.
void lose(Comparison *m, SignedRows *rows, uint64 hash, ItemPointer tid, Columns held)
{
    for (SignedRow *row = rows->buckets[hash & rows->mask]; row != nullptr; row = row->next) {
        if (row->hash != hash || row->net <= 0 || !key_matches(m, held, columns_in(row)))
            continue;
        if (!updatable_in_place(m, held, columns_in(row)))
            continue;
        emit_changed(m, tid, held, columns_in(row));
        row->net--;
        return;
    }
    emit_gone(m, tid);
}

bool receive_held_of_signed(TupleTableSlot *slot, DestReceiver *self)
{
    Comparison *m = reinterpret_cast<SignedReceiver *>(self)->comparison;
    SignedRows *rows = reinterpret_cast<SignedReceiver *>(self)->rows;

    slot_getallattrs(slot);
    progress::count_row();
    MemoryContext old = MemoryContextSwitchTo(m->row_context);
    Columns held = columns_of(slot, 1);
    uint64 hash = row_hash(m, held.values, held.nulls);
    SignedRow *row = rows->count > 0 ? find_signed(m, rows, hash, held) : nullptr;
    m->diff->held_rows++;
    if (row != nullptr && row->net < 0) {
        row->net++;
        lose(m, rows, hash, DatumGetItemPointer(slot->tts_values[0]), held);
    } else
        m->diff->unchanged_rows++;
    MemoryContextSwitchTo(old);
    MemoryContextReset(m->row_context);
    return true;
}

// What is left was gained.
void emit_gained(Comparison *m, SignedRows *rows)
{
    for (uint64 i = 0; i < rows->count; i++) {
        CHECK_FOR_INTERRUPTS();
        if (rows->rows[i]->net < 0)
            elog(ERROR, "a row that materialized view \"%s\" has lost is not in it", RelationGetRelationName(m->view));
        for (; rows->rows[i]->net > 0; rows->rows[i]->net--) {
            store_row(rows->slot, rows->rows[i]);
            emit_fresh(m, rows->slot);
        }
    }
}

} // namespace

Diff *diff::compute_signed(Relation view, Query *held, Query *signed_rows, PairingKey key, QueryEnvironment *environment)
{
    Comparison comparison{};
    comparison::begin(&comparison, view, key);
    Comparison *m = &comparison;
    SignedRows rows{};
    rows.memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv signed rows", ALLOCSET_DEFAULT_SIZES);
    SignedReceiver signed_receiver = {query::row_receiver(receive_signed), m, &rows};
    SignedReceiver held_receiver = {query::row_receiver(receive_held_of_signed), m, &rows};

    rows.slot = MakeSingleTupleTableSlot(m->desc, &TTSOpsVirtual);
    progress::start_phase("running its query");
    query::run(signed_rows, &signed_receiver.pub, 0, environment);
    progress::start_phase("reading the view");
    query::run(held, &held_receiver.pub, 0, environment);
    progress::start_phase("comparing");
    emit_gained(m, &rows);
    MemoryContextDelete(rows.memory);
    ExecDropSingleTupleTableSlot(rows.slot);
    comparison::end(m);
    return m->diff;
}

} // namespace refresh_mv
