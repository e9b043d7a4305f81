// The window scope: the part of a view from a date on.
//
// Invariants:
// - The window starts at the bucket that holds the first day asked for, so
//   that every row of the view in it can be recomputed whole: for a view by
//   month, "the last 2 days" begin with the first of the month.  Where buckets
//   are made shows in the query, or else (in a table by month, say) in the
//   view: the bucket of a day is at or after the last value up to that day.
// - Rows without a date are in every window: they may be new.
// - The condition on the view's column decides alone what is in the window,
//   for held rows and fresh rows alike.  Range conditions added on the columns
//   below bucket expressions are implied by it, a superset at all times, and
//   only there so that an index on those columns can be used.
#pragma once

#include "query/shape.hpp"

namespace refresh_mv::date_window {

// The start of the window that reaches days back from current_date, as a value
// of the column's type; false where the bucket of that day cannot be
// determined.  Takes the rewritten query.  Calls the functions of the column's
// expression on dates that may not be in the data; their errors are errors.
bool start(Relation view, Query *query, WindowColumn column, int days, Datum *start);

// column >= start, over the view's columns (varno 1); with_undated also where it is NULL.
Node *condition(Relation view, WindowColumn column, Datum start, bool with_undated);

// Adds to the rewritten query the range conditions that this condition implies.  Calls
// functions as start() does.
void add_implied_ranges(Query *query, WindowColumn column, Datum start, int days, bool with_undated);

// The same for start <= column < end, both finite, or null for none.
void add_implied_ranges(Query *query, WindowColumn column, const Datum *start, const Datum *end);

// The view's rows of the last days.
struct Part {
    Node *held;      // the condition for rows that the view holds
    Node *wanted;    // the same for rows of its query, if those all have dates without a test
    Query *fresh;    // the query, with the ranges that it implies
};

// Finds that part; false where its start cannot be determined.  Calls functions as start()
// does.
bool restrict_to(Relation view, WindowColumn column, int days, Part *part);

// Values of all date types compare as such numbers, infinities included.
int64 ordinal(Oid type, Datum value);

// current_date less so long, as a value of a date type.
Datum before_today(Oid type, Interval *age);

// The newest finite value of the column in the view, read under the active
// snapshot; false where there is none.
bool newest(Relation view, WindowColumn column, Datum *value);

// A value of a date type as a date, in the session's time zone.
DateADT as_date(Oid type, Datum value);

} // namespace refresh_mv::date_window
