#include "inspect/live_scan.hpp"

#include "inspect/live.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"
#include "server/class_row.hpp"

namespace refresh_mv {

namespace {

set_rel_pathlist_hook_type next_hook = nullptr;

// A call of the function, as the planner sees it.
struct Call {
    Oid function;
    Oid view; // InvalidOid: none whose rows could be told
    bool fallback;
};

// Conditions on one entry of a range table, taken apart: what does not mention its columns is computed beforehand.
struct Conditions {
    Index rti;
    bool simple;
    List *values; // expressions, for which there are parameters in their order
};

struct LiveScan {
    CustomScanState css;
    Call call;
    Node *conditions; // with parameters
    List *values;     // ExprState *
    MemoryContext memory; // of what is found
    bool started;
    LiveRows rows;
    QueryDesc *stored; // null: the rows that the view holds are not among them
    bool stored_read;  // all of these
    int64 near;        // for live::is_gone()
    TupleTableSlot *fresh;
};

// ---- planning ----

Oid live_function()
{
    Oid types[] = {ANYELEMENTOID, BOOLOID};
    Oid schema = get_namespace_oid("refresh_mv", true);
    return OidIsValid(schema) ? GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("live"),
                                                PointerGetDatum(buildoidvector(types, 2)), ObjectIdGetDatum(schema))
                              : InvalidOid;
}

// The call that is all of an entry of the range table; without a view if that is something else.
Call call_in(const RangeTblEntry *rte)
{
    Call call{};
    if (rte->rtekind != RTE_FUNCTION || rte->funcordinality || list_length(rte->functions) != 1)
        return call;
    auto *function = linitial_node(RangeTblFunction, rte->functions);
    auto *expr = reinterpret_cast<FuncExpr *>(function->funcexpr);
    if (!IsA(expr, FuncExpr) || expr->funcid < FirstNormalObjectId || list_length(expr->args) != 2
        || function->funccolnames != NIL || expr->funcid != live_function())
        return call;
    auto *row = static_cast<Const *>(linitial(expr->args));
    auto *fallback = static_cast<Const *>(lsecond(expr->args));
    if (!IsA(row, Const) || !IsA(fallback, Const) || fallback->constisnull)
        return call;
    call.function = expr->funcid;
    call.view = live::view_of_type(row->consttype);
    call.fallback = DatumGetBool(fallback->constvalue);
    return call;
}

bool may_hold_columns(Node *node)
{
    switch (nodeTag(node)) {
    case T_List:
    case T_OpExpr:
    case T_DistinctExpr:
    case T_ScalarArrayOpExpr:
    case T_BoolExpr:
    case T_NullTest:
    case T_BooleanTest:
    case T_RelabelType:
        return true;
    default:
        return false;
    }
}

// An expression with parameters for what can be computed without any column.
Node *take_apart(Node *node, void *context)
{
    auto *conditions = static_cast<Conditions *>(context);
    if (node == nullptr || IsA(node, Const))
        return static_cast<Node *>(copyObjectImpl(node));
    if (IsA(node, Var)) {
        auto *var = static_cast<Var *>(copyObjectImpl(node));
        conditions->simple &= static_cast<Index>(var->varno) == conditions->rti && var->varattno > 0 && var->varlevelsup == 0;
        var->varno = 1;
        var->varnosyn = 1;
        return reinterpret_cast<Node *>(var);
    }
    if (!IsA(node, List) && !contain_var_clause(node)) {
        Param *param = makeNode(Param);
        conditions->values = lappend(conditions->values, copyObjectImpl(node));
        param->paramkind = PARAM_EXTERN;
        param->paramid = list_length(conditions->values);
        param->paramtype = exprType(node);
        param->paramtypmod = exprTypmod(node);
        param->paramcollid = exprCollation(node);
        param->location = -1;
        return reinterpret_cast<Node *>(param);
    }
    conditions->simple &= may_hold_columns(node);
    return expression_tree_mutator(node, pg::mutator(take_apart), context);
}

// Takes those conditions apart that may be taken in; returns them.
List *conditions_of(RelOptInfo *rel, List **values)
{
    List *taken = NIL;
    ListCell *cell;
    foreach (cell, rel->baserestrictinfo) {
        auto *clause = reinterpret_cast<Node *>(lfirst_node(RestrictInfo, cell)->clause);
        if (!contain_var_clause(clause) || contain_leaked_vars(clause) || contain_volatile_functions(clause)
            || contain_subplans(clause))
            continue;
        Conditions conditions = {rel->relid, true, list_copy(*values)};
        Node *apart = take_apart(clause, &conditions);
        if (!conditions.simple)
            continue;
        taken = lappend(taken, apart);
        *values = conditions.values;
    }
    return taken;
}

Node *create_state(CustomScan *scan);
const CustomScanMethods scan_methods = {"refresh_mv live", create_state};

Plan *make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *)
{
    CustomScan *scan = makeNode(CustomScan);
    List *values = NIL;
    List *columns = NIL;
    Call call = call_in(planner_rt_fetch(rel->relid, root));

    for (AttrNumber i = 1; i <= rel->max_attr; i++) {
        Oid type, collation;
        int32 typmod;
        get_atttypetypmodcoll(call.view, i, &type, &typmod, &collation);
        Var *var = makeVar(static_cast<int>(rel->relid), i, type, typmod, collation, 0);
        columns = lappend(columns, makeTargetEntry(reinterpret_cast<Expr *>(var), i, nullptr, false));
    }
    List *conditions = conditions_of(rel, &values);
    root->glob->relationOids = lappend_oid(root->glob->relationOids, call.view); // to be planned anew with it
    scan->scan.plan.targetlist = tlist;
    scan->scan.plan.qual = extract_actual_clauses(clauses, false);
    scan->flags = path->flags;
    scan->custom_scan_tlist = columns;
    scan->custom_exprs = values;
    scan->custom_private = list_make4(makeInteger(static_cast<int>(call.function)), makeInteger(static_cast<int>(call.view)),
                                      makeInteger(call.fallback), conditions);
    scan->methods = &scan_methods;
    return &scan->scan.plan;
}

