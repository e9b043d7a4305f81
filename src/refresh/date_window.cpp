#include "refresh/date_window.hpp"

#include "query/nullness.hpp"
#include "query/query.hpp"
#include "tracking/distributed.hpp"

namespace refresh_mv {

namespace {

constexpr int farthest_step = 1 << 17; // days; some 350 years

using date_window::ordinal;

// The start of the day that lies so many days before current_date.
Datum day_start(Oid type, int days)
{
    Datum day = DateADTGetDatum(GetSQLCurrentDate() - days);
    if (type == TIMESTAMPOID)
        return DirectFunctionCall1(date_timestamp, day);
    if (type == TIMESTAMPTZOID)
        return DirectFunctionCall1(date_timestamptz, day);
    return day;
}

Const *make_date_const(Oid type, Datum value)
{
    return makeConst(type, -1, InvalidOid, type == DATEOID ? sizeof(DateADT) : sizeof(Timestamp),
                     value, false, true);
}

// Evaluates an expression without Vars; null where the result is NULL or not
// of a date type, or where the expression does not stay the same within a
// statement.
Const *evaluate(Node *expr)
{
    if (contain_volatile_functions(expr) || contain_subplans(expr) || contain_var_clause(expr))
        return nullptr;
    expr = eval_const_expressions(nullptr, expr);
    Oid type = shape::date_type(exprType(expr));
    if (!OidIsValid(type))
        return nullptr;
    if (!IsA(expr, Const))
        expr = reinterpret_cast<Node *>(
            evaluate_expr(reinterpret_cast<Expr *>(expr), exprType(expr), -1, InvalidOid));
    auto *value = castNode(Const, expr);
    return value->constisnull ? nullptr : make_date_const(type, value->constvalue);
}

// ---- the bucket of a day ----

struct Substitution {
    Query *query;
    int days;
    bool failed;
};

Const *column_at(Query *query, AttrNumber attno, int days);

// What a column of a base relation or of a subquery is on that day.
Const *var_at(Query *query, Var *var, int days)
{
    bool shared;
    if (var->varlevelsup != 0 || var->varattno <= 0)
        return nullptr;
    RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
    Query *inner = shape::subquery_of(query, rte, &shared);
    if (inner != nullptr)
        return column_at(inner, var->varattno, days);
    if (rte->rtekind == RTE_CTE)
        return nullptr; // of an outer query, or recursive
    Oid type = shape::date_type(var->vartype);
    return OidIsValid(type) ? make_date_const(type, day_start(type, days)) : nullptr;
}

Node *substitute(Node *node, void *data)
{
    auto *context = static_cast<Substitution *>(data);
    if (node == nullptr)
        return nullptr;
    if (IsA(node, Var)) {
        Const *value = var_at(context->query, reinterpret_cast<Var *>(node), context->days);
        if (value == nullptr) {
            context->failed = true;
            return node;
        }
        return reinterpret_cast<Node *>(value);
    }
    return expression_tree_mutator(node, pg::mutator(substitute), data);
}

// Whether a column of a query is the same in all its rows.
bool is_fixed(Query *query, AttrNumber attno)
{
    return query->setOperations == nullptr && !contain_var_clause(shape::column_expression(query, attno));
}

// The least value that the arms of a set operation give, those left out in which it is fixed if there are others:
// all their rows are in the window, or none.
Const *arms_at(Query *query, AttrNumber attno, int days)
{
    Const *least = nullptr;
    bool least_is_fixed = false;
    ListCell *cell;

    foreach (cell, shape::arms(query)) {
        auto *arm = lfirst_node(Query, cell);
        bool fixed = is_fixed(arm, attno);
        Const *value = column_at(arm, attno, days);
        if (value == nullptr || (least != nullptr && least->consttype != value->consttype))
            return nullptr;
        if (least == nullptr || fixed < least_is_fixed
            || (fixed == least_is_fixed
                && ordinal(value->consttype, value->constvalue) < ordinal(least->consttype, least->constvalue))) {
            least = value;
            least_is_fixed = fixed;
        }
    }
    return least;
}

// An output column evaluated with every date below it at the start of that
// day; null where that is not possible.
Const *column_at(Query *query, AttrNumber attno, int days)
{
    check_stack_depth();
    if (query->setOperations)
        return arms_at(query, attno, days);
    Substitution context = {query, days, false};
    Node *expr = substitute(shape::column_expression(query, attno), &context);
    return context.failed ? nullptr : evaluate(expr);
}

// ---- implied ranges ----

// The argument in which a function never decreases when that argument
// increases, the others being constant; -1 if it is not known for that.  Time
// zones may turn local time back by a day at most.
int monotone_argument(Oid function)
{
    switch (function) {
    case F_DATE_TIMESTAMP:
    case F_DATE_TIMESTAMPTZ:
    case F_TIMESTAMP_DATE:
    case F_TIMESTAMP_TIMESTAMPTZ:
    case F_TIMESTAMPTZ_DATE:
    case F_TIMESTAMPTZ_TIMESTAMP:
    case F_TIMESTAMP_TIMESTAMP_INT4:
    case F_TIMESTAMPTZ_TIMESTAMPTZ_INT4:
    case F_TIMESTAMP_PL_INTERVAL:
    case F_TIMESTAMP_MI_INTERVAL:
    case F_TIMESTAMPTZ_PL_INTERVAL:
    case F_TIMESTAMPTZ_MI_INTERVAL:
    case F_DATE_PL_INTERVAL:
    case F_DATE_MI_INTERVAL:
    case F_DATE_PLI:
    case F_DATE_MII:
        return 0;
    case F_DATE_TRUNC_TEXT_TIMESTAMP:
    case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
    case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
    case F_DATE_BIN_INTERVAL_TIMESTAMP_TIMESTAMP:
    case F_DATE_BIN_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ:
    case F_TIMEZONE_TEXT_TIMESTAMP:
    case F_TIMEZONE_TEXT_TIMESTAMPTZ:
    case F_TIMEZONE_INTERVAL_TIMESTAMP:
    case F_TIMEZONE_INTERVAL_TIMESTAMPTZ:
        return 1;
    default:
        return -1;
    }
}

// A constant that keeps a function monotone: not NULL, and no months, whose
// lengths differ.
bool keeps_order(Node *node)
{
    if (!IsA(node, Const) || reinterpret_cast<Const *>(node)->constisnull)
        return false;
    auto *value = reinterpret_cast<Const *>(node);
    return value->consttype != INTERVALOID || DatumGetIntervalP(value->constvalue)->month == 0;
}

// The one column that a bucket expression rises with, or null; *zoned tells
// whether time zones have a part in it.
Var *bucketed_column(Node *node, bool *zoned)
{
    Oid function;
    List *args;
    ListCell *cell;

    check_stack_depth();
    *zoned |= exprType(node) == TIMESTAMPTZOID;
    if (IsA(node, Var)) {
        auto *var = reinterpret_cast<Var *>(node);
        bool plain = var->varlevelsup == 0 && var->varattno > 0
                     && var->vartype == shape::date_type(var->vartype);
        return plain ? var : nullptr;
    }
    if (IsA(node, RelabelType))
        return bucketed_column(reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(node)->arg),
                               zoned);
    if (IsA(node, FuncExpr)) {
        function = reinterpret_cast<FuncExpr *>(node)->funcid;
        args = reinterpret_cast<FuncExpr *>(node)->args;
    } else if (IsA(node, OpExpr)) {
        set_opfuncid(reinterpret_cast<OpExpr *>(node));
        function = reinterpret_cast<OpExpr *>(node)->opfuncid;
        args = reinterpret_cast<OpExpr *>(node)->args;
    } else
        return nullptr;

