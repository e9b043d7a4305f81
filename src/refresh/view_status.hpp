// What strategy needs to know of an open view.
#pragma once

#include "query/view.hpp"
#include "server/method.hpp"
#include "tracking/baseline.hpp"

namespace refresh_mv::view_status {

// What is known of the changes since the last refresh of an open view.  See baseline::look(); nor are they known
// where it kept rows that it should not keep now.
BaselineStatus look(const OpenView &view, Amidst amidst = Amidst::refused);

// The status of a view under the active snapshot; what is about its newest data, which
// has to be read, and whether a window can be trusted, only if that is wanted.
ViewStatus read(const OpenView &view, const BaselineStatus &baseline, bool with_dates, bool with_doubt);

// The newest date in the window column of a populated view; false if there is none.
bool newest_date(Relation view, WindowColumn column, DateADT *date);

} // namespace refresh_mv::view_status
