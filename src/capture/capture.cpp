#include "capture/capture.hpp"

#include "capture/deleted_rows.hpp"
#include "capture/merge_moves.hpp"
#include "log/log_retention.hpp"
#include "log/log_writer.hpp"
#include "log/open_statements.hpp"
#include "log/replica.hpp"
#include "log/touched.hpp"
#include "tracking/logged_relation.hpp"
#include "tracking/registry.hpp"
#include "tracking/source.hpp"
#include "values/image.hpp"
#include "values/row_image.hpp"

namespace refresh_mv {

namespace {

// A transition table, read from its start, through a read pointer of our own.
struct Rows {
    Tuplestorestate *store;
    int pointer;
    TupleTableSlot *slot;
    bool at_row;
};

// The statement or row whose change is being logged.
struct Change {
    Relation relation;
    Logged *logged;
    log_writer::Writer writer;
    StringInfoData key;
    StringInfoData rest;
    bool too_large;
    RowBlock *block; // that takes rows of one kind; null: each gets a record
};

// So many rows of a statement are worth a block.  Fewer in tests, whose tables are small.
#ifndef LEAST_ROWS_OF_BLOCK
#define LEAST_ROWS_OF_BLOCK 32
#endif

// An image of more bytes than this is not logged.
constexpr Size largest_image = Size{64} * 1024 * 1024;

Rows open_rows(Relation relation, Tuplestorestate *store)
{
    Rows rows{};
    rows.store = store;
    rows.pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
    tuplestore_select_read_pointer(store, rows.pointer);
    tuplestore_rescan(store);
    rows.slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsMinimalTuple);
    return rows;
}

bool next(Rows *rows)
{
    tuplestore_select_read_pointer(rows->store, rows->pointer);
    rows->at_row = tuplestore_gettupleslot(rows->store, true, false, rows->slot);
    return rows->at_row;
}

void close_rows(Rows *rows)
{
    ExecDropSingleTupleTableSlot(rows->slot);
}

// Puts columns of a row into bytes.
void pack(Change *change, StringInfo bytes, TupleTableSlot *row, int first, int end)
{
    resetStringInfo(bytes);
    for (int i = first; i < end; i++) {
        AttrNumber column = change->logged->columns[i];
        bool null;
        Datum value = slot_getattr(row, column, &null);
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(change->relation), column - 1);
        if (!null && attribute->attlen == -1
            && static_cast<Size>(bytes->len) + toast_raw_datum_size(value) > largest_image) {
            change->too_large = true;
            return;
        }
        row_image::append(bytes, attribute, value, null);
    }
}

void pack_key(Change *change, TupleTableSlot *row)
{
    pack(change, &change->key, row, 0, change->logged->nkeys);
}

void add_image(Change *change, char kind, TupleTableSlot *row)
{
    pack_key(change, row);
    pack(change, &change->rest, row, change->logged->nkeys, change->logged->ncolumns);
    log_writer::add(&change->writer, kind, &change->key, &change->rest);
}

// Has rows of one kind go into blocks, if a statement changes so many that it is worth while.
void use_blocks(Change *change, char kind, int64 rows)
{
    Logged *logged = change->logged;
    int columns = kind == 'k' ? logged->nkeys : logged->ncolumns;
    if (rows < LEAST_ROWS_OF_BLOCK || columns == 0 || change->block != nullptr)
        return;
    change->block = static_cast<RowBlock *>(palloc(sizeof(RowBlock)));
    *change->block = row_block::make(kind, logged->nkeys, columns, RelationGetDescr(change->relation), logged->columns);
}

// Adds a row to the block; false if it does not fit in.
bool add_to_block(Change *change, TupleTableSlot *row)
{
    if (!row_block::add(change->block, row))
        return false;
    log_writer::add_if_full(&change->writer, change->block);
    return true;
}

// Logs the image of a row, in a block if there is one for rows of that kind.
void add_row(Change *change, char kind, TupleTableSlot *row)
{
    if (change->block == nullptr || change->block->kind != kind || !add_to_block(change, row))
        add_image(change, kind, row);
}

int64 integer_key(Logged *logged, TupleTableSlot *row)
{
    bool null;
    Datum value = slot_getattr(row, logged->columns[0], &null);
    return logged->key_width == 2   ? DatumGetInt16(value)
           : logged->key_width == 4 ? DatumGetInt32(value)
                                    : DatumGetInt64(value);
}

