#include "incremental/old_state.hpp"

#include "query/query.hpp"
#include "query/sql_template.hpp"
#include "server/bridge.hpp"
#include "tracking/hypertable.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// Keeps the planner from mixing a restricted table with the others: it would take
// the ranges of several, which are one and the same, for independent ones, and
// expect next to no rows.
constexpr char as_it_stands[] = " OFFSET 0";

// Whether an instance's table is restricted to the parts.
bool is_restricted(const Instance *instance, const Parts *parts)
{
    return parts != nullptr && instance->anchor != 0;
}

const PartRows &rows_of(const Parts *parts, TableState state)
{
    return state == TableState::now ? parts->now : parts->before;
}

bool is_without_gaps(const PartRows &rows)
{
    return rows.has_range && rows.greatest - rows.least + 1 == rows.count;
}

// Whether the values are best looked for in their range, such as the keys of new rows:
// they fill most of it, and the planner can hash those that are to be picked out of it.
bool is_run(const PartRows &rows)
{
    constexpr int64 bytes_each = 64;
    return is_without_gaps(rows)
           || (rows.has_range && rows.greatest - rows.least < rows.count * 4
               && rows.count * bytes_each < work_mem * INT64CONST(1024));
}

// Whether an instance's table is restricted by joining the parts.  What the query itself joins with it by the anchor
// then needs no restriction, and finds its rows by an index if the planner likes.
bool is_joined(const Instance *instance, const Parts *parts, TableState state)
{
    return !parts->has_null && !instance->keeps_nulls && !instance->repeated && !is_run(rows_of(parts, state));
}

// "t.column is among the parts".  A run of values is a range, which finds an index; a
// test in which the planner sees no join picks those out of it that are parts.
const char *in_parts(const Instance *instance, const Parts *parts, TableState state)
{
    const char *column = instance::column_name(instance->relation, instance->anchor);
    const PartRows &rows = rows_of(parts, state);
    const char *restriction = psprintf("t.%s = ANY (SELECT p.part FROM %s p)", column,
                                       row_names::in_state(row_names::parts, state));
    if (is_run(rows)) {
        const char *range = instance::in_range(column, rows.least, rows.greatest);
        restriction = is_without_gaps(rows)
                          ? range
                          : psprintf("%s AND (%s) IS TRUE", range, restriction);
    }
    if (parts->has_null || instance->keeps_nulls)
        restriction = psprintf("((%s) OR t.%s IS NULL)", restriction, column);
    return instance->repeated ? psprintf("(%s) IS TRUE", restriction) : restriction; // beside what finds few rows each time
}

const char *fence(const Instance *instance, const Parts *parts, TableState state)
{
    return is_restricted(instance, parts) && !instance->repeated && !is_joined(instance, parts, state) ? as_it_stands : "";
}

// Whether a table that is read as it is has to be restricted where it is read.
bool must_be_restricted(const Instance *instance, const Parts *parts, TableState state)
{
    return is_restricted(instance, parts) && (!instance->repeated || instance->sole)
           && !(instance->implied && is_joined(instance, parts, state));
}

// Whether the anchor is among the parts, of whatever may be restricted.
const char *in_any_parts(const Instance *instance, const Parts *parts, TableState state)
{
    return is_restricted(instance, parts) ? in_parts(instance, parts, state) : "true";
}

// FROM the table as t, restricted to the parts, AND whatever follows.  Values all over
// the table are joined, which the planner estimates best.
char *from_parts(const Instance *instance, const Parts *parts, TableState state)
{
    const char *table = instance::table_name(instance);
    if (!is_restricted(instance, parts))
        return psprintf("%s t WHERE true", table);
    if (!is_joined(instance, parts, state))
        return psprintf("%s t WHERE %s", table, in_parts(instance, parts, state));
    return sql_template::fill("{parts} p JOIN {table} t ON t.{column} = p.part WHERE true",
                              {{"parts", row_names::in_state(row_names::parts, state)},
                               {"table", table},
                               {"column", instance::column_name(instance->relation, instance->anchor)}});
}

// The old rows of a materialized view, which has no keys, under a name of their own.
char *old_bag(const Instance *instance, const NetChanges *changes, const Parts *parts,
              QueryEnvironment *environment)
{
    const char *columns = instance::all_columns(instance);
    const char *name = row_names::unused(environment, "old");
    Query *query = query::unchecked(
        psprintf("SELECT %s FROM %s", columns, from_parts(instance, parts, TableState::before)), environment);
    NamedRows left = entry([&] { return net_changes::without_gained(changes, query, name, environment); });
    ephemeral_rows::show(environment, left);
    return sql_template::fill("SELECT {columns} FROM {left} t"
                              " UNION ALL SELECT {columns} FROM {changes} t WHERE t.{existed} AND {in_parts}",
                              {{"columns", columns},
                               {"left", name},
                               {"changes", changes->rows.name},
                               {"existed", net_changes::existed_column(changes)},
                               {"in_parts", in_any_parts(instance, parts, TableState::before)}});
}