const CustomPathMethods path_methods = {"refresh_mv live", make_plan, nullptr};

// Whether a query mentions rows as a whole, which the scan has not got.
bool needs_whole_rows(const RelOptInfo *rel)
{
    Bitmapset *columns = nullptr;
    ListCell *cell;
    pull_varattnos(reinterpret_cast<Node *>(rel->reltarget->exprs), rel->relid, &columns);
    foreach (cell, rel->baserestrictinfo)
        pull_varattnos(reinterpret_cast<Node *>(lfirst_node(RestrictInfo, cell)->clause), rel->relid, &columns);
    return bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns);
}

// Plans a call of the function as a scan of its own, instead of whatever else there is.
void add_path(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
    if (next_hook != nullptr)
        next_hook(root, rel, rti, rte);
    if (rte->rtekind != RTE_FUNCTION || rel->lateral_relids != nullptr || needs_whole_rows(rel)
        || !OidIsValid(call_in(rte).view))
        return;
    CustomPath *path = makeNode(CustomPath);
    path->path.pathtype = T_CustomScan;
    path->path.parent = rel;
    path->path.pathtarget = rel->reltarget;
    path->path.rows = rel->rows;
    path->path.startup_cost = rel->reltarget->cost.startup;
    path->path.total_cost = path->path.startup_cost + rel->tuples * (cpu_tuple_cost + rel->baserestrictcost.per_tuple)
                            + rel->rows * rel->reltarget->cost.per_tuple;
    path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
    path->methods = &path_methods;
    rel->pathlist = list_make1(path);
    rel->partial_pathlist = NIL;
}

// ---- running ----

// Puts the values of parameters in their places.
Node *put_values(Node *node, void *context)
{
    auto *constants = static_cast<List *>(context);
    if (node != nullptr && IsA(node, Param))
        return static_cast<Node *>(copyObjectImpl(list_nth(constants, reinterpret_cast<Param *>(node)->paramid - 1)));
    return expression_tree_mutator(node, pg::mutator(put_values), context);
}

// Computes what conditions compare columns with, as the user of the query.
List *constants_of(LiveScan *scan)
{
    auto *plan = reinterpret_cast<CustomScan *>(scan->css.ss.ps.plan);
    ExprContext *context = scan->css.ss.ps.ps_ExprContext;
    List *constants = NIL;
    ListCell *cell, *state;
    forboth (cell, plan->custom_exprs, state, scan->values) {
        auto *expr = static_cast<Node *>(lfirst(cell));
        bool null;
        int16 length;
        bool by_value;
        get_typlenbyval(exprType(expr), &length, &by_value);
        Datum value = ExecEvalExprSwitchContext(static_cast<ExprState *>(lfirst(state)), context, &null);
        if (!null && length == -1)
            value = PointerGetDatum(PG_DETOAST_DATUM(value));
        constants = lappend(constants, makeConst(exprType(expr), exprTypmod(expr), exprCollation(expr), length,
                                                 null ? 0 : datumCopy(value, by_value, length), null, by_value));
    }
    return constants;
}

