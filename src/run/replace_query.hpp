// refresh_mv.replace_query(): another query for a view, in place.
//
//     parse -> compare columns -> lock -> columns, rule, tracking -> full merge -> lock out readers
//
// Invariants:
// - All in the caller's transaction: others see the old query with its rows, or the new one with its.
// - Readers are locked out last, when everything is done but the commit.  Until then the view is locked in
//   ExclusiveLock, against refreshes and against VACUUM, which would have to be waited for.
// - Before that lock, no lock is waited for while others of these are held (query/view_locks.hpp); what
//   is written to the catalog before it is seen by nobody.
// - The tables that have to get triggers, or others, are locked against writers from the beginning: what
//   they would write after the snapshot would not be logged.
#pragma once

#include "run/run.hpp"

namespace refresh_mv::replace_query {

// Replaces the query of a view that the caller owns, and fills the view by it if it is populated.
RowCounts replace(Oid view, const std::string &query, const run::Limits &limits);

} // namespace refresh_mv::replace_query
