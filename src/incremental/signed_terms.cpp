#include "incremental/signed_terms.hpp"

#include "incremental/few_rows.hpp"
#include "incremental/from_clause.hpp"
#include "incremental/optional_rows.hpp"
#include "incremental/references.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// So many terms are planned at most, of so many changed instances.
constexpr int most_terms = 15;
constexpr int most_changed = 8;

constexpr char sign_name[] = "sign";

// What a term reads in the place of an instance.  now: the table.  changed: D.  unchanged: the
// rows whose keys have no change.  old: the old images.  less: D with its signs turned.  Of an optional one, matches,
// left_alone and found: the parts of what its join has gained and lost.  before: the table as it was.
enum class Role { now, changed, unchanged, old, less, matches, left_alone, found, before };

// A term being made.  Roles are in the order of the instances, which are those of its own tree.
struct Term {
    Query *query;
    List *instances;
    const Role *roles;
    List *signs;
    QueryEnvironment *environment;
    const Difference *difference; // of a condition that has moved; null: of none
    NamedRows *few = nullptr;     // what is read in the place of each instance, if it is a few rows
    bool *tested = nullptr;       // which unchanged instances those that refer to them look after
};

using signed_terms::signs_of;

int place_of(const Term *term, const Instance *instance)
{
    ListCell *cell;
    foreach (cell, term->instances)
        if (lfirst(cell) == instance)
            return foreach_current_index(cell);
    return -1;
}

Role role_of(const Term *term, const Instance *instance)
{
    int place = place_of(term, instance);
    return place < 0 ? Role::now : term->roles[place];
}

const NamedRows &few_of(const Term *term, const Instance *instance)
{
    return term->few[place_of(term, instance)];
}

// Whether a few rows are read in the place of an instance, or decide what is.
bool is_few(Role role)
{
    return role == Role::changed || role == Role::old || role == Role::less;
}

// The part of a left join's rows that a role is; false if it is none.
bool is_part(Role role, optional_rows::Part *part)
{
    switch (role) {
    case Role::matches:
        *part = optional_rows::Part::matches;
        return true;
    case Role::left_alone:
        *part = optional_rows::Part::left_alone;
        return true;
    case Role::found:
        *part = optional_rows::Part::found;
        return true;
    case Role::before:
        *part = optional_rows::Part::before;
        return true;
    default:
        return false;
    }
}

bool is_few_optional(Role role)
{
    optional_rows::Part part;
    return is_part(role, &part) && part != optional_rows::Part::before;
}

// ---- what a query reads through FROM ----

// The subquery of an entry, if that only selects and joins, or is a UNION ALL of such.
Query *joined_below(RangeTblEntry *rte)
{
    return rte->rtekind == RTE_SUBQUERY && from_clause::is_additive(rte->subquery) ? rte->subquery : nullptr;
}

// Calls each() for the entries of a query's range table in which it is linear; of a UNION ALL for its
// arms, without their numbers.
template <class Each>
void each_entry(Query *query, Each each)
{
    ListCell *cell;
    if (query->setOperations != nullptr) {
        foreach (cell, from_clause::union_arms(query))
            each(Index{0}, lfirst_node(RangeTblEntry, cell));
        return;
    }
    From from = from_clause::of_query(query);
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        if (!from_clause::is_nullable(from, rti))
            each(static_cast<Index>(rti), rt_fetch(rti, query->rtable));
    }
}

// Whether a query reads an instance in whose place are a few rows.
bool holds_few(const Term *term, Query *query)
{
    bool found = term->difference != nullptr && term->difference->query == query;
    check_stack_depth();
    each_entry(query, [&](Index rti, RangeTblEntry *rte) {
        Instance *instance = instance::find(term->instances, query, static_cast<int>(rti));
        Role role = instance != nullptr ? role_of(term, instance) : Role::now;
        Query *below = joined_below(rte);
        found |= is_few(role) || (below != nullptr && holds_few(term, below));
    });
    return found;
}

