#include "store/catalog.hpp"

#include "store/statement.hpp"

namespace refresh_mv {

namespace catalog {

bool is_member(Oid relation)
{
    Oid extension = get_extension_oid("refresh_mv", true);
    return OidIsValid(extension)
           && getExtensionOfObject(RelationRelationId, relation) == extension;
}

static int returned_int(int column, int if_null)
{
    bool null;
    Datum value = statement::returned(0, column, &null);
    return null ? if_null : DatumGetInt32(value);
}

// The name of a view, as the key of its settings and its journal; false if the
// view has been dropped.
static bool view_key(Oid view, Datum *values)
{
    char *name = get_rel_name(view);
    char *schema = name ? get_namespace_name(get_rel_namespace(view)) : nullptr;
    if (schema == nullptr)
        return false;
    values[0] = CStringGetTextDatum(schema);
    values[1] = CStringGetTextDatum(name);
    return true;
}

#define OF_VIEW \
    " WHERE view_schema OPERATOR(pg_catalog.=) $1 AND view_name OPERATOR(pg_catalog.=) $2"

// ---- settings ----

ViewSettings settings(Oid view)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[2];
    MemoryContext context = CurrentMemoryContext;
    ViewSettings result = {nullptr, -1, nullptr, 0, 0, 0, false, false};

    if (!view_key(view, values))
        return result;
    SPI_connect();
    statement::execute("SELECT date_column, window_days, keep_before, statement_timeout, lock_timeout, work_mem,"
                    " tracked, on_commit"
                    " FROM refresh_mv.settings" OF_VIEW,
                    {2, types, values, nullptr}, SPI_OK_SELECT);
    if (SPI_processed > 0) {
        bool null;
        char *column = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        result.date_column = column ? MemoryContextStrdup(context, column) : nullptr;
        result.window_days = returned_int(2, -1);
        Datum keep = statement::returned(0, 3, &null);
        if (!null) {
            result.keep_before = static_cast<Interval *>(MemoryContextAlloc(context, sizeof(Interval)));
            *result.keep_before = *DatumGetIntervalP(keep);
        }
        result.statement_timeout = returned_int(4, 0);
        result.lock_timeout = returned_int(5, 0);
        result.work_mem = returned_int(6, 0);
        result.tracked = DatumGetBool(statement::returned(0, 7, &null));
        result.on_commit = DatumGetBool(statement::returned(0, 8, &null));
    }
    SPI_finish();
    return result;
}

bool is_disabled(Oid view)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[2];

    if (!view_key(view, values))
        return false;
    SPI_connect();
    statement::execute("SELECT 1 FROM refresh_mv.settings" OF_VIEW " AND NOT enabled",
                    {2, types, values, nullptr}, SPI_OK_SELECT);
    bool disabled = SPI_processed > 0;
    SPI_finish();
    return disabled;
}

void change_settings(Oid view, const SettingChange *changes, int count)
{
    Oid types[] = {TEXTOID, TEXTOID, InvalidOid};
    Datum values[3];

    if (!view_key(view, values))
        return;
    note_name(view);
    SPI_connect();
    statement::change("settings",
                   "SELECT NULL::pg_catalog.tid, $1 AS view_schema, $2 AS view_name, true AS enabled,"
                   " false AS tracked, false AS on_commit"
                   " WHERE NOT EXISTS (SELECT FROM refresh_mv.settings" OF_VIEW ")",
                   {2, types, values, nullptr});
    for (int i = 0; i < count; i++) {
        types[2] = changes[i].type;
        values[2] = changes[i].value;
        statement::change("settings",
                       psprintf("SELECT ctid, $3 AS %s FROM refresh_mv.settings" OF_VIEW " FOR UPDATE",
                                changes[i].column),
                       {3, types, values, changes[i].null ? "  n" : nullptr});
    }
    statement::change("settings",
                   "SELECT ctid FROM refresh_mv.settings" OF_VIEW " AND enabled AND NOT tracked"
                   " AND pg_catalog.num_nonnulls("
                   "date_column, window_days, keep_before, statement_timeout, lock_timeout, work_mem)"
                   " OPERATOR(pg_catalog.=) 0 FOR UPDATE",
                   {2, types, values, nullptr});
    SPI_finish();
}

