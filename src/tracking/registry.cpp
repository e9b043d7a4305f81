#include "tracking/registry.hpp"

#include "log/log_retention.hpp"
#include "log/log_writer.hpp"
#include "log/touched.hpp"
#include "log/unread.hpp"
#include "query/meaning.hpp"
#include "server/bridge.hpp"
#include "store/own_rows.hpp"
#include "store/statement.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// Tells this lock from others on a source: who holds it saves what is known of it.
constexpr uint16 save_lock_id = 0x7277;


List *returned_names(uint64 row, int column, MemoryContext memory)
{
    bool null;
    Datum array = statement::returned(row, column, &null);
    if (null)
        return NIL;
    MemoryContext old = MemoryContextSwitchTo(memory);
    List *names = statement::names_of(array);
    MemoryContextSwitchTo(old);
    return names;
}

// The oids in the first column of the last statement's rows.
List *returned_oids(MemoryContext memory)
{
    List *oids = NIL;
    MemoryContext old = MemoryContextSwitchTo(memory);
    for (uint64 i = 0; i < SPI_processed; i++)
        oids = lappend_oid(oids, statement::returned_oid(i, 1));
    MemoryContextSwitchTo(old);
    return oids;
}

// The relations that have a source's triggers, by oid.
List *members_of(Oid relation)
{
    List *members = NIL;
    own_rows::Scan scan = own_rows::begin("members", own_rows::Under::active_snapshot, {own_rows::is("relation", relation)});
    while (own_rows::next(&scan)) {
        auto *member = static_cast<Member *>(palloc(sizeof(Member)));
        *member = {own_rows::oid(scan, "member"), own_rows::string(scan, "fingerprint")};
        members = lappend(members, member);
    }
    own_rows::end(&scan);
    list_sort(members, [](const ListCell *a, const ListCell *b) {
        Oid x = static_cast<Member *>(lfirst(a))->relation;
        Oid y = static_cast<Member *>(lfirst(b))->relation;
        return (x > y) - (x < y);
    });
    return members;
}

// A source under the active snapshot; false if it is none.
bool read_source(Oid relation, TrackedSource *source)
{
    own_rows::Scan scan = own_rows::begin("sources", own_rows::Under::active_snapshot, {own_rows::is("relation", relation)});
    bool found = own_rows::next(&scan);
    if (found)
        *source = {relation, own_rows::number(scan, "layout"), own_rows::truth(scan, "exact"),
                   own_rows::truth(scan, "on_commit"), own_rows::oid(scan, "key_index"), own_rows::names(scan, "key"),
                   own_rows::names(scan, "columns"), NIL, NIL, false};
    own_rows::end(&scan);
    if (found)
        source->members = members_of(relation);
    return found;
}

// Calls read() with the newest snapshot as the active one, for whoever goes by the tables as
// they are now, and returns its result.
template <class Read>
auto as_of_now(Read read)
{
    CommandCounterIncrement();
    PushActiveSnapshot(GetTransactionSnapshot());
    auto result = read();
    PopActiveSnapshot();
    return result;
}

// Changes rows of a table by a query of one oid.
void change(const char *table, const char *sql, Oid oid)
{
    SPI_connect();
    statement::change(table, sql, statement::Values().oid(oid));
    SPI_finish();
}

} // namespace

