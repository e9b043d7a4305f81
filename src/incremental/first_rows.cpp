#include "incremental/first_rows.hpp"

#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

constexpr char known_rows[] = "refresh_mv_known";

// Whether all that a query sorts by is shown, and can be sorted by in SQL.
bool shows_order(Query *query)
{
    ListCell *cell;
    foreach (cell, query->sortClause) {
        TargetEntry *entry = get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList);
        Oid type = exprType(reinterpret_cast<Node *>(entry->expr));
        if (entry->resjunk || !OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr))
            return false;
    }
    return query->sortClause != NIL;
}

// Whether a query has a number of first rows, in an order that is shown.
bool is_limited(Query *query)
{
    return query->limitCount != nullptr && IsA(query->limitCount, Const)
           && !reinterpret_cast<Const *>(query->limitCount)->constisnull && query->limitOffset == nullptr
           && query->rowMarks == NIL && query->setOperations == nullptr && shows_order(query)
           && !query::returns_rows(query) && !checkExprHasSubLink(reinterpret_cast<Node *>(query->targetList));
}

// The number of rows that a query is limited to.
int64 limit_of(const Query *query)
{
    return DatumGetInt64(reinterpret_cast<Const *>(query->limitCount)->constvalue);
}

List *outputs_of(Query *query)
{
    List *outputs = NIL;
    ListCell *cell;
    foreach (cell, query->targetList)
        outputs = lappend(outputs, lfirst_node(TargetEntry, cell)->expr);
    return outputs;
}

// The view's columns, as "v.name, ".
char *view_columns(Relation view)
{
    StringInfoData text;
    TupleDesc desc = RelationGetDescr(view);
    initStringInfo(&text);
    for (int i = 0; i < desc->natts; i++)
        appendStringInfo(&text, "v.%s, ", quote_identifier(NameStr(TupleDescAttr(desc, i)->attname)));
    return text.data;
}

// "u.c2, u.c1", as the query sorts.
char *order_of(Query *query)
{
    StringInfoData text;
    ListCell *cell;
    initStringInfo(&text);
    foreach (cell, query->sortClause)
        appendStringInfo(&text, "%su.c%d", text.len > 0 ? ", " : "",
                         get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList)->resno);
    return text.data;
}

// Makes clauses of the same columns sort as the query does.
void sort_alike(List *clauses, Query *query)
{
    ListCell *cell, *original;
    forboth (cell, clauses, original, query->sortClause) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        auto *as = static_cast<SortGroupClause *>(copyObjectImpl(lfirst(original)));
        as->tleSortGroupRef = clause->tleSortGroupRef;
        *clause = *as;
    }
}

// The view's rows and the signed ones, each image once: how often it was held, how often there is such a row now, and how
// many rows there are now that sort before it or like it, as far as they are known.
Query *known(Work *work)
{
    Query *query = work->analysis.query;
    int width = list_length(query->targetList);
    const char *view = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(work->view)),
                                                  RelationGetRelationName(work->view));
    Query *known = query::unchecked(
        sql_template::fill(
            "SELECT u.*, pg_catalog.sum(u.n) OVER (ORDER BY {order}) AS upto FROM"
            " (SELECT {columns}a.held, GREATEST(a.n, 0) AS n FROM"
            "  (SELECT r.*, pg_catalog.sum(r.w) OVER p AS n, pg_catalog.sum(r.h) OVER p AS held,"
            "   pg_catalog.row_number() OVER p AS i"
            "   FROM (SELECT {held}1, 1 FROM {view} v UNION ALL SELECT {joined}j.sign, 0 FROM {signed} j) r({names}w, h)"
            "   WINDOW p AS (PARTITION BY {images} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) a"
            "  WHERE a.i = 1) u",
            {{"order", order_of(query)},
             {"columns", sql_template::number_all("a.c#, ", width)},
             {"held", view_columns(work->view)},
             {"view", view},
             {"joined", sql_template::number_all("j.c#, ", width)},
             {"signed", row_names::joined_rows},
             {"names", sql_template::number_all("c#, ", width)},
             {"images", sql_template::number_all(", refresh_mv_internal.image(r.c#)", width) + strlen(", ")}}),
        work->environment);
    sort_alike(linitial_node(WindowClause, known->windowClause)->orderClause, query);
    return known;
}

// The touched groups' rows, of which there is no limit.
Query *touched_rows(Work *work)
{
    Query *rows = group_shape::select_rows(work->analysis.query, work->analysis.groups, row_names::groups, work->environment);
    query::forget_order(rows);
    rows->limitCount = nullptr;
    rows->limitOption = LIMIT_OPTION_COUNT;
    return rows;
}

