// Spares statements the events of the row trigger for what another server has sent.
//
// It fires as replica only (triggers.hpp), and still the server keeps an event ready, and fetches the old row, for each
// row that any statement changes.
//
// Invariants:
// - Nothing is spared as replica, nor where another row trigger may take the event.
// - What is applied row by row does not come through here.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::row_events {

// Beginnings of queries are looked at from now on.  For _PG_init.
void watch();

} // namespace refresh_mv::row_events
