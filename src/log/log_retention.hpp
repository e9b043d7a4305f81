// Removing entries of the log: those that every view has passed, and those of a source whose
// log has grown too large.
//
// Invariants:
// - Entries are deleted one session at a time, by whoever holds a lock of ours on the log.
// - Whose entries are removed before every view has passed them gets an entry "everything".
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::log_retention {

// Takes the right to delete entries until the transaction ends; false if another
// session has it, or if deleting could fail for lack of a new snapshot.
bool may_delete();

// Removes the entries of the view's sources that every view has passed; of all
// sources where the view is InvalidOid.
void purge(Oid view);

// Removes all entries of a relation.
void forget(Oid relation);

// Removes the entries of relations that are no sources: those of a source may be
// needed by a view that is tracked in a transaction under way.  The caller may delete.
void delete_orphans();

// To be called after so many bytes of entries of a relation were written: now and then
// replaces its entries by one that says "everything", if they take more room than
// refresh_mv.max_log_size and no other session is doing the like.  A failure is not one
// of the caller's.
void limit(Oid relation, Size written);

// Kilobytes of log entries of one relation, beyond which they are given up.
extern int max_log_size;

} // namespace refresh_mv::log_retention
