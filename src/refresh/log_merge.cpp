#include "refresh/log_merge.hpp"

#include "capture/capture.hpp"
#include "log/log_writer.hpp"
#include "log/touched.hpp"
#include "tracking/registry.hpp"
#include "values/row_image.hpp"

namespace refresh_mv {

namespace {

// A row of a view has no key: its logged columns, all of them, are its key.
struct Log {
    Relation view;
    log_writer::Writer writer;
    int ncolumns;
    AttrNumber *columns;
    StringInfoData key;
    StringInfoData rest; // nothing
};

Log open_log(Relation view, const TrackedSource &source)
{
    Log log{};
    ListCell *cell;

    log.view = view;
    log.writer = log_writer::start(RelationGetRelid(view), source.layout, true);
    log.columns = static_cast<AttrNumber *>(
        palloc(sizeof(AttrNumber) * (list_length(source.columns) + 1)));
    foreach (cell, source.columns)
        log.columns[log.ncolumns++] =
            get_attnum(RelationGetRelid(view), static_cast<char *>(lfirst(cell)));
    initStringInfo(&log.key);
    initStringInfo(&log.rest);
    return log;
}

// Adds the image of a row whose columns begin after the first skip ones.
void add(Log *log, char kind, TupleTableSlot *row, int skip)
{
    resetStringInfo(&log->key);
    for (int i = 0; i < log->ncolumns; i++) {
        bool null;
        Datum value = slot_getattr(row, log->columns[i] + skip, &null);
        row_image::append(&log->key,
                          TupleDescAttr(RelationGetDescr(log->view), log->columns[i] - 1), value,
                          null);
    }
    log_writer::add(&log->writer, kind, &log->key, &log->rest);
}

// Adds the held images of rows that begin with their tid.
void add_held(Log *log, Tuplestorestate *rows, TupleDesc desc)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    TupleTableSlot *held = table_slot_create(log->view, nullptr);
    bool null;

    tuplestore_rescan(rows);
    while (tuplestore_gettupleslot(rows, true, false, slot)) {
        CHECK_FOR_INTERRUPTS();
        ItemPointer tid = DatumGetItemPointer(slot_getattr(slot, 1, &null));
        if (table_tuple_fetch_row_version(log->view, tid, GetActiveSnapshot(), held))
            add(log, 'o', held, 0);
    }
    ExecDropSingleTupleTableSlot(held);
    ExecDropSingleTupleTableSlot(slot);
}

void add_new(Log *log, Tuplestorestate *rows, TupleDesc desc, int skip)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

    tuplestore_rescan(rows);
    while (tuplestore_gettupleslot(rows, true, false, slot)) {
        CHECK_FOR_INTERRUPTS();
        add(log, 'n', slot, skip);
    }
    ExecDropSingleTupleTableSlot(slot);
}

} // namespace

namespace log_merge {

void write(Relation view, Diff *diff)
{
    TrackedSource source;
    uint64 records = diff->gone_rows + diff->changed_rows + diff->fresh_rows;

    if (records == 0 || !registry::source(RelationGetRelid(view), &source))
        return;
    touched::note(source.relation, source.on_commit);
    if (records > static_cast<uint64>(capture::most_rows)) {
        log_writer::everything(source.relation, "a merge changed more rows than refresh_mv.max_logged_rows");
        return;
    }
    Log log = open_log(view, source);
    add_held(&log, diff->gone, diff->gone_desc);
    add_held(&log, diff->changed, diff->changed_desc);
    add_new(&log, diff->changed, diff->changed_desc, 1);
    add_new(&log, diff->fresh, RelationGetDescr(view), 0);
    log_writer::finish(&log.writer);
}

void everything(Oid view, const char *reason)
{
    TrackedSource source;
    if (!registry::source(view, &source))
        return;
    touched::note(source.relation, source.on_commit);
    log_writer::everything(view, reason);
}

} // namespace log_merge

} // namespace refresh_mv
