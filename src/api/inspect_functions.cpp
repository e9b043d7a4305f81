// The functions that SQL calls to look at views, and nothing but the composition of the
// stages behind them.

#include "api/arguments.hpp"
#include "api/result_rows.hpp"
#include "inspect/explain.hpp"
#include "inspect/report.hpp"
#include "inspect/verify.hpp"
#include "query/view.hpp"
#include "refresh/refresh.hpp"
#include "run/run.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"

#include <algorithm>
#include <cmath>

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_total_size);
PG_FUNCTION_INFO_V1(refresh_mv_data_through);
PG_FUNCTION_INFO_V1(refresh_mv_newest_date);
PG_FUNCTION_INFO_V1(refresh_mv_explain);
PG_FUNCTION_INFO_V1(refresh_mv_remedies);
PG_FUNCTION_INFO_V1(refresh_mv_report);
PG_FUNCTION_INFO_V1(refresh_mv_verify);
PG_FUNCTION_INFO_V1(refresh_mv_verify_all);
}

namespace {

// Puts what is explained of the methods into the function's result.
void put_explained(FunctionCallInfo fcinfo, List *rows)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    ListCell *cell;
    InitMaterializedSRF(fcinfo, 0);
    foreach (cell, rows) {
        auto *row = static_cast<Explained *>(lfirst(cell));
        const char *remedies = advice::text(row->remedies);
        Datum values[] = {CStringGetTextDatum(name_of(row->method)), BoolGetDatum(row->possible),
                          BoolGetDatum(row->chosen), Float8GetDatum(std::rint(row->cost)),
                          Float8GetDatum(row->expected_ms), Float8GetDatum(row->last_ms),
                          CStringGetTextDatum(row->reason), CStringGetTextDatum(remedies),
                          CStringGetTextDatum(row->details ? row->details : "")};
        bool nulls[] = {false, false, false, row->cost < 0, row->expected_ms <= 0, row->last_ms <= 0, false, *remedies == '\0', row->details == nullptr};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

// The same of what would help, each statement once.
void put_remedies(FunctionCallInfo fcinfo, List *rows)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    List *all = NIL;
    ListCell *row, *cell;
    InitMaterializedSRF(fcinfo, 0);
    foreach (row, rows)
        foreach (cell, static_cast<Explained *>(lfirst(row))->remedies) {
            auto *remedy = static_cast<Remedy *>(lfirst(cell));
            advice::add(&all, remedy->statement, remedy->reason);
        }
    foreach (cell, all) {
        auto *remedy = static_cast<Remedy *>(lfirst(cell));
        Datum values[] = {CStringGetTextDatum(remedy->statement), CStringGetTextDatum(remedy->reason)};
        bool nulls[] = {false, false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

// Fails unless the caller may know about a view what refresh_mv.history would tell him.
void check_may_see(Oid view)
{
    if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) != ACLCHECK_OK && !view::is_owner(view)
        && !has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_MATVIEW, get_rel_name(view));
}

// What is explained of a view to those who may see it.
List *explained(Oid view, bool with_details)
{
    guard([&] {
        result_rows::check_not_restricted("refresh_mv.explain()");
        check_may_see(view);
    });
    return explain::explain(view, with_details);
}

// What is found of a view that the caller may refresh.
Verification verification(Oid view)
{
    guard([&] {
        result_rows::check_not_restricted("refresh_mv.verify()");
        view::check_right(view);
    });
    return verify::verify(view);
}

// Refreshes a view in full, within the caller's transaction.
void repair(Oid view)
{
    result_rows::check_may_write(result_rows::refresh);
    Call call = {{RefreshMode::full, 0, true, false}, {view}, {}, true, Caller::function};
    std::vector<Outcome> outcomes = run::together(call, run::limits);
    if (!outcomes[0].success)
        throw Error{outcomes[0].sqlstate, outcomes[0].error, "", ""};
}

// What is found of a view, and whether it was repaired, as the function's row.
Datum row_of(FunctionCallInfo fcinfo, Oid view, const Verification &found, bool repaired)
{
    return guard([&] {
        const char *remark = found.remark ? found.remark : "";
        Datum values[] = {ObjectIdGetDatum(view), CStringGetTextDatum(name_of(found.verdict)),
                          Int64GetDatum(found.missing), Int64GetDatum(found.extra), found.some_missing,
                          found.some_extra, Int64GetDatum(found.pending), BoolGetDatum(repaired),
                          CStringGetTextDatum(remark)};
        bool nulls[] = {false, false, !found.compared, !found.compared, found.some_missing == 0,
                        found.some_extra == 0, !found.counted, false, *remark == '\0'};
        return result_rows::form_row(fcinfo, values, nulls);
    });
}

// What verify_all() has found so far.
struct Findings {
    size_t wrong;      // views that are not what they should be
    size_t unverified; // where an error came in between
    int sqlstate;      // of the first such error
    std::string detail;
};

void complain(Findings *findings, const std::string &name, const std::string &complaint)
{
    findings->detail += (findings->detail.empty() ? "" : "\n") + name + ": " + complaint;
}

// Verifies a view, says what was found, and notes it if it should not be so.
void verify_next(Oid view, Findings *findings)
{
    std::string name = guard([&] { return view::name(view); });
    try {
        subtransaction([&] {
            Verification found = verification(view);
            std::string remark = found.remark ? std::string(": ") + found.remark : "";
            notice("%s is %s%s", name.c_str(), name_of(found.verdict), remark.c_str());
            if (found.verdict != Verdict::wrong && found.verdict != Verdict::different)
                return;
            findings->wrong++;
            complain(findings, name,
                     format("%s: %lld %s missing, %lld extra", name_of(found.verdict),
                            static_cast<long long>(found.missing), found.missing == 1 ? "row" : "rows",
                            static_cast<long long>(found.extra)));
        });
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        if (findings->unverified++ == 0)
            findings->sqlstate = error.data->sqlerrcode;
        complain(findings, name, guard([&] { return view::told(error.data, view::is_owner(view)); }));
    }
}

// The newest date of a view, for those who may read it.
Datum newest_date(FunctionCallInfo fcinfo, const char *column)
{
    if (guard([&] { return get_rel_relkind(PG_GETARG_OID(0)); }) == '\0')
        PG_RETURN_NULL(); // dropped while its name was being read
    Oid view = arguments::view_of(fcinfo, 0);
    DateADT date = 0;
    bool found = guard([&] {
        return pg_class_aclcheck(view, GetUserId(), ACL_SELECT) == ACLCHECK_OK
               && refresh::data_through(view, column, &date);
    });
    if (!found)
        PG_RETURN_NULL();
    PG_RETURN_DATEADT(date);
}

// An interval argument from now on, in microseconds; 0 if it is NULL.
int64 microseconds(FunctionCallInfo fcinfo, int argument)
{
    if (PG_ARGISNULL(argument))
        return 0;
    TimestampTz now = GetCurrentTimestamp();
    return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(argument))) - now;
}

} // namespace

