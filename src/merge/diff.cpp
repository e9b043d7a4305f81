#include "merge/diff.hpp"

#include "query/query.hpp"
#include "server/progress.hpp"
#include "values/image.hpp"

namespace refresh_mv {

namespace {

constexpr uint32 no_entry = PG_UINT32_MAX;

// A held row that no fresh row has matched yet (or has, if claimed).
struct Entry {
    uint64 hash;
    uint32 next;
    ItemPointerData tid;
    bool claimed;
};

// Held rows in memory, found by hash: an array of entries, chained from
// buckets.  An entry leaves its chain when it is claimed, so that a run of
// duplicates costs no more than as many distinct rows.
struct Table {
    Entry *entries;
    uint64 count;
    uint64 capacity;
    uint64 limit; // of capacity
    uint32 *buckets;
    uint32 mask;
    MinimalTuple *images; // of the entries, as long as they fit in memory; null: they are read back
    Size image_bytes;
    Size most_bytes;
};

struct Matcher {
    Relation view;
    TupleDesc desc;
    PairingKey key;
    Bitmapset *indexed; // columns that an update in place may not change
    Snapshot snapshot;
    Diff *diff;
    Table table;
    Tuplesortstate *held_sort;  // null unless spilled
    Tuplesortstate *fresh_sort; // likewise
    TupleDesc held_sort_desc;
    TupleDesc fresh_sort_desc;
    TupleTableSlot *held_slot;    // a held row, read back by tid
    TupleTableSlot *image_slot;   // or from its image in memory
    MemoryContext image_context;
    TupleTableSlot *changed_slot; // (tid, row) on its way to diff->changed
    TupleTableSlot *gone_slot;
    TupleTableSlot *held_sort_slot;
    TupleTableSlot *fresh_sort_slot;
    MemoryContext row_context; // reset for each row
};

struct Receiver {
    DestReceiver pub;
    Matcher *matcher;
};

int memory_share(int divisor)
{
    return Max(maintenance_work_mem / divisor, 64);
}

// ---- the table of held rows ----

void table_add(Table *table, uint64 hash, ItemPointer tid, MinimalTuple image = nullptr)
{
    if (table->count == table->capacity) {
        uint64 capacity = Max(table->capacity * 2, UINT64CONST(1024));
        if (table->count < table->limit)
            capacity = Min(capacity, table->limit);
        Size size = capacity * sizeof(Entry);
        table->entries = static_cast<Entry *>(
            table->entries ? repalloc_huge(table->entries, size)
                           : MemoryContextAllocHuge(CurrentMemoryContext, size));
        table->capacity = capacity;
        if (table->images != nullptr)
            table->images = static_cast<MinimalTuple *>(
                repalloc_huge(table->images, capacity * sizeof(MinimalTuple)));
    }
    if (table->images != nullptr)
        table->images[table->count] = image;
    table->entries[table->count++] = {hash, no_entry, *tid, false};
}

// Builds the chains, once all entries are in.
void table_chain(Table *table)
{
    uint64 size = 16;
    while (size < table->count)
        size *= 2;
    if (table->buckets != nullptr)
        pfree(table->buckets);
    table->buckets = static_cast<uint32 *>(
        MemoryContextAllocHuge(CurrentMemoryContext, size * sizeof(uint32)));
    memset(table->buckets, 0xff, size * sizeof(uint32));
    table->mask = static_cast<uint32>(size - 1);
    for (uint64 i = 0; i < table->count; i++) {
        Entry *entry = &table->entries[i];
        uint32 *bucket = &table->buckets[entry->hash & table->mask];
        entry->next = *bucket;
        *bucket = static_cast<uint32>(i);
        if (i % 65536 == 0)
            CHECK_FOR_INTERRUPTS();
    }
}

// Forgets the images, which do not fit in memory.
void forget_images(Matcher *m)
{
    pfree(m->table.images);
    m->table.images = nullptr;
    MemoryContextReset(m->image_context);
}

// ---- results ----

// The columns of a row of the view, wherever they are.
struct Columns {
    const Datum *values;
    const bool *nulls;
};

Columns columns_of(TupleTableSlot *row, int skip = 0)
{
    return {row->tts_values + skip, row->tts_isnull + skip};
}

bool same_column(Matcher *m, int c, Columns a, Columns b)
{
    return image::same(TupleDescAttr(m->desc, c), a.values[c], a.nulls[c], b.values[c], b.nulls[c]);
}

// Fills a slot with a value and the columns of a row after it.
void store_prefixed(TupleTableSlot *slot, Datum prefix, TupleTableSlot *row)
{
    int natts = row->tts_tupleDescriptor->natts;
    ExecClearTuple(slot);
    slot->tts_values[0] = prefix;
    slot->tts_isnull[0] = false;
    memcpy(slot->tts_values + 1, row->tts_values, natts * sizeof(Datum));
    memcpy(slot->tts_isnull + 1, row->tts_isnull, natts * sizeof(bool));
    ExecStoreVirtualTuple(slot);
}

void emit_gone(Matcher *m, ItemPointer tid)
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
void emit_changed(Matcher *m, ItemPointer tid, Columns held, Columns fresh)
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

void emit_fresh(Matcher *m, TupleTableSlot *fresh)
{
    tuplestore_puttupleslot(m->diff->fresh, fresh);
    m->diff->fresh_rows++;
}

// ---- matching ----

// The held row of an entry, with all its columns at hand.
Columns read_held(Matcher *m, uint32 number)
{
    if (m->table.images != nullptr) {
        ExecStoreMinimalTuple(m->table.images[number], m->image_slot, false);
        slot_getallattrs(m->image_slot);
        return columns_of(m->image_slot);
    }
    ItemPointer tid = &m->table.entries[number].tid;
    if (!table_tuple_fetch_row_version(m->view, tid, m->snapshot, m->held_slot))
        elog(ERROR, "could not read row (%u,%u) of materialized view \"%s\" again",
             ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid),
             RelationGetRelationName(m->view));
    slot_getallattrs(m->held_slot);
    return columns_of(m->held_slot);
}

bool key_matches(Matcher *m, Columns held, Columns fresh)
{
    for (int i = 0; i < m->key.count; i++)
        if (!same_column(m, m->key.columns[i] - 1, held, fresh))
            return false;
    return m->key.count > 0;
}

// Whether the held row can be updated to the fresh one without touching an
// index.
bool updatable_in_place(Matcher *m, Columns held, Columns fresh)
{
    if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, m->indexed))
        return false; // an index on the whole row
    for (int c = 0; c < m->desc->natts; c++)
        if (bms_is_member(c + 1 - FirstLowInvalidHeapAttributeNumber, m->indexed) && !same_column(m, c, held, fresh))
            return false;
    return true;
}

