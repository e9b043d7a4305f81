#include "incremental/two_state.hpp"

#include "incremental/relax_outer_joins.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"
#include "tracking/hypertable.hpp"

namespace refresh_mv {

namespace {

const char *parts_name(TableState state)
{
    return state == TableState::now ? "refresh_mv_parts_now" : "refresh_mv_parts_before";
}

Instance *instance_at(const Anchoring &anchoring, int place)
{
    return static_cast<Instance *>(list_nth(anchoring.instances, place));
}

// The changes of the table that an instance reads; null if there are none.
const NetChanges *changes_of(List *changes, const Instance *instance)
{
    ListCell *cell;
    foreach (cell, changes) {
        auto *found = static_cast<NetChanges *>(lfirst(cell));
        if (found->relation == instance->relation)
            return found;
    }
    return nullptr;
}

const char *column_name(Oid relation, AttrNumber column)
{
    return quote_identifier(get_attname(relation, column, false));
}

const char *qualified_name(Oid relation)
{
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                      get_rel_name(relation));
}

// The columns that a query uses of a table, and the anchor.
Bitmapset *used_columns(const Instance *instance)
{
    Bitmapset *used = bms_copy(
        pg::selected_columns(instance->query, rt_fetch(instance->rti, instance->query->rtable)));
    return instance->anchor == 0
               ? used
               : bms_add_member(used, instance->anchor - FirstLowInvalidHeapAttributeNumber);
}

// All columns of a table, by number, as those of t; null for those that are dropped
// or not used.
char *column_list(Oid relation, Bitmapset *used, bool all = false)
{
    StringInfoData text;
    Relation table = table_open(relation, AccessShareLock);
    TupleDesc desc = RelationGetDescr(table);
    bool whole = all || bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);

    initStringInfo(&text);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        const char *separator = i > 0 ? ", " : "";
        const char *name = quote_identifier(NameStr(attribute->attname));
        if (attribute->attisdropped)
            appendStringInfo(&text, "%sNULL::pg_catalog.int4", separator);
        else if (whole || bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, used))
            appendStringInfo(&text, "%st.%s", separator, name);
        else
            appendStringInfo(&text, "%sNULL::%s AS %s", separator,
                             format_type_extended(attribute->atttypid, attribute->atttypmod,
                                                  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
                             name);
    }
    table_close(table, NoLock);
    return text.data;
}

// ---- restriction ----

// Keeps the planner from mixing a restricted table with the others: it would take
// the restrictions of several, which are one and the same, for independent ones, and
// expect next to no rows.
constexpr char as_it_stands[] = " OFFSET 0";

