// Whole rows, spelled out: the row type of a table, a view or a subquery does not change when the entry
// of the range table is given other columns, or is replaced.
//
// Invariant: the query returns the same rows as before.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::whole_rows {

// Turns mentions of a whole row into ROW(its columns), at all levels of a query; not of rows that an
// outer join can make null, which are null as a whole then.
void spell_out(Query *query);

} // namespace refresh_mv::whole_rows
