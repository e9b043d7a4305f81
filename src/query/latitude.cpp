#include "query/latitude.hpp"

#include "query/ambiguity.hpp"
#include "query/query.hpp"
#include "query/sameness.hpp"
#include "query/shape.hpp"

#include <initializer_list>

namespace refresh_mv::latitude {

// A query level, those that it reads, and the grouping expressions whose equal values may
// look different.
struct Level {
    Query *query;
    Latitude **inner; // by entry of the range table; null: values are what they are
    List *labels;
};

static Latitude of_level(Query *query, bool outermost);

static Likeness of_var(const Level *level, const Var *var)
{
    const Latitude *inner = var->varlevelsup == 0 ? level->inner[var->varno - 1] : nullptr;
    if (inner == nullptr)
        return Likeness::same;
    if (var->varattno <= 0 || var->varattno > inner->count)
        return Likeness::any;
    return inner->columns[var->varattno - 1];
}

static Likeness of_aggregate(const Level *level, Aggref *aggregate);

// Whether a window function gives rows that sort alike the same: those that rank do, and
// aggregates whose order does not matter unless their frame ends between such rows.
static bool treats_peers_alike(const Level *level, const WindowFunc *function)
{
    auto *window = list_nth_node(WindowClause, level->query->windowClause, static_cast<int>(function->winref) - 1);
    const char *name = get_func_name(function->winfnoid);
    if (function->winfnoid >= FirstGenbkiObjectId)
        return false;
    for (const char *known : {"rank", "dense_rank", "percent_rank", "cume_dist"})
        if (strcmp(name, known) == 0)
            return true;
    return function->winagg && !(window->frameOptions & FRAMEOPTION_ROWS) && !ambiguity::depends_on_order(function->winfnoid);
}

static Likeness of_window_function(const Level *level, const WindowFunc *function)
{
    const char *name = get_func_name(function->winfnoid);
    bool numbers = strcmp(name, "row_number") == 0 || strcmp(name, "ntile") == 0;
    if (function->winfnoid < FirstGenbkiObjectId && numbers)
        return Likeness::shuffled;
    return treats_peers_alike(level, function) ? Likeness::same : Likeness::any;
}

static bool is_label(const Level *level, Node *node)
{
    ListCell *cell;
    foreach (cell, level->labels)
        if (equal(node, lfirst(cell)))
            return true;
    return false;
}

// Whether a subquery in an expression reads columns of the level that may be others.
static bool reads_what_varies(const Level *level, Node *link)
{
    ListCell *cell;
    List *vars = pull_vars_of_level(link, 0);
    foreach (cell, vars) {
        auto *var = static_cast<Var *>(copyObjectImpl(lfirst(cell)));
        var->varlevelsup = 0;
        if (of_var(level, var) != Likeness::same)
            return true;
    }
    return vars != NIL && level->labels != NIL;
}

// Whether any part of an expression may be another one in another right answer.
static bool varies(Node *node, void *context)
{
    auto *level = static_cast<Level *>(context);
    if (node == nullptr)
        return false;
    if (is_label(level, node))
        return true;
    if (IsA(node, Var))
        return of_var(level, reinterpret_cast<Var *>(node)) != Likeness::same;
    if (IsA(node, Aggref))
        return of_aggregate(level, reinterpret_cast<Aggref *>(node)) != Likeness::same;
    if (IsA(node, WindowFunc)
        && of_window_function(level, reinterpret_cast<WindowFunc *>(node)) != Likeness::same)
        return true;
    if (IsA(node, SubLink))
        return ambiguity::of_expression(level->query, node) != nullptr || reads_what_varies(level, node);
    if (IsA(node, Query))
        return false; // its own expressions; what it can be has been looked at
    return expression_tree_walker(node, pg::walker(varies), context);
}

// An aggregate without ORDER BY whose result is made of its rows' texts.
static bool is_made_of_pieces(const Aggref *aggregate)
{
    const char *name = get_func_name(aggregate->aggfnoid);
    if (aggregate->aggfnoid >= FirstGenbkiObjectId)
        return false;
    if (strcmp(name, "string_agg") == 0)
        return IsA(lsecond_node(TargetEntry, aggregate->args)->expr, Const);
    for (const char *known : {"array_agg", "json_agg", "jsonb_agg", "json_object_agg", "xmlagg"})
        if (strcmp(name, known) == 0)
            return true;
    return false;
}

static Likeness of_aggregate(const Level *level, Aggref *aggregate)
{
    const char *name = get_func_name(aggregate->aggfnoid);
    bool counts = aggregate->aggfnoid < FirstGenbkiObjectId && strcmp(name, "count") == 0;
    Level below = {level->query, level->inner, NIL}; // it sees rows, not groups
    Level *context = &below;

    if (varies(reinterpret_cast<Node *>(aggregate->aggfilter), context)
        || varies(reinterpret_cast<Node *>(aggregate->aggdirectargs), context)
        || (!counts && varies(reinterpret_cast<Node *>(aggregate->args), context)))
        return Likeness::any;
    if (counts)
        return Likeness::same;
    bool has_image = sameness::holds(level->query, reinterpret_cast<Expr *>(aggregate));
    bool sums_equals = aggregate->aggfnoid == F_SUM_NUMERIC && aggregate->aggdistinct != NIL && !has_image;
    if (ambiguity::is_extreme_of_labels(level->query, aggregate) || sums_equals)
        return Likeness::equal;
    if (aggregate->aggfnoid >= FirstGenbkiObjectId && aggregate->aggorder == NIL)
        return Likeness::any; // nobody knows
    if (ambiguity::of_expression(level->query, reinterpret_cast<Node *>(aggregate)) == nullptr)
        return aggregate->aggdistinct == NIL || has_image ? Likeness::same : Likeness::any;
    if (is_made_of_pieces(aggregate))
        return Likeness::pieces;
    bool sums = aggregate->aggfnoid == F_SUM_FLOAT4 || aggregate->aggfnoid == F_SUM_FLOAT8
                || aggregate->aggfnoid == F_AVG_FLOAT4 || aggregate->aggfnoid == F_AVG_FLOAT8;
    return sums ? Likeness::rounded : Likeness::any;
}

// What an output expression is like.
static Likeness of_output(const Level *level, Node *expr)
{
    if (IsA(expr, Var) && of_var(level, reinterpret_cast<Var *>(expr)) != Likeness::same)
        return of_var(level, reinterpret_cast<Var *>(expr));
    if (is_label(level, expr))
        return Likeness::equal;
    if (IsA(expr, Aggref))
        return of_aggregate(level, reinterpret_cast<Aggref *>(expr));
    auto *function = reinterpret_cast<WindowFunc *>(expr);
    if (IsA(expr, WindowFunc) && of_window_function(level, function) != Likeness::same)
        return of_window_function(level, function);
    return varies(expr, const_cast<Level *>(level)) ? Likeness::any : Likeness::same;
}

// Whether what a level reads has rows that cannot be told.
static bool reads_uncertain_rows(const Level *level)
{
    for (int i = 0; i < list_length(level->query->rtable); i++)
        if (level->inner[i] != nullptr && (level->inner[i]->rows || level->inner[i]->chosen))
            return true;
    return false;
}

static bool has_any(const Latitude *latitude)
{
    for (int i = 0; i < latitude->count; i++)
        if (latitude->columns[i] != Likeness::same)
            return true;
    return latitude->rows || latitude->chosen;
}

// What a level reads.  A CTE of a query around it, or a recursive one, is not looked into.
static Latitude **read_inner(Query *query)
{
    auto **inner = static_cast<Latitude **>(palloc0(sizeof(Latitude *) * (list_length(query->rtable) + 1)));
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        bool shared;
        Query *below = shape::subquery_of(query, rte, &shared);
        if (below == nullptr && rte->rtekind != RTE_CTE)
            continue;
        auto *latitude = static_cast<Latitude *>(palloc0(sizeof(Latitude)));
        if (below != nullptr)
            *latitude = of_level(below, false);
        else
            latitude->rows = true;
        inner[foreach_current_index(cell)] = latitude;
    }
    // What a lateral subquery reads of others is not looked at.
    foreach (cell, query->rtable)
        if (lfirst_node(RangeTblEntry, cell)->lateral)
            for (int i = 0; i < list_length(query->rtable); i++)
                if (inner[i] != nullptr && has_any(inner[i]))
                    inner[i]->rows = true;
    return inner;
}

