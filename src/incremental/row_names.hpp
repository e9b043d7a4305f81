// What the rows are called that the queries of a refresh hand on to each other in memory.
//
//     in both states (_now, _before):
//     parts      part                     the affected values of the anchor
//     partials   k1 .., n, p1 ..          the partial aggregates of the parts' groups
//     values(i)  k1 .., v, n              their distinct values, of partial aggregate i
//     keys       k1 ..                    the keys of the parts
//
//     net        k1 .., n, a1, b1 ..      what is to be added to and taken from groups (net.hpp)
//     joined     c1 .., sign              joined rows that were gained and lost (signed_terms.hpp)
//     groups     place, h, k1 .., n, p1 .., redo    the touched groups as they will be
//     values(i)  place, h, k1 .., v, n, step        the touched values as they will be
//     redo       k1 ..                    the groups to be computed anew
//     redone     k1 .., n, p1 ..          computed anew
//     touched    k1 ..                    the keys of the view's rows to be compared
//
// Names of net changes, and of their column existed, are made in net_changes.cpp.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

enum class TableState { now, before };

namespace row_names {

constexpr char parts[] = "refresh_mv_parts";
constexpr char partials[] = "refresh_mv_partials";
constexpr char keys[] = "refresh_mv_keys";
constexpr char net[] = "refresh_mv_net";
constexpr char joined_rows[] = "refresh_mv_joined_rows";
constexpr char groups[] = "refresh_mv_groups";
constexpr char redo[] = "refresh_mv_redo";
constexpr char redone[] = "refresh_mv_partials_redone";
constexpr char touched[] = "refresh_mv_touched";
constexpr char own[] = "refresh_mv_own";  // part, of one instance's changes
constexpr char fill[] = "refresh_mv_rows"; // what a table of the state is filled with

inline const char *values(int partial) { return psprintf("refresh_mv_values_%d", partial + 1); }

// The parts of a changed instance that has no anchor itself.
inline const char *joined(int place) { return psprintf("refresh_mv_joined_%d", place); }

// The parts of one by another anchor, and those of the chosen one beside them.
inline const char *other_parts(int place) { return psprintf("refresh_mv_other_parts_%d", place); }
inline const char *translated(int place) { return psprintf("refresh_mv_translated_%d", place); }

// Rows as they are, or were.
inline const char *now(const char *name) { return psprintf("%s_now", name); }
inline const char *before(const char *name) { return psprintf("%s_before", name); }
inline const char *in_state(const char *name, TableState state)
{
    return state == TableState::now ? now(name) : before(name);
}

// More rows of a kind, under a name that is not used yet.
inline const char *unused(QueryEnvironment *environment, const char *kind)
{
    const char *name;
    int number = 0;
    do
        name = psprintf("refresh_mv_%s_%d", kind, number++);
    while (get_ENR(environment, name) != nullptr);
    return name;
}

// The columns of keys and of partial aggregates.
inline char *key_column(int key) { return psprintf("k%d", key + 1); }
inline char *partial_column(int partial) { return psprintf("p%d", partial + 1); }

} // namespace row_names

} // namespace refresh_mv
