// The net changes of a source since a view's baseline, out of the log.
//
// As many keys as fit in maintenance_work_mem are netted at a time: if they do not all
// fit, the entries are read again for each share of them.
#pragma once

#include "log/net_effect.hpp"
#include "server/pg.hpp"

namespace refresh_mv::log_reader {

// Entries of a source, as it is logged now.
struct Entries {
    Oid view;
    Oid relation;
    int64 layout;
    int key_width; // see Netting
    bool bag;
};

// Calls each() for every net change, in memory that is reset then.  False if the log does
// not tell them row by row, or is damaged, or each() has said so; some may have been told
// by then.
bool read(const Entries &entries, bool (*each)(const NetChange &change, void *context), void *context);

} // namespace refresh_mv::log_reader