// ---- merges ----

void note_merge(Oid view)
{
    Oid types[] = {OIDOID};
    Datum values[] = {ObjectIdGetDatum(view)};

    SPI_connect();
    statement::change("state",
                   "WITH o AS (SELECT ctid FROM refresh_mv.state"
                   " WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE)"
                   " SELECT (SELECT o.ctid FROM o), $1 AS view, pg_catalog.now() AS merged_at",
                   {1, types, values, nullptr});
    SPI_finish();
}

int holder_of_refresh_lock(Oid view, uint16 lock)
{
    Oid types[] = {OIDOID, INT4OID};
    Datum values[] = {ObjectIdGetDatum(view), Int32GetDatum(lock)};

    SPI_connect();
    statement::execute("SELECT pid FROM pg_catalog.pg_locks"
                    " WHERE locktype OPERATOR(pg_catalog.=) 'object' AND granted"
                    " AND classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
                    " AND objid OPERATOR(pg_catalog.=) $1 AND objsubid OPERATOR(pg_catalog.=) $2"
                    " AND database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database"
                    " WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
                    {2, types, values, nullptr}, SPI_OK_SELECT);
    int pid = SPI_processed > 0 ? returned_int(1, 0) : 0;
    SPI_finish();
    return pid;
}

ViewPair *dependencies(int *count)
{
    MemoryContext context = CurrentMemoryContext;

    SPI_connect();
    statement::execute("SELECT view::pg_catalog.oid, depends_on::pg_catalog.oid FROM refresh_mv.dependencies"
                    " WHERE kind OPERATOR(pg_catalog.=) 'materialized view'",
                    {}, SPI_OK_SELECT);
    *count = static_cast<int>(SPI_processed);
    auto *pairs = static_cast<ViewPair *>(
        MemoryContextAlloc(context, sizeof(ViewPair) * (SPI_processed + 1)));
    for (int i = 0; i < *count; i++) {
        bool null;
        HeapTuple row = SPI_tuptable->vals[i];
        pairs[i] = {DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &null)),
                    DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &null))};
    }
    SPI_finish();
    return pairs;
}

// ---- journal ----

void check_version()
{
    static const char version[] = "1.0";

    SPI_connect();
    statement::execute("SELECT extversion FROM pg_catalog.pg_extension"
                    " WHERE extname OPERATOR(pg_catalog.=) 'refresh_mv'",
                    {}, SPI_OK_SELECT);
    const char *found = SPI_processed > 0
                            ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)
                            : "none";
    if (strcmp(found, version) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("extension refresh_mv has version %s, but its library is of version %s",
                        found, version),
                 errhint("Run ALTER EXTENSION refresh_mv UPDATE.")));
    SPI_finish();
}

int64 new_run()
{
    bool null;

    SPI_connect();
    statement::execute("SELECT pg_catalog.nextval('refresh_mv.run_ids')", {}, SPI_OK_SELECT);
    int64 run = DatumGetInt64(statement::returned(0, 1, &null));
    SPI_finish();
    return run;
}

// A number that no other entry of the journal has and that rises with the time: in
// microseconds, so many times as there may be processes at one of them.
static int64 new_id()
{
    constexpr int64 processes = 4096;
    static TimestampTz last = 0;
    last = Max(last + 1, GetCurrentTimestamp());
    return last * processes + MyProcPid % processes;
}

