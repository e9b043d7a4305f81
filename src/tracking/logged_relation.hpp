// A relation that has this extension's triggers, as the triggers see it: what
// of its rows is logged, and under which source.
//
// What is logged stands in the triggers' arguments, by column names, so that it
// comes and goes with them: under the lock that CREATE TRIGGER takes, by the
// relcache's invalidations, and by a dump.  It is one argument, since every
// statement copies the arguments of all triggers of its table:
//
//     flags, number of key columns: key columns, other columns
//
//     flags: x  rows are logged (else: just that there were changes)
//            c  a view is refreshed on commit
//            h  it is a hypertable, or a chunk of one: row triggers count rows
//            w  no view needs to know more than that it was written to
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct Logged {
    Oid relation;        // with the triggers; the cache's key
    bool valid;
    bool invalidated;    // while it was being looked up
    bool warned;         // of the problem
    MemoryContext memory;
    Oid source;          // the root of a partition tree, or the relation itself
    int64 layout;        // tells what bytes an entry's images are made of
    bool exact;
    bool on_commit;
    const char *problem; // why rows cannot be logged; null: they can
    int nkeys;           // 0: rows have no key and are known by their images
    int ncolumns;
    AttrNumber *columns; // key columns first
    int key_width;       // of a key of one integer column; 0: any other
    bool partitioned;    // or a partition
    bool hypertable;     // or a chunk of one
    bool in_tree;        // of tables that inherit: a row trigger tells of rows that no statement tells of
    bool partial;        // inserted rows may come without their generated columns
    bool coarse;         // no view needs to know more than that it was written to
};

namespace logged_relation {

// The name of the trigger for rows of which no statement tells.
constexpr char row_trigger[] = "refresh_mv_row";

// That of the one for DELETE.
constexpr char delete_trigger[] = "refresh_mv_delete";

// That of the one for rows that another server has sent.
constexpr char apply_trigger[] = "refresh_mv_apply";

// Whether a trigger of such a name is ours, and not one of a user's.
bool is_ours(const Trigger &trigger, const char *name);

// The argument that says so, of column names (C strings).
struct Flags {
    bool exact;
    bool on_commit;
    bool hypertable;
    bool coarse;
};
char *argument(Flags flags, List *key, List *others);

// What the trigger logs of its relation.  Valid until the next invalidation:
// do not keep it while anything is locked or looked up.
Logged *find(Relation relation, const Trigger *trigger);

// A number for the columns of an entry's images, key columns first: another one
// for other names, types or order.
int64 layout(Relation relation, const AttrNumber *columns, int count, int nkeys);

// A key column's bytes, if it is a key of one integer: 2, 4 or 8; 0 for others.
int key_width(Oid type);

// The source that a table belongs to: the root of its partition tree.
Oid source_of(Relation relation);

// The relation's cached entry is looked up anew.  For _PG_init.
void watch();

} // namespace logged_relation

} // namespace refresh_mv
