#include "incremental/work.hpp"

#include "incremental/key_shape.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

// What the queries of a refresh give, or may give if it is only planned.
ephemeral_rows::Result result_of(const Work *work)
{
    return work->planned ? ephemeral_rows::expected_of
                         : static_cast<ephemeral_rows::Result>(ephemeral_rows::result_of);
}

} // namespace

Query *Work::query() const
{
    return static_cast<Query *>(copyObjectImpl(analysis.query));
}

bool Work::refuse(const char *reason)
{
    scope.reason = reason;
    return false;
}

bool Work::affordable(double more)
{
    cost += more;
    return cost <= limit || refuse("an exact refresh would cost more than a full one");
}

void Work::note(const char *name, Query *query)
{
    if (!planned)
        return;
    auto *noted = static_cast<PlannedQuery *>(palloc(sizeof(PlannedQuery)));
    *noted = {name, static_cast<Query *>(copyObjectImpl(query))};
    queries = lappend(queries, noted);
}

void Work::run_and_show(Query *query, const char *name)
{
    ephemeral_rows::show(environment, result_of(this)(query::plan(query, 0), name, environment));
}

bool Work::run_affordable(Query *query, const char *name)
{
    note(name, query);
    PlannedStmt *plan = query::plan(query, 0);
    if (!affordable(query::cost(plan)))
        return false;
    ephemeral_rows::show(environment, result_of(this)(plan, name, environment));
    return true;
}

void Work::expect_both(const char *rows, const char *name)
{
    NamedRows now = ephemeral_rows::shown(environment, row_names::now(rows));
    NamedRows before = ephemeral_rows::shown(environment, row_names::before(rows));
    ephemeral_rows::show(environment, ephemeral_rows::expected(name, now.desc,
                                                               static_cast<double>(Max(now.count, before.count))));
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
