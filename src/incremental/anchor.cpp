#include "incremental/anchor.hpp"

#include "incremental/optional_rows.hpp"
#include "query/query.hpp"
#include "tracking/source.hpp"

#include <utility>

namespace refresh_mv {

namespace {

// A column of an entry of a query's range table.
struct Column {
    int rti;
    AttrNumber attno;
};

// An attempt to anchor tables.
struct Search {
    List *instances;
    List *recursions;
    Oid type;         // of the anchor
    bool keeps_nulls;
};

// ---- anchoring ----

bool anchor_in(Search *search, Query *query, int rti, AttrNumber attno);

// Anchors the tables below a subquery by its output column.
bool anchor_output(Search *search, Query *query, AttrNumber attno)
{
    ListCell *cell;

    check_stack_depth();
    if (query->setOperations != nullptr) {
        List *todo = list_make1(query->setOperations);
        if (query->limitCount || query->limitOffset)
            return false;
        foreach (cell, todo) { // grows meanwhile
            auto *node = static_cast<Node *>(lfirst(cell));
            if (IsA(node, SetOperationStmt)) {
                auto *operation = reinterpret_cast<SetOperationStmt *>(node);
                todo = lappend(lappend(todo, operation->larg), operation->rarg);
            } else if (!anchor_output(search,
                                      rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex,
                                               query->rtable)->subquery,
                                      attno))
                return false;
        }
        return true;
    }
    TargetEntry *entry = get_tle_by_resno(query->targetList, attno);
    if (entry == nullptr || query->commandType != CMD_SELECT || query->jointree == nullptr
        || !anchor::hands_up(query, entry))
        return false;
    Var *var = from_clause::as_column(query, reinterpret_cast<Node *>(entry->expr));
    return var != nullptr && var->varlevelsup == 0
           && !from_clause::is_nullable(from_clause::of_query(query), var->varno)
           && anchor_in(search, query, var->varno, var->varattno);
}

// Anchors what an entry of the range table reads, by its column.
bool reach(Search *search, Query *query, int rti, AttrNumber attno)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    if (rte->rtekind == RTE_SUBQUERY)
        return anchor_output(search, rte->subquery, attno);
    bool recursive = rte->rtekind == RTE_CTE;
    Instance *instance = instance::find(recursive ? search->recursions : search->instances, query, rti);
    if (instance == nullptr || (instance->anchor != 0 && instance->anchor != attno)
        || from_clause::compared_type(recursive ? list_nth_oid(rte->coltypes, attno - 1)
                                                : get_atttype(instance->relation, attno))
               != search->type)
        return false;
    instance->anchor = attno;
    instance->keeps_nulls |= search->keeps_nulls;
    return true;
}

// Anchors all that some step does, or nothing if it returns false.
template <class Step>
bool all_or_nothing(const Search *search, Step step)
{
    List *instances = list_concat_copy(search->instances, search->recursions);
    int count = list_length(instances);
    auto *saved = static_cast<Instance *>(palloc(sizeof(Instance) * static_cast<size_t>(count)));
    ListCell *cell;

    foreach (cell, instances)
        saved[foreach_current_index(cell)] = *static_cast<Instance *>(lfirst(cell));
    bool done = step();
    foreach (cell, done ? NIL : instances)
        *static_cast<Instance *>(lfirst(cell)) = saved[foreach_current_index(cell)];
    pfree(saved);
    return done;
}

bool try_reach(Search *search, Query *query, int rti, AttrNumber attno)
{
    return all_or_nothing(search, [&] { return reach(search, query, rti, attno); });
}

bool is_known(List *known, int rti, AttrNumber attno)
{
    ListCell *cell;
    foreach (cell, known) {
        auto *column = static_cast<Column *>(lfirst(cell));
        if (column->rti == rti && column->attno == attno)
            return true;
    }
    return false;
}

