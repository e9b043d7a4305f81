#include "incremental/affected_parts.hpp"

#include "incremental/few_rows.hpp"
#include "incremental/old_state.hpp"
#include "incremental/reduce_parts.hpp"
#include "incremental/relax_outer_joins.hpp"
#include "incremental/signed_terms.hpp"
#include "incremental/translated_parts.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

// So few parts are sooner evaluated than looked at once more.
constexpr int64 few = 100;

Instance *instance_at(const Anchoring &anchoring, int place)
{
    return static_cast<Instance *>(list_nth(anchoring.instances, place));
}

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

// FROM the changed rows of a table as it is.  New keys are a run of integers, often.
char *from_changed(const Instance *instance, const NetChanges *changes)
{
    const char *name = instance::table_name(instance);
    if (changes->has_range && changes->greatest - changes->least + 1 == changes->rows.count)
        return psprintf("%s t WHERE %s", name,
                        instance::in_range(quote_identifier(static_cast<char *>(linitial(changes->source->key))),
                                changes->least, changes->greatest));
    return psprintf("%s d JOIN %s t ON %s", changes->rows.name, name, net_changes::same_key(changes));
}

// The changed rows of both states, as a query for some columns of t.
char *changed_rows(const Instance *instance, const NetChanges *changes, List *signs, const char *columns)
{
    const SignedChanges *signed_rows = signed_terms::signs_of(signs, instance);
    if (signed_rows != nullptr)
        return psprintf("SELECT %s FROM %s t", columns, signed_rows->rows.name);
    if (changes->bag)
        return psprintf("SELECT %s FROM %s t", columns, changes->rows.name);
    char *now = psprintf("SELECT %s FROM %s", columns, from_changed(instance, changes));
    return changes->existed == 0
               ? now
               : sql_template::fill("{now} UNION ALL SELECT {columns} FROM {changes} t WHERE t.{existed}",
                                    {{"now", now},
                                     {"columns", columns},
                                     {"changes", changes->rows.name},
                                     {"existed", net_changes::existed_column(changes)}});
}

// The anchor values of an anchored instance's changed rows, as a query.
char *own_parts(const Instance *instance, const NetChanges *changes)
{
    const char *column = psprintf("t.%s AS part", instance::column_name(instance->relation, instance->anchor));
    return changed_rows(instance, changes, NIL, column);
}

// What a search for parts goes by.
struct Changes {
    List *net;
    List *signs;
    QueryEnvironment *environment;
};

// Has a query read the changed rows of an instance, and of the other tables that have changed those of both states; and
// return a value of what it joins.  Why it cannot, or null.
const char *read_changed(Query *query, List *instances, const Instance *changed, const Changes &changes, Expr *value)
{
    ListCell *cell;
    const char *obstacle = relax_outer_joins::to_changed(query, changed, changes.net);
    if (obstacle != nullptr)
        return obstacle;
    foreach (cell, instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = instance::changes_of(changes.net, instance);
        if (own == nullptr)
            continue;
        const char *columns = instance::used_columns(instance);
        instance::replace(instance,
                          instance == changed ? changed_rows(instance, own, changes.signs, columns)
                                              : old_state::rows_of_both(instance, own, columns),
                          changes.environment);
    }
    query::select_joined(query, list_make1(makeTargetEntry(value, 1, pstrdup("part"), false)));
    return nullptr;
}

// A query for the anchor values that the changed rows of an instance without an
// anchor are joined with, in either state; null, with an obstacle, if there is none.
Query *joined_parts(Query *original, const Anchoring &chosen, int place, const Changes &changes, const char **obstacle)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Anchoring anchoring = anchor::choose_same(query, chosen);
    *obstacle = read_changed(query, anchoring.instances, instance_at(anchoring, place), changes, anchoring.value);
    return *obstacle == nullptr ? query : nullptr;
}

// Drops the conditions that mention what is around a query, from all of its joins.
void forget_around(Node *node)
{
    auto left = [](Node *quals) {
        List *conditions = NIL;
        ListCell *cell;
        foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(quals))) {
            auto *condition = static_cast<Node *>(lfirst(cell));
            if (!query::mentions_around(condition))
                conditions = lappend(conditions, condition);
        }
        return reinterpret_cast<Node *>(make_ands_explicit(conditions));
    };
    ListCell *cell;
    if (IsA(node, FromExpr)) {
        auto *from = reinterpret_cast<FromExpr *>(node);
        from->quals = left(from->quals);
        foreach (cell, from->fromlist)
            forget_around(static_cast<Node *>(lfirst(cell)));
    } else if (IsA(node, JoinExpr)) {
        auto *join = reinterpret_cast<JoinExpr *>(node);
        join->quals = left(join->quals);
        forget_around(join->larg);
        forget_around(join->rarg);
    }
}

