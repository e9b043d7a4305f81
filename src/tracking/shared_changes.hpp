// Net changes that the views of one call share: most of them read the same tables, and have been
// refreshed together before.
//
// Invariants:
// - Two views share the net changes of a table only if the same entries of the log are new to both, under
//   one snapshot, and the table is logged in one layout.
// - What is shared lives as long as the call: in its memory, and under its resource owner, since each view
//   is refreshed in a subtransaction of its own.  What was not read to its end is not shared.
#pragma once

#include "tracking/net_changes.hpp"

namespace refresh_mv::shared_changes {

// What the views of a call share.
struct Call;

// Begins a call whose views share; returns the one around it, for end().
Call *begin();
void end(Call *outer);

// Forgets a call that has failed: its memory and its files go with its transaction.
void forget(Call *outer);

// Whether views share at present.
bool active();

// The entries of the log that are new to a view.
struct Entries {
    Oid relation;
    int64 layout;
    int count;
    int64 *numbers;
};
Entries new_entries(Oid view, Oid relation, int64 layout);

// The net changes that another view has read of the same entries; null if none has.
const NetChanges *find(const Entries &entries);

// Makes what is allocated, and rows that are made, last as long as the call; returns the
// context of before.
MemoryContext enter();
void leave(MemoryContext context);

// Keeps net changes that were made in there, which are about to be read; and shares them, once they
// have been read to their end.
void add(const Entries &entries, const NetChanges *changes);
void share(const NetChanges *changes);

} // namespace refresh_mv::shared_changes
