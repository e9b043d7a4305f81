#include "incremental/optional_rows.hpp"

#include "incremental/from_clause.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"

namespace refresh_mv {

namespace {

// The left join of which an entry is the whole nullable side, below preserved sides and inner joins; null if there is none.
JoinExpr *find_join(Node *node, int rti)
{
    if (!IsA(node, JoinExpr))
        return nullptr;
    auto *join = reinterpret_cast<JoinExpr *>(node);
    check_stack_depth();
    if (join->jointype == JOIN_LEFT && IsA(join->rarg, RangeTblRef)
        && reinterpret_cast<RangeTblRef *>(join->rarg)->rtindex == rti)
        return join;
    JoinExpr *found = join->jointype == JOIN_LEFT || join->jointype == JOIN_INNER ? find_join(join->larg, rti) : nullptr;
    return found == nullptr && (join->jointype == JOIN_RIGHT || join->jointype == JOIN_INNER) ? find_join(join->rarg, rti)
                                                                                              : found;
}

JoinExpr *find_join(Query *query, int rti)
{
    ListCell *cell;
    foreach (cell, query->jointree->fromlist)
        if (JoinExpr *join = find_join(static_cast<Node *>(lfirst(cell)), rti))
            return join;
    return nullptr;
}

// A condition on an entry as one on the first entry of a subquery.
Node *moved_below(Node *node, void *context)
{
    if (node == nullptr)
        return nullptr;
    if (!IsA(node, Var))
        return expression_tree_mutator(node, pg::mutator(moved_below), context);
    auto *var = static_cast<Var *>(copyObjectImpl(node));
    if (var->varlevelsup == 0 && var->varno == *static_cast<int *>(context)) {
        var->varno = 1;
        var->varnosyn = 1;
        pg::forget_nulling(var);
    } else
        var->varlevelsup++;
    return reinterpret_cast<Node *>(var);
}

// Whether rows of a table that match can be found by an index: one on a column that has to be equal to something.
bool has_index(Oid relation, int rti, Node *match)
{
    Bitmapset *columns = nullptr;
    bool found = false;
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(match))) {
        auto *op = static_cast<OpExpr *>(lfirst(cell));
        if (!IsA(op, OpExpr) || !from_clause::is_equality(op))
            continue;
        for (void *side : {linitial(op->args), llast(op->args)}) {
            auto *var = reinterpret_cast<Var *>(from_clause::strip(static_cast<Node *>(side)));
            if (IsA(var, Var) && var->varlevelsup == 0 && var->varno == rti && var->varattno > 0)
                columns = bms_add_member(columns, var->varattno);
        }
    }
    Relation table = table_open(relation, AccessShareLock);
    foreach (cell, RelationGetIndexList(table)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        found |= bms_is_member(index->rd_index->indkey.values[0], columns);
        index_close(index, NoLock);
    }
    table_close(table, NoLock);
    return found;
}

// [NOT] EXISTS (rows t that match).
Node *exists(const char *rows, Node *match, bool is_true, QueryEnvironment *environment)
{
    SubLink *sublink = makeNode(SubLink);
    Query *subquery = query::unchecked(psprintf("SELECT FROM %s", rows), environment);
    subquery->jointree->quals = make_and_qual(subquery->jointree->quals, static_cast<Node *>(copyObjectImpl(match)));
    sublink->subLinkType = EXISTS_SUBLINK;
    sublink->subselect = reinterpret_cast<Node *>(subquery);
    sublink->location = -1;
    auto *node = reinterpret_cast<Expr *>(sublink);
    return reinterpret_cast<Node *>(is_true ? node : make_notclause(node));
}

Expr *constant(int32 value)
{
    return reinterpret_cast<Expr *>(
        makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(value), false, true));
}

// Rows of a table that are looked for row by row, if an index finds them.  The planner would take the test for keys
// among the changed ones for one that costs as much each time, and read the table as a whole.
const char *looked_for(const char *rows, bool by_index)
{
    return by_index ? psprintf("%s OFFSET 0", rows) : rows;
}

// The rows of a table whose keys have no change.
const char *kept(const Instance *instance, const SignedChanges *signs)
{
    return psprintf("%s t WHERE NOT (%s)", instance::qualified_name(instance->relation),
                    net_changes::is_among(signs->changes, signs->changes->source->key, signs->rows.name));
}

const char *images(const SignedChanges *signs, const NamedRows &rows, const char *test)
{
    return psprintf("%s t WHERE t.%s %s 0", rows.name, net_changes::existed_column(signs->changes), test);
}

} // namespace

namespace optional_rows {

bool are_of(Query *query, int rti)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    ListCell *cell;
    foreach (cell, query->rtable)
        if (lfirst_node(RangeTblEntry, cell)->lateral)
            return false; // it may mention what the join makes null
    JoinExpr *join = rte->securityQuals == NIL ? find_join(query, rti) : nullptr;
    return join != nullptr && !contain_subplans(join->quals) && !query::mentions_around(join->quals);
}

Expr *read(Query *query, const Instance *instance, const SignedChanges *signs, const NamedRows &few, Part part,
           QueryEnvironment *environment, Relids *inner)
{
    int rti = static_cast<int>(instance->rti);
    JoinExpr *join = find_join(query, rti);
    const char *columns = instance::used_columns(instance);
    if (part == Part::before) {
        instance::replace(instance, psprintf("SELECT %s FROM %s UNION ALL SELECT %s FROM %s", columns,
                                             kept(instance, signs), columns, images(signs, signs->rows, "<")),
                          environment);
        return nullptr;
    }
    if (part == Part::matches) {
        instance::replace(instance, psprintf("SELECT %s, t.%s FROM %s t", columns,
                                             net_changes::existed_column(signs->changes), few.name),
                          environment);
        pg::make_inner(query, join, inner);
        return reinterpret_cast<Expr *>(
            makeVar(rti, static_cast<AttrNumber>(signs->rows.desc->natts), INT4OID, -1, InvalidOid, 0));
    }
    Node *match = moved_below(join->quals, &rti);
    auto add = [&](const char *rows, bool is_true) {
        query->jointree->quals = make_and_qual(query->jointree->quals, exists(rows, match, is_true, environment));
    };
    bool found = part == Part::found;
    bool by_index = has_index(instance->relation, rti, join->quals);
    add(images(signs, few, found ? ">" : "<"), true);
    if (found)
        add(images(signs, signs->rows, "<"), false);
    const char *others = found ? kept(instance, signs) : psprintf("%s t", instance::qualified_name(instance->relation));
    add(looked_for(others, by_index), false);
    query->hasSubLinks = true;
    join->quals = makeBoolConst(false, false);
    return constant(found ? -1 : 1);
}

} // namespace optional_rows

} // namespace refresh_mv
