#include "query/time_conditions.hpp"

#include "query/normalize.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

// ---- what tells the time ----

bool is_call_of(Node *node, Oid function)
{
    return node != nullptr && IsA(node, FuncExpr) && reinterpret_cast<FuncExpr *>(node)->funcid == function;
}

// age() of one argument, which goes by midnight.
bool is_age(Node *node)
{
    return is_call_of(node, F_AGE_TIMESTAMPTZ) || is_call_of(node, F_AGE_TIMESTAMP);
}

bool is_time_value(Node *node)
{
    if (!IsA(node, SQLValueFunction))
        return false;
    switch (reinterpret_cast<SQLValueFunction *>(node)->op) {
    case SVFOP_CURRENT_DATE:
    case SVFOP_CURRENT_TIME:
    case SVFOP_CURRENT_TIME_N:
    case SVFOP_CURRENT_TIMESTAMP:
    case SVFOP_CURRENT_TIMESTAMP_N:
    case SVFOP_LOCALTIME:
    case SVFOP_LOCALTIME_N:
    case SVFOP_LOCALTIMESTAMP:
    case SVFOP_LOCALTIMESTAMP_N:
        return true;
    default:
        return false;
    }
}

// Where the number is kept that tells it apart, or its place: a tree has no other use for it once it is parsed.
int *mark_of(Node *time)
{
    return IsA(time, FuncExpr) ? &reinterpret_cast<FuncExpr *>(time)->location
                               : &reinterpret_cast<SQLValueFunction *>(time)->location;
}

Datum call(Oid function, Datum value, int32 typmod)
{
    return typmod < 0 ? value : OidFunctionCall2(function, value, Int32GetDatum(typmod));
}

// The value of what tells the time; of age() the midnight that it goes by.
Datum value_at(Node *time, const Moment &moment)
{
    Datum now = TimestampTzGetDatum(is_call_of(time, F_STATEMENT_TIMESTAMP) ? moment.statement : moment.transaction);
    if (IsA(time, FuncExpr) && !is_age(time))
        return now;
    if (is_age(time)) {
        Datum today = OidFunctionCall1(F_DATE_TIMESTAMPTZ, now);
        return OidFunctionCall1(is_call_of(time, F_AGE_TIMESTAMPTZ) ? F_TIMESTAMPTZ_DATE : F_TIMESTAMP_DATE, today);
    }
    int32 typmod = reinterpret_cast<SQLValueFunction *>(time)->typmod;
    switch (reinterpret_cast<SQLValueFunction *>(time)->op) {
    case SVFOP_CURRENT_DATE:
        return OidFunctionCall1(F_DATE_TIMESTAMPTZ, now);
    case SVFOP_CURRENT_TIME:
    case SVFOP_CURRENT_TIME_N:
        return call(F_TIMETZ_TIMETZ_INT4, OidFunctionCall1(F_TIMETZ_TIMESTAMPTZ, now), typmod);
    case SVFOP_LOCALTIME:
    case SVFOP_LOCALTIME_N:
        return call(F_TIME_TIME_INT4, OidFunctionCall1(F_TIME_TIMESTAMPTZ, now), typmod);
    case SVFOP_LOCALTIMESTAMP:
    case SVFOP_LOCALTIMESTAMP_N:
        return call(F_TIMESTAMP_TIMESTAMP_INT4, OidFunctionCall1(F_TIMESTAMP_TIMESTAMPTZ, now), typmod);
    default:
        return call(F_TIMESTAMPTZ_TIMESTAMPTZ_INT4, now, typmod);
    }
}

Const *constant(Oid type, int32 typmod, Datum value)
{
    int16 length;
    bool by_value;
    get_typlenbyval(type, &length, &by_value);
    return makeConst(type, typmod, InvalidOid, length, value, false, by_value);
}

Node *stand_still(Node *node, void *context);

// age(x) as age(midnight, x).
Node *age_at(FuncExpr *age, const Moment &moment)
{
    bool zoned = age->funcid == F_AGE_TIMESTAMPTZ;
    auto *midnight = constant(zoned ? TIMESTAMPTZOID : TIMESTAMPOID, -1, value_at(reinterpret_cast<Node *>(age), moment));
    auto *copy = static_cast<FuncExpr *>(copyObjectImpl(age));
    copy->funcid = zoned ? F_AGE_TIMESTAMPTZ_TIMESTAMPTZ : F_AGE_TIMESTAMP_TIMESTAMP;
    copy->args = list_make2(midnight, stand_still(static_cast<Node *>(linitial(age->args)),
                                                  const_cast<Moment *>(&moment)));
    return reinterpret_cast<Node *>(copy);
}