// A value of an integer type as a number, for a range.
bool as_number(Oid type, Datum value, int64 *number)
{
    switch (type) {
    case INT2OID:
        *number = DatumGetInt16(value);
        return true;
    case INT4OID:
        *number = DatumGetInt32(value);
        return true;
    case INT8OID:
        *number = DatumGetInt64(value);
        return true;
    default:
        return false;
    }
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

char *between(const char *column, int64 least, int64 greatest)
{
    return psprintf("t.%s >= '" INT64_FORMAT "' AND t.%s <= '" INT64_FORMAT "'", column, least, column,
                    greatest);
}

// "t.column is among the parts".  A run of values is a range, which finds an index; a
// test in which the planner sees no join picks those out of it that are parts.
char *in_parts(const Instance *instance, const Parts *parts, TableState state)
{
    const char *column = column_name(instance->relation, instance->anchor);
    const PartRows &rows = rows_of(parts, state);
    char *restriction = psprintf("t.%s = ANY (SELECT p.part FROM %s p)", column, parts_name(state));
    if (is_run(rows)) {
        char *range = between(column, rows.least, rows.greatest);
        restriction = is_without_gaps(rows)
                          ? range
                          : psprintf("%s AND (%s) IS TRUE", range, restriction);
    }
    if (parts->has_null || instance->keeps_nulls)
        restriction = psprintf("((%s) OR t.%s IS NULL)", restriction, column);
    return restriction;
}

// FROM the table as t, restricted to the parts, AND whatever follows.  Values all over
// the table are joined, which the planner estimates best.
char *from_parts(const Instance *instance, const Parts *parts, TableState state)
{
    const char *name = qualified_name(instance->relation);
    if (parts == nullptr || instance->anchor == 0)
        return psprintf("%s t WHERE true", name);
    if (parts->has_null || instance->keeps_nulls || is_run(rows_of(parts, state)))
        return psprintf("%s t WHERE %s", name, in_parts(instance, parts, state));
    return psprintf("%s p JOIN %s t ON t.%s = p.part WHERE true", parts_name(state), name,
                    column_name(instance->relation, instance->anchor));
}

// ---- states ----

// Names an entry's columns as its subquery does.
void name_columns(RangeTblEntry *rte)
{
    List *names = NIL;
    ListCell *cell;
    foreach (cell, rte->subquery->targetList)
        names = lappend(names, makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
    rte->alias = nullptr;
    rte->eref = makeAlias(rte->eref->aliasname, names);
}

// Puts a query in the place of a table.  It has all the columns that the table has now,
// which may be more than when the view was made.
void replace(const Instance *instance, const char *text, QueryEnvironment *environment)
{
    RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
    rte->subquery = query::unchecked(text, environment);
    rte->rtekind = RTE_SUBQUERY;
    rte->security_barrier = false;
    rte->relid = InvalidOid;
    rte->relkind = 0;
    rte->rellockmode = 0;
    rte->inh = false;
    rte->lateral = false;
    pg::drop_permissions(rte);
    name_columns(rte);
    normalize::describe_joins(instance->query);
}

// The old rows of a materialized view, which has no keys, under a name of their own.
char *old_bag(const Instance *instance, const NetChanges *changes, const Parts *parts,
              QueryEnvironment *environment)
{
    static int serial = 0;
    const char *columns = column_list(instance->relation, nullptr, true);
    const char *name = psprintf("refresh_mv_old_%d", serial++);
    Query *query = query::unchecked(psprintf("SELECT %s FROM %s", columns, from_parts(instance, parts, TableState::before)),
                                    environment);
    NamedRows left = entry([&] { return net_changes::without_gained(changes, query, name, environment); });
    ephemeral_rows::show(environment, left);
    bool restricted = parts != nullptr && instance->anchor != 0;
    return psprintf("SELECT %s FROM %s t UNION ALL SELECT %s FROM %s t WHERE t.%s AND %s", columns, name, columns,
                    changes->rows.name, net_changes::existed_column(changes),
                    restricted ? in_parts(instance, parts, TableState::before) : "true");
}

// An instance's table as it was.
char *old_state(const Instance *instance, const NetChanges *changes, const Parts *parts,
                QueryEnvironment *environment)
{
    const char *columns = column_list(instance->relation, used_columns(instance));
    bool restricted = parts != nullptr && instance->anchor != 0;

    if (changes->bag)
        return old_bag(instance, changes, parts, environment);
    char *kept = psprintf("SELECT %s FROM %s AND NOT EXISTS (SELECT FROM %s d WHERE %s)", columns,
                          from_parts(instance, parts, TableState::before), changes->rows.name,
                          net_changes::same_key(changes));
    if (changes->existed == 0)
        return psprintf("%s%s", kept, restricted ? as_it_stands : "");
    return psprintf("%s UNION ALL SELECT %s FROM %s t WHERE t.%s AND %s", kept, columns, changes->rows.name,
                    net_changes::existed_column(changes), restricted ? in_parts(instance, parts, TableState::before) : "true");
}

// ---- parts ----

// FROM the changed rows of a table as it is.  New keys are a run of integers, often.
char *from_changed(const Instance *instance, const NetChanges *changes)
{
    const char *name = qualified_name(instance->relation);
    if (changes->has_range && changes->greatest - changes->least + 1 == changes->rows.count)
        return psprintf("%s t WHERE %s", name,
                        between(quote_identifier(static_cast<char *>(linitial(changes->source->key))),
                                changes->least, changes->greatest));
    return psprintf("%s d JOIN %s t ON %s", changes->rows.name, name, net_changes::same_key(changes));
}

// The changed rows of both states, as a query for some columns of t.
char *changed_rows(const Instance *instance, const NetChanges *changes, const char *columns)
{
    if (changes->bag)
        return psprintf("SELECT %s FROM %s t", columns, changes->rows.name);
    char *now = psprintf("SELECT %s FROM %s", columns, from_changed(instance, changes));
    return changes->existed == 0
               ? now
               : psprintf("%s UNION ALL SELECT %s FROM %s t WHERE t.%s", now, columns, changes->rows.name,
                          net_changes::existed_column(changes));
}

// The rows of both states.
char *all_rows(const Instance *instance, const NetChanges *changes, const char *columns)
{
    return psprintf("SELECT %s FROM %s t UNION ALL SELECT %s FROM %s t WHERE t.%s", columns,
                    qualified_name(instance->relation), columns, changes->rows.name,
                    net_changes::existed_column(changes));
}

// The anchor values of an anchored instance's changed rows, as a query.
char *own_parts(const Instance *instance, const NetChanges *changes)
{
    const char *column = psprintf("t.%s AS part", column_name(instance->relation, instance->anchor));
    return changed_rows(instance, changes, column);
}

// A query for the anchor values that the changed rows of an instance without an
// anchor are joined with, in either state; null, with an obstacle, if there is none.
Query *joined_parts(Query *original, const Anchoring &chosen, int place, List *changes,
                    QueryEnvironment *environment, const char **obstacle)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Anchoring anchoring = anchor::again(query, chosen);
    Instance *changed = instance_at(anchoring, place);
    ListCell *cell;

    *obstacle = relax_outer_joins::to_changed(query, changed, changes);
    if (*obstacle != nullptr)
        return nullptr;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = changes_of(changes, instance);
        if (own == nullptr)
            continue;
        const char *columns = column_list(instance->relation, used_columns(instance));
        replace(instance, instance == changed ? changed_rows(instance, own, columns)
                                              : all_rows(instance, own, columns),
                environment);
    }
    query->targetList = list_make1(makeTargetEntry(anchoring.value, 1, pstrdup("part"), false));
    query->groupClause = query->groupingSets = query->distinctClause = query->sortClause = NIL;
    query->windowClause = NIL;
    query->havingQual = query->limitCount = query->limitOffset = nullptr;
    query->hasAggs = query->hasWindowFuncs = query->hasDistinctOn = query->hasTargetSRFs = false;
    return query;
}

