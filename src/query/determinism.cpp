#include "query/determinism.hpp"

#include "query/blame.hpp"
#include "query/known_functions.hpp"
#include "query/time_conditions.hpp"
#include "store/trusted_functions.hpp"

#include <initializer_list>

namespace refresh_mv::determinism {

// A query on the way down the tree, those around it, and what was found.
struct Level {
    Query *query;
    Level *outer;
    Constancy *found;
    Oid owner; // of the view
};

static bool type_io(Oid type, IOFuncSelector which, Level *level);
static bool output(Node *expr, Level *level);
static bool outputs(List *exprs, Level *level);
static bool walk(Node *node, void *context);

// All functions below return true, which ends the walk, once they have found
// something that the result must not depend on.
static bool depends(Level *level, const Blame &blame)
{
    level->found->depends_on = blame.what;
    level->found->hint = blame.hint;
    level->found->declarable = blame.declarable;
    level->found->movable = blame.movable;
    level->found->trustable = blame.trustable;
    return true;
}

static bool depends(Level *level, const char *what)
{
    return depends(level, Blame{what, nullptr, InvalidOid, false, InvalidOid});
}

// The same of what queries that read the view can do instead.
static bool depends_on_call(Level *level, const char *what)
{
    return depends(level, Blame{what, nullptr, InvalidOid, true, InvalidOid});
}

static bool depends_on_record(Level *level)
{
    return depends(level, "the columns of an anonymous record");
}

static bool depends_on_settings(Level *level)
{
    level->found->reads_settings = true;
    return false;
}

// The arguments of a function call in their order, with the defaults of those
// left out, as the planner will add them.
static List *call_arguments(FuncExpr *call)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for function %u", call->funcid);
    List *args = expand_function_arguments(call->args, false, call->funcresulttype, tuple);
    ReleaseSysCache(tuple);
    return args;
}

// The arguments of a function call, an operator or an aggregate.
static List *arguments(Node *node)
{
    List *args = NIL;
    ListCell *cell;

    switch (nodeTag(node)) {
    case T_FuncExpr:
        return call_arguments(reinterpret_cast<FuncExpr *>(node));
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
        return reinterpret_cast<OpExpr *>(node)->args;
    case T_ScalarArrayOpExpr:
        return reinterpret_cast<ScalarArrayOpExpr *>(node)->args;
    case T_RowCompareExpr:
        return list_concat_copy(reinterpret_cast<RowCompareExpr *>(node)->largs,
                                reinterpret_cast<RowCompareExpr *>(node)->rargs);
    case T_WindowFunc:
        return reinterpret_cast<WindowFunc *>(node)->args;
    case T_Aggref:
        args = list_copy(reinterpret_cast<Aggref *>(node)->aggdirectargs);
        foreach (cell, reinterpret_cast<Aggref *>(node)->args)
            if (!lfirst_node(TargetEntry, cell)->resjunk)
                args = lappend(args, lfirst_node(TargetEntry, cell)->expr);
        return args;
    default:
        return NIL;
    }
}

// Whether the time zone of a call, the first of two arguments or the last of
// more, is a constant such as 'Europe/Paris' or 'UTC': no setting can redefine
// that, as it can an abbreviation.
static bool zone_is_region(Node *call)
{
    List *args = arguments(call);
    if (!IsA(call, FuncExpr) || args == NIL)
        return false;
    auto *zone = static_cast<Node *>(list_length(args) == 2 ? linitial(args) : llast(args));
    if (!IsA(zone, Const) || reinterpret_cast<Const *>(zone)->constisnull)
        return false;
    const char *name = TextDatumGetCString(reinterpret_cast<Const *>(zone)->constvalue);
    return strchr(name, '/') != nullptr || pg_strcasecmp(name, "UTC") == 0;
}

static bool check_function(Oid function, Node *call, Level *level);

