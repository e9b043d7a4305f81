// A stage of a view's refresh, of which a failure is not that of the call.
//
// Invariants:
// - What a failed stage has done is undone, and its error told as a warning; errors that end the call are not caught.
// - A view's own statement_timeout ends that view alone.
#pragma once

#include "run/run.hpp"
#include "server/bridge.hpp"

#include <functional>

namespace refresh_mv::attempt {

// What is said where the view's own timeout cancelled its refresh.
extern const char view_timeout[];
bool is_view_timeout(const PgError &error);

// Runs code in a memory context of its own, which ends with it; on an exception
// it stays, with the error in it, until the caller's ends.
void in_own_memory(const std::function<void()> &code);

// Runs a stage of a view's refresh in a subtransaction.  Errors that end the
// call are not caught, unless it was the view's own timeout that cancelled it.
Obstacle stage(Oid oid, Caller source, const std::function<void()> &code);

} // namespace refresh_mv::attempt
