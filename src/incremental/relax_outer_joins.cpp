#include "incremental/relax_outer_joins.hpp"

#include "incremental/from_clause.hpp"

namespace refresh_mv {

namespace {

// Whether an instance is somewhere in a query.
bool holds(Query *query, const Instance *instance)
{
    ListCell *cell;
    if (query == instance->query)
        return true;
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind == RTE_SUBQUERY && holds(rte->subquery, instance))
            return true;
    }
    return false;
}

// Whether an entry of a query's range table is, or holds, an instance.
bool entry_holds(Query *query, int rti, const Instance *instance)
{
    RangeTblEntry *rte = rt_fetch(rti, query->rtable);
    if (query == instance->query)
        return static_cast<Index>(rti) == instance->rti;
    return rte->rtekind == RTE_SUBQUERY && holds(rte->subquery, instance);
}

// What is found out on the way.
struct Finding {
    const char *obstacle; // why there is no relaxing, to follow "X has changed, "; null: there is
    bool nullable;        // the changed instance is on the nullable side of some join
};

// One level of a query on its way to be relaxed: see relax_query().
struct Relaxation {
    Query *query;
    const Instance *changed;
    List *changes;
    Relids shaky; // entries that can be null in one state and not in the other
    Relids wild;  // entries that can then be anything else (COALESCE in a subquery)
    Relids inner; // joins that have become so
    Finding *finding;
};

void object(Finding *finding, bool found, const char *obstacle)
{
    if (found && finding->obstacle == nullptr)
        finding->obstacle = obstacle;
}

bool mentions(Node *node, Relaxation *relaxation, Relids entries)
{
    Node *flat = pg::flatten(relaxation->query, static_cast<Node *>(copyObjectImpl(node)));
    return bms_overlap(pull_varnos(nullptr, flat), entries);
}

bool mentions_any(Node *node, Relaxation *relaxation)
{
    return mentions(node, relaxation, bms_union(relaxation->shaky, relaxation->wild));
}

// Whether a condition can be true for the nulls of a shaky side.  Others are true in
// neither state without a row on that side.
bool accepts_nulls(Node *condition, Relaxation *relaxation)
{
    return mentions(condition, relaxation, relaxation->wild)
           || (mentions(condition, relaxation, relaxation->shaky) && contain_nonstrict_functions(condition));
}

bool any_accepts_nulls(Node *conditions, Relaxation *relaxation)
{
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(conditions)))
        if (accepts_nulls(static_cast<Node *>(lfirst(cell)), relaxation))
            return true;
    return false;
}

// What changed tables a tree reads.
struct ChangedRead {
    List *changes;
    Oid first; // of those that it reads
};

// Whether a tree reads a table that has changed.
bool reads_changed(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        auto *read = static_cast<ChangedRead *>(context);
        foreach (cell, read->changes)
            if (rte->rtekind == RTE_RELATION && rte->relid == static_cast<NetChanges *>(lfirst(cell))->relation) {
                read->first = rte->relid;
                return true;
            }
        return false;
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(reads_changed), context,
                                 QTW_EXAMINE_RTES_BEFORE);
    return expression_tree_walker(node, pg::walker(reads_changed), context);
}

// The first changed table that an entry of the range table reads, or InvalidOid.
Oid entry_reads_changed(RangeTblEntry *rte, List *changes)
{
    ChangedRead read = {changes, InvalidOid};
    if (!reads_changed(reinterpret_cast<Node *>(rte), &read) && rte->rtekind == RTE_SUBQUERY)
        reads_changed(reinterpret_cast<Node *>(rte->subquery), &read);
    return read.first;
}

// What an entry of the range table is that cannot be relaxed, in words.
const char *kind_of(RangeTblEntry *rte)
{
    Query *query = rte->subquery;
    if (rte->security_barrier)
        return "is a view with security_barrier";
    if (query->setOperations != nullptr)
        return "has a set operation";
    if (query->distinctClause != NIL)
        return "is DISTINCT";
    if (query->limitCount != nullptr || query->limitOffset != nullptr)
        return "has a LIMIT";
    if (query->windowClause != NIL)
        return "has window functions";
    return query->hasTargetSRFs ? "has a function that returns rows in its output" : "has groups or aggregates";
}

// Makes an outer join inner whose nullable side holds the changed instance, and
// finds what is shaky; returns the entries below.
Relids relax_joins(Relaxation *relaxation, Node *node)
{
    check_stack_depth();
    if (IsA(node, RangeTblRef))
        return bms_make_singleton(reinterpret_cast<RangeTblRef *>(node)->rtindex);
    auto *join = castNode(JoinExpr, node);
    Relids left = relax_joins(relaxation, join->larg);
    Relids right = relax_joins(relaxation, join->rarg);
    bool outer = join->jointype == JOIN_LEFT || join->jointype == JOIN_RIGHT;
    Relids nullable = join->jointype == JOIN_RIGHT ? left : right;
    bool shaky = mentions_any(join->quals, relaxation);
    bool inner = !outer;
    int rti = -1;

    object(relaxation->finding, join->jointype == JOIN_FULL, "beside a full join");
    object(relaxation->finding, contain_subplans(join->quals), "beside a join on a condition with a subquery");
    while (outer && (rti = bms_next_member(nullable, rti)) >= 0) {
        inner |= entry_holds(relaxation->query, rti, relaxation->changed);
        shaky |= OidIsValid(entry_reads_changed(rt_fetch(rti, relaxation->query->rtable), relaxation->changes));
    }
    // A row that such a condition filters may not be filtered in the other state, and
    // of a join that stays outer it finds other rows there.
    bool accepts = any_accepts_nulls(join->quals, relaxation);
    relaxation->finding->nullable |= outer && inner;
    object(relaxation->finding, inner && accepts,
           relaxation->finding->nullable ? "on the nullable side of a join that others depend on"
                                         : "and so has what is on the nullable side of a join that others depend on");
    if (outer && inner)
        pg::make_inner(relaxation->query, join, &relaxation->inner);
    if (outer && accepts)
        relaxation->wild = bms_add_members(relaxation->wild, nullable);
    else if (outer && shaky)
        relaxation->shaky = bms_add_members(relaxation->shaky, nullable);
    return bms_union(left, right);
}

