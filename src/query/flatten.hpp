// Subqueries in FROM that only select and join, made part of the query around them.
//
// Invariant: the query returns the same rows as before.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::flatten {

// Takes the subqueries apart that are entries of the query's FROM themselves, ordinary views included, but those
// that are security barriers; returns the query.  Its joins have to be described anew.
Query *from(Query *query);

} // namespace refresh_mv::flatten
