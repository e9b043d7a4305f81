// Whether an output column of a query can be NULL.
//
// Analysis reads catalogs and the query tree, never data, and has no effect.  What it does
// not know can be NULL: only where it says "never" does anything rest on it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::nullness {

// Whether an output column is never NULL: by NOT NULL constraints, by conditions that no
// NULL satisfies, and by functions that make no NULL of anything else.  Takes a query as
// stored or rewritten; of ordinary views in it that are locked by others it knows nothing.
bool never(Query *query, AttrNumber attno);

// Whether rows of an entry of the range table can be missing from the query's joined rows
// and have NULLs in their place.
bool on_nullable_side(Query *query, Index varno);

} // namespace refresh_mv::nullness
