// The rows for which a condition that has moved can differ, as a condition that an index can find:
//
//     expression < value, and the like    between the value before and now
//     expression = value                  with one of these
//     value - expression < span           as expression > value - span
//
// Where the expression is itself made of a time (ts::date, date_trunc('day', ts), ts AT TIME ZONE 'z', ts + span), what it is
// made of has bounds, too: wide enough, if not tight, for whatever a time zone does.
//
// Invariant: a row for which the condition is true at one time and not at the other is within the bounds.
#pragma once

#include "incremental/passage.hpp"

namespace refresh_mv::time_bounds {

// The bounds of a condition; null if there are none that would help.
Node *of(Node *condition, const Passage &passage);

} // namespace refresh_mv::time_bounds