// Takes an entry out of its chain; *link is what points to it.
void claim(Table *table, uint32 *link)
{
    Entry *entry = &table->entries[*link];
    *link = entry->next;
    entry->claimed = true;
}

// Matches a fresh row with a held one of the same image, else of the same key,
// else with none.
void match(Matcher *m, uint64 hash, TupleTableSlot *fresh)
{
    Table *table = &m->table;
    uint32 *paired = nullptr;

    if (table->count > 0) {
        for (uint32 *link = &table->buckets[hash & table->mask]; *link != no_entry;
             link = &table->entries[*link].next) {
            Entry *entry = &table->entries[*link];
            CHECK_FOR_INTERRUPTS();
            if (entry->hash != hash)
                continue;
            Columns held = read_held(m, *link);
            if (image::same_row(m->desc, held.values, held.nulls, fresh->tts_values, fresh->tts_isnull)) {
                claim(table, link);
                m->diff->unchanged_rows++;
                return;
            }
            if (paired == nullptr && key_matches(m, held, columns_of(fresh)))
                paired = link;
        }
    }
    if (paired == nullptr) {
        emit_fresh(m, fresh);
        return;
    }

    Columns held = read_held(m, *paired);
    if (updatable_in_place(m, held, columns_of(fresh))) {
        emit_changed(m, &table->entries[*paired].tid, held, columns_of(fresh));
        claim(table, paired);
    } else
        emit_fresh(m, fresh); // the entry stays unclaimed and is deleted
}

