#include "run/under_way.hpp"

#include "refresh/refresh.hpp"
#include "server/messages.hpp"
#include "store/history.hpp"
#include "tracking/repair.hpp"

#include <algorithm>

namespace refresh_mv {

namespace {

const char *name_of(Caller caller)
{
    return caller == Caller::function    ? "function"
           : caller == Caller::procedure ? "procedure"
           : caller == Caller::commit    ? "on commit"
           : caller == Caller::statement ? "REFRESH"
                                         : "replace_query";
}

const char *text_or_null(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

} // namespace

Run::Run(const Call &call, const run::Limits &limits) : call_(call), limits_(limits)
{
    // What happens on commit, or by a statement that is core's, must not be what lastval() tells.
    bool counted = call.source != Caller::commit && call.source != Caller::statement;
    id_ = call.run != 0 ? call.run : counted ? guard([] { return history::new_run(); }) : 0;
    for (size_t i = 0; i < call.views.size(); i++) {
        names_[call.views[i]] = call.names.empty() ? guard([&] { return view::name(call.views[i]); })
                                                    : call.names[i];
        places_[call.views[i]] = static_cast<int>(i) + 1;
    }
}

void Run::take_snapshot()
{
    snapshot_time_ = call_.snapshot_time != 0 ? call_.snapshot_time : GetCurrentTimestamp();
    guard([] { view::push_snapshot(); });
}

void Run::refresh(Oid oid, const Obstacle &obstacle, view::Prepared prepared)
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
        Obstacle met = attempt::stage(oid, call_.source, [&] { outcome.refreshed = refresh::refresh(oid, request()); });
        if (met.sqlstate != 0)
            fail(outcome, met);
    }
    finish(outcome, obstacle.sqlstate == 0 && prepared.hindrance == view::Hindrance::none);
}

void Run::refresh_in_chunks(Oid oid)
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
        met = attempt::stage(oid, call_.source, code);
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

void Run::leave(Oid oid, const std::string &reason)
{
    Outcome outcome = start(oid);
    outcome.refreshed.reason = reason;
    finish(outcome, false);
}

void Run::fail(Oid oid, const Obstacle &obstacle)
{
    Outcome outcome = start(oid);
    fail(outcome, obstacle);
    warning("could not refresh materialized view %s: %s", outcome.name.c_str(), outcome.error.c_str());
    finish(outcome, false);
}

void Run::stop(const std::vector<Oid> &views, const std::string &upstream)
{
    for (Oid oid : views)
        stopped_by_.emplace(oid, upstream);
}

Request Run::request() const
{
    Request request = call_.request;
    request.run = id_;
    return request;
}

std::vector<Oid> Run::damaged() const
{
    std::vector<Oid> views;
    for (const Outcome &outcome : outcomes_)
        if (outcome.success && outcome.refreshed.damaged)
            views.push_back(outcome.view);
    return views;
}

std::vector<Outcome> Run::end()
{
    guard([] { progress::end(); });
    return std::move(outcomes_);
}

Outcome Run::start(Oid oid)
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

std::string Run::reason_to_skip(view::Prepared prepared)
{
    if (prepared.hindrance == view::Hindrance::dropped)
        return "skipped: dropped meanwhile";
    if (prepared.hindrance == view::Hindrance::refreshing && prepared.pid != 0)
        return format("skipped: already being refreshed by pid %d", prepared.pid);
    return "skipped: locked by another session";
}

std::string Run::failed_source_of(Oid oid) const
{
    auto found = stopped_by_.find(oid);
    return found == stopped_by_.end() ? "" : found->second;
}

void Run::stop_dependents(const Outcome &outcome)
{
    for (Oid oid : view_order::with_dependents({outcome.view}, call_.edges))
        stopped_by_.emplace(oid, outcome.name);
}

void Run::fail(Outcome &outcome, const Obstacle &obstacle)
{
    outcome.success = false;
    outcome.sqlstate = obstacle.sqlstate;
    outcome.error = obstacle.message;
}

void Run::fail_upstream(Outcome &outcome, const std::string &upstream)
{
    fail(outcome, {ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "upstream failed: " + upstream});
    warning("could not refresh materialized view %s: %s", outcome.name.c_str(),
            outcome.error.c_str());
}

void Run::finish(Outcome &outcome, bool prepared)
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

void Run::announce(const Outcome &outcome)
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
               outcome.name.c_str(), name_of(done.method),
               static_cast<unsigned long long>(done.rows.inserted),
               static_cast<unsigned long long>(done.rows.updated),
               static_cast<unsigned long long>(done.rows.deleted),
               static_cast<double>(outcome.duration) / 1000);
}

void Run::record(const Outcome &outcome, bool prepared) const
{
    attempt::in_own_memory([&] { guard([&] {
        const Refreshed &done = outcome.refreshed;
        history::record({id_, outcome.view, name_of(call_.request.mode), name_of(done.method),
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

int64 Run::lag_of(const Outcome &outcome)
{
    if (!outcome.success || outcome.refreshed.method == Method::none || outcome.refreshed.oldest == 0)
        return -1;
    return Max(outcome.started + outcome.duration - outcome.refreshed.oldest, 0);
}

void Run::warn_of_limits(const Outcome &outcome) const
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
        obstacles[place(oid)] = attempt::stage(oid, call.source, [&] {
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

} // namespace refresh_mv
