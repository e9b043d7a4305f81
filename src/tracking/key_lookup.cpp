#include "tracking/key_lookup.hpp"

#include "server/class_row.hpp"

namespace refresh_mv::key_lookup {

// Whether the scan can go on from key to key: of a single column, if there are so many ordered ones that it pays.
static bool can_walk(Relation table, Relation index, double ordered)
{
    constexpr double far = 16; // rows, to pass which takes as long as a search
    double rows = class_row(RelationGetRelid(table)).form.reltuples;
    int last = index->rd_index->indnkeyatts - 1;
    return index->rd_opfamily[last] == INTEGER_BTREE_FAM_OID && (index->rd_indoption[last] & INDOPTION_DESC) == 0
           && (last > 0 || (rows > 0 && rows <= far * ordered));
}

static int64 integer(Datum value, int16 width)
{
    return width == 8 ? DatumGetInt64(value) : width == 4 ? DatumGetInt32(value) : DatumGetInt16(value);
}

// Moves the scan on by an entry of the index.
static void step(KeyLookup *lookup, int last)
{
    bool null;
    lookup->placed = index_getnext_tid(lookup->scan, ForwardScanDirection) != nullptr;
    if (lookup->placed)
        lookup->current = integer(index_getattr(lookup->scan->xs_itup, last + 1, lookup->scan->xs_itupdesc, &null),
                                  TupleDescAttr(lookup->scan->xs_itupdesc, last)->attlen);
}

// Sets the columns of the key to be searched but for the last one.  Whether they are sure to be what they were.
static bool set_others(KeyLookup *lookup, const Datum *values, int last)
{
    TupleDesc desc = RelationGetDescr(lookup->index);
    bool same = true;
    for (int i = 0; i < last; i++) {
        Datum value = values[lookup->index->rd_index->indkey.values[i] - 1];
        same &= TupleDescAttr(desc, i)->attbyval && value == lookup->keys[i].sk_argument;
        lookup->keys[i].sk_argument = value;
    }
    return same;
}

// The row with a key, to which the scan goes on if it is greater than the last one, and near.
static TupleTableSlot *walk_to(KeyLookup *lookup, const Datum *values)
{
    int last = lookup->index->rd_index->indnkeyatts - 1;
    int most_steps = last == 0 ? 200 : 20;
    Datum value = values[lookup->index->rd_index->indkey.values[last] - 1];
    int64 key = integer(value, TupleDescAttr(RelationGetDescr(lookup->index), last)->attlen);

    lookup->placed &= set_others(lookup, values, last) && key > lookup->last;
    lookup->last = key;
    for (int i = 0; i < most_steps && lookup->placed && lookup->current < key; i++)
        step(lookup, last);
    if (!lookup->placed || lookup->current < key) {
        lookup->keys[last].sk_argument = value;
        index_rescan(lookup->scan, lookup->keys, last + 1, nullptr, 0);
        step(lookup, last);
    }
    for (; lookup->placed && lookup->current == key; step(lookup, last))
        if (index_fetch_heap(lookup->scan, lookup->row))
            return lookup->row;
    return nullptr;
}

bool possible(const TrackedSource &source)
{
    if (source.key == NIL || !OidIsValid(source.key_index) || has_subclass(source.relation)
        || get_rel_relkind(source.relation) != RELKIND_RELATION)
        return false;
    Relation index = try_index_open(source.key_index, AccessShareLock);
    if (index == nullptr)
        return false;
    bool found = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid
                 && index->rd_index->indrelid == source.relation
                 && index->rd_index->indnkeyatts == list_length(source.key);
    index_close(index, NoLock);
    return found;
}

KeyLookup begin(const TrackedSource &source, double ordered)
{
    KeyLookup lookup{};
    lookup.table = table_open(source.relation, AccessShareLock);
    lookup.index = index_open(source.key_index, AccessShareLock);
    int count = lookup.index->rd_index->indnkeyatts;
    lookup.walks = can_walk(lookup.table, lookup.index, ordered);
    lookup.keys = static_cast<ScanKeyData *>(palloc0(sizeof(ScanKeyData) * static_cast<size_t>(count)));
    for (int i = 0; i < count; i++) {
        bool is_bound = lookup.walks && i == count - 1;
        StrategyNumber strategy = is_bound ? BTGreaterEqualStrategyNumber : BTEqualStrategyNumber;
        Oid type = lookup.index->rd_opcintype[i];
        Oid comparison = get_opfamily_member(lookup.index->rd_opfamily[i], type, type, static_cast<int16>(strategy));
        ScanKeyEntryInitialize(&lookup.keys[i], 0, static_cast<AttrNumber>(i + 1), strategy, type,
                               lookup.index->rd_indcollation[i], get_opcode(comparison), 0);
    }
    lookup.row = table_slot_create(lookup.table, nullptr);
    lookup.scan = pg::begin_index_scan(lookup.table, lookup.index, GetActiveSnapshot(), count);
    lookup.scan->xs_want_itup = lookup.walks;
    return lookup;
}

TupleTableSlot *find(KeyLookup *lookup, const Datum *values)
{
    int count = lookup->index->rd_index->indnkeyatts;
    if (lookup->walks)
        return walk_to(lookup, values);
    for (int i = 0; i < count; i++)
        lookup->keys[i].sk_argument = values[lookup->index->rd_index->indkey.values[i] - 1];
    index_rescan(lookup->scan, lookup->keys, count, nullptr, 0);
    return index_getnext_slot(lookup->scan, ForwardScanDirection, lookup->row) ? lookup->row : nullptr;
}

void end(KeyLookup *lookup)
{
    index_endscan(lookup->scan);
    ExecDropSingleTupleTableSlot(lookup->row);
    index_close(lookup->index, NoLock);
    table_close(lookup->table, NoLock);
}

} // namespace refresh_mv::key_lookup