// The same of an instance that a subquery reads beside an anchored one: the subquery alone tells, with whatever it is
// evaluated for.
Query *parts_beside(const Anchoring &anchoring, int place, const Changes &changes, const char **obstacle)
{
    Instance *lost = instance_at(anchoring, place);
    Instance *anchored = anchor::beside(anchoring.instances, lost);
    auto *query = static_cast<Query *>(copyObjectImpl(lost->query));
    List *instances = instance::all(query);
    Oid type, collation;
    int32 typmod;
    get_atttypetypmodcoll(anchored->relation, anchored->anchor, &type, &typmod, &collation);
    Var *value = makeVar(static_cast<int>(anchored->rti), anchored->anchor, type, typmod, collation, 0);
    forget_around(reinterpret_cast<Node *>(query->jointree));
    // what it returns, and what follows joining, may mention what is around as well, and goes
    query::select_joined(query, list_make1(makeTargetEntry(reinterpret_cast<Expr *>(value), 1, pstrdup("part"), false)));
    *obstacle = read_changed(query, instances, instance::find(instances, query, static_cast<int>(lost->rti)), changes,
                             reinterpret_cast<Expr *>(value));
    return *obstacle == nullptr ? query : nullptr;
}

// Drops the conditions with subqueries: that of the changed rows themselves is one of them.
Node *without_subqueries(Node *quals)
{
    List *conditions = NIL;
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(quals)))
        if (!contain_subplans(static_cast<Node *>(lfirst(cell))))
            conditions = lappend(conditions, lfirst(cell));
    return reinterpret_cast<Node *>(make_ands_explicit(conditions));
}

// The same of an instance in a subquery that is evaluated for each joined row: what the subquery joins is joined with these
// rows, by whatever conditions it has.
Query *parts_across(Query *original, const Anchoring &chosen, int place, const Changes &changes, const char **obstacle)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Anchoring anchoring = anchor::choose_same(query, chosen);
    Instance *lost = instance_at(anchoring, place);
    auto *below = static_cast<Query *>(copyObjectImpl(lost->query));
    int before = list_length(query->rtable);
    OffsetVarNodes(reinterpret_cast<Node *>(below), before, 0);
    IncrementVarSublevelsUp(reinterpret_cast<Node *>(below), -1, 1);
    pg::append_tables(query, below);
    query->jointree->fromlist = list_concat(query->jointree->fromlist, below->jointree->fromlist);
    query->jointree->quals = without_subqueries(make_and_qual(below->jointree->quals, query->jointree->quals));
    query->hasSubLinks |= below->hasSubLinks;
    normalize::describe_joins(query);
    // so that the anchor is among the columns that are read
    query::select_joined(query, list_make1(makeTargetEntry(anchoring.value, 1, pstrdup("part"), false)));
    List *instances = instance::all(query);
    Instance *changed = instance::find(instances, query, static_cast<int>(lost->rti) + before);
    *obstacle = read_changed(query, instances, changed, changes, anchoring.value);
    return *obstacle == nullptr ? query : nullptr;
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
    List *signs;
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

// The anchor values of an anchored instance's changed rows that satisfy the conditions of its own query on them alone:
// others are joined with nothing there.
const char *find_own(Search *search, const Instance *instance, const NetChanges *changes)
{
    const SignedChanges *signs = signed_terms::signs_of(search->signs, instance);
    if (signs == nullptr)
        return own_parts(instance, changes);
    NamedRows rows = few_rows::of(instance, signs, "", search->result, search->environment);
    return psprintf("SELECT t.%s AS part FROM %s t", instance::column_name(instance->relation, instance->anchor), rows.name);
}

// Finds the parts of changed rows of an instance without an anchor, as named rows;
// null, with a reason, if that is not possible or would cost too much.
const char *find_joined(Search *search, int place)
{
    const Instance *instance = instance_at(search->anchoring, place);
    const char *table = get_rel_name(instance->relation);
    const char *name = row_names::joined(place);
    const char *obstacle;
    Changes changes = {search->changes, search->signs, search->environment};
    bool is_beside = anchor::beside(search->anchoring.instances, instance) != nullptr;
    Query *joined = instance->joined ? joined_parts(search->query, search->anchoring, place, changes, &obstacle)
                    : is_beside      ? parts_beside(search->anchoring, place, changes, &obstacle)
                                     : parts_across(search->query, search->anchoring, place, changes, &obstacle);

    if (joined == nullptr)
        *search->reason = psprintf("%s has changed, %s", table, obstacle);
    if (joined == nullptr
        || !run(search, joined, name, psprintf("a change of %s concerns too many rows", table)))
        return nullptr;
    return psprintf("SELECT j.part FROM %s j", name);
}

