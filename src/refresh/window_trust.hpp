// Whether rows of a view may be trusted to stay as they are while they are older than new
// data, if nothing is known but the view's query.
#pragma once

#include "query/shape.hpp"

namespace refresh_mv::window_trust {

// Why a refresh of the recent rows alone, by the window column, may miss what has changed
// elsewhere though nobody has changed old data, in words; null if there is no such reason.
// named: the user says that the column tells when rows change.  Looks into materialized
// views that the view reads, unless they are locked.
const char *doubt(Relation view, WindowColumn column, bool named);

// A date column that serves better than the window column of a view, and why; attno 0:
// there is none.
struct DateColumn {
    AttrNumber attno;
    const char *reason;
};
DateColumn better_column(Relation view, WindowColumn column, bool named);

} // namespace refresh_mv::window_trust