// The expressions of the given clauses whose equal values may look different.
static List *labels_of(Query *query, List *clauses)
{
    List *labels = NIL;
    ListCell *cell;
    foreach (cell, clauses) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        TargetEntry *entry = get_sortgroupclause_tle(clause, query->targetList);
        Node *expr = pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr)));
        if (OidIsValid(clause->eqop)
            && !sameness::holds(query, clause->eqop, reinterpret_cast<Expr *>(expr)))
            labels = lappend(labels, expr);
    }
    return labels;
}

// Whether values by which rows are joined, filtered or grouped may be others.
static bool decides_by_what_varies(Level *level)
{
    Query *query = level->query;
    List *labels = level->labels;
    ListCell *cell;

    level->labels = NIL; // above a grouping, its labels decide nothing
    bool found = varies(pg::flatten(query, static_cast<Node *>(copyObjectImpl(query->jointree))), level);
    foreach (cell, list_concat_copy(query->groupClause, query->distinctClause)) {
        TargetEntry *entry = get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList);
        Node *expr = pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr)));
        Likeness likeness = of_output(level, expr);
        found |= likeness != Likeness::same && likeness != Likeness::equal;
    }
    foreach (cell, query->windowClause) {
        auto *window = lfirst_node(WindowClause, cell);
        ListCell *part;
        foreach (part, list_concat_copy(window->partitionClause, window->orderClause)) {
            TargetEntry *entry = get_sortgroupclause_tle(lfirst_node(SortGroupClause, part), query->targetList);
            found |= varies(pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr))), level);
        }
    }
    level->labels = labels;
    return found || varies(pg::flatten(query, static_cast<Node *>(copyObjectImpl(query->havingQual))), level);
}

