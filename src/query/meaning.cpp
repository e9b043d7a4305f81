#include "query/meaning.hpp"

#include "query/meaning_objects.hpp"
#include "query/partition_bounds.hpp"

#include <initializer_list>

namespace refresh_mv {

// The bodies of functions are not looked into where they are mere text.  For queries that
// call one, any function matters (and an event trigger notes more: see ddl.cpp).  What
// is taken for granted: C code, files of dictionaries, and functions that are
// declared immutable and are not.

namespace meaning {

// ---- the query tree ----

// The type and the collation of an expression that can have one which none of those
// below it has.
static void add_result(Node *node, Closure *closure)
{
    Oid type = exprType(node);
    add(closure, TypeRelationId, type);
    add(closure, CollationRelationId, exprCollation(node));
    if (IsA(node, Const)) {
        auto *value = reinterpret_cast<Const *>(node);
        if (!value->constisnull && type == REGCONFIGOID)
            add(closure, TSConfigRelationId, DatumGetObjectId(value->constvalue));
        if (!value->constisnull && type == REGDICTIONARYOID)
            add(closure, TSDictionaryRelationId, DatumGetObjectId(value->constvalue));
    } else if (type == REGCONFIGOID || type == REGDICTIONARYOID)
        closure->any_search = true;
    if (type == REGCONFIGARRAYOID || type == REGDICTIONARYARRAYOID)
        closure->any_search = true;
}

static void add_all(Closure *closure, Oid catalog, List *oids)
{
    ListCell *cell;
    foreach (cell, oids)
        add(closure, catalog, lfirst_oid(cell));
}

// Whether a built-in function searches text by the default configuration: those that are
// told by which are immutable.
static bool searches_by_default(Oid function, Oid result, List *args)
{
    bool search = function == F_TS_MATCH_TT || result == TSVECTOROID || result == TSQUERYOID;
    ListCell *cell;

    if (function >= FirstNormalObjectId)
        return false;
    foreach (cell, args)
        search |= exprType(static_cast<Node *>(lfirst(cell))) == TSQUERYOID;
    return search && func_volatile(function) == PROVOLATILE_STABLE;
}

// A call, with the defaults of the arguments that were left out.
static void add_call(FuncExpr *call, Closure *closure)
{
    if (call->funcid < FirstNormalObjectId)
        return;
    HeapTuple tuple = find(PROCOID, call->funcid);
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    if (form->pronargdefaults > 0 && list_length(call->args) < form->pronargs)
        walk(reinterpret_cast<Node *>(expand_function_arguments(call->args, false, call->funcresulttype, tuple)),
             closure);
    ReleaseSysCache(tuple);
}

// The operators of a set operation, and the casts that the planner will look for, of arms of
// another type.
static void add_set_operation(SetOperationStmt *operation, Closure *closure)
{
    add_all(closure, TypeRelationId, operation->colTypes);
    add_all(closure, CollationRelationId, operation->colCollations);
    walk(reinterpret_cast<Node *>(operation->groupClauses), closure);
}

// The casts of an arm's columns to the types that the operation gives them.
static void add_arm(Query *arm, List *types, Closure *closure)
{
    ListCell *cell;
    ListCell *type = list_head(types);

    foreach (cell, arm->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resjunk || type == nullptr)
            continue;
        Oid function = InvalidOid;
        Oid from = exprType(reinterpret_cast<Node *>(entry->expr));
        if (from != lfirst_oid(type)) {
            Print print = begin(from, lfirst_oid(type));
            print.numbers(find_coercion_pathway(lfirst_oid(type), from, COERCION_IMPLICIT, &function), function);
            end(closure, print);
            add(closure, ProcedureRelationId, function);
        }
        type = lnext(types, type);
    }
}

static void add_arms(Node *node, Query *query, List *types, Closure *closure)
{
    if (IsA(node, RangeTblRef))
        return add_arm(rt_fetch(reinterpret_cast<RangeTblRef *>(node)->rtindex, query->rtable)->subquery, types,
                       closure);
    auto *operation = castNode(SetOperationStmt, node);
    // An inner operation gives types that the outer one may cast.
    ListCell *inner, *outer;
    forboth (inner, operation->colTypes, outer, types)
        if (lfirst_oid(inner) != lfirst_oid(outer)) {
            Oid function = InvalidOid;
            Print print = begin(lfirst_oid(inner), lfirst_oid(outer));
            print.numbers(find_coercion_pathway(lfirst_oid(outer), lfirst_oid(inner), COERCION_IMPLICIT, &function),
                          function);
            end(closure, print);
            add(closure, ProcedureRelationId, function);
        }
    for (Node *arm : {operation->larg, operation->rarg})
        add_arms(arm, query, operation->colTypes, closure);
}

// The bounds of a partition, which new ones beside a default partition change.
static void add_bounds(Oid partition, Closure *closure)
{
    Print print = begin(RelationRelationId, partition);
    print.string(partition_bounds::fingerprint(partition));
    end(closure, print);
}

// Adds what a node uses by itself, whatever is below it.
static void add_node(Node *node, Closure *closure)
{
    switch (nodeTag(node)) {
    case T_RangeTblEntry: {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_VIEW)
            add(closure, RelationRelationId, rte->relid);
        if (rte->rtekind == RTE_RELATION && get_rel_relispartition(rte->relid))
            add_bounds(rte->relid, closure);
        return;
    }
    case T_RangeTblFunction:
        add_all(closure, TypeRelationId, reinterpret_cast<RangeTblFunction *>(node)->funccoltypes);
        add_all(closure, CollationRelationId, reinterpret_cast<RangeTblFunction *>(node)->funccolcollations);
        return;
    case T_TableFunc:
        add_all(closure, TypeRelationId, reinterpret_cast<TableFunc *>(node)->coltypes);
        add_all(closure, CollationRelationId, reinterpret_cast<TableFunc *>(node)->colcollations);
        return;
    case T_SortGroupClause:
        add(closure, OperatorRelationId, reinterpret_cast<SortGroupClause *>(node)->eqop);
        add(closure, OperatorRelationId, reinterpret_cast<SortGroupClause *>(node)->sortop);
        return;
    case T_WindowClause: {
        auto *window = reinterpret_cast<WindowClause *>(node);
        add(closure, ProcedureRelationId, window->startInRangeFunc);
        add(closure, ProcedureRelationId, window->endInRangeFunc);
        add(closure, CollationRelationId, window->inRangeColl);
        return;
    }
    case T_SetOperationStmt:
        return add_set_operation(reinterpret_cast<SetOperationStmt *>(node), closure);
    case T_RowCompareExpr:
        add_all(closure, OperatorRelationId, reinterpret_cast<RowCompareExpr *>(node)->opnos);
        add_all(closure, OperatorFamilyRelationId, reinterpret_cast<RowCompareExpr *>(node)->opfamilies);
        add_all(closure, CollationRelationId, reinterpret_cast<RowCompareExpr *>(node)->inputcollids);
        return;
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
        add(closure, OperatorRelationId, reinterpret_cast<OpExpr *>(node)->opno);
        closure->search |= searches_by_default(get_opcode(reinterpret_cast<OpExpr *>(node)->opno), InvalidOid,
                                               reinterpret_cast<OpExpr *>(node)->args);
        break;
    case T_ScalarArrayOpExpr:
        add(closure, OperatorRelationId, reinterpret_cast<ScalarArrayOpExpr *>(node)->opno);
        break;
    case T_FuncExpr:
        add_call(reinterpret_cast<FuncExpr *>(node), closure);
        closure->search |= searches_by_default(reinterpret_cast<FuncExpr *>(node)->funcid,
                                               reinterpret_cast<FuncExpr *>(node)->funcresulttype,
                                               reinterpret_cast<FuncExpr *>(node)->args);
        break;
    case T_Var:
    case T_Const:
    case T_Param:
    case T_Aggref:
    case T_WindowFunc:
    case T_SubscriptingRef:
    case T_FieldSelect:
    case T_FieldStore:
    case T_RelabelType:
    case T_CoerceViaIO:
    case T_ArrayCoerceExpr:
    case T_ConvertRowtypeExpr:
    case T_CollateExpr:
    case T_CaseExpr:
    case T_CaseTestExpr:
    case T_ArrayExpr:
    case T_RowExpr:
    case T_CoalesceExpr:
    case T_MinMaxExpr:
    case T_SQLValueFunction:
    case T_XmlExpr:
    case T_SubLink:
    case T_CoerceToDomain:
    case T_CoerceToDomainValue:
        break;
    default:
        if (!pg::is_json_expression(node))
            return;
    }
    add_result(node, closure);
    add(closure, CollationRelationId, exprInputCollation(node));
    check_functions_in_node(
        node,
        [](Oid function, void *context) {
            add(static_cast<Closure *>(context), ProcedureRelationId, function);
            return false;
        },
        closure);
}

