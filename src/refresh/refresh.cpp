#include "refresh/refresh.hpp"

#include "incremental/gate.hpp"
#include "incremental/incremental.hpp"
#include "log/log_writer.hpp"
#include "query/chunk_lock.hpp"
#include "merge/merge.hpp"
#include "query/query.hpp"
#include "query/view.hpp"
#include "refresh/choose_method.hpp"
#include "refresh/date_window.hpp"
#include "refresh/listeners.hpp"
#include "refresh/log_merge.hpp"
#include "refresh/merge_scope.hpp"
#include "refresh/row_condition.hpp"
#include "refresh/view_status.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"
#include "server/progress.hpp"
#include "server/time_box.hpp"
#include "store/chunk_progress.hpp"
#include "store/extension.hpp"
#include "tracking/baseline.hpp"
#include "tracking/registry.hpp"
#include "tracking/source_files.hpp"

namespace refresh_mv {

namespace {

// Tells how long it has existed.
class Stopwatch {
public:
    Stopwatch() { INSTR_TIME_SET_CURRENT(start_); }

    double milliseconds() const
    {
        instr_time now;
        INSTR_TIME_SET_CURRENT(now);
        INSTR_TIME_SUBTRACT(now, start_);
        return INSTR_TIME_GET_MILLISEC(now);
    }

private:
    instr_time start_;
};

// Whether an error ends the refresh, whatever else there was to try.
bool ends_refresh(const PgError &error)
{
    return is_cancel(error.data) || is(error, ERRCODE_T_R_SERIALIZATION_FAILURE)
           || is(error, ERRCODE_T_R_DEADLOCK_DETECTED);
}

// Notes an error that is not the end of the refresh; returns what the history may tell of
// it to all.
std::string got_round(const PgError &error, Decision *decision)
{
    decision->trouble = error.data->message ? error.data->message : "unknown error";
    return std::string("it failed with SQLSTATE ") + unpack_sql_state(error.data->sqlerrcode);
}

// The query of a view, by way of a new state of its groups if it can have one; null,
// with nothing done and the reason noted, if that fails: the view's own query may not.
Query *make_state(const OpenView &view, const char **groups, Decision *decision)
{
    Query *query = nullptr;
    try {
        subtransaction([&] {
            with_same_partitions(view.relation, [&] {
                query = guard([&] { return incremental::query_with_state(view.relation, groups); });
            });
        });
    } catch (const PgError &error) {
        if (ends_refresh(error))
            throw;
        *groups = nullptr;
        decision->reason += "; no state of its groups could be made: " + got_round(error, decision);
        return nullptr;
    }
    return query;
}

// Merges all rows, but for those that keep_before keeps.  Of a view for which a
// baseline is taken, makes the state of its groups, if it can have one.
Merged merge_whole(const OpenView &view, bool may_swap, bool with_state, Decision *decision)
{
    Merged merged;
    const char *groups = nullptr;
    Scope all = guard([&] {
        Node *kept = kept_rows(view);
        return Scope{kept, nullptr, kept};
    });
    if (with_state)
        all.fresh = make_state(view, &groups, decision);
    if (all.fresh == nullptr)
        all.fresh = guard([&] { return query::rewritten(view.relation); });

    if (all.condition == nullptr)
        merged = merge_scope(view, all, Method::full, may_swap);
    else if (!merge_part(view, all, Method::full, &merged))
        guard([&] {
            ereport(ERROR,
                    (errcode(ERRCODE_UNIQUE_VIOLATION),
                     errmsg("a row that keep_before keeps has the same unique key as a newer one"),
                     errhint("Reset keep_before by refresh_mv.configure(), or drop the unique index.")));
        });
    merged.groups = groups;
    return merged;
}

// Finds the scope of a window; false where its start cannot be determined.  The
// functions of the view's date expression may fail on the dates that they are
// called with here, and that is no error of the view.
bool window_scope(const OpenView &view, int days, Scope *scope)
{
    bool found = false;
    try {
        subtransaction([&] {
            found = guard([&] {
                date_window::Part part{};
                if (!date_window::restrict_to(view.relation, view.window, days, &part))
                    return false;
                Node *kept = kept_rows(view);
                *scope = {make_and_qual(part.held, kept), part.fresh, make_and_qual(part.wanted, kept)};
                return true;
            });
        });
    } catch (const PgError &error) {
        if (is_cancel(error.data) || is(error, ERRCODE_T_R_SERIALIZATION_FAILURE))
            throw;
    }
    return found;
}

// Core's REFRESH, for a view that nobody can be reading.
Merged refresh_by_core(Oid oid, int64 run)
{
    QueryCompletion completion;
    RefreshMatViewStmt *statement = makeNode(RefreshMatViewStmt);
    statement->relation = makeRangeVar(get_namespace_name(get_rel_namespace(oid)),
                                       get_rel_name(oid), -1);
    InitializeQueryCompletion(&completion);
    log_merge::everything(oid, "the view was filled anew");
    pg::exec_refresh(statement, "REFRESH MATERIALIZED VIEW", &completion);
    extension::note_merge(oid);
    listeners::filled_anew(oid, run, "the view was filled anew");
    return {{completion.nprocessed, 0, 0, 0}, Method::rebuild, nullptr};
}

// Tells what was decided, in the words that users know.
void announce(const Request &request, const ViewStatus &status, const Decision &decision)
{
    if (request.mode == RefreshMode::smart) {
        if (status.has_data)
            notice("Last data date: %s (%d days behind)", status.newest.c_str(),
                   status.days_behind > 0 ? status.days_behind : 0);
        if (decision.approach == Approach::skip)
            return;
        if (decision.approach == Approach::by_log)
            notice("Performing exact refresh: %s", decision.reason.c_str());
        else if (decision.approach == Approach::window)
            notice("Performing incremental refresh of the last %d days: %s", decision.days,
                   decision.reason.c_str());
        else
            notice("Performing full refresh: %s", decision.reason.c_str());
    } else if (request.mode == RefreshMode::incremental && decision.approach != Approach::window)
        notice("Performing full refresh instead: %s", decision.reason.c_str());
}

// Says that the rows outside of a window that was asked for may not be what they should.
void warn_of_stale_rows(const OpenView &view, const std::string &doubt)
{
    const char *reason = doubt.c_str();
    guard([&] {
        const char *name = quote_literal_cstr(
            quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view.relation)),
                                       RelationGetRelationName(view.relation)));
        ereport(WARNING,
                (errmsg("incremental refresh of materialized view \"%s\" can leave wrong rows in it",
                        RelationGetRelationName(view.relation)),
                 errdetail_internal("What is outside of its last days may have changed: %s.", reason),
                 errhint("Refresh it in full: SELECT * FROM refresh_materialized_views(views => ARRAY[%s::regclass])",
                         name)));
    });
}

