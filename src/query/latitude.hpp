// How far two right answers of one query can differ.
//
// Analysis reads catalogs and the query tree, never data, and has no effect.  What it
// cannot tell may differ: only where it says how far does anything rest on it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// How like the values of a column are in two right answers.
enum class Likeness {
    same,     // the same image
    equal,    // equal by the = of their type
    rounded,  // a sum or an average of floating-point numbers, added in another order
    pieces,   // the same pieces of text in another order
    shuffled, // the same values, but which row has which may differ
    any
};

struct Latitude {
    bool rows;          // which rows there are, and how many, cannot be told
    bool chosen;        // LIMIT or DISTINCT ON takes some rows of those that sort alike
    int count;
    Likeness *columns;  // by number, from 0
    bool *sorted;       // of chosen rows: columns by which they are chosen
};

namespace latitude {

// Takes the rewritten query.
Latitude find(Query *query);

// The query whose rows the chosen ones are taken from, changed in place.
void unchoose(Query *query);

// The query with the sums and averages that may be rounded in another way replaced by
// those of absolute values, and the number of rows of each group as its last column,
// changed in place.
void take_magnitudes(Query *query, const Latitude &latitude);

} // namespace latitude

} // namespace refresh_mv
