// Terms for a table that stands alone on the nullable side of a left join, L LEFT JOIN o ON c.
//
// What the query joins is not additive in the rows of o, since a row of L without a match is joined with nulls.  But it
// is additive in the rows of the join, and these are the matches, which are additive in o, and the rows of L
// that have none:
//
//     L LEFT JOIN o  =  L JOIN o  +  L with nulls, where NOT EXISTS (o: c)
//
// So, if nothing else changes, the join's rows now less those before are
//
//     matches        L JOIN D ON c                                               with the signs of D
//     left alone     L with nulls, where EXISTS (D-: c) AND NOT EXISTS (o now: c)                          1
//     found          L with nulls, where EXISTS (D+: c) AND NOT EXISTS (D-: c) AND NOT EXISTS (o kept: c) -1
//
// D+ and D- being the new and the old images, and kept the rows whose keys have no change: a row of L had no match
// before if it matches neither of D- nor of what was kept, and has none now if it matches no row of o.
//
// Invariants:
// - The join is on the nullable side of no other, in the FROM of the query itself.
// - The rest of the query is not touched: conditions on o's columns meet the nulls that they would have met.
#pragma once

#include "incremental/instance.hpp"
#include "incremental/signed_changes.hpp"

namespace refresh_mv::optional_rows {

// Which rows of the join; before: what o was, where another table's rows are what changes.
enum class Part { matches, left_alone, found, before };

// Whether an instance of a query's FROM stands so, and its join can be taken apart.
bool are_of(Query *query, int rti);

// Has a query join such rows only, or with before what o was; returns their sign, or null if it is 1 for all.  Of D
// those count that are given as few (a part that is not before).  Joins that are inner now are added.
Expr *read(Query *query, const Instance *instance, const SignedChanges *signs, const NamedRows &few, Part part,
           QueryEnvironment *environment, Relids *inner);

} // namespace refresh_mv::optional_rows