List *add_known(List *known, int rti, AttrNumber attno)
{
    auto *column = static_cast<Column *>(palloc(sizeof(Column)));
    *column = {rti, attno};
    return lappend(known, column);
}

// Notes that an instance's anchor equals a known column wherever the query looks.
void mark_implied(Search *search, Query *query, int rti)
{
    Instance *instance = instance::find(search->instances, query, rti);
    if (instance != nullptr)
        instance->implied = !instance->keeps_nulls;
}

// Goes along a link from a known column to another.
bool follow(Search *search, const From &from, const Link *link, Var *here, Var *there, List **known)
{
    if (!is_known(*known, here->varno, here->varattno) || is_known(*known, there->varno, there->varattno))
        return false;
    if (link->full)
        return false;
    if (link->nullable != nullptr
        && (!bms_is_member(there->varno, link->nullable) || bms_is_member(here->varno, link->nullable)))
        return false;
    if (link->nullable == nullptr
        && (from_clause::is_nullable(from, here->varno) || from_clause::is_nullable(from, there->varno)))
        return false;
    if (!try_reach(search, from.query, there->varno, there->varattno))
        return false;
    mark_implied(search, from.query, there->varno);
    *known = add_known(*known, there->varno, there->varattno);
    return true;
}

// Anchors a subquery that compares a column of its own with a known one around it.
void anchor_correlated(Search *search, Query *sub, List *known)
{
    ListCell *cell;
    if (sub->setOperations != nullptr || sub->jointree == nullptr)
        return;
    From from = from_clause::of_query(sub);
    foreach (cell, from.positive) {
        Var *left, *right;
        if (!from_clause::equates(sub, static_cast<Node *>(lfirst(cell)), &left, &right))
            continue;
        if (left->varlevelsup == 1)
            std::swap(left, right);
        if (left->varlevelsup == 0 && right->varlevelsup == 1
            && is_known(known, right->varno, right->varattno) && !from_clause::is_nullable(from, left->varno)
            && anchor_in(search, sub, left->varno, left->varattno))
            mark_implied(search, sub, left->varno);
    }
}

// Marks the instances below a subquery that is evaluated for each row around it.
void mark_repeated(Search *search, Query *sub)
{
    ListCell *cell;
    foreach (cell, instance::all(sub)) {
        auto *below = static_cast<Instance *>(lfirst(cell));
        instance::find(search->instances, below->query, static_cast<int>(below->rti))->repeated = true;
    }
}

// Whether the planner can make no join of a subquery.
bool stays_subquery(const SubLink *sublink)
{
    return sublink->subLinkType == EXPR_SUBLINK || sublink->subLinkType == ARRAY_SUBLINK
           || sublink->subLinkType == ROWCOMPARE_SUBLINK;
}

struct Sublinks {
    Search *search;
    const From *from;
    List *known;
};

// Whether a condition holds a subquery below nothing but AND and OR, which do not tell whether it is false or null.
bool is_below_and_or(Node *condition, const SubLink *sublink)
{
    ListCell *cell;
    if (!IsA(condition, BoolExpr) || reinterpret_cast<BoolExpr *>(condition)->boolop == NOT_EXPR)
        return condition == reinterpret_cast<const Node *>(sublink);
    foreach (cell, reinterpret_cast<BoolExpr *>(condition)->args)
        if (is_below_and_or(static_cast<Node *>(lfirst(cell)), sublink))
            return true;
    return false;
}

// Whether joined rows are asked for a true answer of a subquery only.
bool is_asked_for_truth(const From &from, const SubLink *sublink)
{
    ListCell *cell;
    foreach (cell, from.positive)
        if (is_below_and_or(static_cast<Node *>(lfirst(cell)), sublink))
            return true;
    return false;
}

