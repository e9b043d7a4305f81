// The joined rows of a query apart from what is done with them, where that cannot be followed row by row:
//
//     SELECT id, sum(x) OVER (ORDER BY id) FROM t ...     the window over  SELECT id, x FROM t ... GROUP BY id, x
//     SELECT s, x FROM t, u ... ORDER BY x LIMIT 10       the first ten of  SELECT s, x, t.id, u.id ... GROUP BY ...
//     SELECT x, count(*) OVER () FROM (... UNION ALL ...)  the window over  SELECT x, count(*) AS n ... GROUP BY x,
//                                                         and n times each of its rows
//
// Invariants:
// - The query above returns the rows of the query, in any order that it may have returned them in.
// - The groups below are the joined rows, or tell how many of each there are; values that are equal and not
//   the same are told apart.
// - Whether a query is taken apart, and how, depends on catalogs and the query tree alone.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct RowsBelow {
    Query *above; // null: the query cannot be taken apart
    Query *rows;  // in the FROM of that, with nothing around it
};

namespace rows_below {

// Takes a query apart that mentions nothing around it and does more than to join, and is not modified.
RowsBelow take_apart(Query *query);

// Has a query that only joins return each row once; false if rows cannot be compared.
bool group_by_all(Query *query);

} // namespace rows_below

} // namespace refresh_mv
