// Which materialized views a materialized view reads: the part of refresh_mv.dependencies by
// which refreshes are put in order, straight from the catalogs and only for the views that
// matter, since it is asked for in each call.
//
// Invariant: the pairs are those of refresh_mv.dependencies.  What a view reads is what pg_depend
// says of its rule, through ordinary views, which have rules too, and through functions whose
// bodies are known; it ends at materialized views.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct ViewPair {
    Oid view;
    Oid source;
};

namespace view_sources {

// The pairs (view, materialized view that it reads) of some views, and of all that these read in
// the end: whatever is read on the way from one of them to another is there.  *count of them.
ViewPair *below(const Oid *views, int views_count, int *count);

} // namespace view_sources

} // namespace refresh_mv
