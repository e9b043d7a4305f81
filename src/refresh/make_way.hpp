// A merge of a part of a view while what is in another part of it is not right yet, and may go.
//
// A row that has moved into the part has an old version outside, which a unique index does not let stand beside it.
// Where the merge meets that, it is done again, and takes in the rows outside that have the unique key of a fresh row.
//
// Invariant: of the rows outside, only such are removed, and only from where they may go.
#pragma once

#include "refresh/merge_scope.hpp"

namespace refresh_mv::make_way {

// Merges both sides; rows that satisfy the condition, on the view's columns, may go (null: none).  False, with nothing
// done, where a unique index is in the way all the same.
bool merge(const OpenView &view, const Sides &sides, Method method, Node *may_go, Merged *merged);

} // namespace refresh_mv::make_way
