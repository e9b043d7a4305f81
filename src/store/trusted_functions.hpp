// Functions that somebody has said to be trusted: their results depend on their arguments
// alone, whatever they are declared to be.  refresh_mv.trusted.
//
// Invariants:
// - A trust is kept with the name of the role that has given it, and counts as long as that role
//   has the rights of the function's owner, who could declare the function immutable as well, or of
//   the view's owner, at whose risk it is.  So nobody's view rests on the word of a stranger.
// - It is kept by the function's name and the types of its arguments, so that a dump can restore it.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::trusted_functions {

// The name of a function by which its trust is kept, in a dump, too.
char *identity(Oid function);

// Whether a trust in a function counts for views of an owner.
bool counts(Oid function, Oid view_owner);

// Notes the trust of a role in a function; false if it was noted before.
bool give(Oid function, Oid role);

// Takes back the trust in a function of all roles whose rights a role has; false if there is none.
bool take_back(Oid function, Oid role);

} // namespace refresh_mv::trusted_functions
