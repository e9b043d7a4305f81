// The exact methods: what a view's query returns for the rows that may differ since
// its baseline, and nothing else.
//
//     log -> net changes -> parts (values of the anchor)
//     delta:  state += partial aggregates of the parts now - those of the parts before;
//             the touched groups' rows out of the state
//     keys:   the parts' keys, now and before; the query for just these keys
//
// Of a view that goes by the time, what that has moved since the baseline comes in addition (passage.hpp).
//
// Invariants:
// - fresh returns exactly those rows of the query's result that belong where held's
//   rows do.
// - The query is never run as a whole.
// - What keep_before keeps is not looked at, nor left out: whoever merges a scope does that.
#pragma once

#include "incremental/gate.hpp"
#include "incremental/group_shape.hpp"
#include "server/method.hpp"
#include "tracking/baseline.hpp"

namespace refresh_mv {

// The part of a view to recompute: the rows that it holds there, and those that it
// should hold.  With a reason instead, there is no such part; with method skip, it is
// empty, since the changes come to nothing; and without queries, since what they come to is
// nothing to the view.
struct ExactScope {
    const char *reason;
    Method method;
    Query *held;
    Query *fresh;
    QueryEnvironment *environment;
    const char *groups; // as save_baseline() takes it
};

// What an exact refresh begins with, once the changes are read.
struct Prospect {
    const char *obstacle; // why there is no way, before any query is run; null: there may be
    Method method;        // delta, keys, or skip, since the changes come to nothing
    List *changes;        // NetChanges *, if they were read
};

// What would be run, and what its rows are called or for.
struct PlannedQuery {
    const char *name;
    Query *query;
};

// Which exact refresh is to be planned.
struct ExactQuestion {
    Method method;      // delta or keys
    List *changes;      // NetChanges *
    bool imagined;      // so are the changes
    const Moment *as_of; // the time of the baseline; null: no time has passed
    double limit;       // of costs
    const char *groups; // as the baseline has it
    bool keeps;         // the view holds rows besides those of its query
};

// How an exact refresh would go about its work.
struct ExactPlan {
    const char *obstacle; // why it cannot be done; null: it can
    double cost;          // in the planner's units, until an obstacle was met
    bool costly;          // the obstacle is the cost
    bool stateful;        // delta is the view's method
    bool has_state;       // that it can begin with
    bool by_terms;        // the changes are taken by terms, else by parts
    List *queries;        // PlannedQuery *
    Anchoring anchoring;
    GroupShape groups;
};

namespace incremental {

// Plans an exact refresh of a view.  Nothing is run but queries for the parts of changes
// that have really happened, and nothing is written.
ExactPlan plan(Relation view, const ExactQuestion &question);

// Begins an exact refresh as scope() does, and stops when the changed rows are found; the
// changes are shown in the environment.
Prospect prospect(Relation view, const BaselineStatus &baseline, const Gate &gate, QueryEnvironment *environment);

// Finds the scope of an exact refresh from a baseline.  With method delta, the state has been
// written.  *cost says what it costs by the planner's estimates, so far if it fails.  Throws
// whatever the view's own functions throw.
ExactScope scope(Relation view, const BaselineStatus &baseline, const Gate &gate, double *cost);

// The same for whoever only reads: nothing is written, and states are read only where that can be done.  As long as
// queries of the scope are planned, there have to be query::StandIns: for the states as they would have been written.
ExactScope scope_to_read(Relation view, const BaselineStatus &baseline, const Gate &gate, double *cost);

// Brings the states that go with a baseline to where the active snapshot is, for a view that has been made by
// other means what its query returns under it: *groups says what of, as save_baseline() takes it.  Why that cannot be
// done, or null.
const char *follow(Relation view, const BaselineStatus &baseline, const Gate &gate, const char **groups);

// Releases what a scope holds, once it has been merged.
void release(ExactScope *scope);

// The query of a view that is tracked, by way of a new state if that can be kept up
// to date by delta: *groups says what of (null: there is none).
Query *query_with_state(Relation view, const char **groups);

} // namespace incremental

} // namespace refresh_mv