// Whether two arms of a UNION ALL read such instances: no row comes out of both.
bool is_empty(const Term *term, Query *query)
{
    bool empty = false;
    int arms = 0;
    check_stack_depth();
    each_entry(query, [&](Index, RangeTblEntry *rte) {
        Query *below = joined_below(rte);
        if (below == nullptr)
            return;
        arms += holds_few(term, below);
        empty |= is_empty(term, below);
    });
    return empty || (query->setOperations != nullptr && arms > 1);
}

// ---- signs ----

Expr *call(Oid function, List *args)
{
    return reinterpret_cast<Expr *>(
        makeFuncExpr(function, INT4OID, args, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
}

// The product of two signs, of which either may be missing: 1.
Expr *times(Expr *a, Expr *b)
{
    return a == nullptr ? b : b == nullptr ? a : call(F_INT4MUL, list_make2(a, b));
}

Expr *one()
{
    return reinterpret_cast<Expr *>(makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(1), false, true));
}

// Adds the sign to what a query returns; returns the number of its column.
AttrNumber add_sign(Query *query, Expr *sign)
{
    query::forget_order(query);
    return query::add_output(query, sign, sign_name);
}

Var *sign_column(RangeTblEntry *rte, Index rti, AttrNumber number)
{
    rte->eref = static_cast<Alias *>(copyObjectImpl(rte->eref));
    rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup(sign_name)));
    return makeVar(static_cast<int>(rti), number, INT4OID, -1, InvalidOid, 0);
}

// ---- few rows ----

// The tests that what a term reads in an instance's place does not refer to changed rows where the term reads unchanged
// ones, on t.
const char *reference_tests(Term *term, const Instance *instance, bool optional)
{
    StringInfoData tests;
    ListCell *cell;
    initStringInfo(&tests);
    foreach (cell, term->instances) {
        auto *other = static_cast<Instance *>(lfirst(cell));
        if (role_of(term, other) != Role::unchanged)
            continue;
        const SignedChanges *signs = signs_of(term->signs, other);
        List *columns = references::columns(instance, other, signs->changes->source->key, optional);
        if (columns == NIL)
            continue;
        appendStringInfo(&tests, " AND NOT (%s)", net_changes::is_among(signs->changes, columns, signs->rows.name));
        term->tested[foreach_current_index(cell)] = true;
    }
    return tests.data;
}

// Finds the few rows; returns whether the term has no joined rows since there are none in the place of an instance.
bool find_few(Term *term, ephemeral_rows::Result result)
{
    auto count = static_cast<size_t>(list_length(term->instances)) + 1;
    bool empty = false;
    ListCell *cell;
    term->few = static_cast<NamedRows *>(palloc0(sizeof(NamedRows) * count));
    term->tested = static_cast<bool *>(palloc0(sizeof(bool) * count));
    foreach (cell, term->instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        Role role = role_of(term, instance);
        bool optional = is_few_optional(role);
        if (!is_few(role) && !optional)
            continue;
        const SignedChanges *signs = signs_of(term->signs, instance);
        const char *tests = reference_tests(term, instance, optional);
        const char *old = role == Role::old ? psprintf(" AND t.%s < 0", net_changes::existed_column(signs->changes)) : "";
        NamedRows *few = &term->few[foreach_current_index(cell)];
        *few = few_rows::of(instance, signs, psprintf("%s%s", tests, old), result, term->environment);
        empty |= few->count == 0;
    }
    return empty;
}

bool is_tested(const Term *term, const Instance *instance)
{
    return term->tested[place_of(term, instance)];
}

// ---- roles ----

// DISTINCT ON the key, which is: the planner knows nothing of rows in memory, but that.
const char *said_to_be_unique(const NetChanges *changes)
{
    return list_length(changes->source->key) == 1
               ? psprintf("DISTINCT ON (t.%s) ", quote_identifier(static_cast<char *>(linitial(changes->source->key))))
               : "";
}

