#include "incremental/work.hpp"

#include "incremental/key_shape.hpp"
#include "query/partition_bounds.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

// What the queries of a refresh give, or may give if it is only planned.
ephemeral_rows::Result result_of(bool expected)
{
    return expected ? ephemeral_rows::expected_of : static_cast<ephemeral_rows::Result>(ephemeral_rows::result_of);
}

// Finds the signed changes of a table; false if that is not affordable.
bool find_signs(Work *work, const NetChanges *changes, SignedChanges *signs)
{
    if (work->imagined || changes->imagined) {
        signs->rows.count = changes->rows.count + changes->existed;
        return true;
    }
    if (changes->bag) {
        signed_changes::fill_from_bag(signs);
        return true;
    }
    double by_key = signed_changes::cost_by_key(changes);
    if (by_key >= 0) {
        if (!work->affordable(by_key))
            return false;
        signed_changes::fill_by_key(signs);
        return true;
    }
    Bitmapset *columns = signed_terms::columns_read(work->analysis.anchoring, changes);
    PlannedStmt *images = query::plan(signed_changes::images(changes, columns, work->environment), 0);
    if (!work->affordable(query::cost(images)))
        return false;
    signed_changes::fill(signs, images, work->environment);
    return true;
}

} // namespace

Query *Work::query() const
{
    return static_cast<Query *>(copyObjectImpl(analysis.query));
}

ephemeral_rows::Result Work::result() const
{
    return result_of(planned);
}

bool Work::refuse(const char *reason)
{
    scope.reason = reason;
    return false;
}

bool Work::affordable(double more)
{
    *cost += more;
    return *cost <= limit || refuse("an exact refresh would cost more than a full one");
}

void Work::note(const char *name, Query *query)
{
    if (!planned)
        return;
    auto *noted = static_cast<PlannedQuery *>(palloc(sizeof(PlannedQuery)));
    *noted = {name, static_cast<Query *>(copyObjectImpl(query))};
    partition_bounds::read_partitions(noted->query);
    queries = lappend(queries, noted);
}

bool Work::show_signs()
{
    List *left = NIL;
    ListCell *cell;
    if (!signed_terms::have_signs(analysis.anchoring, changes))
        return true;
    foreach (cell, changes) {
        auto *own = static_cast<NetChanges *>(lfirst(cell));
        auto *own_signs = static_cast<SignedChanges *>(palloc(sizeof(SignedChanges)));
        const char *name = psprintf("refresh_mv_signs_%d", foreach_current_index(cell));
        *own_signs = signed_changes::make(own, signed_terms::columns_read(analysis.anchoring, own), name);
        bool found = find_signs(this, own, own_signs);
        ephemeral_rows::show(environment, own_signs->rows);
        if (!found)
            return false;
        signs = lappend(signs, own_signs);
        if (own_signs->rows.count > 0)
            left = lappend(left, own);
    }
    changes = left;
    return true;
}

void Work::find_passage()
{
    passage = as_of != nullptr ? passage::of(analysis.query, *as_of, time_conditions::present()) : passage::none();
}

bool Work::find_moved()
{
    List *left = NIL;
    ListCell *cell;
    foreach (cell, passage.moved) {
        Query *probe = passage::probe(analysis.query, passage, lfirst_int(cell));
        if (probe != nullptr) {
            note("rows that come or go by the time alone", probe);
            PlannedStmt *plan = query::plan(probe, 0);
            if (!affordable(query::cost(plan)))
                return false;
            NamedRows rows = result_of(imagined)(plan, "refresh_mv_moved", environment);
            ephemeral_rows::release(&rows);
            if (rows.count == 0 && !imagined)
                continue;
        }
        left = lappend_int(left, lfirst_int(cell));
    }
    passage.moved = left;
    return true;
}

bool Work::find_parts()
{
    parts = affected_parts::find(analysis.query, analysis.anchoring, changes, signs, limit, result_of(imagined), environment,
                                 cost, &scope.reason);
    return parts != nullptr;
}

void Work::run_and_show(Query *query, const char *name)
{
    ephemeral_rows::show(environment, result()(query::plan(query, 0), name, environment));
}

bool Work::run_affordable(Query *query, const char *name)
{
    note(name, query);
    PlannedStmt *plan = query::plan(query, 0);
    if (!affordable(query::cost(plan)))
        return false;
    ephemeral_rows::show(environment, result()(plan, name, environment));
    return true;
}

void Work::expect_both(const char *rows, const char *name)
{
    NamedRows now = ephemeral_rows::shown(environment, row_names::now(rows));
    NamedRows before = ephemeral_rows::shown(environment, row_names::before(rows));
    ephemeral_rows::show(environment, ephemeral_rows::expected(name, now.desc,
                                                               static_cast<double>(Max(now.count, before.count))));
}

bool Work::expect(Query *query, const char *name)
{
    PlannedStmt *plan = query::plan(query, 0);
    ephemeral_rows::show(environment, ephemeral_rows::expected_of(plan, name, environment));
    return affordable(query::cost(plan));
}

Query *Work::held_rows(const Key *keys, int nkeys, const char *touched)
{
    Query *held = nkeys == 0 ? query::select_held(view, nullptr)
                             : key_shape::select_held(view, keys, nkeys, touched, environment);
    note("rows of the view", held);
    return affordable(query::cost(held)) ? held : nullptr;
}

void Work::apply_state(Query *query, TableState state)
{
    old_state::apply(query, analysis.anchoring, changes, state, parts, environment);
}

} // namespace refresh_mv
