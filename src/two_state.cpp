#include "two_state.hpp"

#include "bridge.hpp"
#include "query.hpp"

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

// Whether the values fill most of their range: such as the keys of new rows.
bool is_run(const PartRows &rows)
{
    return rows.has_range && rows.greatest - rows.least < rows.count * 4;
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
        restriction = rows.greatest - rows.least + 1 == rows.count
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

// Puts a query in the place of a table.
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
    named::show(environment, left);
    bool restricted = parts != nullptr && instance->anchor != 0;
    return psprintf("SELECT %s FROM %s t UNION ALL SELECT %s FROM %s t WHERE t.\"?existed?\" AND %s",
                    columns, name, columns, changes->rows.name,
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
    return psprintf("%s UNION ALL SELECT %s FROM %s t WHERE t.\"?existed?\" AND %s", kept, columns,
                    changes->rows.name, restricted ? in_parts(instance, parts, TableState::before) : "true");
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
               : psprintf("%s UNION ALL SELECT %s FROM %s t WHERE t.\"?existed?\"", now, columns,
                          changes->rows.name);
}

// The rows of both states.
char *all_rows(const Instance *instance, const NetChanges *changes, const char *columns)
{
    return psprintf("SELECT %s FROM %s t UNION ALL SELECT %s FROM %s t WHERE t.\"?existed?\"",
                    columns, qualified_name(instance->relation), columns, changes->rows.name);
}

// The anchor values of an anchored instance's changed rows, as a query.
char *own_parts(const Instance *instance, const NetChanges *changes)
{
    const char *column = psprintf("t.%s AS part", column_name(instance->relation, instance->anchor));
    return changed_rows(instance, changes, column);
}

// Whether an instance is somewhere in a query.
bool holds(Query *query, const Instance *instance)
{
    ListCell *cell;
    if (query == instance->query)
        return true;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind == RTE_SUBQUERY && holds(rte->subquery, instance))
            return true;
    }
    return false;
}

// Whether an entry of a query's range table is, or holds, an instance.
bool entry_holds(Query *query, int rti, const Instance *instance)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    if (query == instance->query)
        return static_cast<Index>(rti) == instance->rti;
    return rte->rtekind == RTE_SUBQUERY && holds(rte->subquery, instance);
}

// One level of a query on its way to be relaxed: see relax().
struct Relaxation {
    Query *query;
    const Instance *changed;
    List *changes;
    Relids shaky; // entries that can be null in one state and not in the other
    Relids wild;  // entries that can then be anything else (COALESCE in a subquery)
    Relids inner; // joins that have become so
    bool hopeless;
};

bool mentions(Node *node, Relaxation *relaxation, Relids entries)
{
    Node *flat = pg::flatten(relaxation->query, static_cast<Node *>(copyObjectImpl(node)));
    return bms_overlap(pull_varnos(nullptr, flat), entries);
}

bool mentions_any(Node *node, Relaxation *relaxation)
{
    return mentions(node, relaxation, bms_union(relaxation->shaky, relaxation->wild));
}

// Whether a condition can be true for the nulls of a shaky side.  Others are true in
// neither state without a row on that side.
bool accepts_nulls(Node *condition, Relaxation *relaxation)
{
    return mentions(condition, relaxation, relaxation->wild)
           || (mentions(condition, relaxation, relaxation->shaky) && contain_nonstrict_functions(condition));
}

bool any_accepts_nulls(Node *conditions, Relaxation *relaxation)
{
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(conditions)))
        if (accepts_nulls(static_cast<Node *>(lfirst(cell)), relaxation))
            return true;
    return false;
}

// Whether a tree reads a table that has changed; the context is the list of changes.
bool reads_changed(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        foreach (cell, static_cast<List *>(context))
            if (rte->rtekind == RTE_RELATION && rte->relid == static_cast<NetChanges *>(lfirst(cell))->relation)
                return true;
        return false;
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(reads_changed), context,
                                 QTW_EXAMINE_RTES_BEFORE);
    return expression_tree_walker(node, pg::walker(reads_changed), context);
}

// Whether an entry of the range table reads a table that has changed.
bool entry_reads_changed(RangeTblEntry *rte, List *changes)
{
    return reads_changed(reinterpret_cast<Node *>(rte), changes)
           || (rte->rtekind == RTE_SUBQUERY
               && reads_changed(reinterpret_cast<Node *>(rte->subquery), changes));
}