    int rising = monotone_argument(function);
    if (rising < 0)
        return nullptr;
    foreach (cell, args)
        if (foreach_current_index(cell) != rising && !keeps_order(static_cast<Node *>(lfirst(cell))))
            return nullptr;
    return bucketed_column(static_cast<Node *>(list_nth(args, rising)), zoned);
}

// Replaces every Var by the given constant.
Node *replace_var(Node *node, void *value)
{
    if (node == nullptr)
        return nullptr;
    if (IsA(node, Var))
        return static_cast<Node *>(value);
    return expression_tree_mutator(node, pg::mutator(replace_var), value);
}

// The bound of a window, as add_ranges() hands it down: where it starts, or, as an upper one, before what it ends.
struct Bound {
    Oid type;
    Datum value;
    int days; // from its day to the present one
    bool with_undated;
    bool upper;
};

// A value of the column that lies below every value whose bucket is in the
// window, or above for an upper bound; false if none is found.  With monotone expressions it is any value
// whose own bucket is outside, found by going on in doubling steps;
// where time zones have a part, two days more make up for turned clocks.
bool beyond_window(Node *expr, Oid type, bool zoned, const Bound &window, Datum *bound)
{
    int64 unit = type == DATEOID ? 1 : USECS_PER_DAY;
    int64 first = ordinal(type, day_start(type, window.days));
    int64 limit = ordinal(window.type, window.value);
    int64 direction = window.upper ? 1 : -1;

    for (int64 step = 0; step <= farthest_step; step = Max(step * 2, 1)) {
        int64 value = first + direction * Max(step * unit, 1);
        Datum candidate = type == DATEOID ? DateADTGetDatum(static_cast<DateADT>(value))
                                          : TimestampGetDatum(value);
        Const *bucket = evaluate(replace_var(expr, make_date_const(type, candidate)));
        if (bucket == nullptr || bucket->consttype != window.type)
            return false;
        int64 found = ordinal(window.type, bucket->constvalue);
        if (window.upper ? found >= limit : found < limit) {
            value += zoned ? direction * 2 * unit : 0;
            *bound = type == DATEOID ? DateADTGetDatum(static_cast<DateADT>(value))
                                     : TimestampGetDatum(value);
            return true;
        }
    }
    return false;
}

// A condition, or that the operand is NULL.
Node *or_null(Node *condition, Expr *operand)
{
    NullTest *test = makeNode(NullTest);
    test->arg = operand;
    test->nulltesttype = IS_NULL;
    test->location = -1;
    return reinterpret_cast<Node *>(makeBoolExpr(OR_EXPR, list_make2(condition, test), -1));
}

// An operand compared with a value.
Expr *comparison(Expr *operand, StrategyNumber strategy, Oid type, Datum value)
{
    TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
    Oid op = get_opfamily_member(cache->btree_opf, type, type, strategy);
    Expr *clause = make_opclause(op, BOOLOID, false, operand,
                                 reinterpret_cast<Expr *>(make_date_const(type, value)), InvalidOid,
                                 InvalidOid);
    set_opfuncid(reinterpret_cast<OpExpr *>(clause));
    return clause;
}

// Adds column >= bound, or <= one from above, to a query's conditions.
void add_range(Query *query, Var *var, Datum bound, const Bound &window)
{
    StrategyNumber strategy = window.upper ? BTLessEqualStrategyNumber : BTGreaterEqualStrategyNumber;
    Node *range = reinterpret_cast<Node *>(
        comparison(static_cast<Expr *>(copyObjectImpl(var)), strategy, var->vartype, bound));
    if (window.with_undated)
        range = or_null(range, static_cast<Expr *>(copyObjectImpl(var)));
    query->jointree->quals = make_and_qual(query->jointree->quals, range);
}

// Whether the condition on a column has to stand beside it to be of use: Citus computes what groups by other columns than
// the table is distributed by before the planner could push the condition down there.
bool is_sent_as_it_stands(const RangeTblEntry *rte, const Var *var, Oid type)
{
    return rte->rtekind == RTE_RELATION && var->vartype == type && distributed::is(rte->relid);
}

// Adds to a query the range that attno >= start (or NULL), or attno < end, implies on the column below
// a bucket expression, or goes down to the subquery that has the expression.  Not to one
// on the nullable side of a join if rows without a date are wanted: those that a range
// removes there would come back without one.
void add_ranges(Query *query, AttrNumber attno, const Bound &window)
{
    ListCell *cell;

    check_stack_depth();
    foreach (cell, shape::arms(query))
        add_ranges(lfirst_node(Query, cell), attno, window);
    if (query->setOperations)
        return;
    Node *expr = pg::flatten_groups(
        query, static_cast<Node *>(copyObjectImpl(get_tle_by_resno(query->targetList, attno)->expr)));
    if (shape::date_type(exprType(expr)) != window.type)
        return;
    if (IsA(expr, Var)) {
        auto *var = reinterpret_cast<Var *>(expr);
        bool shared;
        RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
        Query *inner = shape::subquery_of(query, rte, &shared);
        bool outer = window.with_undated && nullness::on_nullable_side(query, var->varno);
        if (inner != nullptr && !shared && !outer)
            add_ranges(inner, var->varattno, window);
        else if (is_sent_as_it_stands(rte, var, window.type))
            add_range(query, var, window.value, window);
        return;
    }

    expr = eval_const_expressions(nullptr, expr);
    bool zoned = false;
    Var *var = bucketed_column(expr, &zoned);
    Datum bound;
    // The alias of a join may stand for more than a column.
    if (var == nullptr || rt_fetch(var->varno, query->rtable)->rtekind == RTE_JOIN)
        return;
    if (!beyond_window(expr, var->vartype, zoned, window, &bound))
        return;
    add_range(query, var, bound, window);
}

} // namespace