// Anchors the subquery of "known IN (SELECT column ...)".  Where it is not known
// to be asked for a true answer only, its NULLs matter as well.
void anchor_in_sublink(Sublinks *sublinks, SubLink *sublink, Query *sub)
{
    Var *var;
    if (sublink->subLinkType != ANY_SUBLINK || !IsA(sublink->testexpr, OpExpr))
        return;
    auto *op = reinterpret_cast<OpExpr *>(sublink->testexpr);
    if (!from_clause::is_equality(op))
        return;
    Node *param = from_clause::strip(static_cast<Node *>(lsecond(op->args)));
    var = from_clause::as_column(sublinks->from->query, static_cast<Node *>(linitial(op->args)));
    if (var == nullptr || !IsA(param, Param) || var->varlevelsup != 0
        || !is_known(sublinks->known, var->varno, var->varattno))
        return;
    bool positive = is_asked_for_truth(*sublinks->from, sublink);
    if (!positive && !from_clause::column_never_null(*sublinks->from, var))
        return;
    Search search = *sublinks->search;
    search.keeps_nulls |= !positive;
    all_or_nothing(&search, [&] { return anchor_output(&search, sub, 1); });
}

bool walk_sublinks(Node *node, void *context)
{
    auto *sublinks = static_cast<Sublinks *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, SubLink)) {
        auto *sublink = reinterpret_cast<SubLink *>(node);
        auto *sub = castNode(Query, sublink->subselect);
        anchor_correlated(sublinks->search, sub, sublinks->known);
        if (stays_subquery(sublink))
            mark_repeated(sublinks->search, sub);
        anchor_in_sublink(sublinks, sublink, sub);
        return walk_sublinks(sublink->testexpr, context);
    }
    if (IsA(node, Query))
        return false; // a level of its own
    return expression_tree_walker(node, pg::walker(walk_sublinks), context);
}

// Anchors whatever the query compares with known columns.
void spread(Search *search, const From &from, List *known)
{
    bool found = true;
    ListCell *cell;

    while (found) {
        found = false;
        foreach (cell, from.links) {
            auto *link = static_cast<Link *>(lfirst(cell));
            found |= follow(search, from, link, link->left, link->right, &known);
            found |= follow(search, from, link, link->right, link->left, &known);
        }
    }
    foreach (cell, from.entries) {
        RangeTblEntry *rte = rt_fetch(static_cast<RangeTblRef *>(lfirst(cell))->rtindex, from.query->rtable);
        if (rte->rtekind == RTE_SUBQUERY && rte->lateral) {
            anchor_correlated(search, rte->subquery, known);
            mark_repeated(search, rte->subquery);
        }
    }
    Sublinks sublinks = {search, &from, known};
    query_tree_walker(from.query, pg::walker(walk_sublinks), &sublinks,
                      QTW_IGNORE_RANGE_TABLE | QTW_IGNORE_CTE_SUBQUERIES);
}

// Anchors a column of a query, and all that goes with it there.
bool anchor_in(Search *search, Query *query, int rti, AttrNumber attno)
{
    check_stack_depth();
    if (!try_reach(search, query, rti, attno))
        return false;
    spread(search, from_clause::of_query(query), add_known(NIL, rti, attno));
    return true;
}

// ---- one column's ----

// Has nothing anchored.
void clear(const Anchoring &anchoring)
{
    ListCell *cell;
    foreach (cell, list_concat_copy(anchoring.instances, anchoring.recursions)) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        instance->anchor = 0;
        instance->keeps_nulls = instance->repeated = instance->sole = instance->implied = false;
    }
}

// Those that are anchored, and not because of others.
List *roots_of(List *instances)
{
    List *roots = NIL;
    ListCell *cell;
    foreach (cell, instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance->anchor != 0 && !instance->implied)
            roots = lappend(roots, instance);
    }
    return roots;
}

// Forgets what anchors are implied by if that is evaluated for each row around it: better if these are fewer.
void imply_by_restricted(List *instances, List *roots)
{
    bool restricted = true;
    ListCell *cell;
    foreach (cell, roots) {
        auto *root = static_cast<Instance *>(lfirst(cell));
        root->sole = root->repeated;
        restricted &= !root->repeated;
    }
    foreach (cell, instances)
        static_cast<Instance *>(lfirst(cell))->implied &= restricted;
}

