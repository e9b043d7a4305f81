#include "run/targets.hpp"

#include "server/bridge.hpp"
#include "server/class_row.hpp"
#include "server/messages.hpp"
#include "store/history.hpp"
#include "store/view_settings.hpp"
#include "tracking/registry.hpp"

namespace refresh_mv {

namespace {

// Runs leaf code with a snapshot of its own.
template <class F>
auto under_snapshot(F code)
{
    return guard([&] {
        PushActiveSnapshot(GetTransactionSnapshot());
        auto result = code();
        PopActiveSnapshot();
        return result;
    });
}

bool has_target(Oid view)
{
    return view_settings::read(view).max_lag != nullptr;
}

// What a view's place in the order goes by: that of one without max_lag is behind all others.
double cost_of(Oid view)
{
    constexpr double behind = 1e18;
    return has_target(view) ? static_cast<double>(history::usual_duration(view)) : behind;
}

// Since when a view has lagged behind; 0: not at all, or for ever.
TimestampTz lagging_since(Oid view)
{
    bool baseline = false;
    TimestampTz as_of = 0;
    TimestampTz oldest = 0;

    if (view_settings::read(view).tracked)
        oldest = registry::oldest_change(view, &baseline, &as_of);
    if (!baseline)
        return history::last_success(view);
    if (oldest != 0 && as_of != 0)
        return Min(oldest, as_of);
    return oldest != 0 ? oldest : as_of;
}

// A view that can be left.
struct Left {
    bool left;
    double lag; // in seconds
    double most;
};

Left look(Oid view, TimestampTz began, int64 next_call)
{
    Interval *most = view_settings::read(view).max_lag;
    if (most == nullptr || !class_row(view).form.relispopulated)
        return {};
    TimestampTz since = lagging_since(view);
    if (since == 0) // to see that nothing has changed costs next to nothing
        return {};
    if (next_call == 0)
        next_call = history::run_interval(view);
    if (next_call <= 0)
        return {};
    TimestampTz latest = DatumGetTimestampTz(
        DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(since), IntervalPGetDatum(most)));
    if (began + next_call + history::usual_duration(view) > latest)
        return {};
    constexpr double second = USECS_PER_SEC;
    return {true, static_cast<double>(Max(GetCurrentTimestamp() - since, 0)) / second,
            static_cast<double>(latest - since) / second};
}

} // namespace

namespace targets {

Call plan(const Call &call)
{
    Call planned = call;
    bool any = false;
    std::vector<double> costs;

    if (!call.by_lag)
        return planned;
    for (Oid view : call.views) {
        costs.push_back(under_snapshot([&] { return cost_of(view); }));
        any |= under_snapshot([&] { return has_target(view); });
    }
    planned.by_lag = any;
    if (!any)
        return planned;
    planned.views = view_order::cheapest_first(call.views, call.edges, costs);
    return planned;
}

std::string reason_to_leave(const Call &call, Oid view, TimestampTz began)
{
    if (!call.by_lag)
        return "";
    Left left = under_snapshot([&] { return look(view, began, call.next_call); });
    if (!left.left)
        return "";
    return format("left for a later run: its lag of %.1f s stays within its max_lag of %.0f s until the next one",
                  left.lag, left.most);
}

} // namespace targets

} // namespace refresh_mv
