// The turns of a run of which each is a transaction, and their commit.
#include "run/targets.hpp"
#include "run/under_way.hpp"
#include "server/deferred_flush.hpp"
#include "store/history.hpp"
#include "store/view_settings.hpp"
#include "tracking/repair.hpp"

#include <algorithm>

namespace refresh_mv {

namespace {

// Refreshes a view on its own, if there is anything to be done.
void refresh_alone(Run &run, const Call &call, Oid oid)
{
    view::Prepared prepared{};
    auto prepare = [&] {
        return attempt::stage(oid, call.source, [&] {
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

Call begun(const Call &asked)
{
    TimestampTz began = GetCurrentTimestamp();
    Call call = targets::plan(asked);
    if (asked.by_lag)
        guard([] { SPI_commit(); });
    call.began = began;
    call.run = guard([] { return history::new_run(); });
    for (Oid oid : call.views)
        call.names.push_back(guard([&] { return view::name(oid); }));
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

} // namespace run

} // namespace refresh_mv