// Whether rows of an instance have changed that matter to all parts: those with a null that its own query's conditions leave.
bool concerns_all(Search *search, const Instance *instance, const NetChanges *changes)
{
    if (!instance->keeps_nulls)
        return false;
    const SignedChanges *signs = signed_terms::signs_of(search->signs, instance);
    if (signs != nullptr) {
        const char *null = psprintf(" AND t.%s IS NULL", instance::column_name(instance->relation, instance->anchor));
        NamedRows left = few_rows::of(instance, signs, null, search->result, search->environment);
        return tuplestore_tuple_count(left.rows) > 0;
    }
    Query *query = query::unchecked(own_parts(instance, changes), search->environment);
    NamedRows own = search->result(query::plan(query, 0), row_names::own, search->environment);
    bool found = has_null(own);
    ephemeral_rows::release(&own);
    return found;
}

const char *parts_of(Search *search, int place, const NetChanges *own);

// The same of an instance that is lost by the chosen anchor: those beside its parts by another.
const char *find_by_other(Search *search, int place, const NetChanges *own)
{
    const Anchoring &other = *instance_at(search->anchoring, place)->other;
    Search by_other = {search->query, other, search->changes, search->signs, search->limit,
                       search->result, search->environment, search->reason, search->cost};
    const char *text = parts_of(&by_other, place, own);
    const char *parts = row_names::other_parts(place);
    const char *name = row_names::translated(place);
    const char *reason = psprintf("a change of %s concerns too many rows", get_rel_name(own->relation));
    if (text == nullptr)
        return nullptr;
    text = psprintf("SELECT DISTINCT a.part FROM (%s) a WHERE a.part IS NOT NULL", text);
    if (!run(search, query::unchecked(text, search->environment), parts, reason)
        || !run(search, translated_parts::make(search->query, search->anchoring, other, parts, search->changes,
                                               search->environment),
                name, reason))
        return nullptr;
    return psprintf("SELECT j.part FROM %s j", name);
}

// A query for the anchor values that changed rows of an instance have to do with, each of them perhaps many times; null,
// with a reason, if there is none.
const char *parts_of(Search *search, int place, const NetChanges *own)
{
    Instance *instance = instance_at(search->anchoring, place);
    if (concerns_all(search, instance, own)) {
        *search->reason = psprintf("a null in %s has changed, which concerns all rows", get_rel_name(instance->relation));
        return nullptr;
    }
    if (instance->anchor != 0)
        return find_own(search, instance, own);
    return anchor::is_lost(search->anchoring.instances, instance) ? find_by_other(search, place, own)
                                                                  : find_joined(search, place);
}

// The same of all changed rows.
const char *all_parts(Search *search)
{
    StringInfoData text;
    ListCell *cell;

    initStringInfo(&text);
    foreach (cell, search->anchoring.instances) {
        const NetChanges *own = instance::changes_of(search->changes, static_cast<Instance *>(lfirst(cell)));
        const char *part = own == nullptr ? nullptr : parts_of(search, foreach_current_index(cell), own);
        if (own != nullptr && part == nullptr)
            return nullptr;
        if (part != nullptr)
            appendStringInfo(&text, "%s%s", text.len > 0 ? " UNION ALL " : "", part);
    }
    return text.data;
}

// Calls each() for the instances whose table has changed and has one row at most in each part, and its changes; signs are
// null where these are not signed.
template <class Each>
void each_with_row_of_part(const Search *search, Each each)
{
    ListCell *cell;
    foreach (cell, search->anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = instance::changes_of(search->changes, instance);
        if (own != nullptr && reduce_parts::has_row_of_part(search->query, instance, own))
            each(instance, own, signed_terms::signs_of(search->signs, instance));
    }
}

// The parts of now that can have had rows, as far as leave_by_rows() does not see to that: not those of new rows.
NamedRows parts_before(const Search *search, bool by_rows)
{
    StringInfoData text;
    const char *word = "WHERE";

    initStringInfo(&text);
    appendStringInfo(&text, "SELECT p.part FROM %s p", row_names::now(row_names::parts));
    each_with_row_of_part(search, [&](const Instance *instance, const NetChanges *own, const SignedChanges *signs) {
        if (by_rows && signs != nullptr)
            return;
        appendStringInfo(&text, " %s %s", word, reduce_parts::had_row(instance, own));
        word = "AND";
    });
    return search->result(query::plan(query::unchecked(text.data, search->environment), 0),
                          row_names::before(row_names::parts), search->environment);
}