// Begins to read the rows that the view holds.
QueryDesc *read_stored(Oid view, Node *condition)
{
    QueryDesc *desc = CreateQueryDesc(query::plan(live::stored_rows(view, condition), 0), "", GetActiveSnapshot(),
                                      InvalidSnapshot, None_Receiver, nullptr, nullptr, 0);
    ExecutorStart(desc, 0);
    return desc;
}

// The next of them that is not gone; false after the last one.
bool next_stored(LiveScan *scan, TupleTableSlot *into)
{
    EState *estate = scan->stored->estate;
    bool found = false;
    bool null;
    MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
    while (!found) {
        ResetPerTupleExprContext(estate);
        TupleTableSlot *slot = ExecProcNode(scan->stored->planstate);
        if (TupIsNull(slot))
            break;
        if (live::is_gone(scan->rows, DatumGetItemPointer(slot_getattr(slot, 1, &null)), &scan->near))
            continue;
        slot_getallattrs(slot);
        auto natts = static_cast<size_t>(into->tts_tupleDescriptor->natts);
        memcpy(into->tts_values, slot->tts_values + 1, natts * sizeof(Datum));
        memcpy(into->tts_isnull, slot->tts_isnull + 1, natts * sizeof(bool));
        ExecStoreVirtualTuple(into);
        found = true;
    }
    MemoryContextSwitchTo(old);
    scan->stored_read = !found; // to ask once more would be to begin again
    return found;
}

// The next of the others.
bool next_fresh(LiveScan *scan, TupleTableSlot *into)
{
    if (scan->rows.fresh == nullptr || !tuplestore_gettupleslot(scan->rows.fresh, true, false, scan->fresh))
        return false;
    slot_getallattrs(scan->fresh);
    auto natts = static_cast<size_t>(into->tts_tupleDescriptor->natts);
    memcpy(into->tts_values, scan->fresh->tts_values, natts * sizeof(Datum));
    memcpy(into->tts_isnull, scan->fresh->tts_isnull, natts * sizeof(bool));
    ExecStoreVirtualTuple(into);
    return true;
}

void end_stored(LiveScan *scan)
{
    if (scan->stored == nullptr)
        return;
    ExecutorFinish(scan->stored);
    ExecutorEnd(scan->stored);
    FreeQueryDesc(scan->stored);
    scan->stored = nullptr;
}

void stop(LiveScan *scan)
{
    end_stored(scan);
    if (scan->rows.fresh != nullptr)
        tuplestore_end(scan->rows.fresh);
    scan->rows = {};
    scan->near = 0;
    scan->started = false;
    MemoryContextReset(scan->memory);
}

// Finds the rows, under the snapshot of the query.
void start(LiveScan *scan)
{
    MemoryContext old = MemoryContextSwitchTo(scan->memory);
    Node *conditions = put_values(static_cast<Node *>(copyObjectImpl(scan->conditions)), constants_of(scan));
    PushActiveSnapshot(scan->css.ss.ps.state->es_snapshot);
    entry([&] { scan->rows = live::find({scan->call.view, conditions, scan->call.fallback}); });
    if (scan->rows.stored)
        scan->stored = read_stored(scan->call.view, conditions);
    PopActiveSnapshot();
    MemoryContextSwitchTo(old);
    scan->started = true;
}

TupleTableSlot *next_row(ScanState *state)
{
    auto *scan = reinterpret_cast<LiveScan *>(state);
    TupleTableSlot *slot = state->ss_ScanTupleSlot;
    ExecClearTuple(slot);
    if (!scan->started)
        start(scan);
    if (scan->stored != nullptr && !scan->stored_read && next_stored(scan, slot))
        return slot;
    next_fresh(scan, slot);
    return slot;
}

bool recheck(ScanState *, TupleTableSlot *)
{
    return true;
}

