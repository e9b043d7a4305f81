// What = of a type means: whether it is the plain one, and whether equal values look the
// same.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::equality {

// Whether values of a type that its default ordering calls equal have the same image.
bool means_same(Oid type, int32 typmod, Oid collation);

// Whether = of an expression's type and collation, as a clause uses it, is the one of
// pg_catalog that hashes, and the one that = by name is.
bool is_plain(Oid equality, Expr *expr);

// The same, and equal values have the same image, whatever length is declared.
bool is_plain_and_means_same(Oid equality, Expr *expr);

} // namespace refresh_mv::equality
