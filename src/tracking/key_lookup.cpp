#include "tracking/key_lookup.hpp"

namespace refresh_mv::key_lookup {

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

KeyLookup begin(const TrackedSource &source)
{
    KeyLookup lookup{};
    lookup.table = table_open(source.relation, AccessShareLock);
    lookup.index = index_open(source.key_index, AccessShareLock);
    int count = lookup.index->rd_index->indnkeyatts;
    lookup.keys = static_cast<ScanKeyData *>(palloc(sizeof(ScanKeyData) * static_cast<size_t>(count)));
    for (int i = 0; i < count; i++) {
        Oid type = lookup.index->rd_opcintype[i];
        Oid equality = get_opfamily_member(lookup.index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
        ScanKeyEntryInitialize(&lookup.keys[i], 0, static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber, type,
                               lookup.index->rd_indcollation[i], get_opcode(equality), 0);
    }
    lookup.row = table_slot_create(lookup.table, nullptr);
    lookup.scan = pg::begin_index_scan(lookup.table, lookup.index, GetActiveSnapshot(), count);
    return lookup;
}

TupleTableSlot *find(KeyLookup *lookup, const Datum *values)
{
    int count = lookup->index->rd_index->indnkeyatts;
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
