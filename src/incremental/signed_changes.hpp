// The changes of a table as rows with a sign: +1 for a row that has come, -1 for one that has
// gone. A row that was changed is both.
//
// Invariants:
// - The table as it was, plus the rows with their signs, is the table as it is, as bags of the
//   columns that the view's query reads.
// - A key has at most one row of each sign, or none if the row looks the same in these columns.
#pragma once

#include "tracking/net_changes.hpp"

namespace refresh_mv {

// The rows have the columns of the table by number (null if they are not read, and are
// not of its key), and the sign, under the name of the column existed.
struct SignedChanges {
    const NetChanges *changes;
    Bitmapset *columns; // of the table, that are filled
    NamedRows rows;
};

namespace signed_changes {

// Whether images() can read so many columns.
bool readable(const NetChanges *changes, Bitmapset *columns);

// A query for the new rows of the changed keys, beside what they were before. columns are
// those that the view's query reads, numbered as in all such bitmaps.
Query *images(const NetChanges *changes, Bitmapset *columns, QueryEnvironment *environment);

// No changes yet, under a name.
SignedChanges make(const NetChanges *changes, Bitmapset *columns, const char *name);

// Fills them with what a plan of images() returns.
void fill(SignedChanges *signs, PlannedStmt *images, QueryEnvironment *environment);

// The same, row by row, by the table's key; what that costs in the planner's units, or a negative number
// if it is not possible or reading the table as a whole may be cheaper.
double cost_by_key(const NetChanges *changes);
void fill_by_key(SignedChanges *signs);

// Fills them with the changes of a materialized view, which are images themselves.
void fill_from_bag(SignedChanges *signs);

} // namespace signed_changes

} // namespace refresh_mv
