// A view's full refresh in chunks, with a commit after each.
//
// Invariants:
// - One call at a time is at work on a view; another one waits, or leaves it.
// - The last chunk's transaction is the caller's to commit, with what he writes down about the view.
// - Whatever ends the call, what has been committed stays, and the next call goes on there.
#pragma once

#include "query/view.hpp"
#include "run/pace.hpp"
#include "refresh/chunk.hpp"

#include <functional>

namespace refresh_mv {

// What was asked for.
struct Chunking {
    ChunkSize size;
    std::string size_text;
    bool resume;
    Pace pace;
};

namespace chunks {

// What became of a view.
struct Result {
    Refreshed refreshed;
    view::Prepared prepared; // a hindrance: it was left
    TimestampTz as_of;       // of its snapshot; of its first chunk's, if it is not as of one
};

// Runs a stage in a subtransaction; false if that failed, which is the end of the refresh.
using Attempt = std::function<bool(const std::function<void()> &)>;

// Refreshes a view, whose name is shown as its progress.  SPI is connected, non-atomic.  A snapshot is active at the end.
Result refresh(Oid view, const Request &request, const Chunking &chunking, bool wait, const Attempt &attempt);

} // namespace chunks

} // namespace refresh_mv
