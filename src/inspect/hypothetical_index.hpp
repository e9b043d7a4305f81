// Indexes that do not exist, shown to the planner to see what it would do with them.
//
// Invariant: no plan made while they are shown is ever run.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// A btree index over columns of a relation.
struct Candidate {
    Oid relation;
    int count;
    AttrNumber columns[INDEX_MAX_KEYS];
};

namespace hypothetical_index {

// The indexes that conditions of queries could use and that do not exist: on each column
// that is compared with something, and on those together that are in one query; and on those by which
// it sorts what it limits.  As a list of Candidate *, each once.
List *candidates(List *queries);

// Calls code while the planner sees the indexes, a list of Candidate *.  Not to be nested.
double with(List *indexes, double (*code)(void *), void *context);

// The command that creates an index.
const char *command(const Candidate *index);

} // namespace hypothetical_index

} // namespace refresh_mv
