// The functions that SQL calls to refresh and to configure views, and nothing but the
// composition of what is behind them.

#include "api/arguments.hpp"
#include "api/configure.hpp"
#include "api/result_rows.hpp"
#include "api/trust.hpp"
#include "query/view.hpp"
#include "refresh/listeners.hpp"
#include "run/jobs.hpp"
#include "run/replace_query.hpp"
#include "run/run.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"
#include "tracking/track.hpp"
#include "tracking/triggers.hpp"

#include <algorithm>

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_refresh);
PG_FUNCTION_INFO_V1(refresh_mv_smart);
PG_FUNCTION_INFO_V1(refresh_mv_run);
PG_FUNCTION_INFO_V1(refresh_mv_refresh_where);
PG_FUNCTION_INFO_V1(refresh_mv_replace_query);
PG_FUNCTION_INFO_V1(refresh_mv_configure);
PG_FUNCTION_INFO_V1(refresh_mv_trust);
PG_FUNCTION_INFO_V1(refresh_mv_filled_anew);
}

namespace {

// Whether refreshing is switched off; says so if it is.
bool is_switched_off()
{
    if (run::skip_refresh)
        guard([] { result_rows::warn_of_skipping(); });
    return run::skip_refresh;
}

void announce_call(const Call &call)
{
    notice("Refreshing %zu materialized views...", call.views.size());
    if (call.request.mode == RefreshMode::full)
        notice("Performing full refresh");
    else if (call.request.mode == RefreshMode::incremental)
        notice("Performing incremental refresh of the last %d days", call.request.days);
}

// Runs a call by the given way and sums it up.
template <class Way>
Summary carry_out(const Call &call, Way way)
{
    TimestampTz start = GetCurrentTimestamp();
    announce_call(call);
    std::vector<Outcome> outcomes = way();
    guard([] { triggers::mend_own(); }); // last: there is nothing to wait for any more
    double seconds = static_cast<double>(GetCurrentTimestamp() - start) / USECS_PER_SEC;
    notice("Materialized views refresh completed in %.2f seconds", seconds);
    return run::summary(outcomes, seconds);
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
        auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
        for (size_t i = 0; i < count; i++)
            elements[i] = CStringGetTextDatum(first[i]);
        ArrayType *array = construct_array(elements, static_cast<int>(count), TEXTOID, -1, false,
                                           TYPALIGN_INT);
        Datum values[] = {BoolGetDatum(summary.success), PointerGetDatum(array),
                          Float8GetDatum(summary.seconds), CStringGetTextDatum(summary.type.c_str()),
                          CStringGetTextDatum(summary.message.c_str())};
        return result_rows::form_row(fcinfo, values);
    });
}

// The rows that were written, as the function's row.
Datum row_of(FunctionCallInfo fcinfo, const RowCounts &rows)
{
    return guard([&] {
        Datum values[] = {UInt64GetDatum(rows.inserted), UInt64GetDatum(rows.updated),
                          UInt64GetDatum(rows.deleted)};
        return result_rows::form_row(fcinfo, values);
    });
}

// The body of both functions that refresh within the caller's transaction.
template <class GetCall>
Datum refresh_together(FunctionCallInfo fcinfo, GetCall get_call)
{
    return entry([&] {
        if (is_switched_off())
            return row_of(fcinfo, {true, {}, 0, "none",
                                   "Skipped because refresh_mv.skip_refresh is on"});
        result_rows::check_may_write(result_rows::refresh);
        Call call = get_call();
        return row_of(fcinfo, carry_out(call, [&] { return run::together(call, run::limits); }));
    });
}

void check_not_atomic(FunctionCallInfo fcinfo)
{
    if (!result_rows::may_commit(fcinfo))
        throw Error{ERRCODE_ACTIVE_SQL_TRANSACTION,
                    "refresh_mv.run() cannot be called inside a transaction block or a function",
                    "It commits after each view.",
                    "Call it on its own, or use SELECT * FROM refresh_materialized_views_smart() or "
                    "refresh_materialized_views() instead."};
}

// How many processes are to refresh views at once.
int jobs_argument(FunctionCallInfo fcinfo, int argument)
{
    if (PG_ARGISNULL(argument))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "jobs must not be null", "", ""};
    int processes = PG_GETARG_INT32(argument);
    if (processes < 1 || processes > jobs::most)
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE, format("jobs must be between 1 and %d", jobs::most),
                    format("The value given is %d.", processes), ""};
    return processes;
}

bool flag(FunctionCallInfo fcinfo, int argument, const char *name)
{
    if (PG_ARGISNULL(argument))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, format("%s must not be null", name), "", ""};
    return PG_GETARG_BOOL(argument);
}

[[noreturn]] void refuse_chunks()
{
    throw Error{ERRCODE_INVALID_PARAMETER_VALUE, "chunk cannot be combined with jobs or one_snapshot",
                "A refresh in chunks is carried out by the session itself, and each chunk has a snapshot of its own.",
                "Omit jobs and one_snapshot, or call run() apart for the views that are to be refreshed in chunks."};
}

