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
// This file holds the functions that SQL calls to refresh, track and configure views, and
// nothing but the composition of the stages behind them; inspect.cpp those that look.

#include "arguments.hpp"
#include "bridge.hpp"
#include "calls.hpp"
#include "capture.hpp"
#include "catalog.hpp"
#include "changelog.hpp"
#include "changes.hpp"
#include "configure.hpp"
#include "ddl.hpp"
#include "exact.hpp"
#include "group_state.hpp"
#include "lock_order.hpp"
#include "logged.hpp"
#include "on_commit.hpp"
#include "refresh.hpp"
#include "replica.hpp"
#include "run.hpp"
#include "statements.hpp"
#include "tables.hpp"
#include "text.hpp"
#include "track.hpp"
#include "tracking.hpp"
#include "triggers.hpp"
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
PG_FUNCTION_INFO_V1(refresh_mv_total_size);
PG_FUNCTION_INFO_V1(refresh_mv_track);
PG_FUNCTION_INFO_V1(refresh_mv_untrack);
PG_FUNCTION_INFO_V1(refresh_mv_changes);
PG_FUNCTION_INFO_V1(refresh_mv_log_change);
PG_FUNCTION_INFO_V1(refresh_mv_log_everything);
PG_FUNCTION_INFO_V1(refresh_mv_unseen_row);
PG_FUNCTION_INFO_V1(refresh_mv_drop_groups);
PG_FUNCTION_INFO_V1(refresh_mv_change_rows);
PG_FUNCTION_INFO_V1(refresh_mv_note_ddl);
PG_FUNCTION_INFO_V1(refresh_mv_let_go);
PG_FUNCTION_INFO_V1(refresh_mv_fingerprint);
PG_FUNCTION_INFO_V1(refresh_mv_keep_out);
void _PG_init(void);
}

namespace {

bool skip_refresh = false;

// Whether refreshing is switched off; says so if it is.
bool is_switched_off()
{
    if (skip_refresh)
        guard([] { calls::warn_of_skipping(); });
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
        return calls::form_row(fcinfo, values);
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
        calls::check_may_write(calls::refresh);
        Call call = get_call();
        return row_of(fcinfo, carry_out(call, [&] { return run::together(call, run::limits); }));
    });
}

void check_not_atomic(FunctionCallInfo fcinfo)
{
    if (!calls::may_commit(fcinfo))
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

// The row of a view that is tracked, as the function's only one.  By value: after a set
// the other expressions of a SELECT list are evaluated once more, an untrack() among them.
Datum row_of_tracked(FunctionCallInfo fcinfo, Oid view)
{
    return guard([&] {
        Datum values[] = {ObjectIdGetDatum(view), BoolGetDatum(true), 0};
        return calls::form_row(fcinfo, values, {false, false, true});
    });
}

// Runs a step of track() in a subtransaction; returns why it failed.
template <class F>
std::string attempt(F &&step)
{
    try {
        subtransaction([&] { guard(step); });
        return "";
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        return track::obstacle(error.data);
    }
}

// Tracks those of the views that the caller owns and that can be.  All is locked first.
std::vector<Tracked> track_all(const std::vector<Oid> &views, const bool *on_commit)
{
    std::vector<Tracked> outcomes;
    List *locks = nullptr;
    for (Oid view : views)
        if (guard([&] { return view::is_owner(view); }))
            outcomes.push_back({view, attempt([&] { locks = track::locks(locks, view); })});
    guard([&] { lock_order::take(locks); });
    for (Tracked &outcome : outcomes)
        if (outcome.obstacle.empty())
            outcome.obstacle = attempt([&] { track::track(outcome.view, on_commit); });
    return outcomes;
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
        calls::check_may_write(calls::refresh);
        if (PG_ARGISNULL(4))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "wait must not be null", "", ""};
        Call call = arguments::call(fcinfo, arguments::request(fcinfo, 0, 1), 2, 3);
        call.wait = PG_GETARG_BOOL(4);
        call.source = Caller::procedure;
        call.request.may_swap = true;

        std::vector<Outcome> outcomes;
        guard([] { SPI_connect_ext(SPI_OPT_NONATOMIC); });
        carry_out(call, [&] { return outcomes = run::one_by_one(call, run::limits); });
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
            calls::check_may_write(calls::refresh);
            guard([&] { view::check_owner(view); });
            Call call = {{RefreshMode::where, 0, false, false}, {view}, {}, true, Caller::function};
            rows = run::where(call, condition, run::limits)[0].refreshed.rows;
        }
        return guard([&] {
            Datum values[] = {UInt64GetDatum(rows.inserted), UInt64GetDatum(rows.updated),
                              UInt64GetDatum(rows.deleted)};
            return calls::form_row(fcinfo, values);
        });
    });
}