bool walk(Node *node, void *context)
{
    auto *closure = static_cast<Closure *>(context);

    if (node == nullptr)
        return false;
    if (IsA(node, Query)) {
        auto *query = reinterpret_cast<Query *>(node);
        if (query->setOperations != nullptr)
            add_arms(query->setOperations, query,
                     castNode(SetOperationStmt, query->setOperations)->colTypes, closure);
        return query_tree_walker(query, pg::walker(walk), closure,
                                 QTW_EXAMINE_RTES_BEFORE | QTW_EXAMINE_SORTGROUP);
    }
    add_node(node, closure);
    // What is below an entry of the range table is walked with the table.
    return !IsA(node, RangeTblEntry) && expression_tree_walker(node, pg::walker(walk), closure);
}

// ---- all of a kind ----

// A number for all functions that are not built in, as they are now; remembered until
// one of them changes.
static uint64 all_functions()
{
    static bool watched = false;
    static bool known = false;
    static bool changed;
    static uint64 hash;
    uint64 sum = 0;

    if (!watched) {
        CacheRegisterSyscacheCallback(PROCOID, [](Datum, auto, uint32) { known = false, changed = true; }, 0);
        watched = true;
    }
    if (known)
        return hash;
    changed = false; // from here on
    Relation catalog = table_open(ProcedureRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_proc_oid, BTGreaterEqualStrategyNumber, F_OIDGE, ObjectIdGetDatum(FirstNormalObjectId));
    SysScanDesc scan = systable_beginscan(catalog, ProcedureOidIndexId, true, nullptr, 1, &key);
    while (HeapTuple tuple = systable_getnext(scan)) {
        Print print = begin(ProcedureRelationId, reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->oid);
        print.row(tuple);
        sum += print.hash;
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    hash = sum;
    known = !changed;
    return sum;
}

// Adds all objects of a catalog whose rows begin with their oid.
static void add_catalog(Oid catalog, Closure *closure)
{
    Relation relation = table_open(catalog, AccessShareLock);
    SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 0, nullptr);
    bool null;
    while (HeapTuple tuple = systable_getnext(scan))
        add(closure, catalog, DatumGetObjectId(heap_getattr(tuple, 1, RelationGetDescr(relation), &null)));
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
}