void record(const JournalEntry &entry)
{
    Oid types[] = {TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID,
                   TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
                   TIMESTAMPTZOID, BOOLOID, TEXTOID, TEXTOID, NAMEOID, TEXTOID, INT8OID};
    Datum values[lengthof(types)] = {
        0,
        0,
        Int64GetDatum(entry.run),
        CStringGetTextDatum(entry.mode),
        CStringGetTextDatum(entry.method),
        CStringGetTextDatum(entry.reason),
        TimestampTzGetDatum(entry.started),
        Int64GetDatum(entry.duration),
        Int64GetDatum(entry.inserted),
        Int64GetDatum(entry.updated),
        Int64GetDatum(entry.deleted),
        Int64GetDatum(entry.unchanged),
        TimestampTzGetDatum(entry.snapshot_time),
        BoolGetDatum(entry.success),
        entry.sqlstate ? CStringGetTextDatum(entry.sqlstate) : 0,
        entry.message ? CStringGetTextDatum(entry.message) : 0,
        DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false))),
        CStringGetTextDatum(entry.source),
        Int64GetDatum(new_id())};
    char nulls[] = "                   ";
    static_assert(sizeof(nulls) == lengthof(types) + 1);

    if (!view_key(entry.view, values))
        return;
    nulls[2] = entry.run ? ' ' : 'n';
    nulls[14] = entry.sqlstate ? ' ' : 'n';
    nulls[15] = entry.message ? ' ' : 'n';
    nulls[12] = entry.snapshot_time ? ' ' : 'n';
    SPI_connect();
    statement::change("journal",
                   "SELECT NULL::pg_catalog.tid, $1 AS view_schema, $2 AS view_name, $3 AS run, $4 AS mode,"
                   " $5 AS method, $6 AS reason, $7 AS started, pg_catalog.make_interval("
                   "secs => $8::pg_catalog.float8 OPERATOR(pg_catalog./) 1000000) AS duration,"
                   " $9 AS rows_inserted, $10 AS rows_updated, $11 AS rows_deleted, $12 AS rows_unchanged,"
                   " $13 AS snapshot_time, $14 AS success, $15 AS sqlstate, $16 AS message, $17 AS role,"
                   " $18 AS source, $19 AS id",
                   {lengthof(types), types, values, nulls});
    SPI_finish();
}

void purge(Oid view, int days)
{
    Oid types[] = {TEXTOID, TEXTOID, INT4OID};
    Datum values[] = {0, 0, Int32GetDatum(days)};

    if (!view_key(view, values))
        return;
    SPI_connect();
    statement::change("journal",
                   "SELECT ctid FROM refresh_mv.journal" OF_VIEW " AND started OPERATOR(pg_catalog.<)"
                   " (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $3)) FOR UPDATE",
                   {3, types, values, nullptr});
    SPI_finish();
}

void note_name(Oid view)
{
    Oid types[] = {TEXTOID, TEXTOID, OIDOID};
    Datum values[] = {0, 0, ObjectIdGetDatum(view)};

    if (!view_key(view, values))
        return;
    SPI_connect();
    statement::change("names",
                   "WITH o AS (SELECT ctid FROM refresh_mv.names WHERE view OPERATOR(pg_catalog.=) $3 AND NOT ("
                   "view_schema OPERATOR(pg_catalog.=) $1 AND view_name OPERATOR(pg_catalog.=) $2) FOR UPDATE)"
                   " SELECT (SELECT o.ctid FROM o), $3 AS view, $1 AS view_schema, $2 AS view_name"
                   " WHERE NOT EXISTS (SELECT FROM refresh_mv.names" OF_VIEW
                   " AND view OPERATOR(pg_catalog.=) $3)",
                   {3, types, values, nullptr});
    SPI_finish();
}

int consecutive_failures(Oid view)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[2];

    if (!view_key(view, values))
        return 0;
    SPI_connect();
    statement::execute("SELECT consecutive_failures FROM refresh_mv.outcomes" OF_VIEW,
                    {2, types, values, nullptr}, SPI_OK_SELECT);
    int count = SPI_processed > 0 ? returned_int(1, 0) : 0;
    SPI_finish();
    return count;
}

} // namespace catalog

} // namespace refresh_mv