Datum refresh_mv_configure(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        calls::check_may_write("refresh_mv.configure()");
        Oid view = arguments::view_of(fcinfo, 0);
        guard([&] { configure::configure(view, fcinfo); });
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

Datum refresh_mv_track(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        calls::check_may_write("refresh_mv.track()");
        bool on_commit = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
        const bool *wanted = PG_ARGISNULL(1) ? nullptr : &on_commit;
        if (PG_ARGISNULL(0))
            put_tracked(fcinfo, track_all(arguments::all_views(), wanted));
        else {
            Oid view = arguments::view_of(fcinfo, 0);
            guard([&] {
                track::track(view, wanted);
                track::warn_of_publications();
            });
            return row_of_tracked(fcinfo, view);
        }
        guard([] { track::warn_of_publications(); });
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_untrack(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        calls::check_may_write("refresh_mv.untrack()");
        std::vector<Oid> named = PG_ARGISNULL(0) ? arguments::all_views()
                                                 : std::vector<Oid>{arguments::view_of(fcinfo, 0)};
        List *views = nullptr;
        for (Oid view : named)
            guard([&] {
                if (!PG_ARGISNULL(0) || view::is_owner(view))
                    views = lappend_oid(views, view);
            });
        guard([&] { track::untrack(views); });
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

Datum refresh_mv_change_rows(PG_FUNCTION_ARGS)
{
    Oid types[FUNC_MAX_ARGS];
    Datum *values;
    bool *nulls;
    int count;

    deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
    if (count > FUNC_MAX_ARGS)
        elog(ERROR, "too many parameters");
    for (int i = 0; i < count; i++)
        types[i] = TEXTOID;
    SPI_connect();
    tables::change(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
                   {count, types, values, nullptr});
    SPI_finish();
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

Datum refresh_mv_unseen_row(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(!statements::see_row(PG_GETARG_OID(0)));
}

Datum refresh_mv_let_go(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                 errmsg("refresh_mv.let_go() must be called as an event trigger")));
    auto *command = reinterpret_cast<EventTriggerData *>(fcinfo->context);
    ListCell *cell;
    if (IsA(command->parsetree, DropStmt))
        foreach (cell, castNode(DropStmt, command->parsetree)->objects)
            if (IsA(lfirst(cell), String) && strcmp(strVal(lfirst(cell)), "refresh_mv") == 0)
                triggers::depend_on_extension();
    PG_RETURN_NULL();
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
    if (replica::is_sent())
        return static_cast<Datum>(0);
    return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
                                                                     : trigger->tg_trigtuple);
}

void _PG_init(void)
{
    // If memory runs out in here, loading is tried again: what is done is not done twice.
    static int steps_done = 0;
    int step = 0;
    auto once = [&](auto code) {
        if (step++ < steps_done)
            return;
        code();
        steps_done++;
    };
    once([] {
        DefineCustomBoolVariable("refresh_mv.skip_refresh",
                                 "Makes refresh calls return at once without refreshing anything.",
                                 nullptr, &skip_refresh, false, PGC_USERSET, 0, nullptr, nullptr,
                                 nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.warn_after",
                                "Warns when the refresh of a view takes longer than this.",
                                "0 never warns.", &run::limits.warn_after, 60000, 0, INT_MAX, PGC_USERSET,
                                GUC_UNIT_MS, nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.failure_limit",
                                "Warns when so many refreshes of a view have failed in a row.",
                                "0 never warns.", &run::limits.failures, 3, 0, INT_MAX, PGC_USERSET, 0,
                                nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.history_days",
                                "Removes entries from refresh_mv.history after so many days.", nullptr,
                                &run::limits.history_days, 31, 1, most_days, PGC_SUSET, 0, nullptr, nullptr,
                                nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.max_logged_rows",
                                "A statement that changes more rows is logged without them.",
                                "The views that read its table are then refreshed in full.",
                                &capture::most_rows, 1000000, 0, INT_MAX, PGC_USERSET, 0, nullptr,
                                nullptr, nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.max_log_size",
                                "The size beyond which the logged changes of a table are given up.",
                                "The views that read the table are then refreshed in full.",
                                &tracking::max_log_size, 256 * 1024, 64, INT_MAX, PGC_SUSET,
                                GUC_UNIT_KB, nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomRealVariable("refresh_mv.exact_cost_limit",
                                 "An exact refresh may cost so many times what a full one does.",
                                 "By the planner's estimates; 0 refreshes what has changed in full.",
                                 &exact::cost_limit, 1, 0, DBL_MAX, PGC_USERSET, 0, nullptr, nullptr,
                                 nullptr);
    });
    once([] { MarkGUCPrefixReserved("refresh_mv"); });
    once([] { logged::watch(); });
    once([] { on_commit::watch(&skip_refresh, &run::limits); });
    once([] { statements::at_commit(capture::log_unfinished); }); // called before on_commit's
}
