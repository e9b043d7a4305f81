#include "incremental/keys.hpp"

#include "incremental/key_shape.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// The parts as keys.
void show_parts(Work *work, const Key &key)
{
    const char *type = format_type_be_qualified(exprType(reinterpret_cast<Node *>(key.expr)));
    const char *sql = psprintf("SELECT p.part::%s AS k1 FROM %s p%s", type, row_names::now(row_names::parts),
                               work->parts->has_null ? " UNION ALL SELECT NULL" : "");
    work->run_and_show(query::unchecked(sql, work->environment), row_names::touched);
}

// The keys of the joined rows that were gained or lost.
bool show_by_terms(Work *work, const KeyShape &shape)
{
    List *keys = NIL;
    int terms;
    for (int i = 0; i < shape.nkeys; i++)
        keys = lappend(keys, shape.keys[i].expr);
    Query *joined = signed_terms::joined_rows(work->analysis.query, work->analysis.anchoring, work->signs, keys,
                                              work->environment, &terms);
    char *columns = sql_template::number_all(", t.c# AS k#", shape.nkeys) + strlen(", ");
    Query *distinct = ephemeral_rows::over(psprintf("SELECT DISTINCT %s FROM %s t", columns, row_names::joined_rows),
                                           row_names::joined_rows, joined, work->environment);
    return work->run_affordable(distinct, row_names::touched);
}

// The keys of the parts' rows in either state.
bool show_by_parts(Work *work, const KeyShape &shape)
{
    if (!work->run_both(row_names::keys, [&](Query *query) { key_shape::select_keys(query, shape); }))
        return false;
    if (work->planned) {
        work->expect_both(row_names::keys, row_names::touched);
        return true;
    }
    const char *sql = psprintf("SELECT * FROM %s UNION SELECT * FROM %s", row_names::now(row_names::keys),
                               row_names::before(row_names::keys));
    work->run_and_show(query::unchecked(sql, work->environment), row_names::touched);
    return true;
}

// Restricts the view's query to the touched keys.
bool restrict_to_touched(Work *work, const KeyShape &shape, Query *query)
{
    if (shape.anchored && !work->by_terms) {
        show_parts(work, shape.keys[0]);
        work->apply_state(query, TableState::now);
        return true;
    }
    if (!(work->by_terms ? show_by_terms(work, shape) : show_by_parts(work, shape)))
        return false;
    key_shape::restrict_to(query, shape.keys, shape.nkeys, row_names::touched, work->environment);
    return true;
}

} // namespace

namespace keys {

void find_scope(Work *work)
{
    KeyShape shape = key_shape::analyse(work->analysis.query, work->analysis.anchoring);
    Query *fresh = work->query();

    if (shape.obstacle != nullptr)
        work->refuse(analysis::explained(work->analysis, shape.obstacle));
    if (shape.obstacle != nullptr || !restrict_to_touched(work, shape, fresh))
        return;
    work->note("the query for them", fresh);
    if (!work->affordable(query::cost(fresh)))
        return;
    work->scope.held = work->held_rows(shape.keys, shape.nkeys, row_names::touched);
    if (work->scope.held == nullptr)
        return;
    work->scope.method = Method::keys;
    work->scope.fresh = fresh;
}

} // namespace keys

} // namespace refresh_mv
