#include "run/view_order.hpp"

#include <algorithm>
#include <set>

namespace refresh_mv::view_order {

std::vector<uint32_t> sources_of(uint32_t view, const std::vector<Edge> &edges)
{
    std::vector<uint32_t> sources;
    for (const Edge &edge : edges)
        if (edge.view == view && edge.source != view)
            sources.push_back(edge.source);
    std::sort(sources.begin(), sources.end());
    return sources;
}

// Appends to order what a view reads, then the view.  Sources that are not to
// be refreshed are passed through, so that order holds across them.
static void visit(uint32_t view, const std::set<uint32_t> &wanted, const std::vector<Edge> &edges,
                  std::set<uint32_t> &seen, std::vector<uint32_t> &order)
{
    if (!seen.insert(view).second)
        return;
    for (uint32_t source : sources_of(view, edges))
        visit(source, wanted, edges, seen, order);
    if (wanted.contains(view))
        order.push_back(view);
}

std::vector<uint32_t> ordered(const std::vector<uint32_t> &views, const std::vector<Edge> &edges)
{
    const std::set<uint32_t> wanted(views.begin(), views.end());
    std::set<uint32_t> seen;
    std::vector<uint32_t> order;
    for (uint32_t view : wanted)
        visit(view, wanted, edges, seen, order);
    return order;
}

std::vector<uint32_t> cheapest_first(const std::vector<uint32_t> &ordered, const std::vector<Edge> &edges,
                                     const std::vector<double> &costs)
{
    size_t count = ordered.size();
    std::vector<std::vector<size_t>> readers(count); // of each view, those after it
    std::vector<size_t> waiting(count);              // for how many of those before it
    std::vector<uint32_t> order;
    std::vector<bool> placed(count);
    for (size_t i = 0; i < count; i++) {
        std::vector<uint32_t> all = with_dependents({ordered[i]}, edges);
        for (size_t j = i + 1; j < count; j++) // in a circle, the order decides
            if (std::binary_search(all.begin(), all.end(), ordered[j])) {
                readers[i].push_back(j);
                waiting[j]++;
            }
    }
    while (order.size() < count) {
        size_t best = count;
        for (size_t i = 0; i < count; i++)
            if (!placed[i] && waiting[i] == 0 && (best == count || costs[i] < costs[best]))
                best = i;
        placed[best] = true;
        order.push_back(ordered[best]);
        for (size_t reader : readers[best])
            waiting[reader]--;
    }
    return order;
}

std::vector<uint32_t> with_dependents(const std::vector<uint32_t> &views,
                                      const std::vector<Edge> &edges)
{
    std::set<uint32_t> all(views.begin(), views.end());
    for (bool grown = true; grown;) {
        grown = false;
        for (const Edge &edge : edges)
            if (all.contains(edge.source))
                grown |= all.insert(edge.view).second;
    }
    return {all.begin(), all.end()};
}

} // namespace refresh_mv::view_order
