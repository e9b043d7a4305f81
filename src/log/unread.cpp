#include "log/unread.hpp"

#include "log/log_writer.hpp"
#include "store/own_rows.hpp"

namespace refresh_mv {

namespace {

using namespace log_columns;
using Visit = bool (*)(const UnreadEntry &entry, void *context);

bool is_new(const ReadMark &mark, FullTransactionId xid, int64 seq)
{
    if (FullTransactionIdEquals(xid, mark.own_xid))
        return seq >= mark.own_seq;
    return !DatumGetBool(
        DirectFunctionCall2(pg_visible_in_snapshot, FullTransactionIdGetDatum(xid), mark.snapshot));
}

// Hands over a row of the log, if it is the view's to look at; returns whether to go on.
bool visit_row(const ReadMark &mark, Oid relation, HeapTuple row, TupleDesc desc, Visit visit, void *context)
{
    Datum values[columns];
    bool nulls[columns];

    heap_deform_tuple(row, desc, values, nulls);
    int64 layout = DatumGetInt64(values[column_layout]);
    if (relation == mark.view ? !nulls[column_data] : layout == log_writer::not_for_readers)
        return true;
    UnreadEntry entry{};
    entry.is_new = is_new(mark, DatumGetFullTransactionId(values[column_xid]), DatumGetInt64(values[column_seq]));
    entry.number = DatumGetInt64(values[column_seq]);
    entry.layout = layout;
    entry.nested = DatumGetBool(values[column_nested]);
    entry.records = DatumGetInt64(values[column_records]);
    if (!nulls[column_data])
        entry.data = reinterpret_cast<varlena *>(DatumGetPointer(values[column_data]));
    if (!nulls[column_reason])
        entry.reason = TextDatumGetCString(values[column_reason]);
    entry.at = DatumGetTimestampTz(values[column_at]);
    return visit(entry, context);
}

} // namespace

namespace unread {

ReadMark baseline_of(Oid view)
{
    ReadMark mark{};
    bool no_floor = true;
    mark.view = view;
    mark.none = true;
    own_rows::Scan scan = own_rows::begin("state", own_rows::Under::active_snapshot, {own_rows::is("view", view)});
    if (own_rows::next(&scan)) {
        Datum snapshot = own_rows::value(scan, "snapshot", &mark.none);
        own_rows::value(scan, "floor_seq", &no_floor);
        mark.floor = own_rows::number(scan, "floor_seq");
        mark.own_xid = FullTransactionIdFromU64(static_cast<uint64>(own_rows::number(scan, "own_xid")));
        mark.own_seq = own_rows::number(scan, "own_seq");
        if (!mark.none)
            mark.snapshot = PointerGetDatum(PG_DETOAST_DATUM_COPY(snapshot));
    }
    own_rows::end(&scan);
    mark.none |= no_floor;
    return mark;
}

void each(const ReadMark &mark, Oid relation, Visit visit, void *context)
{
    bool more = !mark.none;
    if (mark.none)
        return;
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv log", ALLOCSET_DEFAULT_SIZES);
    own_rows::Scan scan = own_rows::begin("log", own_rows::Under::active_snapshot,
                                          {own_rows::is("relation", relation), own_rows::at_least("seq", mark.floor)});
    if (RelationGetDescr(scan.table)->natts != columns)
        elog(ERROR, "refresh_mv.log has other columns than it was made with");
    own_rows::order_by(&scan, "seq");
    while (more && own_rows::next(&scan)) {
        CHECK_FOR_INTERRUPTS();
        MemoryContext old = MemoryContextSwitchTo(memory);
        more = visit_row(mark, relation, scan.tuple, RelationGetDescr(scan.table), visit, context);
        MemoryContextSwitchTo(old);
        MemoryContextReset(memory);
    }
    own_rows::end(&scan);
    MemoryContextDelete(memory);
}

} // namespace unread

} // namespace refresh_mv