// Makes an outer join inner whose nullable side holds the changed instance, and
// finds what is shaky; returns the entries below.
Relids relax_joins(Relaxation *relaxation, Node *node)
{
    check_stack_depth();
    if (IsA(node, RangeTblRef))
        return bms_make_singleton(reinterpret_cast<RangeTblRef *>(node)->rtindex);
    auto *join = castNode(JoinExpr, node);
    Relids left = relax_joins(relaxation, join->larg);
    Relids right = relax_joins(relaxation, join->rarg);
    bool outer = join->jointype == JOIN_LEFT;
    bool shaky = mentions_any(join->quals, relaxation);
    bool inner = !outer;
    int rti = -1;

    relaxation->hopeless |= join->jointype == JOIN_FULL || contain_subplans(join->quals);
    while (outer && (rti = bms_next_member(right, rti)) >= 0) {
        inner |= entry_holds(relaxation->query, rti, relaxation->changed);
        shaky |= entry_reads_changed(rt_fetch(rti, relaxation->query->rtable), relaxation->changes);
    }
    // A row that such a condition filters may not be filtered in the other state, and
    // of a join that stays outer it finds other rows there.
    bool accepts = any_accepts_nulls(join->quals, relaxation);
    relaxation->hopeless |= inner && accepts;
    if (outer && inner)
        pg::make_inner(relaxation->query, join, &relaxation->inner);
    if (outer && accepts)
        relaxation->wild = bms_add_members(relaxation->wild, right);
    else if (outer && shaky)
        relaxation->shaky = bms_add_members(relaxation->shaky, right);
    return bms_union(left, right);
}

// Drops the conditions that accept the nulls of what is shaky, or have a subquery:
// they may be false for a row of one state and true for what is in its place in the
// other.
Node *relax_conditions(Relaxation *relaxation, Node *conditions)
{
    List *kept = NIL;
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(conditions))) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        if (!accepts_nulls(condition, relaxation) && !contain_subplans(condition))
            kept = lappend(kept, condition);
    }
    return reinterpret_cast<Node *>(make_ands_explicit(kept));
}

// What relaxing a query comes to: how its output can differ between the states for
// one and the same row of what is not nullable.
enum class Relaxed { steady, shaky, wild, hopeless };

Relaxed relax(Query *query, const Instance *changed, List *changes);

// The same below an entry of the range table.
Relaxed relax_entry(Query *query, RangeTblEntry *rte, const Instance *changed, List *changes)
{
    if (rte->rtekind != RTE_SUBQUERY)
        return Relaxed::steady;
    // Of a UNION ALL just the arm with the changed rows.
    if (query->setOperations != nullptr && holds(query, changed) && !holds(rte->subquery, changed)
        && rte->subquery->setOperations == nullptr) {
        rte->subquery->jointree->quals = makeBoolConst(false, false);
        return Relaxed::steady;
    }
    if (!entry_reads_changed(rte, changes))
        return Relaxed::steady;
    // Conditions of a security barrier must not be dropped: what is above would see
    // the rows.
    bool can_be = !rte->security_barrier
                  && (anchor::only_joins(rte->subquery) || anchor::union_arms(rte->subquery) != NIL);
    return can_be ? relax(rte->subquery, changed, changes) : Relaxed::hopeless;
}

// Relaxes what the entries of a query's range table hold.
void relax_entries(Relaxation *relaxation)
{
    ListCell *cell;
    foreach (cell, relaxation->query->rtable) {
        int rti = foreach_current_index(cell) + 1;
        Relaxed relaxed = relax_entry(relaxation->query, lfirst_node(RangeTblEntry, cell),
                                      relaxation->changed, relaxation->changes);
        relaxation->hopeless |= relaxed == Relaxed::hopeless;
        if (relaxed == Relaxed::shaky)
            relaxation->shaky = bms_add_member(relaxation->shaky, rti);
        if (relaxed == Relaxed::wild)
            relaxation->wild = bms_add_member(relaxation->wild, rti);
    }
}

// How the output of a relaxed query can differ.
Relaxed result_of(Relaxation *relaxation)
{
    Query *query = relaxation->query;
    Relaxed result = relaxation->shaky || relaxation->wild ? Relaxed::shaky : Relaxed::steady;
    ListCell *cell;

    // What looks at the row beside it is not looked into.
    foreach (cell, query->rtable)
        relaxation->hopeless |= result != Relaxed::steady && lfirst_node(RangeTblEntry, cell)->lateral;
    if (relaxation->hopeless)
        return Relaxed::hopeless;
    if (query->setOperations != nullptr)
        return relaxation->wild ? Relaxed::wild : result;
    foreach (cell, query->targetList)
        if (accepts_nulls(reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr), relaxation))
            return Relaxed::wild;
    return result;
}

// Makes a query that only joins return a superset of the rows of both states in
// which the changed instance takes part.
Relaxed relax(Query *query, const Instance *changed, List *changes)
{
    Relaxation relaxation = {query, changed, changes, nullptr, nullptr, nullptr, false};
    ListCell *cell;

    check_stack_depth();
    relax_entries(&relaxation);
    if (query->jointree != nullptr) {
        foreach (cell, query->jointree->fromlist)
            relax_joins(&relaxation, static_cast<Node *>(lfirst(cell)));
        query->jointree->quals = relax_conditions(&relaxation, query->jointree->quals);
        pg::forget_nulling(query, relaxation.inner);
    }
    return result_of(&relaxation);
}

