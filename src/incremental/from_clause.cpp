#include "incremental/from_clause.hpp"

#include "query/query.hpp"

namespace refresh_mv {

namespace {

// Adds conditions of the WHERE, or of a join with that nullable side.
void add_conditions(From *from, Node *conditions, Relids nullable, bool full)
{
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(conditions))) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        Var *left, *right;
        if (nullable == nullptr && !full)
            from->positive = lappend(from->positive, condition);
        if (!from_clause::equates(from->query, condition, &left, &right) || left->varlevelsup != 0
            || right->varlevelsup != 0)
            continue;
        auto *link = static_cast<Link *>(palloc(sizeof(Link)));
        *link = {left, right, nullable, full};
        from->links = lappend(from->links, link);
    }
}

// Adds what is below a node of the FROM, which other joins can make null or not; returns
// its entries.
Relids walk_from(From *from, Node *node, bool nullable)
{
    check_stack_depth();
    if (IsA(node, RangeTblRef)) {
        int rti = reinterpret_cast<RangeTblRef *>(node)->rtindex;
        from->entries = lappend(from->entries, node);
        if (nullable)
            from->nullable = bms_add_member(from->nullable, rti);
        return bms_make_singleton(rti);
    }
    auto *join = castNode(JoinExpr, node);
    bool full = join->jointype == JOIN_FULL;
    Relids left = walk_from(from, join->larg, nullable || full || join->jointype == JOIN_RIGHT);
    Relids right = walk_from(from, join->rarg, nullable || full || join->jointype == JOIN_LEFT);
    Relids all = bms_union(left, right);
    // Under an outer join even an inner join's condition holds for its rows only.
    Relids side = join->jointype == JOIN_LEFT    ? right
                  : join->jointype == JOIN_RIGHT ? left
                  : nullable                     ? all
                                                 : nullptr;
    // A full join's sides must not be made null by other joins.
    if (!full || (!nullable && IsA(join->larg, RangeTblRef) && IsA(join->rarg, RangeTblRef)))
        add_conditions(from, join->quals, side, full);
    return all;
}

} // namespace

namespace from_clause {

From of_query(Query *query)
{
    From from = {query, NIL, nullptr, NIL, NIL};
    ListCell *cell;
    foreach (cell, query->jointree->fromlist)
        walk_from(&from, static_cast<Node *>(lfirst(cell)), false);
    add_conditions(&from, query->jointree->quals, nullptr, false);
    return from;
}

Node *strip(Node *node)
{
    while (node != nullptr && IsA(node, RelabelType))
        node = reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(node)->arg);
    return node;
}

bool is_plain_type(Oid type)
{
    return type == INT2OID || type == INT4OID || type == INT8OID || type == UUIDOID || type == DATEOID
           || type == TEXTOID || type == VARCHAROID || type == OIDOID;
}

Oid compared_type(Oid type)
{
    return type == VARCHAROID ? TEXTOID : type;
}

Var *as_column(Query *query, Node *expr)
{
    Node *node = strip(pg::flatten(query, static_cast<Node *>(copyObjectImpl(expr))));
    if (node == nullptr || !IsA(node, Var))
        return nullptr;
    auto *var = reinterpret_cast<Var *>(node);
    bool plain = var->varattno > 0 && is_plain_type(var->vartype)
                 && (!OidIsValid(var->varcollid) || get_collation_isdeterministic(var->varcollid));
    return plain ? var : nullptr;
}

bool is_equality(OpExpr *op)
{
    if (list_length(op->args) != 2)
        return false;
    Oid left = compared_type(exprType(strip(static_cast<Node *>(linitial(op->args)))));
    Oid right = compared_type(exprType(strip(static_cast<Node *>(lsecond(op->args)))));
    return left == right && op->opno == lookup_type_cache(left, TYPECACHE_EQ_OPR)->eq_opr;
}

bool equates(Query *query, Node *condition, Var **left, Var **right)
{
    if (condition == nullptr || !IsA(condition, OpExpr))
        return false;
    auto *op = reinterpret_cast<OpExpr *>(condition);
    if (!is_equality(op))
        return false;
    *left = as_column(query, static_cast<Node *>(linitial(op->args)));
    *right = as_column(query, static_cast<Node *>(lsecond(op->args)));
    return *left != nullptr && *right != nullptr && (*left)->varcollid == (*right)->varcollid;
}

bool is_nullable(const From &from, int rti)
{
    return bms_is_member(rti, from.nullable);
}

bool column_never_null(const From &from, Var *var)
{
    RangeTblEntry *rte = rt_fetch(var->varno, from.query->rtable);
    if (rte->rtekind != RTE_RELATION || is_nullable(from, var->varno))
        return false;
    Relation table = table_open(rte->relid, AccessShareLock);
    bool result = pg::is_not_null(RelationGetDescr(table), var->varattno);
    table_close(table, NoLock);
    return result;
}

bool never_null(Query *query, Expr *expr)
{
    if (!IsA(expr, Var))
        return false;
    auto *var = reinterpret_cast<Var *>(expr);
    return var->varlevelsup == 0 && var->varattno > 0 && column_never_null(of_query(query), var);
}

bool is_additive(Query *query)
{
    return query::only_joins(query) || union_arms(query) != NIL;
}

List *union_arms(Query *query)
{
    return query::union_arms(query);
}

int first_arm(Query *query)
{
    Node *node = query->setOperations;
    while (IsA(node, SetOperationStmt))
        node = reinterpret_cast<SetOperationStmt *>(node)->larg;
    return castNode(RangeTblRef, node)->rtindex;
}

} // namespace from_clause

} // namespace refresh_mv
