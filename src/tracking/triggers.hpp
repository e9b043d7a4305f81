// The triggers on a source: installing, removing, and telling whether they are
// as they were installed.
//
//     refresh_mv_begin     BEFORE INSERT OR UPDATE OR DELETE, each statement
//     refresh_mv_insert    AFTER INSERT, each statement, with the new rows
//     refresh_mv_update    AFTER UPDATE, each statement, with the old and new rows
//     refresh_mv_delete    AFTER DELETE, each statement, with the old rows
//     refresh_mv_truncate  AFTER TRUNCATE
//     refresh_mv_apply     AFTER INSERT OR UPDATE OR DELETE, each row; replica only
//     refresh_mv_move      BEFORE UPDATE, each row; on partitions only
//     refresh_mv_row       AFTER INSERT OR UPDATE OR DELETE, each row of which no statement tells; on
//                          members of inheritance trees, instead of refresh_mv_apply
//     refresh_mv_chunk     AFTER INSERT OR UPDATE, each row that no statement on the
//                          hypertable changes
//     refresh_mv_chunk_delete  AFTER DELETE, each row
//
// The last two are on hypertables, instead of refresh_mv_apply, and on their chunks, to
// which TimescaleDB hands them on.  All are ENABLE ALWAYS, but for refresh_mv_apply, which
// is ENABLE REPLICA, and what TimescaleDB makes of the last two on new chunks.
//
// TimescaleDB does not allow a transition table for DELETE where there is compression, since
// it would lack whole batches that are deleted as such: so refresh_mv_delete has none on a
// hypertable, rows are logged one by one, and the row trigger keeps batches from being
// deleted so.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::triggers {

// What the triggers log (see logged_relation.hpp).
struct Arguments {
    bool exact;
    bool transitions; // rows are handed over; else just that there was a statement
    bool on_commit;
    List *key;    // column names, C strings
    List *others; // the other logged columns
    bool coarse;  // no view needs rows
};

// Puts the triggers on a member of a source, or replaces them, as the owner of
// the table.  The caller holds ShareRowExclusiveLock on it, and on its chunks.
void install(Oid member, const Arguments &arguments);

// Removes them; takes AccessExclusiveLock where there are any.
void remove(Oid member);

// Has the triggers that protect the extension's own tables fire again as they should, where
// a data-only restore (ENABLE TRIGGER ALL) has changed that; not now, if a table is in use.
// Those that are disabled stay so.
void mend_own();

// Text that changes whenever one of the triggers is changed, disabled or removed.
char *fingerprint(Oid member);

// Has all triggers in this database go with the extension, those too that others have made.
void depend_on_extension();

// Whether a table has the trigger for rows of which no statement tells.
bool tell_rows(Oid table);

// Text that tells the row triggers of a chunk, or a hypertable, from others; null if it does
// not have them, or they do not fire.
const char *of_chunk(Oid chunk);

// One of a hypertable and its chunks that does not have them; InvalidOid if there is none.
Oid uncovered_chunk(Oid member);

// Whether somebody has disabled one of them.
bool are_disabled(Oid member);

} // namespace refresh_mv::triggers
