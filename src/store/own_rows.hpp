// Rows of this extension's own tables, read by a key without SQL: a statement costs ten to a
// hundred times as much to parse, plan and start as these rows to be found.
//
// Invariants:
// - What is read is what the same SELECT would have read: under the active snapshot, or the
//   newest one, as statement::read() and statement::execute() take it.
// - It is for the extension to know who may see what: no right is asked for, as the statements
//   run as the tables' owner.
// - An index is only the quicker way: without one (as while it is built anew) the table is read.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::own_rows {

// A condition: a column compared to a value.
struct Key {
    const char *column;
    StrategyNumber strategy; // BTEqualStrategyNumber, ...
    RegProcedure function;   // the operator's
    Datum value;
};

Key is(const char *column, Oid value);
Key is(const char *column, const char *value);
Key at_least(const char *column, int64 value);
Key below(const char *column, int64 value);
Key before(const char *column, TimestampTz value);

enum class Under { active_snapshot, newest_snapshot };

// A scan under way: tuple is the row that it stands at.
struct Scan {
    Relation table;
    Snapshot snapshot;
    SysScanDesc rows;
    HeapTuple tuple;
    bool indexed;
    Tuplesortstate *sorted; // the rows, where they had to be put in order
    TupleTableSlot *slot;
};

// Begins to read the rows of a table that satisfy all conditions, three at most.  An index is
// used whose first columns are those of the conditions, in that order.
Scan begin(const char *table, Under snapshot, const Key *keys, int count);
template <int count>
Scan begin(const char *table, Under snapshot, const Key (&keys)[count])
{
    return begin(table, snapshot, keys, count);
}

// Has the rows come in the order of a column of type bigint, the last one of the conditions.
// That is how an index has them; without one they are sorted.
void order_by(Scan *scan, const char *column);

// Goes on to the next row; false at the end.
bool next(Scan *scan);

void end(Scan *scan);

// Whether there is such a row.
template <int count>
bool exists(const char *table, Under snapshot, const Key (&keys)[count])
{
    Scan scan = begin(table, snapshot, keys);
    bool found = next(&scan);
    end(&scan);
    return found;
}

// A column of the row, which lives as long as the scan stands there.
Datum value(const Scan &scan, const char *column, bool *null);

// The same; 0, false or null where it is null, and texts allocated anew.
Oid oid(const Scan &scan, const char *column);
int64 number(const Scan &scan, const char *column);
bool truth(const Scan &scan, const char *column);
char *string(const Scan &scan, const char *column);
List *names(const Scan &scan, const char *column);

// Makes a row of a table by the names of its columns, and stores it.
class Row {
public:
    explicit Row(Relation table);
    Row &set(const char *column, Datum value, bool null = false);
    Row &text(const char *column, const char *value); // null: NULL
    void store();

private:
    Relation table_;
    Datum *values_;
    bool *nulls_;
};

} // namespace refresh_mv::own_rows
