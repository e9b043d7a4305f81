#include "capture/deleted_rows.hpp"

#include "capture/capture.hpp"
#include "log/replica.hpp"
#include "tracking/logged_relation.hpp"

namespace refresh_mv {

// A DELETE whose rows are noted, in the memory of its query.
struct NotedDelete {
    NotedDelete *outer; // that had begun before
    Oid table;
    PlanState *scan;
    ExecProcNodeMtd next; // the scan's own
    EState *query;
    AttrNumber place; // the column of the scan that tells where a row is
    CommandId command;
    bool ending;
    int depth; // of the triggers that are called at its end
    int64 most; // rows that are noted, whatever becomes of the setting meanwhile
    int64 count; // of those found; the first of them are noted
    int64 capacity;
    ItemPointerData *rows;
    MemoryContextCallback at_end;
};

namespace {

ExecutorFinish_hook_type others = nullptr;
NotedDelete *noted = nullptr;

void forget(void *argument)
{
    for (NotedDelete **place = &noted; *place != nullptr; place = &(*place)->outer)
        if (*place == argument) {
            *place = (*place)->outer;
            return;
        }
}

void note(NotedDelete *statement, ItemPointer row)
{
    if (statement->count++ >= statement->most)
        return;
    if (statement->count > statement->capacity) {
        statement->capacity *= 2;
        statement->rows = static_cast<ItemPointerData *>(
            repalloc_huge(statement->rows, sizeof(ItemPointerData) * static_cast<Size>(statement->capacity)));
    }
    statement->rows[statement->count - 1] = *row;
}

// Has the scan return its next row, and notes that.
TupleTableSlot *next(PlanState *scan)
{
    NotedDelete *statement = noted;
    bool null;
    while (statement->scan != scan)
        statement = statement->outer;
    TupleTableSlot *row = statement->next(scan);
    if (!TupIsNull(row)) {
        Datum place = slot_getattr(row, statement->place, &null);
        if (!null)
            note(statement, reinterpret_cast<ItemPointer>(DatumGetPointer(place)));
    }
    return row;
}

// Whether our trigger on a table, and no other, asks for the transition table of a DELETE.
bool only_we_ask(const TriggerDesc *triggers)
{
    bool ours = false;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (trigger.tgoldtable == nullptr || !TRIGGER_FOR_DELETE(trigger.tgtype))
            continue;
        if (!logged_relation::is_ours(trigger, logged_relation::delete_trigger) || trigger.tgenabled != TRIGGER_FIRES_ALWAYS)
            return false;
        ours = true;
    }
    return ours;
}

// Whether a plan finds each row of a table once.
bool is_plain_scan(PlanState *plan, const ResultRelInfo *table)
{
    bool scans = IsA(plan, SeqScanState) || IsA(plan, IndexScanState) || IsA(plan, BitmapHeapScanState)
                 || IsA(plan, TidScanState) || IsA(plan, TidRangeScanState);
    return scans && reinterpret_cast<Scan *>(plan->plan)->scanrelid == table->ri_RangeTableIndex;
}

// Whether the rows of a query are to be noted.
bool is_simple_delete(const QueryDesc *query)
{
    if (!IsA(query->planstate, ModifyTableState) || query->estate->es_auxmodifytables != NIL)
        return false;
    auto *writer = reinterpret_cast<ModifyTableState *>(query->planstate);
    const ResultRelInfo *table = writer->resultRelInfo;
    const FormData_pg_class *form = table->ri_RelationDesc->rd_rel;
    return writer->operation == CMD_DELETE && writer->mt_nrels == 1 && form->relkind == RELKIND_RELATION
           && !form->relispartition && form->relam == HEAP_TABLE_AM_OID && writer->rootResultRelInfo == table
           && writer->mt_transition_capture != nullptr && writer->mt_transition_capture->tcs_delete_old_table
           && AttributeNumberIsValid(table->ri_RowIdAttNo) && only_we_ask(table->ri_TrigDesc)
           && is_plain_scan(outerPlanState(query->planstate), table);
}

// Notes from now on what the query finds, and has the server fill no transition table.
void begin_noting(QueryDesc *query)
{
    constexpr int64 at_first = 64;
    auto *writer = reinterpret_cast<ModifyTableState *>(query->planstate);
    MemoryContext old = MemoryContextSwitchTo(query->estate->es_query_cxt);
    auto *statement = static_cast<NotedDelete *>(palloc0(sizeof(NotedDelete)));
    statement->table = RelationGetRelid(writer->resultRelInfo->ri_RelationDesc);
    statement->query = query->estate;
    statement->place = writer->resultRelInfo->ri_RowIdAttNo;
    statement->command = query->estate->es_output_cid;
    statement->depth = replica::trigger_depth() + 1;
    statement->most = capture::most_rows;
    statement->capacity = at_first;
    statement->rows = static_cast<ItemPointerData *>(palloc(sizeof(ItemPointerData) * at_first));
    MemoryContextSwitchTo(old);
    statement->at_end.func = forget;
    statement->at_end.arg = statement;
    MemoryContextRegisterResetCallback(query->estate->es_query_cxt, &statement->at_end);
    statement->outer = noted;
    noted = statement;
    statement->scan = outerPlanState(query->planstate);
    statement->next = statement->scan->ExecProcNodeReal;
    ExecSetExecProcNode(statement->scan, next);
    writer->mt_transition_capture->tcs_delete_old_table = false;
}

void finish(QueryDesc *query)
{
    for (NotedDelete *statement = noted; statement != nullptr; statement = statement->outer)
        statement->ending |= statement->query == query->estate;
    if (others != nullptr)
        others(query);
    else
        standard_ExecutorFinish(query);
}

// ---- taking rows ----

// Whether it is at the end of this DELETE on a table that our trigger is called: not of one within it, which may be taken back.
bool is_told(const NotedDelete *statement, Oid table)
{
    return statement->ending && statement->table == table && statement->depth == replica::trigger_depth();
}

// The row at a place in a page that is locked; false if there is none.
bool find(Relation table, ItemPointer place, Buffer buffer, HeapTuple row)
{
    Page page = BufferGetPage(buffer);
    OffsetNumber offset = ItemPointerGetOffsetNumber(place);
    if (offset > PageGetMaxOffsetNumber(page))
        return false;
    ItemId item = PageGetItemId(page, offset);
    if (!ItemIdIsNormal(item))
        return false;
    row->t_self = *place;
    row->t_tableOid = RelationGetRelid(table);
    row->t_len = ItemIdGetLength(item);
    row->t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    return true;
}

enum class Fate { stays, deleted, follow };

// What became of a row whose page is locked.
Fate fate_of(HeapTuple row, CommandId command)
{
    HeapTupleHeader header = row->t_data;
    bool moved = !ItemPointerEquals(&row->t_self, &header->t_ctid);
    if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 || HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
        return Fate::stays;
    if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header)))
        return !moved && HeapTupleHeaderGetCmax(header) == command ? Fate::deleted : Fate::stays;
    return moved && !HeapTupleHeaderIndicatesMovedPartitions(header) ? Fate::follow : Fate::stays;
}