void fall_back(const Request &request, Decision *decision, const std::string &reason)
{
    if (!request.quiet)
        notice("Performing full refresh instead: %s", reason.c_str());
    *decision = {Approach::full, 0, reason, decision->trouble};
}

struct NoWay {};

constexpr char took_longer[] = "an exact refresh took longer than a full one";

// Leaves out of a scope what keep_before keeps: the rest is what the query returns, since it was so at the baseline,
// whose bound was no later.
void leave_out_kept(const OpenView &view, ExactScope *scope)
{
    Node *kept = kept_rows(view);
    if (kept == nullptr || scope->fresh == nullptr)
        return;
    scope->held->jointree->quals = make_and_qual(scope->held->jointree->quals,
                                                 static_cast<Node *>(copyObjectImpl(kept)));
    scope->fresh = query::select_fresh(view.relation, scope->fresh, kept);
}

// Merges exactly what the known changes make different; throws NoWay, with a reason, if
// there is no way or it costs too much.
void merge_known(const OpenView &view, const BaselineStatus &baseline, const Gate &gate, double *cost, Merged *merged,
                 std::string *reason)
{
    ExactScope scope = incremental::scope(view.relation, baseline, gate, cost);
    if (scope.reason != nullptr) {
        *reason = scope.reason;
        throw NoWay{};
    }
    guard([&] { leave_out_kept(view, &scope); });
    *merged = {{}, scope.method, baseline.groups};
    if (scope.fresh != nullptr) {
        *merged = merge_sides(view, {scope.held, scope.fresh, scope.environment}, scope.method, false);
        merged->groups = scope.groups;
    }
    guard([&] { incremental::release(&scope); });
}

