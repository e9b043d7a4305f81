#include "inspect/explain.hpp"

#include "incremental/incremental.hpp"
#include "inspect/explain_details.hpp"
#include "query/ambiguity.hpp"
#include "query/deparse.hpp"
#include "query/determinism.hpp"
#include "query/query.hpp"
#include "refresh/choose_method.hpp"
#include "refresh/date_window.hpp"
#include "refresh/row_condition.hpp"
#include "refresh/view_status.hpp"
#include "refresh/window_trust.hpp"
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

// Changes with which exact methods are planned: those in the log, or imagined ones.
struct Premise {
    List *changes; // NetChanges *
    bool imagined;
    const char *words;
    const Moment *as_of; // since when time has passed as well; null: none has
};

// What is found out about a view.
struct Examination {
    OpenView view;
    BaselineStatus baseline;
    bool with_details;
    bool to_owner;           // error messages may be told
    bool to_reader;          // what the view holds may be told
    const char *broken;      // the error that its query meets when it is planned; null: none
    const char *untrackable; // why it cannot be tracked; null: it can
    List *tracking;          // remedies for that
    List *sources;           // TrackedSource *, as they are or would be
    bool timed;              // its query goes by the time
    double full;             // the cost of a full refresh
    Gate gate;
    Method decision;         // what smart begins with
    const char *why;
    const char *hindrance;   // why the changes in the log lead to a full refresh; null: perhaps not
    Premise premise;         // nothing: no exact method can be planned
    QueryEnvironment *environment; // shows the changes
    TimestampTz deadline;    // for trying indexes
    ExactPlan delta;
    ExactPlan keys;
    List *indexes;           // remedies that make the exact methods cheaper
    const char *by_source;   // what a change of each source costs, in words
};

char *literal(const Examination *e)
{
    Relation view = e->view.relation;
    return quote_literal_cstr(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)),
                                                         RelationGetRelationName(view)));
}

// Whether there is something with which exact methods can be planned.
bool has_premise(const Examination *e)
{
    return e->premise.changes != NIL || e->premise.as_of != nullptr;
}

const char *changes_in_log(const Examination *e)
{
    int64 count = e->baseline.pending;
    return count == 0 && e->baseline.time_has_passed()
               ? "time has passed since the last refresh"
               : psprintf(INT64_FORMAT " %s in the log", count, count == 1 ? "change" : "changes");
}

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

// ---- rows ----

Explained *row(Method method)
{
    auto *row = static_cast<Explained *>(palloc0(sizeof(Explained)));
    row->method = method;
    row->cost = -1;
    return row;
}

// Why no method that goes by the log can be used, whatever has changed; null: it can.
const char *log_obstacle(const Examination *e)
{
    if (!RelationIsPopulated(e->view.relation))
        return "the view is not populated";
    if (e->untrackable != nullptr)
        return psprintf("the view cannot be tracked: %s", e->untrackable);
    if (!e->baseline.tracked)
        return "the view is not tracked";
    return e->baseline.unknown;
}

Explained *explain_skip(const Examination *e)
{
    Explained *skip = row(Method::skip);
    const char *obstacle = log_obstacle(e);
    bool unchanged = e->baseline.pending == 0 && !e->baseline.time_has_passed();
    skip->possible = obstacle == nullptr && (unchanged || e->decision == Method::skip);
    skip->chosen = e->decision == Method::skip;
    skip->remedies = e->tracking;
    if (skip->possible)
        skip->cost = 0;
    const char *changes = changes_in_log(e);
    skip->reason = obstacle                     ? obstacle
                   : !skip->possible            ? changes
                   : unchanged                  ? "nothing has changed since the last refresh"
                   : e->baseline.pending == 0   ? psprintf("%s, and has changed nothing", changes)
                                                : psprintf("%s, which come to nothing", changes);
    return skip;
}

// Why an exact method cannot be used, whatever it costs, be it possible by the log.
const char *shape_obstacle(const Examination *e, const ExactPlan &plan, Method method)
{
    if (!has_premise(e))
        return e->hindrance ? e->hindrance : "changes of what it reads are not known row by row";
    if (plan.obstacle != nullptr && !plan.costly)
        return plan.obstacle;
    if (method == Method::delta && e->baseline.can_save && e->baseline.unknown == nullptr && !plan.has_state)
        return "there is no state of its groups yet";
    return nullptr;
}

