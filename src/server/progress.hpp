// What another session sees in pg_stat_activity while a refresh runs: which
// view of how many, the phase, the rows so far.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::progress {

// Starts a view; the name must live until the view ends.
void start_view(int number, int of, const char *name);

// Starts a chunk of the view, the first one being 1.
void start_part(int64 number);

// Starts a phase of the view; the text must be a constant.
void start_phase(const char *phase);

// Counts a row of the phase.
void count_row();

// Says that this process waits for others, which refresh so many views.
void waiting(int views);

// Puts the client's own statement back.
void end();

} // namespace refresh_mv::progress
