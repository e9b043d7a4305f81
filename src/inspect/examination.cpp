#include "inspect/examination.hpp"

#include "inspect/explain_details.hpp"
#include "query/ambiguity.hpp"
#include "query/deparse.hpp"
#include "query/query.hpp"
#include "refresh/window_trust.hpp"

namespace refresh_mv {

namespace {

using examination::changes_in_log;
using examination::has_premise;
using examination::is_affordable;
using examination::literal;

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

double window_cost(void *context)
{
    auto *window = static_cast<WindowPlan *>(context);
    return query::cost(window->fresh) + query::cost(window->held);
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

} // namespace

namespace examination {

char *literal(const Examination *e)
{
    Relation view = e->view.relation;
    return quote_literal_cstr(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)),
                                                         RelationGetRelationName(view)));
}

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

bool is_affordable(const Examination *e, const ExactPlan &plan)
{
    return !plan.costly && plan.cost <= e->gate.limit;
}

List *rows(const Examination *e, WindowPlan window)
{
    List *all = list_make5(explain_skip(e), explain_exact(e, Method::delta), explain_exact(e, Method::keys),
                            explain_window(e, window), explain_full(e));
    return lappend(all, explain_rebuild(e));
}

List *rows_of_broken(const Examination *e)
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

} // namespace examination

} // namespace refresh_mv
