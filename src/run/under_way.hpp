// One call under way: what becomes of each of its views, what is said of that and written down.
//
// Invariants:
// - Each view that a method is called for gets an outcome, a line of the history in the transaction that is
//   under way, and is reported as the one in progress meanwhile.
// - Views that read one that has failed are not refreshed any more, by whichever method.
#pragma once

#include "query/view.hpp"
#include "run/attempt.hpp"
#include "server/progress.hpp"
#include "tracking/shared_changes.hpp"

#include <map>
#include <utility>

namespace refresh_mv {

class Run {
public:
    Run(const Call &call, const run::Limits &limits);

    // Takes the snapshot under which views are refreshed from now on.
    void take_snapshot();

    // Refreshes a view under the active snapshot, or says why not.
    void refresh(Oid oid, const Obstacle &obstacle, view::Prepared prepared);

    // Refreshes a view in chunks, with a commit after each but the last.
    void refresh_in_chunks(Oid oid);

    // Leaves a view for such a reason.
    void leave(Oid oid, const std::string &reason);

    // Takes down that a view has failed, elsewhere.
    void fail(Oid oid, const Obstacle &obstacle);

    // Views that are not refreshed, since they read one that has failed, elsewhere.
    void stop(const std::vector<Oid> &views, const std::string &upstream);

    // The same by other means; failures are thrown.
    template <class Way>
    void refresh_or_throw(Oid oid, Way way)
    {
        Outcome outcome = start(oid);
        try {
            attempt::in_own_memory([&] { outcome.refreshed = way(); });
        } catch (const PgError &error) {
            if (attempt::is_view_timeout(error))
                throw Error{ERRCODE_QUERY_CANCELED, attempt::view_timeout, "", ""};
            throw;
        }
        finish(outcome, true);
    }

    // What was asked for, in this run.
    Request request() const;

    // The views whose tracking is to be made whole again.
    std::vector<Oid> damaged() const;

    // What became of the views since this was asked last.
    std::vector<Outcome> taken_down() { return std::exchange(outcomes_, {}); }

    std::vector<Outcome> end();

private:
    Outcome start(Oid oid);

    static std::string reason_to_skip(view::Prepared prepared);

    // The failed view that keeps this one from being refreshed, if one does.
    std::string failed_source_of(Oid oid) const;

    // Keeps the views that read a failed one from being refreshed.
    void stop_dependents(const Outcome &outcome);

    static void fail(Outcome &outcome, const Obstacle &obstacle);

    static void fail_upstream(Outcome &outcome, const std::string &upstream);

    // Writes the outcome down; prepared tells that the view's locks are held.
    void finish(Outcome &outcome, bool prepared);

    static void announce(const Outcome &outcome);

    void record(const Outcome &outcome, bool prepared) const;

    // How old the first change was that a refresh took in when it ended.
    static int64 lag_of(const Outcome &outcome);

    void warn_of_limits(const Outcome &outcome) const;

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
void refresh_together(Run &run, const Call &call, const std::vector<Oid> &views);

} // namespace refresh_mv
