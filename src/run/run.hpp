// A call that refreshes several views: their order, what happens when one
// fails, what is said and written down about each.
//
//     together:    lock all views by oid -> one snapshot -> refresh in order
//     one by one:  (lock -> snapshot -> refresh -> journal -> commit) in order
//     by several:  the same, by several processes at once: see jobs.hpp
//
// Invariants:
// - Each view is refreshed in a subtransaction of its own.  One that fails is
//   left as it was; views that read it are not refreshed in this call; the
//   others are.  A cancelled statement ends the call.  (But for a statement, REFRESH: whatever
//   fails is its failure.)
// - A view comes after all views that it reads.
// - Each view leaves one row in the journal, in the transaction that
//   refreshed it.
#pragma once

#include "run/chunks.hpp"
#include "run/view_order.hpp"
#include "server/method.hpp"
#include "server/pg.hpp"

#include <optional>
#include <vector>

namespace refresh_mv {

// Who called; commit: the transaction, at its end; statement: REFRESH; replacement: whoever gave a view another
// query.
enum class Caller { function, procedure, commit, statement, replacement };

struct Call {
    Request request;
    std::vector<Oid> views; // in the order of view_order::ordered
    std::vector<Edge> edges;
    bool wait; // for another session that is refreshing the same view
    Caller source;
    bool by_lag = false;      // views whose max_lag is kept until the next call are left
    int64 next_call = 0;      // microseconds until that; 0: as the history of each view has it
    std::optional<Chunking> chunking = {}; // each view is refreshed in chunks
    bool one_snapshot = false; // for all views of a procedure's call
    // As the call is carried out, if it is known: the number of the run, when it began, its views' names then, and
    // when the snapshot was taken that it was given.
    int64 run = 0;
    TimestampTz began = 0;
    std::vector<std::string> names = {};
    TimestampTz snapshot_time = 0;
};

// What stopped a stage; sqlstate 0 if nothing did.
struct Obstacle {
    int sqlstate;
    std::string message;
};

// What one process refreshes next, in one transaction: one view; with one_snapshot, all that have to do with each
// other.
struct Turn {
    std::vector<Oid> views;
    std::string upstream; // a view that they read and that has failed
    Obstacle obstacle;    // by which they have failed already
};

// Who says what is next.
class Turns {
public:
    virtual ~Turns() = default;

    // The next turn; false if there is none.  No lock is held meanwhile.
    virtual bool next(Turn *turn) = 0;

    // The transaction of a turn begins, and has read nothing yet.
    virtual void begin(const Turn &) {}

    // What became of the views of the last turn, which has been committed.
    virtual void ended(const std::vector<Outcome> &outcomes) = 0;
};

// What a call gives back.
struct Summary {
    bool success;
    std::vector<std::string> refreshed;
    double seconds;
    std::string type;
    std::string message;
};

namespace run {

// Limits beyond which a call warns, and how long the journal reaches back.
struct Limits {
    int warn_after;    // milliseconds; 0: never
    int failures;      // in a row; 0: never
    int history_days;
};

// As the settings have them; skip_refresh switches refreshing off.
extern Limits limits;
extern bool skip_refresh;

// Refreshes all views under one snapshot, within the caller's transaction.
std::vector<Outcome> together(const Call &call, const Limits &limits);

// Refreshes the views in turn and commits after each, or with one_snapshot after all.  SPI is connected,
// non-atomic.
std::vector<Outcome> one_by_one(const Call &call, const Limits &limits);

// The call as it is to be carried out, with a number and the order of its views; committed.
Call begun(const Call &asked);

// The same as one_by_one, of such a call.
std::vector<Outcome> in_order(const Call &call, const Limits &limits);

// Carries out the turns of such a call, with a commit after each.
void take_turns(const Call &call, const Limits &limits, Turns &turns);

// Merges the rows of the call's one view that satisfy a condition.  A failure
// is thrown.
std::vector<Outcome> where(const Call &call, const std::string &condition, const Limits &limits);

// Fills a view by the query that it has just been given.  A failure is thrown.
std::vector<Outcome> replaced(const Call &call, const Limits &limits);

// Locks the call's views as together() does; false if one of them has been dropped meanwhile.
bool lock(const Call &call);

// Refreshes all views of a call, which are locked, under one snapshot, within the caller's
// transaction.  A failure is thrown, and ends the call.
std::vector<Outcome> all_or_none(const Call &call, const Limits &limits);

Summary summary(const std::vector<Outcome> &outcomes, double seconds);

} // namespace run

} // namespace refresh_mv
