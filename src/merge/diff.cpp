#include "merge/comparison.hpp"

#include "query/query.hpp"
#include "server/progress.hpp"
#include "values/image.hpp"

namespace refresh_mv {

namespace {

using namespace comparison;

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

struct Matcher : Comparison {
    Snapshot snapshot;
    Table table;
    Tuplesortstate *held_sort;  // null unless spilled
    Tuplesortstate *fresh_sort; // likewise
    TupleDesc held_sort_desc;
    TupleDesc fresh_sort_desc;
    TupleTableSlot *held_slot;    // a held row, read back by tid
    TupleTableSlot *image_slot;   // or from its image in memory
    MemoryContext image_context;
    TupleTableSlot *held_sort_slot;
    TupleTableSlot *fresh_sort_slot;
};

struct Receiver {
    DestReceiver pub;
    Matcher *matcher;
};

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

Matcher *make_matcher(Relation view, PairingKey key)
{
    auto *m = static_cast<Matcher *>(palloc0(sizeof(Matcher)));
    comparison::begin(m, view, key);
    m->snapshot = GetActiveSnapshot();
    m->table.limit = memory_share(2) * UINT64CONST(1024) / (sizeof(Entry) + 2 * sizeof(uint32));
    m->table.limit = Min(m->table.limit, UINT64CONST(0xfffffffe));
    m->table.most_bytes = static_cast<Size>(memory_share(2)) * 1024;
    m->table.images = static_cast<MinimalTuple *>(palloc(sizeof(MinimalTuple)));
    m->image_slot = MakeSingleTupleTableSlot(m->desc, &TTSOpsMinimalTuple);
    m->image_context = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv images", ALLOCSET_DEFAULT_SIZES);
    m->held_slot = table_slot_create(view, nullptr);
    return m;
}

void free_matcher(Matcher *m)
{
    comparison::end(m);
    ExecDropSingleTupleTableSlot(m->held_slot);
    ExecDropSingleTupleTableSlot(m->image_slot);
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

void release(Diff *diff)
{
    tuplestore_end(diff->gone);
    tuplestore_end(diff->changed);
    tuplestore_end(diff->fresh);
}

} // namespace diff

} // namespace refresh_mv
