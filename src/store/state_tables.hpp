// The tables that hold the states of views, made and dropped with them.
//
// Invariants:
// - They are unlogged, and so cost no WAL and are empty after a crash, unless refresh_mv.logged_states is set when they
//   are made.  No publication sends them to servers that do not have them: where there is one of all tables, they are
//   unlogged, or, if they were made before it, of no use any more.
// - They are members of the extension: not dumped, dropped with it.  They belong to its
//   owner, and nobody else has rights on them.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// Which state: that of a view (node 0), or of one of its nodes (1, 2, ...).
struct State {
    Oid view;
    int node;
};

} // namespace refresh_mv

namespace refresh_mv::state_tables {

// The name of the table of a state's groups, and of those of the values of a partial aggregate, for
// queries.
const char *groups(State state);
const char *values(State state, int partial);

// Whether states that are made from now on survive a crash.
extern bool logged;

// Whether a state may be changed: no publication would send it.
bool may_change(State state);

// The table of a state's groups; InvalidOid if there is none.
Oid groups_oid(State state);

// Locks the tables of a state for reading, with those of the values of so many partial aggregates; false if any of them
// is being dropped, or is gone.
bool lock_if_free(State state, int partials);

// Makes a table of such a name.  Not by a command: that would start the database's event
// triggers, which may have objections.
void create(const char *name, List *columns);

// Indexes a table by its hash, once it is filled, and lets the planner know that few rows have the same.
void create_index(const char *name);

// Drops the tables of a view and its nodes, if there are any; of one state; or those of all views that do not
// exist any more.
void drop(Oid view);
void drop_one(State state);
void drop_orphans();

} // namespace refresh_mv::state_tables
