// Tracking that is not whole: a trigger or a key is gone, a partition was attached while
// nobody looked, a view was restored from a dump.
//
// Invariant: a lock is taken only if it is free; whoever finds damage does not wait.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::repair {

// Makes the tracking of a view whole again, if that can be done at once; warns if
// it cannot be done at all.
bool resume(Oid view);

// The same for a view that has been prepared for a refresh, if its tracking is not whole.
bool resume_if_damaged(Oid view);

} // namespace refresh_mv::repair
