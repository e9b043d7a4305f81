#include "incremental/references.hpp"

#include "incremental/from_clause.hpp"

namespace refresh_mv {

namespace {

// Whether a link holds for all joined rows; of an optional entry (0: there is none), for those with a match.
bool holds(const From &from, const Link *link, int optional)
{
    if (link->full)
        return false;
    if (link->nullable == nullptr)
        return !from_clause::is_nullable(from, link->left->varno) && !from_clause::is_nullable(from, link->right->varno);
    return optional != 0 && bms_is_member(optional, link->nullable) && bms_membership(link->nullable) == BMS_SINGLETON;
}

bool is_same(const Var *a, const Var *b)
{
    return a->varno == b->varno && a->varattno == b->varattno;
}

// Adds the columns to which links make the known ones equal, until there is none.
List *add_equal(List *known, const From &from, int optional)
{
    ListCell *cell, *link_cell;
    auto add = [&](const Var *here, Var *there, const Var *column) {
        ListCell *other;
        foreach (other, known)
            if (is_same(static_cast<Var *>(lfirst(other)), there))
                return;
        if (is_same(here, column))
            known = lappend(known, there);
    };
    foreach (cell, known) { // grows meanwhile
        auto *column = static_cast<Var *>(lfirst(cell));
        foreach (link_cell, from.links) {
            auto *link = static_cast<Link *>(lfirst(link_cell));
            if (!holds(from, link, optional))
                continue;
            add(link->left, link->right, column);
            add(link->right, link->left, column);
        }
    }
    return known;
}

// The name of the column of an instance that equals one of another; null if there is none.
char *equal_column(const Instance *instance, const Instance *other, AttrNumber column, const From &from, bool optional)
{
    int rti = static_cast<int>(instance->rti);
    Var *start = makeVar(static_cast<int>(other->rti), column, InvalidOid, -1, InvalidOid, 0);
    ListCell *cell;
    foreach (cell, add_equal(list_make1(start), from, optional ? rti : 0)) {
        auto *var = static_cast<Var *>(lfirst(cell));
        if (var->varno == rti)
            return get_attname(instance->relation, var->varattno, false);
    }
    return nullptr;
}

} // namespace

namespace references {

List *columns(const Instance *instance, const Instance *other, List *key, bool optional)
{
    List *names = NIL;
    ListCell *cell;
    if (key == NIL || instance == other || instance->query != other->query || instance->query->setOperations != nullptr)
        return NIL;
    From from = from_clause::of_query(instance->query);
    foreach (cell, key) {
        AttrNumber number = get_attnum(other->relation, static_cast<char *>(lfirst(cell)));
        char *name = equal_column(instance, other, number, from, optional);
        if (name == nullptr)
            return NIL;
        names = lappend(names, name);
    }
    return names;
}

List *ordered(List *instances, List *numbers, List *keys)
{
    auto refers = [&](int from, int to) {
        return columns(static_cast<Instance *>(list_nth(instances, from)), static_cast<Instance *>(list_nth(instances, to)),
                       static_cast<List *>(list_nth(keys, to)), false) != NIL;
    };
    auto is_referred_to = [&](int number) {
        ListCell *cell;
        foreach (cell, numbers)
            if (refers(lfirst_int(cell), number))
                return true;
        return false;
    };
    List *list = NIL;
    while (numbers != NIL) {
        int next = linitial_int(numbers); // of those that refer to each other
        ListCell *cell;
        foreach (cell, numbers)
            if (!is_referred_to(lfirst_int(cell))) {
                next = lfirst_int(cell);
                break;
            }
        list = lappend_int(list, next);
        numbers = list_delete_int(numbers, next);
    }
    return list;
}

} // namespace references

} // namespace refresh_mv
