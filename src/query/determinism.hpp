// Whether a query's result is a function of the data that it reads.
//
// Invariants:
// - Analysis reads catalogs and the query tree, never data, and has no effect.
// - Every function that the query may execute is judged: by its volatility,
//   and if it is not immutable, by a list of those functions of pg_catalog
//   and of extensions that depend on settings alone.
// - What a type's values look like as text is judged with every function that
//   writes or reads such text, down to elements and columns.
// - A function that is trusted, by somebody whose trust counts for the view's owner, is taken as
//   one whose result depends on its arguments alone (store/trusted_functions.hpp).
// - Of a view that is tracked, the time is no obstacle in conditions on what it joins
//   (time_conditions.hpp): that has its own way.
// - DDL is not judged: see meaning.hpp.
#pragma once

#include "query/blame.hpp"

namespace refresh_mv {

struct Constancy {
    const char *depends_on; // what else than data the result depends on, in words; null: nothing
    const char *hint;       // what to do about that; null: nothing in particular
    Oid declarable;         // a function that could be declared IMMUTABLE, perhaps; else InvalidOid
    Oid trustable;          // a function or an aggregate that could be trusted; else InvalidOid
    bool movable;           // it is a call that queries which read the view can make instead
    bool reads_settings;    // the result depends on settings of the server
    bool reads_time;        // and on the time, by such conditions
    List *others;           // and on these, of extensions, by name

    Blame blame() const { return {depends_on, hint, declarable, movable, trustable}; }
};

namespace determinism {

// Takes the rewritten query of a view of that owner, in which ordinary views are subqueries.
// Names the first thing found that the result must not depend on; what is said of
// settings is complete only if there is none.
Constancy analyse(Query *rewritten, Oid owner);

// The same of a view that is, or shall be, tracked.
Constancy analyse_tracked(Query *rewritten, Oid owner);

} // namespace determinism

} // namespace refresh_mv
