// How an exact refresh would go about its work, in words and queries.
#pragma once

#include "incremental/incremental.hpp"

namespace refresh_mv::explain_details {

// The anchor; the columns of the state, if wanted; what changes of each source would cost,
// if known; and the queries, if they may be seen.
const char *text(const ExactPlan &plan, bool with_state, const char *by_source, bool with_queries);

} // namespace refresh_mv::explain_details