Node *stand_still(Node *node, void *context)
{
    const auto *moment = static_cast<Moment *>(context);
    if (node == nullptr)
        return nullptr;
    if (is_age(node))
        return age_at(reinterpret_cast<FuncExpr *>(node), *moment);
    if (time_conditions::tells_time(node))
        return reinterpret_cast<Node *>(constant(exprType(node), exprTypmod(node), value_at(node, *moment)));
    if (IsA(node, Query))
        return reinterpret_cast<Node *>(
            query_tree_mutator(reinterpret_cast<Query *>(node), pg::mutator(stand_still), context, 0));
    return expression_tree_mutator(node, pg::mutator(stand_still), context);
}

bool reads(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (time_conditions::tells_time(node))
        return true;
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(reads), context, 0);
    return expression_tree_walker(node, pg::walker(reads), context);
}

// ---- where it is told ----

// Looks at the parts of a query one by one: expressions with their place.  Of conditions that may read the time it
// is told what they are conditions of.
struct Survey {
    void (*look)(Survey *survey, Node *node, TimePlace place, Query *query, Node **quals);
    List *conditions; // TimeCondition *
    TimePlace *places; // by number
    bool elsewhere;
};

void survey_query(Survey *survey, Query *query, TimePlace inside);

// The place of something in a query that is at a place itself.
TimePlace within(TimePlace inside, TimePlace place)
{
    return inside == TimePlace::condition ? place : inside;
}

// Conditions of which all have to hold, as a list that *quals goes on to consist of.
void survey_quals(Survey *survey, Query *query, Node **quals, TimePlace place)
{
    ListCell *cell;
    List *conditions = make_ands_implicit(reinterpret_cast<Expr *>(*quals));
    for (int i = 0; i < list_length(conditions); i++) { // changes meanwhile
        auto *condition = static_cast<Node *>(list_nth(conditions, i));
        if (!is_andclause(condition))
            continue;
        conditions = list_concat(list_delete_nth_cell(conditions, i), reinterpret_cast<BoolExpr *>(condition)->args);
        i--;
    }
    *quals = conditions == NIL ? nullptr : reinterpret_cast<Node *>(make_ands_explicit(conditions));
    foreach (cell, conditions)
        survey->look(survey, static_cast<Node *>(lfirst(cell)), place, query, quals);
}

// A node of FROM, on the nullable side of a join or not.
void survey_from(Survey *survey, Query *query, Node *node, TimePlace inside, bool nullable)
{
    TimePlace here = nullable ? within(inside, TimePlace::outer_join) : inside;
    check_stack_depth();
    if (IsA(node, RangeTblRef)) {
        RangeTblEntry *rte = rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex, query->rtable);
        if (rte->rtekind != RTE_SUBQUERY)
            return;
        bool additive = query::only_joins(rte->subquery) || query::union_arms(rte->subquery) != NIL;
        return survey_query(survey, rte->subquery, additive ? here : within(here, TimePlace::subquery));
    }
    auto *join = castNode(JoinExpr, node);
    bool full = join->jointype == JOIN_FULL;
    survey_from(survey, query, join->larg, inside, nullable || full || join->jointype == JOIN_RIGHT);
    survey_from(survey, query, join->rarg, inside, nullable || full || join->jointype == JOIN_LEFT);
    survey_quals(survey, query, &join->quals,
                 nullable || join->jointype != JOIN_INNER ? within(inside, TimePlace::outer_join) : inside);
}

// What stands in the range table and is no subquery in FROM: functions, VALUES; and what FROM does not reach.
void survey_entries(Survey *survey, Query *query, TimePlace inside)
{
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        TimePlace place = within(inside, TimePlace::from);
        survey->look(survey, reinterpret_cast<Node *>(rte->functions), place, query, nullptr);
        survey->look(survey, reinterpret_cast<Node *>(rte->tablefunc), place, query, nullptr);
        survey->look(survey, reinterpret_cast<Node *>(rte->values_lists), place, query, nullptr);
        survey->look(survey, reinterpret_cast<Node *>(rte->securityQuals), place, query, nullptr);
        if (rte->tablesample != nullptr)
            survey->look(survey, reinterpret_cast<Node *>(rte->tablesample), place, query, nullptr);
    }
    foreach (cell, query->cteList)
        survey->look(survey, lfirst_node(CommonTableExpr, cell)->ctequery, within(inside, TimePlace::subquery), query,
                     nullptr);
}

