#include "incremental/partition_reads.hpp"

#include "incremental/instance.hpp"

namespace refresh_mv {

namespace {

// Whether a partition has bounds by which its parent leaves out the others.
bool has_plain_bounds(Oid parent, Oid partition)
{
    Relation table = table_open(parent, AccessShareLock);
    bool plain = RelationGetPartitionKey(table)->strategy != PARTITION_STRATEGY_HASH
                 && get_default_partition_oid(parent) != partition;
    table_close(table, NoLock);
    return plain;
}

// The root of a partition's tree, if it can be found by its bounds, else InvalidOid.
Oid root_of(Oid partition)
{
    Oid below = partition;
    ListCell *cell;
    foreach (cell, get_partition_ancestors(partition)) {
        if (!has_plain_bounds(lfirst_oid(cell), below))
            return InvalidOid;
        below = lfirst_oid(cell);
    }
    return below != partition ? below : InvalidOid;
}

// Finds the root's columns by the names of the partition's.
struct Renumbering {
    Oid partition;
    Oid root;
    int rti;
};

bool renumber(Node *node, void *context)
{
    auto *renumbering = static_cast<Renumbering *>(context);
    if (node == nullptr || !IsA(node, Var))
        return node != nullptr && expression_tree_walker(node, pg::walker(renumber), context);
    auto *var = reinterpret_cast<Var *>(node);
    var->varattno = get_attnum(renumbering->root, get_attname(renumbering->partition, var->varattno, false));
    var->varattnosyn = var->varattno;
    var->varno = renumbering->rti;
    var->varnosyn = static_cast<Index>(var->varno);
    return false;
}

// The bounds of a partition, as a condition on the columns of its root.
Node *bounds_of(Oid partition, Oid root)
{
    Relation table = table_open(partition, AccessShareLock);
    auto *quals = static_cast<List *>(copyObjectImpl(RelationGetPartitionQual(table)));
    table_close(table, NoLock);
    Renumbering renumbering = {partition, root, 1};
    renumber(reinterpret_cast<Node *>(quals), &renumbering);
    return reinterpret_cast<Node *>(make_ands_explicit(quals));
}

bool reads_whole_row(const Instance *instance)
{
    return bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, instance::columns_read(instance));
}

void read_root(const Instance *instance, Oid root)
{
    Query *query = instance->query;
    RangeTblEntry *rte = rt_fetch(instance->rti, query->rtable);
    Node *bounds = bounds_of(instance->relation, root);
    auto *checked = static_cast<RangeTblEntry *>(copyObjectImpl(rte));
    checked->inFromCl = false;
    instance::replace(instance, psprintf("SELECT %s FROM %s t", instance::used_columns(instance), instance::qualified_name(root)),
                      nullptr);
    query->rtable = lappend(query->rtable, checked);
    rte->subquery->jointree->quals = bounds;
}

} // namespace

void partition_reads::by_roots(Query *query)
{
    ListCell *cell;
    foreach (cell, instance::all(query)) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
        bool only = !rte->inh && rte->relkind == RELKIND_PARTITIONED_TABLE;
        if (!get_rel_relispartition(instance->relation) || only || rte->securityQuals != NIL || rte->tablesample != nullptr
            || reads_whole_row(instance))
            continue;
        Oid root = root_of(instance->relation);
        if (OidIsValid(root))
            read_root(instance, root);
    }
}

} // namespace refresh_mv