// All entries that nothing has claimed are rows to delete.
void emit_unclaimed(Matcher *m)
{
    for (uint64 i = 0; i < m->table.count; i++) {
        if (!m->table.entries[i].claimed)
            emit_gone(m, &m->table.entries[i].tid);
        if (i % 65536 == 0)
            CHECK_FOR_INTERRUPTS();
    }
}

// ---- beyond memory ----

Tuplesortstate *sort_by_hash(TupleDesc desc)
{
    AttrNumber column = 1;
    Oid less = Int8LessOperator;
    Oid collation = InvalidOid;
    bool nulls_first = false;
    return tuplesort_begin_heap(desc, 1, &column, &less, &collation, &nulls_first,
                                memory_share(4), nullptr, TUPLESORT_NONE);
}

void spill_held(Matcher *m, uint64 hash, ItemPointer tid)
{
    TupleTableSlot *slot = m->held_sort_slot;
    ExecClearTuple(slot);
    slot->tts_values[0] = UInt64GetDatum(hash);
    slot->tts_values[1] = ItemPointerGetDatum(tid);
    slot->tts_isnull[0] = slot->tts_isnull[1] = false;
    ExecStoreVirtualTuple(slot);
    tuplesort_puttupleslot(m->held_sort, slot);
}

void spill_fresh(Matcher *m, uint64 hash, TupleTableSlot *fresh)
{
    store_prefixed(m->fresh_sort_slot, UInt64GetDatum(hash), fresh);
    tuplesort_puttupleslot(m->fresh_sort, m->fresh_sort_slot);
}

// Moves what the table holds to disk, and everything after it too.
void start_spilling(Matcher *m)
{
    m->held_sort_desc = CreateTemplateTupleDesc(2);
    TupleDescInitEntry(m->held_sort_desc, 1, "hash", INT8OID, -1, 0);
    TupleDescInitEntry(m->held_sort_desc, 2, "tid", TIDOID, -1, 0);
    pg::finished(m->held_sort_desc);
    m->held_sort_slot = MakeSingleTupleTableSlot(m->held_sort_desc, &TTSOpsVirtual);
    m->fresh_sort_desc = diff::prefixed(m->desc, INT8OID);
    m->fresh_sort_slot = MakeSingleTupleTableSlot(m->fresh_sort_desc, &TTSOpsVirtual);
    m->held_sort = sort_by_hash(m->held_sort_desc);
    m->fresh_sort = sort_by_hash(m->fresh_sort_desc);

    if (m->table.images != nullptr)
        forget_images(m);
    for (uint64 i = 0; i < m->table.count; i++) {
        CHECK_FOR_INTERRUPTS();
        spill_held(m, m->table.entries[i].hash, &m->table.entries[i].tid);
    }
    pfree(m->table.entries);
    m->table = {}; // without a limit: the rows of one hash must fit
}

// Reads the next held row of the sort, or returns false at its end.
bool next_held(Matcher *m, TupleTableSlot *slot, uint64 *hash, ItemPointerData *tid)
{
    bool null;
    CHECK_FOR_INTERRUPTS();
    if (!tuplesort_gettupleslot(m->held_sort, true, false, slot, nullptr))
        return false;
    *hash = DatumGetUInt64(slot_getattr(slot, 1, &null));
    *tid = *DatumGetItemPointer(slot_getattr(slot, 2, &null));
    return true;
}

