// Which methods could refresh a view now, at what cost, and what would help.
//
// Invariants:
// - Nothing is written, and nothing locked but in AccessShareLock.
// - What smart would take is what it does take, as long as nothing changes and
//   estimates hold: it is decided by the same status and limits.
// - The view's query is planned as its owner; of changes that are in the log, the rows and
//   parts are looked up, and nothing else is run.
#pragma once

#include "inspect/advice.hpp"
#include "server/method.hpp"

namespace refresh_mv {

struct Explained {
    Method method;
    bool possible;
    bool chosen;         // smart would take it
    double cost;         // in the planner's units; negative: not known
    double expected_ms;  // by what refreshes of the view have taken; 0: not known
    double last_ms;      // what the last one took; 0: not known
    const char *reason;  // why it is possible, or not
    List *remedies;      // Remedy *
    const char *details; // anchor, state, queries; null unless wanted
};

namespace explain {

// Explains each method, from skip to rebuild, as a list of Explained *.  Throws if the
// view is locked by the current session's own statement, say.
List *explain(Oid view, bool with_details);

} // namespace explain

} // namespace refresh_mv
