#include "merge/merge.hpp"

#include "server/progress.hpp"

namespace refresh_mv {

namespace {

// What it takes to write rows and their index entries.
struct Writer {
    Relation view;
    EState *estate;
    ResultRelInfo *result;
    CommandId cid;
};

Writer open_writer(Relation view)
{
    Writer writer = {view, CreateExecutorState(), makeNode(ResultRelInfo),
                     GetCurrentCommandId(true)};
    InitResultRelInfo(writer.result, view, 0, nullptr, 0);
    ExecOpenIndices(writer.result, false);
    return writer;
}

void close_writer(Writer *writer)
{
    ExecCloseIndices(writer->result);
    FreeExecutorState(writer->estate);
}

void write_index_entries(Writer *writer, TupleTableSlot *slot, pg::IndexNeed need)
{
    if (writer->result->ri_NumIndices > 0 && need != pg::no_index)
        pg::insert_index_entries(writer->result, slot, writer->estate, need);
    ResetPerTupleExprContext(writer->estate);
}

// Anything but success means that the row is not what the snapshot showed.
void check_row_written(Relation view, TM_Result result)
{
    if (result != TM_Ok)
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("could not serialize access to materialized view \"%s\" due to concurrent refresh",
                        RelationGetRelationName(view)),
                 errhint("Retry the transaction.")));
}

// The tids of the rows to delete, and with_changed of those to update as well,
// in the order of the file.
Tuplesortstate *sorted_tids(Diff *diff, bool with_changed)
{
    Tuplesortstate *sort = tuplesort_begin_datum(TIDOID, TIDLessOperator, InvalidOid, false,
                                                 Max(maintenance_work_mem / 8, 64), nullptr,
                                                 TUPLESORT_NONE);
    struct {
        Tuplestorestate *store;
        TupleDesc desc;
        bool wanted;
    } sources[] = {{diff->gone, diff->gone_desc, true},
                   {diff->changed, diff->changed_desc, with_changed}};

    for (auto &source : sources) {
        if (!source.wanted)
            continue;
        TupleTableSlot *slot = MakeSingleTupleTableSlot(source.desc, &TTSOpsMinimalTuple);
        bool null;
        tuplestore_rescan(source.store);
        while (tuplestore_gettupleslot(source.store, true, false, slot)) {
            CHECK_FOR_INTERRUPTS();
            tuplesort_putdatum(sort, slot_getattr(slot, 1, &null), false);
        }
        ExecDropSingleTupleTableSlot(slot);
    }
    tuplesort_performsort(sort);
    return sort;
}

void delete_rows(Writer *writer, Diff *diff)
{
    Tuplesortstate *tids = sorted_tids(diff, false);
    TM_FailureData failure;
    ItemPointerData tid;

    progress::start_phase("deleting");
    while (pg::sorted_tid(tids, &tid)) {
        CHECK_FOR_INTERRUPTS();
        progress::count_row();
        check_row_written(writer->view,
                          pg::delete_row(writer->view, &tid, writer->cid, GetActiveSnapshot(), &failure));
    }
    tuplesort_end(tids);
}

