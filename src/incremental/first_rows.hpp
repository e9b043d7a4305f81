// A view of the first rows of a query, joined ones or groups, that shows all that it sorts by.
//
// The view's old rows are the first ones, so that what is not among them comes behind.  Without the rows that were lost
// and with those that were gained, rows up to the place of the old last one are known; if they are enough, the
// first of them are the view's.  (If there were fewer rows than the limit, all are known.)  Otherwise rows have to
// come up from behind that nobody has kept.
//
// Of groups, the touched ones are known as they are now, and the old rows of the others.
//
// Invariant: no row is taken for one of the first of which it is not known that no other comes before it, unless it
// sorts alike.
#pragma once

#include "incremental/key_shape.hpp"
#include "incremental/work.hpp"

namespace refresh_mv::first_rows {

// Whether the view is one of joined rows, and its changes are taken by terms.
bool suit(const Work *work);

// Finds the rows to compare: all of the view.
void find_scope(Work *work);

// Whether the view is one of groups, of which all keys are shown that the others depend on.
bool suit_groups(const Work *work);

// The query for the view's rows, of what it held and the touched groups, which are shown, as are their keys under that
// name; null if rows have to come up from behind.
Query *of_groups(Work *work, const KeyShape &keys, const char *touched);

} // namespace refresh_mv::first_rows
