// The net of a view's groups: the partial aggregates of the joined rows that were gained, and of those
// that were lost.
//
// Where several tables have changed, a row that was there in neither state can come with both signs.
// That is nothing to counts and sums, nor to lists of extremes, which count.  What takes notice of single
// values (one extreme, distinct values) adds up the signs for each value first: apart, or where nothing else has to be known
// of the values, by an aggregate that does so itself (values/net_members.cpp).
#include "incremental/key_shape.hpp"
#include "incremental/key_text.hpp"
#include "incremental/net.hpp"
#include "query/query.hpp"
#include "query/sameness.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// How the net of a partial aggregate is found.  sum, count: in one pass.  extreme: by net values.  values: it is these
// values.  members: by net values, and a look which of them are there; count: if there is none to look for.
enum class Way { sum, count, extreme, values, members };

// The search for a net.
struct Search {
    Work *work;
    const GroupShape &shape;
    AttrNumber *columns; // of each partial aggregate's input in the joined rows; 0: it has none
    Query *joined;       // the joined rows; null: they are shown
    int terms;
    bool *clear; // of each partial aggregate: its values tell themselves how many members come and go
};

Way way_of(const Search &search, int number)
{
    const PartialAggregate &partial = search.shape.partials[number];
    switch (partial.kind) {
    case PartialKind::values:
        return Way::values;
    case PartialKind::members:
        return search.clear[number] ? Way::count : Way::members;
    case PartialKind::smallest:
    case PartialKind::largest:
        return search.terms > 1 ? Way::extreme : Way::sum;
    default:
        return Way::sum;
    }
}

// What is needed of each joined row: the keys, then the inputs.
List *expressions(Search *search)
{
    List *list = NIL;
    for (int i = 0; i < search->shape.nkeys; i++)
        list = lappend(list, search->shape.keys[i].expr);
    for (int i = 0; i < search->shape.npartials; i++) {
        Expr *input = group_shape::input(search->shape.partials[i]);
        if (input == nullptr)
            continue;
        list = lappend(list, input);
        search->columns[i] = static_cast<AttrNumber>(list_length(list));
    }
    return list;
}

// "t.c1 AS k1, t.c2 AS k2, ".
char *keys(const Search &search)
{
    return sql_template::number_all("t.c# AS k#, ", search.shape.nkeys);
}

// GROUP BY the keys, and more.
char *group_by(const Search &search, const char *more)
{
    char *list = sql_template::number_all("t.c#, ", search.shape.nkeys);
    if (*more == '\0' && *list != '\0')
        list[strlen(list) - 2] = '\0';
    return *list == '\0' && *more == '\0' ? pstrdup("") : psprintf(" GROUP BY %s%s", list, more);
}

// Parses a text that reads the joined rows as t.
Query *over_joined(const Search &search, const char *text)
{
    Query *query = query::unchecked(text, search.work->environment);
    if (search.joined != nullptr)
        ephemeral_rows::replace(query, row_names::joined_rows, search.joined);
    return query;
}

// "the sign is 1" or "the sign is -1", of joined rows.
Expr *sign_is(const Search &search, const char *test)
{
    const char *text = psprintf("SELECT FROM %s t WHERE t.sign %s", row_names::joined_rows, test);
    return reinterpret_cast<Expr *>(query::unchecked(text, search.work->environment)->jointree->quals);
}

// ", the members that have come AS a#, those that have gone AS b#" of all that are counted.
char *counts(const Search &search)
{
    StringInfoData columns;
    initStringInfo(&columns);
    for (int i = 0; i < search.shape.npartials; i++)
        if (way_of(search, i) == Way::count)
            appendStringInfo(&columns, ", refresh_mv_internal.members_gained(t.c%1$d, t.sign) AS a%2$d"
                             ", refresh_mv_internal.members_lost(t.c%1$d, t.sign) AS b%2$d", search.columns[i], i + 1);
    return columns.data;
}

// What is found in one pass over the joined rows: the numbers of rows, and whatever can be summed or counted.
Query *sums(const Search &search)
{
    Query *query = over_joined(
        search, sql_template::fill("SELECT {keys}coalesce(pg_catalog.sum(t.sign), 0)::pg_catalog.int8 AS n{counts}"
                                   " FROM {joined} t{group_by}",
                                   {{"keys", keys(search)},
                                    {"counts", counts(search)},
                                    {"joined", row_names::joined_rows},
                                    {"group_by", group_by(search, "")}}));
    Expr *gained = sign_is(search, "> 0");
    Expr *lost = sign_is(search, "< 0");
    for (int i = 0; i < search.shape.npartials; i++) {
        const PartialAggregate &partial = search.shape.partials[i];
        if (way_of(search, i) != Way::sum)
            continue;
        query::add_output(query, group_shape::over_column(partial, search.columns[i], gained), psprintf("a%d", i + 1));
        query::add_output(query, group_shape::over_column(partial, search.columns[i], lost), psprintf("b%d", i + 1));
    }
    return query;
}

