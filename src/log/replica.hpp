// What another server has sent, as triggers see it.
//
// Whoever applies the changes of another server (logical replication, pglogical and
// its kin, programs that speak SQL) does it as replica, with a replication origin, and
// either row by row, for which no statement trigger fires, or by statements.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::replica {

// How many triggers are being executed, one within the other.
int trigger_depth();

// Whether this session applies what another server has sent.
bool is_applying();

// Whether a row that a trigger sees may be changed amidst others that are applied one
// by one: by a trigger on these.
bool is_amidst_rows();

// Whether a row that a row trigger on one of the extension's tables sees was sent by
// another server.  What triggers do here, or the extension itself, was not.
bool is_sent();

} // namespace refresh_mv::replica