// All that the query of a view depends on.
static Closure closure_of(Relation view)
{
    Closure closure{};
    HASHCTL control{};
    control.keysize = sizeof(Object);
    control.entrysize = sizeof(Object);
    control.hcxt = CurrentMemoryContext;
    closure.seen = hash_create("refresh_mv meaning", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

    RuleLock *rules = view->rd_rules;
    for (int i = 0; rules != nullptr && i < rules->numLocks; i++)
        walk(reinterpret_cast<Node *>(rules->rules[i]->actions), &closure);
    // A setting tells which is the default.
    if (closure.search)
        add(&closure, TSConfigRelationId, getTSCurrentConfig(false));
    if (closure.any_search) {
        add_catalog(TSConfigRelationId, &closure);
        add_catalog(TSDictionaryRelationId, &closure);
    }
    if (closure.bodies)
        closure.hash += all_functions();
    return closure;
}

const char *fingerprint(Relation view)
{
    Closure closure = closure_of(view);
    hash_destroy(closure.seen);
    return psprintf(UINT64_FORMAT, closure.hash);
}

Object *objects(Relation view, int *count)
{
    Closure closure = closure_of(view);
    HASH_SEQ_STATUS scan;
    auto *all = static_cast<Object *>(palloc(sizeof(Object) * (hash_get_num_entries(closure.seen) + 1)));

    *count = 0;
    hash_seq_init(&scan, closure.seen);
    while (auto *object = static_cast<Object *>(hash_seq_search(&scan)))
        if (object->oid >= FirstNormalObjectId)
            all[(*count)++] = *object;
    hash_destroy(closure.seen);
    return all;
}

} // namespace meaning

} // namespace refresh_mv
