#include "query/sameness.hpp"

#include "query/query.hpp"
#include "query/shape.hpp"
#include "values/equality.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

// What the values of an expression have in common.
struct Form {
    bool known;
    bool any; // there are only values that have every form, such as NULL
    int size; // the scale of numeric, the length of character; else 0
};

constexpr Form unknown_form{};
constexpr Form any_form{true, true, 0};

// Scales that are larger are not looked into: functions have limits of their own.
constexpr int largest_scale = 1000;

Form form_of_size(int size)
{
    return size > largest_scale ? unknown_form : Form{true, false, size};
}

Form common_form(Form a, Form b)
{
    if (!a.known || !b.known)
        return unknown_form;
    if (a.any || b.any)
        return a.any ? b : a;
    return a.size == b.size ? a : unknown_form;
}

Form form_of(Query *query, Node *expr);
Form of_output(Query *query, AttrNumber attno, Oid type);

bool is_one_of(Oid function, std::initializer_list<Oid> functions)
{
    for (Oid known : functions)
        if (function == known)
            return true;
    return false;
}

Oid base_type(Node *expr)
{
    return getBaseType(exprType(expr));
}

// ---- constants and type modifiers ----

// What values of a type look like that were made to fit a type modifier.
Form of_typmod(Oid type, int32 typmod)
{
    if (typmod < static_cast<int32>(VARHDRSZ))
        return unknown_form;
    int32 declared = typmod - static_cast<int32>(VARHDRSZ);
    if (type == BPCHAROID)
        return {true, false, declared};
    // The scale is in the lowest 11 bits, as a number with a sign.
    return type == NUMERICOID ? form_of_size(Max(((declared & 0x7ff) ^ 1024) - 1024, 0)) : unknown_form;
}

Form of_numeric(Datum value)
{
    LOCAL_FCINFO(fcinfo, 1);
    InitFunctionCallInfoData(*fcinfo, nullptr, 1, InvalidOid, nullptr, nullptr);
    fcinfo->args[0] = {value, false};
    Datum scale = numeric_scale(fcinfo);
    return fcinfo->isnull ? any_form : form_of_size(DatumGetInt32(scale)); // NaN, an infinity
}

Form of_const(const Const *constant)
{
    if (constant->constisnull)
        return any_form;
    switch (getBaseType(constant->consttype)) {
    case NUMERICOID:
        return of_numeric(constant->constvalue);
    case BPCHAROID: {
        text *value = DatumGetTextPP(constant->constvalue);
        return {true, false, pg_mbstrlen_with_len(VARDATA_ANY(value), static_cast<int>(VARSIZE_ANY_EXHDR(value)))};
    }
    default:
        return unknown_form;
    }
}

// The number that an argument of a function is; false if it is none.
bool constant_number(List *args, int number, int32 *value)
{
    auto *node = static_cast<Node *>(list_nth(args, number));
    if (!IsA(node, Const) || reinterpret_cast<Const *>(node)->constisnull)
        return false;
    *value = DatumGetInt32(reinterpret_cast<Const *>(node)->constvalue);
    return true;
}

// ---- calls ----

// Whether the first argument names a field of a date or a time that is a whole number.
bool names_whole_field(List *args)
{
    auto *field = static_cast<Node *>(linitial(args));
    if (!IsA(field, Const) || reinterpret_cast<Const *>(field)->constisnull)
        return false;
    char *name = TextDatumGetCString(reinterpret_cast<Const *>(field)->constvalue);
    for (const char *known : {"microseconds", "minute", "hour", "day", "dow", "isodow", "doy", "week", "month", "quarter",
                              "year", "isoyear", "decade", "century", "millennium"})
        if (pg_strcasecmp(name, known) == 0)
            return true;
    return false;
}

bool gets_field(Oid function)
{
    return is_one_of(function, {F_EXTRACT_TEXT_DATE, F_EXTRACT_TEXT_TIME, F_EXTRACT_TEXT_TIMETZ, F_EXTRACT_TEXT_TIMESTAMP,
                                F_EXTRACT_TEXT_TIMESTAMPTZ, F_EXTRACT_TEXT_INTERVAL, F_DATE_PART_TEXT_DATE,
                                F_DATE_PART_TEXT_TIME, F_DATE_PART_TEXT_TIMETZ, F_DATE_PART_TEXT_TIMESTAMP,
                                F_DATE_PART_TEXT_TIMESTAMPTZ, F_DATE_PART_TEXT_INTERVAL});
}

