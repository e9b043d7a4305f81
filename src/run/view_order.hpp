// The order in which views are refreshed.  Pure: no server needed.
#pragma once

#include <cstdint>
#include <vector>

namespace refresh_mv {

// A view whose query reads another view, be it through ordinary views or
// functions.
struct Edge {
    uint32_t view;
    uint32_t source;
};

namespace view_order {

// The views, sources before the views that read them, otherwise by oid.  A
// circle (which only functions can make) is entered at its lowest oid.
std::vector<uint32_t> ordered(const std::vector<uint32_t> &views, const std::vector<Edge> &edges);

// The same, of views in such an order: at each place that with the lowest cost of those that can be there.  Costs are
// those of the views.
std::vector<uint32_t> cheapest_first(const std::vector<uint32_t> &ordered, const std::vector<Edge> &edges,
                                     const std::vector<double> &costs);

// The views together with all that read them, directly or not.
std::vector<uint32_t> with_dependents(const std::vector<uint32_t> &views,
                                      const std::vector<Edge> &edges);

// The views that a view reads directly.
std::vector<uint32_t> sources_of(uint32_t view, const std::vector<Edge> &edges);

} // namespace view_order

} // namespace refresh_mv
