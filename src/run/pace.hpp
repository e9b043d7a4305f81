// How a refresh in chunks spares the server: what it waits for from one chunk to the next.
//
// Invariants:
// - While it waits it has no snapshot and no lock on a relation, and can be cancelled.
// - What the refresh itself has written counts for its rate, and not what others write meanwhile.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct Pace {
    int64 replica_lag = 0; // bytes that a replica may lag behind; 0: any number
    int64 wal_rate = 0;    // bytes of WAL in a second, on the average; 0: any number
};

namespace pace {

// Fails if the current role cannot see how far replicas lag behind, and is to wait for them.
void check_right(const Pace &pace);

// What has been written and when that began.
struct Meter {
    TimestampTz began;
    uint64 wal;
};
Meter start();

// Waits for both, outside of any chunk.  SPI is connected, non-atomic; what was done before has been committed.
void wait(const Pace &pace, const Meter &meter);

} // namespace pace

} // namespace refresh_mv