void begin(CustomScanState *state, EState *, int)
{
    auto *scan = reinterpret_cast<LiveScan *>(state);
    auto *plan = reinterpret_cast<CustomScan *>(state->ss.ps.plan);
    scan->call.function = static_cast<Oid>(intVal(linitial(plan->custom_private)));
    scan->call.view = static_cast<Oid>(intVal(lsecond(plan->custom_private)));
    scan->call.fallback = intVal(lthird(plan->custom_private)) != 0;
    auto *conditions = static_cast<List *>(lfourth(plan->custom_private));
    scan->conditions = conditions == NIL ? nullptr : reinterpret_cast<Node *>(make_ands_explicit(conditions));
    scan->values = ExecInitExprList(plan->custom_exprs, &state->ss.ps);
    scan->memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv live", ALLOCSET_DEFAULT_SIZES);
    scan->fresh = MakeSingleTupleTableSlot(CreateTupleDescCopy(state->ss.ss_ScanTupleSlot->tts_tupleDescriptor),
                                           &TTSOpsMinimalTuple);
    pg::check_may_execute(scan->call.function);
}

TupleTableSlot *exec(CustomScanState *state)
{
    return ExecScan(&state->ss, next_row, recheck);
}

void end(CustomScanState *state)
{
    auto *scan = reinterpret_cast<LiveScan *>(state);
    stop(scan);
    ExecDropSingleTupleTableSlot(scan->fresh);
}

// Begins again; what was found stays so, unless it was found by values that are others now.
void rescan(CustomScanState *state)
{
    auto *scan = reinterpret_cast<LiveScan *>(state);
    if (scan->started && state->ss.ps.chgParam != nullptr)
        stop(scan);
    if (scan->started && scan->stored != nullptr)
        ExecReScan(scan->stored->planstate);
    scan->stored_read = false;
    if (scan->started && scan->rows.fresh != nullptr)
        tuplestore_rescan(scan->rows.fresh);
    ExecScanReScan(&state->ss);
}

void explain(CustomScanState *state, List *, ExplainState *es)
{
    auto *scan = reinterpret_cast<LiveScan *>(state);
    auto *plan = reinterpret_cast<CustomScan *>(state->ss.ps.plan);
    ExplainPropertyText("Materialized View", get_rel_name(scan->call.view), es);
    ExplainPropertyInteger("Conditions Taken In", nullptr, list_length(static_cast<List *>(lfourth(plan->custom_private))), es);
    if (!scan->started)
        return;
    ExplainPropertyText("Way", scan->rows.way, es);
    ExplainPropertyInteger("Changes", nullptr, scan->rows.changes, es);
    ExplainPropertyInteger("Rows Gone", nullptr, scan->rows.gone_count, es);
    ExplainPropertyInteger("Rows Found Anew", nullptr, scan->rows.fresh_count, es);
}

const CustomExecMethods exec_methods = {
    .CustomName = "refresh_mv live",
    .BeginCustomScan = begin,
    .ExecCustomScan = exec,
    .EndCustomScan = end,
    .ReScanCustomScan = rescan,
    .MarkPosCustomScan = nullptr,
    .RestrPosCustomScan = nullptr,
    .EstimateDSMCustomScan = nullptr,
    .InitializeDSMCustomScan = nullptr,
    .ReInitializeDSMCustomScan = nullptr,
    .InitializeWorkerCustomScan = nullptr,
    .ShutdownCustomScan = nullptr,
    .ExplainCustomScan = explain,
};

Node *create_state(CustomScan *)
{
    auto *scan = static_cast<LiveScan *>(palloc0(sizeof(LiveScan)));
    NodeSetTag(&scan->css, T_CustomScanState);
    scan->css.methods = &exec_methods;
    return reinterpret_cast<Node *>(scan);
}

} // namespace

namespace live_scan {

void watch()
{
    RegisterCustomScanMethods(&scan_methods);
    next_hook = set_rel_pathlist_hook;
    set_rel_pathlist_hook = add_path;
}

Datum support(Node *request)
{
    if (!IsA(request, SupportRequestRows))
        return 0;
    auto *rows = reinterpret_cast<SupportRequestRows *>(request);
    if (rows->node == nullptr || !IsA(rows->node, FuncExpr))
        return 0;
    auto *call = reinterpret_cast<FuncExpr *>(rows->node);
    Oid view = call->args == NIL ? InvalidOid : live::view_of_type(exprType(static_cast<Node *>(linitial(call->args))));
    if (!OidIsValid(view))
        return 0;
    if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
        live::lock(view); // before the query's snapshot is taken, as other queries lock what they read
    rows->rows = Max(class_row(view).form.reltuples, 1);
    PG_RETURN_POINTER(rows);
}

} // namespace live_scan

} // namespace refresh_mv