// Notes that the result depends on a setting of an extension, which its library defines: that
// is loaded, as it will be when the function is called.
static bool depends_on_other(Oid function, const char *setting, Level *level)
{
    FmgrInfo loaded;
    ListCell *cell;
    fmgr_info(function, &loaded);
    foreach (cell, level->found->others)
        if (strcmp(static_cast<char *>(lfirst(cell)), setting) == 0)
            return false;
    level->found->others = lappend(level->found->others, pstrdup(setting));
    return false;
}

// Judges the functions that make up an aggregate.
static bool check_aggregate(Oid function, Node *call, Level *level)
{
    HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for aggregate %u", function);
    FormData_pg_aggregate form = *reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);

    bool trusted = trusted_functions::counts(function, level->owner);
    for (Oid part : {form.aggtransfn, form.aggfinalfn, form.aggcombinefn, form.aggserialfn,
                     form.aggdeserialfn, form.aggmtransfn, form.aggminvtransfn, form.aggmfinalfn}) {
        if (!OidIsValid(part) || !check_function(part, call, level))
            continue;
        if (!trusted)
            return true;
        depends(level, Blame{}); // with the whole its parts are trusted
    }
    return false;
}

// Judges a function, given the expression that calls it (null for the input or
// output function of a type).
static bool check_function(Oid function, Node *call, Level *level)
{
    // The volatility of an aggregate says nothing.
    if (get_func_prokind(function) == PROKIND_AGGREGATE)
        return check_aggregate(function, call, level);

    const KnownFunction *known = known_functions::find(function);
    if (known == nullptr) {
        if (func_volatile(function) == PROVOLATILE_IMMUTABLE || known_functions::is_constant(function))
            return false;
        const char *setting = known_functions::extension_setting(function);
        if (setting != nullptr)
            return depends_on_other(function, setting, level);
        return !trusted_functions::counts(function, level->owner) && depends(level, blame::function(function, call));
    }
    switch (known->uses) {
    case Uses::nothing:
        return false;
    case Uses::settings:
        return depends_on_settings(level);
    case Uses::zone:
        return !zone_is_region(call) && depends_on_settings(level);
    case Uses::output:
        // format() quotes identifiers, as quote_ident() does.
        if (known->name.starts_with("text_format"))
            depends_on_settings(level);
        return outputs(arguments(call), level);
    case Uses::input:
        // The columns of json_to_record() stand beside the call.
        if (exprType(call) == RECORDOID)
            return exprType(static_cast<Node *>(linitial(arguments(call)))) == RECORDOID
                   && depends_on_record(level);
        return type_io(exprType(call), IOFunc_input, level);
    }
    return false;
}

// Judges the columns of a row type.
static bool columns_io(TupleDesc desc, IOFuncSelector which, Level *level)
{
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attr = TupleDescAttr(desc, i);
        if (!attr->attisdropped && type_io(attr->atttypid, which, level))
            return true;
    }
    return false;
}

// Judges a list of types.
static bool types_io(List *types, IOFuncSelector which, Level *level)
{
    ListCell *cell;
    foreach (cell, types)
        if (type_io(lfirst_oid(cell), which, level))
            return true;
    return false;
}

// Judges the input or output function of a type, and those of its elements or
// columns.  Constraints of domains raise errors only.
static bool type_io(Oid type, IOFuncSelector which, Level *level)
{
    Oid base = getBaseType(type);
    Oid element = get_element_type(base);
    Oid function;
    Oid param;
    bool varlena;

    check_stack_depth();
    if (OidIsValid(element)) {
        // array_nulls
        if (which == IOFunc_input)
            depends_on_settings(level);
        return type_io(element, which, level);
    }
    switch (get_typtype(base)) {
    case TYPTYPE_RANGE:
        return type_io(get_range_subtype(base), which, level);
    case TYPTYPE_MULTIRANGE:
        return type_io(get_multirange_range(base), which, level);
    case TYPTYPE_COMPOSITE:
        return columns_io(lookup_rowtype_tupdesc_copy(base, -1), which, level);
    }
    if (which == IOFunc_input) {
        getTypeInputInfo(base, &function, &param);
        return check_function(function, nullptr, level) && depends(level, blame::text_of(base, which));
    }
    getTypeOutputInfo(base, &function, &varlena);
    if (check_function(function, nullptr, level))
        return depends(level, blame::text_of(base, which));
    // Types that are not built in can have a cast for JSON.  Those written in C
    // may read settings such as extra_float_digits, however they are marked.
    if (base >= FirstNormalObjectId) {
        depends_on_settings(level);
        if (find_coercion_pathway(JSONOID, base, COERCION_EXPLICIT, &function)
                == COERCION_PATH_FUNC
            && OidIsValid(function))
            return check_function(function, nullptr, level);
    }
    return false;
}

