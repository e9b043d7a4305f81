// What would make a method possible, or cheaper.
//
// Invariant: each is a statement that can be run as it is, or a comment (--) where there
// is no such statement; an index is proposed only if the planner would use it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct Remedy {
    const char *statement;
    const char *reason;
};

namespace advice {

// Adds a remedy to a list of Remedy *, unless its statement is there.
void add(List **remedies, const char *statement, const char *reason);

// Adds the indexes that lower what code says some work costs, by a fifth at least, of
// those that the work's queries could use.  what: the work, in words.  To try them takes
// time: what has not been tried by the deadline is not proposed.
void add_indexes(List **remedies, List *queries, double (*cost)(void *), void *context, const char *what,
                 TimestampTz deadline);

// Adds a statement that gives a table a key by which its rows can be logged.
void add_key(List **remedies, Oid table);

// Adds an ANALYZE of each table, in a list of oids, that never has been analyzed.
void add_analyze(List **remedies, List *tables);

// The remedies as text, one a line.
const char *text(List *remedies);

} // namespace advice

} // namespace refresh_mv
