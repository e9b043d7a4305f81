// The delta method: the state of a view's groups, plus what the changes add, less what they
// take (net.hpp).
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv::delta {

// Finds the scope of a refresh whose signs or parts are known, and brings the state up to date.
void find_scope(Work *work);

} // namespace refresh_mv::delta
