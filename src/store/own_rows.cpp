#include "store/own_rows.hpp"

#include "store/statement.hpp"

namespace refresh_mv::own_rows {

namespace {

constexpr int most_keys = 3;

AttrNumber number_of(Relation table, const char *column)
{
    TupleDesc desc = RelationGetDescr(table);
    for (int i = 0; i < desc->natts; i++)
        if (!TupleDescAttr(desc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(desc, i)->attname), column) == 0)
            return static_cast<AttrNumber>(i + 1);
    elog(ERROR, "column %s of refresh_mv.%s does not exist", column, RelationGetRelationName(table));
}

// Whether an index begins with the columns of the conditions, and holds all rows.
bool suits(Form_pg_index index, HeapTuple tuple, const ScanKeyData *keys, int count)
{
    bool too_young = index->indcheckxmin
                     && !TransactionIdPrecedes(HeapTupleHeaderGetXmin(tuple->t_data), TransactionXmin);
    if (!index->indisvalid || !index->indisready || !index->indislive || too_young
        || index->indnkeyatts < count || !heap_attisnull(tuple, Anum_pg_index_indpred, nullptr))
        return false;
    for (int i = 0; i < count; i++)
        if (index->indkey.values[i] != keys[i].sk_attno)
            return false;
    return true;
}

bool is_btree(Oid index)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
    if (!HeapTupleIsValid(tuple))
        return false;
    bool result = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relam == BTREE_AM_OID;
    ReleaseSysCache(tuple);
    return result;
}

// An index that serves the conditions; InvalidOid if there is none.
Oid index_for(Relation table, const ScanKeyData *keys, int count)
{
    ListCell *cell;
    foreach (cell, RelationGetIndexList(table)) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple))
            continue;
        bool found = suits(reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple)), tuple, keys, count)
                     && is_btree(lfirst_oid(cell));
        ReleaseSysCache(tuple);
        if (found)
            return lfirst_oid(cell);
    }
    return InvalidOid;
}

} // namespace

Key is(const char *column, Oid value)
{
    return {column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value)};
}

Key is(const char *column, const char *value)
{
    return {column, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value)};
}

Key at_least(const char *column, int64 value)
{
    return {column, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(value)};
}

Key below(const char *column, int64 value)
{
    return {column, BTLessStrategyNumber, F_INT8LT, Int64GetDatum(value)};
}

Key before(const char *column, TimestampTz value)
{
    return {column, BTLessStrategyNumber, F_TIMESTAMPTZ_LT, TimestampTzGetDatum(value)};
}

Scan begin(const char *name, Under snapshot, const Key *keys, int count)
{
    ScanKeyData conditions[most_keys];
    Scan scan{};

    Assert(count <= most_keys);
    scan.table = statement::open_table(name, AccessShareLock);
    for (int i = 0; i < count; i++) {
        AttrNumber column = number_of(scan.table, keys[i].column);
        ScanKeyEntryInitialize(&conditions[i], 0, column, keys[i].strategy, InvalidOid,
                               TupleDescAttr(RelationGetDescr(scan.table), column - 1)->attcollation,
                               keys[i].function, keys[i].value);
    }
    if (snapshot == Under::newest_snapshot) {
        CommandCounterIncrement();
        scan.snapshot = RegisterSnapshot(GetTransactionSnapshot());
    } else
        scan.snapshot = RegisterSnapshot(GetActiveSnapshot());
    Oid index = index_for(scan.table, conditions, count);
    scan.indexed = OidIsValid(index) && !IgnoreSystemIndexes;
    scan.rows = systable_beginscan(scan.table, index, OidIsValid(index), scan.snapshot, count, conditions);
    return scan;
}

