// Whether equal values of an expression are the same.
//
// For some types all that are equal are (see values/equality.hpp).  For others it takes a form
// that all values of the expression have: a display scale of numeric, a length of character,
// floating-point numbers that are whole.  What the expression's type modifier says is no proof:
// a cast's function can be anybody's.  A form has
// - a column of a table that is stored here, whose declared length or scale every row was made
//   to fit; of a materialized view or a subquery,
//   as the query has it;
// - what comes out of a cast to such a type, of round(), trunc(), ceil(), floor(), sign() or
//   abs(), of + - * of numerics with forms, of a sum or an extreme of such, of whole numbers;
// - EXTRACT and date_part() of fields that are whole numbers (-0 is none);
// - a choice among expressions that all have the same one (CASE, coalesce(), ...).
//
// Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::sameness {

// Whether an equality, as a clause uses it, is PostgreSQL's own, and values of an expression of
// the query that it calls equal are the same.
bool holds(Query *query, Oid equality, Expr *expr);

// The same by the equality that the expression's type has by default.
bool holds(Query *query, Expr *expr);

} // namespace refresh_mv::sameness
