// A full refresh in chunks, each in a transaction and under a snapshot of its own.
//
//     chunk n:  lock -> snapshot Sn -> what is done: from Sn-1 to Sn, by the log -> the chunk: compute, merge
//               -> what is done now is as of Sn: that is the view's baseline, and a row in refresh_mv.chunks
//
// Invariants:
// - Of a tracked view, what is done (the rows from a bound on) is always what the query returns there under the view's
//   baseline, which moves on with each chunk.  So the changes meanwhile are netted from one snapshot to the next, where
//   that is sound: between chunks of several snapshots it would not be, as a change that was taken back nets to nothing,
//   whatever a chunk has seen of it.  And at the end the view is exact under one snapshot.
// - That baseline bears the mark of this refresh, and is none for anybody else: a smart refresh by another session
//   leaves the view as long as a session is at work, and else refreshes it as a whole.
// - What changes meanwhile is not known (a TRUNCATE, say): what is done counts for nothing, and it begins anew.  There is
//   no way to refresh the view by its changes: it goes on, as with a view that is not tracked; then each chunk is what
//   the query returned for it under its own snapshot, the view has no baseline, and that is said.
// - What is not done yet promises nothing: rows of it make way for others with the same unique key.
// - A chunk is done, and known to be done, or it is not: both are one transaction.
#pragma once

#include "refresh/chunk_axis.hpp"
#include "server/method.hpp"

namespace refresh_mv::refresh {

// A refresh in chunks by one call.
struct ChunkCall {
    ChunkSize size;
    const char *size_text;
    bool resume;          // go on where one has ended before
    int64 done = 0;       // chunks by this call
    int64 before = 0;     // by others
    int anew = 0;         // how many times it had to begin anew
    TimestampTz began = 0; // with the first chunk
    ChunkHorizon horizon = {};
};

struct ChunkResult {
    Refreshed refreshed;
    bool finished;
    bool tracked;
    std::string inexact; // why the view is not as of one snapshot; empty: it is
    std::string done_from; // for people: where the last chunk begins
};

// Merges the next chunk; the caller has prepared the view as for refresh().
ChunkResult next_chunk(Oid view, const Request &request, ChunkCall *call);

} // namespace refresh_mv::refresh
