#include "query/query.hpp"

#include "query/deparse.hpp"
#include "query/group_entries.hpp"
#include "query/hashed_joins.hpp"
#include "query/partition_bounds.hpp"

namespace refresh_mv::query {

Query *stored(Relation view)
{
    if (view->rd_rel->relkind != RELKIND_MATVIEW)
        ereport(ERROR,
                (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                 errmsg("\"%s\" is not a materialized view", RelationGetRelationName(view))));
    RuleLock *rules = view->rd_rules;
    if (rules == nullptr || rules->numLocks != 1 || rules->rules[0]->event != CMD_SELECT
        || list_length(rules->rules[0]->actions) != 1)
        elog(ERROR, "materialized view \"%s\" has no single query", RelationGetRelationName(view));
    return linitial_node(Query, rules->rules[0]->actions);
}

Query *expanded(Query *query)
{
    auto *copy = static_cast<Query *>(copyObjectImpl(query));
    AcquireRewriteLocks(copy, true, false);
    List *queries = QueryRewrite(copy);
    if (list_length(queries) != 1)
        elog(ERROR, "unexpected rewrite result for the query of a materialized view");
    return linitial_node(Query, queries);
}

Query *rewritten(Relation view)
{
    return expanded(stored(view));
}

// Collects the oids of the relations that a query tree reads.
static bool collect_relations(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        auto *oids = static_cast<List **>(context);
        if (rte->rtekind == RTE_RELATION)
            *oids = list_append_unique_oid(*oids, rte->relid);
        return false;
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(collect_relations),
                                 context, QTW_EXAMINE_RTES_BEFORE);
    return expression_tree_walker(node, pg::walker(collect_relations), context);
}

List *lock_sources(Relation view)
{
    List *oids = NIL;
    List *all = NIL;
    ListCell *cell;

    collect_relations(reinterpret_cast<Node *>(rewritten(view)), &oids);
    oids = list_delete_oid(oids, RelationGetRelid(view));
    foreach (cell, oids)
        all = list_concat_unique_oid(
            all, find_all_inheritors(lfirst_oid(cell), AccessShareLock, nullptr));
    return all;
}

// What a plan is shown as.
static const char command[] = "REFRESH MATERIALIZED VIEW";

#ifdef USE_ASSERT_CHECKING
// Checks that a tree, many of which have been changed by hand, is one that the server
// can print, write and read, and that it plans what it has read.
static void check_tree(Query *query, int cursor_options)
{
    auto *read = static_cast<Query *>(stringToNode(nodeToString(query)));
    Assert(equal(read, query));
    raw_parser(deparse::text(query), RAW_PARSE_DEFAULT);
    hashed_joins::planned(read, command, cursor_options);
}
#endif

static List *stand_ins = NIL;

StandIns::StandIns() : outer_(stand_ins)
{
    stand_ins = NIL;
}

StandIns::~StandIns()
{
    stand_ins = outer_;
}

void add_stand_in(Oid relation, Query *query)
{
    auto *stand_in = static_cast<StandIn *>(palloc(sizeof(StandIn)));
    *stand_in = {relation, query};
    stand_ins = lappend(stand_ins, stand_in);
}

void read_instead(RangeTblEntry *rte, Query *subquery)
{
    rte->subquery = subquery;
    rte->rtekind = RTE_SUBQUERY;
    rte->security_barrier = false;
    rte->relid = InvalidOid;
    rte->relkind = 0;
    rte->rellockmode = 0;
    rte->inh = false;
    pg::drop_permissions(rte);
}

// What stands in for a relation; null if nothing does.
static Query *stand_in_for(Oid relation)
{
    ListCell *cell;
    foreach (cell, stand_ins) {
        auto *stand_in = static_cast<StandIn *>(lfirst(cell));
        if (stand_in->relation == relation)
            return static_cast<Query *>(copyObjectImpl(stand_in->query));
    }
    return nullptr;
}