void survey_query(Survey *survey, Query *query, TimePlace inside)
{
    ListCell *cell;
    check_stack_depth();
    if (query->setOperations != nullptr) {
        List *arms = query::union_arms(query);
        foreach (cell, query->rtable) {
            auto *rte = lfirst_node(RangeTblEntry, cell);
            bool additive = list_member_ptr(arms, rte)
                            && (query::only_joins(rte->subquery) || query::union_arms(rte->subquery) != NIL);
            if (rte->rtekind == RTE_SUBQUERY)
                survey_query(survey, rte->subquery, additive ? inside : within(inside, TimePlace::subquery));
        }
    } else if (query->jointree != nullptr) {
        foreach (cell, query->jointree->fromlist)
            survey_from(survey, query, static_cast<Node *>(lfirst(cell)), inside, false);
        survey_quals(survey, query, &query->jointree->quals, inside);
    }
    survey_entries(survey, query, inside);
    TimePlace output = within(inside, TimePlace::output);
    survey->look(survey, reinterpret_cast<Node *>(query->targetList), output, query, nullptr);
    survey->look(survey, query->havingQual, within(inside, TimePlace::having), query, nullptr);
    survey->look(survey, query->limitCount, output, query, nullptr);
    survey->look(survey, query->limitOffset, output, query, nullptr);
    survey->look(survey, reinterpret_cast<Node *>(query->windowClause), output, query, nullptr);
}

// Notes the places of what tells the time.
struct Noting {
    Survey *survey;
    TimePlace place;
};

bool note_places(Node *node, void *context)
{
    auto *noting = static_cast<Noting *>(context);
    if (node == nullptr)
        return false;
    if (time_conditions::tells_time(node)) {
        TimePlace *place = &noting->survey->places[*mark_of(node)];
        *place = Max(*place, noting->place);
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(note_places), context, 0);
    Noting inner = *noting;
    if ((IsA(node, Aggref) || IsA(node, WindowFunc)) && inner.place == TimePlace::output)
        inner.place = TimePlace::aggregate;
    return expression_tree_walker(node, pg::walker(note_places), &inner);
}

void note(Survey *survey, Node *node, TimePlace place, Query *, Node **)
{
    Noting noting = {survey, place};
    note_places(node, &noting);
}

// Collects the conditions.
void collect(Survey *survey, Node *node, TimePlace place, Query *query, Node **quals)
{
    if (node == nullptr || !time_conditions::reads_time(node))
        return;
    if (quals == nullptr || place != TimePlace::condition) {
        survey->elsewhere = true;
        return;
    }
    auto *condition = static_cast<TimeCondition *>(palloc(sizeof(TimeCondition)));
    *condition = {query, quals, node};
    survey->conditions = lappend(survey->conditions, condition);
}

Survey collected(Query *query)
{
    Survey survey = {collect, NIL, nullptr, false};
    survey_query(&survey, query, TimePlace::condition);
    return survey;
}

// Gives what tells the time numbers; the context is how many there have been.
bool number(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (time_conditions::tells_time(node))
        *mark_of(node) = (*static_cast<int *>(context))++;
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(number), context, 0);
    return expression_tree_walker(node, pg::walker(number), context);
}

// Beyond these numbers a mark is a place.
constexpr int first_place = 1 << 24;

// Puts places for the numbers; the context is the places.
bool mark(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (time_conditions::tells_time(node))
        *mark_of(node) = first_place + static_cast<int>(static_cast<TimePlace *>(context)[*mark_of(node)]);
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(mark), context, 0);
    return expression_tree_walker(node, pg::walker(mark), context);
}

// ---- values ----

// What keeps an expression from being evaluated by itself.
bool find_row(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    switch (nodeTag(node)) {
    case T_Var:
    case T_Param:
    case T_Query:
    case T_SubLink:
    case T_CaseTestExpr:
    case T_CoerceToDomainValue:
    case T_Aggref:
    case T_GroupingFunc:
    case T_WindowFunc:
        return true;
    default:
        return expression_tree_walker(node, pg::walker(find_row), context);
    }
}

// Whether a node is an expression that can be evaluated, if what is below it can.
bool is_value(Node *node)
{
    switch (nodeTag(node)) {
    case T_FuncExpr:
    case T_OpExpr:
    case T_NullIfExpr:
    case T_DistinctExpr:
    case T_RelabelType:
    case T_CoerceViaIO:
    case T_MinMaxExpr:
    case T_CoalesceExpr:
    case T_CaseExpr:
    case T_BoolExpr:
    case T_NullTest:
    case T_SQLValueFunction:
        return true;
    default:
        return false;
    }
}

