// What makes a session what it is, carried over to a background worker: user and role, loaded libraries, settings.
//
// Invariants:
// - The worker is connected as the role that has logged in, and has the session's user and role, each with the
//   rights that it has there: never more.
// - Every setting has the value that it has in the session, wherever that came from (SET, PGOPTIONS, ALTER ROLE,
//   ALTER DATABASE, the configuration as the session has read it).  What a session has beside settings (temporary
//   tables, prepared statements, advisory locks) stays with it.
#pragma once

#include "server/pg_workers.hpp"

namespace refresh_mv::session_state {

// How many bytes this session's state takes; to be asked for right before it is written.
Size size();
void write(char *space);

// Connects this process, a background worker, and makes it what the session is; outside of a transaction, before
// and after.
void take_over(const char *space);

} // namespace refresh_mv::session_state
