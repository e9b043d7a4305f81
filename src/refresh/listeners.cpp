#include "refresh/listeners.hpp"

#include "capture/capture.hpp"
#include "store/feed_entries.hpp"
#include "store/view_names.hpp"
#include "store/view_settings.hpp"

namespace refresh_mv {

namespace {

constexpr char channel[] = "refresh_mv";
// Of the text of a notification; the server takes less than 8000.
constexpr int most_bytes = 7999;
// Of the keys in one.
constexpr uint64 most_keys = 200;
// Of the rows in a part of an entry, about.
constexpr Size part_bytes = 256 * 1024;

// What of a row is told.
using Tell = void (*)(Listeners *, TupleTableSlot *);

} // namespace

struct Listeners {
    Relation view;
    Oid oid;
    int64 run;
    bool notify;
    // the feed
    Interval *keep; // null: there is none
    int64 mark;
    const char *start_over;
    int parts;
    List *gone;
    List *came;
    Size bytes;
    FmgrInfo to_text;
    MemoryContext memory;
    // the keys; null: not all of them are known, or they are too many
    List *keys;
    Size key_bytes;
    bool all_keys;
    PairingKey key;
    TupleDesc key_desc;
};

namespace {

// Makes texts of values what they are, whatever the session's settings; returns the nest level that undoes it.
int begin_texts()
{
    int level = NewGUCNestLevel();
    const char *const options[][2] = {{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"},
                                      {"extra_float_digits", "1"}, {"bytea_output", "hex"}};
    for (const auto &option : options)
        set_config_option(option[0], option[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    return level;
}

// ---- the rows of a diff ----

// Calls tell for each row that will leave: those that go, and the held versions of those that change.
void each_held(Listeners *listeners, Tuplestorestate *rows, TupleDesc desc, Tell tell)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    TupleTableSlot *held = table_slot_create(listeners->view, nullptr);
    bool null;

    tuplestore_rescan(rows);
    while (tuplestore_gettupleslot(rows, true, false, slot)) {
        CHECK_FOR_INTERRUPTS();
        ItemPointer tid = DatumGetItemPointer(slot_getattr(slot, 1, &null));
        if (!table_tuple_fetch_row_version(listeners->view, tid, GetActiveSnapshot(), held))
            elog(ERROR, "a row of materialized view \"%s\" is gone", RelationGetRelationName(listeners->view));
        tell(listeners, held);
    }
    ExecDropSingleTupleTableSlot(held);
    ExecDropSingleTupleTableSlot(slot);
}

// The same for each row that will come.
void each_new(Listeners *listeners, Tuplestorestate *rows, TupleDesc desc, int skip, Tell tell)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(listeners->view), &TTSOpsVirtual);

    tuplestore_rescan(rows);
    while (tuplestore_gettupleslot(rows, true, false, slot)) {
        CHECK_FOR_INTERRUPTS();
        slot_getallattrs(slot);
        diff::store_without_prefix(row, slot, skip);
        tell(listeners, row);
    }
    ExecDropSingleTupleTableSlot(row);
    ExecDropSingleTupleTableSlot(slot);
}

void each(Listeners *listeners, Diff *diff, Tell leaves, Tell comes)
{
    each_held(listeners, diff->gone, diff->gone_desc, leaves);
    each_held(listeners, diff->changed, diff->changed_desc, leaves);
    each_new(listeners, diff->changed, diff->changed_desc, 1, comes);
    each_new(listeners, diff->fresh, RelationGetDescr(listeners->view), 0, comes);
}

// ---- the feed ----

void write_part(Listeners *listeners)
{
    if (listeners->bytes == 0)
        return;
    feed_entries::write_rows(listeners->oid, listeners->mark, ++listeners->parts, listeners->gone, listeners->came);
    listeners->gone = listeners->came = NIL;
    listeners->bytes = 0;
    MemoryContextReset(listeners->memory);
}

List *add_text(Listeners *listeners, List *texts, TupleTableSlot *row)
{
    MemoryContext old = MemoryContextSwitchTo(listeners->memory);
    char *text = OutputFunctionCall(&listeners->to_text, ExecFetchSlotHeapTupleDatum(row));
    listeners->bytes += strlen(text) + 1;
    texts = lappend(texts, text);
    MemoryContextSwitchTo(old);
    return texts;
}

void leave(Listeners *listeners, TupleTableSlot *row)
{
    listeners->gone = add_text(listeners, listeners->gone, row);
    if (listeners->bytes > part_bytes)
        write_part(listeners);
}

void come(Listeners *listeners, TupleTableSlot *row)
{
    listeners->came = add_text(listeners, listeners->came, row);
    if (listeners->bytes > part_bytes)
        write_part(listeners);
}

void write_rows(Listeners *listeners, Diff *diff)
{
    fmgr_info(F_RECORD_OUT, &listeners->to_text);
    listeners->memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv feed", ALLOCSET_DEFAULT_SIZES);
    each(listeners, diff, leave, come);
    write_part(listeners);
    MemoryContextDelete(listeners->memory);
}

void begin_entry(Listeners *listeners, Diff *diff)
{
    bool current;
    listeners->mark = feed_entries::next_mark(listeners->oid, &current);
    if (!current)
        listeners->start_over = "the view had other columns, or another file, before";
    else if (diff->gone_rows + diff->changed_rows + diff->fresh_rows > static_cast<uint64>(capture::most_rows))
        listeners->start_over = "a refresh changed more rows than refresh_mv.max_logged_rows";
    else
        write_rows(listeners, diff);
}

// ---- notifications ----

TupleDesc describe_key(Relation view, PairingKey key)
{
    TupleDesc desc = CreateTemplateTupleDesc(key.count);
    for (int i = 0; i < key.count; i++)
        TupleDescCopyEntry(desc, static_cast<AttrNumber>(i + 1), RelationGetDescr(view), key.columns[i]);
    return BlessTupleDesc(pg::finished(desc));
}

// Adds the key of a row, as a JSON object, unless it is there.
void add_key(Listeners *listeners, TupleTableSlot *row)
{
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    ListCell *cell;

    if (!listeners->all_keys)
        return;
    for (int i = 0; i < listeners->key.count; i++)
        values[i] = slot_getattr(row, listeners->key.columns[i], &nulls[i]);
    HeapTuple key = heap_form_tuple(listeners->key_desc, values, nulls);
    char *json = TextDatumGetCString(DirectFunctionCall1(row_to_json, HeapTupleGetDatum(key)));
    foreach (cell, listeners->keys)
        if (strcmp(static_cast<char *>(lfirst(cell)), json) == 0)
            return;
    listeners->keys = lappend(listeners->keys, json);
    listeners->key_bytes += strlen(json) + 1;
    listeners->all_keys = listeners->key_bytes < most_bytes;
}

void note_keys(Listeners *listeners, Diff *diff, PairingKey key)
{
    uint64 changes = diff->gone_rows + diff->changed_rows + diff->fresh_rows;
    if (key.count == 0 || key.count > INDEX_MAX_KEYS || changes > most_keys)
        return;
    listeners->key = key;
    listeners->key_desc = describe_key(listeners->view, key);
    listeners->all_keys = true;
    each(listeners, diff, add_key, add_key);
}

// The beginning of a notification, up to the number of the run.
void begin_text(StringInfo text, Oid view, int64 run, const char *method)
{
    ViewName name = view_names::of(view);
    initStringInfo(text);
    appendStringInfoString(text, "{\"view\": ");
    escape_json(text, quote_qualified_identifier(name.schema, name.view));
    if (run == 0)
        appendStringInfoString(text, ", \"run\": null");
    else
        appendStringInfo(text, ", \"run\": " INT64_FORMAT, run);
    appendStringInfo(text, ", \"method\": \"%s\"", method);
}

void append_keys(StringInfo text, const Listeners *listeners)
{
    ListCell *cell;
    int before = text->len;

    if (!listeners->all_keys)
        return;
    appendStringInfoString(text, ", \"keys\": [");
    foreach (cell, listeners->keys)
        appendStringInfo(text, "%s%s", foreach_current_index(cell) == 0 ? "" : ", ", static_cast<char *>(lfirst(cell)));
    appendStringInfoChar(text, ']');
    if (text->len >= most_bytes) { // the brace is yet to come
        text->len = before;
        text->data[before] = '\0';
    }
}

void append_mark(StringInfo text, int64 mark)
{
    if (mark != 0)
        appendStringInfo(text, ", \"mark\": " INT64_FORMAT, mark);
}

void send(StringInfo text)
{
    appendStringInfoChar(text, '}');
    Async_Notify(channel, text->data);
}

// Writes an entry that says "start over", and removes what is too old.
int64 start_over(Oid view, Interval *keep, int64 run, const char *reason)
{
    bool current;
    int64 mark = feed_entries::next_mark(view, &current);
    feed_entries::write_head(view, mark, run, reason);
    if (!IsolationUsesXactSnapshot())
        feed_entries::purge(view, keep);
    return mark;
}

} // namespace

namespace listeners {

Listeners *begin(const OpenView &view, Diff *diff, PairingKey key)
{
    if ((!view.settings.notify && view.settings.feed_keep == nullptr)
        || diff->gone_rows + diff->changed_rows + diff->fresh_rows == 0)
        return nullptr;
    auto *listeners = static_cast<Listeners *>(palloc0(sizeof(Listeners)));
    listeners->view = view.relation;
    listeners->oid = RelationGetRelid(view.relation);
    listeners->run = view.run;
    listeners->notify = view.settings.notify;
    listeners->keep = view.settings.feed_keep;
    int level = begin_texts();
    if (listeners->keep != nullptr)
        begin_entry(listeners, diff);
    if (listeners->notify)
        note_keys(listeners, diff, key);
    AtEOXact_GUC(false, level);
    return listeners;
}

void finish(Listeners *listeners, Method method, const RowCounts &rows)
{
    StringInfoData text;

    if (listeners == nullptr)
        return;
    if (listeners->keep != nullptr) {
        feed_entries::write_head(listeners->oid, listeners->mark, listeners->run, listeners->start_over);
        if (!IsolationUsesXactSnapshot())
            feed_entries::purge(listeners->oid, listeners->keep);
    }
    if (!listeners->notify)
        return;
    begin_text(&text, listeners->oid, listeners->run, name_of(method));
    appendStringInfo(&text, ", \"inserted\": " UINT64_FORMAT ", \"updated\": " UINT64_FORMAT ", \"deleted\": " UINT64_FORMAT,
                     rows.inserted, rows.updated, rows.deleted);
    append_mark(&text, listeners->mark);
    append_keys(&text, listeners);
    send(&text);
}

void filled_anew(Oid view, int64 run, const char *reason)
{
    ViewSettings settings = view_settings::read(view);
    StringInfoData text;
    int64 mark = 0;

    if (settings.feed_keep != nullptr)
        mark = start_over(view, settings.feed_keep, run, reason);
    if (!settings.notify)
        return;
    begin_text(&text, view, run, name_of(Method::rebuild));
    appendStringInfoString(&text, ", \"inserted\": null, \"updated\": null, \"deleted\": null");
    append_mark(&text, mark);
    send(&text);
}

void follow_setting(Oid view)
{
    bool current;
    Interval *keep = view_settings::read(view).feed_keep;
    if (keep == nullptr)
        feed_entries::forget(view);
    else if (feed_entries::next_mark(view, &current); !current)
        start_over(view, keep, 0, "the feed begins here");
}

void follow_columns(Oid view)
{
    bool current;
    Interval *keep = view_settings::read(view).feed_keep;
    if (keep == nullptr)
        return;
    feed_entries::next_mark(view, &current);
    if (!current)
        start_over(view, keep, 0, "the view has other columns now");
}

} // namespace listeners

} // namespace refresh_mv