struct Moments {
    const Moment *before;
    const Moment *now;
};

bool same_value(const Const *a, const Const *b)
{
    return a->constisnull || b->constisnull
               ? a->constisnull == b->constisnull
               : datumIsEqual(a->constvalue, b->constvalue, a->constbyval, a->constlen);
}

// Whether values that go by the time differ: of expressions that are as large as can be.
bool differs(Node *node, void *context)
{
    auto *moments = static_cast<Moments *>(context);
    if (node == nullptr)
        return false;
    if (is_value(node) && time_conditions::reads_time(node) && !time_conditions::needs_row(node))
        return !same_value(time_conditions::value_of(time_conditions::at(node, *moments->before)),
                           time_conditions::value_of(time_conditions::at(node, *moments->now)));
    if (is_age(node)
        && DatumGetTimestamp(value_at(node, *moments->before)) != DatumGetTimestamp(value_at(node, *moments->now)))
        return true;
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(differs), context, 0);
    return expression_tree_walker(node, pg::walker(differs), context);
}

} // namespace

namespace time_conditions {

Moment present()
{
    return {GetCurrentTransactionStartTimestamp(), GetCurrentStatementStartTimestamp()};
}

bool same(const Moment &a, const Moment &b)
{
    return a.transaction == b.transaction && a.statement == b.statement;
}

bool tells_time(Node *node)
{
    return is_call_of(node, F_NOW) || is_call_of(node, F_TRANSACTION_TIMESTAMP) || is_call_of(node, F_STATEMENT_TIMESTAMP)
           || is_age(node) || is_time_value(node);
}

bool reads_time(Node *node)
{
    return reads(node, nullptr);
}

Query *placed(Query *rewritten)
{
    int count = 0;
    if (!reads_time(reinterpret_cast<Node *>(rewritten)))
        return rewritten;
    auto *query = static_cast<Query *>(copyObjectImpl(rewritten));
    number(reinterpret_cast<Node *>(query), &count);
    auto *places = static_cast<TimePlace *>(palloc(sizeof(TimePlace) * static_cast<Size>(count)));
    for (int i = 0; i < count; i++)
        places[i] = TimePlace::condition;
    auto *normalized = static_cast<Query *>(copyObjectImpl(query));
    normalize::normalize(&normalized);
    Survey survey = {note, NIL, places, false};
    survey_query(&survey, normalized, TimePlace::condition);
    mark(reinterpret_cast<Node *>(query), places);
    return query;
}

TimePlace place_of(Node *time)
{
    int mark = *mark_of(time);
    return mark < first_place ? TimePlace::unknown : static_cast<TimePlace>(mark - first_place);
}

const char *describe(TimePlace place)
{
    switch (place) {
    case TimePlace::output:
        return "in its output";
    case TimePlace::aggregate:
        return "in an aggregate or a window function";
    case TimePlace::having:
        return "in HAVING";
    case TimePlace::outer_join:
        return "on the nullable side or in the condition of an outer join";
    case TimePlace::from:
        return "in FROM";
    case TimePlace::subquery:
        return "in a subquery that does more than select and join";
    case TimePlace::unknown:
    case TimePlace::condition:
        break;
    }
    return "";
}

List *find(Query *query)
{
    return collected(query).conditions;
}

bool read_elsewhere(Query *query)
{
    return collected(query).elsewhere;
}

Node *at(Node *node, const Moment &moment)
{
    return stand_still(static_cast<Node *>(copyObjectImpl(node)), const_cast<Moment *>(&moment));
}

void replace(TimeCondition *condition, Node *with)
{
    ListCell *cell;
    List *conditions = make_ands_implicit(reinterpret_cast<Expr *>(*condition->quals));
    foreach (cell, conditions)
        if (lfirst(cell) == condition->condition)
            lfirst(cell) = with;
    condition->condition = with;
    *condition->quals = reinterpret_cast<Node *>(make_ands_explicit(conditions));
}

bool has_moved(Node *condition, const Moment &before, const Moment &now)
{
    Moments moments = {&before, &now};
    return differs(condition, &moments);
}

bool needs_row(Node *node)
{
    return find_row(node, nullptr);
}

Const *value_of(Node *node)
{
    Node *simple = eval_const_expressions(nullptr, node);
    if (!IsA(simple, Const))
        simple = reinterpret_cast<Node *>(
            evaluate_expr(reinterpret_cast<Expr *>(simple), exprType(node), exprTypmod(node), exprCollation(node)));
    return castNode(Const, simple);
}

} // namespace time_conditions

} // namespace refresh_mv