// Drops the conditions that accept the nulls of what is shaky, or have a subquery:
// they may be false for a row of one state and true for what is in its place in the
// other.
Node *relax_conditions(Relaxation *relaxation, Node *conditions)
{
    List *kept = NIL;
    ListCell *cell;
    foreach (cell, make_ands_implicit(reinterpret_cast<Expr *>(conditions))) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        if (!accepts_nulls(condition, relaxation) && !contain_subplans(condition))
            kept = lappend(kept, condition);
    }
    return reinterpret_cast<Node *>(make_ands_explicit(kept));
}

// What relaxing a query comes to: how its output can differ between the states for
// one and the same row of what is not nullable.
enum class Relaxed { steady, shaky, wild, hopeless };

Relaxed relax_query(Query *query, const Instance *changed, List *changes, Finding *finding);

// The same below an entry of the range table.
Relaxed relax_entry(Query *query, RangeTblEntry *rte, const Instance *changed, List *changes, Finding *finding)
{
    if (rte->rtekind != RTE_SUBQUERY)
        return Relaxed::steady;
    // Of a UNION ALL just the arm with the changed rows.
    if (query->setOperations != nullptr && holds(query, changed) && !holds(rte->subquery, changed)
        && rte->subquery->setOperations == nullptr) {
        rte->subquery->jointree->quals = makeBoolConst(false, false);
        return Relaxed::steady;
    }
    Oid table = entry_reads_changed(rte, changes);
    if (!OidIsValid(table))
        return Relaxed::steady;
    // Conditions of a security barrier must not be dropped: what is above would see
    // the rows.
    if (!rte->security_barrier && from_clause::is_additive(rte->subquery))
        return relax_query(rte->subquery, changed, changes, finding);
    object(finding, true,
           holds(rte->subquery, changed)
               ? psprintf("which is read in a subquery that %s", kind_of(rte))
               : psprintf("and so has %s, which is read in a subquery that %s", get_rel_name(table), kind_of(rte)));
    return Relaxed::hopeless;
}

// Relaxes what the entries of a query's range table hold.
void relax_entries(Relaxation *relaxation)
{
    ListCell *cell;
    foreach (cell, relaxation->query->rtable) {
        int rti = foreach_current_index(cell) + 1;
        Relaxed relaxed = relax_entry(relaxation->query, lfirst_node(RangeTblEntry, cell),
                                      relaxation->changed, relaxation->changes, relaxation->finding);
        if (relaxed == Relaxed::shaky)
            relaxation->shaky = bms_add_member(relaxation->shaky, rti);
        if (relaxed == Relaxed::wild)
            relaxation->wild = bms_add_member(relaxation->wild, rti);
    }
}

// How the output of a relaxed query can differ.
Relaxed result_of(Relaxation *relaxation)
{
    Query *query = relaxation->query;
    Relaxed result = relaxation->shaky || relaxation->wild ? Relaxed::shaky : Relaxed::steady;
    ListCell *cell;

    // What looks at the row beside it is not looked into.
    foreach (cell, query->rtable)
        object(relaxation->finding, result != Relaxed::steady && lfirst_node(RangeTblEntry, cell)->lateral,
               relaxation->finding->nullable
                   ? "on the nullable side of a join, beside a lateral subquery or function"
                   : "beside a lateral subquery or function, and so has what is on the nullable side of a join");
    if (relaxation->finding->obstacle != nullptr)
        return Relaxed::hopeless;
    if (query->setOperations != nullptr)
        return relaxation->wild ? Relaxed::wild : result;
    foreach (cell, query->targetList)
        if (accepts_nulls(reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr), relaxation))
            return Relaxed::wild;
    return result;
}

// Makes a query that only joins return a superset of the rows of both states in
// which the changed instance takes part.
Relaxed relax_query(Query *query, const Instance *changed, List *changes, Finding *finding)
{
    Relaxation relaxation = {query, changed, changes, nullptr, nullptr, nullptr, finding};
    ListCell *cell;

    check_stack_depth();
    relax_entries(&relaxation);
    if (query->jointree != nullptr) {
        foreach (cell, query->jointree->fromlist)
            relax_joins(&relaxation, static_cast<Node *>(lfirst(cell)));
        query->jointree->quals = relax_conditions(&relaxation, query->jointree->quals);
        pg::forget_nulling(query, relaxation.inner);
    }
    return result_of(&relaxation);
}

} // namespace

namespace relax_outer_joins {

const char *to_changed(Query *query, const Instance *changed, List *changes)
{
    Finding finding = {nullptr, false};
    relax_query(query, changed, changes, &finding);
    return finding.obstacle;
}

} // namespace relax_outer_joins

} // namespace refresh_mv
