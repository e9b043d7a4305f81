// The keys method: the view's query for just the keys that changed joined rows have, by terms; or that
// the parts have, now or before.
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv::keys {

// Finds the scope of a refresh whose signs or parts are known.
void find_scope(Work *work);

} // namespace refresh_mv::keys
