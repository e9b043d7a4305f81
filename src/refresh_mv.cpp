// refresh_mv: refreshes ordinary materialized views in place.
//
// Words used throughout:
//   view        a materialized view
//   source      a relation that a view's query reads
//   held rows   what the view holds
//   fresh rows  what its query returns now
//   scope       the part of the view that a refresh recomputes
//   method      how it is recomputed: window, full, rebuild or where
//   bucket      the values of a date that one row of a view stands for
//
// This file holds the functions that SQL calls, and nothing but the
// composition of the stages behind them.

#include "arguments.hpp"
#include "bridge.hpp"
#include "capture.hpp"
#include "catalog.hpp"
#include "changelog.hpp"
#include "changes.hpp"
#include "configure.hpp"
#include "ddl.hpp"
#include "exact.hpp"
#include "explain.hpp"
#include "group_state.hpp"
#include "logged.hpp"
#include "on_commit.hpp"
#include "refresh.hpp"
#include "run.hpp"
#include "statements.hpp"
#include "text.hpp"
#include "track.hpp"
#include "tracking.hpp"
#include "triggers.hpp"
#include "verify.hpp"
#include "view.hpp"

#include <algorithm>
#include <cfloat>

extern "C" {
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(refresh_mv_refresh);
PG_FUNCTION_INFO_V1(refresh_mv_smart);
PG_FUNCTION_INFO_V1(refresh_mv_run);
PG_FUNCTION_INFO_V1(refresh_mv_refresh_where);
PG_FUNCTION_INFO_V1(refresh_mv_configure);
PG_FUNCTION_INFO_V1(refresh_mv_data_through);
PG_FUNCTION_INFO_V1(refresh_mv_newest_date);
PG_FUNCTION_INFO_V1(refresh_mv_total_size);
PG_FUNCTION_INFO_V1(refresh_mv_track);
PG_FUNCTION_INFO_V1(refresh_mv_untrack);
PG_FUNCTION_INFO_V1(refresh_mv_changes);
PG_FUNCTION_INFO_V1(refresh_mv_explain);
PG_FUNCTION_INFO_V1(refresh_mv_remedies);
PG_FUNCTION_INFO_V1(refresh_mv_verify);
PG_FUNCTION_INFO_V1(refresh_mv_verify_all);
PG_FUNCTION_INFO_V1(refresh_mv_log_change);
PG_FUNCTION_INFO_V1(refresh_mv_log_everything);
PG_FUNCTION_INFO_V1(refresh_mv_drop_groups);
PG_FUNCTION_INFO_V1(refresh_mv_note_ddl);
PG_FUNCTION_INFO_V1(refresh_mv_fingerprint);
PG_FUNCTION_INFO_V1(refresh_mv_keep_out);
void _PG_init(void);
}

namespace {

bool skip_refresh = false;
run::Limits limits = {60000, 3, 31};

constexpr char refresh_command[] = "a refresh of materialized views";

// Fails within the query of a view: a refresh of another would find the settings of the
// one under way in force, and its role.
void check_not_restricted(const char *command)
{
    if (InSecurityRestrictedOperation())
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                 errmsg("cannot execute %s within security-restricted operation", command)));
}

// Fails where a command that writes cannot run.
void check_may_write(const char *command)
{
    guard([&] {
        PreventCommandIfReadOnly(command);
        PreventCommandIfParallelMode(command);
        PreventCommandDuringRecovery(command);
        check_not_restricted(command);
        catalog::check_version();
    });
}

// Whether refreshing is switched off; says so if it is.
bool is_switched_off()
{
    if (skip_refresh)
        notice("Materialized views refresh skipped: refresh_mv.skip_refresh is on");
    return skip_refresh;
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
    double seconds = static_cast<double>(GetCurrentTimestamp() - start) / USECS_PER_SEC;
    notice("Materialized views refresh completed in %.2f seconds", seconds);
    return run::summary(outcomes, seconds);
}

// A row of the function's result type.
template <size_t columns>
Datum form_row(FunctionCallInfo fcinfo, Datum (&values)[columns], const bool (&is_null)[columns] = {})
{
    TupleDesc desc;
    bool nulls[columns];
    memcpy(nulls, is_null, sizeof(nulls));
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
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
        return form_row(fcinfo, values);
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
        check_may_write(refresh_command);
        Call call = get_call();
        return row_of(fcinfo, carry_out(call, [&] { return run::together(call, limits); }));
    });
}