namespace date_window {

// The column of the view (varno 1), as a value of its base type.
static Expr *column_of(Relation view, WindowColumn column)
{
    Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(view), column.attno - 1);
    auto *var = reinterpret_cast<Expr *>(
        makeVar(1, column.attno, attr->atttypid, attr->atttypmod, attr->attcollation, 0));
    if (attr->atttypid == column.type)
        return var;
    return reinterpret_cast<Expr *>(
        makeRelabelType(var, column.type, -1, InvalidOid, COERCE_IMPLICIT_CAST));
}

// The greatest value of the column below a bound, by strategy (less, or less or
// equal); false where there is none.
static bool greatest(Relation view, WindowColumn column, StrategyNumber strategy, Datum bound,
                     Datum *value)
{
    const char *name = quote_identifier(
        NameStr(TupleDescAttr(RelationGetDescr(view), column.attno - 1)->attname));
    const char *from = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)),
                                                  RelationGetRelationName(view));
    Query *query = query::unchecked(psprintf("SELECT pg_catalog.max(v.%s::%s) FROM %s v", name,
                                             format_type_be_qualified(column.type), from));
    query->jointree->quals = reinterpret_cast<Node *>(
        comparison(column_of(view, column), strategy, column.type, bound));
    return query::single_value(query, value);
}