// Puts the stand-ins in the place of their relations.
static bool put_stand_ins(Node *node, void *context)
{
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(put_stand_ins), context);
    auto *query = reinterpret_cast<Query *>(node);
    query_tree_walker(query, pg::walker(put_stand_ins), context, 0);
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_RELATION || (rte->alias != nullptr && strcmp(rte->alias->aliasname, own_relation) == 0))
            continue;
        Query *stand_in = stand_in_for(rte->relid);
        if (stand_in != nullptr)
            read_instead(rte, stand_in);
    }
    return false;
}

PlannedStmt *plan(Query *query, int cursor_options)
{
    if (stand_ins != NIL)
        put_stand_ins(reinterpret_cast<Node *>(query), nullptr);
    partition_bounds::read_partitions(query);
    group_entries::restore(query);
#ifdef USE_ASSERT_CHECKING
    check_tree(query, cursor_options);
#endif
    return hashed_joins::planned(query, command, cursor_options);
}

void run(PlannedStmt *plan, DestReceiver *receiver, QueryEnvironment *environment)
{
    QueryDesc *desc = CreateQueryDesc(plan, command, GetActiveSnapshot(), InvalidSnapshot, receiver,
                                      nullptr, environment, 0);
    ExecutorStart(desc, 0);
    pg::executor_run(desc);
    ExecutorFinish(desc);
    ExecutorEnd(desc);
    FreeQueryDesc(desc);
}

void run(Query *query, DestReceiver *receiver, int cursor_options, QueryEnvironment *environment)
{
    run(plan(query, cursor_options), receiver, environment);
}

double cost(const PlannedStmt *plan)
{
    return plan->planTree->total_cost;
}

double cost(Query *query)
{
    return cost(plan(static_cast<Query *>(copyObjectImpl(query)), CURSOR_OPT_PARALLEL_OK));
}

double checked_cost(Query *query)
{
    DestReceiver nobody = row_receiver([](TupleTableSlot *, DestReceiver *) { return true; });
    PlannedStmt *planned = plan(static_cast<Query *>(copyObjectImpl(query)), CURSOR_OPT_PARALLEL_OK);
    QueryDesc *desc = CreateQueryDesc(planned, command, GetActiveSnapshot(), InvalidSnapshot, &nobody,
                                      nullptr, nullptr, 0);
    ExecutorStart(desc, EXEC_FLAG_EXPLAIN_ONLY);
    ExecutorEnd(desc);
    FreeQueryDesc(desc);
    return cost(planned);
}

static bool check_level(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(check_level), context);
    pg::check_permissions(reinterpret_cast<Query *>(node));
    return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(check_level), context, 0);
}

void check_rights(Query *query)
{
    check_level(reinterpret_cast<Node *>(query), nullptr);
}

// SELECT columns FROM the one entry of the range table WHERE condition.
static void select_columns(Query *query, Relation view, bool with_tid, Node *condition)
{
    TupleDesc desc = RelationGetDescr(view);
    AttrNumber resno = 1;

    if (with_tid) {
        Var *tid = makeVar(1, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0);
        query->targetList = lappend(query->targetList,
                                    makeTargetEntry(reinterpret_cast<Expr *>(tid), resno++,
                                                    pstrdup("ctid"), false));
    }
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attr = TupleDescAttr(desc, i);
        Var *var = makeVar(1, i + 1, attr->atttypid, attr->atttypmod, attr->attcollation, 0);
        query->targetList = lappend(query->targetList,
                                    makeTargetEntry(reinterpret_cast<Expr *>(var), resno++,
                                                    pstrdup(NameStr(attr->attname)), false));
    }
    RangeTblRef *ref = makeNode(RangeTblRef);
    ref->rtindex = 1;
    query->jointree = makeFromExpr(list_make1(ref), static_cast<Node *>(copyObjectImpl(condition)));
}

static Query *new_select()
{
    Query *query = makeNode(Query);
    query->commandType = CMD_SELECT;
    query->querySource = QSRC_ORIGINAL;
    query->canSetTag = true;
    return query;
}

