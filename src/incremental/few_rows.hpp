// The changed rows that a term reads in the place of an instance, if these can be fewer than all of its table.
//
// The planner knows nothing of what is in rows in memory, but how many there are: it takes a condition on them for one
// that leaves hardly any, and joins what it leaves row by row. So conditions on them alone are evaluated first.
//
// Invariants:
// - The rows left out are those that no joined row is made of: none on the nullable side of a join, where one that
//   does not satisfy a condition may keep a row of nulls away.
// - A few rows are left as they are, if nothing more is asked of them: that is sooner done.
#pragma once

#include "incremental/signed_changes.hpp"
#include "incremental/instance.hpp"

namespace refresh_mv::few_rows {

// Those of an instance of a query that satisfy its conditions on it alone, and more, on t (" AND ...").
NamedRows of(const Instance *instance, const SignedChanges *signs, const char *more, ephemeral_rows::Result result,
             QueryEnvironment *environment);

} // namespace refresh_mv::few_rows