// Logs an inserted row by its key.
void add_inserted(Change *change, TupleTableSlot *row)
{
    if (change->logged->key_width != 0) {
        log_writer::add_integer(&change->writer, integer_key(change->logged, row));
        return;
    }
    if (change->block != nullptr && add_to_block(change, row))
        return;
    pack_key(change, row);
    log_writer::add(&change->writer, 'k', &change->key, nullptr);
}

// Whether two rows have the same image in the logged columns from first on.
bool same(Change *change, TupleTableSlot *a, TupleTableSlot *b, int first, int end)
{
    for (int i = first; i < end; i++) {
        AttrNumber column = change->logged->columns[i];
        bool a_null, b_null;
        Datum a_value = slot_getattr(a, column, &a_null);
        Datum b_value = slot_getattr(b, column, &b_null);
        if (!image::same(TupleDescAttr(RelationGetDescr(change->relation), column - 1), a_value,
                         a_null, b_value, b_null))
            return false;
    }
    return true;
}

bool same_key(Change *change, TupleTableSlot *a, TupleTableSlot *b)
{
    return same(change, a, b, 0, change->logged->nkeys);
}

// Whether any row of an UPDATE got another key.
bool changes_keys(Change *change, TriggerData *trigger)
{
    Rows olds = open_rows(change->relation, trigger->tg_oldtable);
    Rows news = open_rows(change->relation, trigger->tg_newtable);
    bool changed = false;

    while (!changed && (static_cast<int>(next(&olds)) | static_cast<int>(next(&news)))) {
        CHECK_FOR_INTERRUPTS();
        changed = !olds.at_row || !news.at_row || !same_key(change, olds.slot, news.slot);
    }
    close_rows(&olds);
    close_rows(&news);
    return changed;
}

int64 count_of(Tuplestorestate *store)
{
    return store ? tuplestore_tuple_count(store) : 0;
}

// Logs an UPDATE.  Its rows are paired by their places as long as their keys
// agree.  Where keys change, an old and a new row may have the same key and not
// belong together, in any order: then old and new images are logged, as of
// nested statements.  single: it is one row, of which that is still to be found out.
void add_updated(Change *change, TriggerData *trigger, bool single)
{
    Rows olds = open_rows(change->relation, trigger->tg_oldtable);
    Rows news = open_rows(change->relation, trigger->tg_newtable);
    Logged *logged = change->logged;

    use_blocks(change, 'o', count_of(trigger->tg_oldtable));
    while (static_cast<int>(next(&olds)) | static_cast<int>(next(&news))) {
        CHECK_FOR_INTERRUPTS();
        if (single)
            change->writer.nested |= !olds.at_row || !news.at_row || !same_key(change, olds.slot, news.slot);
        if (olds.at_row && news.at_row && same_key(change, olds.slot, news.slot)
            && same(change, olds.slot, news.slot, logged->nkeys, logged->ncolumns))
            continue;
        if (olds.at_row)
            add_row(change, 'o', olds.slot);
        if (news.at_row && change->writer.nested)
            add_image(change, 'n', news.slot);
    }
    close_rows(&olds);
    close_rows(&news);
}

void add_all(Change *change, Tuplestorestate *store, char kind)
{
    if (store == nullptr)
        return;
    Rows rows = open_rows(change->relation, store);
    if (kind != 'k' || change->logged->key_width == 0)
        use_blocks(change, kind, count_of(store));
    while (next(&rows)) {
        CHECK_FOR_INTERRUPTS();
        if (kind == 'k')
            add_inserted(change, rows.slot);
        else
            add_row(change, kind, rows.slot);
    }
    close_rows(&rows);
}

// The rows that a statement has changed.
int64 changed_rows(TriggerData *trigger)
{
    int64 noted = TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? deleted_rows::noted(RelationGetRelid(trigger->tg_relation)) : 0;
    return noted + Max(count_of(trigger->tg_oldtable), count_of(trigger->tg_newtable));
}

// Whether the trigger has the transition tables that its event takes.
bool has_rows(TriggerData *trigger)
{
    TriggerEvent event = trigger->tg_event;
    return (trigger->tg_oldtable != nullptr || TRIGGER_FIRED_BY_INSERT(event))
           && (trigger->tg_newtable != nullptr || TRIGGER_FIRED_BY_DELETE(event));
}