// Puts rows of an instance's changes in its place; returns their sign, or null if it is 1 for all.
Expr *read_few(const Term *term, const Instance *instance, Role role)
{
    const SignedChanges *signs = signs_of(term->signs, instance);
    RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
    const char *sign = net_changes::existed_column(signs->changes);
    // A subquery that is merged with the one around it loses its row-level security.
    const char *fence = rte->securityQuals != NIL ? " OFFSET 0" : "";
    const char *text = sql_template::fill(role == Role::old ? "SELECT {distinct}{columns} FROM {rows} t{fence}"
                                                            : "SELECT {columns}, t.{sign} FROM {rows} t{fence}",
                                          {{"columns", instance::used_columns(instance)},
                                           {"sign", sign},
                                           {"rows", few_of(term, instance).name},
                                           {"fence", fence},
                                           {"distinct", said_to_be_unique(signs->changes)}});
    instance::replace(instance, text, term->environment);
    if (role == Role::old)
        return nullptr;
    auto *column = reinterpret_cast<Expr *>(makeVar(static_cast<int>(instance->rti),
                                                    static_cast<AttrNumber>(signs->rows.desc->natts), INT4OID, -1,
                                                    InvalidOid, 0));
    return role == Role::less ? call(F_INT4UM, list_make1(column)) : column;
}

// Leaves only the rows of an instance whose keys have no change.
void read_unchanged(const Term *term, const Instance *instance)
{
    const SignedChanges *signs = signs_of(term->signs, instance);
    Query *query = instance->query;
    const char *text = psprintf("SELECT FROM %s t WHERE NOT EXISTS (SELECT FROM %s d WHERE %s)",
                                instance::qualified_name(instance->relation), signs->rows.name,
                                net_changes::same_key(signs->changes));
    Node *quals = query::unchecked(text, term->environment)->jointree->quals;
    ChangeVarNodes(quals, 1, static_cast<int>(instance->rti), 0);
    query->jointree->quals = make_and_qual(query->jointree->quals, quals);
    query->hasSubLinks = true;
}

Expr *apply(const Term *term, Query *query);

// An entry's subquery that returns the same columns, and no row.
Query *nothing(Query *original)
{
    Query *query = makeNode(Query);
    ListCell *cell;
    query->commandType = CMD_SELECT;
    query->querySource = QSRC_ORIGINAL;
    query->canSetTag = true;
    foreach (cell, original->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        auto *node = reinterpret_cast<Node *>(entry->expr);
        auto *null = reinterpret_cast<Expr *>(makeNullConst(exprType(node), exprTypmod(node), exprCollation(node)));
        if (!entry->resjunk)
            query->targetList = lappend(query->targetList,
                                        makeTargetEntry(null, entry->resno, pstrdup(entry->resname), false));
    }
    query->jointree = makeFromExpr(NIL, makeBoolConst(false, false));
    return query;
}

void add_sign_type(Node *node)
{
    if (!IsA(node, SetOperationStmt))
        return;
    auto *operation = reinterpret_cast<SetOperationStmt *>(node);
    operation->colTypes = lappend_oid(operation->colTypes, INT4OID);
    operation->colTypmods = lappend_int(operation->colTypmods, -1);
    operation->colCollations = lappend_oid(operation->colCollations, InvalidOid);
    add_sign_type(operation->larg);
    add_sign_type(operation->rarg);
}

// Of a UNION ALL, only the arm with the few rows counts, if one has any.
Expr *apply_to_arms(const Term *term, Query *query)
{
    List *arms = from_clause::union_arms(query);
    bool few = holds_few(term, query);
    bool has_sign = false;
    List *signs = NIL;
    ListCell *cell;

    foreach (cell, arms) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        Query *below = joined_below(rte);
        Expr *sign = below != nullptr ? apply(term, below) : nullptr;
        if (few && (below == nullptr || !holds_few(term, below)) && sign == nullptr)
            rte->subquery = nothing(rte->subquery);
        has_sign |= sign != nullptr;
        signs = lappend(signs, sign);
    }
    if (!has_sign)
        return nullptr;
    AttrNumber number = 0;
    foreach (cell, arms) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        auto *sign = static_cast<Expr *>(list_nth(signs, foreach_current_index(cell)));
        number = add_sign(rte->subquery, sign != nullptr ? sign : one());
        sign_column(rte, 0, number);
    }
    add_sign_type(query->setOperations);
    return reinterpret_cast<Expr *>(makeVar(from_clause::first_arm(query), number, INT4OID, -1, InvalidOid, 0));
}

