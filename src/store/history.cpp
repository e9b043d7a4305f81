#include "store/history.hpp"

#include "store/own_rows.hpp"
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
    return nextval_internal(statement::relation("run_ids"), false);
}

// A number of microseconds as an interval.
static Datum interval_of(int64 microseconds)
{
    auto *interval = static_cast<Interval *>(palloc0(sizeof(Interval)));
    interval->time = microseconds;
    return IntervalPGetDatum(interval);
}

void record(const JournalEntry &entry)
{
    ViewName name = view_names::of(entry.view);
    if (name.view == nullptr)
        return;
    Datum role = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false)));
    Relation journal = statement::open_table("journal");
    own_rows::Row(journal)
        .set("id", Int64GetDatum(new_id()))
        .set("run", Int64GetDatum(entry.run), entry.run == 0)
        .text("view_schema", name.schema)
        .text("view_name", name.view)
        .text("mode", entry.mode)
        .text("method", entry.method)
        .text("reason", entry.reason)
        .set("started", TimestampTzGetDatum(entry.started))
        .set("duration", interval_of(entry.duration))
        .set("rows_inserted", Int64GetDatum(entry.inserted))
        .set("rows_updated", Int64GetDatum(entry.updated))
        .set("rows_deleted", Int64GetDatum(entry.deleted))
        .set("rows_unchanged", Int64GetDatum(entry.unchanged))
        .set("snapshot_time", TimestampTzGetDatum(entry.snapshot_time), entry.snapshot_time == 0)
        .set("success", BoolGetDatum(entry.success))
        .text("sqlstate", entry.sqlstate)
        .text("message", entry.message)
        .set("role", role)
        .text("source", entry.source)
        .set("lag", interval_of(entry.lag), entry.lag < 0)
        .store();
    table_close(journal, NoLock);
}

// Whether a view has an entry that is older.
static bool has_older(const ViewName &name, TimestampTz than)
{
    return own_rows::exists("journal", own_rows::Under::newest_snapshot,
                            {own_rows::is("view_schema", name.schema), own_rows::is("view_name", name.view),
                             own_rows::before("started", than)});
}

void purge(Oid view, int days)
{
    statement::Values values;
    auto *age = static_cast<Interval *>(palloc0(sizeof(Interval)));
    age->day = days;
    Datum oldest = DirectFunctionCall2(timestamptz_mi_interval,
                                       TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
                                       IntervalPGetDatum(age));

    if (!view_names::add(&values, view) || !has_older(view_names::of(view), DatumGetTimestampTz(oldest)))
        return;
    SPI_connect();
    statement::change("journal",
                      "SELECT ctid FROM refresh_mv.journal" OF_VIEW " AND started OPERATOR(pg_catalog.<) $3 FOR UPDATE",
                      values.timestamptz(DatumGetTimestampTz(oldest)));
    SPI_finish();
}

// A number that a query returns of a view.
static int64 number_of(Oid view, const char *sql)
{
    statement::Values values;
    if (!view_names::add(&values, view))
        return 0;
    SPI_connect();
    statement::execute(sql, values, SPI_OK_SELECT);
    int64 number = SPI_processed > 0 ? statement::returned_int64(0, 1) : 0;
    SPI_finish();
    return number;
}

int64 usual_duration(Oid view)
{
    return number_of(view, "SELECT (1e6 OPERATOR(pg_catalog.*) pg_catalog.extract('epoch',"
                           " pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY duration)))::pg_catalog.int8"
                           " FROM refresh_mv.journal" OF_VIEW
                           " AND success AND method OPERATOR(pg_catalog.<>) ALL ('{none,skip}')");
}

int64 full_duration(Oid view)
{
    return number_of(view, "SELECT (1e6 OPERATOR(pg_catalog.*) pg_catalog.extract('epoch', duration))::pg_catalog.int8"
                           " FROM refresh_mv.journal" OF_VIEW
                           " AND success AND method OPERATOR(pg_catalog.=) ANY ('{full,rebuild}')"
                           " ORDER BY started DESC LIMIT 1");
}

TimestampTz last_success(Oid view)
{
    statement::Values values;
    if (!view_names::add(&values, view))
        return 0;
    SPI_connect();
    statement::execute("SELECT pg_catalog.max(started) FROM refresh_mv.journal" OF_VIEW
                       " AND success AND method OPERATOR(pg_catalog.<>) 'none'",
                       values, SPI_OK_SELECT);
    bool null;
    Datum last = statement::returned(0, 1, &null);
    SPI_finish();
    return null ? 0 : DatumGetTimestampTz(last);
}

int64 run_interval(Oid view)
{
    return number_of(view, "SELECT (1e6 OPERATOR(pg_catalog.*) pg_catalog.extract('epoch', gap))::pg_catalog.int8"
                           " FROM refresh_mv.run_intervals" OF_VIEW);
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
