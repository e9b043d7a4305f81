#include "tracking/repair.hpp"

#include "query/view.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"
#include "tracking/track.hpp"

namespace refresh_mv::repair {

bool resume(Oid oid)
{
    struct NotFree {};
    try {
        subtransaction([&] {
            if (!guard([&] { return track::resume(oid); }))
                throw NotFree{};
        });
        return true;
    } catch (const NotFree &) {
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        warning("tracking of materialized view %s cannot be resumed: %s",
                guard([&] { return view::name(oid); }),
                track::obstacle(error.data));
    }
    return false;
}

bool resume_if_damaged(Oid oid)
{
    bool damaged = guard([&] {
        PushActiveSnapshot(GetTransactionSnapshot());
        bool found = track::is_damaged(oid);
        PopActiveSnapshot();
        return found;
    });
    if (!damaged)
        return false;
    guard([] { PushActiveSnapshot(GetTransactionSnapshot()); });
    bool resumed = resume(oid);
    guard([] { PopActiveSnapshot(); });
    return resumed;
}

} // namespace refresh_mv::repair
