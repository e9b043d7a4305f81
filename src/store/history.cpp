#include "store/history.hpp"

#include "store/view_names.hpp"

namespace refresh_mv {

namespace {

// A number that no other entry of the journal has and that rises with the time: in
// microseconds, so many times as there may be processes at one of them.
int64 new_id()
{
    constexpr int64 processes = 4096;
    static TimestampTz last = 0;
    last = Max(last + 1, GetCurrentTimestamp());
    return last * processes + MyProcPid % processes;
}

} // namespace

namespace history {

int64 new_run()
{
    SPI_connect();
    statement::execute("SELECT pg_catalog.nextval('refresh_mv.run_ids')", statement::Values(), SPI_OK_SELECT);
    int64 run = statement::returned_int64(0, 1);
    SPI_finish();
    return run;
}

void record(const JournalEntry &entry)
{
    statement::Values values;

    if (!view_names::add(&values, entry.view))
        return;
    values.add(INT8OID, Int64GetDatum(entry.run), entry.run == 0)
        .text(entry.mode)
        .text(entry.method)
        .text(entry.reason)
        .timestamptz(entry.started)
        .int8(entry.duration)
        .int8(entry.inserted)
        .int8(entry.updated)
        .int8(entry.deleted)
        .int8(entry.unchanged)
        .add(TIMESTAMPTZOID, TimestampTzGetDatum(entry.snapshot_time), entry.snapshot_time == 0)
        .boolean(entry.success)
        .text(entry.sqlstate)
        .text(entry.message)
        .add(NAMEOID, DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false))))
        .text(entry.source)
        .int8(new_id());
    SPI_connect();
    statement::change("journal",
                      "SELECT NULL::pg_catalog.tid, $1 AS view_schema, $2 AS view_name, $3 AS run, $4 AS mode,"
                      " $5 AS method, $6 AS reason, $7 AS started, pg_catalog.make_interval("
                      "secs => $8::pg_catalog.float8 OPERATOR(pg_catalog./) 1000000) AS duration,"
                      " $9 AS rows_inserted, $10 AS rows_updated, $11 AS rows_deleted, $12 AS rows_unchanged,"
                      " $13 AS snapshot_time, $14 AS success, $15 AS sqlstate, $16 AS message, $17 AS role,"
                      " $18 AS source, $19 AS id",
                      values);
    SPI_finish();
}

void purge(Oid view, int days)
{
    statement::Values values;

    if (!view_names::add(&values, view))
        return;
    SPI_connect();
    statement::change("journal",
                      "SELECT ctid FROM refresh_mv.journal" OF_VIEW " AND started OPERATOR(pg_catalog.<)"
                      " (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $3)) FOR UPDATE",
                      values.int4(days));
    SPI_finish();
}

int consecutive_failures(Oid view)
{
    statement::Values values;

    if (!view_names::add(&values, view))
        return 0;
    SPI_connect();
    statement::execute("SELECT consecutive_failures::pg_catalog.int8 FROM refresh_mv.outcomes" OF_VIEW,
                       values, SPI_OK_SELECT);
    int count = SPI_processed > 0 ? static_cast<int>(statement::returned_int64(0, 1)) : 0;
    SPI_finish();
    return count;
}

} // namespace history

} // namespace refresh_mv
