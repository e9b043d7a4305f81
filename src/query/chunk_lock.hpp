// Who is refreshing a view in chunks: a lock of the session, which is kept from chunk to chunk.
//
// Invariant: it keeps nobody but others like it away from the view.  It goes with the session, with an error that
// ends the statement, and at the end of the refresh.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::chunk_lock {

// Takes it; without wait only if nobody has it, else it returns false.
bool take(Oid view, bool wait);
void release(Oid view);

// The other session that has it; 0 if there is none.
int holder(Oid view);

} // namespace refresh_mv::chunk_lock
