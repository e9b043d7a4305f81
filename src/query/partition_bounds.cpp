#include "query/partition_bounds.hpp"

namespace refresh_mv {

namespace {

// Finds the columns of one table by the names of another's.
struct Renumbering {
    Oid from;
    Oid to;
    Index levels_up; // from where the walk is to the query
};

bool renumber(Node *node, void *context)
{
    auto *renumbering = static_cast<Renumbering *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Query)) {
        renumbering->levels_up++;
        query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(renumber), context, 0);
        renumbering->levels_up--;
        return false;
    }
    if (!IsA(node, Var))
        return expression_tree_walker(node, pg::walker(renumber), context);
    auto *var = reinterpret_cast<Var *>(node);
    if (var->varno != 1 || var->varlevelsup != renumbering->levels_up || var->varattno <= 0)
        return false;
    var->varattno = get_attnum(renumbering->to, get_attname(renumbering->from, var->varattno, false));
    var->varattnosyn = var->varattno;
    return false;
}

// The conditions of a partition's bounds, on its own columns.
List *own_bounds(Oid partition)
{
    Relation table = table_open(partition, AccessShareLock);
    auto *quals = static_cast<List *>(copyObjectImpl(RelationGetPartitionQual(table)));
    table_close(table, NoLock);
    return quals;
}

List *bounds_on_root(Oid partition, Oid root)
{
    List *bounds = own_bounds(partition);
    Renumbering renumbering = {partition, root, 0};
    renumber(reinterpret_cast<Node *>(bounds), &renumbering);
    return bounds;
}

// Shows a table by its own columns.
void name_columns(RangeTblEntry *rte)
{
    List *names = NIL;
    Relation table = table_open(rte->relid, AccessShareLock);
    for (int i = 0; i < RelationGetDescr(table)->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table), i);
        names = lappend(names, makeString(pstrdup(attribute->attisdropped ? "" : NameStr(attribute->attname))));
    }
    table_close(table, NoLock);
    rte->eref = makeAlias(rte->eref->aliasname, names);
}

void read_partition(Query *subquery, Oid partition)
{
    RangeTblEntry *rte = linitial_node(RangeTblEntry, subquery->rtable);
    auto *own = lsecond_node(RangeTblEntry, subquery->rtable);
    List *bounds = bounds_on_root(partition, rte->relid);
    List *quals = make_ands_implicit(reinterpret_cast<Expr *>(subquery->jointree->quals));
    List *others = list_difference(quals, bounds);
    Renumbering renumbering = {rte->relid, partition, 0};

    if (list_length(others) + list_length(bounds) != list_length(quals))
        return;
    subquery->jointree->quals = others != NIL ? reinterpret_cast<Node *>(make_ands_explicit(others)) : nullptr;
    query_tree_walker(subquery, pg::walker(renumber), &renumbering, QTW_IGNORE_RT_SUBQUERIES);
    pg::read_other(subquery, rte, partition);
    rte->relkind = own->relkind;
    rte->rellockmode = own->rellockmode;
    rte->inh = own->inh;
    name_columns(rte);
    subquery->rtable = list_make1(rte);
}

bool read_below(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(read_below), context);
    partition_bounds::read_partitions(reinterpret_cast<Query *>(node));
    return false;
}

} // namespace

namespace partition_bounds {

Oid root_of(Oid partition)
{
    List *ancestors = get_rel_relispartition(partition) ? get_partition_ancestors(partition) : NIL;
    return ancestors == NIL ? InvalidOid : llast_oid(ancestors);
}

Node *of(Oid partition, Oid root)
{
    return reinterpret_cast<Node *>(make_ands_explicit(bounds_on_root(partition, root)));
}

void add(Query *subquery, const RangeTblEntry *partition)
{
    auto *entry = static_cast<RangeTblEntry *>(copyObjectImpl(partition));
    entry->inFromCl = false;
    pg::drop_permissions(entry);
    subquery->jointree->quals = of(partition->relid, linitial_node(RangeTblEntry, subquery->rtable)->relid);
    subquery->rtable = lappend(subquery->rtable, entry);
}

Oid partition_read_by(const Query *subquery)
{
    if (list_length(subquery->rtable) != 2)
        return InvalidOid;
    auto *root = linitial_node(RangeTblEntry, subquery->rtable);
    auto *partition = lsecond_node(RangeTblEntry, subquery->rtable);
    return root->rtekind == RTE_RELATION && partition->rtekind == RTE_RELATION && root->inFromCl && !partition->inFromCl
                   && root->relkind == RELKIND_PARTITIONED_TABLE && root_of(partition->relid) == root->relid
               ? partition->relid
               : InvalidOid;
}

void read_partitions(Query *query)
{
    query_tree_walker(query, pg::walker(read_below), nullptr, 0);
    Oid partition = partition_read_by(query);
    if (OidIsValid(partition))
        read_partition(query, partition);
}

const char *fingerprint(Oid partition)
{
    return nodeToString(own_bounds(partition));
}

} // namespace partition_bounds

} // namespace refresh_mv
