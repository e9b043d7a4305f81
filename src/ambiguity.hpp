// Whether a query can have several right answers, of which each refresh may give another.
//
// Analysis reads catalogs and the query tree, never data, and has no effect.  It may be
// wrong in being careful: rows that sort alike may all be different.
#pragma once

#include "pg.hpp"

namespace ambiguity {

// What makes a query ambiguous, in words; null if nothing is found.  Takes the rewritten
// query.
const char *of(Query *query);

} // namespace ambiguity
