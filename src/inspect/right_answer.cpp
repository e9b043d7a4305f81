#include "inspect/right_answer.hpp"

#include "query/query.hpp"
#include "values/image.hpp"

#include <cfloat>
#include <cmath>

namespace refresh_mv::right_answer {

// Beyond so many differing rows they are not compared one by one.
constexpr uint64 most_rows = 200000;
// Nor more than so many that are alike but for what may differ.
constexpr int most_alike = 1000;

struct Row {
    Datum *values;
    bool *nulls;
    uint64 hash;
    double *slack; // by how much each column may be off; null: not known
};

struct Rows {
    Row *list;
    int64 count;
};

struct Judge {
    Relation view;
    TupleDesc desc;
    const Latitude *latitude;
    bool chosen; // compare the columns by which rows are chosen, and no others
    MemoryContext memory;
    MemoryContext scratch;
};

// ---- one column ----

// How a column is compared at this moment.
static Likeness likeness_of(const Judge *judge, int i)
{
    if (!judge->chosen)
        return judge->latitude->columns[i];
    return judge->latitude->sorted[i] ? Likeness::equal : Likeness::any;
}

static bool are_equal(Form_pg_attribute attr, Datum a, Datum b)
{
    TypeCacheEntry *type = lookup_type_cache(attr->atttypid, TYPECACHE_EQ_OPR_FINFO);
    if (!OidIsValid(type->eq_opr_finfo.fn_oid))
        return image::same(attr, a, false, b, false);
    return DatumGetBool(FunctionCall2Coll(&type->eq_opr_finfo, attr->attcollation, a, b));
}

// Whether two sums differ by no more than rounding allows.
static bool are_close(Oid type, Datum a, Datum b, double slack)
{
    double x = type == FLOAT4OID ? DatumGetFloat4(a) : DatumGetFloat8(a);
    double y = type == FLOAT4OID ? DatumGetFloat4(b) : DatumGetFloat8(b);
    if (std::isnan(x) || std::isnan(y))
        return std::isnan(x) && std::isnan(y);
    return x == y || std::fabs(x - y) <= slack;
}

static void count_bytes(Form_pg_attribute attr, Datum value, int64 *counts)
{
    Oid function;
    bool varlena;
    getTypeOutputInfo(attr->atttypid, &function, &varlena);
    for (const char *c = OidOutputFunctionCall(function, value); *c != '\0'; c++)
        counts[static_cast<unsigned char>(*c)]++;
}

// Whether two texts are of the same characters, as those of the same pieces are.
static bool are_same_pieces(Form_pg_attribute attr, Datum a, Datum b)
{
    int64 left[256] = {}, right[256] = {};
    count_bytes(attr, a, left);
    count_bytes(attr, b, right);
    return memcmp(left, right, sizeof(left)) == 0;
}

static bool are_alike(const Judge *judge, int i, const Row *held, const Row *fresh)
{
    Form_pg_attribute attr = TupleDescAttr(judge->desc, i);
    Likeness likeness = likeness_of(judge, i);
    if (likeness == Likeness::shuffled || likeness == Likeness::any)
        return true;
    if (held->nulls[i] || fresh->nulls[i])
        return held->nulls[i] == fresh->nulls[i];
    switch (likeness) {
    case Likeness::equal:
        return are_equal(attr, held->values[i], fresh->values[i]);
    case Likeness::rounded:
        return fresh->slack == nullptr
               || are_close(attr->atttypid, held->values[i], fresh->values[i], fresh->slack[i]);
    case Likeness::pieces:
        return are_same_pieces(attr, held->values[i], fresh->values[i]);
    default:
        return image::same(attr, held->values[i], false, fresh->values[i], false);
    }
}

// ---- rows ----

static bool is_key(const Judge *judge, int i)
{
    return likeness_of(judge, i) <= Likeness::equal;
}

static bool rows_alike(const Judge *judge, const Row *held, const Row *fresh, bool keys_only)
{
    for (int i = 0; i < judge->desc->natts; i++)
        if ((!keys_only || is_key(judge, i)) && !are_alike(judge, i, held, fresh))
            return false;
    return true;
}

// A hash of what must be the same, or equal, in both rows.
static uint64 key_hash(const Judge *judge, const Row *row)
{
    uint64 hash = 1;
    for (int i = 0; i < judge->desc->natts; i++) {
        Form_pg_attribute attr = TupleDescAttr(judge->desc, i);
        Likeness likeness = likeness_of(judge, i);
        auto column = static_cast<AttrNumber>(i + 1);
        if (likeness == Likeness::same)
            hash = hash_combine64(hash, image::hash_row(judge->desc, row->values, row->nulls, &column, 1));
        if (likeness != Likeness::equal || row->nulls[i])
            continue;
        TypeCacheEntry *type = lookup_type_cache(attr->atttypid, TYPECACHE_HASH_PROC_FINFO);
        if (OidIsValid(type->hash_proc_finfo.fn_oid))
            hash = hash_combine64(hash, DatumGetUInt32(FunctionCall1Coll(&type->hash_proc_finfo, attr->attcollation,
                                                                         row->values[i])));
    }
    return hash;
}

static Row copy_row(const Judge *judge, TupleTableSlot *slot)
{
    int natts = judge->desc->natts;
    slot_getallattrs(slot);
    MemoryContext old = MemoryContextSwitchTo(judge->memory);
    Row row = {static_cast<Datum *>(palloc(sizeof(Datum) * (natts + 1))),
               static_cast<bool *>(palloc(sizeof(bool) * (natts + 1))), 0, nullptr};
    for (int i = 0; i < natts; i++) {
        Form_pg_attribute attr = TupleDescAttr(judge->desc, i);
        Datum value = slot->tts_values[i];
        row.nulls[i] = slot->tts_isnull[i];
        if (!row.nulls[i] && attr->attlen == -1)
            value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
        else if (!row.nulls[i])
            value = datumCopy(value, attr->attbyval, attr->attlen);
        row.values[i] = value;
    }
    MemoryContextSwitchTo(old);
    return row;
}

static Rows allocate(const Judge *judge, uint64 count)
{
    return {static_cast<Row *>(MemoryContextAllocHuge(judge->memory, sizeof(Row) * (count + 1))), 0};
}

// The rows of the query that the view lacks.
static Rows read_missing(const Judge *judge, Diff *diff)
{
    Rows rows = allocate(judge, diff->fresh_rows);
    TupleTableSlot *slot = MakeSingleTupleTableSlot(judge->desc, &TTSOpsMinimalTuple);
    tuplestore_rescan(diff->fresh);
    while (tuplestore_gettupleslot(diff->fresh, true, false, slot)) {
        CHECK_FOR_INTERRUPTS();
        rows.list[rows.count++] = copy_row(judge, slot);
    }
    ExecDropSingleTupleTableSlot(slot);
    return rows;
}

// The rows of the view that the query does not return.
static Rows read_extra(const Judge *judge, Diff *diff)
{
    bool null;
    Rows rows = allocate(judge, diff->gone_rows);
    TupleTableSlot *tids = MakeSingleTupleTableSlot(diff->gone_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *slot = table_slot_create(judge->view, nullptr);
    tuplestore_rescan(diff->gone);
    while (tuplestore_gettupleslot(diff->gone, true, false, tids)) {
        CHECK_FOR_INTERRUPTS();
        ItemPointer tid = DatumGetItemPointer(slot_getattr(tids, 1, &null));
        if (!table_tuple_fetch_row_version(judge->view, tid, GetActiveSnapshot(), slot))
            elog(ERROR, "could not read back a row of materialized view \"%s\"",
                 RelationGetRelationName(judge->view));
        rows.list[rows.count++] = copy_row(judge, slot);
    }
    ExecDropSingleTupleTableSlot(tids);
    ExecDropSingleTupleTableSlot(slot);
    return rows;
}

static int by_hash(const void *a, const void *b)
{
    uint64 left = static_cast<const Row *>(a)->hash;
    uint64 right = static_cast<const Row *>(b)->hash;
    return left < right ? -1 : left > right;
}

static void sort_by_key(const Judge *judge, Rows *rows)
{
    for (int64 i = 0; i < rows->count; i++) {
        CHECK_FOR_INTERRUPTS();
        rows->list[i].hash = key_hash(judge, &rows->list[i]);
    }
    qsort(rows->list, static_cast<size_t>(rows->count), sizeof(Row), by_hash);
}

// ---- how much sums may be off ----

struct Magnitudes {
    DestReceiver pub;
    const Judge *judge;
    Rows *fresh;
};

// The first of sorted rows with a hash; count if there is none.
static int64 first_with(const Rows *rows, uint64 hash)
{
    int64 low = 0;
    int64 high = rows->count;
    while (low < high) {
        int64 middle = low + (high - low) / 2;
        if (rows->list[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Notes how far the sums of a row can be from those in another order: two orders of n
// numbers each are off by up to n roundings of the sum of absolute values.
static void note_slack(const Judge *judge, Row *row, const Row *magnitudes, double count)
{
    int natts = judge->desc->natts;
    if (row->slack == nullptr)
        row->slack = static_cast<double *>(MemoryContextAllocZero(judge->memory, sizeof(double) * natts));
    for (int i = 0; i < natts; i++) {
        if (judge->latitude->columns[i] != Likeness::rounded || magnitudes->nulls[i])
            continue;
        bool single = TupleDescAttr(judge->desc, i)->atttypid == FLOAT4OID;
        double magnitude = single ? DatumGetFloat4(magnitudes->values[i]) : DatumGetFloat8(magnitudes->values[i]);
        row->slack[i] = Max(row->slack[i], 2 * (count + 2) * (single ? FLT_EPSILON : DBL_EPSILON) * magnitude);
    }
}

static bool receive_magnitudes(TupleTableSlot *slot, DestReceiver *self)
{
    auto *receiver = reinterpret_cast<Magnitudes *>(self);
    const Judge *judge = receiver->judge;
    slot_getallattrs(slot);
    MemoryContext old = MemoryContextSwitchTo(judge->scratch);
    Row row = {slot->tts_values, slot->tts_isnull, 0, nullptr};
    auto count = static_cast<double>(DatumGetInt64(slot->tts_values[judge->desc->natts]));
    row.hash = key_hash(judge, &row);
    for (int64 i = first_with(receiver->fresh, row.hash);
         i < receiver->fresh->count && receiver->fresh->list[i].hash == row.hash; i++)
        if (rows_alike(judge, &row, &receiver->fresh->list[i], true))
            note_slack(judge, &receiver->fresh->list[i], &row, count);
    MemoryContextSwitchTo(old);
    MemoryContextReset(judge->scratch);
    return true;
}

// ---- pairs ----

// Held and fresh rows with the same hash, and who is paired with whom.
struct Bucket {
    const Row *held;
    const Row *fresh;
    int nheld;
    int nfresh;
    int *pair;  // of each fresh row: the held one, or -1
    bool *seen; // fresh rows, on the way to one that is free
};

// Finds a fresh row for a held one, moving others to other rows.
static bool find_pair(const Judge *judge, Bucket *bucket, int held)
{
    check_stack_depth();
    CHECK_FOR_INTERRUPTS();
    for (int i = 0; i < bucket->nfresh; i++) {
        if (bucket->seen[i] || !rows_alike(judge, &bucket->held[held], &bucket->fresh[i], false))
            continue;
        bucket->seen[i] = true;
        if (bucket->pair[i] < 0 || find_pair(judge, bucket, bucket->pair[i])) {
            bucket->pair[i] = held;
            return true;
        }
    }
    return false;
}

// Whether each held row of a bucket has a fresh one of its own.
static bool pair_all(const Judge *judge, Bucket *bucket)
{
    bucket->pair = static_cast<int *>(palloc(sizeof(int) * (bucket->nfresh + 1)));
    bucket->seen = static_cast<bool *>(palloc(sizeof(bool) * (bucket->nfresh + 1)));
    for (int i = 0; i < bucket->nfresh; i++)
        bucket->pair[i] = -1;
    for (int held = 0; held < bucket->nheld; held++) {
        memset(bucket->seen, 0, sizeof(bool) * bucket->nfresh);
        if (!find_pair(judge, bucket, held))
            return false;
    }
    return true;
}

static int64 end_of_bucket(const Rows *rows, int64 start)
{
    int64 end = start;
    while (end < rows->count && rows->list[end].hash == rows->list[start].hash)
        end++;
    return end;
}

// Whether every held row has a fresh one of its own that it may stand for.  Both are sorted.
static Answer pair_rows(const Judge *judge, const Rows *held, const Rows *fresh)
{
    Answer answer = Answer::right;
    for (int64 start = 0; start < held->count;) {
        int64 end = end_of_bucket(held, start);
        int64 first = first_with(fresh, held->list[start].hash);
        bool some = first < fresh->count && fresh->list[first].hash == held->list[start].hash;
        int64 last = some ? end_of_bucket(fresh, first) : first;
        if (end - start > last - first)
            return Answer::wrong;
        MemoryContext old = MemoryContextSwitchTo(judge->scratch);
        Bucket bucket = {held->list + start, fresh->list + first, static_cast<int>(end - start),
                         static_cast<int>(last - first), nullptr, nullptr};
        bool too_many = last - first > most_alike;
        bool paired = too_many || pair_all(judge, &bucket);
        MemoryContextSwitchTo(old);
        MemoryContextReset(judge->scratch);
        if (!paired)
            return Answer::wrong;
        if (too_many)
            answer = Answer::unclear;
        start = end;
    }
    return answer;
}

// Whether numbers that rows have in another order are the same ones in all.
static bool are_shuffled(const Judge *judge, const Rows *held, const Rows *fresh)
{
    for (int i = 0; i < judge->desc->natts; i++) {
        uint64 sum = 0;
        auto column = static_cast<AttrNumber>(i + 1);
        if (judge->latitude->columns[i] != Likeness::shuffled)
            continue;
        for (int64 row = 0; row < held->count; row++)
            sum += image::hash_row(judge->desc, held->list[row].values, held->list[row].nulls, &column, 1);
        for (int64 row = 0; row < fresh->count; row++)
            sum -= image::hash_row(judge->desc, fresh->list[row].values, fresh->list[row].nulls, &column, 1);
        if (sum != 0)
            return false;
    }
    return true;
}

static bool has(const Latitude *latitude, Likeness likeness)
{
    for (int i = 0; i < latitude->count; i++)
        if (latitude->columns[i] == likeness)
            return true;
    return false;
}

// Judges the differences of a diff: each held row needs a fresh one.
static Answer judge_rows(const Judge *judge, Diff *diff, Query *magnitudes, QueryEnvironment *environment)
{
    if (diff->fresh_rows + diff->gone_rows > most_rows)
        return Answer::unclear;
    Rows held = read_extra(judge, diff);
    Rows fresh = read_missing(judge, diff);
    sort_by_key(judge, &held);
    sort_by_key(judge, &fresh);
    if (magnitudes != nullptr) {
        Magnitudes receiver = {query::row_receiver(receive_magnitudes), judge, &fresh};
        query::run(magnitudes, &receiver.pub, CURSOR_OPT_PARALLEL_OK, environment);
    }
    Answer answer = pair_rows(judge, &held, &fresh);
    if (answer == Answer::right && !judge->latitude->chosen && !are_shuffled(judge, &held, &fresh))
        answer = Answer::wrong;
    return answer;
}

Answer judge(Relation view, Node *condition, Diff *diff, const Latitude &latitude, Variants variants,
             void *context, QueryEnvironment *environment)
{
    if (latitude.rows)
        return Answer::unclear;
    if (diff->fresh_rows != diff->gone_rows)
        return Answer::wrong;
    Judge judge = {view, RelationGetDescr(view), &latitude, latitude.chosen,
                   AllocSetContextCreate(CurrentMemoryContext, "refresh_mv answers", ALLOCSET_DEFAULT_SIZES),
                   AllocSetContextCreate(CurrentMemoryContext, "refresh_mv pairs", ALLOCSET_DEFAULT_SIZES)};
    bool rounded = has(&latitude, Likeness::rounded);
    Query *magnitudes = rounded && !latitude.chosen ? variants(Variant::magnitudes, context) : nullptr;
    Query *unchosen = latitude.chosen ? variants(Variant::unchosen, context) : nullptr;
    Answer answer = judge_rows(&judge, diff, magnitudes, environment);
    if (answer != Answer::wrong && unchosen != nullptr) {
        // The chosen rows must be among those to choose from.
        Diff *all = diff::compute(view, query::select_held(view, condition),
                                  query::select_fresh(view, unchosen, condition),
                                  PairingKey{}, environment);
        judge.chosen = false;
        if (all->gone_rows > 0 && judge_rows(&judge, all, nullptr, environment) == Answer::wrong)
            answer = Answer::wrong;
        diff::release(all);
    }
    MemoryContextDelete(judge.scratch);
    MemoryContextDelete(judge.memory);
    return answer;
}

} // namespace refresh_mv::right_answer
