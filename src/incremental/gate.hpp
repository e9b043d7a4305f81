// Whether an exact refresh pays: what it is expected to take against what a full one takes.
//
// The planner's costs rank plans of one query; they do not compare an index lookup in memory with a
// scan of a table on all processors.  What refreshes of the view have really taken does, and goes
// with its baseline (Experience).
//
// Invariants:
// - Of a view that has been refreshed in full, nothing has to be planned to know the limit.
// - Where there are many changes, their number alone can tell that an exact refresh would take too long: then
//   nothing is begun.
// - A refresh that was refused brings what it was refused by nearer to the usual, so that one slow refresh does not
//   keep the exact methods out for good.
#pragma once

#include "tracking/registry.hpp"

namespace refresh_mv {

struct Gate {
    double full_ms; // that a full refresh is expected to take
    double rate;    // milliseconds that an exact one takes for each unit of the planner's costs
    double limit;   // of an exact one's costs; 0 if there are too many changes
};

namespace gate {

// An exact method is used if it is expected to take at most so many times what a full refresh does.
extern double cost_limit;

// The limit for the next refresh of a view, of which so many changes are waiting.  Fails if the current role may not
// run its query, unless it has been refreshed in full.
Gate of(Relation view, const Experience &experience, int64 changes);

// What a full refresh costs by the planner's estimates.  Fails if the current role may
// not run the view's query.
double full_cost(Relation view);

// How long an exact refresh with such a cost is expected to take, in milliseconds.
double exact_ms(const Gate &gate, double cost);

// How long it may take at most, before it is given up.
double patience_ms(const Gate &gate);

// How long it takes at least to take in so many changes; and how long to run a view's query for some rows, at such a cost.
double changes_ms(const Experience &experience, int64 changes);
double query_ms(double cost);

// Takes in what a full refresh has taken that wrote so many rows; or an exact one of so many changes, or one that was given up; and that
// one was refused, before or after it had taken a good part of a full refresh's time.
void learn_full(Experience *experience, double ms, double rows);
void learn_exact(Experience *experience, int64 changes, double cost, double ms, bool given_up);
void learn_refusal(Experience *experience, int64 changes, double ms);

} // namespace gate

} // namespace refresh_mv
