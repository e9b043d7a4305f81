#include "refresh/choose_method.hpp"

namespace refresh_mv::choose_method {

// The rule for views of whose sources nothing is known: recent data suggest
// that only recent data have changed, unless the query says otherwise.
static Decision choose_by_age(const ViewStatus &status)
{
    if (!status.doubt.empty())
        return {Approach::full, 0, status.doubt};
    if (!status.has_data)
        return {Approach::full, 0, "the view has no dated rows"};
    if (status.days_behind > fresh_days)
        return {Approach::full, 0, "the newest data is older than 1 day"};
    int days = status.window_days >= 0 ? status.window_days : smart_window_days;
    return {Approach::window, days, "the newest data is at most 1 day old"};
}

// The rule for tracked views.
static Decision choose_by_log(const ViewStatus &status)
{
    if (!status.unknown.empty())
        return {Approach::full, 0, status.unknown};
    if (status.pending == 0 && !status.time_passed)
        return {Approach::skip, 0, "nothing has changed since the last refresh"};
    std::string changes = status.pending == 0
                              ? "time has passed since the last refresh"
                              : std::to_string(status.pending) + (status.pending == 1 ? " change" : " changes") + " in the log";
    return {Approach::by_log, 0, changes};
}

Decision choose(const Request &request, const ViewStatus &status)
{
    if (!status.populated)
        return {Approach::rebuild, 0, "the view is not populated"};
    if (request.mode == RefreshMode::full)
        return {Approach::full, 0, "a full refresh was asked for"};
    if (request.mode == RefreshMode::smart && status.tracked)
        return choose_by_log(status);
    if (request.as_core)
        return {Approach::full, 0, "the view is not tracked"};
    if (!status.windowable)
        return {Approach::full, 0, status.not_windowable};
    if (request.mode == RefreshMode::incremental)
        return {Approach::window, request.days, "an incremental refresh was asked for"};
    return choose_by_age(status);
}

bool rebuild_pays(uint64_t changes, uint64_t rows_after)
{
    return changes >= least_changes_to_rebuild
           && static_cast<double>(changes) > share_to_rebuild * static_cast<double>(rows_after);
}

} // namespace refresh_mv::choose_method