// Judges the text of an output column of a query, or of all its columns (0).
static bool column_output(AttrNumber attno, Level *level)
{
    ListCell *cell;
    foreach (cell, level->query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk && (attno == 0 || attno == entry->resno)
            && output(reinterpret_cast<Node *>(entry->expr), level))
            return true;
    }
    return false;
}

// Judges the text of the rows of functions in FROM.
static bool functions_output(List *functions, Level *level)
{
    ListCell *cell;
    foreach (cell, functions) {
        auto *function = lfirst_node(RangeTblFunction, cell);
        TupleDesc desc;
        Oid type;
        if (function->funccoltypes != NIL) {
            if (types_io(function->funccoltypes, IOFunc_output, level))
                return true;
            continue;
        }
        switch (get_expr_result_type(function->funcexpr, &type, &desc)) {
        case TYPEFUNC_COMPOSITE:
        case TYPEFUNC_COMPOSITE_DOMAIN:
            if (columns_io(desc, IOFunc_output, level))
                return true;
            break;
        default:
            if (type_io(type, IOFunc_output, level))
                return true;
        }
    }
    return false;
}

// Judges the text of a column that is a record, or of a whole row.
static bool record_var_output(Var *var, Level *level)
{
    for (Index up = var->varlevelsup; up > 0; up--)
        level = level->outer;
    // The arms of a set operation can give records of different columns.
    if (level->query->setOperations)
        return depends_on_record(level);

    auto *copy = static_cast<Var *>(copyObjectImpl(var));
    copy->varlevelsup = 0;
    Node *expr = pg::flatten(level->query, reinterpret_cast<Node *>(copy));
    if (!IsA(expr, Var))
        return output(expr, level);
    var = reinterpret_cast<Var *>(expr);
    RangeTblEntry *rte = rt_fetch(var->varno, level->query->rtable);
    ListCell *cell;

    switch (rte->rtekind) {
    case RTE_SUBQUERY: {
        Level inner = {rte->subquery, level, level->found, level->owner};
        return column_output(var->varattno, &inner);
    }
    case RTE_CTE:
        for (Index up = rte->ctelevelsup; up > 0; up--)
            level = level->outer;
        foreach (cell, level->query->cteList) {
            auto *cte = lfirst_node(CommonTableExpr, cell);
            if (strcmp(cte->ctename, rte->ctename) != 0)
                continue;
            Level inner = {castNode(Query, cte->ctequery), level, level->found, level->owner};
            return column_output(var->varattno, &inner);
        }
        break;
    case RTE_VALUES:
        foreach (cell, rte->values_lists) {
            auto *row = lfirst_node(List, cell);
            for (int i = 0; i < list_length(row); i++)
                if ((var->varattno == 0 || var->varattno == i + 1)
                    && output(static_cast<Node *>(list_nth(row, i)), level))
                    return true;
        }
        return false;
    case RTE_FUNCTION:
        if (var->varattno == 0)
            return functions_output(rte->functions, level);
        break;
    case RTE_TABLEFUNC:
        if (var->varattno == 0)
            return types_io(rte->tablefunc->coltypes, IOFunc_output, level);
        break;
    default:
        break;
    }
    return depends_on_record(level);
}

