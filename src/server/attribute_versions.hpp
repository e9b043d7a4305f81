// Versions of columns, which minor releases of late 2026 have begun to keep (in attoptions, as pg_attver): stored rows
// of the row type tell by it which columns they were made with.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::attribute_versions {

// Gives the columns of a relation from a number on, which were just added, the version that they should have, if
// the server that runs has such: whatever the headers were that we were compiled with.
void set(Relation relation, AttrNumber first);

} // namespace refresh_mv::attribute_versions
