// What refreshes have done, refresh_mv.journal.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// A row of the journal.
struct JournalEntry {
    int64 run; // 0: none
    Oid view;
    const char *mode;
    const char *method;
    const char *reason;
    TimestampTz started;
    int64 duration; // microseconds
    int64 inserted;
    int64 updated;
    int64 deleted;
    int64 unchanged;
    TimestampTz snapshot_time;
    bool success;
    const char *sqlstate; // null if it succeeded
    const char *message;  // likewise
    const char *source;
    int64 lag; // microseconds from the first change taken in to the end; negative: not known
};

namespace history {

// A number for a run of several refreshes.
int64 new_run();

void record(const JournalEntry &entry);

// Removes entries of a view that are older than so many days; the caller has the view
// prepared for a refresh.
void purge(Oid view, int days);

// What refreshes of a view usually take that have something to do, in microseconds; 0 if it has none.
int64 usual_duration(Oid view);

// What the last full refresh of a view took, in microseconds; 0 if it has none.
int64 full_duration(Oid view);

// When the last successful refresh of a view began; 0 if there is none.
TimestampTz last_success(Oid view);

// The time from one call of refresh_mv.run() to the next for a view with a max_lag, by the last ones: nine of ten times it
// was not longer, in microseconds.  0 if there were less than two.
int64 run_interval(Oid view);

// How many times in a row the view's last refreshes have failed.
int consecutive_failures(Oid view);

} // namespace history

} // namespace refresh_mv