// Whether a procedure may commit.
bool is_nonatomic(FunctionCallInfo fcinfo)
{
    return fcinfo->context && IsA(fcinfo->context, CallContext)
           && !reinterpret_cast<CallContext *>(fcinfo->context)->atomic;
}

void check_not_atomic(FunctionCallInfo fcinfo)
{
    if (!is_nonatomic(fcinfo))
        throw Error{ERRCODE_ACTIVE_SQL_TRANSACTION,
                    "refresh_mv.run() cannot be called inside a transaction block or a function",
                    "It commits after each view.",
                    "Call it on its own, or use SELECT * FROM refresh_materialized_views_smart() or "
                    "refresh_materialized_views() instead."};
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

// What became of a view in refresh_mv.track().
struct Tracked {
    Oid view;
    std::string obstacle; // empty: it is tracked
};

// Puts the outcomes into the function's result.
void put_tracked(FunctionCallInfo fcinfo, const std::vector<Tracked> &outcomes)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    guard([&] { InitMaterializedSRF(fcinfo, 0); });
    for (const Tracked &outcome : outcomes)
        guard([&] {
            const char *obstacle = outcome.obstacle.c_str();
            Datum values[] = {ObjectIdGetDatum(outcome.view), BoolGetDatum(*obstacle == '\0'),
                              CStringGetTextDatum(obstacle)};
            bool nulls[] = {false, false, *obstacle == '\0'};
            tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
        });
}

// Tracks those of the views that the caller owns and that can be.  All tables
// are locked first, in the order of their oids: two calls do not deadlock.
std::vector<Tracked> track_all(const std::vector<Oid> &views, const bool *on_commit)
{
    std::vector<Tracked> outcomes;
    std::vector<Oid> tables;
    auto attempt = [](auto step) -> std::string {
        try {
            subtransaction(step);
            return "";
        } catch (const PgError &error) {
            if (is_cancel(error.data))
                throw;
            return track::obstacle(error.data);
        }
    };
    for (Oid view : views)
        if (guard([&] { return view::is_owner(view); }))
            outcomes.push_back({view, attempt([&] {
                                    List *list = guard([&] { return track::tables(view); });
                                    for (int i = 0; i < list_length(list); i++)
                                        tables.push_back(list_nth_oid(list, i));
                                })});
    std::sort(tables.begin(), tables.end());
    tables.erase(std::unique(tables.begin(), tables.end()), tables.end());
    for (Oid table : tables)
        guard([&] { LockRelationOid(table, ShareRowExclusiveLock); });
    for (Tracked &outcome : outcomes)
        if (outcome.obstacle.empty())
            outcome.obstacle = attempt(
                [&] { guard([&] { track::track(outcome.view, on_commit); }); });
    return outcomes;
}

// Puts what is explained of the methods into the function's result.
void put_explained(FunctionCallInfo fcinfo, List *rows)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    ListCell *cell;
    InitMaterializedSRF(fcinfo, 0);
    foreach (cell, rows) {
        auto *row = static_cast<Explained *>(lfirst(cell));
        const char *remedies = remedy::text(row->remedies);
        Datum values[] = {CStringGetTextDatum(name_of(row->method)), BoolGetDatum(row->possible),
                          BoolGetDatum(row->chosen), Float8GetDatum(rint(row->cost)),
                          CStringGetTextDatum(row->reason), CStringGetTextDatum(remedies),
                          CStringGetTextDatum(row->details ? row->details : "")};
        bool nulls[] = {false, false, false, row->cost < 0, false, *remedies == '\0', row->details == nullptr};
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
            remedy::add(&all, remedy->statement, remedy->reason);
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
        check_not_restricted("refresh_mv.explain()");
        check_may_see(view);
    });
    return explain::explain(view, with_details);
}

// What is found of a view that the caller may refresh.
Verification verification(Oid view)
{
    guard([&] {
        check_not_restricted("refresh_mv.verify()");
        view::check_right(view);
    });
    return verify::verify(view);
}