// The lesser of two values.
static Datum earlier(Oid type, Datum a, Datum b)
{
    return ordinal(type, a) < ordinal(type, b) ? a : b;
}

// The greatest value in the view up to a day, or -infinity.
static Datum last_value_up_to(Relation view, WindowColumn column, Datum day)
{
    Datum value;
    if (greatest(view, column, BTLessEqualStrategyNumber, day, &value))
        return value;
    return column.type == DATEOID ? DateADTGetDatum(DATEVAL_NOBEGIN) : TimestampGetDatum(DT_NOBEGIN);
}

bool start(Relation view, Query *query, WindowColumn column, int days, Datum *start)
{
    Const *bucket = column_at(query, column.attno, days);
    Datum day = day_start(column.type, days);

    if (bucket == nullptr || bucket->consttype != column.type)
        return false;
    *start = earlier(column.type, earlier(column.type, bucket->constvalue, day),
                     last_value_up_to(view, column, day));
    return true;
}

Node *condition(Relation view, WindowColumn column, Datum start, bool with_undated)
{
    auto *condition = reinterpret_cast<Node *>(
        comparison(column_of(view, column), BTGreaterEqualStrategyNumber, column.type, start));
    return with_undated ? or_null(condition, column_of(view, column)) : condition;
}

void add_implied_ranges(Query *query, WindowColumn column, Datum start, int days, bool with_undated)
{
    // The view's own definition was found pushable; ordinary views in it, which
    // are subqueries by now, may not be.
    if (shape::pushable(query, column.attno))
        add_ranges(query, column.attno, {column.type, start, days, with_undated, false});
}

// How many days a value lies before the present one.
static int days_ago(Oid type, Datum value)
{
    return GetSQLCurrentDate() - as_date(type, value);
}

void add_implied_ranges(Query *query, WindowColumn column, const Datum *start, const Datum *end)
{
    if (!shape::pushable(query, column.attno))
        return;
    if (start != nullptr)
        add_ranges(query, column.attno, {column.type, *start, days_ago(column.type, *start), false, false});
    if (end != nullptr)
        add_ranges(query, column.attno, {column.type, *end, days_ago(column.type, *end), false, true});
}

bool restrict_to(Relation view, WindowColumn column, int days, Part *part)
{
    Datum start;
    part->fresh = query::rewritten(view);
    if (!date_window::start(view, part->fresh, column, days, &start))
        return false;
    // To look for NULLs where there are none may cost an index scan.  The view may still
    // hold some, from before there were none.
    bool undated = !nullness::never(part->fresh, column.attno);
    add_implied_ranges(part->fresh, column, start, days, undated);
    part->held = date_window::condition(view, column, start, true);
    part->wanted = date_window::condition(view, column, start, undated);
    return true;
}

int64 ordinal(Oid type, Datum value)
{
    return type == DATEOID ? DatumGetDateADT(value) : DatumGetTimestamp(value);
}

Datum before_today(Oid type, Interval *age)
{
    Datum today = DirectFunctionCall1(date_timestamp, DateADTGetDatum(GetSQLCurrentDate()));
    Datum then = DirectFunctionCall2(timestamp_mi_interval, today, IntervalPGetDatum(age));
    if (type == DATEOID)
        return DirectFunctionCall1(timestamp_date, then);
    if (type == TIMESTAMPTZOID)
        return DirectFunctionCall1(timestamp_timestamptz, then);
    return then;
}

bool newest(Relation view, WindowColumn column, Datum *value)
{
    bool is_date = column.type == DATEOID;
    Datum end = is_date ? DateADTGetDatum(DATEVAL_NOEND) : TimestampGetDatum(DT_NOEND);
    return greatest(view, column, BTLessStrategyNumber, end, value)
           && ordinal(column.type, *value) != (is_date ? DATEVAL_NOBEGIN : DT_NOBEGIN);
}

DateADT as_date(Oid type, Datum value)
{
    if (type == TIMESTAMPOID)
        value = DirectFunctionCall1(timestamp_date, value);
    else if (type == TIMESTAMPTZOID)
        value = DirectFunctionCall1(timestamptz_date, value);
    return DatumGetDateADT(value);
}

} // namespace date_window

} // namespace refresh_mv
