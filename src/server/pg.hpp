// PostgreSQL's headers, and all that differs there between its major versions: with pg_workers.hpp the only file that
// knows of versions.
#pragma once

#include "server/pg_includes.hpp"

extern "C" {
#if PG_VERSION_NUM >= 190000
#include "commands/repack.h"
#else
#include "commands/cluster.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "nodes/multibitmapset.h"
#endif
}

namespace refresh_mv {

#if PG_VERSION_NUM < 160000
inline ItemPointer DatumGetItemPointer(Datum value)
{
    return reinterpret_cast<ItemPointer>(DatumGetPointer(value));
}

inline Datum ItemPointerGetDatum(const ItemPointerData *tid)
{
    return PointerGetDatum(tid);
}
#endif

namespace pg {

// Functions in the form in which this version's tree walkers and mutators take
// them.
using Walker = bool (*)(Node *, void *);
using Mutator = Node *(*)(Node *, void *);
#if PG_VERSION_NUM >= 160000
inline Walker walker(Walker function)
{
    return function;
}

inline Mutator mutator(Mutator function)
{
    return function;
}
#else
inline auto walker(Walker function)
{
    return reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(function));
}

inline auto mutator(Mutator function)
{
    return reinterpret_cast<Node *(*)()>(reinterpret_cast<void (*)()>(function));
}
#endif

// Whether an interval can be infinite, and cannot be subtracted then.
constexpr bool intervals_can_be_infinite = PG_VERSION_NUM >= 170000;

// Fails unless the current role may execute a function.
inline void check_may_execute(Oid function)
{
#if PG_VERSION_NUM >= 160000
    AclResult result = object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE);
#else
    AclResult result = pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);
#endif
    if (result != ACLCHECK_OK)
        aclcheck_error(result, OBJECT_FUNCTION, get_func_name(function));
    InvokeFunctionExecuteHook(function);
}

// Whether the role may refresh the view: its owner may, and from 17 on
// whoever holds MAINTAIN.
inline bool may_refresh(Oid view, Oid role)
{
#if PG_VERSION_NUM >= 170000
    return pg_class_aclcheck(view, role, ACL_MAINTAIN) == ACLCHECK_OK;
#elif PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, view, role);
#else
    return pg_class_ownercheck(view, role);
#endif
}

[[noreturn]] inline void no_right_to_refresh(const char *view)
{
#if PG_VERSION_NUM >= 170000
    aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_MATVIEW, view);
#else
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, view);
#endif
    pg_unreachable();
}

// Leaves only the safe schemas in search_path, as core's own maintenance
// commands do since 17.  Undone with the GUC nest level.
inline void restrict_search_path()
{
#if PG_VERSION_NUM >= 170000
    RestrictSearchPath();
#endif
}

// The origin of what this session applies; 0: it applies nothing.
inline int replication_origin()
{
#if PG_VERSION_NUM >= 190000
    return replorigin_xact_state.origin;
#else
    return replorigin_session_origin;
#endif
}

