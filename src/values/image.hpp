// Rows compared by image: byte for byte, not by the types' own equality.
//
// 1.0 and 1.00 are equal and are not the same; json and point have no
// equality at all.  Two values have the same image if they are stored as the
// same bytes once detoasted; NULL has the same image as NULL.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::image {

// Whether two values of a column have the same image.
bool same(Form_pg_attribute attr, Datum a, bool a_null, Datum b, bool b_null);

// Whether two rows have the same image in all columns.
bool same_row(TupleDesc desc, const Datum *a, const bool *a_null, const Datum *b,
              const bool *b_null);

// A hash of the given columns (numbers from 1) of a row, or of all of them
// where columns is null.  Equal images have equal hashes; the reverse is
// likely, never assumed.  May leave detoasted copies in the current context.
uint64 hash_row(TupleDesc desc, const Datum *values, const bool *nulls,
                const AttrNumber *columns, int ncolumns);

} // namespace refresh_mv::image
