#include "incremental/passage.hpp"

#include "incremental/instance.hpp"
#include "query/query.hpp"

#include <utility>

namespace refresh_mv {

namespace {

// ---- bounds ----

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
        if (__builtin_sub_overflow(static_cast<int64>(DatumGetDateADT(a->constvalue)), days, &date) || date != static_cast<DateADT>(date)
            || !IS_VALID_DATE(date))
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
    if (!OidIsValid(op))
        return nullptr;
    Expr *clause = make_opclause(op, BOOLOID, false, static_cast<Expr *>(copyObjectImpl(bounds.expr)),
                                 reinterpret_cast<Expr *>(value), InvalidOid, collation);
    set_opfuncid(reinterpret_cast<OpExpr *>(clause));
    return clause;
}

// A condition of all rows for which one can differ; null if there is none that would help.
Node *possible(Node *condition, const Passage &passage)
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
    return reinterpret_cast<Node *>(makeBoolExpr(equal ? OR_EXPR : AND_EXPR, list_make2(from, to), -1));
}

// ---- differences ----

Expr *is_true(Node *condition)
{
    auto *test = makeNode(BooleanTest);
    test->arg = reinterpret_cast<Expr *>(condition);
    test->booltesttype = IS_TRUE;
    test->location = -1;
    return reinterpret_cast<Expr *>(test);
}

// That a condition is true at just one of the times.
Node *differs(Node *condition, const Passage &passage)
{
    Expr *changed = make_opclause(BooleanNotEqualOperator, BOOLOID, false,
                                  is_true(time_conditions::at(condition, passage.now)),
                                  is_true(time_conditions::at(condition, passage.before)), InvalidOid, InvalidOid);
    set_opfuncid(reinterpret_cast<OpExpr *>(changed));
    return make_and_qual(possible(condition, passage), reinterpret_cast<Node *>(changed));
}

Expr *number(int32 value)
{
    return reinterpret_cast<Expr *>(makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(value), false, true));
}

// 1 if a condition is true now, else -1.
Expr *sign_of(Node *condition, const Passage &passage)
{
    auto *when = makeNode(CaseWhen);
    when->expr = is_true(time_conditions::at(condition, passage.now));
    when->result = number(1);
    when->location = -1;
    auto *sign = makeNode(CaseExpr);
    sign->casetype = INT4OID;
    sign->args = list_make1(when);
    sign->defresult = number(-1);
    sign->location = -1;
    return reinterpret_cast<Expr *>(sign);
}

// The one entry of the range table that a condition is about.
struct About {
    int rti;
    bool more; // about something else, too
};

bool find_entry(Node *node, void *context)
{
    auto *about = static_cast<About *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Var)) {
        auto *var = reinterpret_cast<Var *>(node);
        about->more |= var->varlevelsup > 0 || var->varattno < 0 || (about->rti != 0 && about->rti != var->varno);
        about->rti = var->varno;
        return about->more;
    }
    about->more |= IsA(node, Query) || IsA(node, SubLink) || IsA(node, Param);
    return about->more || expression_tree_walker(node, pg::walker(find_entry), context);
}

} // namespace

namespace passage {

Passage none()
{
    return {{}, {}, false, NIL, nullptr};
}

Passage of(Query *query, const Moment &before, const Moment &now)
{
    Passage passage = {before, now, false, NIL, nullptr};
    auto *copy = static_cast<Query *>(copyObjectImpl(query));
    ListCell *cell;
    foreach (cell, time_conditions::find(copy))
        if (time_conditions::has_moved(static_cast<TimeCondition *>(lfirst(cell))->condition, before, now))
            passage.moved = lappend_int(passage.moved, foreach_current_index(cell));
    passage.passed = passage.moved != NIL;
    if (time_conditions::read_elsewhere(copy))
        passage.obstacle = "it reads the time elsewhere than in conditions on what it joins";
    return passage;
}

Query *probe(Query *query, const Passage &passage, int condition)
{
    auto *copy = static_cast<Query *>(copyObjectImpl(query));
    auto *timed = static_cast<TimeCondition *>(list_nth(time_conditions::find(copy), condition));
    About about{};
    find_entry(timed->condition, &about);
    RangeTblEntry *rte = about.rti > 0 ? rt_fetch(about.rti, timed->query->rtable) : nullptr;
    if (rte == nullptr || about.more || rte->rtekind != RTE_RELATION)
        return nullptr;
    Query *probe = query::unchecked(psprintf("SELECT 1 AS found FROM %s t LIMIT 1", instance::qualified_name(rte->relid)));
    probe->jointree->quals = differs(timed->condition, passage);
    ChangeVarNodes(probe->jointree->quals, about.rti, 1, 0);
    rt_fetch(1, probe->rtable)->inh = rte->inh;
    return probe;
}

Difference apply(Query *copy, const Passage &passage, int condition)
{
    Difference difference{};
    ListCell *cell;
    foreach (cell, time_conditions::find(copy)) {
        auto *timed = static_cast<TimeCondition *>(lfirst(cell));
        int place = foreach_current_index(cell);
        if (place == condition) {
            difference = {timed->query, sign_of(timed->condition, passage)};
            time_conditions::replace(timed, differs(timed->condition, passage));
        } else
            time_conditions::replace(timed, time_conditions::at(timed->condition, place < condition ? passage.now : passage.before));
    }
    return difference;
}

} // namespace passage

} // namespace refresh_mv