inline void executor_run(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
    ExecutorRun(query, ForwardScanDirection, 0);
#else
    ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

// The core REFRESH of a view named by its schema and name.
inline ObjectAddress exec_refresh(RefreshMatViewStmt *statement, const char *text,
                                  QueryCompletion *completion)
{
#if PG_VERSION_NUM >= 180000
    return ExecRefreshMatView(statement, text, completion);
#else
    return ExecRefreshMatView(statement, text, nullptr, completion);
#endif
}

// Whether the role may look names up in a schema.
inline bool may_use_schema(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

// Whether the role may call a function.
inline bool may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
    return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

// Which indexes need an entry for a row just stored: none after a HOT update,
// from 16 on perhaps only the summarizing ones.
#if PG_VERSION_NUM >= 160000
using IndexNeed = TU_UpdateIndexes;
constexpr IndexNeed no_index = TU_None;
constexpr IndexNeed all_indexes = TU_All;
#else
using IndexNeed = bool;
constexpr IndexNeed no_index = false;
constexpr IndexNeed all_indexes = true;
#endif

// Inserts the index entries of a row just stored.
inline void insert_index_entries(ResultRelInfo *result, TupleTableSlot *slot, EState *estate,
                                 [[maybe_unused]] IndexNeed need)
{
#if PG_VERSION_NUM >= 190000
    ExecInsertIndexTuples(result, estate, need == TU_Summarizing ? EIIT_ONLY_SUMMARIZING : 0, slot, NIL, nullptr);
#elif PG_VERSION_NUM >= 160000
    ExecInsertIndexTuples(result, slot, estate, false, false, nullptr, NIL, need == TU_Summarizing);
#else
    ExecInsertIndexTuples(result, slot, estate, false, false, nullptr, NIL);
#endif
}

// A row in memory, of its own.
inline MinimalTuple form_minimal_tuple(TupleDesc desc, Datum *values, bool *nulls)
{
#if PG_VERSION_NUM >= 180000
    return heap_form_minimal_tuple(desc, values, nulls, 0);
#else
    return heap_form_minimal_tuple(desc, values, nulls);
#endif
}

// Begins to read a table by an index, with so many keys, which index_rescan() sets.
inline IndexScanDesc begin_index_scan(Relation table, Relation index, Snapshot snapshot, int keys)
{
#if PG_VERSION_NUM >= 190000
    return index_beginscan(table, index, snapshot, nullptr, keys, 0, 0);
#elif PG_VERSION_NUM >= 180000
    return index_beginscan(table, index, snapshot, nullptr, keys, 0);
#else
    return index_beginscan(table, index, snapshot, keys, 0);
#endif
}

// Stores a new version of the row at tid.
inline TM_Result update_row(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
                            Snapshot snapshot, TM_FailureData *failure, IndexNeed *need)
{
    LockTupleMode mode;
#if PG_VERSION_NUM >= 190000
    return table_tuple_update(rel, tid, slot, cid, 0, snapshot, InvalidSnapshot, true, failure, &mode,
                              need);
#else
    return table_tuple_update(rel, tid, slot, cid, snapshot, InvalidSnapshot, true, failure, &mode,
                              need);
#endif
}

// Deletes the row at tid.
inline TM_Result delete_row(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
                            TM_FailureData *failure)
{
#if PG_VERSION_NUM >= 190000
    return table_tuple_delete(rel, tid, cid, 0, snapshot, InvalidSnapshot, true, failure);
#else
    return table_tuple_delete(rel, tid, cid, snapshot, InvalidSnapshot, true, failure, false);
#endif
}

// Gives a relation the file of a heap made by make_new_heap, builds its indexes anew and
// drops that heap.
inline void swap_heaps(Oid relation, Oid heap, char persistence)
{
#if PG_VERSION_NUM >= 190000
    finish_heap_swap(relation, heap, false, false, true, true, true, RecentXmin, ReadNextMultiXactId(),
                     persistence);
#else
    finish_heap_swap(relation, heap, false, false, true, true, RecentXmin, ReadNextMultiXactId(),
                     persistence);
#endif
}

// Ends the making of a row description by hand, column for column.
inline TupleDesc finished(TupleDesc desc)
{
#if PG_VERSION_NUM >= 190000
    TupleDescFinalize(desc);
#endif
    return desc;
}

inline PlannedStmt *plan_query(Query *query, const char *text, int cursor_options)
{
#if PG_VERSION_NUM >= 190000
    return pg_plan_query(query, text, cursor_options, nullptr, nullptr);
#else
    return pg_plan_query(query, text, cursor_options, nullptr);
#endif
}

// What the planner tells a hook of a relation as soon as it knows its indexes; the table
// is InvalidOid if the relation is none.
struct PlannedRelation {
    RelOptInfo *rel;
    Oid table;
    bool is_parent;
};

// That hook, and what it says by its arguments.
#if PG_VERSION_NUM >= 190000
using RelationHook = build_simple_rel_hook_type;

inline RelationHook *relation_hook()
{
    return &build_simple_rel_hook;
}

inline PlannedRelation planned_relation(PlannerInfo *, RelOptInfo *rel, RangeTblEntry *rte)
{
    return {rel, rte->rtekind == RTE_RELATION ? rte->relid : InvalidOid, rte->inh};
}
#else
using RelationHook = get_relation_info_hook_type;

inline RelationHook *relation_hook()
{
    return &get_relation_info_hook;
}

inline PlannedRelation planned_relation(PlannerInfo *, Oid table, bool is_parent, RelOptInfo *rel)
{
    return {rel, table, is_parent};
}
#endif

// The columns that any index of the relation mentions, in its columns, its
// expressions or its predicate; numbers are offset as in all such bitmaps.
inline Bitmapset *indexed_columns(Relation rel)
{
#if PG_VERSION_NUM >= 160000
    return bms_union(RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_HOT_BLOCKING),
                     RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_SUMMARIZED));
#else
    return RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_ALL);
#endif
}

// The columns of an entry of the range table that the query uses; numbers are
// offset as in all such bitmaps, the whole row is column 0.
inline Bitmapset *selected_columns([[maybe_unused]] Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
    return rte->perminfoindex == 0
               ? nullptr
               : getRTEPermissionInfo(query->rteperminfos, rte)->selectedCols;
#else
    return rte->selectedCols;
#endif
}

