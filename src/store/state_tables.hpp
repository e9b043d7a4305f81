// The tables that hold the states of views, made and dropped with them.
//
// Invariants:
// - They are unlogged: they cost no WAL, and no publication sends them to servers that do
//   not have them.
// - They are members of the extension: not dumped, dropped with it.  They belong to its
//   owner, and nobody else has rights on them.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

namespace state_tables {

// The name of the table of a view's groups, and of those of the values of a partial aggregate, for
// queries.
const char *groups(Oid view);
const char *values(Oid view, int partial);

// Whether a view has such tables.
bool exist(Oid view);

// Makes a table of such a name.  Not by a command: that would start the database's event
// triggers, which may have objections.
void create(const char *name, List *columns);

// Indexes a table by its hash, once it is filled.
void create_index(const char *name);

// Drops the tables of a view, if there are any; or those of all views that do not
// exist any more.
void drop(Oid view);
void drop_orphans();

} // namespace state_tables

} // namespace refresh_mv
