// refresh_mv: refreshes ordinary materialized views in place.
//
// Words used throughout:
//   view        a materialized view
//   held rows   what the view holds
//   fresh rows  what its query returns now
//   scope       the part of the view that a refresh recomputes
//   method      how it is recomputed: window, full or rebuild
//   bucket      the values of a date that one row of a view stands for
//
// This file holds the functions that SQL calls, and nothing but the
// composition of the stages behind them.

#include "bridge.hpp"
#include "catalog.hpp"
#include "model.hpp"
#include "query.hpp"
#include "refresh.hpp"
#include "shape.hpp"
#include "text.hpp"

#include <algorithm>
#include <vector>

extern "C" {
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(refresh_mv_refresh);
PG_FUNCTION_INFO_V1(refresh_mv_smart);
PG_FUNCTION_INFO_V1(refresh_mv_configure);
void _PG_init(void);
}

namespace {

constexpr int most_days = 36500;

bool skip_refresh = false;

// Every materialized view that the caller may refresh, by oid.
std::vector<Oid> all_views()
{
    struct Oids {
        Oid *values;
        int count;
    };
    Oids found = guard([] {
        Oids oids = {nullptr, 0};
        int capacity = 0;
        Relation classes = table_open(RelationRelationId, AccessShareLock);
        ScanKeyData key;
        ScanKeyInit(&key, Anum_pg_class_relkind, BTEqualStrategyNumber, F_CHAREQ,
                    CharGetDatum(RELKIND_MATVIEW));
        SysScanDesc scan = systable_beginscan(classes, InvalidOid, false, nullptr, 1, &key);
        HeapTuple tuple;
        while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
            Oid oid = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->oid;
            if (!pg::may_refresh(oid, GetUserId()) || catalog::is_member(oid))
                continue;
            if (oids.count == capacity) {
                capacity = capacity ? capacity * 2 : 64;
                Size size = capacity * sizeof(Oid);
                oids.values = static_cast<Oid *>(oids.values ? repalloc(oids.values, size)
                                                             : palloc(size));
            }
            oids.values[oids.count++] = oid;
        }
        systable_endscan(scan);
        table_close(classes, AccessShareLock);
        return oids;
    });
    return {found.values, found.values + found.count};
}

// The views of an argument of type regclass[].
std::vector<Oid> views_of(ArrayType *array)
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
        Oid oid = DatumGetObjectId(elements.values[i]);
        char kind = guard([&] { return get_rel_relkind(oid); });
        if (kind == '\0')
            throw Error{ERRCODE_UNDEFINED_TABLE,
                        format("materialized view with OID %u does not exist", oid), "", ""};
        if (kind != RELKIND_MATVIEW)
            throw Error{ERRCODE_WRONG_OBJECT_TYPE,
                        format("\"%s\" is not a materialized view", refresh::name_of_view(oid).c_str()),
                        "", "List materialized views only, or omit the argument to refresh all."};
        views.push_back(oid);
    }
    if (views.empty())
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE, "views must not be empty", "",
                    "Omit the argument to refresh all materialized views."};
    return views;
}

std::vector<Oid> requested_views(FunctionCallInfo fcinfo, int argument)
{
    std::vector<Oid> views = PG_ARGISNULL(argument)
                                 ? all_views()
                                 : views_of(guard([&] { return PG_GETARG_ARRAYTYPE_P(argument); }));
    std::sort(views.begin(), views.end());
    views.erase(std::unique(views.begin(), views.end()), views.end());
    return views;
}

Request incremental_or_full(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(0))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "incremental must not be null", "", ""};
    if (PG_ARGISNULL(1))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "date_range_days must not be null", "",
                    "Omit the argument to refresh the last 2 days."};
    int days = PG_GETARG_INT32(1);
    if (days < 0 || days > most_days)
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE,
                    format("date_range_days must be between 0 and %d", most_days),
                    format("The value given is %d.", days), ""};
    return {PG_GETARG_BOOL(0) ? RefreshMode::incremental : RefreshMode::full, days};
}

