// Which views a run can leave, because their max_lag is kept until the next one.
//
// Invariants:
// - The lag of a view is the age of the oldest change that it does not show; if changes are not known, or the
//   view is not tracked, the time since its last refresh.
// - A view is left only if its lag would not pass its max_lag if the next run refreshed it: by how long that
//   is away, and by what a refresh of the view usually takes.  What is not known is no reason to leave it.
#pragma once

#include "run/run.hpp"

namespace refresh_mv::targets {

// The call as it is to be carried out by max_lag: views with one come first, those whose refreshes take the least time
// before others.
Call plan(const Call &call);

// Why a view can be left in a call that began then; empty if it cannot.
std::string reason_to_leave(const Call &call, Oid view, TimestampTz began);

} // namespace refresh_mv::targets
