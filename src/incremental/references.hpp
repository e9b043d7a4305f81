// Instances that are joined by another's key, as items are with their order by its number.
//
// In a joined row, the row of the other is known by columns of the instance, then: whether its key has a change can be
// told of the instance's row, before anything is joined.
#pragma once

#include "incremental/instance.hpp"

namespace refresh_mv::references {

// The columns of an instance that equal the key of another in all joined rows, by name, in the key's order; NIL if there are
// not all, or there is no key. Both are in one query.  optional: the instance is on the nullable side of a left join, of which only rows with
// a match count.
List *columns(const Instance *instance, const Instance *other, List *key, bool optional);

// Numbers of instances, so that each comes before those to which it refers, where they do not refer to each other. keys has
// that of each instance's table, or NIL.
List *ordered(List *instances, List *numbers, List *keys);

} // namespace refresh_mv::references
