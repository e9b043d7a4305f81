// A call whose views several processes refresh at once: the caller's own, and background workers.
//
//     caller:  begun -> board -> workers -> turns, as they come -> all have ended -> workers are gone
//     worker:  board -> the caller's session -> turns, as they come
//
// Invariants:
// - What becomes of each view is as by one process: by the same code, as the same user, role and settings, in the same
//   order but for what may be done at once, with the same rows of history under the same number.
// - The workers end with the call, however that ends: it waits for them, or, where its own process is on its way out,
//   has them terminated.  (If that is killed, the server kills them all.)
// - Where there are fewer workers than were asked for, or none, the others do all that is to be done, and the caller
//   says so.
// - A worker that is cancelled or terminated takes with it no view but those of its turn.
// - One snapshot: the caller exports it, in a transaction that does nothing else and lasts until all turns have ended;
//   only workers refresh.  What a view reads of others that this call has refreshed, such a snapshot does not show:
//   so views that have to do with each other are one turn, in one transaction.  (Where no worker is to be had, all
//   views are: see run::together().)
#pragma once

#include "run/run.hpp"

namespace refresh_mv::jobs {

// The most processes that a call can have.
constexpr int most = 1024;

// Refreshes the views of a call by so many processes.  SPI is connected, non-atomic.
std::vector<Outcome> by_several(const Call &asked, const run::Limits &limits, int processes);

} // namespace refresh_mv::jobs
