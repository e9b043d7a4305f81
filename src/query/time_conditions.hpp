// Conditions by which the time decides what a query joins, such as ts > now() - interval '30 days'.
//
// Let the time be read only in conditions c[1] .. c[k] that all have to hold for a joined row: of WHERE, or of
// an inner join, in the query itself or where the rows that it joins are additive (UNION ALL, subqueries that only
// select and join).  With J(T, t), the rows that the query joins of tables T at the time t,
//
//     J(T, t)  =  the sum over rows r that are joined of T  of  [c[1](r, t)] * .. * [c[k](r, t)],
//
// where [c] is 1 if c is true, and 0 if it is false or null.  From tables and a time of before to those of now
//
//     J(now, t') - J(before, t)  =  J(now, t) - J(before, t)     as if the time had stood still
//                                +  J(now, t') - J(now, t)       as if the tables had stood still
//
// and the latter telescopes: it is the sum over i of the rows joined of the tables as they are, with c[j] at t' for j < i
// and at t for j > i, and with [c[i](r, t')] - [c[i](r, t)] as their sign.  Nothing is asked of the conditions but that
// they are functions of the row, the tables, settings and the time.  They need not be monotone, they may be about
// several tables, and clocks may go back.  Where a condition compares something with a value of the time, only rows
// between the two values can have a sign (incremental/time_bounds.hpp).
//
// Invariants:
// - A time is that of a transaction and that of its statement, as now() and statement_timestamp() tell them; with the
//   settings, which have to be the same, they tell all others.
// - Analysis reads catalogs and the query tree, never data, and has no effect.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct Moment {
    TimestampTz transaction;
    TimestampTz statement;
};

struct TimeCondition {
    Query *query;    // of what this joins
    Node **quals;    // one of these, of which all have to hold
    Node *condition; // that reads the time
};

// Where a query reads the time: where it may, or where it may not.  unknown: it was not looked for.
enum class TimePlace { unknown, condition, output, aggregate, having, outer_join, from, subquery };

namespace time_conditions {

// The time of the transaction and the statement.
Moment present();

bool same(const Moment &a, const Moment &b);

// Whether an expression tells the time, or something by it, by itself: now(), CURRENT_DATE, age(timestamp) ...
bool tells_time(Node *node);

// The same of an expression or a query with all that is below it.
bool reads_time(Node *node);

// A rewritten query, or a copy of it, of which place_of() knows for what tells the time where it stands.
Query *placed(Query *rewritten);
TimePlace place_of(Node *time);

// The same for people.
const char *describe(TimePlace place);

// The conditions of a normalized query that read the time, as TimeCondition *, in the order of the tree; and
// whether something else in it does.
List *find(Query *query);
bool read_elsewhere(Query *query);

// A copy of a query or an expression in which it is always that time.
Node *at(Node *node, const Moment &moment);

// Puts another condition in the place of one.
void replace(TimeCondition *condition, Node *with);

// Whether a condition compares rows with another value at one time than at the other.  Fails if the user's
// expression does.
bool has_moved(Node *condition, const Moment &before, const Moment &now);

// Whether an expression needs a row to be evaluated, and the value of one that does not.
bool needs_row(Node *node);
Const *value_of(Node *node);

} // namespace time_conditions

} // namespace refresh_mv
