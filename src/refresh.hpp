// The refresh of one view, from lock to written rows.
//
// Order of things for a call that refreshes several views:
//
//     prepare(v1) prepare(v2) ...   locks on the views and all their sources
//     one snapshot, made active
//     refresh(v1) refresh(v2) ...   each in a subtransaction
//
// Invariants:
// - A view is locked in RowExclusiveLock, so that core's REFRESH and DDL wait
//   and readers and VACUUM do not, and by an object lock of this extension, so
//   that two refreshes of it never overlap.  Its sources are locked in
//   AccessShareLock.  All are held to the end of the transaction.
// - The snapshot is taken after the locks.  Nothing that is not MVCC-safe
//   (TRUNCATE, a rewrite, a swap of files) can come between the two.
// - Queries run as the view's owner, in a security-restricted operation.
#pragma once

#include "model.hpp"
#include "pg.hpp"

namespace refresh {

// The name of a view for people and for regclass: qualified where the
// search_path does not find it.
std::string name_of_view(Oid view);

// Checks the caller's right to refresh the view and takes the locks.
void prepare(Oid view);

// Refreshes a prepared view under the active snapshot and says so in NOTICEs.
// Throws on failure; the caller rolls its subtransaction back.
Outcome refresh(Oid view, const Request &request);

} // namespace refresh
