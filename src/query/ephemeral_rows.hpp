// Rows in memory that queries can read by name, as triggers read transition
// tables.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct NamedRows {
    const char *name;
    TupleDesc desc;
    Tuplestorestate *rows;
    int64 count;
};

namespace ephemeral_rows {

// No rows yet, of that shape, under that name.
NamedRows make(const char *name, TupleDesc desc);

// Adds a row.
void add(NamedRows *named, Datum *values, bool *nulls);

// Runs a query or its plan, reading named rows of the environment if there is one, and
// keeps its result under a name.
NamedRows result_of(PlannedStmt *plan, const char *name, QueryEnvironment *environment);
NamedRows result_of(Query *query, const char *name, QueryEnvironment *environment);

// What a plan is expected to return: so many rows, of which there is none.  Nothing is
// run; queries that read them can be planned.
NamedRows expected_of(PlannedStmt *plan, const char *name, QueryEnvironment *environment);
NamedRows expected(const char *name, TupleDesc desc, double count);

// Either of the two for plans: what they return, or what is expected.
using Result = NamedRows (*)(PlannedStmt *, const char *, QueryEnvironment *);

// Lets queries parsed and run with the environment read the rows, instead of others
// of that name, which are released.
void show(QueryEnvironment *environment, const NamedRows &rows);

// The same for rows that somebody else releases.
void lend(QueryEnvironment *environment, const NamedRows &rows);

// Releases all rows that the environment shows, but for those lent: their files have to be closed before
// the (sub)transaction ends.
void release_all(QueryEnvironment *environment);

// The same for the statements of a connected SPI.
void show_spi(const NamedRows &rows);

// Rows that the environment shows.
NamedRows shown(QueryEnvironment *environment, const char *name);

// Lets queries be parsed that read a query by name, which replace() is to put there.
void stand_in(QueryEnvironment *environment, const char *name, Query *query);

// Parses a text that reads a query by name.
Query *over(const char *text, const char *name, Query *query, QueryEnvironment *environment);

// The same of several queries, whose names are numbered() from 1 on.
const char *numbered(const char *name, int number);
Query *over_all(const char *text, const char *name, List *queries, QueryEnvironment *environment);

// The rows of all queries.
Query *union_all(const char *name, List *queries, QueryEnvironment *environment);

// Puts a query in the place of all rows of a name.
void replace(Query *query, const char *name, Query *replacement);

void release(NamedRows *rows);

} // namespace ephemeral_rows

} // namespace refresh_mv