// Each value of a partial aggregate in each group, with how many more rows have it now; told apart by more
// than the value's = if there is more.
Query *net_values(const Search &search, int partial, const char *more = "")
{
    const char *value = psprintf("t.c%d", search.columns[partial]);
    return over_joined(search,
                       sql_template::fill("SELECT {keys}{value} AS v, pg_catalog.sum(t.sign)::pg_catalog.int8 AS n"
                                          " FROM {joined} t WHERE {value} IS DISTINCT FROM NULL{group_by}"
                                          " HAVING pg_catalog.sum(t.sign) <> 0",
                                          {{"keys", keys(search)},
                                           {"value", value},
                                           {"joined", row_names::joined_rows},
                                           {"group_by", group_by(search, psprintf("%s%s", value, more))}}));
}

// What tells images of a partial aggregate's values apart, beside their =: 1.00 that has come does not make up
// for 1.0 that has gone.
const char *image(const Search &search, int partial)
{
    Query *query = search.work->analysis.query;
    return sameness::holds(query, group_shape::input(search.shape.partials[partial]))
               ? ""
               : psprintf(", pg_catalog.record_send(ROW(t.c%d))", search.columns[partial]);
}

// The extremes of the values that have come, and of those that have gone.
Query *extremes(const Search &search, int partial)
{
    const char *name = row_names::values(partial);
    Query *values = net_values(search, partial, image(search, partial));
    return ephemeral_rows::over(
        sql_template::fill("SELECT {keys}pg_catalog.{extreme}(u.v) FILTER (WHERE u.n > 0) AS a,"
                           " pg_catalog.{extreme}(u.v) FILTER (WHERE u.n < 0) AS b FROM {values} u{group_by}",
                           {{"keys", key_text::list(search.shape, "u.")},
                            {"extreme", search.shape.partials[partial].kind == PartialKind::smallest ? "min" : "max"},
                            {"values", name},
                            {"group_by", key_text::group_by(search.shape, "")}}),
        name, values, search.work->environment);
}

// The changes of the table of which a partial aggregate's values are the key; null if there are none, or values are
// something else.
const SignedChanges *changes_of_values(const Search &search, const PartialAggregate &members)
{
    Work *work = search.work;
    auto *var = castNode(Var, reinterpret_cast<Node *>(members.value));
    Instance *instance = instance::find(work->analysis.anchoring.instances, work->analysis.query, var->varno);
    const SignedChanges *signs = signed_terms::signs_of(work->signs, instance);
    if (signs == nullptr || signs->changes->bag || list_length(signs->changes->source->key) != 1)
        return nullptr;
    const char *key = static_cast<char *>(linitial(signs->changes->source->key));
    return get_attnum(instance->relation, key) == var->varattno ? signs : nullptr;
}

// The touched values, of rows u, of which it is not clear whether rows have them, before and now: those that are the key
// of a row that has come, or has gone, had none, or have none.
const char *unclear_values(const Search &search, const PartialAggregate &members, const char *touched)
{
    const SignedChanges *signs = changes_of_values(search, members);
    if (signs == nullptr)
        return psprintf("SELECT DISTINCT u.v AS k1 FROM %s u", touched);
    return sql_template::fill("SELECT x.k1 FROM (SELECT u.v AS k1, false AS signed FROM {touched} u"
                              " UNION ALL SELECT d.{key}, true FROM {signs} d) x GROUP BY x.k1"
                              " HAVING pg_catalog.bool_or(NOT x.signed)"
                              " AND pg_catalog.count(*) FILTER (WHERE x.signed) <> 1",
                              {{"touched", touched},
                               {"key", quote_identifier(static_cast<char *>(linitial(signs->changes->source->key)))},
                               {"signs", signs->rows.name}});
}

// The rows that have the unclear ones of the touched values of a partial aggregate now, counted; shown under a name.
// False if that is not affordable.
bool show_present(const Search &search, int partial, const char *touched, const char *name)
{
    const PartialAggregate &members = search.shape.partials[partial];
    Key key = {members.value, nullptr, 0, false};
    Query *query = search.work->query();

    search.work->run_and_show(query::unchecked(unclear_values(search, members, touched), search.work->environment),
                              row_names::redo);
    key_shape::restrict_to(query, &key, 1, row_names::redo, search.work->environment);
    group_shape::select_values(query, search.shape, members);
    return search.work->run_affordable(query, name);
}

// How many members groups have gained, and lost: those whose rows are all new, and those of which there are none.
// null if that is not affordable.
Query *members(const Search &search, int partial)
{
    const char *touched = row_names::values(partial);
    const char *present = row_names::now(touched);

    if (!search.work->run_affordable(net_values(search, partial), touched)
        || !show_present(search, partial, touched, present))
        return nullptr;
    return query::unchecked(
        sql_template::fill("SELECT {keys}pg_catalog.count(*) FILTER (WHERE p.n = u.n OR (p.n IS NULL AND u.n > 0)) AS a,"
                           " pg_catalog.count(*) FILTER (WHERE p.n IS NULL AND u.n < 0) AS b"
                           " FROM {touched} u LEFT JOIN {present} p ON p.v = u.v{same_keys}{group_by}",
                           {{"keys", key_text::list(search.shape, "u.")},
                            {"touched", touched},
                            {"present", present},
                            {"same_keys", key_text::same_by_hash(search.shape, "p", "u")},
                            {"group_by", key_text::group_by(search.shape, "")}}),
        search.work->environment);
}

