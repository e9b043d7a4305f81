// Queries as SQL text for people.
#pragma once

#include "pg.hpp"

namespace deparse {

// The text of a query, which is not modified; named rows appear as tables of their name.
const char *text(Query *query);

} // namespace deparse
