#include "incremental/time_bounds.hpp"

#include "incremental/from_clause.hpp"

#include <utility>

namespace refresh_mv {

namespace {

Expr *clause(Oid op, Expr *expr, Const *value, Oid collation)
{
    Expr *clause = make_opclause(op, BOOLOID, false, static_cast<Expr *>(copyObjectImpl(expr)),
                                 reinterpret_cast<Expr *>(value), InvalidOid, collation);
    set_opfuncid(reinterpret_cast<OpExpr *>(clause));
    return clause;
}

// ---- of the expression that is compared ----

// What a condition compares expressions of a row with, before and now.
struct Bounds {
    Expr *expr;
    Oid op; // expr op value
    Const *before;
    Const *now;
};

// The value of an expression at both times.
std::pair<Const *, Const *> values(Node *node, const Passage &passage)
{
    return {time_conditions::value_of(time_conditions::at(node, passage.before)),
            time_conditions::value_of(time_conditions::at(node, passage.now))};
}

// A time less a span, as intervals are compared: a day has 24 hours, and a month 30 days.  false if that is no time.
bool less(Timestamp *time, const Interval *span)
{
    constexpr int32 most_days = 1000000;
    constexpr int32 most_months = most_days / DAYS_PER_MONTH;
    if (span->month > most_months || span->month < -most_months || span->day > most_days || span->day < -most_days)
        return false;
    int64 days = static_cast<int64>(span->month) * DAYS_PER_MONTH + span->day;
    return !__builtin_sub_overflow(*time, days * USECS_PER_DAY, time) && !__builtin_sub_overflow(*time, span->time, time)
           && IS_VALID_TIMESTAMP(*time);
}

// The value of a minus that of b, for b as in "a - x < b"; null if that is not known.
Const *subtracted(Oid minus, const Const *a, const Const *b)
{
    if (a->constisnull || b->constisnull)
        return nullptr;
    auto *result = static_cast<Const *>(copyObjectImpl(a));
    if (minus == F_DATE_MI) {
        int64 days = b->consttype == INT8OID ? DatumGetInt64(b->constvalue) : DatumGetInt32(b->constvalue);
        int64 date;
        if (__builtin_sub_overflow(static_cast<int64>(DatumGetDateADT(a->constvalue)), days, &date)
            || date != static_cast<DateADT>(date) || !IS_VALID_DATE(date))
            return nullptr;
        result->constvalue = DateADTGetDatum(static_cast<DateADT>(date));
        return result;
    }
    Timestamp time = DatumGetTimestamp(a->constvalue);
    if (!less(&time, DatumGetIntervalP(b->constvalue)))
        return nullptr;
    result->constvalue = TimestampGetDatum(time);
    return result;
}

// Finds the bounds of "time - expr op span".
bool find_age(Node *age, Oid op, Node *span, const Passage &passage, Bounds *bounds)
{
    Oid type = exprType(span);
    if (!IsA(age, OpExpr) || list_length(reinterpret_cast<OpExpr *>(age)->args) != 2)
        return false;
    Oid minus = get_opcode(reinterpret_cast<OpExpr *>(age)->opno);
    auto *time = static_cast<Node *>(linitial(reinterpret_cast<OpExpr *>(age)->args));
    auto *expr = static_cast<Expr *>(lsecond(reinterpret_cast<OpExpr *>(age)->args));
    bool known = minus == F_DATE_MI ? type == INT4OID || type == INT8OID
                                    : (minus == F_TIMESTAMPTZ_MI || minus == F_TIMESTAMP_MI) && type == INTERVALOID;
    if (!known || time_conditions::needs_row(time) || time_conditions::reads_time(reinterpret_cast<Node *>(expr)))
        return false;
    TypeCacheEntry *left = lookup_type_cache(exprType(age), TYPECACHE_BTREE_OPFAMILY);
    TypeCacheEntry *cache = lookup_type_cache(exprType(reinterpret_cast<Node *>(expr)), TYPECACHE_BTREE_OPFAMILY);
    int strategy = get_op_opfamily_strategy(op, left->btree_opf);
    if (strategy == 0)
        return false;
    auto [time_before, time_now] = values(time, passage);
    auto [span_before, span_now] = values(span, passage);
    bounds->expr = expr;
    bounds->op = get_opfamily_member(cache->btree_opf, cache->type_id, cache->type_id,
                                     static_cast<int16>(BTMaxStrategyNumber + 1 - strategy));
    bounds->before = subtracted(minus, time_before, span_before);
    bounds->now = subtracted(minus, time_now, span_now);
    return bounds->before != nullptr && bounds->now != nullptr;
}

// Finds the bounds of a condition; false if it has none.
bool find_bounds(Node *condition, const Passage &passage, Bounds *bounds)
{
    if (!IsA(condition, OpExpr) || list_length(reinterpret_cast<OpExpr *>(condition)->args) != 2)
        return false;
    auto *comparison = reinterpret_cast<OpExpr *>(condition);
    auto *expr = static_cast<Node *>(linitial(comparison->args));
    auto *value = static_cast<Node *>(lsecond(comparison->args));
    Oid op = comparison->opno;
    if (!time_conditions::needs_row(expr)) {
        std::swap(expr, value);
        op = get_commutator(op);
    }
    if (!OidIsValid(op) || !time_conditions::needs_row(expr) || time_conditions::needs_row(value))
        return false;
    if (time_conditions::reads_time(expr))
        return find_age(expr, op, value, passage, bounds);
    auto [before, now] = values(value, passage);
    *bounds = {reinterpret_cast<Expr *>(expr), op, before, now};
    return !before->constisnull && !now->constisnull;
}

Expr *compare(const Bounds &bounds, Oid family, int strategy, Const *value, Oid collation)
{
    Oid left, right;
    op_input_types(bounds.op, &left, &right);
    Oid op = get_opfamily_member(family, left, right, static_cast<int16>(strategy));
    return OidIsValid(op) ? clause(op, bounds.expr, value, collation) : nullptr;
}

// ---- of what it is made of ----

// Something of type date, timestamp or timestamptz, and where it is: dates as their midnights.
struct Range {
    Node *expr;
    Timestamp from;
    Timestamp to;
};

// How far a wall clock can be set forward or back.
constexpr int64 leap = USECS_PER_DAY;

// The function that an expression calls, by name or as an operator, with its arguments.
Oid called(Node *node, List **args)
{
    if (IsA(node, FuncExpr)) {
        *args = reinterpret_cast<FuncExpr *>(node)->args;
        return reinterpret_cast<FuncExpr *>(node)->funcid;
    }
    if (!IsA(node, OpExpr))
        return InvalidOid;
    *args = reinterpret_cast<OpExpr *>(node)->args;
    return get_opcode(reinterpret_cast<OpExpr *>(node)->opno);
}

// The value of an argument that is the same for all rows and at all times; null if it is none, or NULL.
Const *fixed(Node *node)
{
    if (time_conditions::needs_row(node) || time_conditions::reads_time(node))
        return nullptr;
    Const *value = time_conditions::value_of(node);
    return value->constisnull ? nullptr : value;
}

// How long a unit of date_trunc() is at most; 0: it is not known.
int64 longest(const Const *unit)
{
    static constexpr struct {
        const char *name;
        int64 days;
    } units[] = {{"hour", 1}, {"minute", 1}, {"second", 1}, {"day", 1}, {"week", 7}, {"month", 31}, {"quarter", 92}, {"year", 366}};
    for (const auto &known : units)
        if (pg_strcasecmp(TextDatumGetCString(unit->constvalue), known.name) == 0)
            return known.days * USECS_PER_DAY;
    return 0;
}

// Widens a range.
bool widen(Range *range, int64 before, int64 after)
{
    return !__builtin_sub_overflow(range->from, before, &range->from) && !__builtin_add_overflow(range->to, after, &range->to)
           && IS_VALID_TIMESTAMP(range->from) && IS_VALID_TIMESTAMP(range->to);
}

// Takes both ends from one clock to another, by a conversion of one argument, or of a zone and that.
bool convert(Range *range, Oid function, const Const *zone)
{
    for (Timestamp *end : {&range->from, &range->to})
        *end = DatumGetTimestamp(zone == nullptr ? OidFunctionCall1(function, TimestampGetDatum(*end))
                                                 : OidFunctionCall2(function, zone->constvalue, TimestampGetDatum(*end)));
    return widen(range, leap, leap);
}

// The range of x, of that of x + sign * span.
bool shift(Range *range, const Const *span, int sign)
{
    Interval opposite = *DatumGetIntervalP(span->constvalue);
    if (opposite.month == PG_INT32_MIN || opposite.day == PG_INT32_MIN || opposite.time == PG_INT64_MIN)
        return false;
    int64 slack = (abs(opposite.month) * INT64CONST(3) + 2) * USECS_PER_DAY; // months are not all of a length
    if (sign < 0)
        opposite = {-opposite.time, -opposite.day, -opposite.month};
    return less(&range->from, &opposite) && less(&range->to, &opposite) && widen(range, slack, slack);
}

// Goes from the range of a call to that of its argument; false if there is no way.
bool go_inside(Range *range)
{
    List *args = NIL;
    Oid function = called(range->expr, &args);
    auto arg = [&](int number) { return static_cast<Node *>(list_nth(args, number)); };
    Const *value;
    switch (function) {
    case F_DATE_TIMESTAMP:
        range->expr = arg(0);
        return widen(range, 0, USECS_PER_DAY);
    case F_DATE_TIMESTAMPTZ:
        range->expr = arg(0);
        return widen(range, 0, USECS_PER_DAY) && convert(range, F_TIMESTAMPTZ_TIMESTAMP, nullptr);
    case F_TIMESTAMP_TIMESTAMPTZ:
        range->expr = arg(0);
        return convert(range, F_TIMESTAMPTZ_TIMESTAMP, nullptr);
    case F_TIMESTAMPTZ_TIMESTAMP:
        range->expr = arg(0);
        return convert(range, F_TIMESTAMP_TIMESTAMPTZ, nullptr);
    case F_TIMEZONE_TEXT_TIMESTAMPTZ:
    case F_TIMEZONE_TEXT_TIMESTAMP:
        range->expr = arg(1);
        value = fixed(arg(0));
        return value != nullptr
               && convert(range,
                          function == F_TIMEZONE_TEXT_TIMESTAMP ? F_TIMEZONE_TEXT_TIMESTAMPTZ : F_TIMEZONE_TEXT_TIMESTAMP,
                          value);
    case F_DATE_TRUNC_TEXT_TIMESTAMP:
    case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
    case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
        range->expr = arg(1);
        value = fixed(arg(0));
        return value != nullptr && longest(value) > 0 && widen(range, leap, longest(value) + leap);
    case F_TIMESTAMP_PL_INTERVAL:
    case F_TIMESTAMPTZ_PL_INTERVAL:
    case F_TIMESTAMP_MI_INTERVAL:
    case F_TIMESTAMPTZ_MI_INTERVAL:
        range->expr = arg(0);
        value = fixed(arg(1));
        return value != nullptr
               && shift(range, value, function == F_TIMESTAMP_PL_INTERVAL || function == F_TIMESTAMPTZ_PL_INTERVAL ? 1 : -1);
    default:
        return false;
    }
}

// The moment that a value of a range is; false if it has none.
bool as_moment(const Const *value, Timestamp *moment)
{
    switch (value->consttype) {
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
        *moment = DatumGetTimestamp(value->constvalue);
        return !TIMESTAMP_NOT_FINITE(*moment);
    case DATEOID:
        *moment = DatumGetDateADT(value->constvalue) * USECS_PER_DAY;
        return !DATE_NOT_FINITE(DatumGetDateADT(value->constvalue)) && IS_VALID_TIMESTAMP(*moment);
    default:
        return false;
    }
}

// That what an expression is made of, a column in the end, is where that has to be for the expression to be between two
// values; null if nothing is known of that.
Node *inside(Expr *expr, const Const *least, const Const *greatest)
{
    Range range = {from_clause::strip(reinterpret_cast<Node *>(expr)), 0, 0};
    if (exprType(range.expr) != least->consttype || IsA(range.expr, Var) || !as_moment(least, &range.from)
        || !as_moment(greatest, &range.to))
        return nullptr;
    while (!IsA(range.expr, Var)) {
        if (!go_inside(&range))
            return nullptr;
        range.expr = from_clause::strip(range.expr);
    }
    Oid type = exprType(range.expr);
    if (type != TIMESTAMPOID && type != TIMESTAMPTZOID)
        return nullptr;
    Oid family = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
    auto side = [&](int16 strategy, Timestamp end) {
        Const *value = makeConst(type, -1, InvalidOid, sizeof(Timestamp), TimestampGetDatum(end), false, true);
        return reinterpret_cast<Node *>(clause(get_opfamily_member(family, type, type, strategy),
                                               reinterpret_cast<Expr *>(range.expr), value, InvalidOid));
    };
    return make_and_qual(side(BTGreaterEqualStrategyNumber, range.from), side(BTLessEqualStrategyNumber, range.to));
}

} // namespace

namespace time_bounds {

Node *of(Node *condition, const Passage &passage)
{
    Bounds bounds{};
    if (!find_bounds(condition, passage, &bounds))
        return nullptr;
    Oid collation = reinterpret_cast<OpExpr *>(condition)->inputcollid;
    TypeCacheEntry *type = lookup_type_cache(exprType(reinterpret_cast<Node *>(bounds.expr)), TYPECACHE_BTREE_OPFAMILY);
    TypeCacheEntry *value = lookup_type_cache(bounds.now->consttype, TYPECACHE_CMP_PROC_FINFO);
    int strategy = OidIsValid(type->btree_opf) ? get_op_opfamily_strategy(bounds.op, type->btree_opf) : 0;
    if (strategy == 0 || !OidIsValid(value->cmp_proc_finfo.fn_oid))
        return nullptr;
    bool equal = strategy == BTEqualStrategyNumber;
    if (DatumGetInt32(FunctionCall2Coll(&value->cmp_proc_finfo, collation, bounds.before->constvalue,
                                        bounds.now->constvalue))
        > 0)
        std::swap(bounds.before, bounds.now);
    Expr *from = compare(bounds, type->btree_opf, equal ? strategy : BTGreaterEqualStrategyNumber, bounds.before, collation);
    Expr *to = compare(bounds, type->btree_opf, equal ? strategy : BTLessEqualStrategyNumber, bounds.now, collation);
    if (from == nullptr || to == nullptr)
        return nullptr;
    Node *first = inside(bounds.expr, bounds.before, equal ? bounds.before : bounds.now);
    Node *second = equal ? inside(bounds.expr, bounds.now, bounds.now) : nullptr;
    if (first != nullptr && second != nullptr)
        first = reinterpret_cast<Node *>(makeBoolExpr(OR_EXPR, list_make2(first, second), -1));
    else if (equal)
        first = nullptr;
    return make_and_qual(first, reinterpret_cast<Node *>(makeBoolExpr(equal ? OR_EXPR : AND_EXPR, list_make2(from, to), -1)));
}

} // namespace time_bounds

} // namespace refresh_mv