// Judges the text of each expression of a list.
static bool outputs(List *exprs, Level *level)
{
    ListCell *cell;
    foreach (cell, exprs)
        if (output(static_cast<Node *>(lfirst(cell)), level))
            return true;
    return false;
}

// Judges the text of anonymous records, or of arrays of them: looks for the
// expressions that their columns come from.
static bool record_output(Node *expr, Level *level)
{
    TupleDesc desc;
    ListCell *cell;

    switch (nodeTag(expr)) {
    case T_Var:
        return record_var_output(reinterpret_cast<Var *>(expr), level);
    case T_RowExpr:
        return outputs(reinterpret_cast<RowExpr *>(expr)->args, level);
    case T_ArrayExpr:
        return outputs(reinterpret_cast<ArrayExpr *>(expr)->elements, level);
    case T_CoalesceExpr:
        return outputs(reinterpret_cast<CoalesceExpr *>(expr)->args, level);
    case T_Aggref:
    case T_WindowFunc:
        return outputs(arguments(expr), level);
    case T_CaseExpr:
        foreach (cell, reinterpret_cast<CaseExpr *>(expr)->args)
            if (output(reinterpret_cast<Node *>(lfirst_node(CaseWhen, cell)->result), level))
                return true;
        return output(reinterpret_cast<Node *>(reinterpret_cast<CaseExpr *>(expr)->defresult),
                      level);
    case T_Const:
        // There are no constants of such types but NULL.
        return false;
    case T_SubLink: {
        auto *link = reinterpret_cast<SubLink *>(expr);
        Level inner = {castNode(Query, link->subselect), level, level->found, level->owner};
        return column_output(1, &inner);
    }
    case T_FuncExpr:
        if (get_expr_result_type(expr, nullptr, &desc) == TYPEFUNC_COMPOSITE)
            return columns_io(desc, IOFunc_output, level);
        break;
    default:
        break;
    }
    return depends_on_record(level);
}

// Judges the text of an expression's values.
static bool output(Node *expr, Level *level)
{
    Oid type = exprType(expr);

    check_stack_depth();
    return type == RECORDOID || type == RECORDARRAYOID ? record_output(expr, level)
                                                       : type_io(type, IOFunc_output, level);
}

// Judges what an entry of the range table reads.
static bool check_rte(RangeTblEntry *rte, Level *level)
{
    if (OidIsValid(rte->relid)) {
        Relation rel = relation_open(rte->relid, AccessShareLock);
        const char *name = pstrdup(RelationGetRelationName(rel));
        bool sequence = rel->rd_rel->relkind == RELKIND_SEQUENCE;
        bool security = rel->rd_rel->relrowsecurity;
        // They are computed when read.
        if (pg::has_virtual_columns(rel))
            depends_on_settings(level);
        relation_close(rel, NoLock);
        if (rte->relid < FirstNormalObjectId)
            return depends(level, psprintf("system catalog \"%s\"", name));
        if (sequence)
            return depends(level, psprintf("sequence \"%s\"", name));
        if (security)
            return depends(level, psprintf("row-level security of table \"%s\"", name));
    }
    return rte->tablesample != nullptr && depends_on_call(level, "TABLESAMPLE");
}

static const char *sql_value_name(SQLValueFunctionOp op)
{
    switch (op) {
    case SVFOP_CURRENT_DATE:
        return "current_date";
    case SVFOP_CURRENT_TIME:
    case SVFOP_CURRENT_TIME_N:
        return "current_time";
    case SVFOP_CURRENT_TIMESTAMP:
    case SVFOP_CURRENT_TIMESTAMP_N:
        return "current_timestamp";
    case SVFOP_LOCALTIME:
    case SVFOP_LOCALTIME_N:
        return "localtime";
    case SVFOP_LOCALTIMESTAMP:
    case SVFOP_LOCALTIMESTAMP_N:
        return "localtimestamp";
    case SVFOP_CURRENT_ROLE:
        return "current_role";
    case SVFOP_CURRENT_USER:
        return "current_user";
    case SVFOP_USER:
        return "user";
    case SVFOP_SESSION_USER:
        return "session_user";
    case SVFOP_CURRENT_CATALOG:
        return "current_catalog";
    case SVFOP_CURRENT_SCHEMA:
        return "current_schema";
    }
    return "a value of the session";
}