// Leaves the parts of each state in which changed rows, as they are or were, can be joined.
void leave_by_rows(const Search *search)
{
    each_with_row_of_part(search, [&](const Instance *instance, const NetChanges *, const SignedChanges *signs) {
        if (signs == nullptr)
            return;
        NamedRows left = few_rows::of(instance, signs, "", search->result, search->environment);
        for (TableState state : {TableState::now, TableState::before}) {
            const char *name = row_names::in_state(row_names::parts, state);
            const char *text = reduce_parts::left_by_row(instance, signs, left.name, state, name);
            ephemeral_rows::show(search->environment, search->result(query::plan(query::unchecked(text, search->environment), 0),
                                                                     name, search->environment));
        }
    });
}

// The parts of now that are not null.
NamedRows without_null(const Search *search)
{
    Query *query = query::unchecked(psprintf("SELECT p.part FROM %s p WHERE p.part IS NOT NULL",
                                             row_names::now(row_names::parts)),
                                    search->environment);
    return search->result(query::plan(query, 0), row_names::now(row_names::parts), search->environment);
}

// Leaves only those of the parts of now that can have joined rows, if there is a query that tells
// which these are.
bool reduce(Search *search)
{
    constexpr char possible[] = "refresh_mv_possible_parts";
    const char *parts = row_names::now(row_names::parts);
    Query *query = reduce_parts::possible(search->query, search->anchoring, search->changes);
    if (query == nullptr)
        return true;
    const char *text = psprintf("SELECT p.part FROM %s p WHERE EXISTS (SELECT FROM %s q WHERE q.part %s p.part)", parts,
                                possible, net_changes::equality(search->anchoring.type));
    Query *left = ephemeral_rows::over(text, possible, query, search->environment);
    return run(search, left, parts, "too many rows have changed");
}

// Whether there is no telling which parts the changes of an instance concern, by any anchor.  Notes another by which there is.
bool is_lost(Query *query, const Anchoring &anchoring, int place, List *changes)
{
    Instance *instance = instance_at(anchoring, place);
    if (!anchor::is_lost(anchoring.instances, instance))
        return false;
    instance->other = anchor::other_for(query, place, changes);
    return instance->other == nullptr || !translated_parts::are_possible(query, anchoring, *instance->other);
}

} // namespace

namespace affected_parts {

bool concerns(const Anchoring &anchoring, List *changes)
{
    ListCell *cell;
    foreach (cell, anchoring.instances)
        if (instance::changes_of(changes, static_cast<Instance *>(lfirst(cell))) != nullptr)
            return true;
    return false;
}

const char *obstacle(Query *query, const Anchoring &anchoring, List *changes)
{
    ListCell *cell;

    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance->recursion != nullptr && instance::changes_of(changes, instance) != nullptr)
            return psprintf("%s has changed, which the recursive query %s reads",
                            instance::is_state(instance) ? "what a subquery returns" : get_rel_name(instance->relation),
                            quote_identifier(instance->recursion));
    }
    if (!OidIsValid(anchoring.type))
        return "no column can serve as an anchor (a key, or a column that is joined on)";
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance::changes_of(changes, instance) != nullptr
            && is_lost(query, anchoring, foreach_current_index(cell), changes))
            return instance::is_state(instance)
                       ? "what a subquery returns has changed, which concerns all rows"
                       : psprintf("%s has changed, which the query reads as a whole",
                            get_rel_name(instance->relation));
    }
    return old_state::obstacle(anchoring);
}

const Parts *find(Query *query, const Anchoring &anchoring, List *changes, List *signs, double limit,
                   ephemeral_rows::Result result, QueryEnvironment *environment, double *cost, const char **reason)
{
    Search search = {query, anchoring, changes, signs, limit, result, environment, reason, nullptr};
    search.cost = cost; // in a list clang-tidy does not see that it is written through
    const char *now = row_names::now(row_names::parts);
    const char *before = row_names::before(row_names::parts);
    const char *all = all_parts(&search);
    if (all == nullptr
        || !run(&search, query::unchecked(psprintf("SELECT DISTINCT a.part FROM (%s) a", all), environment),
                now, "too many rows have changed"))
        return nullptr;
    auto *parts = static_cast<Parts *>(palloc0(sizeof(Parts)));
    parts->has_null = has_null(ephemeral_rows::shown(environment, now));
    if (parts->has_null)
        ephemeral_rows::show(environment, without_null(&search));
    if (!reduce(&search))
        return nullptr;
    bool by_rows = ephemeral_rows::shown(environment, now).count > few;
    ephemeral_rows::show(environment, parts_before(&search, by_rows));
    if (by_rows)
        leave_by_rows(&search);
    parts->now = describe(ephemeral_rows::shown(environment, now), anchoring.type);
    parts->before = describe(ephemeral_rows::shown(environment, before), anchoring.type);
    return parts;
}

} // namespace affected_parts

} // namespace refresh_mv
