#include "incremental/keys.hpp"

#include "incremental/first_rows.hpp"
#include "incremental/key_shape.hpp"
#include "query/query.hpp"
#include "query/shape.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// The parts of either state as keys.
void show_parts(Work *work, const Key &key)
{
    const char *type = format_type_be_qualified(exprType(reinterpret_cast<Node *>(key.expr)));
    const char *sql = psprintf("SELECT p.part::%1$s AS k1 FROM %2$s p UNION SELECT p.part::%1$s FROM %3$s p%4$s", type,
                               row_names::now(row_names::parts), row_names::before(row_names::parts),
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
    Query *joined = signed_terms::joined_rows(work->analysis.query, work->analysis.anchoring, work->signs, work->passage, keys,
                                              work->result(), work->environment, &terms);
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

// ---- views whose rows are the joined rows ----

// The keys that the view's rows can be found by in a unique index; all of them if there is none.
KeyShape indexed_keys(Work *work, const KeyShape &all)
{
    PairingKey unique = shape::pairing_key(work->view, query::stored(work->view));
    KeyShape found = all;
    found.keys = static_cast<Key *>(palloc(sizeof(Key) * static_cast<size_t>(all.nkeys)));
    found.nkeys = 0;
    for (int i = 0; i < all.nkeys; i++)
        for (int j = 0; j < unique.count; j++)
            if (all.keys[i].output == unique.columns[j])
                found.keys[found.nkeys++] = all.keys[i];
    return found.nkeys > 0 && found.nkeys == unique.count ? found : all;
}

// Whether the signed rows, so many, fit in the memory that a diff of them may take.
bool fit(Work *work, int64 rows)
{
    constexpr double overhead = 80;
    double width = get_relation_data_width(RelationGetRelid(work->view), nullptr);
    return static_cast<double>(rows) * (width + overhead) < maintenance_work_mem * 1024.0 / 2;
}

// Whether the view's rows are the joined rows, one for one, so that those which were gained and lost are all there is
// to know.
bool shows_joined_rows(Work *work)
{
    Query *query = work->analysis.query;
    return work->by_terms && query::only_joins(query) && query->rowMarks == NIL
           && !checkExprHasSubLink(reinterpret_cast<Node *>(query->targetList)) && !query::returns_rows(query);
}

// The rows that the view has gained and lost, and the held rows with the keys of the lost ones.  False, with a reason
// or without one, if that is not the way.
bool find_signed_rows(Work *work, const KeyShape &all)
{
    List *outputs = NIL;
    ListCell *cell;
    int terms;
    foreach (cell, work->analysis.query->targetList)
        if (!lfirst_node(TargetEntry, cell)->resjunk)
            outputs = lappend(outputs, lfirst_node(TargetEntry, cell)->expr);
    Query *joined = signed_terms::joined_rows(work->analysis.query, work->analysis.anchoring, work->signs,
                                              work->passage, outputs, work->result(), work->environment, &terms);
    if (joined == nullptr || !work->run_affordable(joined, row_names::joined_rows)
        || !fit(work, ephemeral_rows::shown(work->environment, row_names::joined_rows).count))
        return false;

    KeyShape shape = indexed_keys(work, all);
    StringInfoData columns;
    initStringInfo(&columns);
    for (int i = 0; i < shape.nkeys; i++)
        appendStringInfo(&columns, "%st.c%d AS %s", i > 0 ? ", " : "", shape.keys[i].output, row_names::key_column(i));
    // In the order of an index they are looked up sooner.
    bool ordered = OidIsValid(lookup_type_cache(exprType(reinterpret_cast<Node *>(shape.keys[0].expr)),
                                                TYPECACHE_LT_OPR)->lt_opr);
    Query *lost = query::unchecked(psprintf("SELECT DISTINCT %s FROM %s t WHERE t.sign < 0%s", columns.data,
                                            row_names::joined_rows, ordered ? " ORDER BY 1" : ""),
                                   work->environment);
    if (!work->run_affordable(lost, row_names::touched))
        return false;
    Query *held = work->held_rows(shape.keys, shape.nkeys, row_names::touched);
    if (held == nullptr)
        return false;
    work->scope.held = held;
    work->scope.fresh = query::unchecked(psprintf("SELECT * FROM %s", row_names::joined_rows), work->environment);
    work->scope.method = Method::keys;
    return true;
}

} // namespace

namespace keys {

void find_scope(Work *work)
{
    if (first_rows::suit(work))
        return first_rows::find_scope(work);
    KeyShape shape = key_shape::analyse(work->analysis.query, work->analysis.anchoring);
    Query *fresh = work->query();

    if (shape.obstacle != nullptr)
        work->refuse(analysis::explained(work->analysis, shape.obstacle));
    if (shape.obstacle != nullptr)
        return;
    if (shows_joined_rows(work) && (find_signed_rows(work, shape) || work->scope.reason != nullptr))
        return;
    if (!restrict_to_touched(work, shape, fresh))
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