// Logs the rows of a DELETE: those that were noted, and those in its transition table.
void add_deleted(Change *change, TriggerData *trigger)
{
    char kind = change->writer.nested ? 'o' : 'd';
    auto add = [](TupleTableSlot *row, void *context) {
        auto *to = static_cast<Change *>(context);
        add_row(to, to->writer.nested ? 'o' : 'd', row);
    };
    use_blocks(change, kind, changed_rows(trigger));
    deleted_rows::take(change->relation, add, change);
    add_all(change, trigger->tg_oldtable, kind);
}

Change start(Relation relation, Logged *logged, bool nested)
{
    Change change{};
    change.relation = relation;
    change.logged = logged;
    change.writer = log_writer::start(logged->source, logged->layout, nested);
    initStringInfo(&change.key);
    initStringInfo(&change.rest);
    return change;
}

void finish(Change *change)
{
    if (change->block != nullptr)
        log_writer::add_block(&change->writer, change->block);
    log_writer::finish(&change->writer);
    pfree(change->key.data);
    pfree(change->rest.data);
}

CmdType kind_of(TriggerEvent event)
{
    return TRIGGER_FIRED_BY_INSERT(event)   ? CMD_INSERT
           : TRIGGER_FIRED_BY_UPDATE(event) ? CMD_UPDATE
                                            : CMD_DELETE;
}

void warn_once(Relation relation, Logged *logged)
{
    if (logged->warned)
        return;
    logged->warned = true;
    ereport(WARNING,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("changes of table \"%s\" cannot be logged row by row: %s",
                    RelationGetRelationName(relation), logged->problem),
             errhint("Materialized views that read it are refreshed in full until refresh_mv.track() is called again.")));
}

// Whether rows of an UPDATE may be missing in its transition tables, and are told nowhere else
// (merge_moves.hpp).  The row triggers on partitions have counted them.
bool misses_rows(TriggerData *trigger, Logged *logged)
{
    int64 counted = open_statements::counted_rows(logged->source);
    return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && logged->partitioned
           && ((counted != count_of(trigger->tg_oldtable) && !open_statements::are_moves_told(logged->source))
               || (count_of(trigger->tg_newtable) > 0 && merge_moves::may_mistake_rows(logged->source)));
}

constexpr char coarse_reason[] = "changes are captured coarsely";

// Why the rows of a statement cannot be logged; null if they can.
const char *obstacle(Relation relation, Logged *logged, TriggerData *trigger)
{
    if (logged->coarse)
        return coarse_reason;
    if (!logged->exact || (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) && !has_rows(trigger)))
        return "changes of the table cannot be logged row by row";
    if (logged->problem != nullptr) {
        warn_once(relation, logged);
        return logged->problem;
    }
    if (changed_rows(trigger) > capture::most_rows)
        return "a statement changed more rows than refresh_mv.max_logged_rows";
    return nullptr;
}

// Logs the rows of a statement; returns why that is not possible, or null.
const char *log_rows(TriggerData *trigger, Logged *logged, bool nested)
{
    CmdType kind = kind_of(trigger->tg_event);
    Change change = start(trigger->tg_relation, logged, nested);

    bool single = changed_rows(trigger) == 1 && !logged->partial;
    if (kind == CMD_UPDATE && !nested && !single)
        change.writer.nested = changes_keys(&change, trigger);
    if (change.writer.nested && logged->partial)
        return "nested statements or changed keys, on a partitioned table with generated columns";
    if (kind == CMD_UPDATE)
        add_updated(&change, trigger, single);
    else if (kind == CMD_DELETE)
        add_deleted(&change, trigger);
    else
        add_all(&change, trigger->tg_newtable, change.writer.nested ? 'n' : 'k');
    if (change.too_large)
        return "an image of a row is too large";
    finish(&change);
    return nullptr;
}

// Logs "everything" for a row, once for all rows of a command: nothing that was done
// before it can be seen apart from what was done by it.
void log_everything_for_row(Oid source, const char *reason)
{
    static struct {
        FullTransactionId xid;
        SubTransactionId subid;
        CommandId command;
        Oid source;
    } last;
    FullTransactionId xid = GetTopFullTransactionId();
    SubTransactionId subid = GetCurrentSubTransactionId();
    CommandId command = GetCurrentCommandId(false);

    if (FullTransactionIdEquals(last.xid, xid) && last.subid == subid && last.command == command
        && last.source == source)
        return;
    log_writer::everything(source, reason);
    last = {xid, subid, command, source};
}