// Whether a column is NOT NULL, and known to be so in all rows.
inline bool is_not_null(TupleDesc desc, AttrNumber column)
{
#if PG_VERSION_NUM >= 180000
    return TupleDescAttr(desc, column - 1)->attnotnull
           && TupleDescCompactAttr(desc, column - 1)->attnullability == ATTNULLABLE_VALID;
#else
    return TupleDescAttr(desc, column - 1)->attnotnull;
#endif
}

// Whether a condition, or all of a list of conditions, is not true where a column is NULL.
inline bool proves_not_null(Node *condition, Var *var)
{
    List *columns = find_nonnullable_vars(condition);
#if PG_VERSION_NUM >= 160000
    return mbms_is_member(static_cast<int>(var->varno), var->varattno - FirstLowInvalidHeapAttributeNumber, columns);
#else
    ListCell *cell;
    foreach (cell, columns) {
        auto *column = lfirst_node(Var, cell);
        if (column->varno == var->varno && column->varattno == var->varattno)
            return true;
    }
    return false;
#endif
}

// The next tid of a sort of tids, or false at its end.
inline bool sorted_tid(Tuplesortstate *sort, ItemPointer tid)
{
    Datum value;
    bool null;
#if PG_VERSION_NUM >= 160000
    if (!tuplesort_getdatum(sort, true, false, &value, &null, nullptr))
        return false;
    *tid = *DatumGetItemPointer(value);
#else
    if (!tuplesort_getdatum(sort, true, &value, &null, nullptr))
        return false;
    *tid = *DatumGetItemPointer(value);
    pfree(DatumGetPointer(value));
#endif
    return true;
}

// An expression of a query with the references to grouping expressions (from
// 18) replaced by what they stand for.
inline Node *flatten_groups([[maybe_unused]] Query *query, Node *expr)
{
#if PG_VERSION_NUM >= 180000
    if (query->hasGroupRTE)
        return flatten_group_exprs(nullptr, query, expr);
#endif
    return expr;
}

// Replaces those references in a whole query level (from 18).
inline void expand_groups([[maybe_unused]] Query *query)
{
#if PG_VERSION_NUM >= 180000
    if (!query->hasGroupRTE)
        return;
    query->targetList = reinterpret_cast<List *>(
        flatten_group_exprs(nullptr, query, reinterpret_cast<Node *>(query->targetList)));
    query->havingQual = flatten_group_exprs(nullptr, query, query->havingQual);
    query->hasGroupRTE = false;
    // Its entry stays, as one of nothing, so that the others keep their numbers.
    foreach_node(RangeTblEntry, rte, query->rtable) {
        if (rte->rtekind != RTE_GROUP)
            continue;
        rte->rtekind = RTE_RESULT;
        rte->groupexprs = NIL;
    }
#endif
}

// Gives a query level, unless it has one, an entry for grouping expressions, which are those of targets; whether it did (from 18).
inline bool add_groups([[maybe_unused]] Query *query, [[maybe_unused]] List *targets)
{
#if PG_VERSION_NUM >= 180000
    if (query->hasGroupRTE)
        return false;
    ParseState *state = make_parsestate(nullptr);
    state->p_rtable = query->rtable;
    addRangeTableEntryForGroup(state, targets);
    query->rtable = state->p_rtable;
    free_parsestate(state);
    return query->hasGroupRTE = true;
#else
    return false;
#endif
}

// An expression of a query with the columns of joins replaced by what they stand for.
inline Node *flatten_joins(Query *query, Node *expr)
{
#if PG_VERSION_NUM >= 160000
    return flatten_join_alias_vars(nullptr, query, expr);
#else
    return flatten_join_alias_vars(query, expr);
#endif
}

// Both.
inline Node *flatten(Query *query, Node *expr)
{
    return flatten_joins(query, flatten_groups(query, expr));
}

// The columns of an entry of the range table, so many levels up, as Vars, and their names;
// those that have been dropped as NULLs, or not at all.
inline void expand(RangeTblEntry *rte, int rti, Index levels_up, bool with_dropped, List **names, List **vars)
{
#if PG_VERSION_NUM >= 180000
    expandRTE(rte, rti, static_cast<int>(levels_up), VAR_RETURNING_DEFAULT, -1, with_dropped, names, vars);
#else
    expandRTE(rte, rti, static_cast<int>(levels_up), -1, with_dropped, names, vars);
#endif
}

