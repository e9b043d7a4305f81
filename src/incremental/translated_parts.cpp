#include "incremental/translated_parts.hpp"

#include "incremental/inner_tables.hpp"
#include "incremental/old_state.hpp"
#include "query/query.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

// From a table that has the other anchor to one that has the chosen one.
struct Path {
    Instance *begin; // null: there is none
    Relids tables;
    Var *end;
};

// The tables of a query's FROM that make nothing null.
Relids inner(const From &from, const Anchoring &anchoring)
{
    Relids tables = nullptr;
    ListCell *cell;
    foreach (cell, from.entries) {
        int rti = static_cast<RangeTblRef *>(lfirst(cell))->rtindex;
        if (!from_clause::is_nullable(from, rti) && instance::find(anchoring.instances, from.query, rti) != nullptr)
            tables = bms_add_member(tables, rti);
    }
    return tables;
}

// The conditions that equate columns of two of these tables.
List *links_of(const From &from, Relids tables)
{
    List *links = NIL;
    Var *left, *right;
    ListCell *cell;
    foreach (cell, from.positive) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        if (from_clause::equates(from.query, condition, &left, &right) && left->varlevelsup == 0
            && right->varlevelsup == 0 && bms_is_member(left->varno, tables) && bms_is_member(right->varno, tables))
            links = lappend(links, condition);
    }
    return links;
}

// The shortest path: a table that has both, or some that links join.
Path find_path(const From &from, const Anchoring &chosen, const Anchoring &other)
{
    Relids tables = inner(from, other);
    List *links = links_of(from, tables);
    ListCell *cell;
    for (bool alone : {true, false})
        foreach (cell, other.instances) {
            auto *begin = static_cast<Instance *>(lfirst(cell));
            auto rti = static_cast<int>(begin->rti);
            if (begin->query != from.query || begin->anchor == 0 || !bms_is_member(rti, tables))
                continue;
            Relids joined = alone ? bms_make_singleton(rti) : inner_tables::joined_with(rti, links);
            Var *end = inner_tables::anchor_of(from, joined, chosen);
            if (end != nullptr)
                return {begin, joined, end};
        }
    return {nullptr, nullptr, nullptr};
}

// The rows with parts of the other anchor, of both states.
const char *rows_in(const Instance *begin, const NetChanges *changes, const char *parts)
{
    return old_state::rows_of_both(begin, changes, instance::used_columns(begin), psprintf("%s p JOIN ", parts),
                                   psprintf(" ON t.%s = p.part", instance::column_name(begin->relation, begin->anchor)));
}

} // namespace

namespace translated_parts {

bool are_possible(Query *query, const Anchoring &chosen, const Anchoring &other)
{
    return find_path(from_clause::of_query(query), chosen, other).begin != nullptr;
}

Query *make(Query *original, const Anchoring &chosen, const Anchoring &other, const char *rows, List *changes,
            QueryEnvironment *environment)
{
    auto *query = static_cast<Query *>(copyObjectImpl(original));
    From from = from_clause::of_query(query);
    Anchoring same_other = anchor::choose_same(query, other);
    Path path = find_path(from, anchor::choose_same(query, chosen), same_other);
    ListCell *cell;

    inner_tables::read_only(query, path.tables, links_of(from, path.tables));
    auto *value = static_cast<Expr *>(copyObjectImpl(path.end));
    query::select_joined(query, list_make1(makeTargetEntry(value, 1, pstrdup("part"), false)));
    foreach (cell, same_other.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const NetChanges *own = instance::changes_of(changes, instance);
        if (instance->query != query || !bms_is_member(static_cast<int>(instance->rti), path.tables))
            continue;
        if (instance == path.begin)
            instance::replace(instance, rows_in(instance, own, rows), environment);
        else if (own != nullptr)
            instance::replace(instance, old_state::rows_of_both(instance, own, instance::used_columns(instance)), environment);
    }
    return query;
}

} // namespace translated_parts

} // namespace refresh_mv
