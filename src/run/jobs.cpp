#include "run/jobs.hpp"

#include "query/view.hpp"
#include "run/job_board.hpp"
#include "server/bridge.hpp"
#include "server/deferred_flush.hpp"
#include "server/messages.hpp"
#include "server/progress.hpp"
#include "server/session_state.hpp"
#include "store/history.hpp"

#include <algorithm>
#include <numeric>

namespace refresh_mv {

extern "C" PGDLLEXPORT void refresh_mv_job(Datum handle);

namespace {

// ---- the caller ----

// The workers of the call under way.  Never more than one call is.
struct Workers {
    BackgroundWorkerHandle **handles;
    int asked; // for how many there is room in the list
    int started;
} workers;

void terminate_workers()
{
    for (int i = 0; i < workers.started; i++)
        TerminateBackgroundWorker(workers.handles[i]);
}

// When the caller's process ends amid a call: nobody is waited for.
void caller_detaches(dsm_segment *, Datum)
{
    terminate_workers();
}

BackgroundWorker worker_of(Board *board, int process)
{
    BackgroundWorker worker;
    memset(&worker, 0, sizeof(worker));
    snprintf(worker.bgw_name, BGW_MAXLEN, "refresh_mv job %d of pid %d", process, MyProcPid);
    snprintf(worker.bgw_type, BGW_MAXLEN, "refresh_mv job");
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "$libdir/refresh_mv");
    snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "refresh_mv_job");
    worker.bgw_main_arg = UInt32GetDatum(job_board::handle(board));
    memcpy(worker.bgw_extra, &process, sizeof(process));
    worker.bgw_notify_pid = MyProcPid;
    return worker;
}

// Starts so many, or as many as there are to be had.
void start_workers(Board *board, int count)
{
    MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);
    workers = {static_cast<BackgroundWorkerHandle **>(palloc0(sizeof(void *) * static_cast<Size>(Max(count, 1)))), count, 0};
    for (int i = 0; i < count; i++) {
        BackgroundWorker worker = worker_of(board, i + 1);
        if (!RegisterDynamicBackgroundWorker(&worker, &workers.handles[workers.started]))
            break;
        workers.started++;
    }
    MemoryContextSwitchTo(context);
}

void warn_of_missing(int processes, int asked)
{
    ereport(WARNING,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
             errmsg_plural("refresh_mv.run() goes on with %d process instead of %d",
                           "refresh_mv.run() goes on with %d processes instead of %d", processes, processes, asked),
             errdetail("No more background workers are to be had: max_worker_processes is %d, for all sessions, parallel "
                       "queries and extensions.", max_worker_processes),
             errhint("Raise max_worker_processes, which needs a restart of the server, or ask for fewer jobs.")));
}

bool is_any_left()
{
    pid_t pid;
    for (int i = 0; i < workers.started; i++)
        if (GetBackgroundWorkerPid(workers.handles[i], &pid) != BGWH_STOPPED)
            return true;
    return false;
}

void pass_on_messages(Board *board)
{
    for (int i = 1; i <= workers.asked; i++)
        message_box::pass_on(job_board::messages(board, i));
}

// Waits until no worker is left; those that are to end have been told.
void await_workers()
{
    for (int i = 0; i < workers.started; i++)
        WaitForBackgroundWorkerShutdown(workers.handles[i]);
}

// Forgets the call: the last that is done, whatever has become of it.
void forget()
{
    Workers ended = std::exchange(workers, {});
    job_board::detach();
    for (int i = 0; i < ended.started; i++)
        pfree(ended.handles[i]);
    if (ended.handles != nullptr)
        pfree(ended.handles);
}

// Ends a call that has failed.  If its wait is cut short, the workers end all the same.
void give_up()
{
    try {
        guard([] {
            terminate_workers();
            await_workers();
        });
    } catch (...) {
        forget();
        throw;
    }
    forget();
}

// The end of one that has not.
void finish(Board *board)
{
    await_workers();
    pass_on_messages(board);
    deferred_flush::wait_for(job_board::last_commit(board));
    int lacking = workers.started + 1 - job_board::arrived(board);
    if (lacking > 0)
        ereport(WARNING,
                (errmsg_plural("%d background worker of refresh_mv.run() could not start",
                               "%d background workers of refresh_mv.run() could not start", lacking, lacking),
                 errdetail("Fewer processes have done what there was to do."),
                 errhint("The server's log says why.")));
}

// Turns of the caller, who also passes on what the workers say.
class CallersTurns : public BoardTurns {
public:
    using BoardTurns::BoardTurns;

protected:
    void attend() override
    {
        guard([&] {
            pass_on_messages(board_);
            job_board::raise_failure(board_);
        });
    }

    void idle() override
    {
        guard([&] { progress::waiting(job_board::views_left(board_)); });
    }
};

// Waits until workers have ended all turns.  If none is left before, the rest has failed; but if none has ever come,
// returns false.
bool look_on(Board *board)
{
    for (;;) {
        bool any = is_any_left();
        pass_on_messages(board);
        job_board::raise_failure(board);
        int left = job_board::views_left(board);
        if (left == 0)
            return true;
        if (!any && job_board::arrived(board) == 1)
            return false;
        if (!any) {
            job_board::lose_rest(board, job_board::failure(ERRCODE_ADMIN_SHUTDOWN,
                                                           "no background worker is left to refresh it"));
            return true;
        }
        progress::waiting(left);
        job_board::wait();
    }
}