// Merges the two sorts: the table holds the held rows of one hash at a time.
void match_spilled(Matcher *m)
{
    TupleTableSlot *held = MakeSingleTupleTableSlot(m->held_sort_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *fresh = MakeSingleTupleTableSlot(m->fresh_sort_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *row = MakeSingleTupleTableSlot(m->desc, &TTSOpsVirtual);
    uint64 held_hash = 0;
    uint64 current = 0;
    ItemPointerData tid;

    tuplesort_performsort(m->held_sort);
    tuplesort_performsort(m->fresh_sort);
    bool more = next_held(m, held, &held_hash, &tid);
    bool first = true;
    while (tuplesort_gettupleslot(m->fresh_sort, true, false, fresh, nullptr)) {
        CHECK_FOR_INTERRUPTS();
        slot_getallattrs(fresh);
        uint64 hash = DatumGetUInt64(fresh->tts_values[0]);
        if (first || hash != current) {
            emit_unclaimed(m);
            m->table.count = 0;
            // The sort compares as signed integers.
            for (; more && static_cast<int64>(held_hash) <= static_cast<int64>(hash);
                 more = next_held(m, held, &held_hash, &tid)) {
                if (held_hash == hash)
                    table_add(&m->table, held_hash, &tid);
                else
                    emit_gone(m, &tid);
            }
            table_chain(&m->table);
            current = hash;
            first = false;
        }
        diff::store_without_prefix(row, fresh, 1);
        match(m, hash, row);
        MemoryContextReset(m->row_context);
        progress::count_row();
    }
    emit_unclaimed(m);
    for (; more; more = next_held(m, held, &held_hash, &tid))
        emit_gone(m, &tid);

    ExecDropSingleTupleTableSlot(row);
    ExecDropSingleTupleTableSlot(fresh);
    ExecDropSingleTupleTableSlot(held);
    ExecDropSingleTupleTableSlot(m->fresh_sort_slot);
    ExecDropSingleTupleTableSlot(m->held_sort_slot);
    tuplesort_end(m->fresh_sort);
    tuplesort_end(m->held_sort);
}

// ---- receivers ----

// Whether a row is looked up by the key's columns, and not by all of them.
bool has_key(Matcher *m, const bool *nulls)
{
    if (m->key.nulls_distinct)
        for (int i = 0; i < m->key.count; i++)
            if (nulls[m->key.columns[i] - 1])
                return false;
    return m->key.count > 0;
}

uint64 row_hash(Matcher *m, const Datum *values, const bool *nulls)
{
    MemoryContext old = MemoryContextSwitchTo(m->row_context);
    uint64 hash = image::hash_row(m->desc, values, nulls,
                                  has_key(m, nulls) ? m->key.columns : nullptr, m->key.count);
    MemoryContextSwitchTo(old);
    return hash;
}

// Keeps the image of a held row, if all of them fit in memory.
MinimalTuple image_of(Matcher *m, TupleTableSlot *slot)
{
    if (m->table.images == nullptr)
        return nullptr;
    MemoryContext old = MemoryContextSwitchTo(m->image_context);
    MinimalTuple image = pg::form_minimal_tuple(m->desc, slot->tts_values + 1, slot->tts_isnull + 1);
    MemoryContextSwitchTo(old);
    m->table.image_bytes += GetMemoryChunkSpace(image) + sizeof(Entry) + sizeof(MinimalTuple) + 2 * sizeof(uint32);
    if (m->table.image_bytes <= m->table.most_bytes)
        return image;
    forget_images(m);
    return nullptr;
}

bool receive_held(TupleTableSlot *slot, DestReceiver *self)
{
    Matcher *m = reinterpret_cast<Receiver *>(self)->matcher;

    slot_getallattrs(slot);
    uint64 hash = row_hash(m, slot->tts_values + 1, slot->tts_isnull + 1);
    ItemPointer tid = DatumGetItemPointer(slot->tts_values[0]);
    MinimalTuple image = image_of(m, slot);
    MemoryContextReset(m->row_context);
    m->diff->held_rows++;
    progress::count_row();

    MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(m));
    if (m->held_sort == nullptr && m->table.count == m->table.limit)
        start_spilling(m);
    if (m->held_sort != nullptr)
        spill_held(m, hash, tid);
    else
        table_add(&m->table, hash, tid, image);
    MemoryContextSwitchTo(old);
    return true;
}

bool receive_fresh(TupleTableSlot *slot, DestReceiver *self)
{
    Matcher *m = reinterpret_cast<Receiver *>(self)->matcher;

    slot_getallattrs(slot);
    progress::count_row();
    uint64 hash = row_hash(m, slot->tts_values, slot->tts_isnull);
    if (m->fresh_sort != nullptr)
        spill_fresh(m, hash, slot);
    else {
        MemoryContext old = MemoryContextSwitchTo(m->row_context);
        match(m, hash, slot);
        MemoryContextSwitchTo(old);
    }
    MemoryContextReset(m->row_context);
    return true;
}

// ---- signed rows ----

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
};

