// Whether a table can still be written to once it has triggers.  Extensions have their own
// ways with tables of theirs, and may put up with a trigger and not with what follows.
//
// Invariants:
// - Nothing is left of a probe: it is rolled back, other people's triggers are not fired
//   (but for those that are ENABLE ALWAYS or REPLICA), and no row is changed.
// - Only tables in which an extension has a hand are probed.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::write_probe {

// Whether an extension has a hand in a table: it is a member, or its schema or access
// method is, or one of its chunks is such a table.
bool wants(Oid table);

// What happens to those who write to a table: the error that they would get, or null.  The
// caller holds ShareRowExclusiveLock on it.
const char *trouble(Oid table);

} // namespace refresh_mv::write_probe
