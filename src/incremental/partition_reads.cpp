#include "incremental/partition_reads.hpp"

#include "incremental/instance.hpp"
#include "query/partition_bounds.hpp"

namespace refresh_mv {

namespace {

void read_root(const Instance *instance, Oid root)
{
    Query *query = instance->query;
    RangeTblEntry *rte = rt_fetch(instance->rti, query->rtable);
    auto *checked = static_cast<RangeTblEntry *>(copyObjectImpl(rte));
    checked->inFromCl = false;
    instance::replace(instance, psprintf("SELECT %s FROM %s t", instance::used_columns(instance), instance::qualified_name(root)),
                      nullptr);
    query->rtable = lappend(query->rtable, checked);
    partition_bounds::add(rte->subquery, checked);
}

} // namespace

void partition_reads::by_roots(Query *query)
{
    ListCell *cell;
    foreach (cell, instance::all(query)) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
        bool only = !rte->inh && rte->relkind == RELKIND_PARTITIONED_TABLE;
        Oid root = partition_bounds::root_of(instance->relation);
        if (OidIsValid(root) && !only && rte->securityQuals == NIL && rte->tablesample == nullptr
            && !instance::reads_whole_row(instance))
            read_root(instance, root);
    }
}

} // namespace refresh_mv
