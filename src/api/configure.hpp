// refresh_mv.configure(): changes the settings of a view, each checked.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::configure {

// Applies the arguments of refresh_mv.configure() to a view that the caller
// owns.  An argument left at its default leaves its setting as it is; NULL
// resets it.  Locks the view against refreshes until the transaction ends.
void configure(Oid view, FunctionCallInfo fcinfo);

} // namespace refresh_mv::configure
