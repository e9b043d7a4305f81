#include "incremental/inheritance_reads.hpp"

#include "incremental/instance.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// Whether a query reads the whole row, or something that members have and no column holds.
bool reads_beyond_columns(const Instance *instance)
{
    Bitmapset *columns = instance::columns_read(instance);
    int first = bms_next_member(columns, -1);
    return first >= 0 && first <= 0 - FirstLowInvalidHeapAttributeNumber;
}

// The own rows of all members, by the columns of the table.
const char *rows_of_members(const Instance *instance)
{
    StringInfoData text;
    ListCell *cell;
    const char *columns = instance::used_columns(instance);
    initStringInfo(&text);
    foreach (cell, find_all_inheritors(instance->relation, AccessShareLock, nullptr))
        appendStringInfo(&text, "%sSELECT %s FROM %s t", text.len > 0 ? " UNION ALL " : "", columns,
                         instance::qualified_name(lfirst_oid(cell)));
    return text.data;
}

void read_members(const Instance *instance)
{
    Query *query = instance->query;
    auto *checked = static_cast<RangeTblEntry *>(copyObjectImpl(rt_fetch(instance->rti, query->rtable)));
    checked->inFromCl = false;
    instance::replace(instance, rows_of_members(instance), nullptr);
    query->rtable = lappend(query->rtable, checked);
}

} // namespace

void inheritance_reads::by_members(Query *query)
{
    ListCell *cell;
    foreach (cell, instance::all(query)) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        RangeTblEntry *rte = rt_fetch(instance->rti, instance->query->rtable);
        if (rte->inh && source::has_children(instance->relation) && source::is_inherited(instance->relation)
            && rte->securityQuals == NIL && rte->tablesample == nullptr && !reads_beyond_columns(instance))
            read_members(instance);
    }
}

} // namespace refresh_mv
