// By which way changes are followed to what a query joins: by terms, or by parts.
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv::way {

// Whether the query reads anything that has changed; not if that is a table that a CTE reads which nothing refers
// to, or a column that it does not read.  False, with a reason, if it is not affordable to look.
bool is_concerned(Work *work);

// Decides whether the changes are taken by terms or by parts; why neither can be, or null.
const char *find(Work *work);

} // namespace refresh_mv::way