static int columns_of(Query *query)
{
    int count = 0;
    ListCell *cell;
    foreach (cell, query->targetList)
        if (!lfirst_node(TargetEntry, cell)->resjunk)
            count = Max(count, lfirst_node(TargetEntry, cell)->resno);
    return count;
}

// Takes over what the arms of a set operation are like.
static void add_arms(Query *query, Latitude *latitude)
{
    ListCell *cell;
    bool all = ambiguity::is_union_all(query->setOperations);
    foreach (cell, shape::arms(query)) {
        Latitude arm = of_level(lfirst_node(Query, cell), false);
        latitude->rows |= arm.rows || arm.chosen;
        for (int i = 0; i < latitude->count; i++) {
            latitude->columns[i] = Max(latitude->columns[i], i < arm.count ? arm.columns[i] : Likeness::any);
            latitude->rows |= !all && latitude->columns[i] > Likeness::equal;
        }
    }
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!all && !entry->resjunk && !sameness::holds(query, entry->expr))
            latitude->columns[entry->resno - 1] = Max(latitude->columns[entry->resno - 1], Likeness::equal);
    }
}

static void add_outputs(Query *query, Latitude *latitude)
{
    Level level = {query, read_inner(query), NIL};
    ListCell *cell;

    level.labels = list_concat(labels_of(query, query->groupClause), labels_of(query, query->distinctClause));
    latitude->rows = reads_uncertain_rows(&level) || decides_by_what_varies(&level);
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        Node *expr = pg::flatten(query, static_cast<Node *>(copyObjectImpl(entry->expr)));
        if (!entry->resjunk)
            latitude->columns[entry->resno - 1] = of_output(&level, expr);
    }
    // Sets that are made of what varies may be of other sizes.
    latitude->rows |= query->hasTargetSRFs && has_any(latitude);
}

// Whether rows of a level are taken from several that sort alike, and by which columns.
static void add_choice(Query *query, Latitude *latitude)
{
    ListCell *cell;
    latitude->chosen = ambiguity::is_cut(query) || query->hasDistinctOn;
    List *clauses = query->sortClause != NIL ? query->sortClause : query->distinctClause;
    foreach (cell, latitude->chosen ? clauses : NIL) {
        TargetEntry *entry = get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList);
        if (!entry->resjunk)
            latitude->sorted[entry->resno - 1] = true;
    }
}

static Latitude of_level(Query *query, bool outermost)
{
    Latitude latitude{};
    check_stack_depth();
    latitude.count = columns_of(query);
    latitude.columns = static_cast<Likeness *>(palloc0(sizeof(Likeness) * (latitude.count + 1)));
    latitude.sorted = static_cast<bool *>(palloc0(sizeof(bool) * (latitude.count + 1)));
    if (query->setOperations)
        add_arms(query, &latitude);
    else
        add_outputs(query, &latitude);
    add_choice(query, &latitude);
    // How much is added up below is not known, nor can numbers be told from each other.
    for (int i = 0; i < latitude.count && (!outermost || query->setOperations); i++)
        if (latitude.columns[i] == Likeness::rounded || latitude.columns[i] == Likeness::shuffled)
            latitude.columns[i] = Likeness::any;
    // Rows that are sorted by what varies are others.
    for (int i = 0; i < latitude.count; i++)
        latitude.rows |= latitude.sorted[i] && latitude.columns[i] > Likeness::equal;
    return latitude;
}

Latitude find(Query *query)
{
    return of_level(static_cast<Query *>(copyObjectImpl(query)), true);
}

void unchoose(Query *query)
{
    query->limitCount = query->limitOffset = nullptr;
    if (query->hasDistinctOn)
        query->distinctClause = NIL;
    query->hasDistinctOn = false;
}

void take_magnitudes(Query *query, const Latitude &latitude)
{
    ListCell *cell;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resjunk || latitude.columns[entry->resno - 1] != Likeness::rounded)
            continue;
        TargetEntry *added = linitial_node(TargetEntry, castNode(Aggref, entry->expr)->args);
        Oid type = exprType(reinterpret_cast<Node *>(added->expr));
        added->expr = reinterpret_cast<Expr *>(makeFuncExpr(type == FLOAT4OID ? F_ABS_FLOAT4 : F_ABS_FLOAT8, type,
                                                            list_make1(added->expr), InvalidOid, InvalidOid,
                                                            COERCE_EXPLICIT_CALL));
    }
    auto last = static_cast<AttrNumber>(list_length(query->targetList) + 1);
    query->targetList = lappend(query->targetList,
                                makeTargetEntry(query::count_rows(), last, pstrdup("count"), false));
}

} // namespace refresh_mv::latitude
