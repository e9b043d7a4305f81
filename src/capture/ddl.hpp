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

// The view of which an event trigger is told that core's REFRESH has filled it; InvalidOid if there is none.
Oid refreshed_by_core();

// Logs "everything" for what the command has changed, but for a relation of which all is known, and adapts triggers.
void note(EventTriggerData *command, Oid known);

} // namespace refresh_mv::ddl
