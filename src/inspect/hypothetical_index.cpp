#include "inspect/hypothetical_index.hpp"

namespace refresh_mv {

namespace {

// Reading a table of so few pages is as quick as any index.
constexpr BlockNumber few_pages = 16;
// An index over more columns is a copy of the table.
constexpr int most_columns = 3;

// ---- candidates ----

// A search through nested queries, the innermost first.
struct Search {
    List *queries;    // Query *
    List *candidates; // Candidate *
    List *columns;    // Candidate *: those of each entry of a range table together
};

bool same(const Candidate *one, const Candidate *other)
{
    return one->relation == other->relation && one->count == other->count
           && memcmp(one->columns, other->columns, sizeof(AttrNumber) * static_cast<size_t>(one->count)) == 0;
}

// Whether an index of the relation begins with the columns, in any order.
bool begins_with(Relation index, const Candidate *candidate)
{
    if (index->rd_rel->relam != BTREE_AM_OID || index->rd_index->indnkeyatts < candidate->count || !index->rd_index->indisvalid
        || RelationGetIndexPredicate(index) != NIL)
        return false;
    for (int i = 0; i < candidate->count; i++) {
        bool found = false;
        for (int j = 0; j < candidate->count; j++)
            found |= index->rd_index->indkey.values[j] == candidate->columns[i];
        if (!found)
            return false;
    }
    return true;
}

bool exists(const Candidate *candidate)
{
    Relation relation = table_open(candidate->relation, AccessShareLock);
    bool found = false;
    ListCell *cell;
    foreach (cell, RelationGetIndexList(relation)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        found |= begins_with(index, candidate);
        index_close(index, NoLock);
    }
    table_close(relation, NoLock);
    return found;
}

void add(List **candidates, const Candidate &candidate)
{
    ListCell *cell;
    foreach (cell, *candidates)
        if (same(static_cast<Candidate *>(lfirst(cell)), &candidate))
            return;
    if (exists(&candidate))
        return;
    auto *added = static_cast<Candidate *>(palloc(sizeof(Candidate)));
    *added = candidate;
    *candidates = lappend(*candidates, added);
}

// Whether an index on a relation is possible, and of any use.
bool is_indexable(Oid oid)
{
    char kind = get_rel_relkind(oid);
    if (kind == RELKIND_PARTITIONED_TABLE)
        return true;
    if ((kind != RELKIND_RELATION && kind != RELKIND_MATVIEW) || IsCatalogRelationOid(oid)
        || get_rel_persistence(oid) != RELPERSISTENCE_PERMANENT)
        return false;
    Relation relation = table_open(oid, AccessShareLock);
    BlockNumber pages = RelationGetNumberOfBlocks(relation);
    table_close(relation, NoLock);
    return pages > few_pages;
}

// Whether a btree index of the column's type knows the operator.
bool is_comparison(Oid op, Oid type)
{
    Oid opclass = GetDefaultOpClass(type, BTREE_AM_OID);
    return OidIsValid(opclass) && op_in_opfamily(op, get_opclass_family(opclass));
}

// The column of a table that an expression of a query is, be it handed up by subqueries;
// null if it is none.  *rte: the table's entry.
Var *base_column(Query *query, Node *expr, RangeTblEntry **rte)
{
    Node *bare = strip_implicit_coercions(pg::flatten(query, static_cast<Node *>(copyObjectImpl(expr))));
    check_stack_depth();
    if (!IsA(bare, Var) || reinterpret_cast<Var *>(bare)->varlevelsup > 0)
        return nullptr;
    auto *var = reinterpret_cast<Var *>(bare);
    *rte = rt_fetch(var->varno, query->rtable);
    if ((*rte)->rtekind != RTE_SUBQUERY)
        return var;
    TargetEntry *entry = get_tle_by_resno((*rte)->subquery->targetList, var->varattno);
    bool plain = entry != nullptr && (*rte)->subquery->setOperations == nullptr;
    return plain ? base_column((*rte)->subquery, reinterpret_cast<Node *>(entry->expr), rte) : nullptr;
}

// Adds the column that one side of a comparison is, if it is one of a table.
void add_column(Search *search, Oid op, Node *side, int place)
{
    Node *bare = strip_implicit_coercions(side);
    if (!IsA(bare, Var))
        return;
    auto level = static_cast<int>(reinterpret_cast<Var *>(bare)->varlevelsup);
    auto *local = static_cast<Var *>(copyObjectImpl(bare));
    RangeTblEntry *rte = nullptr;
    local->varlevelsup = 0;
    Var *var = base_column(list_nth_node(Query, search->queries, level), reinterpret_cast<Node *>(local), &rte);
    if (var == nullptr)
        return;
    if (rte->rtekind != RTE_RELATION || var->varattno <= 0 || !is_indexable(rte->relid)
        || !is_comparison(place == 0 ? op : get_commutator(op), var->vartype))
        return;
    Candidate single = {rte->relid, 1, {var->varattno}};
    add(&search->candidates, single);

    ListCell *cell;
    foreach (cell, search->columns) {
        auto *together = static_cast<Candidate *>(lfirst(cell));
        if (together->relation != rte->relid)
            continue;
        for (int i = 0; i < together->count; i++)
            if (together->columns[i] == var->varattno)
                return;
        if (together->count < most_columns)
            together->columns[together->count++] = var->varattno;
        return;
    }
    auto *together = static_cast<Candidate *>(palloc(sizeof(Candidate)));
    *together = single;
    search->columns = lappend(search->columns, together);
}

// Whether a clause sorts as an index of that type does, forwards or backwards.
bool sorts_as_index(const SortGroupClause *clause, Oid type, bool backwards)
{
    TypeCacheEntry *order = lookup_type_cache(type, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
    return clause->sortop == (backwards ? order->gt_opr : order->lt_opr) && clause->nulls_first == backwards
           && OidIsValid(GetDefaultOpClass(type, BTREE_AM_OID));
}

// Adds the columns of one table by which a query sorts its rows, if it returns but the first of them.
void add_order(Search *search, Query *query)
{
    Candidate order{};
    bool backwards = false;
    ListCell *cell;
    foreach (cell, query->limitCount != nullptr && query->setOperations == nullptr ? query->sortClause : NIL) {
        auto *clause = lfirst_node(SortGroupClause, cell);
        RangeTblEntry *rte = nullptr;
        Var *var = base_column(query, get_sortgroupclause_expr(clause, query->targetList), &rte);
        if (var == nullptr || rte->rtekind != RTE_RELATION || var->varattno <= 0 || !is_indexable(rte->relid)
            || order.count == most_columns || (order.count > 0 && order.relation != rte->relid))
            return;
        backwards = order.count == 0 ? clause->nulls_first : backwards;
        if (!sorts_as_index(clause, var->vartype, backwards))
            return;
        order.relation = rte->relid;
        order.columns[order.count++] = var->varattno;
    }
    if (order.count > 0)
        add(&search->candidates, order);
}

bool find(Node *node, void *context)
{
    auto *search = static_cast<Search *>(context);
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (IsA(node, OpExpr)) {
        auto *comparison = reinterpret_cast<OpExpr *>(node);
        for (int i = 0; list_length(comparison->args) == 2 && i < 2; i++)
            add_column(search, comparison->opno, static_cast<Node *>(list_nth(comparison->args, i)), i);
    }
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(find), context);
    auto *query = reinterpret_cast<Query *>(node);
    search->queries = lcons(query, search->queries);
    find(pg::flatten(query, static_cast<Node *>(copyObjectImpl(query->jointree))), context);
    find(reinterpret_cast<Node *>(query->targetList), context);
    find(query->havingQual, context);
    add_order(search, query);
    foreach (cell, query->rtable)
        find(reinterpret_cast<Node *>(lfirst_node(RangeTblEntry, cell)->subquery), context);
    search->queries = list_delete_first(search->queries);
    return false;
}

// ---- what the planner sees ----

List *shown = NIL;
int depth = 0;                                 // of plans being made
pg::RelationHook others = nullptr;
planner_hook_type other_planner = nullptr;

// The columns of an index in a table that it is defined on, or a partition of that; false
// if the table is neither.
bool columns_in(const Candidate *index, Oid table, AttrNumber *columns)
{
    if (table != index->relation
        && (!get_rel_relispartition(table)
            || !list_member_oid(get_partition_ancestors(table), index->relation)))
        return false;
    for (int i = 0; i < index->count; i++)
        columns[i] = table == index->relation
                         ? index->columns[i]
                         : get_attnum(table, get_attname(index->relation, index->columns[i], false));
    return true;
}

// The pages that the index of a table with so many rows would have.
BlockNumber pages_of(double tuples, int width)
{
    constexpr double fill = 0.9;
    double entry = MAXALIGN(sizeof(IndexTupleData)) + MAXALIGN(width) + sizeof(ItemIdData);
    return static_cast<BlockNumber>(tuples * entry / (BLCKSZ * fill)) + 2;
}

// Fills in one column of an index; returns its average width.
int describe_column(IndexOptInfo *info, int place, Oid table, AttrNumber column)
{
    Oid type, collation;
    int32 typmod;
    get_atttypetypmodcoll(table, column, &type, &typmod, &collation);
    Oid opclass = GetDefaultOpClass(type, BTREE_AM_OID);
    info->indexkeys[place] = column;
    info->indexcollations[place] = collation;
    info->opfamily[place] = get_opclass_family(opclass);
    info->opcintype[place] = get_opclass_input_type(opclass);
    int width = get_attavgwidth(table, column);
    return width > 0 ? width : get_typavgwidth(type, typmod);
}

// The columns of an index as its target list.
List *target_list(const IndexOptInfo *info, Oid table)
{
    List *entries = NIL;
    for (int i = 0; i < info->ncolumns; i++) {
        auto column = static_cast<AttrNumber>(info->indexkeys[i]);
        Oid type, collation;
        int32 typmod;
        get_atttypetypmodcoll(table, column, &type, &typmod, &collation);
        Var *var = makeVar(static_cast<int>(info->rel->relid), column, type, typmod, collation, 0);
        entries = lappend(entries, makeTargetEntry(reinterpret_cast<Expr *>(var),
                                                   static_cast<AttrNumber>(i + 1), nullptr, false));
    }
    return entries;
}

template <class T>
T *array(int count)
{
    return static_cast<T *>(palloc0(sizeof(T) * static_cast<size_t>(count)));
}

// An index as the planner knows them.  The number is none of an object's.
IndexOptInfo *describe(RelOptInfo *rel, Oid table, const AttrNumber *columns, int count, Oid number)
{
    IndexOptInfo *info = makeNode(IndexOptInfo);
    const IndexAmRoutine *method = GetIndexAmRoutineByAmId(BTREE_AM_OID, false);
    int width = 0;

    info->indexoid = number;
    info->rel = rel;
    info->ncolumns = info->nkeycolumns = count;
    info->indexkeys = array<int>(count);
    info->indexcollations = array<Oid>(count);
    info->opfamily = array<Oid>(count);
    info->opcintype = array<Oid>(count);
    info->canreturn = array<bool>(count);
    info->reverse_sort = array<bool>(count);
    info->nulls_first = array<bool>(count);
    info->opclassoptions = array<bytea *>(count);
    for (int i = 0; i < count; i++)
        width += describe_column(info, i, table, columns[i]);
    info->sortopfamily = info->opfamily;
    info->relam = BTREE_AM_OID;
    info->pages = pages_of(rel->tuples, width);
    info->tuples = rel->tuples;
    info->tree_height = info->pages > 300 ? 2 : 1;
    info->indextlist = target_list(info, table);
    info->immediate = true;
    info->hypothetical = true;
    info->amoptionalkey = method->amoptionalkey;
    info->amsearcharray = method->amsearcharray;
    info->amsearchnulls = method->amsearchnulls;
    info->amcanparallel = method->amcanparallel;
    info->amhasgettuple = info->amhasgetbitmap = info->amcanmarkpos = true;
    info->amcostestimate = reinterpret_cast<decltype(info->amcostestimate)>(method->amcostestimate);
    return info;
}

// Counts how deep planning is nested: functions that it calls can plan queries of their
// own, which they keep.  The rest is what this version's planner takes besides.
template <class... Rest>
PlannedStmt *plan(Query *query, const char *text, int options, ParamListInfo parameters, Rest... rest)
{
    PlannedStmt *result;
    depth++;
    PG_TRY();
    {
        result = (other_planner ? other_planner : standard_planner)(query, text, options, parameters, rest...);
    }
    PG_FINALLY();
    {
        depth--;
    }
    PG_END_TRY();
    return result;
}

// Adds the indexes of a table to those that it has.
template <class... Arguments>
void show_indexes(Arguments... arguments)
{
    auto [rel, table, is_parent] = pg::planned_relation(arguments...);
    ListCell *cell;
    if (others != nullptr)
        others(arguments...);
    foreach (cell, is_parent || depth > 1 || get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE ? NIL : shown) {
        auto *index = static_cast<Candidate *>(lfirst(cell));
        AttrNumber columns[INDEX_MAX_KEYS];
        Oid number = OID_MAX - static_cast<Oid>(foreach_current_index(cell));
        if (columns_in(index, table, columns))
            rel->indexlist = lcons(describe(rel, table, columns, index->count, number), rel->indexlist);
    }
}

} // namespace

namespace hypothetical_index {

List *candidates(List *queries)
{
    Search search{};
    ListCell *query, *cell;
    foreach (query, queries) {
        search.columns = NIL;
        find(static_cast<Node *>(lfirst(query)), &search);
        foreach (cell, search.columns) {
            auto *together = static_cast<Candidate *>(lfirst(cell));
            if (together->count > 1)
                add(&search.candidates, *together);
        }
    }
    return search.candidates;
}

double with(List *indexes, double (*code)(void *), void *context)
{
    double result = 0;
    others = *pg::relation_hook();
    other_planner = planner_hook;
    *pg::relation_hook() = show_indexes;
    planner_hook = plan;
    shown = indexes;
    depth = 0;
    PG_TRY();
    {
        result = code(context);
    }
    PG_FINALLY();
    {
        *pg::relation_hook() = others;
        planner_hook = other_planner;
        shown = NIL;
    }
    PG_END_TRY();
    return result;
}

const char *command(const Candidate *index)
{
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "CREATE INDEX ON %s (",
                     quote_qualified_identifier(get_namespace_name(get_rel_namespace(index->relation)),
                                                get_rel_name(index->relation)));
    for (int i = 0; i < index->count; i++)
        appendStringInfo(&text, "%s%s", i > 0 ? ", " : "",
                         quote_identifier(get_attname(index->relation, index->columns[i], false)));
    appendStringInfoChar(&text, ')');
    return text.data;
}

} // namespace hypothetical_index

} // namespace refresh_mv
