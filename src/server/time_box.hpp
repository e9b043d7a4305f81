// A limit for how long a piece of work may take, after which it is cancelled as by a user.
//
// Invariants:
// - A cancellation by somebody else, or by another limit, is not taken for one by the box; but one
//   that comes in the same moment as the end of the box is lost.
// - One box at a time.
#pragma once

#include "server/bridge.hpp"

namespace refresh_mv::time_box {

// Begins a box of so many milliseconds; without end if these are too many to count.
void begin(double milliseconds);

// Ends it after the work has been done; false if it has been cancelled after all: a function that was called
// may have caught that, and have returned what it likes.
bool end();

// Ends it after the work has failed; whether the error is that of the box.
bool end_after(const PgError &error);

} // namespace refresh_mv::time_box
