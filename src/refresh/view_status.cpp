#include "refresh/view_status.hpp"

#include "refresh/date_window.hpp"
#include "refresh/row_condition.hpp"
#include "refresh/window_trust.hpp"
#include "server/bridge.hpp"

namespace refresh_mv {

namespace {

// What the window column of a view says.
struct NewestDate {
    bool has_data;
    DateADT newest;
    char newest_text[MAXDATELEN + 1];
};

NewestDate read_dates(const OpenView &view)
{
    NewestDate date{};
    if (!RelationIsPopulated(view.relation)
        || !view_status::newest_date(view.relation, view.window, &date.newest))
        return date;
    date.has_data = true;
    strlcpy(date.newest_text,
            DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(date.newest))),
            sizeof(date.newest_text));
    return date;
}

// Why a window is not to be trusted; null if it is, or if there is none.
const char *read_doubt(const OpenView &view)
{
    if (!RelationIsPopulated(view.relation) || view.window.attno == 0)
        return nullptr;
    return window_trust::doubt(view.relation, view.window, view.settings.date_column != nullptr);
}

} // namespace

namespace view_status {

BaselineStatus look(const OpenView &view, Amidst amidst)
{
    BaselineStatus baseline = baseline::look(view.relation, view.settings.tracked, amidst);
    if (baseline.tracked && baseline.unknown == nullptr)
        baseline.unknown = row_condition::moved_back(baseline.kept,
                                                     row_condition::bound(view.window, view.settings.keep_before));
    return baseline;
}

ViewStatus read(const OpenView &view, const BaselineStatus &baseline, bool with_dates, bool with_doubt)
{
    NewestDate dates = guard([&] { return with_dates ? read_dates(view) : NewestDate{}; });
    const char *doubt = guard([&] { return with_doubt ? read_doubt(view) : nullptr; });
    ViewStatus status;
    status.populated = RelationIsPopulated(view.relation);
    status.windowable = view.window.attno != 0;
    status.not_windowable = view.window.reason ? view.window.reason : "";
    status.has_data = dates.has_data;
    status.days_behind = guard([] { return GetSQLCurrentDate(); }) - dates.newest;
    status.newest = dates.newest_text;
    status.doubt = doubt ? doubt : "";
    status.window_days = view.settings.window_days;
    status.tracked = baseline.tracked;
    status.unknown = baseline.unknown ? baseline.unknown : "";
    status.pending = baseline.pending;
    status.time_passed = baseline.time_has_passed();
    return status;
}

bool newest_date(Relation view, WindowColumn column, DateADT *date)
{
    Datum newest;
    if (column.attno == 0 || !date_window::newest(view, column, &newest))
        return false;
    *date = date_window::as_date(column.type, newest);
    return true;
}

} // namespace view_status

} // namespace refresh_mv