// What makes whole numbers of anything that it is given.
bool makes_whole_numbers(Oid function)
{
    return is_one_of(function, {F_NUMERIC_INT2, F_NUMERIC_INT4, F_NUMERIC_INT8, F_FLOAT4_INT2, F_FLOAT4_INT4, F_FLOAT4_INT8,
                                F_FLOAT8_INT2, F_FLOAT8_INT4, F_FLOAT8_INT8, F_ROUND_NUMERIC, F_TRUNC_NUMERIC,
                                F_CEIL_NUMERIC, F_CEILING_NUMERIC, F_FLOOR_NUMERIC, F_SIGN_NUMERIC});
}

// numeric + - * numeric: the larger scale, or both together.
Form of_arithmetic(Query *query, Oid function, List *args)
{
    Form left = form_of(query, static_cast<Node *>(linitial(args)));
    Form right = form_of(query, static_cast<Node *>(lsecond(args)));
    if (!left.known || !right.known)
        return unknown_form;
    if (left.any || right.any)
        return any_form;
    return form_of_size(function == F_NUMERIC_MUL ? left.size + right.size : Max(left.size, right.size));
}

Form of_call(Query *query, Oid function, List *args)
{
    int32 number = 0;
    if (makes_whole_numbers(function) || (gets_field(function) && names_whole_field(args)))
        return form_of_size(0);
    if (is_one_of(function, {F_NUMERIC_ADD, F_NUMERIC_SUB, F_NUMERIC_MUL}))
        return of_arithmetic(query, function, args);
    if (is_one_of(function, {F_NUMERIC_UMINUS, F_NUMERIC_UPLUS, F_NUMERIC_ABS, F_ABS_NUMERIC}))
        return form_of(query, static_cast<Node *>(linitial(args)));
    if (is_one_of(function, {F_NUMERIC_NUMERIC_INT4, F_BPCHAR_BPCHAR_INT4_BOOL, F_ROUND_NUMERIC_INT4, F_TRUNC_NUMERIC_INT4})
        && !constant_number(args, 1, &number))
        return unknown_form;
    switch (function) {
    case F_NUMERIC_NUMERIC_INT4:
        return of_typmod(NUMERICOID, number);
    case F_BPCHAR_BPCHAR_INT4_BOOL:
        return of_typmod(BPCHAROID, number);
    case F_ROUND_NUMERIC_INT4:
    case F_TRUNC_NUMERIC_INT4:
        return form_of_size(Max(number, 0));
    default:
        return unknown_form;
    }
}

Form of_aggregate(Query *query, const Aggref *aggregate)
{
    if (aggregate->aggfnoid == F_SUM_INT8)
        return form_of_size(0);
    bool keeps = is_one_of(aggregate->aggfnoid, {F_SUM_NUMERIC, F_MIN_NUMERIC, F_MAX_NUMERIC, F_MIN_BPCHAR, F_MAX_BPCHAR});
    return keeps && aggregate->agglevelsup == 0
               ? form_of(query, reinterpret_cast<Node *>(linitial_node(TargetEntry, aggregate->args)->expr))
               : unknown_form;
}

// ---- columns ----

// Whether rows of a table may be stored elsewhere, where nobody makes them fit.
bool has_foreign_rows(const RangeTblEntry *rte)
{
    ListCell *cell;
    if (!rte->inh || !has_subclass(rte->relid))
        return false;
    foreach (cell, find_all_inheritors(rte->relid, NoLock, nullptr))
        if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
            return true;
    return false;
}

// The query of a materialized view, ordinary views in it as they are: they may have been
// replaced since its rows were made.  What it reads need not be locked, since it keeps those
// columns from being altered.
Query *query_of(Oid view)
{
    Relation relation = relation_open(view, AccessShareLock);
    auto *query = static_cast<Query *>(copyObjectImpl(query::stored(relation)));
    relation_close(relation, NoLock);
    return query;
}

Form of_column(const RangeTblEntry *rte, const Var *var)
{
    Oid type, collation;
    int32 typmod;
    switch (get_rel_relkind(rte->relid)) {
    case RELKIND_MATVIEW:
        return of_output(query_of(rte->relid), var->varattno, var->vartype);
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
        if (has_foreign_rows(rte))
            return unknown_form;
        get_atttypetypmodcoll(rte->relid, var->varattno, &type, &typmod, &collation);
        type = getBaseTypeAndTypmod(type, &typmod);
        return of_typmod(type, typmod);
    default:
        return unknown_form;
    }
}