// Judges what tells the time, if it is known where it stands.
static bool check_time(Node *time, TimePlace place, Level *level)
{
    bool is_call = IsA(time, FuncExpr);
    if (place == TimePlace::condition) {
        level->found->reads_time = true;
        // A date, a time of day and the like go by the time zone.
        return exprType(time) != TIMESTAMPTZOID && depends_on_settings(level);
    }
    const char *name = is_call ? format_procedure(reinterpret_cast<FuncExpr *>(time)->funcid)
                               : sql_value_name(reinterpret_cast<SQLValueFunction *>(time)->op);
    return depends(level, Blame{psprintf("%s %s", name, time_conditions::describe(place)),
                                "The time can be in conditions of WHERE on the rows that are joined, such as at > now() - interval "
                                "'30 days'; what else goes by it belongs in the queries that read the view",
                                InvalidOid, true, InvalidOid});
}

// The types of the columns of an arm of a set operation.
static List *arm_types(Node *arm, Query *query)
{
    List *types = NIL;
    ListCell *cell;

    if (IsA(arm, SetOperationStmt))
        return reinterpret_cast<SetOperationStmt *>(arm)->colTypes;
    RangeTblEntry *rte = rt_fetch(castNode(RangeTblRef, arm)->rtindex, query->rtable);
    foreach (cell, rte->subquery->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk)
            types = lappend_oid(types, exprType(reinterpret_cast<Node *>(entry->expr)));
    }
    return types;
}

// Judges the operators of a set operation, and the casts that the planner will
// add to arms of other types.
static bool check_set_operation(SetOperationStmt *operation, Level *level)
{
    ListCell *type;
    ListCell *common;

    for (Node *arm : {operation->larg, operation->rarg})
        forboth (type, arm_types(arm, level->query), common, operation->colTypes) {
            CaseTestExpr *value = makeNode(CaseTestExpr);
            value->typeId = lfirst_oid(type);
            value->typeMod = -1;
            value->collation = get_typcollation(value->typeId);
            if (walk(coerce_to_common_type(nullptr, reinterpret_cast<Node *>(value),
                                           lfirst_oid(common), "UNION"),
                     level))
                return true;
        }
    return walk(reinterpret_cast<Node *>(operation->groupClauses), level);
}

// A call, as handed to check_functions_in_node().
struct Call {
    Node *node;
    Level *level;
};

