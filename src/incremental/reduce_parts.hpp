// Parts in which there can be no joined row: those that what has not changed rules out, and in a state those that
// the changed rows themselves rule out.
//
// A part has joined rows, in either state, only if the tables that have not changed and that the query
// joins without making them null have rows with its anchor value that satisfy the query's conditions on
// them alone.  If such a table has changed, and its key is the anchor, the part of a changed row has that row alone
// of it: as it was, as it is, or none.
#pragma once

#include "incremental/anchor.hpp"
#include "incremental/row_names.hpp"
#include "incremental/signed_changes.hpp"

namespace refresh_mv::reduce_parts {

// A query for the anchor values, as part, that what has not changed leaves; null if it
// has no conditions.  The query is not modified.
Query *possible(Query *query, const Anchoring &anchoring, List *changes);

// Whether an instance has one row at most in each part, that every joined row of the query is made of.
bool has_row_of_part(Query *query, const Instance *instance, const NetChanges *changes);

// That a part p is not that of a new row of that instance, as a condition.
const char *had_row(const Instance *instance, const NetChanges *changes);

// A text for those of some parts, rows of a name, that can have joined rows in a state: where that instance has no
// changed row, or one of those that are left of its signed changes, as rows of that name.
const char *left_by_row(const Instance *instance, const SignedChanges *signs, const char *left, TableState state, const char *parts);

} // namespace refresh_mv::reduce_parts