// Joins what was found apart to the sums, with names for each.
Query *together(const Search &search, Query *sums, Query **apart)
{
    StringInfoData columns, joins;
    QueryEnvironment *environment = search.work->environment;
    auto name = [](int partial) { return psprintf("refresh_mv_apart_%d", partial + 1); };

    initStringInfo(&columns);
    initStringInfo(&joins);
    ephemeral_rows::stand_in(environment, "refresh_mv_sums", sums);
    for (int i = 0; i < search.shape.npartials; i++) {
        if (way_of(search, i) == Way::sum || way_of(search, i) == Way::count)
            appendStringInfoString(&columns, sql_template::number(", u.a#, u.b#", i + 1));
        if (apart[i] == nullptr)
            continue;
        const char *alias = psprintf("x%d", i + 1);
        ephemeral_rows::stand_in(environment, name(i), apart[i]);
        appendStringInfoString(&columns, sql_template::number(", x#.a AS a#, x#.b AS b#", i + 1));
        appendStringInfo(&joins, " LEFT JOIN %s %s ON true%s", name(i), alias, key_text::same_by_hash(search.shape, alias, "u"));
    }
    Query *query = query::unchecked(psprintf("SELECT %su.n%s FROM refresh_mv_sums u%s",
                                             key_text::list(search.shape, "u."), columns.data, joins.data),
                                    environment);
    ephemeral_rows::replace(query, "refresh_mv_sums", sums);
    for (int i = 0; i < search.shape.npartials; i++)
        if (apart[i] != nullptr)
            ephemeral_rows::replace(query, name(i), apart[i]);
    return query;
}

// Finds the joined rows: as a query if they are read once, or else as rows. False if that is not affordable.
bool find_joined(Search *search)
{
    Work *work = search->work;
    bool once = true;
    search->joined = signed_terms::joined_rows(work->analysis.query, work->analysis.anchoring, work->signs, work->passage,
                                               expressions(search), work->result(), work->environment, &search->terms);
    for (int i = 0; i < search->shape.npartials; i++)
        once &= way_of(*search, i) == Way::sum;
    if (once) {
        ephemeral_rows::stand_in(work->environment, row_names::joined_rows, search->joined);
        return true;
    }
    bool affordable = work->run_affordable(search->joined, row_names::joined_rows);
    search->joined = nullptr;
    return affordable;
}

// Whether there is no unclear one among the values of the joined rows, and memory for these.  (Of what is only planned it
// is not known; most changes are of rows that come, or go, as a whole.)
bool is_clear(const Search &search, int partial)
{
    constexpr double bytes_each = 64;
    const PartialAggregate &members = search.shape.partials[partial];
    Work *work = search.work;
    double rows = static_cast<double>(ephemeral_rows::shown(work->environment, row_names::joined_rows).count);
    const SignedChanges *signs = changes_of_values(search, members);
    if (signs == nullptr || rows * bytes_each > maintenance_work_mem * 1024.0)
        return false;
    if (signs->rows.count > signs->changes->rows.count)
        return false; // some have been changed, not come or gone
    if (work->planned)
        return true;
    const char *values = psprintf("(SELECT t.c%1$d AS v FROM %2$s t WHERE t.c%1$d IS DISTINCT FROM NULL)", search.columns[partial],
                                  row_names::joined_rows);
    work->run_and_show(query::unchecked(unclear_values(search, members, values), work->environment), row_names::redo);
    return ephemeral_rows::shown(work->environment, row_names::redo).count == 0;
}

} // namespace

Net net_by_terms::find(Work *work)
{
    const GroupShape &shape = work->analysis.groups;
    auto count = static_cast<size_t>(shape.npartials) + 1;
    Search search = {work, shape, static_cast<AttrNumber *>(palloc0(sizeof(AttrNumber) * count)), nullptr, 0,
                     static_cast<bool *>(palloc0(sizeof(bool) * count))};
    auto **apart = static_cast<Query **>(palloc0(sizeof(Query *) * count));
    Net net = {nullptr, static_cast<Query **>(palloc0(sizeof(Query *) * count))};
    bool in_one_pass = true;

    if (!find_joined(&search))
        return {};
    for (int i = 0; i < shape.npartials; i++)
        search.clear[i] = shape.partials[i].kind == PartialKind::members && is_clear(search, i);
    for (int i = 0; i < shape.npartials; i++) {
        Way way = way_of(search, i);
        if (way == Way::values)
            net.values[i] = net_values(search, i);
        if (way == Way::extreme)
            apart[i] = extremes(search, i);
        if (way == Way::members && (apart[i] = members(search, i)) == nullptr)
            return {};
        in_one_pass &= apart[i] == nullptr;
    }
    net.partials = in_one_pass ? sums(search) : together(search, sums(search), apart);
    return net;
}

} // namespace refresh_mv
