// The part of a query's FROM that is known to be joined whatever becomes of the rest: entries on the nullable side of no
// join, on conditions on them alone.
#pragma once

#include "incremental/anchor.hpp"

namespace refresh_mv::inner_tables {

// The entries that conditions join with one of them, directly or not: the others, which are joined by what is left out,
// would only make a product.
Relids joined_with(int rti, List *conditions);

// The anchor, as a column of one of these entries; null if none has it.
Var *anchor_of(const From &from, Relids entries, const Anchoring &anchoring);

// Has a query read these entries and nothing else, under these conditions.
void read_only(Query *query, Relids kept, List *conditions);

} // namespace refresh_mv::inner_tables
