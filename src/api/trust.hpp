// refresh_mv.trust(): who may say that a function's result depends on its arguments alone, and
// what follows from it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::trust {

// Notes that the current user trusts a function, if it is his, or one that a view of his uses.
void give(Oid function);

// Takes back the trust that he, or a role whose rights he has, has given: views that go by it are refreshed
// in full next.
void take_back(Oid function);

} // namespace refresh_mv::trust