// Runs one stage of a view in a subtransaction.  Returns the message of the
// error that stopped it, or nothing; a cancelled statement is not caught.
template <class F>
std::string attempt(Oid view, F &&stage)
{
    try {
        subtransaction(stage);
        return "";
    } catch (const PgError &error) {
        if (error.data->sqlerrcode == ERRCODE_QUERY_CANCELED)
            throw;
        std::string message = error.data->message ? error.data->message : "unknown error";
        std::string name = refresh::name_of_view(view);
        guard([&] {
            ereport(WARNING,
                    (errcode(error.data->sqlerrcode),
                     errmsg_internal("could not refresh materialized view %s: %s", name.c_str(),
                                     message.c_str()),
                     error.data->detail ? errdetail_internal("%s", error.data->detail) : 0,
                     error.data->hint ? errhint("%s", error.data->hint) : 0));
        });
        return message;
    }
}

Outcome failure(Oid view, const std::string &error)
{
    return {refresh::name_of_view(view), false, Method::full, {}, error};
}

void announce_done(const Outcome &outcome, double milliseconds)
{
    notice("%s refreshed successfully (%s: %llu inserted, %llu updated, %llu deleted, %.1f ms)",
           outcome.view.c_str(), name_of(outcome.method),
           static_cast<unsigned long long>(outcome.rows.inserted),
           static_cast<unsigned long long>(outcome.rows.updated),
           static_cast<unsigned long long>(outcome.rows.deleted), milliseconds);
}

double seconds_since(TimestampTz start)
{
    return static_cast<double>(GetCurrentTimestamp() - start) / USECS_PER_SEC;
}

Outcome refresh_one(Oid view, const Request &request)
{
    Outcome outcome;
    TimestampTz start = GetCurrentTimestamp();
    notice("Refreshing %s...", refresh::name_of_view(view).c_str());
    std::string error = attempt(view, [&] { outcome = refresh::refresh(view, request); });
    if (!error.empty())
        return failure(view, error);
    announce_done(outcome, seconds_since(start) * 1000);
    return outcome;
}

// Refreshes the views under one snapshot, taken when all locks are held.
std::vector<Outcome> refresh_all(const std::vector<Oid> &views, const Request &request)
{
    std::vector<std::string> obstacles;
    std::vector<Outcome> outcomes;

    for (Oid view : views)
        obstacles.push_back(attempt(view, [&] { refresh::prepare(view); }));
    guard([] { PushCopiedSnapshot(GetTransactionSnapshot()); });
    for (size_t i = 0; i < views.size(); i++)
        outcomes.push_back(obstacles[i].empty() ? refresh_one(views[i], request)
                                                : failure(views[i], obstacles[i]));
    guard([] { PopActiveSnapshot(); });
    return outcomes;
}

// What a call gives back.
struct Summary {
    bool success;
    std::vector<std::string> refreshed;
    double seconds;
    std::string type;
    std::string message;
};

std::string type_of(const std::vector<Outcome> &outcomes)
{
    bool whole = false;
    bool part = false;
    for (const Outcome &outcome : outcomes)
        if (outcome.success)
            (outcome.method == Method::window ? part : whole) = true;
    return whole && part ? "mixed" : whole ? "full" : part ? "incremental" : "none";
}

std::string message_of(const std::vector<Outcome> &outcomes, size_t refreshed)
{
    if (outcomes.empty())
        return "No materialized views to refresh";
    if (refreshed == outcomes.size())
        return format("%zu materialized views refreshed", refreshed);
    std::string message = format("%zu of %zu materialized views failed", outcomes.size() - refreshed,
                               outcomes.size());
    for (const Outcome &outcome : outcomes)
        if (!outcome.success)
            message += "; " + outcome.view + ": " + outcome.error;
    return message;
}

Summary summary_of(const std::vector<Outcome> &outcomes, double seconds)
{
    Summary summary;
    for (const Outcome &outcome : outcomes)
        if (outcome.success)
            summary.refreshed.push_back(outcome.view);
    summary.success = summary.refreshed.size() == outcomes.size();
    summary.seconds = seconds;
    summary.type = type_of(outcomes);
    summary.message = message_of(outcomes, summary.refreshed.size());
    return summary;
}

