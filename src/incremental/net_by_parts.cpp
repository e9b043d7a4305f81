// The net of a view's groups: the partial aggregates of the affected parts now, and those of the
// parts before.
#include "incremental/key_text.hpp"
#include "incremental/net.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// Rows of both states, with side: 1 now, -1 before.
char *both_sides(const char *rows)
{
    return psprintf("SELECT 1 AS side, r.* FROM %s r UNION ALL SELECT -1, r.* FROM %s r", row_names::now(rows),
                    row_names::before(rows));
}

// Runs the queries for the parts in both states.
bool run(Work *work)
{
    const GroupShape &shape = work->analysis.groups;

    if (!work->run_both(row_names::partials, [&](Query *query) { group_shape::select_partials(query, shape); }))
        return false;
    for (int i = 0; i < shape.npartials; i++)
        if (shape.partials[i].kind == PartialKind::values
            && !work->run_both(row_names::values(i), [&](Query *query) {
                   group_shape::select_values(query, shape, shape.partials[i]);
               }))
            return false;
    return true;
}

// A partial aggregate # of the one row that a group has on a side, as a column.
const char *of_side(const PartialAggregate &partial)
{
    return partial.kind == PartialKind::extremes // before 18 there is no max(bytea)
               ? ", (pg_catalog.array_agg(u.p#) FILTER (WHERE u.side = {side}))[1] AS {name}#"
               : ", pg_catalog.max(u.p#) FILTER (WHERE u.side = {side}) AS {name}#";
}

Query *net_partials(const GroupShape &shape, QueryEnvironment *environment)
{
    StringInfoData sides;
    initStringInfo(&sides);
    for (int i = 0; i < shape.npartials; i++) {
        if (shape.partials[i].kind == PartialKind::values)
            continue;
        const char *column = sql_template::number(of_side(shape.partials[i]), i + 1);
        appendStringInfoString(&sides, sql_template::fill(column, {{"side", "1"}, {"name", "a"}}));
        appendStringInfoString(&sides, sql_template::fill(column, {{"side", "-1"}, {"name", "b"}}));
    }
    return query::unchecked(
        sql_template::fill("SELECT {keys}coalesce(pg_catalog.sum(u.n * u.side), 0)::pg_catalog.int8 AS n{sides}"
                           " FROM ({rows}) u{group_by}",
                           {{"keys", key_text::list(shape, "u.")},
                            {"sides", sides.data},
                            {"rows", both_sides(row_names::partials)},
                            {"group_by", key_text::group_by(shape, "")}}),
        environment);
}

Query *net_values(const GroupShape &shape, int partial, QueryEnvironment *environment)
{
    return query::unchecked(
        sql_template::fill("SELECT {keys}u.v, pg_catalog.sum(u.n * u.side)::pg_catalog.int8 AS n FROM ({rows}) u{group_by}"
                           " HAVING pg_catalog.sum(u.n * u.side) <> 0",
                           {{"keys", key_text::list(shape, "u.")},
                            {"rows", both_sides(row_names::values(partial))},
                            {"group_by", key_text::group_by(shape, "u.v")}}),
        environment);
}

} // namespace

Net net_by_parts::find(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    if (!run(work))
        return {};
    Net net = {net_partials(shape, work->environment),
               static_cast<Query **>(palloc0(sizeof(Query *) * static_cast<size_t>(shape.npartials + 1)))};
    for (int i = 0; i < shape.npartials; i++)
        if (shape.partials[i].kind == PartialKind::values)
            net.values[i] = net_values(shape, i, work->environment);
    return net;
}

} // namespace refresh_mv
