#include "run/turns.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace refresh_mv::turns {

namespace {

using ReadersByView = std::map<uint32_t, std::vector<uint32_t>>;

// Adds the places of the nearest views of the call that read a view.
void add_nearest(uint32_t view, const ReadersByView &all, const std::map<uint32_t, uint32_t> &places,
                 std::set<uint32_t> &seen, Places &nearest)
{
    auto found = all.find(view);
    if (found == all.end())
        return;
    for (uint32_t reader : found->second) {
        if (!seen.insert(reader).second)
            continue;
        auto place = places.find(reader);
        if (place != places.end())
            nearest.push_back(place->second);
        else
            add_nearest(reader, all, places, seen, nearest);
    }
}

} // namespace

std::vector<Places> readers(const std::vector<uint32_t> &views, const std::vector<Edge> &edges)
{
    ReadersByView all;
    std::map<uint32_t, uint32_t> places;
    for (const Edge &edge : edges)
        all[edge.source].push_back(edge.view);
    for (uint32_t i = 0; i < views.size(); i++)
        places.emplace(views[i], i);

    std::vector<Places> result(views.size());
    for (uint32_t i = 0; i < views.size(); i++) {
        std::set<uint32_t> seen;
        add_nearest(views[i], all, places, seen, result[i]);
        std::erase_if(result[i], [&](uint32_t reader) { return reader <= i; }); // in a circle, the order decides
        std::sort(result[i].begin(), result[i].end());
    }
    return result;
}

std::vector<int64_t> ahead(const std::vector<Places> &readers, std::vector<int64_t> each)
{
    for (std::size_t i = readers.size(); i-- > 0;) {
        int64_t longest = 0;
        for (uint32_t reader : readers[i])
            longest = std::max(longest, each[reader]);
        each[i] += longest;
    }
    return each;
}

std::vector<Places> single(std::size_t views)
{
    std::vector<Places> turns;
    for (uint32_t i = 0; i < views; i++)
        turns.push_back({i});
    return turns;
}

std::vector<Places> connected(const std::vector<Places> &readers)
{
    Places group(readers.size()); // of each view the first one of its group, in the end
    std::iota(group.begin(), group.end(), 0);
    auto first_of = [&](uint32_t view) {
        while (group[view] != view)
            view = group[view] = group[group[view]];
        return view;
    };
    for (uint32_t i = 0; i < readers.size(); i++)
        for (uint32_t reader : readers[i]) {
            uint32_t a = first_of(i);
            uint32_t b = first_of(reader);
            group[std::max(a, b)] = std::min(a, b);
        }
    std::vector<Places> turns;
    std::map<uint32_t, std::size_t> turn_of;
    for (uint32_t i = 0; i < readers.size(); i++) {
        auto [turn, is_new] = turn_of.emplace(first_of(i), turns.size());
        if (is_new)
            turns.push_back({});
        turns[turn->second].push_back(i);
    }
    return turns;
}

} // namespace refresh_mv::turns
