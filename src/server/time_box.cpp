#include "server/time_box.hpp"

#include "server/pg.hpp"

namespace refresh_mv::time_box {

static TimeoutId id = MAX_TIMEOUTS;
static volatile sig_atomic_t expired = false;

// Called by a signal.
static void expire()
{
    expired = true;
    InterruptPending = true;
    QueryCancelPending = true;
    SetLatch(MyLatch);
}

void begin(double milliseconds)
{
    if (id == MAX_TIMEOUTS)
        id = RegisterTimeout(USER_TIMEOUT, expire);
    expired = false;
    if (milliseconds < static_cast<double>(INT_MAX))
        enable_timeout_after(id, static_cast<int>(milliseconds));
}

bool end()
{
    if (id != MAX_TIMEOUTS)
        disable_timeout(id, false);
    bool caught = expired && !QueryCancelPending;
    if (expired)
        QueryCancelPending = false;
    expired = false;
    return !caught;
}

bool end_after(const PgError &error)
{
    const char *message = error.data->message_id;
    bool mine = expired && error.data->sqlerrcode == ERRCODE_QUERY_CANCELED && message != nullptr
                && strcmp(message, "canceling statement due to user request") == 0;
    if (mine)
        expired = false;
    end();
    return mine;
}

} // namespace refresh_mv::time_box