// Whether the one column of some rows is null in any of them.
bool has_null(const NamedRows &rows)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
    bool found = false;
    tuplestore_rescan(rows.rows);
    while (!found && tuplestore_gettupleslot(rows.rows, true, false, slot))
        found = slot_attisnull(slot, 1);
    ExecDropSingleTupleTableSlot(slot);
    return found;
}

PartRows describe(const NamedRows &rows, Oid type)
{
    PartRows parts = {rows.count, false, 0, 0};
    TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
    int64 number;
    bool null;

    tuplestore_rescan(rows.rows);
    while (tuplestore_gettupleslot(rows.rows, true, false, slot)) {
        if (!as_number(type, slot_getattr(slot, 1, &null), &number))
            break;
        parts.least = parts.has_range ? Min(parts.least, number) : number;
        parts.greatest = parts.has_range ? Max(parts.greatest, number) : number;
        parts.has_range = true;
    }
    ExecDropSingleTupleTableSlot(slot);
    return parts;
}

// A search for parts under way.
struct Search {
    Query *query;
    const Anchoring &anchoring;
    List *changes;
    double limit;
    ephemeral_rows::Result result;
    QueryEnvironment *environment;
    const char **reason;
    double *cost; // so far
};

// Runs a query of the search if that is affordable, and shows its rows; false, with a
// reason, if it is not.
bool run(Search *search, Query *query, const char *name, const char *reason)
{
    PlannedStmt *plan = query::plan(query, 0);
    *search->cost += query::cost(plan);
    if (*search->cost > search->limit) {
        *search->reason = reason;
        return false;
    }
    ephemeral_rows::show(search->environment, search->result(plan, name, search->environment));
    return true;
}

// Finds the parts of changed rows of an instance without an anchor, as named rows;
// null, with a reason, if that is not possible or would cost too much.
const char *find_joined(Search *search, int place)
{
    const char *table = get_rel_name(instance_at(search->anchoring, place)->relation);
    const char *name = psprintf("refresh_mv_joined_%d", place);
    const char *obstacle;
    Query *joined = joined_parts(search->query, search->anchoring, place, search->changes, search->environment,
                                 &obstacle);

    if (joined == nullptr)
        *search->reason = psprintf("%s has changed, %s", table, obstacle);
    if (joined == nullptr
        || !run(search, joined, name, psprintf("a change of %s concerns too many rows", table)))
        return nullptr;
    return psprintf("SELECT j.part FROM %s j", name);
}

// Whether rows of an instance have changed that matter to all parts.
bool concerns_all(Search *search, const Instance *instance, const NetChanges *changes)
{
    if (!instance->keeps_nulls)
        return false;
    Query *query = query::unchecked(own_parts(instance, changes), search->environment);
    NamedRows own = search->result(query::plan(query, 0), "refresh_mv_own", search->environment);
    bool found = has_null(own);
    ephemeral_rows::release(&own);
    return found;
}

// A query for the anchor values of all changed rows, each of them perhaps many times;
// null, with a reason, if there is none.
const char *all_parts(Search *search)
{
    StringInfoData text;
    ListCell *cell;

    initStringInfo(&text);
    foreach (cell, search->anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = changes_of(search->changes, instance);
        if (own == nullptr)
            continue;
        if (concerns_all(search, instance, own)) {
            *search->reason = psprintf("a null in %s has changed, which concerns all rows",
                                       get_rel_name(instance->relation));
            return nullptr;
        }
        const char *part = instance->anchor != 0 ? own_parts(instance, own)
                                                 : find_joined(search, foreach_current_index(cell));
        if (part == nullptr)
            return nullptr;
        appendStringInfo(&text, "%s%s", text.len > 0 ? " UNION ALL " : "", part);
    }
    return text.data;
}