// Judges what a node does by itself, whatever is below it.
static bool check_node(Node *node, Level *level)
{
    if (time_conditions::tells_time(node) && time_conditions::place_of(node) != TimePlace::unknown)
        return check_time(node, time_conditions::place_of(node), level);
    switch (nodeTag(node)) {
    case T_RangeTblEntry:
        return check_rte(reinterpret_cast<RangeTblEntry *>(node), level);
    case T_Var: {
        auto *var = reinterpret_cast<Var *>(node);
        if (var->varattno >= 0)
            return false;
        for (Index up = var->varlevelsup; up > 0; up--)
            level = level->outer;
        return depends(level,
                       psprintf("system columns of table \"%s\"",
                                get_rel_name(rt_fetch(var->varno, level->query->rtable)->relid)));
    }
    case T_RangeTblFunction: {
        // A list of columns, as json_to_record() has it.
        auto *function = reinterpret_cast<RangeTblFunction *>(node);
        if (function->funccoltypes == NIL || !IsA(function->funcexpr, FuncExpr))
            return false;
        auto *known = known_functions::find(reinterpret_cast<FuncExpr *>(function->funcexpr)->funcid);
        return known != nullptr && known->uses == Uses::input
               && types_io(function->funccoltypes, IOFunc_input, level);
    }
    case T_TableFunc:
        // Numbers are written with extra_float_digits on the way.
        depends_on_settings(level);
        return types_io(reinterpret_cast<TableFunc *>(node)->coltypes, IOFunc_input, level);
    case T_CoerceViaIO: {
        auto *coercion = reinterpret_cast<CoerceViaIO *>(node);
        auto *arg = reinterpret_cast<Node *>(coercion->arg);
        return (output(arg, level) || type_io(coercion->resulttype, IOFunc_input, level))
               && depends(level, blame::cast(exprType(arg), coercion->resulttype, level->found->blame()));
    }
    case T_XmlExpr: {
        auto *xml = reinterpret_cast<XmlExpr *>(node);
        return outputs(xml->named_args, level) || outputs(xml->args, level);
    }
    case T_MinMaxExpr: {
        Oid type = reinterpret_cast<MinMaxExpr *>(node)->minmaxtype;
        TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_CMP_PROC);
        return OidIsValid(cache->cmp_proc) && check_function(cache->cmp_proc, node, level);
    }
    case T_SortGroupClause: {
        auto *clause = reinterpret_cast<SortGroupClause *>(node);
        for (Oid op : {clause->eqop, clause->sortop})
            if (OidIsValid(op) && check_function(get_opcode(op), node, level))
                return true;
        return false;
    }
    case T_WindowClause: {
        auto *window = reinterpret_cast<WindowClause *>(node);
        for (Oid function : {window->startInRangeFunc, window->endInRangeFunc})
            if (OidIsValid(function) && check_function(function, node, level))
                return true;
        return false;
    }
    case T_SetOperationStmt:
        return check_set_operation(reinterpret_cast<SetOperationStmt *>(node), level);
    case T_SQLValueFunction:
        return depends_on_call(level, sql_value_name(reinterpret_cast<SQLValueFunction *>(node)->op));
    default:
        break;
    }

    Oid parsed = pg::json_query_type(node);
    if (OidIsValid(parsed)) {
        // Paths can compare dates with timestamps.
        depends_on_settings(level);
        return type_io(parsed, IOFunc_input, level);
    }
    Call call = {node, level};
    auto check = [](Oid function, void *context) {
        auto *call = static_cast<Call *>(context);
        return check_function(function, call->node, call->level);
    };
    return outputs(pg::json_constructor_args(node), level)
           || check_functions_in_node(node, check, &call);
}

static bool walk(Node *node, void *context)
{
    auto *level = static_cast<Level *>(context);

    if (node == nullptr)
        return false;
    if (IsA(node, Query)) {
        auto *query = reinterpret_cast<Query *>(node);
        Level inner = {query, level, level->found, level->owner};
        // The range table first: what a query reads says more than what it does.
        return range_table_walker(query->rtable, pg::walker(walk), &inner, QTW_EXAMINE_RTES_BEFORE)
               || query_tree_walker(query, pg::walker(walk), &inner,
                                    QTW_IGNORE_RANGE_TABLE | QTW_EXAMINE_SORTGROUP)
               || (query->hasRowSecurity && depends(level, "row-level security"));
    }
    if (check_node(node, level))
        return true;
    // What is below an entry of the range table is walked with the table.
    if (IsA(node, RangeTblEntry))
        return false;
    if (IsA(node, FuncExpr))
        return walk(reinterpret_cast<Node *>(arguments(node)), level);
    return expression_tree_walker(node, pg::walker(walk), level);
}

Constancy analyse(Query *rewritten, Oid owner)
{
    Constancy found{};
    Level outermost = {nullptr, nullptr, &found, owner};

    walk(reinterpret_cast<Node *>(rewritten), &outermost);
    return found;
}

Constancy analyse_tracked(Query *rewritten, Oid owner)
{
    return analyse(time_conditions::placed(rewritten), owner);
}

} // namespace refresh_mv::determinism