// The same; false, with nothing done and a reason, if there is no way.  An error here is none of the
// view: it may be met only on rows that are not there any more.
bool merge_exactly(const OpenView &view, const BaselineStatus &baseline, Experience *experience, Merged *merged,
                   Decision *decision, std::string *reason)
{
    Stopwatch stopwatch;
    double cost = 0;
    try {
        subtransaction([&] {
            Gate gate = guard([&] { return gate::of(view.relation, baseline.experience, baseline.pending); });
            time_box::begin(gate::patience_ms(gate));
            with_same_partitions(view.relation, [&] { merge_known(view, baseline, gate, &cost, merged, reason); });
            if (!time_box::end()) {
                *reason = took_longer;
                throw NoWay{};
            }
        });
        gate::learn_exact(experience, baseline.pending, cost, stopwatch.milliseconds(), false);
        return true;
    } catch (const NoWay &) {
        time_box::end();
        if (cost > 0)
            gate::learn_refusal(experience, baseline.pending, stopwatch.milliseconds());
    } catch (const PgError &error) {
        if (time_box::end_after(error)) {
            gate::learn_exact(experience, baseline.pending, cost, stopwatch.milliseconds(), true);
            *reason = took_longer;
            return false;
        }
        if (ends_refresh(error))
            throw;
        *reason = got_round(error, decision);
    } catch (...) {
        time_box::end();
        throw;
    }
    return false;
}

// Runs the chosen method, or a full refresh where it turns out to be no way.
Merged carry_out(const OpenView &view, const Request &request, const BaselineStatus &baseline,
                 Experience *experience, Decision *decision)
{
    Scope scope;
    Merged merged;

    if (decision->approach == Approach::window) {
        if (!window_scope(view, decision->days, &scope))
            fall_back(request, decision, "the start of the window cannot be determined for its date column");
        else if (merge_part(view, scope, Method::window, &merged))
            return merged;
        else
            fall_back(request, decision, "a row has moved into the window, with the same unique key as before");
    }
    if (decision->approach == Approach::by_log) {
        std::string reason;
        if (merge_exactly(view, baseline, experience, &merged, decision, &reason))
            return merged;
        fall_back(request, decision, decision->reason + ", but " + reason);
    }
    Stopwatch stopwatch;
    merged = merge_whole(view, request.may_swap, baseline.tracked && baseline.can_save, decision);
    gate::learn_full(experience, stopwatch.milliseconds(),
                     static_cast<double>(merged.rows.inserted + merged.rows.updated + merged.rows.deleted));
    return merged;
}

// Whether the view now holds what its query returns, and the next refresh can
// build on that.  To skip again is cheap as long as no entries pile up, and no time passes.
bool becomes_baseline(Method method, const BaselineStatus &baseline)
{
    if (!baseline.tracked || !baseline.can_save || method == Method::window)
        return false;
    return method != Method::skip || baseline.entries > 0 || baseline.time_has_passed();
}

// Gives up the baseline of a view of which a part was brought to a state after it: what
// has changed since would be netted against rows that are not there any more.
void note_partial(const OpenView &view, const BaselineStatus &baseline, const RowCounts &rows)
{
    const char *reason = baseline.entries > 0          ? "a part of it was refreshed while changes were waiting in the log"
                         : baseline.time_has_passed() ? "a part of it was refreshed as of another time"
                                                       : nullptr;
    if (baseline.tracked && reason != nullptr && rows.inserted + rows.updated + rows.deleted > 0)
        log_writer::baseline_lost(RelationGetRelid(view.relation), reason);
}

// The session that is refreshing a view in chunks, if the view is to be left to it: what it has done is exact as of its
// last chunk only, and the rest is not yet.  0 if there is none.
int at_work_on_chunks(const OpenView &view, const Request &request, const BaselineStatus &baseline)
{
    bool leaves = baseline.tracked && request.mode != RefreshMode::full && !request.as_core && baseline::is_of_chunks(baseline);
    return leaves ? chunk_lock::holder(RelationGetRelid(view.relation)) : 0;
}

} // namespace

