// Tables of Citus: their rows are in shards, here or on other servers, where no statement on the
// table itself tells of their changes.
//
// Invariant: whether a table is one is asked of Citus's own catalog, as it is now; without that
// extension it costs one look-up of a relation that is not there.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::distributed {

// Whether a table is distributed, a reference table, or managed by Citus otherwise.
bool is(Oid table);

} // namespace refresh_mv::distributed
