// What callers pass to the functions, checked.  Each mistake is an error with a
// SQLSTATE and, where it helps, a hint.
#pragma once

#include "run/run.hpp"
#include "run/view_order.hpp"
#include "server/method.hpp"
#include "server/pg.hpp"

#include <string>

namespace refresh_mv::arguments {

// A text argument; an error if it is NULL.
std::string text_of(FunctionCallInfo fcinfo, int argument, const char *name);

// The view that a regclass argument names.
Oid view_of(FunctionCallInfo fcinfo, int argument);

// An interval argument in microseconds; 0 if it is NULL, an error if it is not positive.
int64 span(FunctionCallInfo fcinfo, int argument, const char *name);

// How a call refreshes views in chunks, by four arguments from the given one on: chunk, pause_if_replica_lag,
// max_wal_rate and resume; none if chunk is NULL.
std::optional<Chunking> chunking(FunctionCallInfo fcinfo, int first, RefreshMode mode);

// All views that the caller may refresh and that are not disabled.
std::vector<Oid> all_views();

// A request by mode and number of days; by the boolean of the older function.
Request request(FunctionCallInfo fcinfo, int mode, int days);
Request incremental_or_full(FunctionCallInfo fcinfo, int incremental, int days);

// The views to refresh, in order: those named, or all that the caller may
// refresh and that are not disabled; with cascade (a boolean argument) also the
// views that read them.
Call call(FunctionCallInfo fcinfo, const Request &request, int views, int cascade);

// What REFRESH of a view asks for: that view, with its sources also those that it reads in the end
// and that the caller may refresh.
Call statement(Oid view, bool with_sources);

} // namespace refresh_mv::arguments
