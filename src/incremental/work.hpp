// An exact refresh under way, or only planned: what its methods share.
//
// Invariants:
// - A query is run only if all that have been come to no more than the limit with it,
//   by the planner's estimates.
// - Of a refresh that is only planned no query is run, but those for the changed rows, the passage of time, the
//   parts and the groups of nodes, and each of the others is noted.
// - The changes are taken by terms if these tell all (signed_terms.hpp), or else by parts.
#pragma once

#include "incremental/analysis.hpp"
#include "incremental/incremental.hpp"
#include "incremental/old_state.hpp"
#include "incremental/signed_terms.hpp"

namespace refresh_mv {

struct Work {
    Relation view;
    State state;  // that the delta method keeps
    double limit; // of costs
    double *cost; // so far
    bool planned;
    bool keeps; // the view holds rows besides those of its query, by keep_before
    List *queries; // PlannedQuery *
    Analysis analysis;
    List *changes;
    bool by_terms;
    bool imagined;      // so are the changes
    bool reading;       // states, too, are to stay as they are
    bool stateful;      // the states are there, so that even what is only planned can look at those of nodes
    List *signs;        // SignedChanges *, of all changes, if they can be had
    const Parts *parts; // if not
    const Moment *as_of; // the time before; null: the query does not go by that, or it stands still
    Passage passage;    // of time since
    QueryEnvironment *environment;
    ExactScope scope;

    // A copy of the view's query.
    Query *query() const;

    // How to find the rows of a query: they are expected of what is only planned.
    ephemeral_rows::Result result() const;

    // There is no scope, for a reason; returns false.
    bool refuse(const char *reason);

    // Adds a cost; whether all are within the limit.
    bool affordable(double more);

    // Notes a query for whoever wants to see what would be run.
    void note(const char *name, Query *query);

    // Finds the signed changes, if they can be had, and forgets changes of tables of which nothing has changed
    // that the query reads; false if that is not affordable.
    bool show_signs();

    // Finds out what the time has moved.
    void find_passage();

    // Forgets conditions that have moved and make no difference for their tables as they are; false if it is not
    // affordable to look.
    bool find_moved();

    // Finds the parts; false if that is not affordable, or there is no way.
    bool find_parts();

    // Runs a query and shows its rows; or does if that is affordable.
    void run_and_show(Query *query, const char *name);
    bool run_affordable(Query *query, const char *name);

    // Rows expected under a name, as many as both states have.
    void expect_both(const char *rows, const char *name);

    // As many as a query gives, if that is affordable.
    bool expect(Query *query, const char *name);

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
