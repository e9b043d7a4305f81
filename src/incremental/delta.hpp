// The delta method: the state of a view's groups, plus what the changes add, less what they
// take (net.hpp).
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv::delta {

// Finds the touched groups as they will be, and shows them.  False, with a reason, if there is no way.
bool find_groups(Work *work);

// Brings the state up to date.
void write_state(Work *work);

// Has queries read the state as if that had been done.
void pretend_state(Work *work);

// Finds the scope of a refresh whose signs or parts are known, and brings the state up to date.
void find_scope(Work *work);

} // namespace refresh_mv::delta
