// Drop-in REFRESH: what REFRESH MATERIALIZED VIEW of a session does is done by this extension, if
// refresh_mv.take_over says so.
//
//     hook -> the hooks behind it, up to the server itself -> CALL refresh_mv_internal.refresh_statement()
//          -> event triggers as for REFRESH, and between them the refresh
//
// Those hooks (pg_stat_statements, an auditor) come between us and the server.  They are not to miss the
// statement, and nothing but a statement gets past them: so what is handed on, with the text and the
// number of REFRESH, is a call of a procedure of ours.
//
// Invariants:
// - Any other statement costs a look at the kind of its node.
// - What is not ours to do, for whatever reason, is done by core, and fails as it does there: a relation that is
//   none or no materialized view, the lack of a right, WITH NO DATA, CONCURRENTLY of a view that is not populated.
// - A failure is one of the statement.  Afterwards the view holds what its query returns under a snapshot that
//   shows whatever the statement's does.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::take_over {

enum Setting { off, on, cascade };

// refresh_mv.take_over: an int, and the names of its values.
extern int setting;
extern const config_enum_entry settings[];

// Installs the hook.
void watch();

// Whether a REFRESH that event triggers are told of right now was done by us.
bool has_done(const Node *statement);

} // namespace refresh_mv::take_over
