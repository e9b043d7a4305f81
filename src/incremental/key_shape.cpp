#include "incremental/key_shape.hpp"

#include "incremental/from_clause.hpp"
#include "incremental/partial_aggregates.hpp"
#include "incremental/row_names.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"
#include "values/equality.hpp"

namespace refresh_mv {

namespace {

// So many columns tell rows apart well enough.
constexpr int most_keys = 8;

void object(KeyShape *shape, const char *obstacle)
{
    if (shape->obstacle == nullptr)
        shape->obstacle = obstacle;
}

// The equality by which values of an expression are compared.
Oid equality_of(Expr *expr)
{
    return lookup_type_cache(exprType(reinterpret_cast<Node *>(expr)), TYPECACHE_EQ_OPR)->eq_opr;
}

void add_key(KeyShape *shape, Query *query, TargetEntry *entry)
{
    auto *expr = reinterpret_cast<Expr *>(
        pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr))));
    auto *node = reinterpret_cast<Node *>(expr);
    if (shape->nkeys == most_keys || contain_subplans(node) || contain_agg_clause(node)
        || contain_window_function(node) || expression_returns_set(node) || !contain_var_clause(node)
        || !equality::is_plain(equality_of(expr), expr))
        return;
    shape->keys[shape->nkeys++] = {expr, nullptr, entry->resno, from_clause::never_null(query, expr)};
}

const char *clause_obstacle(Query *query)
{
    if (query->setOperations != nullptr)
        return "it has a set operation at the top";
    if (query->groupingSets != NIL)
        return "it has grouping sets";
    if (query->limitCount || query->limitOffset)
        return "it has a LIMIT";
    return nullptr;
}

// Whether a key is null in some and in all of the rows.
struct Nulls {
    bool some;
    bool all;
};

AttrNumber column_named(TupleDesc desc, const char *name)
{
    for (int i = 0; i < desc->natts; i++)
        if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
            return static_cast<AttrNumber>(i + 1);
    elog(ERROR, "no column %s", name);
}

Nulls *find_nulls(const NamedRows &rows, int nkeys)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
    auto *nulls = static_cast<Nulls *>(palloc(sizeof(Nulls) * static_cast<size_t>(nkeys)));
    AttrNumber first = nkeys > 0 ? column_named(rows.desc, row_names::key_column(0)) : 0;

    for (int i = 0; i < nkeys; i++)
        nulls[i] = {false, true};
    bool empty = true;
    tuplestore_rescan(rows.rows);
    while (tuplestore_gettupleslot(rows.rows, true, false, slot)) {
        empty = false;
        for (int i = 0; i < nkeys; i++) {
            bool null = slot_attisnull(slot, first + i);
            nulls[i].some |= null;
            nulls[i].all &= null;
        }
    }
    for (int i = 0; i < nkeys; i++)
        nulls[i].all &= !empty;
    ExecDropSingleTupleTableSlot(slot);
    return nulls;
}

// The condition that rows t have the keys g, NULLs being equal.  IS NOT DISTINCT FROM
// could neither be hashed nor find an index; with NULL itself it is the test that does
// not take a row of NULLs for one.
char *match(int nkeys, char *const *columns, const char *name, QueryEnvironment *environment)
{
    StringInfoData text;
    Nulls *nulls = find_nulls(ephemeral_rows::shown(environment, name), nkeys);

    initStringInfo(&text);
    appendStringInfoString(&text, "true");
    for (int i = 0; i < nkeys; i++) {
        const char *key = row_names::key_column(i);
        const char *other = sql_template::fill(
            "(SELECT o.{key} FROM {keys} o WHERE o.{key} IS DISTINCT FROM NULL LIMIT 1)",
            {{"key", key}, {"keys", name}});
        const char *condition =
            nulls[i].all     ? " AND {column} IS NOT DISTINCT FROM NULL"
            : !nulls[i].some ? " AND {column} = g.{key}"
                             : " AND ({column} IS NOT DISTINCT FROM NULL) = (g.{key} IS NOT DISTINCT FROM NULL)"
                               " AND coalesce({column}, {other}) = coalesce(g.{key}, {other})";
        appendStringInfoString(
            &text, sql_template::fill(condition, {{"column", columns[i]}, {"key", key}, {"other", other}}));
    }
    return text.data;
}

} // namespace

