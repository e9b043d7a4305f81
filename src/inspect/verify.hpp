// Whether a view holds what its query returns.
//
// Invariants:
// - View, query and log are read under one snapshot, in AccessShareLock; nothing is
//   written.
// - A view is called wrong only if it differs from what its query returned when it was
//   refreshed: for a tracked view whose sources have changed since, the query is
//   evaluated on the tables as they were.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// correct: the view holds what its query returns.  stale: it does not have to, since its
// sources have changed.  wrong: it should and does not.  ambiguous: it does not, but its
// query can have several right answers, and this may be one.  different: it does not, and whether it should is
// not known, for the view is not tracked.
enum class Verdict { correct, stale, wrong, ambiguous, different, unpopulated };

struct Verification {
    Verdict verdict;
    bool compared;       // otherwise the numbers and samples say nothing
    int64 missing;       // rows of the query that the view lacks
    int64 extra;         // rows of the view that the query does not return
    Datum some_missing;  // a few of them as text, text[]
    Datum some_extra;
    bool counted;        // pending says something
    int64 pending;       // changes in the log since the last refresh
    const char *remark;  // in words; null: nothing to say
};

constexpr const char *name_of(Verdict verdict)
{
    switch (verdict) {
    case Verdict::correct:
        return "correct";
    case Verdict::stale:
        return "stale";
    case Verdict::wrong:
        return "wrong";
    case Verdict::ambiguous:
        return "ambiguous";
    case Verdict::different:
        return "different";
    case Verdict::unpopulated:
        return "unpopulated";
    }
    return "";
}

namespace verify {

// Verifies a view that the current user may refresh.  Throws what its query throws.
Verification verify(Oid view);

} // namespace verify

} // namespace refresh_mv