const char *exact_details(const Examination *e, const ExactPlan &plan, Method method)
{
    if (!e->with_details || !has_premise(e))
        return nullptr;
    // Queries for real changes may show their keys, which are for those who may read them.
    return explain_details::text(plan, method == Method::delta && plan.stateful,
                                 (method == Method::delta) == plan.stateful ? e->by_source : nullptr,
                                 e->premise.imagined || e->to_owner);
}

bool is_affordable(const Examination *e, const ExactPlan &plan)
{
    return !plan.costly && plan.cost <= e->gate.limit;
}

// That a method costs too much, and what that is measured against.
const char *too_costly(const Examination *e, const ExactPlan &plan)
{
    const char *limit = gate::cost_limit == 1
                            ? "a full refresh"
                            : psprintf("%g times a full refresh (refresh_mv.exact_cost_limit)", gate::cost_limit);
    return plan.costly ? psprintf("%s: its first steps alone cost more than %s", plan.obstacle, limit)
                       : psprintf("%s: costs more than %s", e->premise.words, limit);
}

Explained *explain_exact(const Examination *e, Method method)
{
    const ExactPlan &plan = method == Method::delta ? e->delta : e->keys;
    Explained *exact = row(method);
    const char *shape = e->untrackable ? nullptr : shape_obstacle(e, plan, method);
    const char *log = log_obstacle(e);
    const char *obstacle = shape ? shape : log ? log : e->hindrance;
    bool mine = plan.stateful == (method == Method::delta);

    exact->possible = obstacle == nullptr;
    exact->chosen = exact->possible && e->decision == method;
    exact->details = exact_details(e, plan, method);
    if (shape == nullptr && has_premise(e)) {
        exact->cost = plan.cost;
        exact->expected_ms = gate::exact_ms(e->gate, plan.cost);
        if (obstacle != nullptr)
            obstacle = psprintf("%s; the cost is that of %s", obstacle, e->premise.words);
    }
    // Refused for its costs, it is in need of indexes most.
    if (shape == nullptr)
        exact->remedies = list_copy(e->tracking);
    if (mine)
        exact->last_ms = e->baseline.experience.exact_ms;
    if (mine)
        exact->remedies = list_concat(exact->remedies, list_copy(e->indexes));
    exact->reason = obstacle                  ? obstacle
                    : !mine                   ? (plan.has_state || e->premise.imagined
                                                   ? "possible, but smart prefers delta for a view with a state"
                                                   : "possible, but smart makes a state of its groups first, by a full refresh")
                    : !is_affordable(e, plan) ? too_costly(e, plan)
                                              : e->premise.words;
    return exact;
}

// A window refresh as planned.
struct WindowPlan {
    bool possible;
    int days;
    Query *held;
    Query *fresh;
};

double window_cost(void *context)
{
    auto *window = static_cast<WindowPlan *>(context);
    return query::cost(window->fresh) + query::cost(window->held);
}

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

// Names a better date column than the one that is taken, if there is one.  Where none will
// do by itself, the user may know more.
void add_date_column(const Examination *e, List **remedies)
{
    Relation view = e->view.relation;
    window_trust::DateColumn column = window_trust::better_column(view, e->view.window, e->view.settings.date_column != nullptr);
    if (column.attno != 0)
        advice::add(remedies,
                    psprintf("SELECT refresh_mv.configure(%s, date_column => %s)", literal(e),
                             quote_literal_cstr(NameStr(TupleDescAttr(RelationGetDescr(view), column.attno - 1)->attname))),
                    column.reason);
}