// The column aliases of an entry of the range table: those of the view.
static Alias *column_aliases(Relation view)
{
    List *names = NIL;
    TupleDesc desc = RelationGetDescr(view);

    for (int i = 0; i < desc->natts; i++)
        names = lappend(names, makeString(pstrdup(NameStr(TupleDescAttr(desc, i)->attname))));
    return makeAlias(RelationGetRelationName(view), names);
}

Query *select_held(Relation view, Node *condition)
{
    Query *query = new_select();
    RangeTblEntry *rte = pg::add_unchecked_relation(query, view);
    rte->eref = column_aliases(view);
    select_columns(query, view, true, condition);
    return query;
}

// Hands on what a subquery returns after the columns of the view: a sign, or nothing.
static void add_sign(Query *query, RangeTblEntry *rte, int natts)
{
    ListCell *cell;
    foreach (cell, rte->subquery->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resjunk || entry->resno <= natts)
            continue;
        auto *expr = reinterpret_cast<Node *>(entry->expr);
        rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup(entry->resname)));
        add_output(query,
                   reinterpret_cast<Expr *>(
                       makeVar(1, entry->resno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0)),
                   pstrdup(entry->resname));
    }
}

Query *select_fresh(Relation view, Query *fresh, Node *condition)
{
    if (condition == nullptr)
        return fresh;
    Query *query = new_select();
    RangeTblEntry *rte = makeNode(RangeTblEntry);
    rte->rtekind = RTE_SUBQUERY;
    rte->subquery = fresh;
    rte->inFromCl = true;
    rte->eref = column_aliases(view);
    query->rtable = list_make1(rte);
    select_columns(query, view, false, condition);
    add_sign(query, rte, RelationGetDescr(view)->natts);
    query->hasRowSecurity = fresh->hasRowSecurity;
    return query;
}

// Drops the checks of a query and of those below it.
static bool drop_checks(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(drop_checks), context);
    auto *query = reinterpret_cast<Query *>(node);
    pg::drop_permission_checks(query);
    return query_tree_walker(query, pg::walker(drop_checks), context, 0);
}

Query *unchecked(const char *text, QueryEnvironment *environment)
{
    auto *raw = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_DEFAULT));
    int level = NewGUCNestLevel();
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                      true, 0, false);
    Query *query = parse_analyze_fixedparams(raw, text, nullptr, 0, environment);
    AtEOXact_GUC(false, level);
    SetUserIdAndSecContext(user, context);
    drop_checks(reinterpret_cast<Node *>(query), nullptr);
    return query;
}

void read_only(Query *query, Query *subquery)
{
    RangeTblEntry *rte = makeNode(RangeTblEntry);
    RangeTblRef *ref = makeNode(RangeTblRef);
    List *names = NIL;
    ListCell *cell;

    foreach (cell, subquery->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk)
            names = lappend(names, makeString(pstrdup(entry->resname ? entry->resname : "?column?")));
    }
    rte->rtekind = RTE_SUBQUERY;
    rte->subquery = subquery;
    rte->inFromCl = true;
    rte->eref = makeAlias("q", names);
    ref->rtindex = 1;
    pg::set_tables(query, list_make1(rte));
    query->jointree = makeFromExpr(list_make1(ref), nullptr);
}

// Keeps the first column of the last row.
struct ValueReceiver {
    DestReceiver pub;
    Datum value;
    bool null;
};

static bool receive_value(TupleTableSlot *slot, DestReceiver *self)
{
    auto *receiver = reinterpret_cast<ValueReceiver *>(self);
    receiver->value = slot_getattr(slot, 1, &receiver->null);
    return true;
}

DestReceiver row_receiver(bool (*receive)(TupleTableSlot *, DestReceiver *))
{
    DestReceiver receiver{};
    receiver.receiveSlot = receive;
    receiver.rStartup = [](DestReceiver *, int, TupleDesc) {};
    receiver.rShutdown = [](DestReceiver *) {};
    receiver.rDestroy = [](DestReceiver *) {};
    receiver.mydest = DestNone;
    return receiver;
}