struct SignedReceiver {
    DestReceiver pub;
    Matcher *matcher;
    SignedRows *rows;
};

Columns columns_of(const SignedRow *row)
{
    return {row->values, row->nulls};
}

SignedRow *find_signed(Matcher *m, SignedRows *rows, uint64 hash, Columns image)
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
SignedRow *add_signed(Matcher *m, SignedRows *rows, uint64 hash, Columns image)
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
    Matcher *m = reinterpret_cast<SignedReceiver *>(self)->matcher;
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
void lose(Matcher *m, SignedRows *rows, uint64 hash, ItemPointer tid, Columns held)
{
    for (SignedRow *row = rows->buckets[hash & rows->mask]; row != nullptr; row = row->next) {
        if (row->hash != hash || row->net <= 0 || !key_matches(m, held, columns_of(row)))
            continue;
        if (!updatable_in_place(m, held, columns_of(row)))
            continue;
        emit_changed(m, tid, held, columns_of(row));
        row->net--;
        return;
    }
    emit_gone(m, tid);
}

bool receive_held_of_signed(TupleTableSlot *slot, DestReceiver *self)
{
    Matcher *m = reinterpret_cast<SignedReceiver *>(self)->matcher;
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
void emit_gained(Matcher *m, SignedRows *rows)
{
    for (uint64 i = 0; i < rows->count; i++) {
        CHECK_FOR_INTERRUPTS();
        if (rows->rows[i]->net < 0)
            elog(ERROR, "a row that materialized view \"%s\" has lost is not in it", RelationGetRelationName(m->view));
        for (; rows->rows[i]->net > 0; rows->rows[i]->net--) {
            store_row(m->held_slot, rows->rows[i]);
            emit_fresh(m, m->held_slot);
        }
    }
}

Diff *make_diff(TupleDesc desc)
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

Matcher *make_matcher(Relation view, PairingKey key)
{
    auto *m = static_cast<Matcher *>(palloc0(sizeof(Matcher)));
    m->view = view;
    m->desc = RelationGetDescr(view);
    m->key = key;
    m->indexed = pg::indexed_columns(view);
    m->snapshot = GetActiveSnapshot();
    m->diff = make_diff(m->desc);
    m->table.limit = memory_share(2) * UINT64CONST(1024) / (sizeof(Entry) + 2 * sizeof(uint32));
    m->table.limit = Min(m->table.limit, UINT64CONST(0xfffffffe));
    m->table.most_bytes = static_cast<Size>(memory_share(2)) * 1024;
    m->table.images = static_cast<MinimalTuple *>(palloc(sizeof(MinimalTuple)));
    m->image_slot = MakeSingleTupleTableSlot(m->desc, &TTSOpsMinimalTuple);
    m->image_context = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv images", ALLOCSET_DEFAULT_SIZES);
    m->held_slot = table_slot_create(view, nullptr);
    m->changed_slot = MakeSingleTupleTableSlot(m->diff->changed_desc, &TTSOpsVirtual);
    m->gone_slot = MakeSingleTupleTableSlot(m->diff->gone_desc, &TTSOpsVirtual);
    m->row_context = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv row",
                                           ALLOCSET_DEFAULT_SIZES);
    return m;
}