Explained *explain_window(const Examination *e, WindowPlan plan)
{
    Explained *window = row(Method::window);
    const OpenView &view = e->view;

    window->chosen = e->decision == Method::window;
    if (!RelationIsPopulated(view.relation))
        window->reason = "the view is not populated";
    else if (view.window.attno == 0) {
        window->reason = view.window.reason;
        if (view.settings.date_column != nullptr)
            advice::add(&window->remedies, psprintf("SELECT refresh_mv.configure(%s, date_column => NULL)", literal(e)),
                        "its date column is found by itself then");
    } else if (!plan.possible)
        window->reason = "the start of the window cannot be determined for its date column";
    else {
        window->possible = true;
        window->cost = window_cost(&plan);
        window->reason = window->chosen ? psprintf("%s; older data are trusted", e->why)
                         : e->baseline.tracked
                             ? "an incremental refresh can be asked for; smart does not need it for a tracked view"
                             : psprintf("an incremental refresh can be asked for; smart does not, for %s", e->why);
        if (!e->baseline.tracked)
            add_date_column(e, &window->remedies);
        List *queries = list_make2(copyObjectImpl(plan.fresh), copyObjectImpl(plan.held));
        advice::add_indexes(&window->remedies, queries, window_cost, &plan, psprintf("the last %d days", plan.days),
                            e->deadline);
        if (e->with_details && e->to_reader)
            window->details = psprintf("date column: %s\n-- rows of the last %d days\n%s;\n",
                                       NameStr(TupleDescAttr(RelationGetDescr(view.relation), view.window.attno - 1)->attname),
                                       plan.days, deparse::text(plan.fresh));
    }
    return window;
}

double cost_of_query(void *context)
{
    return query::cost(static_cast<Query *>(context));
}

// Looks for indexes that make a full refresh cheaper of a view of the first rows, of which no state is kept.
void add_order_indexes(const Examination *e, List **remedies)
{
    Query *query = query::rewritten(e->view.relation);
    bool stateful = e->untrackable == nullptr && e->delta.obstacle == nullptr;
    if (!stateful && query->limitCount != nullptr)
        advice::add_indexes(remedies, list_make1(query), cost_of_query, query, "full", e->deadline);
}

Explained *explain_full(const Examination *e)
{
    Explained *full = row(Method::full);
    full->possible = RelationIsPopulated(e->view.relation);
    full->chosen = e->decision == Method::full;
    full->cost = e->full;
    full->expected_ms = e->gate.full_ms;
    full->last_ms = e->baseline.experience.full_ms;
    full->reason = full->chosen     ? e->why
                   : full->possible ? "always possible"
                                    : "the view is not populated";
    const char *ambiguous = ambiguity::find(query::rewritten(e->view.relation));
    if (ambiguous != nullptr)
        advice::add(&full->remedies, "-- its query can have several right answers, and each refresh may give another",
                    ambiguous);
    if (full->possible)
        add_order_indexes(e, &full->remedies);
    if (e->with_details)
        full->details = psprintf("-- the view's query\n%s;\n", deparse::text(query::rewritten(e->view.relation)));
    return full;
}

Explained *explain_rebuild(const Examination *e)
{
    Explained *rebuild = row(Method::rebuild);
    rebuild->possible = true;
    rebuild->chosen = e->decision == Method::rebuild;
    rebuild->cost = e->full;
    rebuild->reason = RelationIsPopulated(e->view.relation)
                          ? "takes the place of a full refresh that changes more than half of the rows, if nobody "
                            "is reading the view"
                          : "the view is not populated";
    return rebuild;
}

// The rows of a view whose query cannot even be planned.
List *explain_broken(const Examination *e)
{
    List *rows = NIL;
    for (Method method : {Method::skip, Method::delta, Method::keys, Method::window, Method::full, Method::rebuild}) {
        Explained *none = row(method);
        none->reason = e->broken;
        if (method == Method::full)
            advice::add(&none->remedies, "-- it cannot be refreshed", e->broken);
        rows = lappend(rows, none);
    }
    return rows;
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

List *all_rows(const Examination *e, WindowPlan window)
{
    List *rows = list_make5(explain_skip(e), explain_exact(e, Method::delta), explain_exact(e, Method::keys),
                            explain_window(e, window), explain_full(e));
    return lappend(rows, explain_rebuild(e));
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
    return guard([&] { return all_rows(e, window); });
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
    List *rows = e.broken ? guard([&] { return explain_broken(&e); }) : examine(&e);
    guard([&] {
        ephemeral_rows::release_all(e.environment);
        view::close(&e.view);
        PopActiveSnapshot();
    });
    return rows;
}

} // namespace explain

} // namespace refresh_mv
