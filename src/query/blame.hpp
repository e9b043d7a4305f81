// What a view's result depends on, in words of what the user wrote: the aggregate and
// not its transition function, the operator, the cast and not an input function.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct Blame {
    const char *what;
    const char *hint; // what to do about it; null: nothing in particular
    Oid declarable;   // a function that might be IMMUTABLE, had anybody said so; else InvalidOid
    bool movable;     // whoever reads the view can call it instead
    Oid trustable;    // a function or an aggregate, as it was written, that could be trusted; else InvalidOid
};

namespace blame {

// Of a function that is not immutable, given the expression that calls it, or null.
Blame function(Oid function, Node *call);

// Of a type whose values are read from text, or written as text.
Blame text_of(Oid type, IOFuncSelector which);

// The statement that has a function be trusted.
char *trust_statement(Oid function);

// Of a cast by way of text, for what was found of the text.
Blame cast(Oid from, Oid to, const Blame &text);

} // namespace blame

} // namespace refresh_mv
