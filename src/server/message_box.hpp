// Messages for a client that a background worker would have, kept in shared memory until the session passes them on.
//
// Invariants:
// - A worker never waits because its box is full: what does not fit is counted, and the session says how many
//   messages are missing.  (It could hold locks that the session waits for.)
// - What a worker says is written to the server's log by the session, as if it had met it itself; but for errors that
//   end the worker, which both write.
#pragma once

#include "server/pg_workers.hpp"

namespace refresh_mv {

struct MessageBox {
    static constexpr Size capacity = 64 * 1024;
    LWLock lock;
    PGPROC *reader; // who is woken for a message
    uint32 used;
    uint32 missing;
    char messages[capacity]; // each its length, then what the protocol has of it
};

namespace message_box {

void init(MessageBox *box, PGPROC *reader);

// From now on this process, which has no client, puts its messages into a box, until it detaches the segment that
// the box is in.
void redirect_to(MessageBox *box, dsm_segment *segment);

// Passes on what is in a box; errors as warnings.
void pass_on(MessageBox *box);

} // namespace message_box

} // namespace refresh_mv
