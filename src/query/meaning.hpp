// What the meaning of a view's query depends on, besides data and settings.
//
// Invariants:
// - As long as the fingerprint is the same, the query means the same: over the same
//   data and under the same settings it returns the same rows.  What could change
//   its meaning is enumerated in one place, the list of kinds in meaning_objects.cpp.
// - A fingerprint is made of what catalogs say, as they are now, and not of when that was
//   written: VACUUM and the like do not change it.
// - It is read at each refresh, and costs some microseconds for each type, function
//   and operator that is not built in.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::meaning {

// Something that is not built in, on which the meaning of a query depends.
struct Object {
    Oid catalog;
    Oid oid;
};

// The fingerprint of the query of a view that is locked, with those behind it.
const char *fingerprint(Relation view);

// What makes up the fingerprint, count of them, so that commands can be told that
// change it.
Object *objects(Relation view, int *count);

} // namespace refresh_mv::meaning
