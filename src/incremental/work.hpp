// An exact refresh under way, or only planned: what its methods share.
//
// Invariants:
// - A query is run only if all that have been come to no more than the limit with it,
//   by the planner's estimates.
// - Of a refresh that is only planned no query is run, but those for the parts, and each
//   is noted.
#pragma once

#include "incremental/incremental.hpp"
#include "incremental/old_state.hpp"

namespace refresh_mv {

// A view's query, analysed.
struct Analysis {
    Query *query;
    Anchoring anchoring;
    GroupShape groups;
};

struct Work {
    Relation view;
    double limit; // of costs
    double cost;  // so far
    bool planned;
    List *queries; // PlannedQuery *
    Analysis analysis;
    List *changes;
    const Parts *parts;
    QueryEnvironment *environment;
    ExactScope scope;

    // A copy of the view's query.
    Query *query() const;

    // There is no scope, for a reason; returns false.
    bool refuse(const char *reason);

    // Adds a cost; whether all are within the limit.
    bool affordable(double more);

    // Notes a query for whoever wants to see what would be run.
    void note(const char *name, Query *query);

    // Runs a query and shows its rows; or does if that is affordable.
    void run_and_show(Query *query, const char *name);
    bool run_affordable(Query *query, const char *name);

    // Rows expected under a name, as many as both states have.
    void expect_both(const char *rows, const char *name);

    // The rows of the view that are compared: those with the touched keys, or all (0);
    // null if that is not affordable.
    Query *held_rows(const Key *keys, int nkeys, const char *touched);

    // Turns a query's tables into a state, restricted to the parts.
    void apply_state(Query *query, TableState state);

    // Runs queries made of the view's in both states, and shows their rows.
    template <class Select>
    bool run_both(const char *rows, Select select)
    {
        for (TableState state : {TableState::now, TableState::before}) {
            Query *selected = query();
            select(selected);
            apply_state(selected, state);
            if (!run_affordable(selected, row_names::in_state(rows, state)))
                return false;
        }
        return true;
    }
};

} // namespace refresh_mv