namespace refresh {

Refreshed refresh(Oid oid, const Request &request)
{
    BaselineStatus baseline{};
    OpenView view = guard([&] {
        OpenView opened = view::open(oid);
        opened.run = request.run;
        if (RelationIsPopulated(opened.relation))
            view::check_serializable(opened.relation);
        baseline = view_status::look(opened, request.as_core ? Amidst::allowed : Amidst::refused);
        return opened;
    });
    int pid = guard([&] { return at_work_on_chunks(view, request, baseline); });
    if (pid != 0) {
        guard([&] { view::close(&view); });
        return {Method::none, format("skipped: pid %d is refreshing it in chunks", pid), "", {}, baseline.damaged};
    }
    bool by_age = request.mode == RefreshMode::smart && !baseline.tracked && !request.as_core;
    bool windowed = by_age || (request.mode == RefreshMode::incremental && !baseline.tracked);
    ViewStatus status = view_status::read(view, baseline, by_age, windowed);
    Decision decision = choose_method::choose(request, status);
    if (!request.quiet)
        announce(request, status, decision);
    if (decision.approach == Approach::window && !status.doubt.empty())
        warn_of_stale_rows(view, status.doubt);

    Merged merged{{}, Method::skip, nullptr};
    if (decision.approach == Approach::rebuild)
        merged = guard([&] {
            view::hand_over(&view);
            return refresh_by_core(oid, request.run);
        });
    else if (decision.approach != Approach::skip)
        merged = carry_out(view, request, baseline, &baseline.experience, &decision);
    guard([&] {
        if (becomes_baseline(merged.method, baseline))
            baseline::save(oid, baseline, merged.method == Method::skip ? baseline.groups : merged.groups,
                           row_condition::bound(view.window, view.settings.keep_before));
        // What keeps it from being one may pass: a trust may count again, say.
        else if (baseline.tracked && !baseline.can_save && !baseline.damaged && merged.method != Method::skip)
            registry::give_up_baseline(oid, "it was refreshed while it could not be tracked");
        if (merged.method == Method::window)
            note_partial(view, baseline, merged.rows);
        if (merged.method == Method::full || merged.method == Method::rebuild)
            chunk_progress::forget(oid);
        view::close(&view);
    });
    return {merged.method, decision.reason, decision.trouble, merged.rows, baseline.damaged,
            merged.method == Method::window ? 0 : baseline.oldest};
}

// Opens a view of which a part is to be refreshed, and finds that part.
static OpenView open_part(Oid oid, const char *condition, Scope *scope)
{
    // The names in the condition are the caller's, found by his search_path.
    Relation relation = table_open(oid, NoLock);
    Node *wanted = row_condition::parse(relation, condition);
    table_close(relation, NoLock);

    OpenView view = view::open(oid);
    if (!RelationIsPopulated(view.relation))
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("materialized view \"%s\" has not been populated",
                        RelationGetRelationName(view.relation)),
                 errhint("Refresh it as a whole first.")));
    wanted = make_and_qual(wanted, kept_rows(view));
    *scope = {wanted, query::rewritten(view.relation), wanted};
    view::check_serializable(view.relation);
    return view;
}

Refreshed refresh_where(Oid oid, const std::string &condition, int64 run)
{
    Scope scope;
    Merged merged;
    Decision decision = {Approach::where, 0, "a condition was given"};
    const char *text = condition.c_str();

    BaselineStatus baseline{};
    OpenView view = guard([&] {
        OpenView opened = open_part(oid, text, &scope);
        opened.run = run;
        baseline = view_status::look(opened);
        return opened;
    });
    if (!merge_part(view, scope, Method::where, &merged)) {
        fall_back({RefreshMode::where, 0, false, false}, &decision,
                  "a row has moved into the condition, with the same unique key as before");
        merged = merge_whole(view, false, false, nullptr);
    }
    guard([&] {
        note_partial(view, baseline, merged.rows);
        view::close(&view);
    });
    return {merged.method, decision.reason, decision.trouble, merged.rows, false};
}

bool data_through(Oid oid, const char *column, DateADT *date)
{
    bool found = false;

    if (!ConditionalLockRelationOid(oid, AccessShareLock))
        return false;
    if (get_rel_relkind(oid) == RELKIND_MATVIEW) {
        OpenView view = view::open_to_read(oid);
        WindowColumn window = column == nullptr
                                  ? view.window
                                  : shape::window_column(view.relation, query::stored(view.relation), column);
        found = RelationIsPopulated(view.relation) && view_status::newest_date(view.relation, window, date);
        view::close(&view);
    }
    UnlockRelationOid(oid, AccessShareLock);
    return found;
}

} // namespace refresh

} // namespace refresh_mv