namespace key_shape {

KeyShape analyse(Query *query, const Anchoring &anchoring)
{
    KeyShape shape{};
    ListCell *cell;

    shape.obstacle = clause_obstacle(query);
    if (shape.obstacle != nullptr)
        return shape;
    shape.keys = static_cast<Key *>(palloc0(sizeof(Key) * most_keys));
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        Node *expr = pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr)));
        if (entry->resjunk || !anchor::hands_up(query, entry))
            continue;
        if (anchoring.value != nullptr && equal(expr, anchoring.value)) {
            shape.nkeys = 0;
            add_key(&shape, query, entry);
            shape.anchored = shape.nkeys == 1;
            break;
        }
        add_key(&shape, query, entry);
    }
    if (shape.nkeys == 0)
        object(&shape, "no column of its output tells which rows belong together");
    return shape;
}

void select_keys(Query *query, const KeyShape &shape)
{
    query::select_joined(query, NIL);
    for (int i = 0; i < shape.nkeys; i++) {
        auto *expr = static_cast<Expr *>(copyObjectImpl(shape.keys[i].expr));
        TypeCacheEntry *type = lookup_type_cache(exprType(reinterpret_cast<Node *>(expr)),
                                                 TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR);
        TargetEntry *entry = makeTargetEntry(expr, static_cast<AttrNumber>(i + 1), row_names::key_column(i), false);
        SortGroupClause *clause = makeNode(SortGroupClause);
        entry->ressortgroupref = clause->tleSortGroupRef = static_cast<Index>(i + 1);
        clause->eqop = type->eq_opr;
        clause->sortop = type->lt_opr;
        clause->hashable = true;
        query->targetList = lappend(query->targetList, entry);
        query->distinctClause = lappend(query->distinctClause, clause);
    }
}

void restrict_to(Query *query, const Key *keys, int nkeys, const char *name, QueryEnvironment *environment)
{
    StringInfoData nulls;
    List *entries = NIL;
    auto **columns = static_cast<char **>(palloc(sizeof(char *) * static_cast<size_t>(nkeys)));
    bool sublinks = false;

    // The condition is parsed over NULLs of the keys' types, for which the keys
    // themselves are put in.
    initStringInfo(&nulls);
    for (int i = 0; i < nkeys; i++) {
        auto *node = reinterpret_cast<Node *>(keys[i].expr);
        Oid collation = exprCollation(node);
        columns[i] = psprintf("t.c%d", i + 1);
        appendStringInfo(&nulls, "%sNULL::%s", i > 0 ? ", " : "", format_type_be_qualified(exprType(node)));
        if (OidIsValid(collation))
            appendStringInfo(&nulls, " COLLATE %s", generate_collation_name(collation));
        appendStringInfo(&nulls, " AS c%d", i + 1);
        entries = lappend(entries, makeTargetEntry(keys[i].expr, static_cast<AttrNumber>(i + 1), nullptr, false));
    }
    Query *parsed = query::unchecked(psprintf("SELECT FROM (SELECT %s) t, %s g WHERE %s", nulls.data, name,
                                              match(nkeys, columns, name, environment)),
                                     environment);
    Node *quals = parsed->jointree->quals;
    RangeTblEntry *rte = rt_fetch(1, parsed->rtable);
    RangeTblRef *ref = makeNode(RangeTblRef);
    query->rtable = lappend(query->rtable, rt_fetch(2, parsed->rtable));
    ref->rtindex = list_length(query->rtable);
    query->jointree->fromlist = lappend(query->jointree->fromlist, ref);
    ChangeVarNodes(quals, 2, ref->rtindex, 0);
    quals = pg::replace_vars(quals, 1, rte, entries, &sublinks);
    query->jointree->quals = make_and_qual(query->jointree->quals, quals);
    query->hasSubLinks = true;
}

Query *select_held(Relation view, const Key *keys, int nkeys, const char *name,
                   QueryEnvironment *environment)
{
    StringInfoData text;
    TupleDesc desc = RelationGetDescr(view);
    auto **columns = static_cast<char **>(palloc(sizeof(char *) * static_cast<size_t>(nkeys)));

    initStringInfo(&text);
    appendStringInfoString(&text, "SELECT t.ctid");
    for (int i = 0; i < desc->natts; i++)
        appendStringInfo(&text, ", t.%s", quote_identifier(NameStr(TupleDescAttr(desc, i)->attname)));
    for (int i = 0; i < nkeys; i++)
        columns[i] = psprintf("t.%s", quote_identifier(NameStr(TupleDescAttr(desc, keys[i].output - 1)->attname)));
    appendStringInfo(&text, " FROM %s t, %s g WHERE %s",
                     quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)),
                                                RelationGetRelationName(view)),
                     name, match(nkeys, columns, name, environment));
    return query::unchecked(text.data, environment);
}

} // namespace key_shape

} // namespace refresh_mv
