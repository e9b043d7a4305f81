// Whether an exact refresh pays: what it is expected to take against what a full one takes.
//
// The planner's costs rank plans of one query; they do not compare an index lookup in memory with a
// scan of a table on all processors.  What refreshes of the view have really taken does, and goes
// with its baseline (Experience).
//
// Invariants:
// - Of a view that has been refreshed in full, nothing has to be planned to know the limit.
// - A refresh that was refused for its costs brings the rate nearer to the usual one, so that one
//   slow refresh does not keep the exact methods out for good.
#pragma once

#include "tracking/registry.hpp"

namespace refresh_mv {

struct Gate {
    double full_ms; // that a full refresh is expected to take
    double rate;    // milliseconds that an exact one takes for each unit of the planner's costs
    double limit;   // of an exact one's costs
};

namespace gate {

// An exact method is used if it is expected to take at most so many times what a full refresh does.
extern double cost_limit;

// The limit for the next refresh of a view.  Fails if the current role may not run its query, unless
// it has been refreshed in full.
Gate of(Relation view, const Experience &experience);

// What a full refresh costs by the planner's estimates.  Fails if the current role may
// not run the view's query.
double full_cost(Relation view);

// How long an exact refresh with such a cost is expected to take, in milliseconds.
double exact_ms(const Gate &gate, double cost);

// How long it may take at most, before it is given up.
double patience_ms(const Gate &gate);

// Takes in what a full refresh, or an exact one, or the attempt of one, has taken; and that one
// was refused, before or after it had taken a good part of a full refresh's time.
void learn_full(Experience *experience, double ms);
void learn_exact(Experience *experience, double cost, double ms);
void learn_refusal(Experience *experience, double ms);

} // namespace gate

} // namespace refresh_mv
