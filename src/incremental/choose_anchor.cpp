// The choice of an anchor, and of another for an instance that it does not help.
#include "incremental/anchor.hpp"

#include "incremental/from_clause.hpp"
#include "query/query.hpp"
#include "tracking/source.hpp"

#include <cmath>

namespace refresh_mv {

namespace {

struct Choice {
    Anchoring *anchoring;
    From from;
    Bitmapset *wanted; // places of the instances whose changes it is for
    List *changes;     // NetChanges *, of which the numbers count; NIL: they are not known
    int best_left;     // of the wanted, to be read as a whole
    double best;
};

// How many different values a column has, as the statistics have it.
double distinct_values(Relation table, AttrNumber column)
{
    double rows = Max(table->rd_rel->reltuples, 0);
    TrackingKey key = source::key(table);
    double distinct = 0;
    bool with_children = table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
    HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(RelationGetRelid(table)),
                                      Int16GetDatum(column), BoolGetDatum(with_children));
    if (HeapTupleIsValid(tuple)) {
        distinct = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple))->stadistinct;
        ReleaseSysCache(tuple);
    }
    if (key.count == 1 && key.columns[0] == column)
        return rows + 1;
    return distinct < 0 ? -distinct * rows : distinct;
}

// How many rows are in anchored tables, as far as their parts are small.
double worth(List *instances)
{
    constexpr double small_part = 1000;
    double rows = 0;
    ListCell *cell;

    foreach (cell, instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance->anchor == 0)
            continue;
        Relation table = table_open(instance->relation, AccessShareLock);
        rows += 1 + Min(Max(table->rd_rel->reltuples, 0),
                        small_part * distinct_values(table, instance->anchor));
        table_close(table, NoLock);
    }
    return rows;
}

// How many of the anchor's values the changes of an instance's table concern, as a part of all.  Those of one that is not
// anchored may lead to any: it is not known how many, nor whether they can be followed at all.
double share(const Instance *instance, List *changes)
{
    constexpr double not_known = 0.9;
    const NetChanges *own = instance::changes_of(changes, instance);
    if (own == nullptr)
        return 0;
    if (instance->anchor == 0)
        return instance->linear ? 0 : not_known;
    Relation table = table_open(instance->relation, AccessShareLock);
    double values = distinct_values(table, instance->anchor);
    table_close(table, NoLock);
    return values < 1 ? 0 : 1 - std::exp(-static_cast<double>(own->rows.count) / values);
}

// How much the changes leave alone, as a part of all: an anchor of whose values they concern all restricts nothing.
double left_alone(const Choice *choice)
{
    double most = 0;
    int place = -1;
    while ((place = bms_next_member(choice->wanted, place)) >= 0)
        most = Max(most, share(static_cast<Instance *>(list_nth(choice->anchoring->instances, place)), choice->changes));
    return 1 - most;
}

// How many wanted instances would have to be read as a whole; those whose parts are found by a join count half as much.
int count_left(const Choice *choice)
{
    List *instances = choice->anchoring->instances;
    int left = 0;
    int place = -1;
    while ((place = bms_next_member(choice->wanted, place)) >= 0) {
        auto *instance = static_cast<Instance *>(list_nth(instances, place));
        if (instance->anchor == 0 && !instance->joined)
            left += anchor::is_lost(instances, instance) ? 2 : 1;
    }
    return left;
}

void consider(Choice *choice, Var *column, Var *other)
{
    Anchoring *anchoring = choice->anchoring;
    if (!anchor::by_column(*anchoring, choice->from, column, other))
        return;
    int left = count_left(choice);
    double value = worth(anchoring->instances) * left_alone(choice);
    if (anchoring->column != nullptr
        && (left > choice->best_left || (left == choice->best_left && value <= choice->best)))
        return;
    choice->best_left = left;
    choice->best = value;
    anchoring->column = column;
    anchoring->other = other;
}

