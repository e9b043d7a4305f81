#include "run/attempt.hpp"

#include "query/view.hpp"
#include "server/messages.hpp"

namespace refresh_mv {

namespace {

void warn(Oid oid, const PgError &error, const std::string &message)
{
    std::string name = guard([&] { return view::name(oid); });
    guard([&] {
        // On commit this may be a writer who may not read what the view reads.
        bool owner = view::is_owner(oid);
        ereport(WARNING,
                (errcode(error.data->sqlerrcode),
                 errmsg_internal("could not refresh materialized view %s: %s", name.c_str(),
                                 owner ? message.c_str() : view::told(error.data, false)),
                 owner && error.data->detail ? errdetail_internal("%s", error.data->detail) : 0,
                 owner && error.data->hint ? errhint("%s", error.data->hint) : 0));
    });
}

// Whether an error is not one of the view: a cancelled statement, or one after
// which the caller's transaction has to be tried again.  A view's function can
// raise "query_canceled" too, or pass on that of a remote server.
bool ends_call(const ErrorData *error, Caller source)
{
    if (is_cancel(error))
        return true;
    return source == Caller::function && IsolationUsesXactSnapshot()
           && (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE
               || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED);
}

// One stage, its errors turned into an obstacle.
Obstacle attempt_stage(Oid oid, Caller source, const std::function<void()> &code)
{
    guard([] { view::stop_clock(); });
    try {
        subtransaction(code);
        return {};
    } catch (const PgError &error) {
        bool timed_out = attempt::is_view_timeout(error);
        guard([] { view::stop_clock(); });
        if (ends_call(error.data, source) && !timed_out)
            throw;
        Obstacle obstacle = {error.data->sqlerrcode, timed_out             ? attempt::view_timeout
                                                     : error.data->message ? error.data->message
                                                                           : "unknown error"};
        warn(oid, error, obstacle.message);
        return obstacle;
    }
}

} // namespace

namespace attempt {

const char view_timeout[] = "canceling refresh due to the view's statement_timeout";

bool is_view_timeout(const PgError &error)
{
    return view::timed_out() && error.data->sqlerrcode == ERRCODE_QUERY_CANCELED;
}

void in_own_memory(const std::function<void()> &code)
{
    MemoryContext outer = CurrentMemoryContext;
    MemoryContext own = guard([] {
        return AllocSetContextCreate(CurrentMemoryContext, "refresh_mv view", ALLOCSET_DEFAULT_SIZES);
    });
    MemoryContextSwitchTo(own);
    try {
        code();
    } catch (...) {
        MemoryContextSwitchTo(outer);
        throw;
    }
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(own);
}

Obstacle stage(Oid oid, Caller source, const std::function<void()> &code)
{
    Obstacle obstacle{};
    in_own_memory([&] { obstacle = attempt_stage(oid, source, code); });
    return obstacle;
}

} // namespace attempt

} // namespace refresh_mv