Datum refresh_mv_data_through(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum { return newest_date(fcinfo, nullptr); });
}

Datum refresh_mv_newest_date(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        std::string column = arguments::text_of(fcinfo, 1, "date_column");
        return newest_date(fcinfo, column.c_str());
    });
}

Datum refresh_mv_explain(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = arguments::view_of(fcinfo, 0);
        if (PG_ARGISNULL(1))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "verbose must not be null", "", ""};
        List *rows = explained(view, PG_GETARG_BOOL(1));
        guard([&] { put_explained(fcinfo, rows); });
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_remedies(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = arguments::view_of(fcinfo, 0);
        List *rows = explained(view, false);
        guard([&] { put_remedies(fcinfo, rows); });
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_report(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        guard([] { result_rows::check_not_restricted("refresh_mv.report()"); });
        std::string page = report::page(report::read(guard([&] { return microseconds(fcinfo, 0); })));
        return guard([&] { return PointerGetDatum(cstring_to_text_with_len(page.data(), static_cast<int>(page.size()))); });
    });
}

Datum refresh_mv_verify(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = arguments::view_of(fcinfo, 0);
        if (PG_ARGISNULL(1))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "repair must not be null", "", ""};
        Verification found = verification(view);
        bool to_repair = PG_GETARG_BOOL(1) && found.verdict != Verdict::correct;
        if (to_repair)
            repair(view);
        return row_of(fcinfo, view, found, to_repair);
    });
}

Datum refresh_mv_verify_all(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        bool may_commit = result_rows::may_commit(fcinfo);
        std::vector<Oid> views = arguments::all_views();
        std::sort(views.begin(), views.end());
        Findings findings{};

        guard([&] { SPI_connect_ext(may_commit ? SPI_OPT_NONATOMIC : 0); });
        for (Oid view : views) {
            verify_next(view, &findings);
            if (may_commit)
                guard([] { SPI_commit(); });
        }
        guard([] { SPI_finish(); });
        if (findings.wrong > 0)
            throw Error{ERRCODE_DATA_EXCEPTION,
                        format("%zu of %zu materialized views are not what they should be", findings.wrong, views.size()),
                        findings.detail, "See refresh_mv.verify()."};
        if (findings.unverified > 0)
            throw Error{findings.sqlstate,
                        format("%zu of %zu materialized views could not be verified", findings.unverified, views.size()),
                        findings.detail, ""};
        PG_RETURN_VOID();
    });
}

Datum refresh_mv_total_size(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = PG_GETARG_OID(0);
        if (!guard([&] { return ConditionalLockRelationOid(view, AccessShareLock); }))
            PG_RETURN_NULL();
        return guard([&] {
            fcinfo->isnull = get_rel_relkind(view) == '\0';
            Datum size = fcinfo->isnull ? 0
                                        : DirectFunctionCall1(pg_total_relation_size,
                                                              ObjectIdGetDatum(view));
            UnlockRelationOid(view, AccessShareLock);
            return size;
        });
    });
}

} // namespace refresh_mv