// Applies the roles to what a query reads through FROM; returns the sign of a joined row, or null if
// it is 1 for all.
Expr *apply(const Term *term, Query *query)
{
    bool differs = term->difference != nullptr && term->difference->query == query;
    Expr *sign = differs ? term->difference->sign : nullptr;

    check_stack_depth();
    if (query->setOperations != nullptr)
        return apply_to_arms(term, query);
    each_entry(query, [&](Index rti, RangeTblEntry *rte) {
        Instance *instance = instance::find(term->instances, query, static_cast<int>(rti));
        Query *below = joined_below(rte);
        if (instance != nullptr) {
            Role role = role_of(term, instance);
            if (role == Role::unchanged) {
                if (query != term->query && !is_tested(term, instance)) // or else without_changed() does it
                    read_unchanged(term, instance);
            } else if (is_few(role))
                sign = times(sign, read_few(term, instance, role));
        } else if (below != nullptr) {
            Expr *inner = apply(term, below);
            if (inner != nullptr)
                sign = times(sign, reinterpret_cast<Expr *>(sign_column(rte, rti, add_sign(below, inner))));
        }
    });
    normalize::describe_joins(query);
    return sign;
}

// ---- terms ----

// The key columns of an instance, as outputs x1, x2, ... of the term's query; and a test that they are not among
// the changed keys, as a condition on these.
const char *add_test(const Term *term, const Instance *instance)
{
    const NetChanges *changes = signs_of(term->signs, instance)->changes;
    List *outputs = NIL;
    ListCell *cell;
    foreach (cell, changes->source->key) {
        AttrNumber column = get_attnum(instance->relation, static_cast<char *>(lfirst(cell)));
        Oid type, collation;
        int32 typmod;
        get_atttypetypmodcoll(instance->relation, column, &type, &typmod, &collation);
        auto *var = reinterpret_cast<Expr *>(makeVar(static_cast<int>(instance->rti), column, type, typmod, collation, 0));
        char *name = psprintf("x%d", list_length(term->query->targetList) + 1);
        query::add_output(term->query, var, name);
        outputs = lappend(outputs, name);
    }
    return psprintf(" AND NOT (%s)",
                    net_changes::is_among(changes, outputs, signs_of(term->signs, instance)->rows.name));
}

// A term without the rows of unchanged instances of the top level whose keys have a change.  They are left out when
// all is joined, behind a fence: the planner can know neither how few are joined nor how few are left, and would
// read the changes anew for each row, or a table as a whole.
Query *without_changed(const Term *term, int expressions)
{
    constexpr char all[] = "refresh_mv_with_changed";
    StringInfoData tests;
    ListCell *cell;

    initStringInfo(&tests);
    foreach (cell, term->instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (role_of(term, instance) == Role::unchanged && instance->query == term->query && !is_tested(term, instance))
            appendStringInfoString(&tests, add_test(term, instance));
    }
    if (tests.len == 0)
        return term->query;
    return ephemeral_rows::over(sql_template::fill("SELECT {columns}t.{sign} FROM (SELECT * FROM {all} OFFSET 0) t WHERE true{tests}",
                                                       {{"columns", sql_template::number_all("t.c#, ", expressions)},
                                                        {"sign", sign_name},
                                                        {"all", all},
                                                        {"tests", tests.data}}),
                                all, term->query, term->environment);
}

// Applies the roles of optional instances; returns the sign of a joined row so far.
Expr *apply_to_optional(const Term *term, Relids *inner)
{
    Expr *sign = nullptr;
    optional_rows::Part part;
    ListCell *cell;
    foreach (cell, term->instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (is_part(role_of(term, instance), &part))
            sign = times(sign, optional_rows::read(term->query, instance, signs_of(term->signs, instance), few_of(term, instance),
                                                   part, term->environment, inner));
    }
    return sign;
}