// Refreshes a view in full, within the caller's transaction.
void repair(Oid view)
{
    check_may_write(refresh_command);
    Call call = {{RefreshMode::full, 0, true, false}, {view}, {}, true, Caller::function};
    std::vector<Outcome> outcomes = run::together(call, limits);
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
        return form_row(fcinfo, values, nulls);
    });
}

// Verifies a view and says what was found; returns what is wrong with it, or nothing.
std::string verified(Oid view)
{
    std::string name = guard([&] { return view::name(view); });
    std::string complaint;
    try {
        subtransaction([&] {
            Verification found = verification(view);
            std::string remark = found.remark ? std::string(": ") + found.remark : "";
            notice("%s is %s%s", name.c_str(), name_of(found.verdict), remark.c_str());
            if (found.verdict == Verdict::wrong || found.verdict == Verdict::different)
                complaint = format("%s: %lld rows missing, %lld extra", name_of(found.verdict),
                                   static_cast<long long>(found.missing), static_cast<long long>(found.extra));
        });
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        complaint = guard([&] { return view::told(error.data, view::is_owner(view)); });
    }
    return complaint.empty() ? "" : name + ": " + complaint;
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
        check_may_write(refresh_command);
        if (PG_ARGISNULL(4))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "wait must not be null", "", ""};
        Call call = arguments::call(fcinfo, arguments::request(fcinfo, 0, 1), 2, 3);
        call.wait = PG_GETARG_BOOL(4);
        call.source = Caller::procedure;
        call.request.may_swap = true;

        std::vector<Outcome> outcomes;
        guard([] { SPI_connect_ext(SPI_OPT_NONATOMIC); });
        carry_out(call, [&] { return outcomes = run::one_by_one(call, limits); });
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
            check_may_write(refresh_command);
            guard([&] { view::check_owner(view); });
            Call call = {{RefreshMode::where, 0, false, false}, {view}, {}, true, Caller::function};
            rows = run::where(call, condition, limits)[0].refreshed.rows;
        }
        return guard([&] {
            Datum values[] = {UInt64GetDatum(rows.inserted), UInt64GetDatum(rows.updated),
                              UInt64GetDatum(rows.deleted)};
            return form_row(fcinfo, values);
        });
    });
}

Datum refresh_mv_configure(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        check_may_write("refresh_mv.configure()");
        Oid view = arguments::view_of(fcinfo, 0);
        guard([&] { configure::configure(view, fcinfo); });
        PG_RETURN_VOID();
    });
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

Datum refresh_mv_track(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        check_may_write("refresh_mv.track()");
        bool on_commit = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
        const bool *wanted = PG_ARGISNULL(1) ? nullptr : &on_commit;
        if (PG_ARGISNULL(0))
            put_tracked(fcinfo, track_all(arguments::all_views(), wanted));
        else {
            Oid view = arguments::view_of(fcinfo, 0);
            guard([&] { track::track(view, wanted); });
            put_tracked(fcinfo, {{view, ""}});
        }
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_untrack(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        check_may_write("refresh_mv.untrack()");
        std::vector<Oid> views = PG_ARGISNULL(0) ? arguments::all_views()
                                                 : std::vector<Oid>{arguments::view_of(fcinfo, 0)};
        for (Oid view : views)
            if (!PG_ARGISNULL(0) || guard([&] { return view::is_owner(view); }))
                guard([&] { track::untrack(view); });
        guard([] { track::sweep(); });
        PG_RETURN_VOID();
    });
}

Datum refresh_mv_changes(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = arguments::view_of(fcinfo, 0);
        if (PG_ARGISNULL(1))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "source must not be null", "", ""};
        Oid source = PG_GETARG_OID(1);
        guard([&] {
            view::check_owner(view);
            InitMaterializedSRF(fcinfo, 0);
        });
        changes::put(view, source, reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
        PG_RETURN_NULL();
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
        bool may_commit = is_nonatomic(fcinfo);
        std::vector<Oid> views = arguments::all_views();
        Error error = {ERRCODE_DATA_EXCEPTION, "", "", "See refresh_mv.verify()."};
        size_t failed = 0;

        guard([&] { SPI_connect_ext(may_commit ? SPI_OPT_NONATOMIC : 0); });
        for (Oid view : views) {
            std::string complaint = verified(view);
            failed += !complaint.empty();
            error.detail += (complaint.empty() || error.detail.empty() ? "" : "\n") + complaint;
            if (may_commit)
                guard([] { SPI_commit(); });
        }
        guard([] { SPI_finish(); });
        error.message = format("%zu of %zu materialized views are not what they should be", failed, views.size());
        if (failed > 0)
            throw error;
        PG_RETURN_VOID();
    });
}

