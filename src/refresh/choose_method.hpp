// Which method to use for a view, and why.  Pure: no server needed.
#pragma once

#include "server/method.hpp"

namespace refresh_mv::choose_method {

// An untracked view whose newest data is older than this is refreshed whole.
constexpr int fresh_days = 1;
// The reach of the window that smart uses otherwise.
constexpr int smart_window_days = 2;

// Below so many changed rows a merge is quick whatever their share, and a
// change of file costs more in catalog work and locks than it saves.
constexpr uint64_t least_changes_to_rebuild = 10000;
// The share of changed rows above which writing all rows to a new file is much
// cheaper than merging.  Measured on a million rows with two indexes: merging
// costs as much as a new file when 20 % of the rows are updated outside of
// their page or some 35 % deleted and inserted, and twice as much when 70 % are
// updated or all replaced.
constexpr double share_to_rebuild = 0.5;

Decision choose(const Request &request, const ViewStatus &status);

// Whether a view that should hold so many rows afterwards is better written
// anew than changed in place.
bool rebuild_pays(uint64_t changes, uint64_t rows_after);

} // namespace refresh_mv::choose_method