// The parts that can have had rows: not those of new rows of a table whose key is the
// anchor, if each row of the query has one of them.
NamedRows parts_before(const Search *search)
{
    StringInfoData text;
    const char *word = "WHERE";
    ListCell *cell;

    initStringInfo(&text);
    appendStringInfoString(&text, "SELECT p.part FROM refresh_mv_parts_now p");
    foreach (cell, search->anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = changes_of(search->changes, instance);
        if (own == nullptr || own->bag || instance->anchor == 0 || list_length(own->source->key) != 1
            || get_attnum(own->relation, static_cast<char *>(linitial(own->source->key))) != instance->anchor
            || instance->query != search->query || anchor::is_nullable(search->query, instance->rti))
            continue;
        // not EXCEPT, whose hash table grows without limit
        appendStringInfo(&text, " %s NOT EXISTS (SELECT FROM %s d WHERE d.%s %s p.part AND NOT d.%s)", word,
                         own->rows.name, column_name(own->relation, instance->anchor),
                         net_changes::equality(get_atttype(own->relation, instance->anchor)),
                         net_changes::existed_column(own));
        word = "AND";
    }
    return search->result(query::plan(query::unchecked(text.data, search->environment), 0),
                          parts_name(TableState::before), search->environment);
}

// The parts of now that are not null.
NamedRows without_null(const Search *search)
{
    Query *query = query::unchecked("SELECT p.part FROM refresh_mv_parts_now p WHERE p.part IS NOT NULL",
                                    search->environment);
    return search->result(query::plan(query, 0), parts_name(TableState::now), search->environment);
}

} // namespace

namespace two_state {

const char *no_old_state(const Anchoring &anchoring)
{
    ListCell *cell;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
        if (get_rel_relispartition(instance->relation)
            || (!rte->inh && (rte->relkind == RELKIND_PARTITIONED_TABLE || hypertable::is(instance->relation))))
            return psprintf("it reads a partition, %s", get_rel_name(instance->relation));
    }
    return nullptr;
}

bool concerns(const Anchoring &anchoring, List *changes)
{
    ListCell *cell;
    foreach (cell, anchoring.instances)
        if (changes_of(changes, static_cast<Instance *>(lfirst(cell))) != nullptr)
            return true;
    return false;
}

const char *obstacle(const Anchoring &anchoring, List *changes)
{
    ListCell *cell;

    if (!OidIsValid(anchoring.type))
        return "no column can serve as an anchor (a key, or a column that is joined on)";
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (changes_of(changes, instance) != nullptr && instance->anchor == 0 && !instance->joined)
            return psprintf("%s has changed, which the query reads as a whole",
                            get_rel_name(instance->relation));
    }
    return no_old_state(anchoring);
}

const Parts *parts(Query *query, const Anchoring &anchoring, List *changes, double limit,
                   ephemeral_rows::Result result, QueryEnvironment *environment, double *cost, const char **reason)
{
    Search search = {query, anchoring, changes, limit, result, environment, reason, cost};
    auto shown = [&](TableState state) { return ephemeral_rows::shown(environment, parts_name(state)); };
    const char *all = all_parts(&search);
    if (all == nullptr
        || !run(&search, query::unchecked(psprintf("SELECT DISTINCT a.part FROM (%s) a", all), environment),
                parts_name(TableState::now), "too many rows have changed"))
        return nullptr;
    auto *parts = static_cast<Parts *>(palloc0(sizeof(Parts)));
    parts->has_null = has_null(shown(TableState::now));
    if (parts->has_null)
        ephemeral_rows::show(environment, without_null(&search));
    ephemeral_rows::show(environment, parts_before(&search));
    parts->now = describe(shown(TableState::now), anchoring.type);
    parts->before = describe(shown(TableState::before), anchoring.type);
    return parts;
}

void apply(Query *query, const Anchoring &anchoring, List *changes, TableState state,
           const Parts *parts, QueryEnvironment *environment)
{
    ListCell *cell;
    foreach (cell, anchor::again(query, anchoring).instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = state == TableState::before ? changes_of(changes, instance) : nullptr;
        if (own != nullptr)
            replace(instance, old_state(instance, own, parts, environment), environment);
        else if (instance->anchor != 0 && parts != nullptr)
            replace(instance, psprintf("SELECT %s FROM %s%s",
                                       column_list(instance->relation, used_columns(instance)),
                                       from_parts(instance, parts, state), as_it_stands),
                    environment);
    }
}

} // namespace two_state

} // namespace refresh_mv
