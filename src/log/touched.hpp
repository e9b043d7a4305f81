// What the current transaction has changed and because of which a view is to be refreshed
// on commit.
//
// Invariant: what a subtransaction has changed stays noted when it is rolled back; the
// log, not these lists, tells what there is to do.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct Touched {
    List *sources;
    List *views; // tracked ones whose queries have another meaning now
};

namespace touched {

// A source was changed; wanted tells that a view is refreshed on commit because of it.
void note(Oid source, bool wanted);

// A tracked view's query has another meaning now.
void note_meaning(Oid view);

// Whether anything was noted.
bool any();

// Hands it over, and forgets it.
Touched take();

// Forgets a source; everything, the memory of which may be gone with the transaction.
void forget(Oid source);
void forget_all();

} // namespace touched

} // namespace refresh_mv
