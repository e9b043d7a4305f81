#include "query/normalize.hpp"

#include "query/flatten.hpp"
#include "query/grouping_sets.hpp"
#include "query/query.hpp"
#include "query/recursion.hpp"
#include "query/set_operations.hpp"

#include <utility>

namespace refresh_mv {

namespace {

// ---- common table expressions ----

// A reference to a common table expression of the query that is so many levels up.
struct Reference {
    CommonTableExpr *cte;
    int levels_up;
};

bool inline_reference(Node *node, void *context);

void inline_in(Query *query, Reference *reference)
{
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_CTE || rte->self_reference
            || rte->ctelevelsup != static_cast<Index>(reference->levels_up)
            || strcmp(rte->ctename, reference->cte->ctename) != 0)
            continue;
        bool recursive = reference->cte->cterecursive;
        rte->subquery = recursive ? recursion::read_all(rte, reference->cte)
                                  : static_cast<Query *>(copyObjectImpl(reference->cte->ctequery));
        rte->rtekind = RTE_SUBQUERY;
        // The subquery is one level below the entry, as the CTE is below its query.
        if (reference->levels_up > 0 && !recursive)
            IncrementVarSublevelsUp(reinterpret_cast<Node *>(rte->subquery), reference->levels_up, 1);
        rte->ctename = nullptr;
        rte->ctelevelsup = 0;
        rte->coltypes = rte->coltypmods = rte->colcollations = NIL;
    }
    reference->levels_up++;
    query_tree_walker(query, pg::walker(inline_reference), reference, 0);
    reference->levels_up--;
}

bool inline_reference(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(inline_reference), context);
    inline_in(reinterpret_cast<Query *>(node), static_cast<Reference *>(context));
    return false;
}

// Puts the CTEs of a query, which may refer to earlier ones, where they are used.
void inline_ctes(Query *query)
{
    List *recursive = NIL;
    ListCell *cell;

    if (recursion::is_read_all(query) && !query->hasSubLinks)
        return; // for which nothing is to be put anywhere
    foreach (cell, query->cteList) {
        auto *cte = lfirst_node(CommonTableExpr, cell);
        if (cte->cterecursive ? !recursion::is_closed(cte) : !IsA(cte->ctequery, Query)) {
            recursive = lappend(recursive, cte);
            continue;
        }
        Reference reference = {cte, 0};
        inline_in(query, &reference);
    }
    query->cteList = recursive;
    query->hasRecursive = recursive != NIL;
}

// ---- joins ----

// Replaces the columns of joins by what they stand for; the context is the query.
Node *flat(Node *node, void *context)
{
    return pg::flatten_joins(static_cast<Query *>(context), node);
}

// Lets nothing in a query refer to the columns of a join.
void flatten_joins(Query *query)
{
    ListCell *cell;
    bool has_joins = false;
    foreach (cell, query->rtable)
        has_joins |= lfirst_node(RangeTblEntry, cell)->rtekind == RTE_JOIN;
    if (has_joins)
        query_tree_mutator(query, pg::mutator(flat), query, QTW_DONT_COPY_QUERY | QTW_IGNORE_JOINALIASES);
}

// Makes columns go by the entries that they are of, not by the named joins by which
// they were written.
bool forget_written(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(forget_written), context, 0);
    if (!IsA(node, Var))
        return expression_tree_walker(node, pg::walker(forget_written), context);
    auto *var = reinterpret_cast<Var *>(node);
    var->varnosyn = static_cast<Index>(var->varno);
    var->varattnosyn = var->varattno;
    return false;
}

// The columns of a part of FROM.
struct Columns {
    List *vars;
    List *names;
    bool of_join;
};

// Those of an entry that is no join.  Columns that a table has been given since the
// query was parsed are none of its, as those that were dropped.
Columns columns_of(Query *query, int rti)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    Columns columns{};
    List *vars, *names;
    ListCell *var, *name;
    pg::expand(rte, rti, 0, false, &names, &vars);
    forboth (var, vars, name, names) {
        if (lfirst_node(Var, var)->varattno > list_length(rte->eref->colnames))
            break;
        columns.vars = lappend(columns.vars, lfirst(var));
        columns.names = lappend(columns.names, lfirst(name));
    }
    return columns;
}

// Adds the columns of one side to a join's entry; returns their numbers on that side.
List *add_side(RangeTblEntry *rte, const Columns &side)
{
    List *numbers = NIL;
    ListCell *cell;
    foreach (cell, side.vars)
        numbers = lappend_int(numbers, side.of_join ? foreach_current_index(cell) + 1
                                                    : lfirst_node(Var, cell)->varattno);
    rte->joinaliasvars = list_concat(rte->joinaliasvars, static_cast<List *>(copyObjectImpl(side.vars)));
    rte->eref->colnames = list_concat(rte->eref->colnames, static_cast<List *>(copyObjectImpl(side.names)));
    return numbers;
}

