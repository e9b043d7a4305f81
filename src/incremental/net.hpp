// What the changes since a baseline add to the groups of a view, and take from them.
//
//     partials   k1 .., n, a1, b1, ...   a row for each touched group: how many joined rows it has
//                                        gained less those it has lost; of each partial aggregate
//                                        but "values" what is to be added, and what to be taken away
//     values(i)  k1 .., v, n             of partial aggregate i, each value with how many more rows
//                                        have it now
//
// Two ways lead there: by signed terms (signed_terms.hpp), or by the parts that may differ, now and
// before (affected_parts.hpp).
#pragma once

#include "incremental/work.hpp"

namespace refresh_mv {

struct Net {
    Query *partials; // null: there is no net, for the scope's reason
    Query **values;  // for each partial aggregate; null for those of other kinds
};

namespace net_by_terms {

Net find(Work *work);

} // namespace net_by_terms

namespace net_by_parts {

Net find(Work *work);

} // namespace net_by_parts

} // namespace refresh_mv