namespace registry {

List *sources_of(Oid view)
{
    List *sources = NIL;
    own_rows::Scan scan = own_rows::begin("tracked", own_rows::Under::active_snapshot, {own_rows::is("view", view)});
    while (own_rows::next(&scan)) {
        auto *source = static_cast<TrackedSource *>(palloc(sizeof(TrackedSource)));
        if (!read_source(own_rows::oid(scan, "relation"), source))
            continue;
        source->used = own_rows::names(scan, "columns");
        source->coarse = own_rows::truth(scan, "coarse");
        sources = lappend(sources, source);
    }
    own_rows::end(&scan);
    return sources;
}

List *sources_now(Oid view)
{
    return as_of_now([&] { return sources_of(view); });
}

// The baseline in a view's row of state.
static Standing read_baseline(Oid view)
{
    Standing standing{};
    bool none = true;
    own_rows::Scan scan = own_rows::begin("state", own_rows::Under::active_snapshot, {own_rows::is("view", view)});
    if (own_rows::next(&scan)) {
        own_rows::value(scan, "snapshot", &none);
        standing.experience = {own_rows::real(scan, "full_ms"), own_rows::real(scan, "full_rows"), own_rows::real(scan, "exact_ms"),
                               own_rows::real(scan, "exact_rate"), own_rows::real(scan, "change_ms")};
    }
    if (!none) {
        standing.baseline = true;
        standing.settings = own_rows::string(scan, "settings");
        standing.meaning = own_rows::string(scan, "uses");
        standing.groups = own_rows::string(scan, "groups");
        standing.files = own_rows::string(scan, "files");
        standing.kept = own_rows::string(scan, "kept");
        bool timeless;
        standing.as_of.transaction = DatumGetTimestampTz(own_rows::value(scan, "as_of", &timeless));
        standing.as_of.statement = DatumGetTimestampTz(own_rows::value(scan, "as_of_statement", &none));
        standing.timed = !timeless && !none;
    }
    own_rows::end(&scan);
    return standing;
}

// What has been counted of entries about a relation, which have that layout if they are of use.
struct Count {
    Standing *standing;
    const char *of; // the name of the relation; null: they are about the view itself
    int64 layout;
    MemoryContext memory;
};

static bool count_entry(const UnreadEntry &entry, void *context)
{
    auto *count = static_cast<Count *>(context);
    Standing *standing = count->standing;

    standing->entries++;
    if (!entry.is_new)
        return true;
    standing->pending += entry.records;
    if (standing->oldest == 0 || entry.at < standing->oldest)
        standing->oldest = entry.at;
    if (entry.data != nullptr && entry.layout == count->layout)
        return true;
    const char *what = entry.data != nullptr     ? "other columns are logged now"
                       : entry.reason != nullptr ? entry.reason
                                                 : "something has changed";
    const char *reason = count->of != nullptr ? psprintf("%s (%s)", what, count->of) : what;
    // Of several the same one that refresh_mv.status shows.
    if (standing->reason == nullptr
        || varstr_cmp(reason, static_cast<int>(strlen(reason)), standing->reason,
                      static_cast<int>(strlen(standing->reason)), DEFAULT_COLLATION_OID) < 0)
        standing->reason = MemoryContextStrdup(count->memory, reason);
    return true;
}

Standing standing(Oid view, List *sources)
{
    Standing standing = read_baseline(view);
    ListCell *cell;

    if (!standing.baseline)
        return standing;
    ReadMark mark = unread::baseline_of(view);
    foreach (cell, sources) {
        auto *source = static_cast<TrackedSource *>(lfirst(cell));
        Count count = {&standing, get_rel_name(source->relation), source->layout, CurrentMemoryContext};
        unread::each(mark, source->relation, count_entry, &count);
    }
    Count itself = {&standing, nullptr, 0, CurrentMemoryContext};
    unread::each(mark, view, count_entry, &itself);
    return standing;
}

// Entries come in the order in which they were written.
static bool stop_at_new(const UnreadEntry &entry, void *context)
{
    auto *oldest = static_cast<TimestampTz *>(context);
    if (!entry.is_new)
        return true;
    if (*oldest == 0 || entry.at < *oldest)
        *oldest = entry.at;
    return false;
}

TimestampTz oldest_change(Oid view, bool *baseline, TimestampTz *as_of)
{
    Standing standing = read_baseline(view);
    TimestampTz oldest = 0;
    ListCell *cell;

    *baseline = standing.baseline;
    *as_of = standing.timed ? standing.as_of.transaction : 0;
    if (!standing.baseline)
        return 0;
    ReadMark mark = unread::baseline_of(view);
    foreach (cell, sources_of(view))
        unread::each(mark, static_cast<TrackedSource *>(lfirst(cell))->relation, stop_at_new, &oldest);
    unread::each(mark, view, stop_at_new, &oldest);
    return oldest;
}

bool source(Oid relation, TrackedSource *source)
{
    return as_of_now([&] { return read_source(relation, source); });
}

void touch(Oid relation)
{
    TrackedSource tracked;
    if (source(relation, &tracked))
        touched::note(relation, tracked.on_commit);
}

// The last command that was there to be seen when the last baseline was saved.
static struct {
    FullTransactionId xid;
    CommandId command;
} last_seen;

bool baseline_has_seen(CommandId command)
{
    return FullTransactionIdEquals(last_seen.xid, GetTopFullTransactionIdIfAny()) && command <= last_seen.command;
}

void save_baseline(Oid view, const Circumstances &circumstances, bool raise_floor)
{
    // The position is read before the next transaction id: entries below it
    // belong to transactions before that one.
    int64 position = log_writer::position();
    auto values = statement::Values()
                      .oid(view)
                      .add(PG_SNAPSHOTOID, DirectFunctionCall1(pg_current_snapshot, 0))
                      .xid8(GetTopFullTransactionId())
                      .int8(position)
                      .xid8(ReadNextFullTransactionId())
                      .text(circumstances.settings)
                      .boolean(raise_floor)
                      .text(circumstances.meaning)
                      .text(circumstances.groups)
                      .text(circumstances.files)
                      .float8(circumstances.experience.full_ms)
                      .float8(circumstances.experience.exact_ms)
                      .float8(circumstances.experience.exact_rate)
                      .float8(circumstances.experience.change_ms)
                      .float8(circumstances.experience.full_rows)
                      .boolean(circumstances.timed)
                      .text(circumstances.kept);

    last_seen = {GetTopFullTransactionId(), GetCurrentCommandId(false)};
    static SPIPlanPtr plan = nullptr;
    SPI_connect();
    statement::change(
        &plan, "state",
        "WITH o AS (SELECT ctid, floor_seq, next_floor, next_xid FROM refresh_mv.state"
        " WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE)"
        " SELECT o.ctid, $1 AS view, pg_catalog.now() AS merged_at, $2 AS snapshot,"
        " $3 AS own_xid, $4 AS own_seq, $6 AS settings, $8 AS uses, $9 AS groups, $10 AS files, $11 AS full_ms, $12 AS exact_ms, $13 AS exact_rate,"
        " $14 AS change_ms, $15 AS full_rows,"
        " CASE WHEN $16 THEN pg_catalog.now() END AS as_of,"
        " CASE WHEN $16 THEN pg_catalog.statement_timestamp() END AS as_of_statement, $17 AS kept,"
        " CASE WHEN f.reached THEN o.next_floor ELSE coalesce(o.floor_seq, 0) END AS floor_seq,"
        " CASE WHEN f.reached OR o.next_xid IS NULL THEN $4 ELSE o.next_floor END AS next_floor,"
        " CASE WHEN f.reached OR o.next_xid IS NULL THEN $5 ELSE o.next_xid END AS next_xid"
        " FROM (SELECT) n LEFT JOIN o ON true CROSS JOIN LATERAL (VALUES ($7 AND coalesce("
        "pg_catalog.pg_snapshot_xmin($2) OPERATOR(pg_catalog.>=) o.next_xid, false))) f (reached)",
        values);
    SPI_finish();
}

// Where the row of a view's state is; an invalid place if there is none.
static ItemPointerData place_of_state(Oid view, own_rows::Under snapshot)
{
    ItemPointerData place;
    ItemPointerSetInvalid(&place);
    own_rows::Scan scan = own_rows::begin("state", snapshot, {own_rows::is("view", view)});
    if (own_rows::next(&scan))
        place = scan.tuple->t_self;
    own_rows::end(&scan);
    return place;
}

bool shows_last_baseline(Oid view)
{
    ItemPointerData shown = place_of_state(view, own_rows::Under::active_snapshot);
    ItemPointerData newest = place_of_state(view, own_rows::Under::newest_snapshot);
    return ItemPointerIsValid(&shown) == ItemPointerIsValid(&newest)
           && (!ItemPointerIsValid(&shown) || ItemPointerEquals(&shown, &newest));
}

void follow_file(Oid relation, const char *before, const char *now)
{

    SPI_connect();
    statement::change("state",
                   "SELECT s.ctid, pg_catalog.replace(s.files, $2, $3) AS files FROM refresh_mv.state s"
                   " JOIN refresh_mv.tracked t ON t.view OPERATOR(pg_catalog.=) s.view"
                   " WHERE t.relation OPERATOR(pg_catalog.=) $1 AND pg_catalog.strpos(s.files, $2)"
                   " OPERATOR(pg_catalog.>) 0 FOR UPDATE OF s",
                   statement::Values().oid(relation).text(before).text(now));
    SPI_finish();
}

void drop_baseline(Oid view)
{
    change("state",
           "SELECT ctid, NULL::pg_catalog.pg_snapshot AS snapshot FROM refresh_mv.state"
           " WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE",
           view);
}

void give_up_baseline(Oid view, const char *reason)
{

    SPI_connect();
    statement::execute("SELECT 1 FROM refresh_mv.state WHERE view OPERATOR(pg_catalog.=) $1"
                    " AND snapshot IS NOT NULL AND NOT EXISTS (SELECT FROM refresh_mv.unread u"
                    " WHERE u.view OPERATOR(pg_catalog.=) $1 AND u.is_new AND u.data IS NULL)",
                    statement::Values().oid(view), SPI_OK_SELECT);
    if (SPI_processed > 0)
        log_writer::baseline_lost(view, reason);
    SPI_finish();
}

// The names of columns given by number.
static List *column_names(Oid relation, Bitmapset *columns)
{
    List *names = NIL;
    int column = -1;
    while ((column = bms_next_member(columns, column)) >= 0)
        names = lappend(names, get_attname(relation, static_cast<AttrNumber>(column), false));
    return names;
}

void save_uses(Oid view)
{
    Relation relation = table_open(view, NoLock);
    int count;
    meaning::Object *objects = meaning::objects(relation, &count);
    table_close(relation, NoLock);

    SPI_connect();
    statement::change("uses", "SELECT ctid FROM refresh_mv.uses WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE",
                   statement::Values().oid(view));
    for (int i = 0; i < count; i++) {
        statement::change("uses", "SELECT NULL::pg_catalog.tid, $1 AS view, $2 AS classid, $3 AS objid",
                       statement::Values().oid(view).oid(objects[i].catalog).oid(objects[i].oid));
    }
    SPI_finish();
}

void save_view(Oid view, List *sources, bool on_commit, bool coarse)
{
    ListCell *cell;

    SPI_connect();
    foreach (cell, sources) {
        auto *source = static_cast<Source *>(lfirst(cell));
        statement::change("tracked",
                       "WITH o AS (SELECT ctid, since FROM refresh_mv.tracked"
                       " WHERE view OPERATOR(pg_catalog.=) $1 AND relation OPERATOR(pg_catalog.=) $2 FOR UPDATE)"
                       " SELECT o.ctid, $1 AS view, $2 AS relation, $3 AS columns, $4 AS on_commit, $5 AS coarse,"
                       " coalesce(o.since, pg_catalog.now()) AS since FROM (SELECT) n LEFT JOIN o ON true",
                       statement::Values().oid(view).oid(source->relation).texts(column_names(source->relation, source->columns)).boolean(on_commit).boolean(coarse));
    }
    SPI_finish();
    save_uses(view);
}

List *forget_view(Oid view)
{
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    statement::change("uses", "SELECT ctid FROM refresh_mv.uses WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE",
                   statement::Values().oid(view));
    statement::execute("SELECT relation FROM refresh_mv.tracked WHERE view OPERATOR(pg_catalog.=) $1",
                    statement::Values().oid(view), SPI_OK_SELECT);
    List *sources = returned_oids(memory);
    statement::change("tracked",
                   "SELECT ctid FROM refresh_mv.tracked WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE",
                   statement::Values().oid(view));
    SPI_finish();
    return sources;
}

List *used_columns(Oid relation, bool *on_commit, bool *coarse)
{
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    statement::execute("SELECT pg_catalog.array_agg(DISTINCT c.name)"
                    " FILTER (WHERE c.name IS NOT NULL), pg_catalog.bool_or(t.on_commit),"
                    " coalesce(pg_catalog.bool_and(t.coarse), false)"
                    " FROM refresh_mv.tracked t"
                    " LEFT JOIN LATERAL pg_catalog.unnest(t.columns) AS c (name) ON true"
                    " WHERE t.relation OPERATOR(pg_catalog.=) $1",
                    statement::Values().oid(relation), SPI_OK_SELECT);
    List *names = returned_names(0, 1, memory);
    *on_commit = statement::returned_bool(0, 2);
    *coarse = statement::returned_bool(0, 3);
    SPI_finish();
    return names;
}

int64 count_readers(Oid relation)
{

    SPI_connect();
    statement::execute("SELECT pg_catalog.count(*) FROM refresh_mv.tracked"
                    " WHERE relation OPERATOR(pg_catalog.=) $1",
                    statement::Values().oid(relation), SPI_OK_SELECT);
    int64 count = statement::returned_int64(0, 1);
    SPI_finish();
    return count;
}

void save_source(const TrackedSource &source)
{
    // Whoever saves the same source waits, and then finds the rows that we leave.
    LockDatabaseObject(RelationRelationId, source.relation, save_lock_id, ExclusiveLock);
    ListCell *cell;

    SPI_connect();
    statement::change("sources",
                   "WITH o AS (SELECT ctid FROM refresh_mv.sources"
                   " WHERE relation OPERATOR(pg_catalog.=) $1 FOR UPDATE)"
                   " SELECT (SELECT o.ctid FROM o), $1 AS relation, $2 AS layout, $3 AS exact,"
                   " $4 AS on_commit, $5 AS key_index, $6 AS key, $7 AS columns",
                   statement::Values().oid(source.relation).int8(source.layout).boolean(source.exact).boolean(source.on_commit).oid(source.key_index).texts(source.key).texts(source.columns));
    SPI_finish();
    change("members", "SELECT ctid FROM refresh_mv.members WHERE relation OPERATOR(pg_catalog.=) $1 FOR UPDATE",
           source.relation);
    SPI_connect();
    foreach (cell, source.members) {
        auto *member = static_cast<Member *>(lfirst(cell));
        statement::change("members",
                       "WITH o AS (SELECT ctid FROM refresh_mv.members"
                       " WHERE member OPERATOR(pg_catalog.=) $1 FOR UPDATE)"
                       " SELECT (SELECT o.ctid FROM o), $1 AS member, $2 AS relation, $3 AS fingerprint",
                       statement::Values().oid(member->relation).oid(source.relation).text(member->fingerprint));
    }
    SPI_finish();
}

void forget_source(Oid relation)
{
    change("sources", "SELECT ctid FROM refresh_mv.sources WHERE relation OPERATOR(pg_catalog.=) $1 FOR UPDATE",
           relation);
    change("members", "SELECT ctid FROM refresh_mv.members WHERE relation OPERATOR(pg_catalog.=) $1 FOR UPDATE",
           relation);
    log_retention::forget(relation);
}

bool has_baselines(Oid relation)
{

    SPI_connect();
    statement::execute("SELECT 1 FROM refresh_mv.tracked t JOIN refresh_mv.state s"
                    " ON s.view OPERATOR(pg_catalog.=) t.view"
                    " WHERE t.relation OPERATOR(pg_catalog.=) $1 AND s.snapshot IS NOT NULL",
                    statement::Values().oid(relation), SPI_OK_SELECT);
    bool found = SPI_processed > 0;
    SPI_finish();
    return found;
}

List *unread_sources()
{
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    for (const char *table : {"tracked", "uses", "state", "feed_entries"})
        statement::change(table,
                       psprintf("SELECT ctid FROM refresh_mv.%s WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c"
                                " WHERE c.oid OPERATOR(pg_catalog.=) view) FOR UPDATE", table),
                       statement::Values());
    statement::execute("SELECT s.relation FROM refresh_mv.sources s WHERE NOT EXISTS"
                    " (SELECT FROM refresh_mv.tracked t"
                    " WHERE t.relation OPERATOR(pg_catalog.=) s.relation)",
                    statement::Values(), SPI_OK_SELECT);
    List *sources = returned_oids(memory);
    SPI_finish();
    return sources;
}

List *stray_tables()
{
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    statement::execute("SELECT DISTINCT g.tgrelid FROM pg_catalog.pg_trigger g"
                    " WHERE g.tgfoid OPERATOR(pg_catalog.=) 'refresh_mv.log_change'::pg_catalog.regproc"
                    " AND pg_catalog.starts_with(g.tgname::pg_catalog.text, 'refresh_mv_')"
                    " AND NOT EXISTS (SELECT FROM refresh_mv.members m"
                    " WHERE m.member OPERATOR(pg_catalog.=) g.tgrelid)"
                    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i" // of a chunk
                    " JOIN refresh_mv.members m ON m.member OPERATOR(pg_catalog.=) i.inhparent"
                    " WHERE i.inhrelid OPERATOR(pg_catalog.=) g.tgrelid"
                    " AND pg_catalog.starts_with(g.tgname::pg_catalog.text, 'refresh_mv_chunk'))",
                    statement::Values(), SPI_OK_SELECT);
    List *tables = returned_oids(memory);
    SPI_finish();
    return tables;
}

OnCommitView *on_commit_views(List *relations, List *changed_views, int *count)
{
    static SPIPlanPtr plan = nullptr;
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    statement::read(&plan,
                 "WITH RECURSIVE wanted AS (SELECT o.view FROM refresh_mv.tracked o"
                 " WHERE o.on_commit AND (o.relation OPERATOR(pg_catalog.=) ANY ($1)"
                 " OR o.view OPERATOR(pg_catalog.=) ANY ($2))"
                 " UNION SELECT o.view FROM wanted w, refresh_mv.tracked o"
                 " WHERE o.on_commit AND o.relation OPERATOR(pg_catalog.=) w.view)"
                 " SELECT t.view, t.relation FROM wanted w, refresh_mv.tracked t"
                 " WHERE t.view OPERATOR(pg_catalog.=) w.view",
                 statement::Values().oids(relations).oids(changed_views));
    *count = static_cast<int>(SPI_processed);
    auto *views = static_cast<OnCommitView *>(
        MemoryContextAlloc(memory, sizeof(OnCommitView) * (SPI_processed + 1)));
    for (int i = 0; i < *count; i++)
        views[i] = {statement::returned_oid(static_cast<uint64>(i), 1), statement::returned_oid(static_cast<uint64>(i), 2)};
    SPI_finish();
    return views;
}

} // namespace registry

} // namespace refresh_mv
