#include "incremental/nodes.hpp"

#include "incremental/expose_keys.hpp"
#include "incremental/from_clause.hpp"
#include "incremental/key_shape.hpp"
#include "incremental/old_state.hpp"
#include "incremental/rows_below.hpp"
#include "incremental/whole_rows.hpp"
#include "query/flatten.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

namespace {

// ---- groups apart from what is done with them ----

// A query of which the groups become a subquery.
struct Split {
    Query *query;
    List *outputs; // of the subquery: keys, then aggregates, as TargetEntry *
};

bool is_output(const Split *split, Node *node)
{
    ListCell *cell;
    foreach (cell, split->outputs)
        if (equal(lfirst_node(TargetEntry, cell)->expr, node))
            return true;
    return false;
}

void add_output(Split *split, Node *node)
{
    auto number = static_cast<AttrNumber>(list_length(split->outputs) + 1);
    split->outputs = lappend(split->outputs, makeTargetEntry(reinterpret_cast<Expr *>(node), number,
                                                             psprintf("g%d", number), false));
}

// What stands above the groups: whether there is a subquery, and whether all can be computed from keys and aggregates.
struct Above {
    Split *split;
    bool has_subquery;
    bool depends; // on more
};

bool look_above(Node *node, void *context)
{
    auto *above = static_cast<Above *>(context);
    if (node == nullptr || is_output(above->split, node))
        return false;
    if (IsA(node, Aggref)) {
        add_output(above->split, node);
        return false;
    }
    if (IsA(node, Var) || IsA(node, GroupingFunc) || IsA(node, WindowFunc))
        above->depends = true;
    if (!IsA(node, SubLink))
        return expression_tree_walker(node, pg::walker(look_above), context);
    auto *sublink = reinterpret_cast<SubLink *>(node);
    above->has_subquery = true;
    above->depends |= query::mentions_around(castNode(Query, sublink->subselect));
    return look_above(sublink->testexpr, context);
}

Node *over_outputs(Node *node, void *context)
{
    auto *split = static_cast<Split *>(context);
    ListCell *cell;
    if (node == nullptr)
        return nullptr;
    foreach (cell, split->outputs)
        if (equal(lfirst_node(TargetEntry, cell)->expr, node))
            return reinterpret_cast<Node *>(makeVarFromTargetEntry(1, lfirst_node(TargetEntry, cell)));
    return expression_tree_mutator(node, pg::mutator(over_outputs), context);
}

// The groups with the outputs, and nothing else.
Query *groups_of(const Split &split)
{
    auto *groups = static_cast<Query *>(copyObjectImpl(split.query));
    int key = 0;
    ListCell *cell;
    groups->targetList = static_cast<List *>(copyObjectImpl(split.outputs));
    foreach (cell, groups->groupClause) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        clause->tleSortGroupRef = static_cast<Index>(++key);
        list_nth_node(TargetEntry, groups->targetList, key - 1)->ressortgroupref = static_cast<Index>(key);
    }
    groups->havingQual = groups->limitCount = groups->limitOffset = nullptr;
    groups->windowClause = groups->distinctClause = groups->sortClause = NIL;
    groups->hasWindowFuncs = groups->hasDistinctOn = false;
    return groups;
}

// ---- which subqueries ----

// Whether there is no telling what changes of an instance do to a query which has no anchor.
bool needs_anchor(const Anchoring &anchoring, const Instance *instance)
{
    return !OidIsValid(anchoring.type) && !instance->linear && !instance->optional;
}

// Whether changes of a table cannot be followed to what a query joins, by whatever anchor suits them.
bool is_lost(Query *query, const Anchoring &usual, Oid relation)
{
    auto lost_in = [&](const Anchoring &anchoring) {
        bool lost = false;
        ListCell *cell;
        foreach (cell, anchoring.instances) {
            auto *instance = static_cast<Instance *>(lfirst(cell));
            lost |= instance->relation == relation
                    && (needs_anchor(anchoring, instance) || anchor::is_lost(anchoring.instances, instance));
        }
        return lost;
    };
    return lost_in(usual) && lost_in(anchor::choose_for(query, relation));
}

// Whether the query's own rows can be told apart by what changes touch.
bool has_method(Query *query, const Anchoring &anchoring)
{
    return key_shape::analyse(query, anchoring).obstacle == nullptr
           || group_shape::analyse(query, anchoring).obstacle == nullptr;
}

// The way from a query down to one of its subqueries, both included.
struct Path {
    Query *target;
    List *queries;
};

bool find_path(Node *node, void *context)
{
    auto *path = static_cast<Path *>(context);
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(find_path), context);
    path->queries = lappend(path->queries, node);
    if (node == reinterpret_cast<Node *>(path->target)
        || query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(find_path), context, 0))
        return true;
    path->queries = list_delete_last(path->queries);
    return false;
}

