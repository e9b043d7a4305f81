#include "incremental/instance.hpp"

#include "query/normalize.hpp"
#include "query/partition_bounds.hpp"
#include "query/query.hpp"
#include "query/recursion.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// What is collected, and the recursive query that the walk is in.
struct Collection {
    List *instances;
    List *recursions;
    const char *recursion;
};

Instance *add_instance(List **list, Query *query, int rti, Oid relation)
{
    auto *instance = static_cast<Instance *>(palloc0(sizeof(Instance)));
    instance->query = query;
    instance->rti = static_cast<Index>(rti);
    instance->relation = relation;
    instance->partition = partition_bounds::partition_read_by(query);
    *list = lappend(*list, instance);
    return instance;
}

bool collect(Node *node, void *context)
{
    auto *collection = static_cast<Collection *>(context);
    ListCell *cell;

    if (node == nullptr)
        return false;
    if (IsA(node, CommonTableExpr) && reinterpret_cast<CommonTableExpr *>(node)->cterecursive) {
        const char *around = collection->recursion;
        collection->recursion = reinterpret_cast<CommonTableExpr *>(node)->ctename;
        expression_tree_walker(node, pg::walker(collect), context);
        collection->recursion = around;
        return false;
    }
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(collect), context);
    auto *query = reinterpret_cast<Query *>(node);
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_RELATION || !rte->inFromCl)
            continue;
        add_instance(&collection->instances, query, foreach_current_index(cell) + 1, rte->relid)->recursion =
            collection->recursion;
    }
    if (recursion::is_read_all(query))
        add_instance(&collection->recursions, query, 1, InvalidOid);
    return query_tree_walker(query, pg::walker(collect), context, 0);
}

// The columns of an entry of a query's range table that the query mentions.
struct Reading {
    int rti;
    Index levels_up; // from where the walk is to the query
    Bitmapset *columns;
};

bool read_columns(Node *node, void *context);

// The same below a subquery.  What EXISTS (SELECT ...) selects is not read, if that is all there is to it.
bool read_below(Query *query, Reading *reading, bool is_tested)
{
    List *outputs = query->targetList;
    bool unread = is_tested && query->setOperations == nullptr && !query->hasAggs && query->groupClause == NIL
                  && query->havingQual == nullptr && query->distinctClause == NIL && query->sortClause == NIL
                  && !query->hasTargetSRFs;
    reading->levels_up++;
    query->targetList = unread ? NIL : outputs;
    query_tree_walker(query, pg::walker(read_columns), reading, QTW_IGNORE_JOINALIASES);
    query->targetList = outputs;
    reading->levels_up--;
    return false;
}

bool read_columns(Node *node, void *context)
{
    auto *reading = static_cast<Reading *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Query))
        return read_below(reinterpret_cast<Query *>(node), reading, false);
    if (IsA(node, SubLink)) {
        auto *sublink = reinterpret_cast<SubLink *>(node);
        read_below(castNode(Query, sublink->subselect), reading, sublink->subLinkType == EXISTS_SUBLINK);
        return read_columns(sublink->testexpr, context);
    }
    if (!IsA(node, Var))
        return expression_tree_walker(node, pg::walker(read_columns), context);
    auto *var = reinterpret_cast<Var *>(node);
    if (var->varno == reading->rti && var->varlevelsup == reading->levels_up)
        reading->columns = bms_add_member(reading->columns, var->varattno - FirstLowInvalidHeapAttributeNumber);
    return false;
}

// See used_columns() and all_columns().
char *column_list(Oid relation, Bitmapset *used, bool all = false)
{
    StringInfoData text;
    Relation table = table_open(relation, AccessShareLock);
    TupleDesc desc = RelationGetDescr(table);
    bool whole = all || bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);

    initStringInfo(&text);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        const char *separator = i > 0 ? ", " : "";
        const char *name = quote_identifier(NameStr(attribute->attname));
        if (attribute->attisdropped)
            appendStringInfo(&text, "%sNULL::pg_catalog.int4", separator);
        else if (whole || bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, used))
            appendStringInfo(&text, "%st.%s", separator, name);
        else
            appendStringInfo(&text, "%sNULL::%s AS %s", separator,
                             format_type_extended(attribute->atttypid, attribute->atttypmod,
                                                  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
                             name);
    }
    table_close(table, NoLock);
    return text.data;
}

// Names an entry's columns as its subquery does.
void name_columns(RangeTblEntry *rte)
{
    List *names = NIL;
    ListCell *cell;
    foreach (cell, rte->subquery->targetList)
        if (!lfirst_node(TargetEntry, cell)->resjunk)
            names = lappend(names, makeString(pstrdup(lfirst_node(TargetEntry, cell)->resname)));
    rte->alias = nullptr;
    rte->eref = makeAlias(rte->eref->aliasname, names);
}

} // namespace

namespace instance {

List *all(Query *query)
{
    Collection collection{};
    collect(reinterpret_cast<Node *>(query), &collection);
    return collection.instances;
}

List *recursions(Query *query)
{
    Collection collection{};
    collect(reinterpret_cast<Node *>(query), &collection);
    return collection.recursions;
}

Instance *find(List *instances, Query *query, int rti)
{
    ListCell *cell;
    foreach (cell, instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance->query == query && instance->rti == static_cast<Index>(rti))
            return instance;
    }
    return nullptr;
}

bool is_state(const Instance *instance)
{
    return get_rel_namespace(instance->relation) == get_namespace_oid("refresh_mv", false);
}

const NetChanges *changes_of(List *changes, const Instance *instance)
{
    ListCell *cell;
    foreach (cell, changes) {
        auto *found = static_cast<NetChanges *>(lfirst(cell));
        if (found->relation == instance->relation)
            return found;
    }
    return nullptr;
}

const char *column_name(Oid relation, AttrNumber column)
{
    return quote_identifier(get_attname(relation, column, false));
}

const char *qualified_name(Oid relation)
{
    const char *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                                  get_rel_name(relation));
    return source::has_children(relation) && source::is_inherited(relation) ? psprintf("ONLY %s", name) : name;
}

const char *table_name(const Instance *instance)
{
    return qualified_name(OidIsValid(instance->partition) ? instance->partition : instance->relation);
}

Bitmapset *columns_read(const Instance *instance)
{
    Reading reading = {static_cast<int>(instance->rti), 0, nullptr};
    query_tree_walker(instance->query, pg::walker(read_columns), &reading, QTW_IGNORE_JOINALIASES);
    return instance->anchor == 0
               ? reading.columns
               : bms_add_member(reading.columns, instance->anchor - FirstLowInvalidHeapAttributeNumber);
}

bool reads_whole_row(const Instance *instance)
{
    return bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns_read(instance));
}

const char *in_range(const char *column, int64 least, int64 greatest)
{
    return psprintf("t.%s >= '" INT64_FORMAT "' AND t.%s <= '" INT64_FORMAT "'", column, least, column,
                    greatest);
}

const char *used_columns(const Instance *instance)
{
    return column_list(instance->relation, columns_read(instance));
}

const char *all_columns(const Instance *instance)
{
    return column_list(instance->relation, nullptr, true);
}

void replace(const Instance *instance, const char *text, QueryEnvironment *environment)
{
    RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
    query::read_instead(rte, query::unchecked(text, environment));
    rte->lateral = false;
    name_columns(rte);
    normalize::describe_joins(instance->query);
}

} // namespace instance

} // namespace refresh_mv
