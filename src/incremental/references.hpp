// Instances that are joined by another's key, as items are with their order by its number.
//
// In a joined row, the row of the other is known by columns of the instance, then: whether its key has a change can be
// told of the instance's row, before anything is joined.
#pragma once

#include "incremental/instance.hpp"

namespace refresh_mv::references {

// The columns of an instance that equal the key of another in all joined rows, by name, in the key's order; NIL if there are
// not all. Both are in one query.  optional: the instance is on the nullable side of a left join, of which only rows with
// a match count.
List *columns(const Instance *instance, const Instance *other, List *key, bool optional);

} // namespace refresh_mv::references