void update_rows(Writer *writer, Diff *diff)
{
    Relation view = writer->view;
    TupleTableSlot *changed = MakeSingleTupleTableSlot(diff->changed_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *next = table_slot_create(view, nullptr);
    TM_FailureData failure;

    progress::start_phase("updating");
    tuplestore_rescan(diff->changed);
    while (tuplestore_gettupleslot(diff->changed, true, false, changed)) {
        CHECK_FOR_INTERRUPTS();
        progress::count_row();
        slot_getallattrs(changed);
        ItemPointerData tid = *DatumGetItemPointer(changed->tts_values[0]);
        pg::IndexNeed need;
        diff::store_without_prefix(next, changed, 1);
        check_row_written(view, pg::update_row(view, &tid, next, writer->cid, GetActiveSnapshot(),
                                               &failure, &need));
        write_index_entries(writer, next, need);
    }
    ExecDropSingleTupleTableSlot(next);
    ExecDropSingleTupleTableSlot(changed);
}

// Calls store(slot) for each row of a tuple store, starting after the column
// given by skip.  The slot is of the kind that the view's access method likes.
template <class Store>
void for_each_row(Relation view, Tuplestorestate *rows, TupleDesc desc, int skip, Store store)
{
    TupleTableSlot *stored = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    TupleTableSlot *row = table_slot_create(view, nullptr);

    tuplestore_rescan(rows);
    while (tuplestore_gettupleslot(rows, true, false, stored)) {
        CHECK_FOR_INTERRUPTS();
        progress::count_row();
        slot_getallattrs(stored);
        diff::store_without_prefix(row, stored, skip);
        store(row);
    }
    ExecDropSingleTupleTableSlot(row);
    ExecDropSingleTupleTableSlot(stored);
}

void insert_rows(Writer *writer, Diff *diff)
{
    BulkInsertState bulk = GetBulkInsertState();
    progress::start_phase("inserting");
    for_each_row(writer->view, diff->fresh, RelationGetDescr(writer->view), 0,
                 [&](TupleTableSlot *row) {
                     table_tuple_insert(writer->view, row, writer->cid, 0, bulk);
                     write_index_entries(writer, row, pg::all_indexes);
                 });
    FreeBulkInsertState(bulk);
}

// Copies the rows of the view that the diff leaves alone.
uint64 copy_unchanged(Relation view, Diff *diff, TableScanDesc scan, Relation target,
                      CommandId cid, int options, BulkInsertState bulk)
{
    Tuplesortstate *tids = sorted_tids(diff, true);
    TupleTableSlot *slot = table_slot_create(view, nullptr);
    ItemPointerData tid;
    bool more = pg::sorted_tid(tids, &tid);
    uint64 copied = 0;

    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        CHECK_FOR_INTERRUPTS();
        if (more && ItemPointerEquals(&tid, &slot->tts_tid)) {
            more = pg::sorted_tid(tids, &tid);
            continue;
        }
        table_tuple_insert(target, slot, cid, options, bulk);
        copied++;
    }
    if (more)
        elog(ERROR, "rows of materialized view \"%s\" were not read in the order of their tids",
             RelationGetRelationName(view));
    ExecDropSingleTupleTableSlot(slot);
    tuplesort_end(tids);
    return copied;
}

// Writes all rows that the view should hold to an empty table of its shape.
uint64 fill(Relation view, Diff *diff, Relation target)
{
    constexpr int options = TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN;
    CommandId cid = GetCurrentCommandId(true);
    BulkInsertState bulk = GetBulkInsertState();
    auto store = [&](TupleTableSlot *row) { table_tuple_insert(target, row, cid, options, bulk); };

    // From the first block on, so that rows come in the order of their tids.
    TableScanDesc scan = table_beginscan_strat(view, GetActiveSnapshot(), 0, nullptr, true, false);
    uint64 copied = copy_unchanged(view, diff, scan, target, cid, options, bulk);
    table_endscan(scan);
    for_each_row(view, diff->changed, diff->changed_desc, 1, store);
    for_each_row(view, diff->fresh, RelationGetDescr(view), 0, store);

    FreeBulkInsertState(bulk);
    table_finish_bulk_insert(target, options);
    return copied + diff->changed_rows + diff->fresh_rows;
}

} // namespace

namespace merge {

void apply(Relation view, Diff *diff)
{
    if (diff->gone_rows + diff->changed_rows + diff->fresh_rows == 0)
        return;
    Writer writer = open_writer(view);
    delete_rows(&writer, diff);
    update_rows(&writer, diff);
    insert_rows(&writer, diff);
    close_writer(&writer);
    CommandCounterIncrement();
}

bool swap(Relation view, Diff *diff)
{
    Oid oid = RelationGetRelid(view);
    char persistence = view->rd_rel->relpersistence;

    Oid heap = make_new_heap(oid, view->rd_rel->reltablespace, view->rd_rel->relam, persistence,
                             RowExclusiveLock);
    Relation target = table_open(heap, AccessExclusiveLock);
    progress::start_phase("writing a new file");
    uint64 rows = fill(view, diff, target);
    table_close(target, NoLock);
    if (!ConditionalLockRelationOid(oid, AccessExclusiveLock))
        return false;
    progress::start_phase("building indexes");
    pg::swap_heaps(oid, heap, persistence);
    pgstat_count_truncate(view);
    pgstat_count_heap_insert(view, rows);
    return true;
}

} // namespace merge

} // namespace refresh_mv