[[noreturn]] void raise_failures(const std::vector<Outcome> &outcomes, size_t failed)
{
    Error error = {0, format("%zu of %zu materialized views could not be refreshed", failed,
                             outcomes.size()),
                   "", "See refresh_mv.history."};
    const char *separator = ": ";
    for (const Outcome &outcome : outcomes) {
        if (outcome.success)
            continue;
        if (error.sqlstate == 0)
            error.sqlstate = outcome.sqlstate;
        error.message += separator + outcome.name;
        error.detail += (error.detail.empty() ? "" : "\n") + outcome.name + ": " + outcome.error;
        separator = ", ";
    }
    throw error;
}

} // namespace

Datum refresh_mv_smart(PG_FUNCTION_ARGS)
{
    return refresh_together(fcinfo, [&] {
        return arguments::call(fcinfo, {RefreshMode::smart, 0, false, false}, 0, 1);
    });
}

Datum refresh_mv_refresh(PG_FUNCTION_ARGS)
{
    return refresh_together(fcinfo, [&] {
        return arguments::call(fcinfo, arguments::incremental_or_full(fcinfo, 0, 1), 2, 3);
    });
}

Datum refresh_mv_run(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        check_not_atomic(fcinfo);
        if (is_switched_off())
            PG_RETURN_VOID();
        result_rows::check_may_write(result_rows::refresh);
        Call call = arguments::call(fcinfo, arguments::request(fcinfo, 0, 1), 2, 3);
        call.wait = flag(fcinfo, 4, "wait");
        call.by_lag = PG_ARGISNULL(2) && call.request.mode == RefreshMode::smart;
        call.next_call = arguments::span(fcinfo, 5, "every");
        int processes = jobs_argument(fcinfo, 6);
        call.one_snapshot = flag(fcinfo, 7, "one_snapshot");
        call.source = Caller::procedure;
        call.chunking = arguments::chunking(fcinfo, 8, call.request.mode);
        if (call.chunking && (processes > 1 || call.one_snapshot))
            refuse_chunks();
        call.request.may_swap = !call.chunking && !call.one_snapshot; // the transaction of one snapshot may last

        std::vector<Outcome> outcomes;
        guard([] { SPI_connect_ext(SPI_OPT_NONATOMIC); });
        carry_out(call, [&] {
            return outcomes = processes > 1 ? jobs::by_several(call, run::limits, processes)
                                            : run::one_by_one(call, run::limits);
        });
        guard([] {
            track::sweep();
            SPI_commit();
            SPI_finish();
        });
        size_t failed = std::count_if(outcomes.begin(), outcomes.end(),
                                      [](const Outcome &outcome) { return !outcome.success; });
        if (failed > 0)
            raise_failures(outcomes, failed);
        PG_RETURN_VOID();
    });
}

Datum refresh_mv_refresh_where(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = arguments::view_of(fcinfo, 0);
        std::string condition = arguments::text_of(fcinfo, 1, "condition");
        RowCounts rows{};
        if (!is_switched_off()) {
            result_rows::check_may_write(result_rows::refresh);
            guard([&] { view::check_owner(view); });
            Call call = {{RefreshMode::where, 0, false, false}, {view}, {}, true, Caller::function};
            rows = run::where(call, condition, run::limits)[0].refreshed.rows;
        }
        return row_of(fcinfo, rows);
    });
}

Datum refresh_mv_replace_query(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        result_rows::check_may_write("refresh_mv.replace_query()");
        Oid view = arguments::view_of(fcinfo, 0);
        std::string query = arguments::text_of(fcinfo, 1, "query");
        return row_of(fcinfo, replace_query::replace(view, query, run::limits));
    });
}

Datum refresh_mv_configure(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        result_rows::check_may_write("refresh_mv.configure()");
        Oid view = arguments::view_of(fcinfo, 0);
        guard([&] { configure::configure(view, fcinfo); });
        PG_RETURN_VOID();
    });
}

Datum refresh_mv_filled_anew(PG_FUNCTION_ARGS)
{
    listeners::filled_anew(PG_GETARG_OID(0), 0, text_to_cstring(PG_GETARG_TEXT_PP(1)));
    PG_RETURN_VOID();
}

Datum refresh_mv_trust(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        result_rows::check_may_write("refresh_mv.trust()");
        for (int argument : {0, 1})
            if (PG_ARGISNULL(argument))
                throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED,
                            format("%s must not be null", argument == 0 ? "function" : "trusted"), "", ""};
        guard([&] {
            if (PG_GETARG_BOOL(1))
                trust::give(PG_GETARG_OID(0));
            else
                trust::take_back(PG_GETARG_OID(0));
        });
        PG_RETURN_VOID();
    });
}

} // namespace refresh_mv