void free_matcher(Matcher *m)
{
    ExecDropSingleTupleTableSlot(m->gone_slot);
    ExecDropSingleTupleTableSlot(m->changed_slot);
    ExecDropSingleTupleTableSlot(m->held_slot);
    ExecDropSingleTupleTableSlot(m->image_slot);
    MemoryContextDelete(m->row_context);
    MemoryContextDelete(m->image_context);
    if (m->table.images != nullptr)
        pfree(m->table.images);
    if (m->table.entries != nullptr)
        pfree(m->table.entries);
    if (m->table.buckets != nullptr)
        pfree(m->table.buckets);
    pfree(m);
}

} // namespace

namespace diff {

void store_without_prefix(TupleTableSlot *slot, TupleTableSlot *row, int skip)
{
    int natts = slot->tts_tupleDescriptor->natts;
    ExecClearTuple(slot);
    memcpy(slot->tts_values, row->tts_values + skip, natts * sizeof(Datum));
    memcpy(slot->tts_isnull, row->tts_isnull + skip, natts * sizeof(bool));
    ExecStoreVirtualTuple(slot);
}

TupleDesc prefixed(TupleDesc desc, Oid type)
{
    TupleDesc result = CreateTemplateTupleDesc(desc->natts + 1);
    TupleDescInitEntry(result, 1, "prefix", type, -1, 0);
    for (int i = 0; i < desc->natts; i++)
        TupleDescCopyEntry(result, i + 2, desc, i + 1);
    return pg::finished(result);
}

Diff *compute(Relation view, Query *held, Query *fresh, PairingKey key, QueryEnvironment *environment)
{
    Matcher *m = make_matcher(view, key);
    Diff *diff = m->diff;

    Receiver held_receiver = {query::row_receiver(receive_held), m};
    Receiver fresh_receiver = {query::row_receiver(receive_fresh), m};

    progress::start_phase("reading the view");
    query::run(held, &held_receiver.pub, 0, environment);
    if (m->held_sort == nullptr)
        table_chain(&m->table);
    progress::start_phase("running its query");
    query::run(fresh, &fresh_receiver.pub, CURSOR_OPT_PARALLEL_OK, environment);
    progress::start_phase("comparing");
    if (m->held_sort != nullptr)
        match_spilled(m);
    else
        emit_unclaimed(m);
    free_matcher(m);
    return diff;
}

Diff *compute_signed(Relation view, Query *held, Query *signed_rows, PairingKey key, QueryEnvironment *environment)
{
    Matcher *m = make_matcher(view, key);
    Diff *diff = m->diff;
    SignedRows rows{};
    rows.memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv signed rows", ALLOCSET_DEFAULT_SIZES);
    SignedReceiver signed_receiver = {query::row_receiver(receive_signed), m, &rows};
    SignedReceiver held_receiver = {query::row_receiver(receive_held_of_signed), m, &rows};

    ExecDropSingleTupleTableSlot(m->held_slot);
    m->held_slot = MakeSingleTupleTableSlot(m->desc, &TTSOpsVirtual);
    progress::start_phase("running its query");
    query::run(signed_rows, &signed_receiver.pub, 0, environment);
    progress::start_phase("reading the view");
    query::run(held, &held_receiver.pub, 0, environment);
    progress::start_phase("comparing");
    emit_gained(m, &rows);
    MemoryContextDelete(rows.memory);
    free_matcher(m);
    return diff;
}

void release(Diff *diff)
{
    tuplestore_end(diff->gone);
    tuplestore_end(diff->changed);
    tuplestore_end(diff->fresh);
}

} // namespace diff

} // namespace refresh_mv