// Applies the roles of a term to its query, which is then one for the joined rows.
Query *joined_by(const Term *term, List *expressions)
{
    ListCell *cell;
    Relids inner = nullptr;
    Expr *sign = apply_to_optional(term, &inner);
    sign = times(sign, apply(term, term->query));
    if (sign == nullptr)
        elog(ERROR, "a term without a sign");
    query::select_joined(term->query, NIL);
    foreach (cell, expressions)
        query::add_output(term->query, static_cast<Expr *>(copyObjectImpl(lfirst(cell))),
                          psprintf("c%d", foreach_current_index(cell) + 1));
    query::add_output(term->query, sign, sign_name);
    if (inner != nullptr)
        pg::forget_nulling(term->query, inner);
    normalize::describe_joins(term->query);
    return without_changed(term, list_length(expressions));
}

// All terms of a query being made.
struct Terms {
    Query *original;
    const Anchoring &anchoring;
    List *signs;
    const Passage &passage;
    List *expressions;
    ephemeral_rows::Result result;
    QueryEnvironment *environment;
    List *all = NIL;
    Query *empty = nullptr; // one that has no rows
};

// Adds the joined rows of a query with those roles, as of the time before.
void add_term(Terms *terms, const Role *roles)
{
    auto *query = static_cast<Query *>(copyObjectImpl(terms->original));
    if (terms->passage.passed)
        query = castNode(Query, time_conditions::at(reinterpret_cast<Node *>(query), terms->passage.before));
    Term term = {query, instance::all(query), roles, terms->signs, terms->environment, nullptr};
    bool empty = find_few(&term, terms->result);
    if (empty && terms->empty != nullptr)
        return;
    Query *joined = joined_by(&term, terms->expressions);
    if (empty)
        terms->empty = joined;
    else
        terms->all = lappend(terms->all, joined);
}

// The rows that are joined, or are not any more, because a condition has moved.
Query *moved_rows(Query *original, const Passage &passage, int condition, List *expressions, QueryEnvironment *environment)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    Difference difference = passage::apply(query, passage, condition);
    Term term = {query, NIL, nullptr, NIL, environment, &difference};
    return joined_by(&term, expressions);
}

// Adds the terms in which one changed instance has a role: those after it are taken apart, in all ways, but for
// optional ones, which are as they were.
void add_terms_with(Terms *terms, List *changed, int place, Role role)
{
    List *instances = terms->anchoring.instances;
    int count = list_length(instances);
    auto *roles = static_cast<Role *>(palloc(sizeof(Role) * static_cast<size_t>(count)));
    int after = list_length(changed) - place - 1;

    for (int taken = 0; taken < 1 << after; taken++) {
        bool possible = true;
        for (int i = 0; i < count; i++)
            roles[i] = Role::now;
        roles[list_nth_int(changed, place)] = role;
        for (int i = 0; i < after; i++) {
            int number = list_nth_int(changed, place + 1 + i);
            auto *instance = static_cast<Instance *>(list_nth(instances, number));
            const SignedChanges *own = signs_of(terms->signs, instance);
            bool few = taken & (1 << i);
            roles[number] = instance->optional    ? Role::before
                            : own->changes->bag   ? (few ? Role::less : Role::now)
                            : few                 ? Role::old
                                                  : Role::unchanged;
            possible &= instance->optional ? !few : roles[number] != Role::old || own->changes->existed > 0;
        }
        Term term = {terms->original, instances, roles, terms->signs, terms->environment, nullptr};
        if (possible && !is_empty(&term, terms->original))
            add_term(terms, roles);
    }
}

// Adds the terms of one changed instance.
void add_terms(Terms *terms, List *changed, int place)
{
    auto *instance = static_cast<Instance *>(list_nth(terms->anchoring.instances, list_nth_int(changed, place)));
    if (!instance->optional)
        return add_terms_with(terms, changed, place, Role::changed);
    add_terms_with(terms, changed, place, Role::matches);
    add_terms_with(terms, changed, place, Role::found);
    if (signs_of(terms->signs, instance)->changes->existed > 0)
        add_terms_with(terms, changed, place, Role::left_alone);
}

