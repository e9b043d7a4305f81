// Hypertables of TimescaleDB: tables whose rows are in chunks, which are children by
// inheritance that come and go without an event, and must have no statement triggers.
//
// Invariants:
// - Whether a table is one is asked of TimescaleDB's own catalog, as it is now; without
//   that extension it costs one look-up of a schema.
// - Which chunks there are is asked of PostgreSQL's catalogs: TimescaleDB's change.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::hypertable {

// Whether a table is a hypertable.
bool is(Oid table);

// The hypertable that a table is a chunk of; InvalidOid if it is none.
Oid of_chunk(Oid table);

// The chunks of a table, by oid; NIL if it is no hypertable.  Locks them.
List *chunks(Oid table, LOCKMODE lock);

// Whether a chunk was made by TimescaleDB, and so was empty at first: a table that was
// attached has a name of its own, and was made by another transaction as a rule.
bool is_made_empty(Oid hypertable, Oid chunk);

} // namespace refresh_mv::hypertable
