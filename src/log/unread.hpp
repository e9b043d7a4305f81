// The log entries that the next refresh of a view has to look at, read without SQL: there may be
// hundreds of thousands, and a call that finds none is to cost next to nothing.
//
// Invariant: what is said here is what refresh_mv.unread shows of the view and the relation to
// users, under the active snapshot:
// - entries of a relation that the view reads, from the view's floor on, in the order of their
//   numbers; of the view itself only those that say "everything", of others not those that
//   say that a baseline is lost (log_writer::baseline_lost);
// - an entry is new if the baseline's snapshot does not show its transaction; one of the
//   baseline's own transaction, if it was written after the refresh.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// What a view's last refresh had seen of the log.
struct ReadMark {
    Oid view;
    bool none; // there is no baseline
    int64 floor;
    FullTransactionId own_xid;
    int64 own_seq;
    Datum snapshot;
};

struct UnreadEntry {
    bool is_new;
    int64 number;
    int64 layout;
    bool nested;
    int64 records;
    varlena *data;      // as it is stored; null: anything may have changed
    const char *reason; // for that; null: none is given
    TimestampTz at;     // when it was written
};

namespace unread {

// The mark in a view's row of state.
ReadMark baseline_of(Oid view);

// Calls visit() for each entry about a relation, as long as it returns true.  The entry lives as
// long as the call.
void each(const ReadMark &mark, Oid relation, bool (*visit)(const UnreadEntry &entry, void *context), void *context);

} // namespace unread

} // namespace refresh_mv
