// Aggregates as partial ones that can be added and subtracted.
#pragma once

#include "incremental/group_shape.hpp"

namespace refresh_mv {

namespace partial_aggregates {

// Most columns that a state may have beside its keys.
constexpr int most = 400;

// Adds the partial aggregates of an aggregate to the shape; returns what it is over the state's
// columns (s.p1, s.p2, ...).  Sets the shape's obstacle if there is no way.
const char *expression(GroupShape *shape, Query *query, const Anchoring &anchoring, Aggref *aggregate);

} // namespace partial_aggregates

} // namespace refresh_mv
