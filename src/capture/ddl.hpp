// What DDL means for tracked views: an event trigger at the end of each command.
//
// Invariants:
// - Nobody's DDL fails because of tracking.
// - What is tracked is looked up as it is now, whatever the snapshot of the
//   transaction.  A view that is tracked by a transaction that has not ended yet
//   is not seen; what it uses is compared at its next refresh (see meaning.hpp),
//   and its tables are locked.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::ddl {

// Logs "everything" for what the command has changed, and adapts triggers.
void note(EventTriggerData *command);

} // namespace refresh_mv::ddl