void order_by(Scan *scan, const char *column)
{
    AttrNumber number = number_of(scan->table, column);
    TupleDesc desc = RelationGetDescr(scan->table);
    Oid less = Int8LessOperator, collation = InvalidOid;
    bool nulls_first = false;

    if (scan->indexed)
        return;
    scan->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    TupleTableSlot *row = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
    scan->sorted = tuplesort_begin_heap(desc, 1, &number, &less, &collation, &nulls_first, work_mem, nullptr, 0);
    while (HeapTuple tuple = systable_getnext(scan->rows)) {
        CHECK_FOR_INTERRUPTS();
        ExecStoreHeapTuple(tuple, row, false);
        tuplesort_puttupleslot(scan->sorted, row);
    }
    ExecDropSingleTupleTableSlot(row);
    tuplesort_performsort(scan->sorted);
}

bool next(Scan *scan)
{
    if (scan->sorted == nullptr) {
        scan->tuple = systable_getnext(scan->rows);
        return HeapTupleIsValid(scan->tuple);
    }
    if (scan->tuple != nullptr)
        heap_freetuple(scan->tuple);
    bool found = tuplesort_gettupleslot(scan->sorted, true, false, scan->slot, nullptr);
    scan->tuple = found ? ExecCopySlotHeapTuple(scan->slot) : nullptr;
    return found;
}

void end(Scan *scan)
{
    if (scan->sorted != nullptr) {
        tuplesort_end(scan->sorted);
        ExecDropSingleTupleTableSlot(scan->slot);
    }
    systable_endscan(scan->rows);
    UnregisterSnapshot(scan->snapshot);
    table_close(scan->table, NoLock); // until the end, as after a statement
}

Datum value(const Scan &scan, const char *column, bool *null)
{
    return heap_getattr(scan.tuple, number_of(scan.table, column), RelationGetDescr(scan.table), null);
}

Oid oid(const Scan &scan, const char *column)
{
    bool null;
    Datum found = value(scan, column, &null);
    return DatumGetObjectId(null ? 0 : found);
}

int64 number(const Scan &scan, const char *column)
{
    bool null;
    Datum found = value(scan, column, &null);
    return null ? 0 : DatumGetInt64(found);
}

double real(const Scan &scan, const char *column)
{
    bool null;
    Datum found = value(scan, column, &null);
    return null ? 0 : DatumGetFloat8(found);
}

bool truth(const Scan &scan, const char *column)
{
    bool null;
    Datum found = value(scan, column, &null);
    return !null && DatumGetBool(found);
}

char *string(const Scan &scan, const char *column)
{
    bool null;
    Datum found = value(scan, column, &null);
    return null ? nullptr : TextDatumGetCString(found);
}

List *names(const Scan &scan, const char *column)
{
    bool null;
    Datum found = value(scan, column, &null);
    return null ? NIL : statement::names_of(found);
}

Row::Row(Relation table) : table_(table)
{
    int natts = RelationGetDescr(table)->natts;
    values_ = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<Size>(natts)));
    nulls_ = static_cast<bool *>(palloc(sizeof(bool) * static_cast<Size>(natts)));
    memset(nulls_, true, static_cast<Size>(natts));
}

Row &Row::set(const char *column, Datum value, bool null)
{
    AttrNumber number = number_of(table_, column);
    values_[number - 1] = value;
    nulls_[number - 1] = null;
    return *this;
}

Row &Row::text(const char *column, const char *value)
{
    return set(column, value ? CStringGetTextDatum(value) : 0, value == nullptr);
}

void Row::store()
{
    TupleDesc desc = RelationGetDescr(table_);
    for (int i = 0; i < desc->natts; i++)
        if (nulls_[i] && TupleDescAttr(desc, i)->attnotnull && !TupleDescAttr(desc, i)->attisdropped)
            elog(ERROR, "column %s of refresh_mv.%s must not be null", NameStr(TupleDescAttr(desc, i)->attname),
                 RelationGetRelationName(table_));
    statement::insert(table_, heap_form_tuple(desc, values_, nulls_));
    CommandCounterIncrement();
}

} // namespace refresh_mv::own_rows
