#include "refresh/view_facts.hpp"

#include "refresh/date_window.hpp"
#include "refresh/window_trust.hpp"
#include "server/bridge.hpp"

namespace refresh_mv {

namespace {

// What the window column of a view says.
struct DateFacts {
    bool has_data;
    DateADT newest;
    char newest_text[MAXDATELEN + 1];
};

DateFacts read_dates(const OpenView &view)
{
    DateFacts facts{};
    if (!RelationIsPopulated(view.relation)
        || !view_facts::newest_date(view.relation, view.window, &facts.newest))
        return facts;
    facts.has_data = true;
    strlcpy(facts.newest_text,
            DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(facts.newest))),
            sizeof(facts.newest_text));
    return facts;
}

// Why a window is not to be trusted; null if it is, or if there is none.
const char *read_doubt(const OpenView &view)
{
    if (!RelationIsPopulated(view.relation) || view.window.attno == 0)
        return nullptr;
    return window_trust::doubt(view.relation, view.window, view.settings.date_column != nullptr);
}

} // namespace

namespace view_facts {

Facts of(const OpenView &view, const Knowledge &knowledge, bool with_dates, bool with_doubt)
{
    DateFacts dates = guard([&] { return with_dates ? read_dates(view) : DateFacts{}; });
    const char *doubt = guard([&] { return with_doubt ? read_doubt(view) : nullptr; });
    Facts facts;
    facts.populated = RelationIsPopulated(view.relation);
    facts.windowable = view.window.attno != 0;
    facts.not_windowable = view.window.reason ? view.window.reason : "";
    facts.has_data = dates.has_data;
    facts.days_behind = guard([] { return GetSQLCurrentDate(); }) - dates.newest;
    facts.newest = dates.newest_text;
    facts.doubt = doubt ? doubt : "";
    facts.window_days = view.settings.window_days;
    facts.tracked = knowledge.tracked;
    facts.unknown = knowledge.unknown ? knowledge.unknown : "";
    facts.pending = knowledge.pending;
    facts.keeps_rows = view.settings.keep_before != nullptr;
    return facts;
}

bool newest_date(Relation view, WindowColumn column, DateADT *date)
{
    Datum newest;
    if (column.attno == 0 || !date_window::newest(view, column, &newest))
        return false;
    *date = date_window::as_date(column.type, newest);
    return true;
}

} // namespace view_facts

} // namespace refresh_mv
