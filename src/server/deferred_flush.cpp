#include "server/deferred_flush.hpp"

#include "server/pg_workers.hpp"

namespace refresh_mv::deferred_flush {

void defer()
{
    set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

XLogRecPtr last_commit()
{
    return XactLastCommitEnd;
}

void wait_for(XLogRecPtr commit)
{
    if (XLogRecPtrIsInvalid(commit) || synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
        return;
    XLogFlush(commit);
    HOLD_INTERRUPTS();
    SyncRepWaitForLSN(commit, true);
    RESUME_INTERRUPTS();
}

} // namespace refresh_mv::deferred_flush
