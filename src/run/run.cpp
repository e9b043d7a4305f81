#include "run/run.hpp"

#include "query/view.hpp"
#include "refresh/refresh.hpp"
#include "run/targets.hpp"
#include "server/bridge.hpp"
#include "server/deferred_flush.hpp"
#include "server/messages.hpp"
#include "server/progress.hpp"
#include "store/history.hpp"
#include "store/view_settings.hpp"
#include "tracking/registry.hpp"
#include "tracking/repair.hpp"
#include "tracking/shared_changes.hpp"
#include "tracking/track.hpp"

#include <algorithm>
#include <map>

namespace refresh_mv {

namespace {

std::string name_of(Oid oid)
{
    return guard([&] { return view::name(oid); });
}

const char *name_of(Caller caller)
{
    return caller == Caller::function    ? "function"
           : caller == Caller::procedure ? "procedure"
           : caller == Caller::commit    ? "on commit"
           : caller == Caller::statement ? "REFRESH"
                                         : "replace_query";
}

void warn(Oid oid, const PgError &error, const std::string &message)
{
    std::string name = name_of(oid);
    guard([&] {
        // On commit this may be a writer who may not read what the view reads.
        bool owner = view::is_owner(oid);
        ereport(WARNING,
                (errcode(error.data->sqlerrcode),
                 errmsg_internal("could not refresh materialized view %s: %s", name.c_str(),
                                 owner ? message.c_str() : view::told(error.data, false)),
                 owner && error.data->detail ? errdetail_internal("%s", error.data->detail) : 0,
                 owner && error.data->hint ? errhint("%s", error.data->hint) : 0));
    });
}

// Whether an error is not one of the view: a cancelled statement, or one after
// which the caller's transaction has to be tried again.  A view's function can
// raise "query_canceled" too, or pass on that of a remote server.
bool ends_call(const ErrorData *error, Caller source)
{
    if (is_cancel(error))
        return true;
    return source == Caller::function && IsolationUsesXactSnapshot()
           && (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE
               || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED);
}

const char view_timeout[] = "canceling refresh due to the view's statement_timeout";

bool is_view_timeout(const PgError &error)
{
    return view::timed_out() && error.data->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

const char *text_or_null(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

// Runs code in a memory context of its own, which ends with it; on an exception
// it stays, with the error in it, until the caller's ends.
template <class F>
void in_own_memory(F &&code)
{
    MemoryContext outer = CurrentMemoryContext;
    MemoryContext own = guard([] {
        return AllocSetContextCreate(CurrentMemoryContext, "refresh_mv view", ALLOCSET_DEFAULT_SIZES);
    });
    MemoryContextSwitchTo(own);
    try {
        code();
    } catch (...) {
        MemoryContextSwitchTo(outer);
        throw;
    }
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(own);
}

// One stage, its errors turned into an obstacle.
template <class F>
Obstacle attempt_stage(Oid oid, Caller source, F &&stage)
{
    guard([] { view::stop_clock(); });
    try {
        subtransaction(stage);
        return {};
    } catch (const PgError &error) {
        bool timed_out = is_view_timeout(error);
        guard([] { view::stop_clock(); });
        if (ends_call(error.data, source) && !timed_out)
            throw;
        Obstacle obstacle = {error.data->sqlerrcode, timed_out             ? view_timeout
                                                     : error.data->message ? error.data->message
                                                                           : "unknown error"};
        warn(oid, error, obstacle.message);
        return obstacle;
    }
}

// Runs a stage of a view's refresh in a subtransaction.  Errors that end the
// call are not caught, unless it was the view's own timeout that cancelled it.
template <class F>
Obstacle attempt(Oid oid, Caller source, F &&stage)
{
    Obstacle obstacle{};
    in_own_memory([&] { obstacle = attempt_stage(oid, source, stage); });
    return obstacle;
}

// One call under way.
class Run {
public:
    Run(const Call &call, const run::Limits &limits) : call_(call), limits_(limits)
    {
        // What happens on commit, or by a statement that is core's, must not be what lastval() tells.
        bool counted = call.source != Caller::commit && call.source != Caller::statement;
        id_ = call.run != 0 ? call.run : counted ? guard([] { return history::new_run(); }) : 0;
        for (size_t i = 0; i < call.views.size(); i++) {
            names_[call.views[i]] = call.names.empty() ? name_of(call.views[i]) : call.names[i];
            places_[call.views[i]] = static_cast<int>(i) + 1;
        }
    }

    // Takes the snapshot under which views are refreshed from now on.
    void take_snapshot()
    {
        snapshot_time_ = call_.snapshot_time != 0 ? call_.snapshot_time : GetCurrentTimestamp();
        guard([] { view::push_snapshot(); });
    }

    // Refreshes a view under the active snapshot, or says why not.
    void refresh(Oid oid, const Obstacle &obstacle, view::Prepared prepared)
    {
        Outcome outcome = start(oid);
        std::string upstream = failed_source_of(oid);
        if (!upstream.empty())
            fail_upstream(outcome, upstream);
        else if (obstacle.sqlstate != 0)
            fail(outcome, obstacle);
        else if (prepared.hindrance != view::Hindrance::none)
            outcome.refreshed.reason = reason_to_skip(prepared);
        else {
            Obstacle met = attempt(oid, call_.source, [&] { outcome.refreshed = refresh::refresh(oid, request()); });
            if (met.sqlstate != 0)
                fail(outcome, met);
        }
        finish(outcome, obstacle.sqlstate == 0 && prepared.hindrance == view::Hindrance::none);
    }

    // Refreshes a view in chunks, with a commit after each but the last.
    void refresh_in_chunks(Oid oid)
    {
        Outcome outcome = start(oid);
        std::string upstream = failed_source_of(oid);
        if (!upstream.empty()) {
            guard([] { view::push_snapshot(); });
            fail_upstream(outcome, upstream);
            return finish(outcome, false);
        }
        Obstacle met{};
        chunks::Attempt stage = [&](const std::function<void()> &code) {
            met = attempt(oid, call_.source, code);
            return met.sqlstate == 0;
        };
        chunks::Result done = chunks::refresh(oid, request(), *call_.chunking, call_.wait, stage);
        outcome.refreshed = done.refreshed;
        outcome.snapshot_time = done.as_of;
        bool free = done.prepared.hindrance == view::Hindrance::none;
        if (met.sqlstate != 0)
            fail(outcome, met);
        else if (!free && done.refreshed.method == Method::none)
            outcome.refreshed.reason = reason_to_skip(done.prepared);
        else if (!free)
            fail(outcome, {ERRCODE_OBJECT_IN_USE, reason_to_skip(done.prepared)});
        finish(outcome, free && met.sqlstate == 0);
    }

    // Leaves a view for such a reason.
    void leave(Oid oid, const std::string &reason)
    {
        Outcome outcome = start(oid);
        outcome.refreshed.reason = reason;
        finish(outcome, false);
    }

    // Takes down that a view has failed, elsewhere.
    void fail(Oid oid, const Obstacle &obstacle)
    {
        Outcome outcome = start(oid);
        fail(outcome, obstacle);
        warning("could not refresh materialized view %s: %s", outcome.name.c_str(), outcome.error.c_str());
        finish(outcome, false);
    }

    // Views that are not refreshed, since they read one that has failed, elsewhere.
    void stop(const std::vector<Oid> &views, const std::string &upstream)
    {
        for (Oid oid : views)
            stopped_by_.emplace(oid, upstream);
    }

    // The same by other means; failures are thrown.
    template <class Way>
    void refresh_or_throw(Oid oid, Way way)
    {
        Outcome outcome = start(oid);
        try {
            in_own_memory([&] { outcome.refreshed = way(); });
        } catch (const PgError &error) {
            if (is_view_timeout(error))
                throw Error{ERRCODE_QUERY_CANCELED, view_timeout, "", ""};
            throw;
        }
        finish(outcome, true);
    }

    // What was asked for, in this run.
    Request request() const
    {
        Request request = call_.request;
        request.run = id_;
        return request;
    }

    // The views whose tracking is to be made whole again.
    std::vector<Oid> damaged() const
    {
        std::vector<Oid> views;
        for (const Outcome &outcome : outcomes_)
            if (outcome.success && outcome.refreshed.damaged)
                views.push_back(outcome.view);
        return views;
    }

    // What became of the views since this was asked last.
    std::vector<Outcome> taken_down() { return std::exchange(outcomes_, {}); }

    std::vector<Outcome> end()
    {
        guard([] { progress::end(); });
        return std::move(outcomes_);
    }

private:
    Outcome start(Oid oid)
    {
        Outcome outcome{};
        outcome.view = oid;
        outcome.name = names_[oid];
        outcome.success = true;
        outcome.started = GetCurrentTimestamp();
        outcome.snapshot_time = snapshot_time_;
        guard([&] {
            progress::start_view(places_[oid], static_cast<int>(call_.views.size()), names_[oid].c_str());
        });
        if (!call_.request.quiet)
            notice("Refreshing %s...", outcome.name.c_str());
        return outcome;
    }

    static std::string reason_to_skip(view::Prepared prepared)
    {
        if (prepared.hindrance == view::Hindrance::dropped)
            return "skipped: dropped meanwhile";
        if (prepared.hindrance == view::Hindrance::refreshing && prepared.pid != 0)
            return format("skipped: already being refreshed by pid %d", prepared.pid);
        return "skipped: locked by another session";
    }

    // The failed view that keeps this one from being refreshed, if one does.
    std::string failed_source_of(Oid oid) const
    {
        auto found = stopped_by_.find(oid);
        return found == stopped_by_.end() ? "" : found->second;
    }

    // Keeps the views that read a failed one from being refreshed.
    void stop_dependents(const Outcome &outcome)
    {
        for (Oid oid : view_order::with_dependents({outcome.view}, call_.edges))
            stopped_by_.emplace(oid, outcome.name);
    }

    static void fail(Outcome &outcome, const Obstacle &obstacle)
    {
        outcome.success = false;
        outcome.sqlstate = obstacle.sqlstate;
        outcome.error = obstacle.message;
    }

    static void fail_upstream(Outcome &outcome, const std::string &upstream)
    {
        fail(outcome, {ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "upstream failed: " + upstream});
        warning("could not refresh materialized view %s: %s", outcome.name.c_str(),
                outcome.error.c_str());
    }

    // Writes the outcome down; prepared tells that the view's locks are held.
    void finish(Outcome &outcome, bool prepared)
    {
        outcome.duration = GetCurrentTimestamp() - outcome.started;
        if (!call_.request.quiet)
            announce(outcome);
        // What somebody without the right tries is no part of the view's history, nor
        // that a commit found nothing to do.
        bool idle = call_.source == Caller::commit && outcome.refreshed.method == Method::skip;
        if (!idle && (prepared || outcome.sqlstate != ERRCODE_INSUFFICIENT_PRIVILEGE)) {
            record(outcome, prepared);
            warn_of_limits(outcome);
        }
        if (!outcome.success && !stopped_by_.contains(outcome.view))
            stop_dependents(outcome);
        outcomes_.push_back(std::move(outcome));
    }

    static void announce(const Outcome &outcome)
    {
        const Refreshed &done = outcome.refreshed;
        if (!outcome.success)
            return; // a warning has told
        if (done.method == Method::none)
            notice("%s %s", outcome.name.c_str(), done.reason.c_str());
        else if (done.method == Method::skip)
            notice("%s is up to date: %s (%.1f ms)", outcome.name.c_str(), done.reason.c_str(),
                   static_cast<double>(outcome.duration) / 1000);
        else
            notice("%s refreshed successfully (%s: %llu inserted, %llu updated, %llu deleted, %.1f ms)",
                   outcome.name.c_str(), refresh_mv::name_of(done.method),
                   static_cast<unsigned long long>(done.rows.inserted),
                   static_cast<unsigned long long>(done.rows.updated),
                   static_cast<unsigned long long>(done.rows.deleted),
                   static_cast<double>(outcome.duration) / 1000);
    }

    void record(const Outcome &outcome, bool prepared) const
    {
        in_own_memory([&] { guard([&] {
            const Refreshed &done = outcome.refreshed;
            history::record({id_, outcome.view, refresh_mv::name_of(call_.request.mode), refresh_mv::name_of(done.method),
                             outcome.success ? done.reason.c_str() : outcome.error.c_str(),
                             outcome.started, outcome.duration,
                             static_cast<int64>(done.rows.inserted),
                             static_cast<int64>(done.rows.updated),
                             static_cast<int64>(done.rows.deleted),
                             static_cast<int64>(done.rows.unchanged), outcome.snapshot_time,
                             outcome.success,
                             outcome.success ? nullptr : unpack_sql_state(outcome.sqlstate),
                             outcome.success ? text_or_null(done.trouble) : outcome.error.c_str(),
                             name_of(call_.source), lag_of(outcome)});
            if (prepared && !IsolationUsesXactSnapshot())
                history::purge(outcome.view, limits_.history_days);
        }); });
    }

    // How old the first change was that a refresh took in when it ended.
    static int64 lag_of(const Outcome &outcome)
    {
        if (!outcome.success || outcome.refreshed.method == Method::none || outcome.refreshed.oldest == 0)
            return -1;
        return Max(outcome.started + outcome.duration - outcome.refreshed.oldest, 0);
    }

    void warn_of_limits(const Outcome &outcome) const
    {
        double seconds = static_cast<double>(outcome.duration) / USECS_PER_SEC;
        if (limits_.warn_after > 0 && outcome.duration > limits_.warn_after * INT64CONST(1000))
            warning("refresh of materialized view %s took %.1f seconds, longer than refresh_mv.warn_after",
                    outcome.name.c_str(), seconds);
        if (outcome.success || limits_.failures == 0)
            return;
        int failures = guard([&] { return history::consecutive_failures(outcome.view); });
        if (failures >= limits_.failures)
            warning("materialized view %s has failed to refresh %d times in a row",
                    outcome.name.c_str(), failures);
    }

    const Call &call_;
    const run::Limits limits_;
    int64 id_; // 0: none
    TimestampTz snapshot_time_ = 0;
    std::map<Oid, std::string> names_;      // as they were when the call began
    std::map<Oid, int> places_;             // in the call, from 1
    std::map<Oid, std::string> stopped_by_; // the failed view that a view reads
    std::vector<Outcome> outcomes_;
};

// Runs code that refreshes views, which share what they read of the log if there are several.
template <class F>
void with_shared_changes(bool several, F &&code)
{
    if (!several)
        return code();
    shared_changes::Call *outer = guard([] { return shared_changes::begin(); });
    try {
        code();
    } catch (...) {
        shared_changes::forget(outer);
        throw;
    }
    guard([&] { shared_changes::end(outer); });
}

// Runs code; on an exception stops the clock and takes the progress report back
// before it goes on.
template <class F>
std::vector<Outcome> with_progress(F &&code)
{
    try {
        return code();
    } catch (...) {
        view::stop_clock();
        progress::end();
        throw;
    }
}

// Refreshes views under one snapshot, which is taken when all that they read is locked.
void refresh_together(Run &run, const Call &call, const std::vector<Oid> &views)
{
    std::vector<Oid> by_oid = views;
    std::vector<Obstacle> obstacles(views.size());
    std::vector<view::Prepared> prepared(views.size());
    std::sort(by_oid.begin(), by_oid.end());
    auto place = [&](Oid oid) {
        return std::lower_bound(by_oid.begin(), by_oid.end(), oid) - by_oid.begin();
    };

    for (Oid oid : by_oid)
        obstacles[place(oid)] = attempt(oid, call.source, [&] {
            prepared[place(oid)] = guard(
                [&] { return view::prepare(oid, call.wait, call.source != Caller::commit); });
        });
    run.take_snapshot();
    with_shared_changes(views.size() > 1, [&] {
        for (Oid oid : views)
            run.refresh(oid, obstacles[place(oid)], prepared[place(oid)]);
    });
    for (Oid oid : run.damaged())
        repair::resume(oid);
    guard([] { PopActiveSnapshot(); });
}

// Refreshes a view on its own, if there is anything to be done.
void refresh_alone(Run &run, const Call &call, Oid oid)
{
    view::Prepared prepared{};
    auto prepare = [&] {
        return attempt(oid, call.source, [&] {
            prepared = guard([&] { return view::prepare(oid, call.wait, true); });
        });
    };
    Obstacle obstacle = prepare();
    if (obstacle.sqlstate == 0 && prepared.hindrance == view::Hindrance::none && repair::resume_if_damaged(oid)) {
        guard([] { SPI_commit(); });
        obstacle = prepare();
    }
    run.take_snapshot();
    run.refresh(oid, obstacle, prepared);
    guard([] { PopActiveSnapshot(); });
}

// Refreshes a view by transactions for its chunks, but for the commit of the last.
void refresh_in_chunks(Run &run, Oid oid)
{
    run.refresh_in_chunks(oid);
    guard([] { PopActiveSnapshot(); });
}

// Leaves those of some views that can be left for a later run, and returns the others.
std::vector<Oid> leave_by_lag(Run &run, const Call &call, const std::vector<Oid> &views)
{
    std::vector<Oid> others;
    if (!call.by_lag)
        return views;
    guard([] { PushActiveSnapshot(GetTransactionSnapshot()); }); // to write the history
    for (Oid oid : views) {
        std::string reason = targets::reason_to_leave(call, oid, call.began);
        if (reason.empty())
            others.push_back(oid);
        else
            run.leave(oid, reason);
    }
    guard([] {
        PopActiveSnapshot();
        SPI_commit(); // the snapshot to refresh under is to be taken after the locks
    });
    return others;
}

// All of a turn, but for its commit.
void take_turn(Run &run, const Call &call, const Turn &turn, Turns &turns)
{
    if (turn.obstacle.sqlstate != 0) {
        guard([] { PushActiveSnapshot(GetTransactionSnapshot()); }); // to write the history
        for (Oid oid : turn.views)
            run.fail(oid, turn.obstacle);
        guard([] { PopActiveSnapshot(); });
        return;
    }
    if (!turn.upstream.empty())
        run.stop(turn.views, turn.upstream);
    std::vector<Oid> views = leave_by_lag(run, call, turn.views);
    if (views.empty())
        return;
    turns.begin(turn);
    if (call.one_snapshot)
        refresh_together(run, call, views);
    else if (call.chunking)
        refresh_in_chunks(run, views[0]);
    else
        refresh_alone(run, call, views[0]);
}

// Whether a refresh was so small that to wait for the disk would take longer, and nobody is told of it.
bool can_be_flushed_later(const Outcome &outcome)
{
    Method method = outcome.refreshed.method;
    if (!outcome.success || outcome.refreshed.damaged || method > Method::keys)
        return false;
    if (method <= Method::skip)
        return true;
    return guard([&] {
        ViewSettings settings = view_settings::read(outcome.view);
        return !settings.notify && settings.feed_keep == nullptr;
    });
}

// Commits what a turn has done.  The run waits for the disk at its end.
void commit_turn(const std::vector<Outcome> &outcomes)
{
    bool later = std::all_of(outcomes.begin(), outcomes.end(), can_be_flushed_later);
    guard([&] {
        if (later)
            deferred_flush::defer();
        SPI_commit();
    });
}

// The turns of a call that one process carries out, in order.
class InOrder : public Turns {
public:
    explicit InOrder(const Call &call) : call_(call) {}

    bool next(Turn *turn) override
    {
        if (next_ == call_.views.size())
            return false;
        size_t count = call_.one_snapshot ? call_.views.size() : 1;
        auto first = call_.views.begin() + static_cast<std::ptrdiff_t>(next_);
        *turn = {{first, first + static_cast<std::ptrdiff_t>(count)}, "", {}};
        next_ += count;
        return true;
    }

    void ended(const std::vector<Outcome> &outcomes) override
    {
        outcomes_.insert(outcomes_.end(), outcomes.begin(), outcomes.end());
    }

    std::vector<Outcome> outcomes() { return std::move(outcomes_); }

private:
    const Call &call_;
    size_t next_ = 0;
    std::vector<Outcome> outcomes_;
};

} // namespace

namespace run {

Limits limits = {60000, 3, 31};
bool skip_refresh = false;

std::vector<Outcome> together(const Call &call, const Limits &limits)
{
    return with_progress([&] {
        Run run(call, limits);
        refresh_together(run, call, call.views);
        return run.end();
    });
}

Call begun(const Call &asked)
{
    TimestampTz began = GetCurrentTimestamp();
    Call call = targets::plan(asked);
    if (asked.by_lag)
        guard([] { SPI_commit(); });
    call.began = began;
    call.run = guard([] { return history::new_run(); });
    for (Oid oid : call.views)
        call.names.push_back(name_of(oid));
    return call;
}

void take_turns(const Call &call, const Limits &limits, Turns &turns)
{
    with_progress([&] {
        Run run(call, limits);
        Turn turn;
        while (turns.next(&turn)) {
            take_turn(run, call, turn, turns);
            std::vector<Outcome> outcomes = run.taken_down();
            commit_turn(outcomes);
            turns.ended(outcomes);
        }
        return run.end();
    });
}

std::vector<Outcome> in_order(const Call &call, const Limits &limits)
{
    InOrder turns(call);
    take_turns(call, limits, turns);
    guard([] { deferred_flush::wait_for(deferred_flush::last_commit()); });
    return turns.outcomes();
}

std::vector<Outcome> one_by_one(const Call &asked, const Limits &limits)
{
    return in_order(begun(asked), limits);
}

std::vector<Outcome> where(const Call &call, const std::string &condition, const Limits &limits)
{
    return with_progress([&] {
        Run run(call, limits);
        guard([&] { view::prepare_existing(call.views[0]); });
        run.take_snapshot();
        run.refresh_or_throw(call.views[0], [&] { return refresh::refresh_where(call.views[0], condition, run.request().run); });
        guard([] { PopActiveSnapshot(); });
        return run.end();
    });
}

std::vector<Outcome> replaced(const Call &call, const Limits &limits)
{
    return with_progress([&] {
        Run run(call, limits);
        guard([&] { view::prepare_existing(call.views[0]); });
        run.take_snapshot();
        run.refresh_or_throw(call.views[0], [&] {
            Refreshed done = refresh::refresh(call.views[0], run.request());
            done.reason = "its query was replaced";
            return done;
        });
        guard([] { PopActiveSnapshot(); });
        return run.end();
    });
}

bool lock(const Call &call)
{
    std::vector<Oid> by_oid = call.views;
    bool all = true;
    std::sort(by_oid.begin(), by_oid.end());
    for (Oid oid : by_oid)
        all &= guard([&] { return view::prepare(oid, true, true).hindrance; }) == view::Hindrance::none;
    return all;
}

std::vector<Outcome> all_or_none(const Call &call, const Limits &limits)
{
    return with_progress([&] {
        guard([] { view::stop_clock(); });
        Run run(call, limits);
        run.take_snapshot();
        with_shared_changes(call.views.size() > 1, [&] {
            for (Oid oid : call.views)
                run.refresh_or_throw(oid, [&] { return refresh::refresh(oid, run.request()); });
        });
        for (Oid oid : run.damaged())
            repair::resume(oid);
        guard([] { PopActiveSnapshot(); });
        return run.end();
    });
}

static std::string type_of(const std::vector<Outcome> &outcomes)
{
    bool whole = false;
    bool part = false;
    for (const Outcome &outcome : outcomes)
        if (outcome.success && outcome.refreshed.method > Method::skip)
            (is_partial(outcome.refreshed.method) ? part : whole) = true;
    return whole && part ? "mixed" : whole ? "full" : part ? "incremental" : "none";
}

Summary summary(const std::vector<Outcome> &outcomes, double seconds)
{
    Summary summary = {true, {}, seconds, type_of(outcomes), ""};
    size_t failed = 0;
    size_t skipped = 0;
    std::string remarks;

    for (const Outcome &outcome : outcomes) {
        if (!outcome.success) {
            failed++;
            remarks += "; " + outcome.name + ": " + outcome.error;
        } else if (outcome.refreshed.method == Method::none)
            remarks += "; " + outcome.name + ": " + outcome.refreshed.reason;
        else if (outcome.refreshed.method == Method::skip)
            skipped++;
        else
            summary.refreshed.push_back(outcome.name);
    }
    summary.success = failed == 0;
    if (outcomes.empty())
        summary.message = "No materialized views to refresh";
    else if (failed > 0)
        summary.message = format("%zu of %zu materialized views failed", failed, outcomes.size());
    else
        summary.message = format("%zu materialized views refreshed", summary.refreshed.size());
    if (skipped > 0)
        summary.message += format(", %zu up to date", skipped);
    summary.message += remarks;
    return summary;
}

} // namespace run

} // namespace refresh_mv
