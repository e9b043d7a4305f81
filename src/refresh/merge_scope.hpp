// The part of a view that a refresh merges, as two queries; and their merge.
//
// Invariants:
// - What a merge changes is logged for tracked views above this one, and told those who listen, before it is written.
// - Outside of the scope nothing is written.
#pragma once

#include "query/query.hpp"
#include "query/view.hpp"
#include "server/bridge.hpp"
#include "server/method.hpp"

namespace refresh_mv {

struct Merged {
    RowCounts rows;
    Method method;
    const char *groups; // what the state of groups is of that was made
};

// The part of a view to recompute: its rows that satisfy the condition (null:
// all), and the query for them.  For the rows of the query the condition may be a
// simpler one that gives the same.
struct Scope {
    Node *condition;
    Query *fresh;
    Node *wanted;
};

// The same as two queries, which may read named rows: the rows that the view holds
// there, and those that it should hold, or with a sign those that it has gained and lost.
struct Sides {
    Query *held;
    Query *fresh;
    QueryEnvironment *environment;
};

inline bool is(const PgError &error, int sqlstate)
{
    return error.data->sqlerrcode == sqlstate;
}

// Compares the rows in the scope and writes the differences; swaps the file
// where that is allowed and cheaper.
Merged merge_sides(const OpenView &open, Sides sides, Method method, bool may_swap);
Merged merge_scope(const OpenView &view, Scope scope, Method method, bool may_swap);

// The rows that keep_before lets a refresh touch; null for all.
Node *kept_rows(const OpenView &view);

// Runs code that merges a part of a view.  False, with nothing done, where that meets a
// unique index: a row has moved into the part, and its old version is outside.
template <class F>
bool without_conflict(F &&merge)
{
    try {
        subtransaction(merge);
        return true;
    } catch (const PgError &error) {
        if (!is(error, ERRCODE_UNIQUE_VIOLATION))
            throw;
        return false;
    }
}

// Merges a part of the view so.
bool merge_part(const OpenView &view, Scope part, Method method, Merged *merged);

// Runs code that plans several queries on the view's sources; fails if a partition has
// come or gone meanwhile, which only some of them have read.  What partitions there are is
// no part of the snapshot, and ATTACH does not wait for those who read.
template <class F>
void with_same_partitions(Relation view, F &&code)
{
    List *before = guard([&] { return query::lock_sources(view); });
    code();
    guard([&] {
        if (!equal(before, query::lock_sources(view)))
            ereport(ERROR,
                    (errcode(ERRCODE_OBJECT_IN_USE),
                     errmsg("a partition was attached or detached while its sources were being read")));
    });
}

} // namespace refresh_mv