// Makes the entries of joins say what is below them now; USING and names of joins go.
Columns describe(Query *query, Node *node)
{
    check_stack_depth();
    if (IsA(node, RangeTblRef))
        return columns_of(query, reinterpret_cast<RangeTblRef *>(node)->rtindex);
    auto *join = castNode(JoinExpr, node);
    RangeTblEntry *rte = rt_fetch(join->rtindex, query->rtable);
    Columns left = describe(query, join->larg);
    Columns right = describe(query, join->rarg);

    join->isNatural = false;
    join->usingClause = NIL;
    join->alias = join->join_using_alias = rte->alias = rte->join_using_alias = nullptr;
    rte->eref = makeAlias(rte->eref->aliasname, NIL);
    rte->joinmergedcols = 0;
    rte->joinaliasvars = NIL;
    rte->joinleftcols = add_side(rte, left);
    rte->joinrightcols = add_side(rte, right);
    if (join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL)
        pg::mark_nulled(left.vars, join->rtindex);
    if (join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL)
        pg::mark_nulled(right.vars, join->rtindex);
    return {list_concat(left.vars, right.vars), list_concat(left.names, right.names), true};
}

// ---- limits ----

// Whether a limit is a constant that limits nothing: NULL, or an offset of 0.
bool is_void(Node *limit, bool is_offset)
{
    if (limit == nullptr || !IsA(limit, Const))
        return false;
    auto *constant = reinterpret_cast<Const *>(limit);
    return constant->constisnull || (is_offset && DatumGetInt64(constant->constvalue) == 0);
}

// Limits as constants, if they are that; OFFSET 0, by which users keep the planner from merging a subquery, and
// LIMIT ALL are none.
void simplify_limits(Query *query)
{
    if (query->limitOffset != nullptr && !contain_subplans(query->limitOffset))
        query->limitOffset = eval_const_expressions(nullptr, query->limitOffset);
    if (query->limitCount != nullptr && !contain_subplans(query->limitCount))
        query->limitCount = eval_const_expressions(nullptr, query->limitCount);
    if (is_void(query->limitOffset, true))
        query->limitOffset = nullptr;
    if (query->limitOption == LIMIT_OPTION_COUNT && is_void(query->limitCount, false))
        query->limitCount = nullptr;
}

bool normalize_level(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(normalize_level), context);
    auto *query = reinterpret_cast<Query *>(node);
    simplify_limits(query);
    inline_ctes(query);
    pg::expand_groups(query);
    set_operations::turn_into_groups(query);
    grouping_sets::take_apart(query);
    pg::expand_groups(query); // of what these have made
    flatten_joins(query);
    normalize::describe_joins(query);
    return query_tree_walker(query, pg::walker(normalize_level), context, 0);
}

// ---- the top ----

// SELECT all columns FROM (query).
Query *wrap(Query *inner)
{
    Query *query = makeNode(Query);
    ListCell *cell;

    foreach (cell, inner->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk)
            query->targetList = lappend(
                query->targetList,
                makeTargetEntry(reinterpret_cast<Expr *>(makeVarFromTargetEntry(1, entry)), entry->resno,
                                entry->resname ? pstrdup(entry->resname) : nullptr, false));
    }
    query->commandType = CMD_SELECT;
    query->querySource = QSRC_ORIGINAL;
    query->canSetTag = true;
    query::read_only(query, inner);
    return query;
}

bool is_plain_distinct(Query *query)
{
    return query->distinctClause != NIL && !query->hasDistinctOn && !query->hasAggs
           && query->groupClause == NIL && query->havingQual == nullptr
           && query->windowClause == NIL && !query->hasTargetSRFs;
}

} // namespace

namespace normalize {

void describe_joins(Query *query)
{
    ListCell *cell;
    foreach (cell, query->jointree != nullptr ? query->jointree->fromlist : NIL)
        describe(query, static_cast<Node *>(lfirst(cell)));
}

void normalize(Query **query)
{
    normalize_level(reinterpret_cast<Node *>(*query), nullptr);
    forget_written(reinterpret_cast<Node *>(*query), nullptr);
    *query = flatten::from(*query);
    normalize::describe_joins(*query);
    if ((*query)->setOperations != nullptr && (*query)->limitCount == nullptr
        && (*query)->limitOffset == nullptr)
        *query = wrap(*query);
    if (is_plain_distinct(*query)) {
        (*query)->groupClause = (*query)->distinctClause;
        (*query)->distinctClause = NIL;
    }
}

} // namespace normalize

} // namespace refresh_mv
