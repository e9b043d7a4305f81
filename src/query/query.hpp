// The query behind a materialized view: where it is stored, what it reads,
// and how it is run.
//
// Invariant: a query handed out by rewritten() is a private copy, expanded
// down to base relations, and every relation in it is locked (AccessShare)
// until the end of the transaction.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::query {

// The query as stored, not to be modified.  Fails if the relation is not a
// materialized view.
Query *stored(Relation view);

// A copy ready for the planner: ordinary views expanded, row-level security
// applied, every relation locked (AccessShareLock).
Query *rewritten(Relation view);

// The same of a query that was just analysed, or is stored.
Query *expanded(Query *query);

// Locks every relation that the view's query reads, partitions and inheritance
// children included (AccessShareLock), so that a snapshot taken afterwards
// cannot miss a TRUNCATE or a rewrite of one of them.  Returns their oids.
List *lock_sources(Relation view);

// A receiver that hands each row to a function and does nothing else.
DestReceiver row_receiver(bool (*receive)(TupleTableSlot *, DestReceiver *));

// Runs a plan under the active snapshot, sending its rows to the receiver.  It may read
// the named rows of the environment, if there is one.
void run(PlannedStmt *plan, DestReceiver *receiver, QueryEnvironment *environment = nullptr);

// Relations in the place of which queries are read, as if they held what these return: of each a StandIn *.  The query
// has the relation's columns; itself it reads that under the alias own_relation, in whose place nothing is put.
struct StandIn {
    Oid relation;
    Query *query;
};
constexpr char own_relation[] = "refresh_mv_as_it_is";

// While it lasts, relations that are added have a stand-in in all queries that are planned.
class StandIns {
public:
    StandIns();
    ~StandIns();
    StandIns(const StandIns &) = delete;
    StandIns &operator=(const StandIns &) = delete;

private:
    List *outer_;
};
void add_stand_in(Oid relation, Query *query);

// Plans a query and runs it.
PlannedStmt *plan(Query *query, int cursor_options);
void run(Query *query, DestReceiver *receiver, int cursor_options,
         QueryEnvironment *environment = nullptr);

// What the planner thinks that a plan, or a query, which is not modified, costs.
double cost(const PlannedStmt *plan);
double cost(Query *query);

// The same for a query that reads no named rows, and fails if the current role may not
// run it.
double checked_cost(Query *query);

// Fails if the current role may not run a rewritten query.
void check_rights(Query *query);

// SELECT [ctid,] all columns FROM a view as it stands, or FROM its own query (with the sign that this may
// return after them), WHERE condition; the condition (null: none) has Vars of varno 1, numbered as
// the columns of the view.
Query *select_held(Relation view, Node *condition);
Query *select_fresh(Relation view, Query *fresh, Node *condition);

// Parses a SELECT that may read its relations whatever the current role's
// privileges.  Its text must be made by us, with every name qualified that is not one
// of pg_catalog: no other schema is searched.  (Names in the query of a view were looked
// up when it was created, so its owner need not have USAGE on their schemas.)
Query *unchecked(const char *text, QueryEnvironment *environment = nullptr);

// Makes an entry of a range table that is a relation read a subquery instead, and ask for no rights.
void read_instead(RangeTblEntry *rte, Query *subquery);

// Makes a query read a subquery, and nothing else.
void read_only(Query *query, Query *subquery);

// Runs a query for its one value of a type passed by value; false if NULL.
bool single_value(Query *query, Datum *value, QueryEnvironment *environment = nullptr);

// Makes a query return some entries of its joined rows: all that follows joining goes.
void select_joined(Query *query, List *entries);

// Has a query return rows in any order, and the columns alone that it shows.
void forget_order(Query *query);

// Adds an expression to what a query returns; returns the number of its column.
AttrNumber add_output(Query *query, Expr *expr, const char *name);

// Whether a query only selects and joins, so that each row of its FROM makes a row.
bool only_joins(Query *query);

// Whether a query has rows as values: the same row has several images, by how many columns its table had when it
// was stored.
bool returns_rows(Query *query);

// The arms of a query that is nothing but a UNION ALL, as entries of its range table; NIL for others.
List *union_arms(Query *query);

// Whether a query, or an expression in one, mentions columns or CTEs of queries around that.
bool mentions_around(Query *query);
bool mentions_around(Node *expr);

// count(*), as an expression.
Expr *count_rows();

} // namespace refresh_mv::query
