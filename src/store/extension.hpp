// The extension in this database: its members and version, and what it knows of views.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::extension {

// Whether a relation belongs to this extension.
bool is_member(Oid relation);

// Whether the extension's objects are those of this library's version; the second one fails
// unless they are.
bool is_current();
void check_version();

// Notes that the current transaction merges rows into a view.  Under REPEATABLE
// READ it fails with SQLSTATE 40001 if a merge has been committed that the
// transaction's snapshot does not show.
void note_merge(Oid view);

} // namespace refresh_mv::extension
