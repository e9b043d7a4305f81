// How far refreshes in chunks have come that have not ended, refresh_mv.chunks.
//
// Invariant: a row is changed in the transaction that merges a chunk, and says what has been merged by then.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct ChunkProgress {
    bool exists;
    TimestampTz began;    // with the first chunk; also what tells this refresh from others of the view
    const char *size;     // of the chunks, as asked for last
    const char *uses;     // the meaning of the query, as meaning::fingerprint() has it
    AttrNumber column;    // by which the view is divided
    Oid type;             // of the values of that
    bytea *bound;         // chunks from it on are done, as the type sends it; null: none is
    const char *bound_text;
    bool only_nulls;      // only the rows without a value are left
    int64 chunks;         // that are done
    const char *kept;     // the bound of what keep_before keeps, or null
    const char *inexact;  // why changes meanwhile are not taken in; null: they are
};

namespace chunk_progress {

// What the active snapshot shows.
ChunkProgress read(Oid view);

void save(Oid view, const ChunkProgress &progress);

// Forgets a refresh that has ended, or has been overtaken by one of the whole view.
void forget(Oid view);

// Forgets those of views that are gone.
void forget_dropped();

} // namespace chunk_progress

} // namespace refresh_mv
