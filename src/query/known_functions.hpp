// What the functions of PostgreSQL and of extensions that are not immutable, or only said
// to be, depend on.
#pragma once

#include "server/pg.hpp"

#include <string_view>

namespace refresh_mv {

// What the result of a function depends on, besides its arguments.
enum class Uses {
    nothing,  // nothing, though it is marked stable
    settings, // settings
    zone,     // settings, unless its time zone is a constant that names a region
    output,   // the output functions of its arguments' types
    input,    // the input functions of its result type
};

struct KnownFunction {
    std::string_view name;
    Uses uses;
};

namespace known_functions {

// What a function of pg_catalog is known to depend on; null for all that are
// not in the list.
const KnownFunction *find(Oid function);

// Whether a function of an extension that is not immutable is known to depend on its
// arguments alone.
bool is_constant(Oid function);

// The setting of an extension on which a function of that extension depends; null if
// it is not known to depend on that alone.
const char *extension_setting(Oid function);

} // namespace known_functions

} // namespace refresh_mv
