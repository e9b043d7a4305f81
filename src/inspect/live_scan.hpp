// SELECT ... FROM refresh_mv.live(NULL::view) WHERE ..., planned as a scan of its own: conditions of the query are taken
// into both of what it reads, the rows that the view holds and its query for those that may differ; the former are
// handed on as they are read.
//
// Invariants:
// - What the function returns by itself is what the scan returns.  All conditions are tested on its rows once more: what
//   is taken in only spares work.
// - Taken in is what calls nothing but leakproof functions on columns of the view: what it does can be seen neither by
//   errors nor otherwise, and it may be evaluated as the view's owner, before the view's own conditions.  What is compared
//   with columns is computed first, as the user of the query.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::live_scan {

// Has the planner told of calls of the function.
void watch();

// What the planner asks about a call of the function: how many rows there are.
Datum support(Node *request);

} // namespace refresh_mv::live_scan
