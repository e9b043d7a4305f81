// The refresh of one view by the method that strategy chooses.
//
// The caller has prepared the view (view::prepare), has a snapshot active that
// was taken afterwards, and has begun a subtransaction, which it rolls back if
// the refresh throws.
#pragma once

#include "server/method.hpp"
#include "server/pg.hpp"

namespace refresh_mv::refresh {

// Refreshes a view and says how in NOTICEs.
Refreshed refresh(Oid view, const Request &request);

// Merges, in such a run, the rows of a view that satisfy a condition on its columns.  Where
// that meets a unique index because a row has moved into the condition's scope,
// merges the whole view instead.
Refreshed refresh_where(Oid view, const std::string &condition, int64 run);

// The newest date in a view by its date column or the one named, in *date, read as its
// owner; false where there is none, where the view cannot be refreshed by that column, is
// not populated, or is locked against reading.
bool data_through(Oid view, const char *column, DateADT *date);

} // namespace refresh_mv::refresh
