#include "incremental/whole_rows.hpp"

#include "incremental/from_clause.hpp"

namespace refresh_mv {

namespace {

// A query whose whole rows are spelled out, and how many levels below it we are.
struct Level {
    From from;
    Index down;
};

bool is_whole_row(Node *node)
{
    return IsA(node, Var) && reinterpret_cast<Var *>(node)->varattno == 0;
}

bool mentions_any(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(mentions_any), context, 0);
    return is_whole_row(node) || expression_tree_walker(node, pg::walker(mentions_any), context);
}

// Whether an expression is the whole row of a table or a subquery in the query's FROM, which makes it null
// nowhere.
bool is_whole_row_of(const Level &level, Node *node)
{
    const From &from = level.from;
    auto *var = reinterpret_cast<Var *>(node);
    if (!is_whole_row(node) || var->varlevelsup != level.down)
        return false;
    ListCell *cell;
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        RTEKind kind = rt_fetch(rti, from.query->rtable)->rtekind;
        if (rti == var->varno)
            return (kind == RTE_RELATION || kind == RTE_SUBQUERY) && !from_clause::is_nullable(from, rti);
    }
    return false;
}

// ROW(the columns), as a value of the type.
Node *row_of(const From &from, const Var *var, Oid type)
{
    RowExpr *row = makeNode(RowExpr);
    RangeTblEntry *rte = rt_fetch(var->varno, from.query->rtable);
    List *names;
    bool is_record = type == RECORDOID;
    pg::expand(rte, var->varno, var->varlevelsup, !is_record, &names, &row->args);
    row->row_typeid = type;
    row->row_format = COERCE_IMPLICIT_CAST;
    row->colnames = is_record ? names : NIL;
    row->location = -1;
    return reinterpret_cast<Node *>(row);
}

// Whether all columns are null, or none: those that have been dropped do not count.
Node *spelled_test(const Level &level, const NullTest *original)
{
    auto *test = static_cast<NullTest *>(copyObjectImpl(original));
    test->arg = reinterpret_cast<Expr *>(row_of(level.from, reinterpret_cast<Var *>(test->arg), RECORDOID));
    return reinterpret_cast<Node *>(test);
}

Node *spelled(Node *node, void *context)
{
    auto *level = static_cast<Level *>(context);
    if (node == nullptr)
        return nullptr;
    if (IsA(node, Query)) {
        level->down++;
        Query *query = query_tree_mutator(reinterpret_cast<Query *>(node), pg::mutator(spelled), context, 0);
        level->down--;
        return reinterpret_cast<Node *>(query);
    }
    if (is_whole_row_of(*level, node))
        return row_of(level->from, reinterpret_cast<Var *>(node), reinterpret_cast<Var *>(node)->vartype);
    if (IsA(node, NullTest) && is_whole_row_of(*level, reinterpret_cast<Node *>(reinterpret_cast<NullTest *>(node)->arg)))
        return spelled_test(*level, reinterpret_cast<NullTest *>(node));
    return expression_tree_mutator(node, pg::mutator(spelled), context);
}

bool spell_out_level(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(spell_out_level), context);
    auto *query = reinterpret_cast<Query *>(node);
    if (query->setOperations == nullptr && query->jointree != nullptr) {
        Level level = {from_clause::of_query(query), 0};
        query_tree_mutator(query, pg::mutator(spelled), &level, QTW_DONT_COPY_QUERY);
    }
    return query_tree_walker(query, pg::walker(spell_out_level), context, 0);
}

} // namespace

void whole_rows::spell_out(Query *query)
{
    auto *node = reinterpret_cast<Node *>(query);
    if (mentions_any(node, nullptr))
        spell_out_level(node, nullptr);
}

} // namespace refresh_mv