// The numbers of the instances that have changed, the optional ones first: where others are what changes, these are as
// they are.
List *changed_instances(const Anchoring &anchoring, List *signs)
{
    List *optional = NIL;
    List *linear = NIL;
    List *keys = NIL;
    ListCell *cell;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const SignedChanges *own = signs_of(signs, instance);
        keys = lappend(keys, own != nullptr && !own->changes->bag ? own->changes->source->key : NIL);
        if (own == nullptr)
            continue;
        List **list = instance->optional ? &optional : &linear;
        *list = lappend_int(*list, foreach_current_index(cell));
    }
    // What others refer to comes after these: as it was, it is read by the few rows then that refer to rows without a
    // change, which are none, mostly, instead of by all that refer to it.
    return list_concat(optional, references::ordered(anchoring.instances, linear, keys));
}

// How many terms there are: the ways in which a few rows can be in the place of changed instances, so that rows
// come out. All that is joined can have some at a time, of the arms of a UNION ALL just one.
int count_terms(Query *query, const Anchoring &anchoring, List *changes)
{
    bool arms = query->setOperations != nullptr;
    int count = arms ? 0 : 1;
    check_stack_depth();
    each_entry(query, [&](Index rti, RangeTblEntry *rte) {
        Instance *instance = instance::find(anchoring.instances, query, static_cast<int>(rti));
        Query *below = joined_below(rte);
        int ways = instance != nullptr ? instance::changes_of(changes, instance) != nullptr
                   : below != nullptr  ? count_terms(below, anchoring, changes)
                                       : 0;
        count = Min(arms ? count + ways : count * (1 + ways), most_terms + 2);
    });
    return arms ? count : count - 1;
}

// All terms as one query.
Query *together(List *terms, QueryEnvironment *environment)
{
    return list_length(terms) == 1 ? linitial_node(Query, terms)
                                   : ephemeral_rows::union_all("refresh_mv_term", terms, environment);
}

} // namespace

namespace signed_terms {

const SignedChanges *signs_of(List *signs, const Instance *instance)
{
    ListCell *cell;
    foreach (cell, signs) {
        auto *found = static_cast<SignedChanges *>(lfirst(cell));
        if (found->changes->relation == instance->relation && found->rows.count > 0)
            return found;
    }
    return nullptr;
}

bool have_signs(const Anchoring &anchoring, List *changes)
{
    ListCell *cell;
    foreach (cell, changes) {
        auto *own = static_cast<NetChanges *>(lfirst(cell));
        if (!signed_changes::readable(own, columns_read(anchoring, own)))
            return false;
    }
    return true;
}

bool tell_all(Query *query, const Anchoring &anchoring, List *changes)
{
    int changed = 0;
    int optional = 0;
    ListCell *cell;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = instance::changes_of(changes, instance);
        if (own == nullptr)
            continue;
        if (!instance->linear && (!instance->optional || own->bag))
            return false;
        changed++;
        optional += instance->optional;
    }
    if (changed == 0)
        return true;
    if (changed > most_changed || !have_signs(anchoring, changes))
        return false;
    int terms = count_terms(query, anchoring, changes);
    return terms + optional * 3 * (terms + 1) <= most_terms;
}

Bitmapset *columns_read(const Anchoring &anchoring, const NetChanges *changes)
{
    Bitmapset *columns = nullptr;
    ListCell *cell;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance->relation == changes->relation)
            columns = bms_add_members(columns, instance::columns_read(instance));
    }
    return columns;
}

Query *joined_rows(Query *query, const Anchoring &anchoring, List *signs, const Passage &passage, List *expressions,
                   ephemeral_rows::Result result, QueryEnvironment *environment, int *count)
{
    Terms terms = {query, anchoring, signs, passage, expressions, result, environment};
    ListCell *cell;

    List *changed = changed_instances(anchoring, signs);
    for (int i = 0; i < list_length(changed); i++)
        add_terms(&terms, changed, i);
    foreach (cell, passage.moved)
        terms.all = lappend(terms.all, moved_rows(query, passage, lfirst_int(cell), expressions, environment));
    if (terms.all == NIL && terms.empty != nullptr)
        terms.all = list_make1(terms.empty);
    *count = list_length(terms.all);
    return terms.all == NIL ? nullptr : together(terms.all, environment);
}

} // namespace signed_terms

} // namespace refresh_mv
