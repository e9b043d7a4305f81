// The image of a value as a key of groups, which tells apart what is equal and not the same.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::image_key {

// The bytes of an expression's value, as an expression.
Expr *of(const Expr *expr);

// GROUP BY that.
SortGroupClause *clause();

} // namespace refresh_mv::image_key