// COALESCE of the two columns of a full join.
Expr *either(const Anchoring &anchoring)
{
    CoalesceExpr *either = makeNode(CoalesceExpr);
    either->coalescetype = anchoring.column->vartype;
    either->coalescecollid = anchoring.column->varcollid;
    either->args = list_make2(copyObjectImpl(anchoring.column), copyObjectImpl(anchoring.other));
    either->location = -1;
    return reinterpret_cast<Expr *>(either);
}

// Marks the tables that are read through FROM and queries that only select and join, and those
// of them in which these are additive, if the query itself is where it is read.
void mark_joined(Anchoring *anchoring, Query *query, bool linear, bool is_top = false)
{
    ListCell *cell;

    check_stack_depth();
    foreach (cell, from_clause::union_arms(query)) {
        Query *arm = static_cast<RangeTblEntry *>(lfirst(cell))->subquery;
        mark_joined(anchoring, arm, linear && from_clause::is_additive(arm));
    }
    if (query->setOperations != nullptr || query->jointree == nullptr)
        return;
    From from = from_clause::of_query(query);
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        RangeTblEntry *rte = rt_fetch(rti, query->rtable);
        Instance *instance = instance::find(anchoring->instances, query, rti);
        bool linear_here = linear && !from_clause::is_nullable(from, rti);
        if (instance != nullptr) {
            instance->joined = true;
            instance->linear = linear_here;
            instance->optional = is_top && !linear_here && optional_rows::are_of(query, rti)
                                 && !instance::reads_whole_row(instance);
        } else if (rte->rtekind == RTE_SUBQUERY && from_clause::is_additive(rte->subquery))
            mark_joined(anchoring, rte->subquery, linear_here);
    }
}

// Whether it depends on what is around a query which rows an outer join makes null.
bool is_nulled_from_around(Node *node, bool below_outer)
{
    check_stack_depth();
    if (node == nullptr || !IsA(node, JoinExpr))
        return false;
    auto *join = reinterpret_cast<JoinExpr *>(node);
    below_outer |= join->jointype != JOIN_INNER;
    return (below_outer && query::mentions_around(join->quals)) || is_nulled_from_around(join->larg, below_outer)
           || is_nulled_from_around(join->rarg, below_outer);
}

// Whether a query reads tables alone, so that what it mentions of what is around is in its conditions.
bool reads_tables_alone(Query *query)
{
    ListCell *cell;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_RELATION && rte->rtekind != RTE_JOIN && rte->rtekind != RTE_RESULT)
            return false;
    }
    return query->setOperations == nullptr && query->jointree != nullptr;
}

// Whether the condition of a join mentions what is around the query.
bool is_joined_by_around(Node *node)
{
    check_stack_depth();
    if (node == nullptr || !IsA(node, JoinExpr))
        return false;
    auto *join = reinterpret_cast<JoinExpr *>(node);
    return query::mentions_around(join->quals) || is_joined_by_around(join->larg) || is_joined_by_around(join->rarg);
}

// Whether what a subquery mentions of what is around it is in its WHERE, or goes with what it returns.
bool compares_in_where(Query *query)
{
    ListCell *cell;
    if (!reads_tables_alone(query) || !query::mentions_around(query))
        return false;
    foreach (cell, query->jointree->fromlist)
        if (is_joined_by_around(static_cast<Node *>(lfirst(cell))))
            return false;
    return true;
}

// Marks the tables of subqueries that are evaluated for each joined row; the context are the instances.
bool mark_across(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr || IsA(node, Query))
        return false;
    if (!IsA(node, SubLink))
        return expression_tree_walker(node, pg::walker(mark_across), context);
    auto *sublink = reinterpret_cast<SubLink *>(node);
    auto *sub = castNode(Query, sublink->subselect);
    bool any = sublink->subLinkType == EXISTS_SUBLINK || sublink->subLinkType == EXPR_SUBLINK
               || sublink->subLinkType == ARRAY_SUBLINK;
    if (any && compares_in_where(sub))
        foreach (cell, static_cast<List *>(context)) {
            auto *instance = static_cast<Instance *>(lfirst(cell));
            instance->across |= instance->query == sub;
        }
    return false;
}

