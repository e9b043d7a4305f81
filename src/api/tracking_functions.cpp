// The functions that SQL calls to track views, and those that triggers and event triggers
// call because of it.

#include "api/arguments.hpp"
#include "api/result_rows.hpp"
#include "api/take_over.hpp"
#include "capture/capture.hpp"
#include "capture/ddl.hpp"
#include "inspect/changes.hpp"
#include "log/log_writer.hpp"
#include "log/open_statements.hpp"
#include "log/replica.hpp"
#include "query/view.hpp"
#include "query/view_locks.hpp"
#include "refresh/core_refresh.hpp"
#include "server/bridge.hpp"
#include "store/state_tables.hpp"
#include "store/statement.hpp"
#include "tracking/registry.hpp"
#include "tracking/track.hpp"
#include "tracking/triggers.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_track);
PG_FUNCTION_INFO_V1(refresh_mv_untrack);
PG_FUNCTION_INFO_V1(refresh_mv_changes);
PG_FUNCTION_INFO_V1(refresh_mv_log_change);
PG_FUNCTION_INFO_V1(refresh_mv_log_everything);
PG_FUNCTION_INFO_V1(refresh_mv_unseen_row);
PG_FUNCTION_INFO_V1(refresh_mv_untold_row);
PG_FUNCTION_INFO_V1(refresh_mv_drop_groups);
PG_FUNCTION_INFO_V1(refresh_mv_change_rows);
PG_FUNCTION_INFO_V1(refresh_mv_note_ddl);
PG_FUNCTION_INFO_V1(refresh_mv_let_go);
PG_FUNCTION_INFO_V1(refresh_mv_fingerprint);
PG_FUNCTION_INFO_V1(refresh_mv_keep_out);
}

namespace {

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
        return result_rows::form_row(fcinfo, values, {false, false, true});
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

// The argument capture.
bool coarse_capture(FunctionCallInfo fcinfo, int argument)
{
    return guard([&] {
        const char *given = text_to_cstring(PG_GETARG_TEXT_PP(argument));
        bool coarse = strcmp(given, "coarse") == 0;
        if (!coarse && strcmp(given, "rows") != 0)
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for capture: \"%s\"", given),
                     errhint("Give \"rows\" or \"coarse\".")));
        return coarse;
    });
}

// Tracks those of the views that the caller owns and that can be.  All is locked first.
std::vector<Tracked> track_all(const std::vector<Oid> &views, const bool *on_commit, const bool *coarse)
{
    std::vector<Tracked> outcomes;
    List *locks = nullptr;
    for (Oid view : views)
        if (guard([&] { return view::is_owner(view); }))
            outcomes.push_back({view, attempt([&] { locks = track::locks(locks, view); })});
    guard([&] { view_locks::take(locks); });
    for (Tracked &outcome : outcomes)
        if (outcome.obstacle.empty())
            outcome.obstacle = attempt([&] { track::track(outcome.view, on_commit, coarse); });
    return outcomes;
}

} // namespace

Datum refresh_mv_track(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        result_rows::check_may_write("refresh_mv.track()");
        bool on_commit = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
        const bool *wanted = PG_ARGISNULL(1) ? nullptr : &on_commit;
        bool is_coarse = !PG_ARGISNULL(2) && coarse_capture(fcinfo, 2);
        const bool *coarse = PG_ARGISNULL(2) ? nullptr : &is_coarse;
        if (PG_ARGISNULL(0))
            put_tracked(fcinfo, track_all(arguments::all_views(), wanted, coarse));
        else {
            Oid view = arguments::view_of(fcinfo, 0);
            guard([&] {
                track::track(view, wanted, coarse);
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
        result_rows::check_may_write("refresh_mv.untrack()");
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
    registry::touch(PG_GETARG_OID(0));
    log_writer::everything(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)));
    PG_RETURN_VOID();
}

Datum refresh_mv_drop_groups(PG_FUNCTION_ARGS)
{
    state_tables::drop(PG_GETARG_OID(0));
    PG_RETURN_VOID();
}

Datum refresh_mv_change_rows(PG_FUNCTION_ARGS)
{
    statement::Values values;
    Datum *elements;
    bool *nulls;
    int count;

    deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
    for (int i = 0; i < count; i++)
        values.add(TEXTOID, elements[i], nulls[i]);
    SPI_connect();
    statement::change(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
                      values);
    SPI_finish();
    PG_RETURN_VOID();
}

Datum refresh_mv_note_ddl(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                 errmsg("refresh_mv_internal.note_ddl() must be called as an event trigger")));
    auto *command = reinterpret_cast<EventTriggerData *>(fcinfo->context);
    if (take_over::has_done(command->parsetree))
        PG_RETURN_NULL();
    return entry([&]() -> Datum {
        Oid filled = command->tag == CMDTAG_REFRESH_MATERIALIZED_VIEW ? ddl::refreshed_by_core() : InvalidOid;
        if (OidIsValid(filled))
            core_refresh::end_chunks(filled);
        ddl::note(command, OidIsValid(filled) && core_refresh::make_baseline(filled) ? filled : InvalidOid);
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_unseen_row(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(!open_statements::see_row(PG_GETARG_OID(0)));
}

Datum refresh_mv_untold_row(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(!open_statements::tells_row(PG_GETARG_OID(0)));
}

Datum refresh_mv_let_go(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
                 errmsg("refresh_mv_internal.let_go() must be called as an event trigger")));
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
                 errmsg("refresh_mv_internal.keep_out() must be called as a trigger")));
    auto *trigger = reinterpret_cast<TriggerData *>(fcinfo->context);
    if (replica::is_sent())
        return static_cast<Datum>(0);
    return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
                                                                     : trigger->tg_trigtuple);
}

} // namespace refresh_mv
