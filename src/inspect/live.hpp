// A view's rows as of now: those that it holds, but for the ones that its next exact refresh would take out, and those
// that it would put in.  That refresh is carried out up to the difference, and not merged.
//
//     held rows of the view  -  gone  +  fresh  =  what the query returns
//
// Invariants:
// - View, baseline, log and tables are read under one snapshot, the active one: whatever a refresh commits meanwhile is
//   either seen, with its rows, its baseline and the entries that it has removed, or not at all.  An entry that some
//   view needs is removed by a transaction that has seen this one refreshed; who sees that the entry has gone sees that
//   baseline.
// - What is not part of a snapshot (the files of the view, its tables and their states, which partitions there are) is
//   locked, and has to be what the snapshot shows: else SQLSTATE 40001, at any isolation level.
// - Nothing is written and no lock is taken but AccessShareLock, so that it works in a read-only transaction and on a
//   standby.  States are read where that can be done without waiting, and never written; a lock on them is not kept.
// - Where the query is expected to take less for the rows with a condition than the changes do, it is run: it tells the
//   same.
// - The caller may read the view; its query runs as the view's owner, in a security-restricted operation.  Conditions
//   of the caller that are evaluated there must call nothing but leakproof functions.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct LiveQuestion {
    Oid view;
    Node *condition; // on the view's columns, as Vars of varno 1; null: none
    bool fallback;   // to the view's query, where its changes do not tell the rows
};

struct LiveRows {
    const char *way;           // "stored", "delta", "keys" or "query", for people
    bool stored;               // the rows that the view holds are among them, but for those that are gone
    int64 changes;             // in the log
    ItemPointerData *gone;     // in their order
    int64 gone_count;
    Tuplestorestate *fresh;    // with the columns of the view; null: none
    int64 fresh_count;
};

namespace live {

// Locks a view and what it reads as whoever reads them does, before a snapshot is taken, if the oid is a materialized
// view.
void lock(Oid view);

// Finds the rows that satisfy the condition.  Fails, with a hint, where they cannot be told.  What is found is allocated
// in the current memory context.
LiveRows find(const LiveQuestion &question);

// A query for ctid and columns of the rows that the view holds, and whether one of them is gone; near is where the last
// one was looked for, 0 for the first, so that rows that come in their order are found at once.
Query *stored_rows(Oid view, Node *condition);
bool is_gone(const LiveRows &rows, ItemPointer tid, int64 *near);

// The materialized view whose rows have a type; InvalidOid if it is none.
Oid view_of_type(Oid type);

} // namespace live

} // namespace refresh_mv
