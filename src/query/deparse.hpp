// Queries as SQL text for people.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::deparse {

// The text of a query, which is not modified; named rows appear as tables of their name.
const char *text(Query *query);

} // namespace refresh_mv::deparse