// Marks Vars (from 16) as nulled by a join.
inline void mark_nulled([[maybe_unused]] List *vars, [[maybe_unused]] int join)
{
#if PG_VERSION_NUM >= 160000
    ListCell *cell;
    foreach (cell, vars) {
        auto *var = lfirst_node(Var, cell);
        var->varnullingrels = bms_add_member(var->varnullingrels, join);
    }
#endif
}

// Lets a query read its relations without asking for any privilege: the
// caller has checked what is to be checked.
inline void drop_permission_checks(Query *query)
{
    ListCell *cell;
#if PG_VERSION_NUM >= 160000
    foreach (cell, query->rteperminfos)
        lfirst_node(RTEPermissionInfo, cell)->checkAsUser = BOOTSTRAP_SUPERUSERID;
#else
    foreach (cell, query->rtable)
        lfirst_node(RangeTblEntry, cell)->checkAsUser = BOOTSTRAP_SUPERUSERID;
#endif
}

// Makes an entry of the range table read another relation, by whatever rights.
inline void read_other([[maybe_unused]] Query *query, RangeTblEntry *rte, Oid relation)
{
#if PG_VERSION_NUM >= 160000
    RTEPermissionInfo *permissions = getRTEPermissionInfo(query->rteperminfos, rte);
    permissions->relid = relation;
    permissions->selectedCols = nullptr;
#else
    rte->selectedCols = nullptr;
#endif
    rte->relid = relation;
}

// Makes an entry of the range table that is no relation any more ask for nothing.
inline void drop_permissions(RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
    rte->perminfoindex = 0;
#else
    rte->requiredPerms = 0;
    rte->checkAsUser = InvalidOid;
    rte->selectedCols = nullptr;
#endif
}

// Replaces the columns of an entry of the range table by expressions.
inline Node *replace_vars(Node *node, int varno, RangeTblEntry *rte, List *entries, bool *sublinks)
{
#if PG_VERSION_NUM >= 180000
    return ReplaceVarsFromTargetList(node, varno, 0, rte, entries, 0, REPLACEVARS_REPORT_ERROR, 0, sublinks);
#else
    return ReplaceVarsFromTargetList(node, varno, 0, rte, entries, REPLACEVARS_REPORT_ERROR, 0, sublinks);
#endif
}

// Adds the range table of a query to that of another.
inline void append_tables(Query *query, Query *other)
{
#if PG_VERSION_NUM >= 160000
    CombineRangeTables(&query->rtable, &query->rteperminfos, other->rtable, other->rteperminfos);
#else
    query->rtable = list_concat(query->rtable, other->rtable);
#endif
}

// Fails unless the current role, or whoever a view stands for, may read what is in a query's range table.
inline void check_permissions(Query *query)
{
#if PG_VERSION_NUM >= 160000
    ExecCheckPermissions(query->rtable, query->rteperminfos, true);
#else
    ExecCheckRTPerms(query->rtable, true);
#endif
}

// Makes an index, quietly.
inline void define_index(Oid table, IndexStmt *statement)
{
#if PG_VERSION_NUM >= 190000
    DefineIndex(nullptr, table, statement, InvalidOid, InvalidOid, InvalidOid, -1, false, true, false, false,
                true);
#elif PG_VERSION_NUM >= 160000
    DefineIndex(table, statement, InvalidOid, InvalidOid, InvalidOid, -1, false, true, false, false, true);
#else
    DefineIndex(table, statement, InvalidOid, InvalidOid, InvalidOid, false, true, false, false, true);
#endif
}

// Gives a query another range table, without relations.
inline void set_tables(Query *query, List *rtable)
{
    query->rtable = rtable;
#if PG_VERSION_NUM >= 160000
    query->rteperminfos = NIL;
#endif
}

// Makes a left or right join of a query an inner one; forget_nulling() must follow.
inline void make_inner(Query *query, JoinExpr *join, Relids *joins)
{
    join->jointype = JOIN_INNER;
    if (join->rtindex == 0)
        return;
    rt_fetch(join->rtindex, query->rtable)->jointype = JOIN_INNER;
    *joins = bms_add_member(*joins, join->rtindex);
}

// Forgets (from 16) by which joins a column can be nulled.
inline void forget_nulling([[maybe_unused]] Var *var)
{
#if PG_VERSION_NUM >= 160000
    var->varnullingrels = nullptr;
#endif
}

// Forgets (from 16) what was marked as nulled by joins that are inner now.
inline void forget_nulling([[maybe_unused]] Query *query, [[maybe_unused]] Relids joins)
{
#if PG_VERSION_NUM >= 160000
    ListCell *cell;
    auto remove = [&](auto *node) {
        return reinterpret_cast<decltype(node)>(
            remove_nulling_relids(reinterpret_cast<Node *>(node), joins, nullptr));
    };
    query->targetList = remove(query->targetList);
    query->jointree = remove(query->jointree);
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind == RTE_JOIN)
            rte->joinaliasvars = remove(rte->joinaliasvars);
    }
