#include "query/nullness.hpp"

#include "query/shape.hpp"

namespace refresh_mv::nullness {

// What the joins of a query level do to the rows of its range table.
struct Joins {
    Bitmapset *nullable; // entries on the nullable side of an outer join
    List *conditions;    // that every joined row satisfies
};

static void read_joins(Node *node, bool nullable, Joins *joins)
{
    ListCell *cell;

    check_stack_depth();
    if (IsA(node, RangeTblRef)) {
        if (nullable)
            joins->nullable = bms_add_member(joins->nullable, reinterpret_cast<RangeTblRef *>(node)->rtindex);
        return;
    }
    if (IsA(node, FromExpr)) {
        auto *from = reinterpret_cast<FromExpr *>(node);
        foreach (cell, from->fromlist)
            read_joins(static_cast<Node *>(lfirst(cell)), nullable, joins);
        if (!nullable && from->quals != nullptr)
            joins->conditions = lappend(joins->conditions, from->quals);
        return;
    }
    auto *join = castNode(JoinExpr, node);
    read_joins(join->larg, nullable || join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL, joins);
    read_joins(join->rarg, nullable || join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL, joins);
    if (!nullable && join->jointype == JOIN_INNER && join->quals != nullptr)
        joins->conditions = lappend(joins->conditions, join->quals);
}

static Joins joins_of(Query *query)
{
    Joins joins = {nullptr, NIL};
    if (query->jointree != nullptr)
        read_joins(reinterpret_cast<Node *>(query->jointree), false, &joins);
    // Flattening changes what it is given.
    auto *conditions = static_cast<Node *>(copyObjectImpl(joins.conditions));
    joins.conditions = reinterpret_cast<List *>(pg::flatten(query, conditions));
    // A condition that is not satisfied by NULLs leaves no row without its table.
    joins.nullable = bms_del_members(
        joins.nullable, find_nonnullable_rels(reinterpret_cast<Node *>(joins.conditions)));
    return joins;
}

bool on_nullable_side(Query *query, Index varno)
{
    return bms_is_member(static_cast<int>(varno), joins_of(query).nullable);
}

// Opens a relation to look at its definition; null if it is locked by somebody else, or gone.
static Relation open_if_free(Oid oid)
{
    if (!ConditionalLockRelationOid(oid, AccessShareLock))
        return nullptr;
    Relation relation = try_relation_open(oid, NoLock);
    if (relation == nullptr)
        UnlockRelationOid(oid, AccessShareLock);
    return relation;
}

// Whether a table's own column is NOT NULL.  The server does not enforce that for foreign
// tables, and not for tables that inherit.
static bool is_not_null(Oid oid, const char *name)
{
    AttrNumber attno = get_attnum(oid, name);
    Relation relation = attno > 0 ? open_if_free(oid) : nullptr;
    if (relation == nullptr)
        return false;
    char kind = relation->rd_rel->relkind;
    bool not_null = (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
                    && attno <= RelationGetNumberOfAttributes(relation)
                    && pg::is_not_null(RelationGetDescr(relation), attno);
    relation_close(relation, AccessShareLock);
    return not_null;
}

static bool is_not_null(RangeTblEntry *rte, AttrNumber attno)
{
    const char *name = get_attname(rte->relid, attno, true);
    ListCell *cell;

    if (name == nullptr || !is_not_null(rte->relid, name))
        return false;
    foreach (cell, rte->inh ? find_all_inheritors(rte->relid, NoLock, nullptr) : NIL)
        if (!is_not_null(lfirst_oid(cell), name))
            return false;
    return true;
}

// The query of an ordinary view; null if it is locked by somebody else.
static Query *query_of_view(Oid oid)
{
    Relation view = open_if_free(oid);
    if (view == nullptr)
        return nullptr;
    auto *query = static_cast<Query *>(copyObjectImpl(get_view_query(view)));
    relation_close(view, AccessShareLock);
    return query;
}

// Whether the rows of a function in FROM hold no NULL.
static bool makes_no_null(RangeTblEntry *rte)
{
    if (list_length(rte->functions) != 1)
        return false;
    Node *expr = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
    if (!IsA(expr, FuncExpr))
        return false;
    Oid function = reinterpret_cast<FuncExpr *>(expr)->funcid;
    return function < FirstGenbkiObjectId && strcmp(get_func_name(function), "generate_series") == 0;
}

static bool var_is_never_null(Query *query, const Joins *joins, Var *var)
{
    bool shared;

    if (var->varlevelsup != 0 || var->varattno <= 0)
        return false;
    if (pg::proves_not_null(reinterpret_cast<Node *>(joins->conditions), var))
        return true;
    if (bms_is_member(static_cast<int>(var->varno), joins->nullable))
        return false;
    RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
    Query *inner = shape::subquery_of(query, rte, &shared);
    if (inner == nullptr && rte->rtekind == RTE_RELATION && get_rel_relkind(rte->relid) == RELKIND_VIEW)
        inner = query_of_view(rte->relid);
    if (inner != nullptr)
        return never(inner, var->varattno);
    if (rte->rtekind == RTE_FUNCTION)
        return makes_no_null(rte);
    return rte->rtekind == RTE_RELATION && is_not_null(rte, var->varattno);
}

// Whether a function gives NULL for NULL arguments alone: those that dates are made by.
static bool keeps_not_null(Oid function)
{
    static const char *const names[] = {
        "date",          "timestamp",     "timestamptz",    "date_trunc",  "date_bin", "timezone",
        "make_date",     "make_timestamp", "make_timestamptz", "to_date",  "to_timestamp",
        "timestamp_pl_interval", "timestamp_mi_interval", "timestamptz_pl_interval",
        "timestamptz_mi_interval", "date_pl_interval", "date_mi_interval", "date_pli", "date_mii",
        "datetime_pl",   "datetimetz_pl", "integer_pl_date", "interval_pl_date",
        "interval_pl_timestamp", "interval_pl_timestamptz"};
    if (function >= FirstGenbkiObjectId)
        return false;
    const char *name = get_func_name(function);
    for (const char *known : names)
        if (name != nullptr && strcmp(name, known) == 0)
            return true;
    return false;
}

static bool expr_is_never_null(Query *query, const Joins *joins, Node *expr);

// Of a list of expressions, whether all are never NULL, or one at least.
static bool all_never_null(Query *query, const Joins *joins, List *exprs)
{
    ListCell *cell;
    foreach (cell, exprs)
        if (!expr_is_never_null(query, joins, static_cast<Node *>(lfirst(cell))))
            return false;
    return true;
}

static bool one_never_null(Query *query, const Joins *joins, List *exprs)
{
    ListCell *cell;
    foreach (cell, exprs)
        if (expr_is_never_null(query, joins, static_cast<Node *>(lfirst(cell))))
            return true;
    return false;
}

static bool case_is_never_null(Query *query, const Joins *joins, CaseExpr *expr)
{
    ListCell *cell;
    foreach (cell, expr->args)
        if (!expr_is_never_null(query, joins, reinterpret_cast<Node *>(lfirst_node(CaseWhen, cell)->result)))
            return false;
    return expr->defresult != nullptr
           && expr_is_never_null(query, joins, reinterpret_cast<Node *>(expr->defresult));
}

static bool expr_is_never_null(Query *query, const Joins *joins, Node *expr)
{
    check_stack_depth();
    switch (nodeTag(expr)) {
    case T_Const:
        return !reinterpret_cast<Const *>(expr)->constisnull;
    case T_Var:
        return var_is_never_null(query, joins, reinterpret_cast<Var *>(expr));
    case T_RelabelType:
        return expr_is_never_null(query, joins, reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(expr)->arg));
    case T_CoerceToDomain:
        return expr_is_never_null(query, joins,
                                  reinterpret_cast<Node *>(reinterpret_cast<CoerceToDomain *>(expr)->arg));
    case T_FuncExpr: {
        auto *call = reinterpret_cast<FuncExpr *>(expr);
        return keeps_not_null(call->funcid) && all_never_null(query, joins, call->args);
    }
    case T_OpExpr: {
        auto *call = reinterpret_cast<OpExpr *>(expr);
        return keeps_not_null(get_opcode(call->opno)) && all_never_null(query, joins, call->args);
    }
    case T_CoalesceExpr:
        return one_never_null(query, joins, reinterpret_cast<CoalesceExpr *>(expr)->args);
    case T_MinMaxExpr:
        return one_never_null(query, joins, reinterpret_cast<MinMaxExpr *>(expr)->args);
    case T_CaseExpr:
        return case_is_never_null(query, joins, reinterpret_cast<CaseExpr *>(expr));
    default:
        return false;
    }
}

bool never(Query *query, AttrNumber attno)
{
    ListCell *cell;

    check_stack_depth();
    foreach (cell, shape::arms(query))
        if (!never(lfirst_node(Query, cell), attno))
            return false;
    if (query->setOperations)
        return true;
    if (query->groupingSets)
        return false;
    Joins joins = joins_of(query);
    return expr_is_never_null(query, &joins, shape::column_expression(query, attno));
}

} // namespace refresh_mv::nullness
