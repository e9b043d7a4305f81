#include "inspect/explain.hpp"

#include "incremental/incremental.hpp"
#include "inspect/examination.hpp"
#include "query/determinism.hpp"
#include "query/query.hpp"
#include "refresh/choose_method.hpp"
#include "refresh/date_window.hpp"
#include "refresh/row_condition.hpp"
#include "refresh/view_status.hpp"
#include "server/bridge.hpp"
#include "server/class_row.hpp"
#include "tracking/net_changes.hpp"
#include "tracking/source.hpp"
#include "tracking/track.hpp"

#include <cfloat>

namespace refresh_mv {

namespace {

// Where nothing has changed, so many changed rows of a table are imagined.
constexpr double share_changed = 0.001;
constexpr double most_changed = 1000;

// So many microseconds may be spent on trying what indexes would bring.
constexpr int64 time_for_indexes = USECS_PER_SEC;

using examination::changes_in_log;
using examination::has_premise;
using examination::is_affordable;
using examination::literal;

// ---- tracking ----

// What to do about a result that depends on more than data.
void add_constancy_remedy(Examination *e, const Constancy &constancy)
{
    const char *what = constancy.depends_on;
    if (OidIsValid(constancy.declarable))
        advice::add(&e->tracking, psprintf("ALTER FUNCTION %s IMMUTABLE", format_procedure(constancy.declarable)),
                    "if its result depends on its arguments alone");
    if (OidIsValid(constancy.trustable))
        advice::add(&e->tracking, blame::trust_statement(constancy.trustable),
                    "the same without altering it, at your own risk: changes of what else it reads would not be noticed");
    else if (constancy.hint != nullptr)
        advice::add(&e->tracking, psprintf("-- its query must not depend on %s", what), constancy.hint);
    else if (constancy.movable)
        advice::add(&e->tracking, psprintf("-- take %s out of the view, and into the queries that read it", what), "");
    else
        advice::add(&e->tracking, psprintf("-- its query must not depend on %s", what), "");
}

void add_source_remedy(Examination *e, const Source *source)
{
    switch (source->remedy) {
    case SourceRemedy::key:
        return advice::add_key(&e->tracking, source->relation);
    case SourceRemedy::statement:
        return advice::add(&e->tracking, source->hint, source->obstacle);
    case SourceRemedy::words:
        return advice::add(&e->tracking, psprintf("-- %s", source->hint), source->obstacle);
    }
}

// A source as it would be logged.
TrackedSource *as_tracked(const Source *source)
{
    auto *tracked = static_cast<TrackedSource *>(palloc0(sizeof(TrackedSource)));
    tracked->relation = source->relation;
    tracked->exact = source->exact;
    for (int i = 0; i < source->key.count; i++)
        tracked->key = lappend(tracked->key, get_attname(source->relation, source->key.columns[i], false));
    tracked->columns = list_copy(tracked->key);
    return tracked;
}

// Finds out whether the view can be tracked, and what would help.
void examine_tracking(Examination *e)
{
    Query *query = query::rewritten(e->view.relation);
    Constancy constancy = determinism::analyse_tracked(query, e->view.relation->rd_rel->relowner);
    List *sources = source::read_by(query);
    List *tables = NIL;
    ListCell *cell;

    e->timed = constancy.reads_time;
    if (constancy.depends_on != nullptr) {
        e->untrackable = psprintf("its result depends on more than data: %s", constancy.depends_on);
        add_constancy_remedy(e, constancy);
    }
    foreach (cell, sources) {
        auto *source = static_cast<Source *>(lfirst(cell));
        tables = lappend_oid(tables, source->relation);
        e->sources = lappend(e->sources, as_tracked(source));
        if (source->obstacle == nullptr && !source->exact && source::is_inherited(source->relation))
            advice::add_key(&e->indexes, source->relation);
        if (source->obstacle == nullptr)
            continue;
        e->untrackable = e->untrackable ? e->untrackable : source->obstacle;
        add_source_remedy(e, source);
    }
    bool to_track = e->untrackable == nullptr && (!e->baseline.tracked || e->baseline.damaged);
    Oid denied = to_track ? track::without_right(sources) : InvalidOid;
    if (OidIsValid(denied)) {
        e->untrackable = psprintf("its owner may not have changes of %s logged", source::name(denied));
        advice::add(&e->tracking, psprintf("GRANT TRIGGER ON %s TO %s", source::name(denied),
                                           quote_identifier(GetUserNameFromId(GetUserId(), false))),
                    e->untrackable);
    }
    else if (to_track)
        advice::add(&e->tracking, psprintf("SELECT * FROM refresh_mv.track(%s)", literal(e)),
                    "its changes are known then");
    advice::add_analyze(&e->indexes, tables);
}

// ---- exact methods ----

ExactPlan plan(const Examination *e, const Premise &premise, Method method)
{
    double limit = premise.imagined ? DBL_MAX : e->gate.limit;
    return incremental::plan(e->view.relation,
                       {method, premise.changes, premise.imagined, premise.as_of, limit, e->baseline.groups, e->view.settings.keep_before != nullptr});
}

// How many rows a table has as far as that is known.
double rows_in(Oid relation)
{
    return Max(class_row(relation).form.reltuples, 0);
}

// An exact method under a premise, for whoever wants to know its cost.
struct Costing {
    const Examination *e;
    Premise premise;
    Method method;
};

double cost_of(void *context)
{
    auto *costing = static_cast<Costing *>(context);
    ExactPlan planned = plan(costing->e, costing->premise, costing->method);
    return planned.obstacle ? DBL_MAX : planned.cost;
}

// The queries of a plan, and that of the view, of which those for the parts are made.
List *queries_of(Relation view, const ExactPlan &plan)
{
    List *queries = list_make1(query::rewritten(view));
    ListCell *cell;
    foreach (cell, plan.queries)
        queries = lappend(queries, static_cast<PlannedQuery *>(lfirst(cell))->query);
    return queries;
}

// Looks for indexes that would make the method cheaper under the premise.
void find_indexes(Examination *e, Premise premise, Method method, const ExactPlan &planned)
{
    premise.imagined = true; // nothing is to be run for this
    Costing costing = {e, premise, method};
    advice::add_indexes(&e->indexes, queries_of(e->view.relation, planned), cost_of, &costing,
                        psprintf("%s after %s", name_of(method), premise.words), e->deadline);
}

// Imagines what a premise says, and adds to a text what that costs; the plan.
ExactPlan imagine_one(Examination *e, const Premise &premise, StringInfo text)
{
    ExactPlan planned = plan(e, premise, Method::delta);
    Method method = planned.stateful ? Method::delta : Method::keys;
    if (method == Method::keys)
        planned = plan(e, premise, method);
    appendStringInfo(text, "%s: %s\n", premise.words,
                     planned.obstacle ? planned.obstacle : psprintf("cost %.0f", planned.cost));
    if (planned.obstacle == nullptr)
        find_indexes(e, premise, method, planned);
    return planned;
}

// Imagines that a day has passed since the last refresh.
void imagine_day(Examination *e, StringInfo text)
{
    Moment before = time_conditions::present();
    before.transaction -= USECS_PER_DAY;
    before.statement -= USECS_PER_DAY;
    imagine_one(e, {NIL, true, "a day that passes", &before}, text);
}

// Imagines a change of each source in turn.  If nothing has changed, that of the biggest
// table that can be dealt with is the premise.
void imagine(Examination *e)
{
    StringInfoData text;
    bool real = has_premise(e);
    double most = -1;
    ListCell *cell;

    initStringInfo(&text);
    foreach (cell, e->sources) {
        auto *source = static_cast<TrackedSource *>(lfirst(cell));
        double rows = rows_in(source->relation);
        if (!source->exact)
            continue;
        NetChanges *changes = net_changes::imagined(
            source, foreach_current_index(cell), Max(1, Min(most_changed, rows * share_changed)), e->environment);
        Premise premise = {list_make1(changes), true,
                           psprintf("a change of " INT64_FORMAT " row%s of %s", changes->rows.count,
                                    changes->rows.count == 1 ? "" : "s", get_rel_name(source->relation)),
                           nullptr};
        ExactPlan planned = imagine_one(e, premise, &text);
        if (!real && (planned.obstacle == nullptr ? rows > most : e->premise.changes == NIL))
            e->premise = premise;
        if (planned.obstacle == nullptr)
            most = Max(most, rows);
    }
    if (e->timed)
        imagine_day(e, &text);
    e->by_source = text.data;
}

// Plans both exact methods under the premise.
void plan_exact(Examination *e)
{
    e->delta = plan(e, e->premise, Method::delta);
    e->keys = plan(e, e->premise, Method::keys);
}

// ---- the window ----

WindowPlan plan_window(const Examination *e)
{
    WindowPlan plan{};
    date_window::Part part{};
    const OpenView &view = e->view;
    plan.days = view.settings.window_days >= 0 ? view.settings.window_days : choose_method::smart_window_days;
    plan.possible = date_window::restrict_to(view.relation, view.window, plan.days, &part);
    if (!plan.possible)
        return plan;
    Node *kept = row_condition::kept(view.relation, view.window, view.settings.keep_before);
    plan.held = query::select_held(view.relation, make_and_qual(part.held, kept));
    plan.fresh = query::select_fresh(view.relation, part.fresh, make_and_qual(part.wanted, kept));
    return plan;
}

// ---- what smart would do ----

// Runs leaf code that may fail because of the view; what may be told of the error, or null.
template <class F>
const char *attempt(const Examination *e, F &&code)
{
    try {
        subtransaction([&] { guard(code); });
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        return guard([&] { return view::told(error.data, e->to_owner); });
    }
    return nullptr;
}

void decide(Examination *e, Method method, const char *why)
{
    e->decision = method;
    e->why = why;
}

// What an approach is called before more is known.
Method begun_by(Approach approach)
{
    switch (approach) {
    case Approach::skip:
        return Method::skip;
    case Approach::by_log:
        return Method::delta;
    case Approach::window:
        return Method::window;
    case Approach::rebuild:
        return Method::rebuild;
    case Approach::full:
    case Approach::where:
        break;
    }
    return Method::full;
}

// The first decision, by the view's status.
Approach decide_by_status(Examination *e)
{
    ViewStatus status = view_status::read(e->view, e->baseline, !e->baseline.tracked, !e->baseline.tracked);
    Decision decision = choose_method::choose({RefreshMode::smart, 0, false, true}, status);
    guard([&] { decide(e, begun_by(decision.approach), pstrdup(decision.reason.c_str())); });
    return decision.approach;
}

// The second one, by the changes in the log, as a refresh makes it.
void decide_by_changes(Examination *e)
{
    Prospect prospect = incremental::prospect(e->view.relation, e->baseline, e->gate, e->environment);
    guard([&] {
        const Moment *as_of = e->baseline.time_has_passed() ? &e->baseline.as_of : nullptr;
        if (prospect.changes != NIL || (as_of != nullptr && prospect.obstacle == nullptr && prospect.method != Method::skip))
            e->premise = {prospect.changes, false, changes_in_log(e), as_of};
        if (prospect.obstacle != nullptr) {
            decide(e, Method::full, psprintf("%s, but %s", e->why, prospect.obstacle));
            e->hindrance = !has_premise(e) ? e->why : nullptr;
        } else if (prospect.method == Method::skip)
            decide(e, Method::skip, e->baseline.pending == 0 ? e->why : "the changes come to nothing");
        else
            decide(e, prospect.method, e->why);
    });
}

// The last one, by what the exact method is expected to cost.
void decide_by_plans(Examination *e)
{
    const ExactPlan &plan = e->decision == Method::delta ? e->delta : e->keys;
    if (plan.obstacle != nullptr)
        decide(e, Method::full, psprintf("%s, but %s", e->premise.words, plan.obstacle));
    else if (!is_affordable(e, plan))
        decide(e, Method::full, psprintf("%s, but that costs more than a full refresh", e->premise.words));
}

// Plans the exact methods of a view that can be tracked, and decides between them.
void examine_exact(Examination *e)
{
    bool real = has_premise(e);
    guard([&] { imagine(e); });
    if (!has_premise(e))
        return;
    const char *error = attempt(e, [&] {
        plan_exact(e);
        if (real && (e->decision == Method::delta || e->decision == Method::keys))
            decide_by_plans(e);
    });
    if (error == nullptr)
        return;
    guard([&] {
        e->hindrance = psprintf("%s, but %s", e->premise.words, error);
        decide(e, Method::full, e->hindrance);
        e->premise = {};
    });
}

// Opens a view to see what it is.
Examination open(Oid oid, bool with_details)
{
    Examination e{};
    e.to_owner = view::is_owner(oid);
    e.to_reader = e.to_owner || pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
    view::lock_to_read(oid);
    view::push_snapshot();
    e.view = view::open_to_read(oid);
    view::check_snapshot(e.view.relation);
    e.baseline = view_status::look(e.view);
    e.with_details = with_details;
    e.environment = create_queryEnv();
    e.deadline = GetCurrentTimestamp() + time_for_indexes;
    return e;
}

// Examines a view whose query can be planned.
List *examine(Examination *e)
{
    WindowPlan window{};
    if (decide_by_status(e) == Approach::by_log)
        decide_by_changes(e);
    if (e->untrackable == nullptr)
        examine_exact(e);
    if (RelationIsPopulated(e->view.relation) && e->view.window.attno != 0
        && attempt(e, [&] { window = plan_window(e); }) != nullptr)
        window.possible = false;
    if (e->decision == Method::window && !window.possible)
        decide(e, Method::full, "the start of the window cannot be determined for its date column");
    return guard([&] { return examination::rows(e, window); });
}

} // namespace

namespace explain {

List *explain(Oid oid, bool with_details)
{
    Examination e = guard([&] { return open(oid, with_details); });
    e.broken = attempt(&e, [&] {
        // Names in the remedies have to be found by everyone.
        int level = NewGUCNestLevel();
        set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                          0, false);
        examine_tracking(&e);
        AtEOXact_GUC(false, level);
        e.full = gate::full_cost(e.view.relation);
        e.gate = gate::of(e.view.relation, e.baseline.experience, e.baseline.pending);
    });
    List *rows = e.broken ? guard([&] { return examination::rows_of_broken(&e); }) : examine(&e);
    guard([&] {
        ephemeral_rows::release_all(e.environment);
        view::close(&e.view);
        PopActiveSnapshot();
    });
    return rows;
}

} // namespace explain

} // namespace refresh_mv