// Finds the version of a noted row that the statement has deleted; false if it has none.
bool find_deleted(Relation table, ItemPointerData place, CommandId command, Buffer *buffer, HeapTuple row)
{
    TransactionId before = InvalidTransactionId;
    for (;;) {
        *buffer = ReleaseAndReadBuffer(*buffer, table, ItemPointerGetBlockNumber(&place));
        LockBuffer(*buffer, BUFFER_LOCK_SHARE);
        bool there = find(table, &place, *buffer, row)
                     && (!TransactionIdIsValid(before)
                         || TransactionIdEquals(HeapTupleHeaderGetXmin(row->t_data), before));
        Fate fate = there ? fate_of(row, command) : Fate::stays;
        if (fate == Fate::follow) {
            before = HeapTupleHeaderGetUpdateXid(row->t_data);
            place = row->t_data->t_ctid;
        }
        LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);
        if (fate != Fate::follow)
            return fate == Fate::deleted;
    }
}

} // namespace

namespace deleted_rows {

void watch()
{
    others = ExecutorFinish_hook;
    ExecutorFinish_hook = finish;
}

void begin(QueryDesc *query, int flags)
{
    constexpr int without_triggers = EXEC_FLAG_SKIP_TRIGGERS | EXEC_FLAG_EXPLAIN_ONLY;
    if ((flags & without_triggers) == 0 && query->operation == CMD_DELETE && is_simple_delete(query))
        begin_noting(query);
}

int64 noted(Oid table)
{
    int64 count = 0;
    for (NotedDelete *statement = refresh_mv::noted; statement != nullptr; statement = statement->outer)
        if (is_told(statement, table))
            count += statement->count <= statement->most ? statement->count : int64{PG_INT32_MAX} + 1;
    return count;
}

void take(Relation table, void (*each)(TupleTableSlot *row, void *context), void *context)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsHeapTuple);
    Buffer buffer = InvalidBuffer;
    HeapTupleData row;
    for (NotedDelete *statement = refresh_mv::noted; statement != nullptr; statement = statement->outer) {
        if (!is_told(statement, RelationGetRelid(table)))
            continue;
        for (int64 i = 0; i < statement->count; i++) {
            CHECK_FOR_INTERRUPTS();
            if (!find_deleted(table, statement->rows[i], statement->command, &buffer, &row))
                continue;
            ExecStoreHeapTuple(&row, slot, false);
            each(slot, context);
        }
        statement->count = 0;
    }
    if (BufferIsValid(buffer))
        ReleaseBuffer(buffer);
    ExecDropSingleTupleTableSlot(slot);
}

} // namespace deleted_rows

} // namespace refresh_mv