// The same of groups: the touched ones as they are, and the view's rows, of which those of touched groups only tell up to
// where it went.
Query *known_groups(Work *work, const KeyShape &keys, const char *touched)
{
    constexpr char stale[] = "refresh_mv_stale";
    constexpr char fresh[] = "refresh_mv_touched_rows";
    Query *query = work->analysis.query;
    const char *view = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(work->view)),
                                                  RelationGetRelationName(work->view));
    char *names = sql_template::number_all(", c#", RelationGetDescr(work->view)->natts) + strlen(", ");
    work->run_and_show(key_shape::select_held(work->view, keys.keys, keys.nkeys, touched, work->environment), stale);
    Query *known = ephemeral_rows::over(
        sql_template::fill(
            "SELECT u.*, pg_catalog.sum(u.n) OVER (ORDER BY {order}) AS upto FROM"
            " (SELECT {held}1, CASE WHEN v.ctid = ANY (SELECT s.ctid FROM {stale} s) THEN 0 ELSE 1 END FROM {view} v"
            "  UNION ALL SELECT t.*, 0, 1 FROM {fresh} t({names})) u({names}, held, n)",
            {{"order", order_of(query)},
             {"held", view_columns(work->view)},
             {"stale", stale},
             {"view", view},
             {"fresh", fresh},
             {"names", names}}),
        fresh, touched_rows(work), work->environment);
    sort_alike(linitial_node(WindowClause, known->windowClause)->orderClause, query);
    return known;
}

// Whether enough rows are known up to the place of the old last one.
bool are_enough(Work *work)
{
    Datum enough;
    int64 limit = limit_of(work->analysis.query);
    const char *text = psprintf("SELECT coalesce(pg_catalog.sum(u.held), 0) < " INT64_FORMAT
                                " OR coalesce(pg_catalog.max(u.upto) FILTER (WHERE u.held > 0), 0) >= " INT64_FORMAT
                                " FROM %s u", limit, limit, known_rows);
    return work->planned
           || (query::single_value(query::unchecked(text, work->environment), &enough, work->environment)
               && DatumGetBool(enough));
}

// The first of the known rows, as the query limits them.
Query *first_of(Work *work)
{
    Query *query = work->analysis.query;
    char *columns = sql_template::number_all(", u.c#", list_length(query->targetList)) + strlen(", ");
    Query *first = query::unchecked(
        psprintf("SELECT %s FROM %s u, pg_catalog.generate_series(1, u.n) ORDER BY %s LIMIT 1", columns, known_rows,
                 order_of(query)),
        work->environment);
    sort_alike(first->sortClause, query);
    first->limitCount = static_cast<Node *>(copyObjectImpl(query->limitCount));
    first->limitOption = query->limitOption;
    return first;
}

} // namespace

namespace first_rows {

bool suit(const Work *work)
{
    if (!work->by_terms || work->keeps || !is_limited(work->analysis.query))
        return false;
    Query joined = *work->analysis.query;
    joined.limitCount = nullptr;
    return query::only_joins(&joined);
}

bool suit_groups(const Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    Query *query = work->analysis.query;
    bool shows_keys = shape.nkeys > 0;
    for (int i = 0; i < shape.nkeys; i++)
        shows_keys &= shape.keys[i].carried || shape.keys[i].output != 0;
    return shows_keys && !work->keeps && is_limited(query) && query->distinctClause == NIL && !query->hasWindowFuncs
           && !query->hasTargetSRFs && !checkExprHasSubLink(query->havingQual);
}

Query *of_groups(Work *work, const KeyShape &keys, const char *touched)
{
    work->run_and_show(known_groups(work, keys, touched), known_rows);
    return are_enough(work) ? first_of(work) : nullptr;
}

void find_scope(Work *work)
{
    int terms;
    Query *joined = signed_terms::joined_rows(work->analysis.query, work->analysis.anchoring, work->signs, work->passage,
                                              outputs_of(work->analysis.query), work->result(), work->environment, &terms);
    if (!work->run_affordable(joined, row_names::joined_rows) || !work->run_affordable(known(work), known_rows))
        return;
    if (!are_enough(work)) {
        work->refuse("rows have to come up from behind those that the view held");
        return;
    }
    Query *held = work->held_rows(nullptr, 0, nullptr);
    if (held == nullptr)
        return;
    work->scope.held = held;
    work->scope.fresh = first_of(work);
    work->scope.method = Method::keys;
}

} // namespace first_rows

} // namespace refresh_mv
