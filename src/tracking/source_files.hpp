// The files of a view's sources: what tells that the contents of a table were replaced as
// a whole, by whatever means, without a trigger or an event to tell of it.
//
// Locks and snapshots:
// - Who gives a relation another file holds AccessExclusiveLock on it until his transaction
//   ends; who looks here holds a lock on it until his own ends.  So the files are those that
//   the snapshot reads, if it was taken after the locks.
// - An older snapshot (REPEATABLE READ) reads the files of now all the same: what it reads is
//   what they hold, and the baseline that is taken names them.  Where the pg_class row that
//   names the file is not visible in it, a refresh has failed before (view::check_snapshot).
// - What this transaction itself has done to a file is seen here, as it is by its queries;
//   a baseline is rolled back together with it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

namespace source_files {

// The files of sources (TrackedSource *) that are locked, as text to be compared.  Their
// members are those that there are (track::damage).
const char *fingerprint(List *sources);

// What has become of the files since they were before, in words; null if they are the same,
// or if nothing was added but new tables that were empty when they were made.
const char *change(const char *before, const char *now);

// The file of one relation, as it stands in such a text.
const char *of_relation(Oid relation);

} // namespace source_files

} // namespace refresh_mv
