// The turns that a call falls into, and which of them wait for which.  Pure: no server needed.
//
// A turn is what one process refreshes in one transaction: one view, or under one snapshot all views that have to do
// with each other.  Views are meant by their places in the call, which are in the order of view_order::ordered.
#pragma once

#include "run/view_order.hpp"

#include <cstddef>

namespace refresh_mv::turns {

using Places = std::vector<uint32_t>;

// Of each view, those after it that read it, be it through views that are not among them; through views that are
// among them they wait for those.
std::vector<Places> readers(const std::vector<uint32_t> &views, const std::vector<Edge> &edges);

// How long it takes from the beginning of each view to the end of the last one that waits for it, by what each takes.
std::vector<int64_t> ahead(const std::vector<Places> &readers, std::vector<int64_t> each);

// Each view on its own.
std::vector<Places> single(std::size_t views);

// Views that read each other, directly or not, together.
std::vector<Places> connected(const std::vector<Places> &readers);

} // namespace refresh_mv::turns