// Whether it does not matter to an expression how often its subquery returns a row.
bool is_over_set(Node *node)
{
    return IsA(node, SubLink)
           && (reinterpret_cast<SubLink *>(node)->subLinkType == ANY_SUBLINK
               || reinterpret_cast<SubLink *>(node)->subLinkType == ALL_SUBLINK);
}

// Looks for the subquery in the context as such a set.
bool find_set(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(find_set), context, 0);
    return (is_over_set(node) && reinterpret_cast<SubLink *>(node)->subselect == context)
           || expression_tree_walker(node, pg::walker(find_set), context);
}

bool is_grouped(Query *query)
{
    return query->hasAggs || query->groupClause != NIL || query->distinctClause != NIL;
}

// Whether a subquery could stand alone.
bool stands_alone(Query *query)
{
    return query->setOperations == nullptr && query->jointree != nullptr && query->cteList == NIL
           && query->rowMarks == NIL && !query->hasRowSecurity && !query->hasModifyingCTE
           && !query::mentions_around(query);
}

// Whether a subquery groups, or may as well.
bool groups(Query *query, Query *whole)
{
    return is_grouped(query) ? !query->hasTargetSRFs
                             : query::only_joins(query) && find_set(reinterpret_cast<Node *>(whole), query);
}

// A node of a subquery; null if it cannot be one, or is not the one to follow changes of a table to.
SubqueryNode *make(Query *original, const Instance *lost, int number)
{
    auto *node = static_cast<SubqueryNode *>(palloc0(sizeof(SubqueryNode)));
    node->number = number;
    node->set = !is_grouped(original);
    node->original = static_cast<Query *>(copyObjectImpl(original));
    node->query = static_cast<Query *>(copyObjectImpl(original));
    if (node->set && !rows_below::group_by_all(node->query))
        return nullptr;
    normalize::normalize(&node->query);
    whole_rows::spell_out(node->query);
    expose_keys::in_subqueries(node->query);
    node->anchoring = anchor::choose(node->query, NIL);
    node->groups = group_shape::analyse(node->query, node->anchoring);
    if (node->groups.obstacle != nullptr || old_state::obstacle(node->anchoring) != nullptr)
        return nullptr;
    return is_lost(node->query, node->anchoring, lost->relation) ? nullptr : node;
}

// The innermost subquery around an instance that can be a node; null if there is none.  One whose parts are not lost
// has to be further down than the subquery.
SubqueryNode *around(Query *query, const Instance *instance, bool below, int number)
{
    Path path = {instance->query, NIL};
    find_path(reinterpret_cast<Node *>(query), &path);
    for (int depth = list_length(path.queries) - (below ? 2 : 1); depth > 0; depth--) {
        auto *candidate = static_cast<Query *>(list_nth(path.queries, depth));
        SubqueryNode *node = groups(candidate, query) && stands_alone(candidate)
                                 ? make(candidate, instance, number)
                                 : nullptr;
        if (node != nullptr)
            return node;
    }
    return nullptr;
}

// Whether a row of each table of a node is followed to the groups by itself.
bool goes_by_terms(const SubqueryNode *node)
{
    ListCell *cell;
    foreach (cell, node->anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (!instance->linear && !instance->optional)
            return false;
    }
    return true;
}

// Groups of which a query makes groups, as a node that spares it to compute whole groups anew; null if an instance is not in
// such a subquery.
SubqueryNode *groups_below(Query *query, const Instance *instance, int number)
{
    ListCell *cell;
    if (!is_grouped(query))
        return nullptr;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_SUBQUERY || rte->subquery != instance->query || !is_grouped(rte->subquery)
            || rte->subquery->hasTargetSRFs || !stands_alone(rte->subquery))
            continue;
        SubqueryNode *node = make(rte->subquery, instance, number);
        return node != nullptr && goes_by_terms(node) ? node : nullptr;
    }
    return nullptr;
}

// ---- rows apart from what is done with them ----

// Whether queries do more with the rows of one table than to sort and to limit them.
bool do_more(List *queries)
{
    ListCell *cell;
    foreach (cell, queries) {
        auto *query = lfirst_node(Query, cell);
        if (is_grouped(query) || query->hasWindowFuncs
            || (query->jointree != nullptr && list_length(from_clause::of_query(query).entries) > 1))
            return true;
    }
    return false;
}

// Whether what the rows of a query are made of has changes of a table.
bool reads(Query *rows, Oid relation)
{
    ListCell *cell;
    foreach (cell, instance::all(rows))
        if (static_cast<Instance *>(lfirst(cell))->relation == relation)
            return true;
    return false;
}

