// Statements on this extension's own tables.  They run as the tables' owner,
// whoever calls.  Operators and functions in them are written with their schema.
//
// Invariant: nothing that is done to these tables is sent to subscribers, should
// somebody publish all tables: a subscriber that has no such table would stop.  So rows
// are written by change(), not by INSERT, UPDATE and DELETE.  Rows that come are not
// marked for logical decoding, and rows that go have no replica identity, which is what
// it would send of them.  (A row updated in place is always sent.)
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::statement {

// The owner of the schema with the tables.
Oid owner();

// A statement's parameters, $1 and so on, in the order in which they are added.
class Values {
public:
    Values &add(Oid type, Datum value, bool null = false);
    Values &oid(Oid value) { return add(OIDOID, ObjectIdGetDatum(value)); }
    Values &boolean(bool value) { return add(BOOLOID, BoolGetDatum(value)); }
    Values &int4(int32 value) { return add(INT4OID, Int32GetDatum(value)); }
    Values &int8(int64 value) { return add(INT8OID, Int64GetDatum(value)); }
    Values &float8(double value) { return add(FLOAT8OID, Float8GetDatum(value)); }
    Values &xid8(FullTransactionId value) { return add(XID8OID, FullTransactionIdGetDatum(value)); }
    Values &timestamptz(TimestampTz value) { return add(TIMESTAMPTZOID, TimestampTzGetDatum(value)); }
    Values &text(const char *value); // null: NULL
    Values &texts(List *values);     // of C strings
    Values &oids(List *values);

    static constexpr int most = 24;
    int count = 0;
    Oid types[most];
    Datum values[most];
    char nulls[most]; // as SPI takes them
};

// Runs a statement; the caller has connected SPI.  Fails unless SPI reports the
// expected kind of result.
void execute(const char *sql, const Values &values, int expected);

// Runs a query under the active snapshot and not, as execute does, under the
// newest.  Its plan is kept, in *plan.
void read(SPIPlanPtr *plan, const char *sql, const Values &values);

// The extension's relation of a name; InvalidOid if there is none: amidst a restore, or without the extension.
Oid find_relation(const char *name);

// The same; fails if there is none, since the extension has been dropped meanwhile, say.
Oid relation(const char *name);

// Opens a table, to write to it if nothing else is said; fails as relation() does.
Relation open_table(const char *name, LOCKMODE lock = RowExclusiveLock);

// Inserts a row into a table alone, and with its index entries.
void store(Relation table, HeapTuple row);
void insert(Relation table, HeapTuple row);

// Changes rows of a table.  The query returns a row for each of them: first the ctid of
// the row that goes, locked, or null; then, by name, columns of the row that comes in its
// place, which has the others from it.  A query that returns nothing but ctids deletes.
// Returns how many there were.
uint64 change(const char *name, const char *sql, const Values &values);

// The same with a plan that is kept, in *plan: for what is done in each call.
uint64 change(SPIPlanPtr *plan, const char *name, const char *sql, const Values &values);

// Column n of the given row that the last statement returned.
Datum returned(uint64 row, int column, bool *null);

// The same as text in the given memory; null if it is null.
char *returned_text(uint64 row, int column, MemoryContext memory);

// The same as a number, an oid, a truth value; 0 or false if it is null.
int64 returned_int64(uint64 row, int column);
Oid returned_oid(uint64 row, int column);
bool returned_bool(uint64 row, int column);

// The names in an array of text, as a list of C strings in the current memory.
List *names_of(Datum array);

// Whether a name is in such a list.
bool contains(List *names, const char *name);

} // namespace refresh_mv::statement