Form of_var(Query *query, const Var *var)
{
    bool shared;
    if (var->varlevelsup > 0 || var->varattno <= 0)
        return unknown_form;
    if (query->setOperations) // a column of the first arm stands for those of all
        return of_output(query, var->varattno, var->vartype);
    RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
    if (rte->rtekind == RTE_RELATION)
        return of_column(rte, var);
    Query *inner = shape::subquery_of(query, rte, &shared);
    return inner ? of_output(inner, var->varattno, var->vartype) : unknown_form;
}

// An output column of a query, which is of such a type where it is read: the arms of a set
// operation may be of others.
Form of_output(Query *query, AttrNumber attno, Oid type)
{
    Form form = any_form;
    ListCell *cell;
    check_stack_depth();
    foreach (cell, shape::arms(query))
        form = common_form(form, of_output(lfirst_node(Query, cell), attno, type));
    if (query->setOperations)
        return form;
    Node *expr = shape::column_expression(query, attno);
    return base_type(expr) == getBaseType(type) ? form_of(query, expr) : unknown_form;
}

// ---- expressions ----

Form of_list(Query *query, List *exprs)
{
    Form form = any_form;
    ListCell *cell;
    foreach (cell, exprs)
        form = common_form(form, form_of(query, static_cast<Node *>(lfirst(cell))));
    return form;
}

Form of_case(Query *query, const CaseExpr *choice)
{
    Form form = choice->defresult ? form_of(query, reinterpret_cast<Node *>(choice->defresult)) : any_form;
    ListCell *cell;
    foreach (cell, choice->args)
        form = common_form(form, form_of(query, reinterpret_cast<Node *>(lfirst_node(CaseWhen, cell)->result)));
    return form;
}

// What an expression is that another one shows as of its own type, if that is the same but for
// domains.
Form of_relabelled(Query *query, Node *expr, Expr *arg)
{
    auto *node = reinterpret_cast<Node *>(arg);
    return base_type(expr) == base_type(node) ? form_of(query, node) : unknown_form;
}

// An expression of which the aliases of joins have been replaced.
Form form_of(Query *query, Node *expr)
{
    check_stack_depth();
    switch (nodeTag(expr)) {
    case T_Const:
        return of_const(reinterpret_cast<Const *>(expr));
    case T_Var:
        return of_var(query, reinterpret_cast<Var *>(expr));
    case T_FuncExpr:
        return of_call(query, reinterpret_cast<FuncExpr *>(expr)->funcid, reinterpret_cast<FuncExpr *>(expr)->args);
    case T_OpExpr:
        return of_call(query, get_opcode(reinterpret_cast<OpExpr *>(expr)->opno), reinterpret_cast<OpExpr *>(expr)->args);
    case T_Aggref:
        return of_aggregate(query, reinterpret_cast<Aggref *>(expr));
    case T_CoalesceExpr:
        return of_list(query, reinterpret_cast<CoalesceExpr *>(expr)->args);
    case T_MinMaxExpr:
        return of_list(query, reinterpret_cast<MinMaxExpr *>(expr)->args);
    case T_CaseExpr:
        return of_case(query, reinterpret_cast<CaseExpr *>(expr));
    case T_NullIfExpr: // the first of the two, or NULL
        return form_of(query, static_cast<Node *>(linitial(reinterpret_cast<NullIfExpr *>(expr)->args)));
    case T_RelabelType:
        return of_relabelled(query, expr, reinterpret_cast<RelabelType *>(expr)->arg);
    case T_CollateExpr:
        return of_relabelled(query, expr, reinterpret_cast<CollateExpr *>(expr)->arg);
    case T_CoerceToDomain:
        return of_relabelled(query, expr, reinterpret_cast<CoerceToDomain *>(expr)->arg);
    default:
        return unknown_form;
    }
}

bool can_have_form(Oid type)
{
    return is_one_of(getBaseType(type), {NUMERICOID, BPCHAROID, FLOAT4OID, FLOAT8OID});
}

} // namespace

namespace sameness {

bool holds(Query *query, Oid equality, Expr *expr)
{
    auto *node = reinterpret_cast<Node *>(expr);
    if (!equality::is_builtin(equality, expr))
        return false;
    if (equality::means_same(exprType(node), exprCollation(node)))
        return true;
    return can_have_form(exprType(node))
           && form_of(query, pg::flatten(query, static_cast<Node *>(copyObjectImpl(node)))).known;
}

bool holds(Query *query, Expr *expr)
{
    return holds(query, lookup_type_cache(exprType(reinterpret_cast<Node *>(expr)), TYPECACHE_EQ_OPR)->eq_opr, expr);
}

} // namespace sameness

} // namespace refresh_mv
