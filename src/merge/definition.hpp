// What the catalog says of a materialized view, changed in place: its rule, and columns at its end.
//
// Invariants:
// - The caller holds ExclusiveLock on the view: whoever else writes these rows of the catalog waits, readers do
//   not.  He takes AccessExclusiveLock before the transaction can end: only then do others see the new rows, and
//   nobody may have the view open under the old ones.
// - Nobody in this session has the view open.
// - Each column depends on its type and collation, the rule on what its query mentions, as core has it.
// - A row that was stored before has NULL in columns that are added.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::definition {

// Adds columns, whose numbers follow those of the view's last one.
void add_columns(Oid view, TupleDesc columns);

// Makes an analysed query, which returns the view's columns, the one of its rule.
void replace_rule(Oid view, Query *query);

} // namespace refresh_mv::definition