// A query for the anchor values that the changed rows of an instance without an
// anchor are joined with, in either state.
Query *joined_parts(Query *original, const Anchoring &chosen, int place, List *changes,
                    QueryEnvironment *environment)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Anchoring anchoring = anchor::again(query, chosen);
    Instance *changed = instance_at(anchoring, place);
    ListCell *cell;

    if (relax(query, changed, changes) == Relaxed::hopeless)
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

// Finds the parts of changed rows of an instance without an anchor, as named rows;
// null, with a reason, if that is not possible or would cost more than the limit.
const char *find_joined(Query *query, const Anchoring &anchoring, int place, List *changes, double limit,
                        QueryEnvironment *environment, const char **reason)
{
    const char *table = get_rel_name(instance_at(anchoring, place)->relation);
    const char *name = psprintf("refresh_mv_joined_%d", place);
    Query *joined = joined_parts(query, anchoring, place, changes, environment);

    if (joined == nullptr)
        *reason = psprintf("%s has changed, on the nullable side of a join that others depend on", table);
    PlannedStmt *plan = joined ? query::plan(joined, 0) : nullptr;
    if (plan != nullptr && query::cost(plan) > limit)
        *reason = psprintf("a change of %s concerns too many rows", table);
    if (*reason != nullptr)
        return nullptr;
    named::show(environment, named::result_of(plan, name, environment));
    return psprintf("SELECT j.part FROM %s j", name);
}

// Whether rows of an instance have changed that matter to all parts.
bool concerns_all(const Instance *instance, const NetChanges *changes, QueryEnvironment *environment)
{
    if (!instance->keeps_nulls)
        return false;
    NamedRows own = named::result_of(query::unchecked(own_parts(instance, changes), environment),
                                     "refresh_mv_own", environment);
    bool found = has_null(own);
    named::release(&own);
    return found;
}

// A query for the anchor values of all changed rows, each of them perhaps many times;
// null, with a reason, if there is none.
const char *all_parts(Query *query, const Anchoring &anchoring, List *changes, double limit,
                      QueryEnvironment *environment, const char **reason)
{
    StringInfoData text;
    ListCell *cell;

    initStringInfo(&text);
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = changes_of(changes, instance);
        if (own == nullptr)
            continue;
        if (concerns_all(instance, own, environment))
            *reason = psprintf("a null in %s has changed, which concerns all rows",
                               get_rel_name(instance->relation));
        const char *part = instance->anchor != 0
                               ? own_parts(instance, own)
                               : find_joined(query, anchoring, foreach_current_index(cell), changes, limit,
                                             environment, reason);
        if (*reason != nullptr)
            return nullptr;
        appendStringInfo(&text, "%s%s", text.len > 0 ? " UNION ALL " : "", part);
    }
    return text.data;
}

// The parts that can have had rows: not those of new rows of a table whose key is the
// anchor, if each row of the query has one of them.
NamedRows parts_before(Query *query, const Anchoring &anchoring, List *changes, QueryEnvironment *environment)
{
    StringInfoData text;
    ListCell *cell;

    initStringInfo(&text);
    appendStringInfoString(&text, "SELECT p.part FROM refresh_mv_parts_now p");
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = changes_of(changes, instance);
        if (own == nullptr || own->bag || instance->anchor == 0 || list_length(own->source->key) != 1
            || get_attnum(own->relation, static_cast<char *>(linitial(own->source->key))) != instance->anchor
            || instance->query != query || anchor::is_nullable(query, instance->rti))
            continue;
        appendStringInfo(&text, " EXCEPT ALL SELECT d.%s FROM %s d WHERE NOT d.\"?existed?\"",
                         column_name(own->relation, instance->anchor), own->rows.name);
    }
    return named::result_of(query::unchecked(text.data, environment), parts_name(TableState::before),
                            environment);
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
            || (rte->relkind == RELKIND_PARTITIONED_TABLE && !rte->inh))
            return psprintf("it reads a partition, %s", get_rel_name(instance->relation));
    }
    return nullptr;
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
                   QueryEnvironment *environment, const char **reason)
{
    const char *all = all_parts(query, anchoring, changes, limit, environment, reason);
    if (all == nullptr)
        return nullptr;
    auto *parts = static_cast<Parts *>(palloc0(sizeof(Parts)));
    PlannedStmt *plan = query::plan(
        query::unchecked(psprintf("SELECT DISTINCT a.part FROM (%s) a", all), environment), 0);
    if (query::cost(plan) > limit) {
        *reason = "too many rows have changed";
        return nullptr;
    }
    NamedRows now = named::result_of(plan, parts_name(TableState::now), environment);
    named::show(environment, now);
    parts->has_null = has_null(now);
    if (parts->has_null) {
        NamedRows not_null = named::result_of(query::unchecked("SELECT p.part FROM refresh_mv_parts_now p"
                                                " WHERE p.part IS NOT NULL", environment),
                               parts_name(TableState::now), environment);
        named::show(environment, not_null);
        now = not_null;
    }
    NamedRows before = parts_before(query, anchoring, changes, environment);
    named::show(environment, before);
    parts->now = describe(now, anchoring.type);
    parts->before = describe(before, anchoring.type);
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
