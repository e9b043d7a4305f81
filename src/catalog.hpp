// The extension's own tables in schema refresh_mv, and only these.
//
// Users have no privileges on them, so every access switches to the schema's
// owner for the length of one statement.  Statements name everything in full,
// operators included: the caller's search_path has no say.
#pragma once

#include "pg.hpp"

namespace catalog {

// Whether a relation belongs to this extension.
bool is_member(Oid relation);

// The date column configured for a view, or null.
const char *date_column(Oid view);

// Sets the date column of a view; null takes the setting away.
void set_date_column(Oid view, const char *column);

// Notes that the current transaction merges rows into a view.  Under REPEATABLE
// READ it fails with SQLSTATE 40001 if a merge has been committed that the
// transaction's snapshot does not show.
void note_merge(Oid view);

} // namespace catalog
