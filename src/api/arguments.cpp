#include "api/arguments.hpp"

#include "query/view.hpp"
#include "query/view_sources.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"
#include "store/extension.hpp"
#include "store/view_settings.hpp"

#include <algorithm>

namespace refresh_mv {

namespace {

// Whether a view is among those that a call without names refreshes.
bool is_included(Oid view)
{
    return pg::may_refresh(view, GetUserId()) && !extension::is_member(view)
           && !view_settings::is_disabled(view);
}

// Every materialized view of the database that is wanted, *count of them.
Oid *scan_views(bool (*is_wanted)(Oid), int *count)
{
    List *oids = NIL;
    ListCell *cell;
    Relation classes = table_open(RelationRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_class_relkind, BTEqualStrategyNumber, F_CHAREQ,
                CharGetDatum(RELKIND_MATVIEW));
    SysScanDesc scan = systable_beginscan(classes, InvalidOid, false, nullptr, 1, &key);
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan)))
        oids = lappend_oid(oids, reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->oid);
    systable_endscan(scan);
    table_close(classes, AccessShareLock);

    auto *views = static_cast<Oid *>(palloc(sizeof(Oid) * (list_length(oids) + 1)));
    *count = 0;
    foreach (cell, oids)
        if (is_wanted(lfirst_oid(cell)))
            views[(*count)++] = lfirst_oid(cell);
    return views;
}

// The views of an argument of type regclass[].
std::vector<Oid> named_views(ArrayType *array)
{
    struct Elements {
        Datum *values;
        bool *nulls;
        int count;
    };
    auto elements = guard([&] {
        Elements e;
        deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &e.values, &e.nulls,
                          &e.count);
        return e;
    });
    std::vector<Oid> views;
    for (int i = 0; i < elements.count; i++) {
        if (elements.nulls[i])
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "views must not contain nulls", "",
                        "Omit the argument to refresh all materialized views."};
        views.push_back(DatumGetObjectId(elements.values[i]));
        guard([&] { view::check_kind(views.back()); });
    }
    if (views.empty())
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE, "views must not be empty", "",
                    "Omit the argument to refresh all materialized views."};
    return views;
}

// Which view reads which, as far as that orders some views: what lies below them.
std::vector<Edge> edges_below(const std::vector<Oid> &views)
{
    const Oid *first = views.data();
    int views_count = static_cast<int>(views.size());
    int count = 0;
    ViewPair *pairs = guard([&] { return view_sources::below(first, views_count, &count); });
    std::vector<Edge> edges;
    edges.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; i++)
        edges.push_back({pairs[i].view, pairs[i].source});
    return edges;
}

// The same of all views: who reads a view may be anywhere.
std::vector<Edge> all_edges()
{
    int count = 0;
    Oid *views = guard([&] { return scan_views([](Oid) { return true; }, &count); });
    return edges_below({views, views + count});
}

// Whether a view that was not named is refreshed with those that were; says so if it is not.
bool comes_along(Oid view)
{
    if (guard([&] { return is_included(view); }))
        return true;
    notice("%s is left out: it is disabled or the current user may not refresh it",
           guard([&] { return view::name(view); }));
    return false;
}

// The views together with those that read them and that the caller may refresh.
std::vector<Oid> cascaded(const std::vector<Oid> &views, const std::vector<Edge> &edges)
{
    std::vector<Oid> result = views;
    for (Oid oid : view_order::with_dependents(views, edges)) {
        if (std::find(views.begin(), views.end(), oid) != views.end())
            continue;
        if (comes_along(oid))
            result.push_back(oid);
    }
    return result;
}

int days_argument(FunctionCallInfo fcinfo, int argument)
{
    if (PG_ARGISNULL(argument))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "date_range_days must not be null", "",
                    "Omit the argument to refresh the last 2 days."};
    int days = PG_GETARG_INT32(argument);
    if (days < 0 || days > most_days)
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE,
                    format("date_range_days must be between 0 and %d", most_days),
                    format("The value given is %d.", days), ""};
    return days;
}

} // namespace

namespace arguments {

std::string text_of(FunctionCallInfo fcinfo, int argument, const char *name)
{
    if (PG_ARGISNULL(argument))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, format("%s must not be null", name), "", ""};
    return guard([&] { return text_to_cstring(PG_GETARG_TEXT_PP(argument)); });
}

Oid view_of(FunctionCallInfo fcinfo, int argument)
{
    if (PG_ARGISNULL(argument))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "view must not be null", "", ""};
    Oid oid = PG_GETARG_OID(argument);
    guard([&] { view::check_kind(oid); });
    return oid;
}

int64 span(FunctionCallInfo fcinfo, int argument, const char *name)
{
    if (PG_ARGISNULL(argument))
        return 0;
    int64 microseconds = guard([&] {
        Interval *given = PG_GETARG_INTERVAL_P(argument);
        TimestampTz now = GetCurrentTimestamp();
        return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
                                                       IntervalPGetDatum(given))) - now;
    });
    if (microseconds <= 0)
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE, format("%s must be positive", name), "",
                    "Give the time between two calls, such as \"1 min\", or omit the argument."};
    return microseconds;
}

std::vector<Oid> all_views()
{
    int count = 0;
    Oid *views = guard([&] { return scan_views(is_included, &count); });
    return {views, views + count};
}

Request request(FunctionCallInfo fcinfo, int mode, int days)
{
    std::string name = text_of(fcinfo, mode, "mode");
    int reach = days_argument(fcinfo, days);
    for (RefreshMode known : {RefreshMode::smart, RefreshMode::full, RefreshMode::incremental})
        if (name == name_of(known))
            return {known, reach, false, false};
    throw Error{ERRCODE_INVALID_PARAMETER_VALUE, format("unknown refresh mode \"%s\"", name.c_str()),
                "", "The modes are \"smart\", \"full\" and \"incremental\"."};
}

Request incremental_or_full(FunctionCallInfo fcinfo, int incremental, int days)
{
    if (PG_ARGISNULL(incremental))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "incremental must not be null", "", ""};
    return {PG_GETARG_BOOL(incremental) ? RefreshMode::incremental : RefreshMode::full,
            days_argument(fcinfo, days), false, false};
}

Call call(FunctionCallInfo fcinfo, const Request &request, int views, int cascade)
{
    if (PG_ARGISNULL(cascade))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "cascade must not be null", "", ""};
    std::vector<Edge> edges;
    std::vector<Oid> chosen = PG_ARGISNULL(views)
                                  ? all_views()
                                  : named_views(guard([&] { return PG_GETARG_ARRAYTYPE_P(views); }));
    if (PG_GETARG_BOOL(cascade)) {
        edges = all_edges();
        chosen = cascaded(chosen, edges);
    } else if (chosen.size() > 1)
        edges = edges_below(chosen);
    Call call = {request, view_order::ordered(chosen, edges), edges, true, Caller::function};
    call.request.may_swap = call.views.size() == 1;
    return call;
}

Call statement(Oid view, bool with_sources)
{
    std::vector<Oid> all = {view};
    std::vector<Oid> chosen = {view};
    std::vector<Edge> edges;
    if (with_sources)
        edges = edges_below(all);
    for (const Edge &edge : edges) {
        if (std::find(all.begin(), all.end(), edge.source) != all.end())
            continue;
        all.push_back(edge.source);
        if (comes_along(edge.source))
            chosen.push_back(edge.source);
    }
    Request request = {RefreshMode::smart, 0, false, true, true};
    return {request, view_order::ordered(chosen, edges), edges, true, Caller::statement};
}

} // namespace arguments

} // namespace refresh_mv