Datum refresh_mv_log_change(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                 errmsg("refresh_mv.log_change() must be called as a trigger")));
    auto *trigger = reinterpret_cast<TriggerData *>(fcinfo->context);
    capture::log_change(trigger);
    return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
                                                                     : trigger->tg_trigtuple);
}

Datum refresh_mv_log_everything(PG_FUNCTION_ARGS)
{
    on_commit::note_change(PG_GETARG_OID(0));
    changelog::everything(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)));
    PG_RETURN_VOID();
}

Datum refresh_mv_drop_groups(PG_FUNCTION_ARGS)
{
    group_state::drop(PG_GETARG_OID(0));
    PG_RETURN_VOID();
}

Datum refresh_mv_note_ddl(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                 errmsg("refresh_mv.note_ddl() must be called as an event trigger")));
    return entry([&]() -> Datum {
        ddl::note(reinterpret_cast<EventTriggerData *>(fcinfo->context));
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_fingerprint(PG_FUNCTION_ARGS)
{
    PG_RETURN_TEXT_P(cstring_to_text(triggers::fingerprint(PG_GETARG_OID(0))));
}

Datum refresh_mv_keep_out(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                 errmsg("refresh_mv.keep_out() must be called as a trigger")));
    auto *trigger = reinterpret_cast<TriggerData *>(fcinfo->context);
    if (IsLogicalWorker())
        return PointerGetDatum(nullptr);
    return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
                                                                     : trigger->tg_trigtuple);
}

void _PG_init(void)
{
    DefineCustomBoolVariable("refresh_mv.skip_refresh",
                             "Makes refresh calls return at once without refreshing anything.",
                             nullptr, &skip_refresh, false, PGC_USERSET, 0, nullptr, nullptr,
                             nullptr);
    DefineCustomIntVariable("refresh_mv.warn_after",
                            "Warns when the refresh of a view takes longer than this.",
                            "0 never warns.", &limits.warn_after, 60000, 0, INT_MAX, PGC_USERSET,
                            GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("refresh_mv.failure_limit",
                            "Warns when so many refreshes of a view have failed in a row.",
                            "0 never warns.", &limits.failures, 3, 0, INT_MAX, PGC_USERSET, 0,
                            nullptr, nullptr, nullptr);
    DefineCustomIntVariable("refresh_mv.history_days",
                            "Removes entries from refresh_mv.history after so many days.", nullptr,
                            &limits.history_days, 31, 1, most_days, PGC_SUSET, 0, nullptr, nullptr,
                            nullptr);
    DefineCustomIntVariable("refresh_mv.max_logged_rows",
                            "A statement that changes more rows is logged without them.",
                            "The views that read its table are then refreshed in full.",
                            &capture::most_rows, 1000000, 0, INT_MAX, PGC_USERSET, 0, nullptr,
                            nullptr, nullptr);
    DefineCustomIntVariable("refresh_mv.max_log_size",
                            "The size beyond which the logged changes of a table are given up.",
                            "The views that read the table are then refreshed in full.",
                            &tracking::max_log_size, 256 * 1024, 64, INT_MAX, PGC_SUSET,
                            GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomRealVariable("refresh_mv.exact_cost_limit",
                             "An exact refresh may cost so many times what a full one does.",
                             "By the planner's estimates; 0 refreshes what has changed in full.",
                             &exact::cost_limit, 1, 0, DBL_MAX, PGC_USERSET, 0, nullptr, nullptr,
                             nullptr);
    MarkGUCPrefixReserved("refresh_mv");
    logged::watch();
    on_commit::watch(&skip_refresh, &limits);
    statements::at_commit(capture::log_unfinished); // called before on_commit's
}