#endif
}

// Adds rows to pg_attribute for new columns of a relation, all with such attoptions (0: none).
inline void insert_columns(Relation catalog, TupleDesc columns, Oid relation, Datum options)
{
#if PG_VERSION_NUM >= 170000
    auto *extra = static_cast<FormExtraData_pg_attribute *>(
        palloc0(sizeof(FormExtraData_pg_attribute) * static_cast<Size>(columns->natts)));
    for (int i = 0; i < columns->natts; i++) {
        extra[i].attstattarget.isnull = true;
        extra[i].attoptions.value = options;
        extra[i].attoptions.isnull = options == 0;
    }
#else
    auto *extra = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<Size>(columns->natts)));
    for (int i = 0; i < columns->natts; i++)
        extra[i] = options;
#endif
    InsertPgAttributeTuples(catalog, columns, relation, extra, nullptr);
}

// Makes an analysed query what the rule of a view has for its action: before 16 with entries
// of the range table for the view itself.
inline Query *as_rule_action([[maybe_unused]] Relation view, Query *query)
{
#if PG_VERSION_NUM < 160000
    ParseState *state = make_parsestate(nullptr);
    static const char *const names[] = {"new", "old"};
    for (const char *name : names) {
        RangeTblEntry *rte =
            addRangeTableEntryForRelation(state, view, AccessShareLock, makeAlias(name, NIL), false, false)->p_rte;
        rte->requiredPerms = 0;
        query->rtable = lcons(rte, query->rtable);
    }
    OffsetVarNodes(reinterpret_cast<Node *>(query), 2, 0);
#endif
    return query;
}

// Adds a plain relation to a query that reads it without asking for any
// privilege.
inline RangeTblEntry *add_unchecked_relation(Query *query, Relation rel)
{
    RangeTblEntry *rte = makeNode(RangeTblEntry);
    rte->rtekind = RTE_RELATION;
    rte->relid = RelationGetRelid(rel);
    rte->relkind = rel->rd_rel->relkind;
    rte->rellockmode = AccessShareLock;
    rte->inh = false;
    rte->inFromCl = true;
    query->rtable = lappend(query->rtable, rte);
#if PG_VERSION_NUM >= 160000
    addRTEPermissionInfo(&query->rteperminfos, rte)->requiredPerms = ACL_SELECT;
#else
    rte->requiredPerms = ACL_SELECT;
#endif
    drop_permission_checks(query);
    return rte;
}

// The values that a JSON constructor (from 16) writes as JSON; none for any
// other node.
inline List *json_constructor_args([[maybe_unused]] Node *node)
{
#if PG_VERSION_NUM >= 160000
    if (IsA(node, JsonConstructorExpr))
        return reinterpret_cast<JsonConstructorExpr *>(node)->args;
#endif
    return NIL;
}

// The type into which an SQL/JSON query function (from 17) parses what it
// finds; InvalidOid for any other node.
inline Oid json_query_type([[maybe_unused]] Node *node)
{
#if PG_VERSION_NUM >= 170000
    if (IsA(node, JsonExpr))
        return reinterpret_cast<JsonExpr *>(node)->returning->typid;
#endif
    return InvalidOid;
}

// The file of a relation that pg_class does not tell.
inline Oid mapped_file(Oid relation, bool shared)
{
#if PG_VERSION_NUM >= 160000
    return RelationMapOidToFilenumber(relation, shared);
#else
    return RelationMapOidToFilenode(relation, shared);
#endif
}

// Whether a node is one of SQL/JSON (from 16) whose type none below it need have.
inline bool is_json_expression([[maybe_unused]] Node *node)
{
#if PG_VERSION_NUM >= 170000
    if (IsA(node, JsonExpr))
        return true;
#endif
#if PG_VERSION_NUM >= 160000
    return IsA(node, JsonConstructorExpr) || IsA(node, JsonValueExpr);
#else
    return false;
#endif
}

// Whether a relation has generated columns that are not stored (from 18).
inline bool has_virtual_columns([[maybe_unused]] Relation rel)
{
#if PG_VERSION_NUM >= 180000
    TupleConstr *constraints = RelationGetDescr(rel)->constr;
    return constraints != nullptr && constraints->has_generated_virtual;
#else
    return false;
#endif
}

} // namespace pg

} // namespace refresh_mv
