// Parts by one anchor for parts by another.
//
// An instance may be anchored by a class of columns other than the one that was chosen for a query: one subquery is compared
// with the customer, another with the city.  A change of it then concerns parts by its own anchor, and of the chosen
// one those values that joined rows have beside them.
//
// Invariants:
// - They are a superset, for every state in which some tables are as they were and the others as they are now: of each
//   such table the rows of both states are joined.
// - Just columns are compared on the way, so that nothing fails that would not fail in the query itself.
#pragma once

#include "incremental/anchor.hpp"

namespace refresh_mv::translated_parts {

// Whether tables that make nothing null lead from the other anchor to the chosen one.
bool are_possible(Query *query, const Anchoring &chosen, const Anchoring &other);

// A query, for which they must be possible, for the values of the chosen anchor, as part, beside those of the other
// that are in rows of a name, distinct and not null.  The original is not modified.
Query *make(Query *original, const Anchoring &chosen, const Anchoring &other, const char *rows, List *changes,
            QueryEnvironment *environment);

} // namespace refresh_mv::translated_parts
