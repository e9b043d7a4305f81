#include "run/pace.hpp"

#include "server/progress.hpp"

namespace refresh_mv::pace {

constexpr long longest_nap = 500; // milliseconds

void check_right(const Pace &pace)
{
    if (pace.replica_lag == 0 || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
        return;
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to see how far replicas lag behind"),
             errdetail("Without it pg_stat_replication shows no lag, and pause_if_replica_lag would not wait for any."),
             errhint("GRANT pg_monitor TO %s, or omit pause_if_replica_lag.",
                     quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

Meter start()
{
    return {GetCurrentTimestamp(), pgWalUsage.wal_bytes};
}

static void nap(long milliseconds)
{
    InvalidateCatalogSnapshot();
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

// Whether any standby or subscriber has yet to apply more than so many bytes.
static bool lags_behind(int64 bytes)
{
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(bytes)};
    PushActiveSnapshot(GetTransactionSnapshot());
    int result = SPI_execute_with_args("SELECT FROM pg_catalog.pg_stat_replication WHERE state OPERATOR(pg_catalog.=)"
                                       " ANY (ARRAY['streaming', 'catchup']) AND pg_catalog.pg_wal_lsn_diff("
                                       "pg_catalog.pg_current_wal_lsn(), replay_lsn) OPERATOR(pg_catalog.>) $1",
                                       1, types, values, nullptr, true, 1);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "could not read pg_stat_replication: %s", SPI_result_code_string(result));
    bool lags = SPI_processed > 0;
    SPI_freetuptable(SPI_tuptable);
    PopActiveSnapshot();
    return lags;
}

static void wait_for_replicas(int64 bytes)
{
    while (lags_behind(bytes)) {
        SPI_commit(); // no lock, and a present view of the statistics
        progress::start_phase("waiting for replicas");
        nap(longest_nap);
    }
}

// The milliseconds that are missing until what was written is no more than the rate allows.
static long excess_ms(int64 rate, const Meter &meter)
{
    double allowed = static_cast<double>(pgWalUsage.wal_bytes - meter.wal) / static_cast<double>(rate) * 1000;
    double taken = static_cast<double>(GetCurrentTimestamp() - meter.began) / 1000;
    return static_cast<long>(Min(allowed - taken, 1e9));
}

void wait(const Pace &pace, const Meter &meter)
{
    if (pace.replica_lag > 0)
        wait_for_replicas(pace.replica_lag);
    for (long left; pace.wal_rate > 0 && (left = excess_ms(pace.wal_rate, meter)) > 0;) {
        progress::start_phase("keeping to max_wal_rate");
        nap(Min(left, longest_nap));
    }
}

} // namespace refresh_mv::pace
