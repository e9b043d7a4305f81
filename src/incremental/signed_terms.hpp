// What a query's joined rows have gained and lost, by terms that read its tables as they are.
//
// An instance of a table is linear if the bag of joined rows is additive in it: it is read
// through inner joins, preserved sides of outer joins, conditions, arms of UNION ALL, and
// subqueries that only select and join.  Let 1 .. c be the linear instances whose tables have
// changed, D[i] the signed changes of instance i (signed_changes.hpp).  Then
//
//     J(now) - J(before)  =  the sum over i of  J[ i: D[i];  j < i: now;  j > i: before ]
//
// since the terms telescope.  A table before is not read as such, but taken apart:
//
//     before  =  the rows now whose keys have no change  +  the old images
//             =  the rows now  -  D                            (of a materialized view)
//
// so that each term falls into terms of its own, in which every instance is the table as it
// is, with its indexes, or a few rows of known number: 2^c - 1 in all, of instances that are joined; c of
// those in c arms of a UNION ALL, since no row comes out of two.
//
// Where conditions go by the time, these terms are evaluated as of the time before; for each condition that has moved
// there is one more, of the rows that the tables as they are join or do not for that alone (passage.hpp).
//
// Invariants:
// - The signs of a joined row add up to how many more of it there are now.  A row that was
//   there in neither state can be among the terms' rows; its signs add up to nothing. (What the
//   query computes of it can fail, which ends the exact refresh and is no error of the view.)
// - The query's own conditions, joins and subqueries are not touched.  Instances that are not
//   linear are read as they are now.
#pragma once

#include "incremental/anchor.hpp"
#include "incremental/passage.hpp"
#include "incremental/signed_changes.hpp"

namespace refresh_mv::signed_terms {

// Whether the terms tell all: each changed instance is linear, and there are few.
bool tell_all(Query *query, const Anchoring &anchoring, List *changes);

// The columns that a query reads of a changed table.
Bitmapset *columns_read(const Anchoring &anchoring, const NetChanges *changes);

// Those of the signed changes that are of an instance's table; null if there are none.
const SignedChanges *signs_of(List *signs, const Instance *instance);

// Whether signed changes can be had of all changes.
bool have_signs(const Anchoring &anchoring, List *changes);

// A query for the expressions, as c1, c2, ..., of the joined rows that a query has gained and
// lost, and the sign.  It is not modified; the expressions are over its FROM.  signs as a list of
// SignedChanges *; passage as what the time has done since; by result the few rows are found that terms read, and
// shown.  *terms says how many terms it has: null if there is none, since nothing that the query reads has changed.
Query *joined_rows(Query *query, const Anchoring &anchoring, List *signs, const Passage &passage, List *expressions,
                   ephemeral_rows::Result result, QueryEnvironment *environment, int *terms);

} // namespace refresh_mv::signed_terms