bool single_value(Query *query, Datum *value, QueryEnvironment *environment)
{
    ValueReceiver receiver = {row_receiver(receive_value), 0, true};
    run(query, &receiver.pub, 0, environment);
    *value = receiver.value;
    return !receiver.null;
}

void select_joined(Query *query, List *entries)
{
    query->targetList = entries;
    query->groupClause = query->groupingSets = query->distinctClause = query->sortClause = NIL;
    query->windowClause = NIL;
    query->havingQual = query->limitCount = query->limitOffset = nullptr;
    query->hasAggs = query->hasWindowFuncs = query->hasDistinctOn = query->hasTargetSRFs = false;
}

void forget_order(Query *query)
{
    List *entries = NIL;
    ListCell *cell;
    foreach (cell, query->targetList)
        if (!lfirst_node(TargetEntry, cell)->resjunk)
            entries = lappend(entries, lfirst(cell));
    query->targetList = entries;
    query->sortClause = NIL;
}

AttrNumber add_output(Query *query, Expr *expr, const char *name)
{
    auto number = static_cast<AttrNumber>(list_length(query->targetList) + 1);
    query->targetList = lappend(query->targetList, makeTargetEntry(expr, number, pstrdup(name), false));
    return number;
}

bool only_joins(Query *query)
{
    return !query->hasAggs && !query->groupClause && !query->groupingSets && !query->havingQual
           && !query->distinctClause && !query->windowClause && !query->limitCount
           && !query->limitOffset && !query->hasTargetSRFs && !query->setOperations;
}

List *union_arms(Query *query)
{
    List *todo = list_make1(query->setOperations);
    List *arms = NIL;
    ListCell *cell;

    if (query->setOperations == nullptr || query->limitCount || query->limitOffset)
        return NIL;
    foreach (cell, todo) { // grows meanwhile
        auto *node = static_cast<Node *>(lfirst(cell));
        if (IsA(node, RangeTblRef)) {
            arms = lappend(arms, rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex, query->rtable));
            continue;
        }
        auto *operation = castNode(SetOperationStmt, node);
        if (operation->op != SETOP_UNION || !operation->all)
            return NIL;
        todo = lappend(lappend(todo, operation->larg), operation->rarg);
    }
    return arms;
}

// What is a level further out than the context says, which is where we are.
static bool find_around(Node *node, void *context)
{
    auto depth = *static_cast<Index *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Query)) {
        Index below = depth + 1;
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(find_around), &below,
                                 QTW_EXAMINE_RTES_BEFORE);
    }
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        return rte->rtekind == RTE_CTE && rte->ctelevelsup > depth;
    }
    if (IsA(node, Var) && reinterpret_cast<Var *>(node)->varlevelsup > depth)
        return true;
    return expression_tree_walker(node, pg::walker(find_around), context);
}

bool mentions_around(Query *query)
{
    Index depth = 0;
    return query_tree_walker(query, pg::walker(find_around), &depth, QTW_EXAMINE_RTES_BEFORE);
}

bool mentions_around(Node *expr)
{
    Index depth = 0;
    return find_around(expr, &depth);
}

bool returns_rows(Query *query)
{
    ListCell *cell;
    foreach (cell, query->targetList) {
        Oid type = getBaseType(exprType(reinterpret_cast<Node *>(lfirst_node(TargetEntry, cell)->expr)));
        Oid element = get_base_element_type(type);
        if (type_is_rowtype(OidIsValid(element) ? element : type))
            return true;
    }
    return false;
}

Expr *count_rows()
{
    Aggref *aggregate = makeNode(Aggref);
    aggregate->aggfnoid = F_COUNT_;
    aggregate->aggtype = INT8OID;
    aggregate->aggstar = true;
    aggregate->aggkind = AGGKIND_NORMAL;
    aggregate->aggsplit = AGGSPLIT_SIMPLE;
    aggregate->aggno = aggregate->aggtransno = -1;
    aggregate->location = -1;
    return reinterpret_cast<Expr *>(aggregate);
}

} // namespace refresh_mv::query
