// A view of the first rows of a query, without groups or windows, that shows all that it sorts by.
//
// The view's old rows are the first ones, so that what is not among them comes behind.  Without the rows that were lost
// and with those that were gained, rows up to the place of the old last one are known; if they are enough, the
// first of them are the view's.  (If there were fewer rows than the limit, all are known.)  Otherwise rows have to
// come up from behind that nobody has kept.
//
// Invariant: no row is taken for one of the first of which it is not known that no other comes before it, unless it
// sorts alike.
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv::first_rows {

// Whether the view is one, and its changes are taken by terms.
bool suit(const Work *work);

// Finds the rows to compare: all of the view.
void find_scope(Work *work);

} // namespace refresh_mv::first_rows
