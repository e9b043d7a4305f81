#include "incremental/node_changes.hpp"

#include "incremental/affected_parts.hpp"
#include "incremental/delta.hpp"
#include "incremental/way.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"
#include "store/state_tables.hpp"
#include "values/image.hpp"

namespace refresh_mv {

namespace {

// The numbers of imagined changes of nodes come after those of sources.
constexpr int after_sources = 100000;

// Whether a node reads what earlier ones hold, which is not written by what is only planned.
bool reads_state(const SubqueryNode *node)
{
    ListCell *cell;
    foreach (cell, node->anchoring.instances)
        if (instance::is_state(static_cast<Instance *>(lfirst(cell))))
            return true;
    return false;
}

// The work for a node, which is part of that for the view.
Work work_for(const Work *whole, const SubqueryNode *node)
{
    Work work = *whole;
    work.state.node = node->number;
    work.analysis = {node->query, node->anchoring, node->groups, NIL, false, nullptr, false};
    work.changes = node_changes::read_by(node->anchoring, whole->changes);
    work.signs = NIL;
    work.by_terms = false;
    work.parts = nullptr;
    work.planned = whole->planned && (whole->imagined || !whole->stateful || reads_state(node));
    return work;
}

// What has become of it.
bool end(Work *whole, const Work &work)
{
    whole->queries = work.queries;
    whole->scope.reason = work.scope.reason;
    return work.scope.reason == nullptr;
}

// The table of a node's state, as a source of changes.
TrackedSource *source_of(Oid table)
{
    auto *source = static_cast<TrackedSource *>(palloc0(sizeof(TrackedSource)));
    Relation relation = table_open(table, AccessShareLock);
    for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
        source->columns = lappend(source->columns,
                                  pstrdup(NameStr(TupleDescAttr(RelationGetDescr(relation), i)->attname)));
    source->relation = table;
    source->exact = true;
    table_close(relation, NoLock);
    return source;
}

// The columns of a node's table that what stands above it reads.
Bitmapset *columns_above(const Work *whole, const SubqueryNode *node, const NetChanges *changes)
{
    Bitmapset *columns = signed_terms::columns_read(whole->analysis.anchoring, changes);
    ListCell *cell;
    for_each_from (cell, whole->analysis.nodes, node->number)
        columns = bms_add_members(
            columns, signed_terms::columns_read(static_cast<SubqueryNode *>(lfirst(cell))->anchoring, changes));
    return columns;
}

// Takes each touched group as it is and as it will be.
struct Comparer {
    DestReceiver pub;
    NetChanges *changes;
    Bitmapset *columns; // that are read
    bool *nulls;        // of a row of changes
    Datum *values;
};

void add(Comparer *comparer, const Datum *values, const bool *nulls, bool existed)
{
    NetChanges *changes = comparer->changes;
    auto natts = static_cast<size_t>(changes->rows.desc->natts - 1);
    memcpy(comparer->values, values, natts * sizeof(Datum));
    memcpy(comparer->nulls, nulls, natts * sizeof(bool));
    comparer->values[natts] = BoolGetDatum(existed);
    comparer->nulls[natts] = false;
    ephemeral_rows::add(&changes->rows, comparer->values, comparer->nulls);
    appendStringInfoChar(changes->gone, '\0');
    changes->existed += existed ? 1 : 0;
}

// Whether two rows look the same to what reads them.
bool look_same(const Comparer *comparer, const Datum *a, const bool *a_nulls, const Datum *b, const bool *b_nulls)
{
    int column = -1;
    while ((column = bms_next_member(comparer->columns, column)) >= 0) {
        int place = column + FirstLowInvalidHeapAttributeNumber - 1;
        if (!image::same(TupleDescAttr(comparer->changes->rows.desc, place), a[place], a_nulls[place], b[place],
                         b_nulls[place]))
            return false;
    }
    return true;
}

// A row: whether the group was there, whether it will be, its old columns, its new ones.
bool compare(TupleTableSlot *row, DestReceiver *self)
{
    auto *comparer = reinterpret_cast<Comparer *>(self);
    int natts = comparer->changes->rows.desc->natts - 1;
    slot_getallattrs(row);
    bool was_there = DatumGetBool(row->tts_values[0]);
    bool is_there = DatumGetBool(row->tts_values[1]);
    const Datum *old = row->tts_values + 2;
    const bool *old_nulls = row->tts_isnull + 2;
    if (was_there && is_there && look_same(comparer, old, old_nulls, old + natts, old_nulls + natts))
        return true;
    if (was_there)
        add(comparer, old, old_nulls, true);
    if (is_there)
        add(comparer, old + natts, old_nulls + natts, false);
    if (is_there)
        comparer->changes->gained += ExecFetchSlotMinimalTuple(row, nullptr)->t_len;
    return true;
}

// Compares the touched groups with the state, before it is written.
void compare_groups(Work *work, NetChanges *changes, Bitmapset *columns)
{
    const GroupShape &shape = work->analysis.groups;
    auto natts = static_cast<size_t>(changes->rows.desc->natts);
    const char *sql = sql_template::fill(
        "SELECT s.ctid IS NOT NULL, {there}, s.*, f.h{keys}, f.n{partials} FROM {groups} f"
        " LEFT JOIN {state} s ON s.ctid = f.place",
        {{"there", shape.single ? "true" : "f.n > 0"},
         {"keys", sql_template::number_all(", f.k#", shape.nkeys)},
         {"partials", sql_template::number_all(", f.p#", shape.npartials)},
         {"groups", row_names::groups},
         {"state", state_tables::groups(work->state)}});
    Comparer comparer = {query::row_receiver(compare), changes, columns, static_cast<bool *>(palloc(natts)),
                         static_cast<Datum *>(palloc(natts * sizeof(Datum)))};
    query::run(query::plan(query::unchecked(sql, work->environment), 0), &comparer.pub, work->environment);
}

// The changes of a node whose touched groups are known, or just their number.
NetChanges *changes_of(Work *whole, Work *work, const SubqueryNode *node)
{
    TrackedSource *source = source_of(state_tables::groups_oid(work->state));
    if (work->planned) {
        NamedRows groups = ephemeral_rows::shown(work->environment, row_names::groups);
        return net_changes::imagined(source, after_sources + node->number, static_cast<double>(groups.count),
                                     work->environment);
    }
    NetChanges *changes = net_changes::none(source, psprintf("refresh_mv_node_%d", node->number));
    compare_groups(work, changes, columns_above(whole, node, changes));
    if (whole->reading)
        delta::pretend_state(work);
    else if (!whole->planned)
        delta::write_state(work);
    ephemeral_rows::show(work->environment, changes->rows);
    return changes;
}

// Brings a node up to date, and adds its changes.
bool find_one(Work *whole, const SubqueryNode *node)
{
    Work work = work_for(whole, node);
    if (!way::is_concerned(&work))
        return end(whole, work);
    const char *obstacle = way::find(&work);
    if (obstacle != nullptr)
        work.refuse(obstacle);
    if (obstacle != nullptr || (!work.by_terms && !work.find_parts()) || !delta::find_groups(&work))
        return end(whole, work);
    if (whole->analysis.incomplete)
        return end(whole, work);
    NetChanges *changes = changes_of(whole, &work, node);
    if (changes->rows.count > 0)
        whole->changes = lappend(whole->changes, changes);
    if (!changes->imagined && changes->gained > static_cast<Size>(maintenance_work_mem) * 1024)
        work.refuse("too many groups of a subquery have changed");
    return end(whole, work);
}

} // namespace

namespace node_changes {

List *read_by(const Anchoring &anchoring, List *changes)
{
    List *read = NIL;
    ListCell *cell;
    foreach (cell, changes) {
        auto *own = static_cast<NetChanges *>(lfirst(cell));
        if (affected_parts::concerns(anchoring, list_make1(own)))
            read = lappend(read, own);
    }
    return read;
}

bool concern(Work *whole)
{
    ListCell *cell;
    foreach (cell, whole->analysis.nodes) {
        Work work = work_for(whole, static_cast<SubqueryNode *>(lfirst(cell)));
        if (way::is_concerned(&work))
            return true;
        if (!end(whole, work))
            return false;
    }
    return false;
}

bool find(Work *whole)
{
    ListCell *cell;
    whole->changes = list_copy(whole->changes);
    foreach (cell, whole->analysis.nodes)
        if (!find_one(whole, static_cast<SubqueryNode *>(lfirst(cell))))
            return false;
    return true;
}

} // namespace node_changes

} // namespace refresh_mv
