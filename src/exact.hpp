// The exact methods: what a view's query returns for the rows that may differ since
// its baseline, and nothing else.
//
//     log -> net changes -> parts (values of the anchor)
//     delta:  state += pieces of the parts now - pieces of the parts before;
//             the touched groups' rows out of the state
//     keys:   the parts' keys, now and before; the query for just these keys
//
// Invariants:
// - fresh returns exactly those rows of the query's result that belong where held's
//   rows do.
// - The query is never run as a whole.
#pragma once

#include "model.hpp"
#include "tracking.hpp"

// The part of a view to recompute: the rows that it holds there, and those that it
// should hold.  With a reason instead, there is no such part; with method skip, it is
// empty, since the changes come to nothing.
struct ExactScope {
    const char *reason;
    Method method;
    Query *held;
    Query *fresh;
    QueryEnvironment *environment;
    const char *groups; // as save_baseline() takes it
};

namespace exact {

// An exact method is used if its estimated cost is at most so many times that of the
// view's query.
extern double cost_limit;

// Finds the scope of an exact refresh after so many changes.  sources as a list of
// TrackedSource *; groups says what the baseline's state is of.  With method delta, the
// state has been written.  Throws whatever the view's own functions throw.
ExactScope scope(Relation view, List *sources, int64 pending, const char *groups);

// Releases what a scope holds, once it has been merged.
void release(ExactScope *scope);

// The query of a view that is tracked, by way of a new state if that can be kept up
// to date by delta: *groups says what of (null: there is none).
Query *query_with_state(Relation view, const char **groups);

} // namespace exact