// Logs that rows of a chunk were changed without a statement on its hypertable, whose oid
// is the trigger's second argument.
void log_chunk(TriggerData *trigger, Logged *logged)
{
    Oid source = atooid(trigger->tg_trigger->tgargs[1]);

    touched::note(source, logged->on_commit);
    log_everything_for_row(source, "rows of a chunk were changed by its own name");
}

// Logs a row that was deleted from a hypertable, by a statement on that or on its chunk; in
// the latter case something else may be going on there in any order.
void log_deleted_row(TriggerData *trigger, Logged *logged)
{
    Oid source = atooid(trigger->tg_trigger->tgargs[1]);

    if (!open_statements::is_open(source, CMD_DELETE) || !logged->exact || logged->problem != nullptr) {
        log_chunk(trigger, logged);
        return;
    }
    touched::note(source, logged->on_commit);
    Change change = start(trigger->tg_relation, logged, true);
    change.writer.source = source;
    add_image(&change, 'o', trigger->tg_trigslot);
    if (change.too_large)
        log_writer::everything(source, "an image of a row is too large");
    finish(&change);
}

// Logs that something was written to a table of which no view needs rows: once in a transaction, but again after
// what may have been rolled back, and after a refresh, which has seen it.
void log_written(Oid source)
{
    constexpr int most = 16;
    struct Written {
        FullTransactionId xid;
        SubTransactionId subid;
        CommandId command;
        Oid source;
    };
    static Written last[most];
    static int next = 0;
    FullTransactionId xid = GetTopFullTransactionId();
    SubTransactionId subid = GetCurrentSubTransactionId();

    for (const Written &written : last)
        if (FullTransactionIdEquals(written.xid, xid) && written.source == source
            && (written.subid == subid || written.subid == TopSubTransactionId)
            && !registry::baseline_has_seen(written.command))
            return;
    log_writer::everything(source, coarse_reason);
    last[next++ % most] = {xid, subid, GetCurrentCommandId(false), source};
}

// Logs a statement that is at its end.  If it is one of a trigger on rows that are applied
// one by one, its order among these is not known: all is nested there.
void log_at_end(TriggerData *trigger, Logged *logged)
{
    CmdType kind = kind_of(trigger->tg_event);
    if (open_statements::is_by_rows(logged->source, kind)) { // they have been logged
        open_statements::end(logged->source, kind);
        return;
    }
    if (logged->coarse && !logged->hypertable && !logged->in_tree) {
        touched::note(logged->source, logged->on_commit);
        open_statements::end(logged->source, kind);
        log_written(logged->source);
        return;
    }
    bool elsewhere = (logged->hypertable || logged->in_tree)
                     && !open_statements::tell_rows(logged->source, changed_rows(trigger));
    bool missing = misses_rows(trigger, logged) || elsewhere;
    bool by_rows = logged->hypertable && kind == CMD_DELETE; // they have been logged

    if ((has_rows(trigger) || by_rows) && changed_rows(trigger) == 0 && !missing) {
        open_statements::end(logged->source, kind);
        return;
    }
    touched::note(logged->source, logged->on_commit);
    const char *reason = obstacle(trigger->tg_relation, logged, trigger);
    if (reason == nullptr && elsewhere)
        reason = logged->in_tree ? "rows were changed by a statement on a parent at the same time"
                                 : "rows of a chunk were changed by its own name";
    if (reason == nullptr && missing)
        reason = "rows were moved between partitions, or refused by a trigger, in a way that is not told";
    bool nested = open_statements::is_nested(logged->source, kind) || replica::is_amidst_rows();
    if (reason == nullptr)
        reason = log_rows(trigger, logged, nested);
    open_statements::end(logged->source, kind);
    if (reason != nullptr)
        log_writer::everything(logged->source, reason);
    log_retention::limit(logged->source, log_writer::take_written());
}

// The command of this transaction that has changed a row; the first, where only the
// heap's rows tell.
CommandId command_of(TriggerData *trigger)
{
    if (trigger->tg_relation->rd_rel->relam != HEAP_TABLE_AM_OID)
        return FirstCommandId;
    if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
        return HeapTupleHeaderGetCmax(trigger->tg_trigtuple->t_data);
    return HeapTupleHeaderGetCmin(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)
                                      ? trigger->tg_newtuple->t_data
                                      : trigger->tg_trigtuple->t_data);
}

