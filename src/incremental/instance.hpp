// A table that a query reads, at any depth, and what queries say about it.
#pragma once

#include "tracking/net_changes.hpp"

namespace refresh_mv {

struct Anchoring;

struct Instance {
    Query *query; // whose range table it is in
    Index rti;
    Oid relation;
    Oid partition;     // by whose bounds a root is read, where its rows are as they are now; InvalidOid: all are
    AttrNumber anchor; // its column of the class; 0: it has none
    bool repeated;     // evaluated anew for each row of the query around it
    bool sole;         // and the anchor is its own: nothing around it is restricted so that it need not be
    bool implied;      // its anchor equals one that is restricted, by a join or a condition of the query itself
    bool keeps_nulls;  // a row with a null there matters to all parts (NOT IN)
    bool across;       // in a subquery that is evaluated for the query's joined rows, and compares with them somehow
    const Anchoring *other; // one by which its changes are followed if this one loses it; null: not looked for, or none
    const char *recursion; // the recursive query that reads it, by name; null: none
    bool joined;       // read through FROM and queries that only select and join
    bool optional;     // alone on the nullable side of a left join that can be taken apart (optional_rows.hpp), and
                       // not read as whole rows, which an outer join makes null as a whole
    bool linear;       // and on the nullable side of no join, nor as whole rows: the joined rows are additive in
                       // its rows, and these may come with a sign
};

namespace instance {

// All instances of a query, to which they point, in the order of its tree.
List *all(Query *query);

// All subqueries that read a recursive query alone, whose columns can be anchors as those of tables; the relation
// of each is InvalidOid.
List *recursions(Query *query);

// The one that is an entry of a query's range table; null if it is none.
Instance *find(List *instances, Query *query, int rti);

// Whether its table is the state of a node (nodes.hpp).
bool is_state(const Instance *instance);

// The changes of the table that an instance reads; null if there are none.
const NetChanges *changes_of(List *changes, const Instance *instance);

// Names for queries; that of a table for its FROM, without what its children by inheritance hold.
const char *column_name(Oid relation, AttrNumber column);
const char *qualified_name(Oid relation);

// What to read for the rows that an instance has as its table is now.
const char *table_name(const Instance *instance);

// The columns of the table that the query uses, and the anchor; numbers are offset as in all
// such bitmaps, the whole row is column 0.
Bitmapset *columns_read(const Instance *instance);
bool reads_whole_row(const Instance *instance);

// All columns of the table, by number, as those of t; null for those that are dropped
// or that the query does not use.
const char *used_columns(const Instance *instance);
const char *all_columns(const Instance *instance);

// "t.column is from least to greatest", as a condition.
const char *in_range(const char *column, int64 least, int64 greatest);

// Puts a query in the place of the table.  It has all the columns that the table has now,
// which may be more than when the view was made.
void replace(const Instance *instance, const char *text, QueryEnvironment *environment);

} // namespace instance

} // namespace refresh_mv
