// What becomes of a tracked view's baseline when core's REFRESH has filled the view.
//
// The old baseline is of no more use, even where it is older than what the view holds: a row that came and
// went between the two is no net change, and is in the view.  So a new one is taken, as of the snapshot of
// that REFRESH, and the states that go with it are brought there by an exact refresh without its last step,
// since the view's rows are what they are to be.
//
// Invariants: a baseline is taken only if
// - it is proved that the view holds what its query returned under the active snapshot, with the files, settings and
//   meaning of now: the snapshot shows the view's sources as they are, and this transaction has logged nothing since;
// - the snapshot shows the last baseline: what came between the two may have been purged from the log otherwise;
// - no statement is changing one of the sources, and nobody is about to track or untrack the view.
// Otherwise nothing is done, and the next smart refresh is full.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::core_refresh {

// Makes the active snapshot, that of a REFRESH which has just been done by core, the baseline of its view; false, with
// nothing done, if it cannot be one.  It takes a part of the time that a full refresh does at most.
bool make_baseline(Oid view);

// Forgets a refresh of the view in chunks that has not ended, since the whole view has been filled; if that cannot be, it goes
// on some time.
void end_chunks(Oid view);

} // namespace refresh_mv::core_refresh
