// What of PostgreSQL only those need who start background workers, or are one, or wait for commits; and what differs
// there between its versions.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "access/parallel.h"
// What describes a client's connection asks for headers of libraries that need not be there; it is not used here.
#pragma push_macro("ENABLE_GSS")
#pragma push_macro("USE_OPENSSL")
#pragma push_macro("USE_SSL")
#undef ENABLE_GSS
#undef USE_OPENSSL
#undef USE_SSL
#include "libpq/libpq-be.h"
#include "libpq/libpq.h"
#pragma pop_macro("ENABLE_GSS")
#pragma pop_macro("USE_OPENSSL")
#pragma pop_macro("USE_SSL")
#include "libpq/pqmq.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/syncrep.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
}

namespace refresh_mv::pg {

// Connects a background worker to a database as a session that is already there: what a new one is asked for has been
// decided when that was opened.
inline void connect_worker(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 170000
    constexpr uint32 flags = BGWORKER_BYPASS_ALLOWCONN | BGWORKER_BYPASS_ROLELOGINCHECK;
#else
    constexpr uint32 flags = BGWORKER_BYPASS_ALLOWCONN;
#endif
    BackgroundWorkerInitializeConnectionByOid(database, role, flags);
}

// From what level on this process writes messages to the server's log.
inline int log_threshold()
{
#if PG_VERSION_NUM >= 190000
    return log_min_messages[MyBackendType];
#else
    return log_min_messages;
#endif
}

// Begins what a CALL is for code that commits: SQL can be executed in there without a snapshot of its own.  It lasts as
// long as the process.
inline void begin_call()
{
    Portal portal = CreateNewPortal();
    portal->visible = false;
    portal->status = PORTAL_ACTIVE;
    ActivePortal = portal;
    PortalContext = portal->portalContext;
}

} // namespace refresh_mv::pg