// Why a row that was applied cannot be logged; null if it can.
const char *row_obstacle(TriggerData *trigger, Logged *logged)
{
    // by a trigger of somebody else that was called before ours
    if (registry::baseline_has_seen(command_of(trigger)))
        return "a view was refreshed while a row was being applied";
    return obstacle(trigger->tg_relation, logged, trigger);
}

// Counts rows of a command that are logged one by one; whether they are more than shall be logged.
bool too_many_rows(Oid source)
{
    static struct {
        FullTransactionId xid;
        CommandId command;
        Oid source;
        int64 rows;
    } last;
    FullTransactionId xid = GetTopFullTransactionId();
    CommandId command = GetCurrentCommandId(false);
    if (!FullTransactionIdEquals(last.xid, xid) || last.command != command || last.source != source)
        last = {xid, command, source, 0};
    return ++last.rows > capture::most_rows;
}

// Whether an UPDATE of a row has left the logged columns alone.
bool looks_same(TriggerData *trigger, Logged *logged)
{
    Change change{};
    change.relation = trigger->tg_relation;
    change.logged = logged;
    return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && logged->exact && logged->problem == nullptr
           && same(&change, trigger->tg_trigslot, trigger->tg_newslot, 0, logged->ncolumns);
}

// Begins a statement.
void begin(TriggerData *trigger, Logged *logged)
{
    CmdType kind = kind_of(trigger->tg_event);
    Oid source = logged->source;
    bool on_commit = logged->on_commit;
    if (logged->in_tree)
        open_statements::begin_in_tree(source, kind, on_commit, source::top_of(source),
                                       trigger->tg_relation->rd_rel->relhassubclass);
    else
        open_statements::begin(source, kind, on_commit);
}

// Logs a row of which no statement trigger tells: one that those change who apply what another server has sent, or, in
// an inheritance tree, that a statement on a parent changes.
void log_applied_row(TriggerData *trigger, Logged *logged)
{
    CmdType kind = kind_of(trigger->tg_event);
    bool untold = logged->in_tree; // says the trigger's condition

    if (!untold && open_statements::has_row(logged->source))
        return;
    if (untold && looks_same(trigger, logged))
        return;
    touched::note(logged->source, logged->on_commit);
    const char *reason = untold && too_many_rows(logged->source)
                             ? "a statement changed more rows than refresh_mv.max_logged_rows"
                             : row_obstacle(trigger, logged);
    if (reason != nullptr) {
        log_everything_for_row(logged->source, reason);
        return;
    }
    Change change = start(trigger->tg_relation, logged, true);
    add_image(&change, kind == CMD_INSERT ? 'n' : 'o', trigger->tg_trigslot);
    if (kind == CMD_UPDATE)
        add_image(&change, 'n', trigger->tg_newslot);
    if (change.too_large)
        log_writer::everything(logged->source, "an image of a row is too large");
    finish(&change);
    log_retention::limit(logged->source, log_writer::take_written());
}

} // namespace

namespace capture {

int most_rows = 1000000;

void log_change(TriggerData *trigger)
{
    TriggerEvent event = trigger->tg_event;
    Logged *logged = logged_relation::find(trigger->tg_relation, trigger->tg_trigger);

    if (TRIGGER_FIRED_BY_TRUNCATE(event)) {
        touched::note(logged->source, logged->on_commit);
        log_writer::everything(logged->source, "TRUNCATE");
    } else if (TRIGGER_FIRED_FOR_ROW(event) && TRIGGER_FIRED_BEFORE(event)) {
        merge_moves::before_update(logged->source);
        open_statements::count_row(logged->source);
    } else if (TRIGGER_FIRED_FOR_ROW(event) && trigger->tg_trigger->tgnargs > 1
             && TRIGGER_FIRED_BY_DELETE(event))
        log_deleted_row(trigger, logged);
    else if (TRIGGER_FIRED_FOR_ROW(event) && trigger->tg_trigger->tgnargs > 1)
        log_chunk(trigger, logged);
    else if (TRIGGER_FIRED_FOR_ROW(event))
        log_applied_row(trigger, logged);
    else if (TRIGGER_FIRED_BEFORE(event))
        begin(trigger, logged);
    else
        log_at_end(trigger, logged);
}

void log_unfinished(Oid source, bool on_commit)
{
    touched::note(source, on_commit);
    log_writer::everything(source, "a statement was not run to its end");
}

} // namespace capture

} // namespace refresh_mv
