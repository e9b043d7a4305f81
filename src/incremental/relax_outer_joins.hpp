// The joined rows that changed rows of a table can take part in.
//
// Outer joins and conditions that nulls can satisfy tell the two states of a query
// apart in ways that depend on other rows.  Relaxed, a query returns more rows: a
// superset of those of both states in which the changed rows take part.
//
// Invariants:
// - Only the joins become inner whose nullable side holds the changed instance.
// - Conditions are dropped, never added.
#pragma once

#include "incremental/anchor.hpp"
#include "tracking/net_changes.hpp"

namespace refresh_mv::relax_outer_joins {

// Relaxes a query, in place, to the rows in which a changed instance, which it reads
// through FROM, takes part.  If there is no telling which these are, why: words to follow
// "X has changed, "; else null.
const char *to_changed(Query *query, const Instance *changed, List *changes);

} // namespace refresh_mv::relax_outer_joins
