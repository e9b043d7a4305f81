#include "incremental/delta.hpp"

#include "incremental/first_rows.hpp"
#include "incremental/group_state.hpp"
#include "incremental/key_shape.hpp"
#include "incremental/net.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

namespace {

// Whether there is a group to be computed anew.  Fails if a group counts less than
// no rows: the state is not what it should be.
bool has_redo(const NamedRows &groups, const GroupShape &shape)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(groups.desc, &TTSOpsMinimalTuple);
    bool redo = false;
    bool null;

    tuplestore_rescan(groups.rows);
    while (tuplestore_gettupleslot(groups.rows, true, false, slot)) {
        if (DatumGetInt64(slot_getattr(slot, static_cast<AttrNumber>(shape.nkeys + 3), &null)) < 0)
            elog(ERROR, "the state of a group counts less than no rows");
        redo |= DatumGetBool(slot_getattr(slot, static_cast<AttrNumber>(groups.desc->natts), &null));
    }
    ExecDropSingleTupleTableSlot(slot);
    return redo;
}

// Computes those groups anew of which a partial aggregate cannot be had by adding and
// subtracting.
bool redo(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    Query *query = work->query();

    if (shape.single)
        return work->refuse("the smallest or largest values of all have gone");
    const char *keys = sql_template::number_all(", f.k#", shape.nkeys) + strlen(", ");
    work->run_and_show(query::unchecked(psprintf("SELECT %s FROM %s f WHERE f.redo", keys, row_names::groups),
                                        work->environment),
                       row_names::redo);
    key_shape::restrict_to(query, shape.keys, shape.nkeys, row_names::redo, work->environment);
    group_shape::select_partials(query, shape);
    if (!work->run_affordable(query, row_names::redone))
        return false;
    ephemeral_rows::show(work->environment, group_state::redone(shape, work->environment));
    return true;
}

// Finds the touched values of all partial aggregates that keep them, as they will be.
bool find_values(Work *work, const Net &net)
{
    const GroupShape &shape = work->analysis.groups;
    for (int i = 0; i < shape.npartials; i++)
        if (net.values[i] != nullptr
            && !work->run_affordable(group_state::next_values(work->state, shape, i, net.values[i],
                                                              work->environment),
                                     row_names::values(i)))
            return false;
    return true;
}

// Plans the net alone, for which there need not be a state.
bool expect_groups(Work *work, const Net &net)
{
    for (int i = 0; i < work->analysis.groups.npartials; i++) {
        if (net.values[i] == nullptr)
            continue;
        work->note(row_names::values(i), net.values[i]);
        if (!work->expect(net.values[i], row_names::values(i)))
            return false;
    }
    work->note(row_names::net, net.partials);
    return work->expect(net.partials, row_names::groups);
}

// The keys by which the view's rows are found, which all others depend on; *rows says what shows them.
KeyShape keys_to_find(Work *work, const char **rows)
{
    const GroupShape &shape = work->analysis.groups;
    KeyShape found = {nullptr, 0, static_cast<Key *>(palloc(sizeof(Key) * static_cast<size_t>(shape.nkeys + 1))), false};
    StringInfoData columns;
    initStringInfo(&columns);
    for (int i = 0; i < shape.nkeys; i++) {
        if (shape.keys[i].carried)
            continue;
        found.keys[found.nkeys++] = shape.keys[i];
        appendStringInfo(&columns, "%sf.k%d AS k%d", found.nkeys > 1 ? ", " : "", i + 1, found.nkeys);
    }
    *rows = row_names::groups;
    if (found.nkeys == shape.nkeys)
        return found;
    *rows = row_names::touched;
    const char *text = psprintf("SELECT DISTINCT %s FROM %s f", columns.data, row_names::groups);
    work->run_and_show(query::unchecked(text, work->environment), row_names::touched);
    return found;
}

// "t.h, t.k1, .., t.n, t.p1, .."
const char *state_columns(const GroupShape &shape, const char *t)
{
    return psprintf("%s.h, %s%s.n%s", t, sql_template::number_all(psprintf("%s.k#, ", t), shape.nkeys), t,
                    sql_template::number_all(psprintf(", %s.p#", t), shape.npartials));
}

// A text for the state as it will be, of which the touched groups are in memory, as rows of that name.
const char *next_state(Work *work, const char *groups)
{
    const GroupShape &shape = work->analysis.groups;
    return sql_template::fill("SELECT {old} FROM {state} {o} WHERE NOT ({o}.ctid = ANY (SELECT g.place FROM {groups} g"
                              " WHERE g.place IS NOT NULL)) UNION ALL SELECT {new} FROM {groups} f WHERE {there}",
                              {{"old", state_columns(shape, query::own_relation)},
                               {"new", state_columns(shape, "f")},
                               {"o", query::own_relation},
                               {"state", state_tables::groups(work->state)},
                               {"groups", groups},
                               {"there", shape.single ? "true" : "f.n > 0"}});
}

} // namespace

namespace delta {

bool find_groups(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    Net net = work->by_terms ? net_by_terms::find(work) : net_by_parts::find(work);

    if (net.partials == nullptr)
        return false;
    if (work->planned)
        return expect_groups(work, net);
    if (!find_values(work, net)
        || !work->run_affordable(group_state::next(work->state, shape, net.partials, work->environment),
                                 row_names::groups))
        return false;
    return !has_redo(ephemeral_rows::shown(work->environment, row_names::groups), shape) || redo(work);
}

void write_state(Work *work)
{
    group_state::write(work->state, work->analysis.groups,
                       ephemeral_rows::shown(work->environment, row_names::groups), work->environment);
    UpdateActiveSnapshotCommandId();
}

void pretend_state(Work *work)
{
    const char *name = psprintf("refresh_mv_groups_%d", work->state.node);
    work->run_and_show(query::unchecked(psprintf("SELECT * FROM %s", row_names::groups), work->environment), name);
    query::add_stand_in(state_tables::groups_oid(work->state),
                        query::unchecked(next_state(work, name), work->environment));
}

void find_scope(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    bool whole = shape.whole || shape.single;
    const char *touched;

    if (!find_groups(work))
        return;
    KeyShape keys = keys_to_find(work, &touched);
    work->scope.held = work->held_rows(keys.keys, whole ? 0 : keys.nkeys, touched);
    if (work->scope.held == nullptr)
        return;
    work->scope.method = Method::delta;
    if (work->planned)
        return;
    Query *first = whole && first_rows::suit_groups(work) ? first_rows::of_groups(work, keys, touched) : nullptr;
    const char *rows = !whole          ? row_names::groups
                       : work->reading ? psprintf("(%s)", next_state(work, row_names::groups))
                                       : state_tables::groups(work->state);
    if (!work->reading)
        write_state(work);
    work->scope.fresh = first != nullptr ? first : group_shape::select_rows(work->analysis.query, shape, rows, work->environment);
}

} // namespace delta

} // namespace refresh_mv