// The joined rows of the innermost query around an instance that does something with them that cannot be followed,
// as a node; null if there is none.  That query reads them as a subquery then.  Not to find the first rows of one
// table: that is what an index is for.
SubqueryNode *rows_around(Query *query, const Anchoring &anchoring, const Instance *instance, int number)
{
    Path path = {instance->query, NIL};
    find_path(reinterpret_cast<Node *>(query), &path);
    if (list_length(anchoring.instances) < 2 && !do_more(path.queries))
        return nullptr;
    for (int depth = list_length(path.queries) - 1; depth >= 0; depth--) {
        auto *candidate = static_cast<Query *>(list_nth(path.queries, depth));
        if (query::only_joins(candidate) || !stands_alone(candidate))
            continue;
        RowsBelow apart = rows_below::take_apart(candidate);
        SubqueryNode *node = apart.above != nullptr && reads(apart.rows, instance->relation)
                                 ? make(apart.rows, instance, number)
                                 : nullptr;
        if (node == nullptr)
            continue;
        node->rows = true;
        *candidate = *apart.above;
        return node;
    }
    return nullptr;
}

// ---- reading a state ----

struct Replacement {
    const SubqueryNode *node;
    Query *select;
};

bool replace(Node *node, void *context);

bool replace_subquery(Query *query, Replacement *replacement, bool is_set)
{
    if ((replacement->node->set && !is_set) || !equal(query, replacement->node->original))
        return query_tree_walker(query, pg::walker(replace), replacement, 0);
    *query = *static_cast<Query *>(copyObjectImpl(replacement->select));
    return false;
}

bool replace(Node *node, void *context)
{
    auto *replacement = static_cast<Replacement *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Query))
        return replace_subquery(reinterpret_cast<Query *>(node), replacement, false);
    if (!is_over_set(node))
        return expression_tree_walker(node, pg::walker(replace), context);
    auto *sublink = reinterpret_cast<SubLink *>(node);
    replace_subquery(castNode(Query, sublink->subselect), replacement, true);
    return replace(sublink->testexpr, context);
}

} // namespace

namespace nodes {

Query *split(Query *query)
{
    Split split = {query, NIL};
    Above above = {&split, false, false};
    ListCell *cell;

    if (query->setOperations != nullptr || query->groupingSets != NIL || query->hasTargetSRFs
        || (query->groupClause == NIL && !query->hasAggs))
        return query;
    auto *outputs = static_cast<List *>(copyObjectImpl(query->targetList));
    outputs = reinterpret_cast<List *>(pg::flatten(query, reinterpret_cast<Node *>(outputs)));
    Node *having = pg::flatten(query, static_cast<Node *>(copyObjectImpl(query->havingQual)));
    foreach (cell, query->groupClause)
        add_output(&split, reinterpret_cast<Node *>(
                               get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), outputs)->expr));
    look_above(reinterpret_cast<Node *>(outputs), &above);
    look_above(having, &above);
    above.has_subquery |= contain_subplans(query->limitCount) || contain_subplans(query->limitOffset);
    if (!above.has_subquery || above.depends)
        return query;
    Query *groups = groups_of(split);
    auto *apart = static_cast<Query *>(copyObjectImpl(query));
    apart->targetList = reinterpret_cast<List *>(over_outputs(reinterpret_cast<Node *>(outputs), &split));
    apart->groupClause = NIL;
    apart->havingQual = nullptr;
    apart->hasAggs = false;
    query::read_only(apart, groups);
    apart->jointree->quals = over_outputs(having, &split);
    return apart;
}

SubqueryNode *next(Query *query, const Anchoring &anchoring, bool was_split, bool with_rows, int number)
{
    constexpr int most = 20, most_instances = 60; // to look at each of more would take long, and much memory
    if (list_length(anchoring.instances) > most_instances)
        return nullptr;
    bool any = number <= most && (was_split || !has_method(query, anchoring));
    auto find = [&](auto of_instance) {
        ListCell *cell;
        foreach (cell, number <= most ? anchoring.instances : NIL) {
            auto *instance = static_cast<Instance *>(lfirst(cell));
            if (instance::is_state(instance) || instance->recursion != nullptr
                || (instance->joined && !any && !needs_anchor(anchoring, instance)))
                continue;
            bool can_be_followed = !any && !is_lost(query, anchoring, instance->relation);
            SubqueryNode *found = of_instance(instance, can_be_followed);
            if (found != nullptr)
                return found;
        }
        return static_cast<SubqueryNode *>(nullptr);
    };
    SubqueryNode *node = find([&](const Instance *instance, bool can_be_followed) {
        SubqueryNode *found = around(query, instance, can_be_followed, number);
        return found == nullptr && can_be_followed ? groups_below(query, instance, number) : found;
    });
    if (node != nullptr || !with_rows)
        return node;
    return find([&](const Instance *instance, bool can_be_followed) {
        return can_be_followed ? nullptr : rows_around(query, anchoring, instance, number);
    });
}

Query *read_state(Query *query, const SubqueryNode *node, Oid view)
{
    Query *select = group_shape::select_rows(node->query, node->groups, state_tables::groups({view, node->number}),
                                             nullptr, true);
    Replacement replacement = {node, select};
    replace(reinterpret_cast<Node *>(query), &replacement);
    query = flatten::from(query);
    normalize::describe_joins(query);
    return query;
}

} // namespace nodes

} // namespace refresh_mv