// The same in what a query selects, and in its conditions, but for those of joins.
void mark_all_across(Query *query, List *instances)
{
    mark_across(reinterpret_cast<Node *>(query->targetList), instances);
    mark_across(query->jointree->quals, instances);
    mark_across(query->havingQual, instances);
}

} // namespace

namespace anchor {

bool hands_up(Query *query, TargetEntry *entry)
{
    ListCell *cell;
    auto listed = [&](List *clauses) {
        return entry->ressortgroupref != 0 && targetIsInSortList(entry, InvalidOid, clauses);
    };
    if (query->limitCount || query->limitOffset || query->groupingSets)
        return false;
    if ((query->groupClause || query->hasAggs || query->havingQual) && !listed(query->groupClause))
        return false;
    if (query->hasDistinctOn && !listed(query->distinctClause))
        return false;
    foreach (cell, query->windowClause)
        if (!listed(lfirst_node(WindowClause, cell)->partitionClause))
            return false;
    return true;
}

Instance *beside(List *instances, const Instance *instance)
{
    ListCell *cell;
    if (!reads_tables_alone(instance->query))
        return nullptr; // it may mention what is around
    foreach (cell, instance->query->jointree->fromlist)
        if (is_nulled_from_around(static_cast<Node *>(lfirst(cell)), false))
            return nullptr;
    foreach (cell, instances) {
        auto *other = static_cast<Instance *>(lfirst(cell));
        if (other->query == instance->query && other->anchor != 0 && !other->keeps_nulls)
            return other;
    }
    return nullptr;
}

bool is_lost(List *instances, const Instance *instance)
{
    return instance->recursion != nullptr
           || (instance->anchor == 0 && !instance->joined && !instance->across
               && beside(instances, instance) == nullptr);
}

Anchoring unanalysed(Query *query)
{
    Anchoring anchoring{};
    anchoring.instances = instance::all(query);
    anchoring.recursions = instance::recursions(query);
    return anchoring;
}

Anchoring none(Query *query)
{
    Anchoring anchoring = unanalysed(query);
    mark_joined(&anchoring, query, true, true);
    mark_all_across(query, anchoring.instances);
    return anchoring;
}

bool by_column(const Anchoring &anchoring, const From &from, Var *column, Var *other)
{
    Search search = {anchoring.instances, anchoring.recursions, from_clause::compared_type(column->vartype), false};

    clear(anchoring);
    if ((other == nullptr && from_clause::is_nullable(from, column->varno))
        || !try_reach(&search, from.query, column->varno, column->varattno)
        || (other != nullptr && !try_reach(&search, from.query, other->varno, other->varattno)))
        return false;
    List *roots = roots_of(anchoring.instances);
    List *known = add_known(NIL, column->varno, column->varattno);
    if (other != nullptr)
        known = add_known(known, other->varno, other->varattno);
    spread(&search, from, known);
    imply_by_restricted(anchoring.instances, roots);
    return true;
}

Anchoring choose_same(Query *query, const Anchoring &chosen)
{
    Anchoring anchoring = none(query);
    if (chosen.column == nullptr)
        return anchoring;
    by_column(anchoring, from_clause::of_query(query), chosen.column, chosen.other);
    anchoring.column = chosen.column;
    anchoring.other = chosen.other;
    anchoring.type = chosen.column->vartype;
    anchoring.collation = chosen.column->varcollid;
    anchoring.value = chosen.other != nullptr ? either(chosen)
                                              : static_cast<Expr *>(copyObjectImpl(chosen.column));
    return anchoring;
}

} // namespace anchor

} // namespace refresh_mv