// The table of an instance that is evaluated for each row of the query around it, or not restricted, as it was: all of
// it that may be wanted, to be found by an index, but of the old images just those of the parts, which may be read each time.
char *old_rows_to_find(const Instance *instance, const NetChanges *changes, const Parts *parts,
                         QueryEnvironment *environment)
{
    const char *name = row_names::unused(environment, "old");
    const char *columns = instance::used_columns(instance);
    const char *text = psprintf("SELECT %s FROM %s t WHERE t.%s AND %s", columns, changes->rows.name,
                                net_changes::existed_column(changes), in_any_parts(instance, parts, TableState::before));
    PlannedStmt *plan = query::plan(query::unchecked(text, environment), 0);
    ephemeral_rows::show(environment, changes->imagined ? ephemeral_rows::expected_of(plan, name, environment)
                                                        : ephemeral_rows::result_of(plan, name, environment));
    return sql_template::fill("SELECT {columns} FROM {table} t WHERE NOT ({changed}) AND {in_parts}"
                              " UNION ALL SELECT {columns} FROM {old} t",
                              {{"columns", columns},
                               {"table", instance::table_name(instance)},
                               {"changed", net_changes::is_among(changes, changes->source->key, changes->rows.name)},
                               {"in_parts", instance->sole ? in_any_parts(instance, parts, TableState::before) : "true"},
                               {"old", name}});
}

// An instance's table as it was.
char *old_rows(const Instance *instance, const NetChanges *changes, const Parts *parts,
               QueryEnvironment *environment)
{
    const char *columns = instance::used_columns(instance);

    if (changes->bag)
        return old_bag(instance, changes, parts, environment);
    if (parts != nullptr && (instance->repeated || !is_restricted(instance, parts)))
        return old_rows_to_find(instance, changes, parts, environment);
    const char *kept = sql_template::fill(
        "SELECT {columns} FROM {table} AND NOT EXISTS (SELECT FROM {changes} d WHERE {same_key})",
        {{"columns", columns},
         {"table", from_parts(instance, parts, TableState::before)},
         {"changes", changes->rows.name},
         {"same_key", net_changes::same_key(changes)}});
    if (changes->existed == 0)
        return psprintf("%s%s", kept, fence(instance, parts, TableState::before));
    return sql_template::fill("{kept} UNION ALL SELECT {columns} FROM {changes} t WHERE t.{existed} AND {in_parts}",
                              {{"kept", kept},
                               {"columns", columns},
                               {"changes", changes->rows.name},
                               {"existed", net_changes::existed_column(changes)},
                               {"in_parts", in_any_parts(instance, parts, TableState::before)}});
}

// Restricts what is read of a recursive query to the parts.
void restrict_recursion(const Instance *recursion, const Parts *parts, TableState state, QueryEnvironment *environment)
{
    RangeTblEntry *rte = rt_fetch(recursion->rti, recursion->query->rtable);
    Oid type = list_nth_oid(rte->coltypes, recursion->anchor - 1);
    bool keeps_nulls = parts->has_null || recursion->keeps_nulls;
    const char *text = psprintf("SELECT FROM (VALUES (NULL::%s)) t (part) WHERE t.part = ANY (SELECT p.part FROM %s p)%s",
                                format_type_be_qualified(type), row_names::in_state(row_names::parts, state),
                                keeps_nulls ? " OR t.part IS NULL" : "");
    Node *condition = query::unchecked(text, environment)->jointree->quals;
    ListCell *cell;
    foreach (cell, pull_vars_of_level(condition, 0)) {
        auto *var = lfirst_node(Var, cell);
        var->varattno = recursion->anchor;
        var->varattnosyn = recursion->anchor;
        var->varcollid = list_nth_oid(rte->colcollations, recursion->anchor - 1);
    }
    recursion->query->jointree->quals = make_and_qual(recursion->query->jointree->quals, condition);
    recursion->query->hasSubLinks = true;
}

} // namespace

namespace old_state {

const char *obstacle(const Anchoring &anchoring)
{
    ListCell *cell;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
        if (get_rel_relispartition(instance->relation)
            || (!rte->inh
                && (rte->relkind == RELKIND_PARTITIONED_TABLE || hypertable::is(instance->relation))))
            return psprintf("it reads a partition, %s", get_rel_name(instance->relation));
        if (rte->inh && source::has_children(instance->relation) && source::is_inherited(instance->relation))
            return psprintf("it reads whole rows or system columns of an inheritance tree, %s", get_rel_name(instance->relation));
    }
    return nullptr;
}

const char *rows_of_both(const Instance *instance, const NetChanges *changes, const char *columns, const char *join,
                         const char *on)
{
    auto rows = [&](const char *table) { return psprintf("SELECT %s FROM %s%s t%s", columns, join, table, on); };
    char *now = rows(instance::table_name(instance));
    return changes == nullptr ? now
                              : psprintf("%s UNION ALL %s WHERE t.%s", now, rows(changes->rows.name),
                                         net_changes::existed_column(changes));
}

void apply(Query *query, const Anchoring &anchoring, List *changes, TableState state,
           const Parts *parts, QueryEnvironment *environment)
{
    ListCell *cell;
    Anchoring same = anchor::choose_same(query, anchoring);
    foreach (cell, parts != nullptr ? same.recursions : NIL) {
        auto *recursion = static_cast<Instance *>(lfirst(cell));
        if (recursion->anchor != 0)
            restrict_recursion(recursion, parts, state, environment);
    }
    foreach (cell, same.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = state == TableState::before ? instance::changes_of(changes, instance)
                                                            : nullptr;
        if (own != nullptr)
            instance::replace(instance, old_rows(instance, own, parts, environment), environment);
        else if (must_be_restricted(instance, parts, state))
            instance::replace(instance,
                              psprintf("SELECT %s FROM %s%s", instance::used_columns(instance),
                                       from_parts(instance, parts, state), fence(instance, parts, state)),
                              environment);
    }
}

} // namespace old_state

} // namespace refresh_mv