// The summary as the function's row.
Datum row_of(FunctionCallInfo fcinfo, const Summary &summary)
{
    std::vector<const char *> names;
    for (const std::string &name : summary.refreshed)
        names.push_back(name.c_str());
    const char *const *first = names.data();
    size_t count = names.size();

    return guard([&] {
        TupleDesc desc;
        if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
            elog(ERROR, "return type must be a row type");
        auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
        for (size_t i = 0; i < count; i++)
            elements[i] = CStringGetTextDatum(first[i]);
        ArrayType *array = construct_array(elements, static_cast<int>(count), TEXTOID, -1, false,
                                           TYPALIGN_INT);
        Datum values[] = {BoolGetDatum(summary.success), PointerGetDatum(array),
                          Float8GetDatum(summary.seconds), CStringGetTextDatum(summary.type.c_str()),
                          CStringGetTextDatum(summary.message.c_str())};
        bool nulls[5] = {};
        return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
    });
}

void announce_request(const Request &request, size_t views)
{
    notice("Refreshing %zu materialized views...", views);
    if (request.mode == RefreshMode::full)
        notice("Performing full refresh");
    else if (request.mode == RefreshMode::incremental)
        notice("Performing incremental refresh of the last %d days", request.days);
}

Datum run(FunctionCallInfo fcinfo, const Request &request, int views_argument)
{
    static const char command[] = "refresh_materialized_views()";

    if (skip_refresh) {
        notice("Materialized views refresh skipped: refresh_mv.skip_refresh is on");
        return row_of(fcinfo, {true, {}, 0, "none",
                               "Skipped because refresh_mv.skip_refresh is on"});
    }
    guard([] {
        PreventCommandIfReadOnly(command);
        PreventCommandIfParallelMode(command);
        PreventCommandDuringRecovery(command);
    });
    TimestampTz start = GetCurrentTimestamp();
    std::vector<Oid> views = requested_views(fcinfo, views_argument);
    announce_request(request, views.size());
    std::vector<Outcome> outcomes = refresh_all(views, request);
    double seconds = seconds_since(start);
    notice("Materialized views refresh completed in %.2f seconds", seconds);
    return row_of(fcinfo, summary_of(outcomes, seconds));
}

// Fails unless the view can be refreshed by the caller along this column.
void check_date_column(Oid oid, const char *column)
{
    refresh::prepare(oid);
    if (column == nullptr)
        return;
    guard([&] {
        Relation view = table_open(oid, NoLock);
        WindowColumn window = shape::window_column(view, query::stored(view), column);
        if (window.attno == 0)
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("column \"%s\" cannot be the date column of materialized view \"%s\"",
                            column, RelationGetRelationName(view)),
                     errdetail_internal("For this view %s.", window.reason),
                     errhint("Choose a date or timestamp column that the view groups by.")));
        table_close(view, NoLock);
    });
}

} // namespace

Datum refresh_mv_smart(PG_FUNCTION_ARGS)
{
    return entry([&] { return run(fcinfo, {RefreshMode::smart, 0}, 0); });
}

Datum refresh_mv_refresh(PG_FUNCTION_ARGS)
{
    return entry([&] { return run(fcinfo, incremental_or_full(fcinfo), 2); });
}

Datum refresh_mv_configure(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        if (PG_ARGISNULL(0))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "view must not be null", "", ""};
        Oid view = PG_GETARG_OID(0);
        const char *column = PG_ARGISNULL(1) ? nullptr : guard([&] {
            return text_to_cstring(PG_GETARG_TEXT_PP(1));
        });
        check_date_column(view, column);
        guard([&] { catalog::set_date_column(view, column); });
        PG_RETURN_VOID();
    });
}

void _PG_init(void)
{
    DefineCustomBoolVariable("refresh_mv.skip_refresh",
                             "Makes refresh calls return at once without refreshing anything.",
                             nullptr, &skip_refresh, false, PGC_USERSET, 0, nullptr, nullptr,
                             nullptr);
    MarkGUCPrefixReserved("refresh_mv");
}
