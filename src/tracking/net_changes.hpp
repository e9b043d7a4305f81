// What has changed in the tables of a view since its baseline, as rows that
// queries can read.
//
// The rows of a source have the columns of its table by number (null where they are
// not logged), and "?existed?" (or more of these question marks, if the table has that):
//
//     table with a key:   one row for each changed key, with the old image if it existed
//     materialized view:  one row for each image that was lost (existed) or gained
#pragma once

#include "query/ephemeral_rows.hpp"
#include "tracking/registry.hpp"

namespace refresh_mv {

// The rows with the changed keys as they are now, one for each change, in their order, with the columns that
// are logged, and whether there is such a row in the place of existed.
struct NewImages {
    NamedRows rows; // none yet if there is no store
    bool complete;
};

struct NetChanges {
    const TrackedSource *source;
    Oid relation;   // the source's
    NamedRows rows;
    int64 existed;  // rows that did
    bool bag;       // of a materialized view
    Size gained;    // bytes that remembering the images takes which a bag has gained
    bool imagined;  // see imagined()
    StringInfo gone; // a byte for each row: whether it is known that there is none with the key now
    NewImages *images; // of changes that views share; null if they do not
    bool has_range; // the key is one integer
    int64 least;
    int64 greatest;
};

namespace net_changes {

// Reads the changes of all sources of a view, as a list of NetChanges *, without
// those that net to nothing, and shows them to queries of the environment.  *reason
// says why they are not known row by row; null if they are.
List *read(Oid view, List *sources, QueryEnvironment *environment, const char **reason);

// Changes of a source that have not happened: so many rows of it updated.  They have a
// number, and no rows (see ephemeral_rows::expected_of()).  They are shown under a name with the
// number of the source.
NetChanges *imagined(const TrackedSource *source, int number, double count, QueryEnvironment *environment);

// No changes yet of a relation without a key that is no source, and whose rows are compared by the columns that it is
// said to have logged.
NetChanges *none(const TrackedSource *source, const char *name);

// The name of the column that tells whether a row existed, quoted.
const char *existed_column(const NetChanges *changes);

// = of a type, by its full name.
const char *equality(Oid type);

// "the row t has the key of a changed row d", as a condition.
const char *same_key(const NetChanges *changes);

// "these columns of t are the key of one of the rows of that name", as a test that the planner can only hash.
const char *is_among(const NetChanges *changes, List *columns, const char *rows);

// The rows of a materialized view, as a query returns them, less those that were
// gained; or expected rows, if the changes are imagined.  The rows have the columns of the
// view.
NamedRows without_gained(const NetChanges *changes, Query *query, const char *name,
                         QueryEnvironment *environment);

} // namespace net_changes

} // namespace refresh_mv