// Considers the columns of an entry of the top level's FROM: those of a table's key,
// or all.
void consider_entry(Choice *choice, int rti, bool all)
{
    RangeTblEntry *rte = rt_fetch(rti, choice->from.query->rtable);
    ListCell *cell;

    if (rte->rtekind == RTE_SUBQUERY)
        foreach (cell, rte->subquery->targetList) {
            auto *entry = lfirst_node(TargetEntry, cell);
            if (!entry->resjunk
                && from_clause::is_plain_type(exprType(reinterpret_cast<Node *>(entry->expr))))
                consider(choice, makeVarFromTargetEntry(rti, entry), nullptr);
        }
    if (rte->rtekind != RTE_RELATION)
        return;
    Relation table = table_open(rte->relid, AccessShareLock);
    TupleDesc desc = RelationGetDescr(table);
    TrackingKey key = source::key(table);
    Bitmapset *used = pg::selected_columns(choice->from.query, rte);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        bool key_column = false;
        for (int j = 0; j < key.count; j++)
            key_column |= key.columns[j] == attribute->attnum;
        // What is not used is not logged.
        if (!attribute->attisdropped && from_clause::is_plain_type(attribute->atttypid)
            && (key_column
                || (all && bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, used))))
            consider(choice, makeVar(rti, attribute->attnum, attribute->atttypid, attribute->atttypmod,
                                     attribute->attcollation, 0), nullptr);
    }
    table_close(table, NoLock);
}

// Considers all columns that may serve, and takes the best.
Anchoring best_of(Query *query, Bitmapset *wanted, List *changes)
{
    Anchoring anchoring = anchor::none(query);
    Choice choice = {&anchoring, from_clause::of_query(query), wanted, changes, 0, 0};
    ListCell *cell;

    foreach (cell, choice.from.entries)
        consider_entry(&choice, static_cast<RangeTblRef *>(lfirst(cell))->rtindex, false);
    foreach (cell, choice.from.links) {
        auto *link = static_cast<Link *>(lfirst(cell));
        consider(&choice, link->left, link->full ? link->right : nullptr);
        if (!link->full)
            consider(&choice, link->right, nullptr);
    }
    // A column that just a subquery is compared with, or of a relation without a key.
    if (anchoring.column == nullptr || choice.best_left > 0)
        foreach (cell, choice.from.entries)
            consider_entry(&choice, static_cast<RangeTblRef *>(lfirst(cell))->rtindex, true);
    return anchor::choose_same(query, anchoring);
}

bool can_be_anchored(Query *query)
{
    return query->setOperations == nullptr && query->jointree != nullptr;
}

// The places of the instances of some relations.
template <class Is>
Bitmapset *places(Query *query, Is is)
{
    Bitmapset *places = nullptr;
    ListCell *cell;
    foreach (cell, instance::all(query))
        if (is(static_cast<Instance *>(lfirst(cell))))
            places = bms_add_member(places, foreach_current_index(cell));
    return places;
}

} // namespace

namespace anchor {

Anchoring choose(Query *query, List *changes)
{
    if (!can_be_anchored(query))
        return anchor::unanalysed(query);
    auto changed = [&](const Instance *instance) { return instance::changes_of(changes, instance) != nullptr; };
    return best_of(query, places(query, changed), changes);
}

Anchoring choose_for(Query *query, Oid relation)
{
    if (!can_be_anchored(query))
        return anchor::unanalysed(query);
    return best_of(query, places(query, [&](const Instance *instance) { return instance->relation == relation; }), NIL);
}

const Anchoring *other_for(Query *query, int place, List *changes)
{
    auto *other = static_cast<Anchoring *>(palloc(sizeof(Anchoring)));
    if (!can_be_anchored(query))
        return nullptr;
    *other = best_of(query, bms_make_singleton(place), changes);
    bool serves = other->column != nullptr && other->other == nullptr
                  && !is_lost(other->instances, static_cast<Instance *>(list_nth(other->instances, place)));
    return serves ? other : nullptr;
}

} // namespace anchor

} // namespace refresh_mv