// Exports a snapshot for the workers.  This transaction has to last as long as they need it.
void export_snapshot(Board *board)
{
    TimestampTz now = GetCurrentTimestamp();
    char *name = ExportSnapshot(GetTransactionSnapshot());
    job_board::set_snapshot(board, name, now);
}

// Starts what processes a call has beside the caller; false if there are none that could do any of it.
bool start(Board *board, const Call &call, int processes)
{
    int count = call.one_snapshot ? processes : processes - 1;
    return guard([&] {
        if (call.one_snapshot)
            export_snapshot(board);
        on_dsm_detach(job_board::segment(), caller_detaches, 0);
        start_workers(board, count);
        if (workers.started < count)
            warn_of_missing(Max(workers.started + processes - count, 1), processes);
        return workers.started > 0 || !call.one_snapshot;
    });
}

// Carries out a call that has a board, until its last turn has ended.
std::vector<Outcome> carry_out(Board *board, const Call &call, const run::Limits &limits)
{
    bool by_board = true;
    if (call.one_snapshot)
        guard([&] {
            by_board = look_on(board);
            SPI_commit(); // the transaction of the snapshot
        });
    if (!by_board) {
        guard([&] { finish(board); });
        return run::in_order(call, limits);
    }
    CallersTurns turns(board);
    run::take_turns(call, limits, turns);
    guard([&] { finish(board); });
    return job_board::outcomes(board);
}

// What each view of a call is likely to take: what its last full refresh took, if all are to be that.
std::vector<int64_t> durations(const Call &call)
{
    std::vector<int64_t> each(call.views.size());
    for (size_t i = 0; i < each.size() && call.request.mode == RefreshMode::full; i++)
        each[i] = guard([&] { return history::full_duration(call.views[i]); });
    return each;
}

// Views that take long, or that others wait for, come first, so that all processes end at about the same time.
job_board::Plan plan(const Call &call)
{
    std::vector<turns::Places> readers = turns::readers(call.views, call.edges);
    std::vector<int64_t> each = durations(call);
    if (!call.one_snapshot)
        return {turns::single(call.views.size()), readers, turns::ahead(readers, each)};
    std::vector<turns::Places> together = turns::connected(readers);
    std::vector<int64_t> sums;
    for (const turns::Places &turn : together)
        sums.push_back(std::accumulate(turn.begin(), turn.end(), int64_t{0},
                                       [&](int64_t sum, uint32_t view) { return sum + each[view]; }));
    size_t count = together.size();
    return {std::move(together), std::vector<turns::Places>(count), std::move(sums)};
}

} // namespace

namespace jobs {

std::vector<Outcome> by_several(const Call &asked, const run::Limits &limits, int processes)
{
    Call call = run::begun(asked);
    job_board::Plan plan = refresh_mv::plan(call);
    guard([] { SPI_commit(); });
    processes = static_cast<int>(std::min<size_t>(static_cast<size_t>(processes), plan.turns.size()));
    if (processes < 2)
        return run::in_order(call, limits);
    try {
        Board *board = job_board::create(call, plan, processes + call.one_snapshot);
        if (board != nullptr && start(board, call, processes)) {
            std::vector<Outcome> outcomes = carry_out(board, call, limits);
            guard([] { forget(); });
            return outcomes;
        }
        if (board == nullptr)
            warning("refresh_mv.run() goes on with one process: no dynamic shared memory is to be had");
        guard([] {
            forget();
            SPI_commit();
        });
    } catch (...) {
        give_up();
        throw;
    }
    return run::in_order(call, limits);
}

} // namespace jobs

// ---- a worker ----

namespace {

// Takes turns until there are none.  False if it has failed: what it was at has been rolled back.
bool work(Board *board)
{
    job_board::Failure failure;
    bool cancelled = false;
    try {
        guard([] {
            StartTransactionCommand();
            pg::begin_call();
            SPI_connect_ext(SPI_OPT_NONATOMIC);
        });
        BoardTurns turns(board);
        run::take_turns(job_board::call(board), run::limits, turns);
        guard([] {
            SPI_finish();
            CommitTransactionCommand();
        });
        return true;
    } catch (const PgError &error) {
        failure = job_board::failure(error.data);
        cancelled = is_cancel(error.data);
    } catch (const Error &error) {
        failure = job_board::failure(error.sqlstate, error.message.c_str(), error.detail.c_str(), error.hint.c_str());
    } catch (const std::exception &) {
        failure = job_board::failure(ERRCODE_OUT_OF_MEMORY, "out of memory");
    }
    guard([] { AbortOutOfAnyTransaction(); });
    guard([&] {
        if (cancelled)
            job_board::lose_turn(board, failure);
        else
            job_board::stop(board, failure);
    });
    return false;
}

// What the client is told goes to the log with the caller; here, errors that end the worker do, and what is no message
// for a client.
void log_less()
{
    StartTransactionCommand();
    if (pg::log_threshold() < ERROR)
        SetConfigOption("log_min_messages", "error", PGC_SUSET, PGC_S_SESSION);
    CommitTransactionCommand();
}

} // namespace

void refresh_mv_job(Datum handle)
{
    int process;
    memcpy(&process, MyBgworkerEntry->bgw_extra, sizeof(process));
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    Board *board = job_board::attach(DatumGetUInt32(handle), process);
    if (board == nullptr)
        proc_exit(0);
    session_state::take_over(job_board::session(board));
    log_less();
    job_board::arrive(board);
    debug_query_string = "CALL refresh_mv.run()";
    pgstat_report_activity(STATE_RUNNING, debug_query_string);
    proc_exit(entry([&] { return work(board); }) ? 0 : 1);
}

} // namespace refresh_mv
