#include "tracking.hpp"

#include "bridge.hpp"
#include "changelog.hpp"
#include "source.hpp"
#include "tables.hpp"

namespace {

// Tells this lock from others on the log: who holds it deletes entries.
constexpr uint16 delete_lock_id = 0x7276;

const Oid oid_types[] = {OIDOID, OIDOID};

int64 returned_int64(uint64 row, int column)
{
    bool null;
    Datum value = tables::returned(row, column, &null);
    return null ? 0 : DatumGetInt64(value);
}

Oid returned_oid(uint64 row, int column)
{
    bool null;
    return DatumGetObjectId(tables::returned(row, column, &null));
}

bool returned_bool(uint64 row, int column)
{
    bool null;
    Datum value = tables::returned(row, column, &null);
    return !null && DatumGetBool(value);
}

List *returned_names(uint64 row, int column, MemoryContext memory)
{
    bool null;
    Datum array = tables::returned(row, column, &null);
    if (null)
        return NIL;
    MemoryContext old = MemoryContextSwitchTo(memory);
    List *names = tables::names_of(array);
    MemoryContextSwitchTo(old);
    return names;
}

// The oids in the first column of the last statement's rows.
List *returned_oids(MemoryContext memory)
{
    List *oids = NIL;
    MemoryContext old = MemoryContextSwitchTo(memory);
    for (uint64 i = 0; i < SPI_processed; i++)
        oids = lappend_oid(oids, returned_oid(i, 1));
    MemoryContextSwitchTo(old);
    return oids;
}

#define SOURCE_COLUMNS \
    "s.relation, s.layout, s.exact, s.on_commit, s.key_index, s.key, s.columns,"             \
    " ARRAY(SELECT m.member::pg_catalog.text FROM refresh_mv.members m"                      \
    " WHERE m.relation OPERATOR(pg_catalog.=) s.relation ORDER BY m.member),"                \
    " ARRAY(SELECT m.fingerprint FROM refresh_mv.members m"                                  \
    " WHERE m.relation OPERATOR(pg_catalog.=) s.relation ORDER BY m.member)"

List *returned_members(uint64 row, int oids, int fingerprints, MemoryContext memory)
{
    List *relations = returned_names(row, oids, memory);
    List *texts = returned_names(row, fingerprints, memory);
    MemoryContext old = MemoryContextSwitchTo(memory);
    List *members = NIL;
    ListCell *relation, *text;

    forboth (relation, relations, text, texts) {
        auto *member = static_cast<Member *>(palloc(sizeof(Member)));
        member->relation = atooid(static_cast<char *>(lfirst(relation)));
        member->fingerprint = static_cast<char *>(lfirst(text));
        members = lappend(members, member);
    }
    MemoryContextSwitchTo(old);
    return members;
}

// The source in a row that begins with SOURCE_COLUMNS.
TrackedSource source_in(uint64 row, MemoryContext memory)
{
    TrackedSource source{};
    source.relation = returned_oid(row, 1);
    source.layout = returned_int64(row, 2);
    source.exact = returned_bool(row, 3);
    source.on_commit = returned_bool(row, 4);
    source.key_index = returned_oid(row, 5);
    source.key = returned_names(row, 6, memory);
    source.columns = returned_names(row, 7, memory);
    source.members = returned_members(row, 8, 9, memory);
    return source;
}

// Deletes the entries whose tids a query of one oid returns.  Not by DELETE, which
// needs a replica identity once somebody publishes all tables.
void delete_entries(const char *sql, Oid oid)
{
    Datum values[] = {ObjectIdGetDatum(oid)};
    Oid log = get_relname_relid("log", get_namespace_oid("refresh_mv", false));
    Relation relation = table_open(log, RowExclusiveLock);

    tables::execute(sql, {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool null;
        CHECK_FOR_INTERRUPTS();
        simple_heap_delete(relation, DatumGetItemPointer(tables::returned(i, 1, &null)));
    }
    table_close(relation, NoLock);
}

// Runs a statement with oids as its parameters.
void change(const char *sql, int expected, Oid first, Oid second = InvalidOid)
{
    Datum values[] = {ObjectIdGetDatum(first), ObjectIdGetDatum(second)};
    SPI_connect();
    tables::execute(sql, {OidIsValid(second) ? 2 : 1, oid_types, values, nullptr}, expected);
    SPI_finish();
}

} // namespace

namespace tracking {

int max_log_size = 256 * 1024;

// The sources in the rows that SPI has returned.
static List *returned_sources(MemoryContext memory)
{
    List *sources = NIL;
    for (uint64 i = 0; i < SPI_processed; i++) {
        auto *source = static_cast<TrackedSource *>(
            MemoryContextAlloc(memory, sizeof(TrackedSource)));
        *source = source_in(i, memory);
        source->used = returned_names(i, 10, memory);
        MemoryContext old = MemoryContextSwitchTo(memory);
        sources = lappend(sources, source);
        MemoryContextSwitchTo(old);
    }
    return sources;
}

static const char sources_query[] =
    "SELECT " SOURCE_COLUMNS ", t.columns FROM refresh_mv.tracked t"
    " JOIN refresh_mv.sources s ON s.relation OPERATOR(pg_catalog.=) t.relation"
    " WHERE t.view OPERATOR(pg_catalog.=) $1";

List *sources_of(Oid view)
{
    static SPIPlanPtr plan = nullptr;
    Datum values[] = {ObjectIdGetDatum(view)};
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::read(&plan, sources_query, {1, oid_types, values, nullptr});
    List *sources = returned_sources(memory);
    SPI_finish();
    return sources;
}

List *sources_now(Oid view)
{
    Datum values[] = {ObjectIdGetDatum(view)};
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::execute(sources_query, {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    List *sources = returned_sources(memory);
    SPI_finish();
    return sources;
}

Standing standing(Oid view)
{
    static SPIPlanPtr plan = nullptr;
    Datum values[] = {ObjectIdGetDatum(view)};
    MemoryContext memory = CurrentMemoryContext;
    Standing standing{};

    SPI_connect();
    tables::read(&plan,
                 "SELECT s.settings, pg_catalog.count(u.seq),"
                 " pg_catalog.sum(u.records) FILTER (WHERE u.is_new)::pg_catalog.int8,"
                 " pg_catalog.min(u.reason) FILTER (WHERE u.is_new), s.uses, s.groups"
                 " FROM refresh_mv.state s LEFT JOIN refresh_mv.unread u"
                 " ON u.view OPERATOR(pg_catalog.=) s.view"
                 " WHERE s.view OPERATOR(pg_catalog.=) $1 AND s.snapshot IS NOT NULL"
                 " GROUP BY s.view",
                 {1, oid_types, values, nullptr});
    if (SPI_processed > 0) {
        standing.baseline = true;
        standing.settings = tables::returned_text(0, 1, memory);
        standing.entries = returned_int64(0, 2);
        standing.pending = returned_int64(0, 3);
        standing.reason = tables::returned_text(0, 4, memory);
        standing.uses = tables::returned_text(0, 5, memory);
        standing.groups = tables::returned_text(0, 6, memory);
    }
    SPI_finish();
    return standing;
}

const char *uses(Oid view)
{
    static SPIPlanPtr plan = nullptr;
    Datum values[] = {ObjectIdGetDatum(view)};
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::read(&plan,
                 "SELECT pg_catalog.md5(pg_catalog.string_agg(o.xmin::pg_catalog.text, ' '"
                 " ORDER BY u.classid, u.objid)) FROM refresh_mv.uses u CROSS JOIN LATERAL ("
                 "SELECT p.xmin FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) u.objid"
                 " AND u.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass"
                 " UNION ALL SELECT t.xmin FROM pg_catalog.pg_type t"
                 " WHERE t.oid OPERATOR(pg_catalog.=) u.objid"
                 " AND u.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass"
                 " UNION ALL SELECT r.xmin FROM pg_catalog.pg_rewrite r"
                 " WHERE r.ev_class OPERATOR(pg_catalog.=) u.objid"
                 " AND u.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass) o"
                 " WHERE u.view OPERATOR(pg_catalog.=) $1",
                 {1, oid_types, values, nullptr});
    const char *text = tables::returned_text(0, 1, memory);
    SPI_finish();
    return text ? text : "";
}

// Calls each() for an entry that SPI has returned.
static bool each_entry(uint64 row, bool (*each)(const LogEntry &entry, void *context), void *context)
{
    bool null;
    Datum data = tables::returned(row, 4, &null);
    varlena *bytes = null ? nullptr : pg_detoast_datum(reinterpret_cast<varlena *>(DatumGetPointer(data)));
    const char *start = nullptr;
    Size length = 0;
    if (bytes != nullptr && !changelog::open_entry(bytes, &start, &length))
        start = nullptr;
    return each({returned_int64(row, 1), returned_bool(row, 2), returned_int64(row, 3), start, length}, context);
}

void new_entries(Oid view, Oid source, bool (*each)(const LogEntry &entry, void *context),
                 void *context)
{
    constexpr long at_once = 50;
    static SPIPlanPtr plan = nullptr;
    Datum values[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(source)};
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv log", ALLOCSET_DEFAULT_SIZES);
    bool more = true;

    SPI_connect();
    Portal cursor = tables::open(&plan,
                                 "SELECT layout, nested, records, data FROM refresh_mv.unread"
                                 " WHERE view OPERATOR(pg_catalog.=) $1 AND relation OPERATOR(pg_catalog.=) $2"
                                 " AND is_new ORDER BY seq",
                                 {2, oid_types, values, nullptr});
    while (more && tables::fetch(cursor, at_once) > 0) {
        for (uint64 i = 0; i < SPI_processed && more; i++) {
            CHECK_FOR_INTERRUPTS();
            MemoryContext old = MemoryContextSwitchTo(memory);
            more = each_entry(i, each, context);
            MemoryContextSwitchTo(old);
            MemoryContextReset(memory);
        }
        SPI_freetuptable(SPI_tuptable);
    }
    SPI_cursor_close(cursor);
    SPI_finish();
    MemoryContextDelete(memory);
}

bool source(Oid relation, TrackedSource *source)
{
    Datum values[] = {ObjectIdGetDatum(relation)};
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::execute("SELECT " SOURCE_COLUMNS " FROM refresh_mv.sources s"
                    " WHERE s.relation OPERATOR(pg_catalog.=) $1",
                    {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    bool found = SPI_processed > 0;
    if (found)
        *source = source_in(0, memory);
    SPI_finish();
    return found;
}

bool may_delete()
{
    if (IsolationUsesXactSnapshot())
        return false;
    Oid log = get_relname_relid("log", get_namespace_oid("refresh_mv", false));
    return ConditionalLockDatabaseObject(RelationRelationId, log, delete_lock_id, ExclusiveLock);
}

void save_baseline(Oid view, const char *settings, const char *uses, const char *groups,
                   bool raise_floor)
{
    Oid types[] = {OIDOID, PG_SNAPSHOTOID, XID8OID, INT8OID, XID8OID, TEXTOID, BOOLOID,
                   TEXTOID, TEXTOID};
    // The position is read before the next transaction id: entries below it
    // belong to transactions before that one.
    int64 position = changelog::position();
    Datum values[] = {
        ObjectIdGetDatum(view),
        DirectFunctionCall1(pg_current_snapshot, 0),
        FullTransactionIdGetDatum(GetTopFullTransactionId()),
        Int64GetDatum(position),
        FullTransactionIdGetDatum(ReadNextFullTransactionId()),
        settings ? CStringGetTextDatum(settings) : 0,
        BoolGetDatum(raise_floor),
        CStringGetTextDatum(uses),
        groups ? CStringGetTextDatum(groups) : 0};
    char nulls[lengthof(types) + 1] = "         ";
    nulls[5] = settings ? ' ' : 'n';
    nulls[8] = groups ? ' ' : 'n';

    SPI_connect();
    tables::execute(
        "INSERT INTO refresh_mv.state AS s (view, merged_at, snapshot, own_xid, own_seq,"
        " floor_seq, next_floor, next_xid, settings, uses, groups)"
        " VALUES ($1, pg_catalog.now(), $2, $3, $4, 0, $4, $5, $6, $8, $9)"
        " ON CONFLICT (view) DO UPDATE SET merged_at = EXCLUDED.merged_at,"
        " snapshot = EXCLUDED.snapshot, own_xid = EXCLUDED.own_xid, own_seq = EXCLUDED.own_seq,"
        " settings = EXCLUDED.settings, uses = EXCLUDED.uses, groups = EXCLUDED.groups,"
        " (floor_seq, next_floor, next_xid) = (SELECT CASE WHEN f.reached THEN s.next_floor"
        " ELSE coalesce(s.floor_seq, 0) END,"
        " CASE WHEN f.reached OR s.next_xid IS NULL THEN EXCLUDED.next_floor ELSE s.next_floor END,"
        " CASE WHEN f.reached OR s.next_xid IS NULL THEN EXCLUDED.next_xid ELSE s.next_xid END"
        " FROM (VALUES ($7 AND coalesce(pg_catalog.pg_snapshot_xmin($2)"
        " OPERATOR(pg_catalog.>=) s.next_xid, false))) f (reached))",
        {lengthof(types), types, values, nulls}, SPI_OK_INSERT);
    SPI_finish();
}

void drop_baseline(Oid view)
{
    change("UPDATE refresh_mv.state SET snapshot = NULL WHERE view OPERATOR(pg_catalog.=) $1",
           SPI_OK_UPDATE, view);
}

void give_up_baseline(Oid view, const char *reason)
{
    Datum values[] = {ObjectIdGetDatum(view)};

    SPI_connect();
    tables::execute("SELECT 1 FROM refresh_mv.state WHERE view OPERATOR(pg_catalog.=) $1"
                    " AND snapshot IS NOT NULL",
                    {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    if (SPI_processed > 0)
        changelog::baseline_lost(view, reason);
    SPI_finish();
}

void purge(Oid view)
{
    if (!may_delete())
        return;
    SPI_connect();
    delete_entries("SELECT l.ctid FROM refresh_mv.log l JOIN ("
                   " SELECT r.relation, pg_catalog.min(coalesce(s.floor_seq, 0)) AS marks,"
                   " pg_catalog.min(coalesce(s.floor_seq, 0)) FILTER"
                   " (WHERE r.view OPERATOR(pg_catalog.<>) r.relation) AS rows"
                   " FROM refresh_mv.readers r"
                   " LEFT JOIN refresh_mv.state s ON s.view OPERATOR(pg_catalog.=) r.view"
                   " WHERE $1 OPERATOR(pg_catalog.=) 0 OR r.relation OPERATOR(pg_catalog.=) ANY"
                   " (SELECT o.relation FROM refresh_mv.readers o"
                   " WHERE o.view OPERATOR(pg_catalog.=) $1)"
                   " GROUP BY r.relation) f"
                   " ON l.relation OPERATOR(pg_catalog.=) f.relation"
                   " AND l.seq OPERATOR(pg_catalog.<)"
                   " CASE WHEN l.data IS NULL THEN f.marks ELSE f.rows END",
                   view);
    SPI_finish();
}

// The kilobytes that the entries of a relation take.
static int64 size_of_entries(Oid relation)
{
    Datum values[] = {ObjectIdGetDatum(relation)};
    tables::execute("SELECT pg_catalog.sum(60 OPERATOR(pg_catalog.+)"
                    " coalesce(pg_catalog.octet_length(data), 0)) OPERATOR(pg_catalog./) 1024"
                    " FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1",
                    {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    return returned_int64(0, 1);
}

// The kilobytes that all entries take at most.
static int64 size_of_log()
{
    Oid log = get_relname_relid("log", get_namespace_oid("refresh_mv", false));
    Relation relation = table_open(log, AccessShareLock);
    int64 blocks = RelationGetNumberOfBlocks(relation);
    table_close(relation, NoLock);
    return blocks * (BLCKSZ / 1024);
}

// Replaces the entries of a relation; fails where anything is in the way.
static void collapse(Oid relation)
{
    if (!may_delete())
        return;
    SPI_connect();
    if (size_of_entries(relation) > max_log_size) {
        delete_entries("SELECT ctid FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1",
                       relation);
        changelog::everything(relation, "its log grew beyond refresh_mv.max_log_size");
    }
    SPI_finish();
}

void collapse_if_large(Oid relation)
{
    // To measure takes time; not again before the log has grown by a good part.
    static int64 measured = 0;
    int64 size = size_of_log();
    if (size <= max_log_size || (measured <= size && size < measured + measured / 4))
        return;
    measured = size;
    entry([&] {
        try {
            subtransaction([&] { guard([&] { collapse(relation); }); });
        } catch (const PgError &error) {
            if (is_cancel(error.data))
                throw; // the writer's own statement
        }
    });
}

// The names of columns given by number, as a parameter.
static Datum column_names(Oid relation, Bitmapset *columns)
{
    List *names = NIL;
    int column = -1;
    while ((column = bms_next_member(columns, column)) >= 0)
        names = lappend(names, get_attname(relation, static_cast<AttrNumber>(column), false));
    return tables::text_array(names);
}

void save_view(Oid view, List *sources, bool on_commit)
{
    Oid types[] = {OIDOID, OIDOID, TEXTARRAYOID, BOOLOID};
    ListCell *cell;

    SPI_connect();
    foreach (cell, sources) {
        auto *source = static_cast<Source *>(lfirst(cell));
        Datum values[] = {ObjectIdGetDatum(view), ObjectIdGetDatum(source->relation),
                          column_names(source->relation, source->columns), BoolGetDatum(on_commit)};
        tables::execute("INSERT INTO refresh_mv.tracked (view, relation, columns, on_commit)"
                        " VALUES ($1, $2, $3, $4) ON CONFLICT (view, relation) DO UPDATE"
                        " SET columns = EXCLUDED.columns, on_commit = EXCLUDED.on_commit",
                        {lengthof(types), types, values, nullptr}, SPI_OK_INSERT);
    }
    Datum values[] = {ObjectIdGetDatum(view)};
    tables::execute("DELETE FROM refresh_mv.uses WHERE view OPERATOR(pg_catalog.=) $1",
                    {1, oid_types, values, nullptr}, SPI_OK_DELETE);
    tables::execute("INSERT INTO refresh_mv.uses (view, classid, objid)"
                    " SELECT $1, u.classid, u.objid FROM refresh_mv.objects_used_by($1) u",
                    {1, oid_types, values, nullptr}, SPI_OK_INSERT);
    SPI_finish();
}

List *forget_view(Oid view)
{
    Datum values[] = {ObjectIdGetDatum(view)};
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::execute("DELETE FROM refresh_mv.uses WHERE view OPERATOR(pg_catalog.=) $1",
                    {1, oid_types, values, nullptr}, SPI_OK_DELETE);
    tables::execute("DELETE FROM refresh_mv.tracked WHERE view OPERATOR(pg_catalog.=) $1"
                    " RETURNING relation",
                    {1, oid_types, values, nullptr}, SPI_OK_DELETE_RETURNING);
    List *sources = returned_oids(memory);
    SPI_finish();
    return sources;
}

List *used_columns(Oid relation, bool *on_commit)
{
    Datum values[] = {ObjectIdGetDatum(relation)};
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::execute("SELECT pg_catalog.array_agg(DISTINCT c.name)"
                    " FILTER (WHERE c.name IS NOT NULL), pg_catalog.bool_or(t.on_commit)"
                    " FROM refresh_mv.tracked t"
                    " LEFT JOIN LATERAL pg_catalog.unnest(t.columns) AS c (name) ON true"
                    " WHERE t.relation OPERATOR(pg_catalog.=) $1",
                    {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    List *names = returned_names(0, 1, memory);
    *on_commit = returned_bool(0, 2);
    SPI_finish();
    return names;
}

int64 count_readers(Oid relation)
{
    Datum values[] = {ObjectIdGetDatum(relation)};

    SPI_connect();
    tables::execute("SELECT pg_catalog.count(*) FROM refresh_mv.tracked"
                    " WHERE relation OPERATOR(pg_catalog.=) $1",
                    {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    int64 count = returned_int64(0, 1);
    SPI_finish();
    return count;
}

void save_source(const TrackedSource &source)
{
    Oid types[] = {OIDOID, INT8OID, BOOLOID, BOOLOID, OIDOID, TEXTARRAYOID, TEXTARRAYOID};
    Oid member_types[] = {OIDOID, OIDOID, TEXTOID};
    Datum values[] = {ObjectIdGetDatum(source.relation), Int64GetDatum(source.layout),
                      BoolGetDatum(source.exact), BoolGetDatum(source.on_commit),
                      ObjectIdGetDatum(source.key_index), tables::text_array(source.key),
                      tables::text_array(source.columns)};
    ListCell *cell;

    SPI_connect();
    tables::execute("INSERT INTO refresh_mv.sources (relation, layout, exact, on_commit, key_index,"
                    " key, columns) VALUES ($1, $2, $3, $4, $5, $6, $7)"
                    " ON CONFLICT (relation) DO UPDATE SET layout = EXCLUDED.layout,"
                    " exact = EXCLUDED.exact, on_commit = EXCLUDED.on_commit,"
                    " key_index = EXCLUDED.key_index, key = EXCLUDED.key,"
                    " columns = EXCLUDED.columns",
                    {lengthof(types), types, values, nullptr}, SPI_OK_INSERT);
    SPI_finish();
    change("DELETE FROM refresh_mv.members WHERE relation OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
           source.relation);
    SPI_connect();
    foreach (cell, source.members) {
        auto *member = static_cast<Member *>(lfirst(cell));
        Datum row[] = {ObjectIdGetDatum(member->relation), ObjectIdGetDatum(source.relation),
                       CStringGetTextDatum(member->fingerprint)};
        tables::execute("INSERT INTO refresh_mv.members (member, relation, fingerprint)"
                        " VALUES ($1, $2, $3) ON CONFLICT (member) DO UPDATE"
                        " SET relation = EXCLUDED.relation, fingerprint = EXCLUDED.fingerprint",
                        {lengthof(member_types), member_types, row, nullptr}, SPI_OK_INSERT);
    }
    SPI_finish();
}

void forget_source(Oid relation)
{
    change("DELETE FROM refresh_mv.sources WHERE relation OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
           relation);
    change("DELETE FROM refresh_mv.members WHERE relation OPERATOR(pg_catalog.=) $1", SPI_OK_DELETE,
           relation);
    SPI_connect();
    delete_entries("SELECT ctid FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1", relation);
    SPI_finish();
}

bool has_baselines(Oid relation)
{
    Datum values[] = {ObjectIdGetDatum(relation)};

    SPI_connect();
    tables::execute("SELECT 1 FROM refresh_mv.tracked t JOIN refresh_mv.state s"
                    " ON s.view OPERATOR(pg_catalog.=) t.view"
                    " WHERE t.relation OPERATOR(pg_catalog.=) $1 AND s.snapshot IS NOT NULL",
                    {1, oid_types, values, nullptr}, SPI_OK_SELECT);
    bool found = SPI_processed > 0;
    SPI_finish();
    return found;
}

List *unread_sources()
{
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    for (const char *table : {"tracked", "uses", "state"})
        tables::execute(psprintf("DELETE FROM refresh_mv.%s WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c"
                                 " WHERE c.oid OPERATOR(pg_catalog.=) view)", table),
                        {}, SPI_OK_DELETE);
    tables::execute("SELECT s.relation FROM refresh_mv.sources s WHERE NOT EXISTS"
                    " (SELECT FROM refresh_mv.tracked t"
                    " WHERE t.relation OPERATOR(pg_catalog.=) s.relation)",
                    {}, SPI_OK_SELECT);
    List *sources = returned_oids(memory);
    SPI_finish();
    return sources;
}

List *stray_tables()
{
    MemoryContext memory = CurrentMemoryContext;

    SPI_connect();
    tables::execute("SELECT DISTINCT g.tgrelid FROM pg_catalog.pg_trigger g"
                    " WHERE g.tgfoid OPERATOR(pg_catalog.=) 'refresh_mv.log_change'::pg_catalog.regproc"
                    " AND pg_catalog.starts_with(g.tgname::pg_catalog.text, 'refresh_mv_')"
                    " AND NOT EXISTS (SELECT FROM refresh_mv.members m"
                    " WHERE m.member OPERATOR(pg_catalog.=) g.tgrelid)",
                    {}, SPI_OK_SELECT);
    List *tables = returned_oids(memory);
    SPI_finish();
    return tables;
}

void delete_orphans()
{
    SPI_connect();
    delete_entries("SELECT l.ctid FROM refresh_mv.log l WHERE $1 OPERATOR(pg_catalog.=) 0"
                   " AND NOT EXISTS (SELECT FROM refresh_mv.readers r"
                   " WHERE r.relation OPERATOR(pg_catalog.=) l.relation)"
                   " AND NOT EXISTS (SELECT FROM refresh_mv.sources s"
                   " WHERE s.relation OPERATOR(pg_catalog.=) l.relation)",
                   InvalidOid);
    SPI_finish();
}

OnCommitView *on_commit_views(List *relations, int *count)
{
    static SPIPlanPtr plan = nullptr;
    Oid types[] = {OIDARRAYOID};
    auto *oids = static_cast<Datum *>(palloc(sizeof(Datum) * (list_length(relations) + 1)));
    MemoryContext memory = CurrentMemoryContext;
    ListCell *cell;

    foreach (cell, relations)
        oids[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
    Datum values[] = {PointerGetDatum(construct_array(oids, list_length(relations), OIDOID,
                                                      sizeof(Oid), true, TYPALIGN_INT))};
    SPI_connect();
    tables::read(&plan,
                 "WITH RECURSIVE wanted AS (SELECT o.view FROM refresh_mv.tracked o"
                 " WHERE o.on_commit AND o.relation OPERATOR(pg_catalog.=) ANY ($1)"
                 " UNION SELECT o.view FROM wanted w, refresh_mv.tracked o"
                 " WHERE o.on_commit AND o.relation OPERATOR(pg_catalog.=) w.view)"
                 " SELECT t.view, t.relation FROM wanted w, refresh_mv.tracked t"
                 " WHERE t.view OPERATOR(pg_catalog.=) w.view",
                 {1, types, values, nullptr});
    *count = static_cast<int>(SPI_processed);
    auto *views = static_cast<OnCommitView *>(
        MemoryContextAlloc(memory, sizeof(OnCommitView) * (SPI_processed + 1)));
    for (int i = 0; i < *count; i++)
        views[i] = {returned_oid(static_cast<uint64>(i), 1), returned_oid(static_cast<uint64>(i), 2)};
    SPI_finish();
    return views;
}

} // namespace tracking
