#include "check.hpp"
#include "run/view_order.hpp"
#include "unit.hpp"

using namespace refresh_mv;

using Oids = std::vector<uint32_t>;

static void sources_come_first()
{
    CHECK(view_order::ordered({1, 2, 3}, {{1, 3}, {3, 2}}) == (Oids{2, 3, 1}));
}

static void views_without_edges_come_by_oid()
{
    CHECK(view_order::ordered({9, 4, 7, 4}, {}) == (Oids{4, 7, 9}));
}

static void a_diamond_is_visited_once()
{
    CHECK(view_order::ordered({1, 2, 3, 4}, {{1, 2}, {1, 3}, {2, 4}, {3, 4}}) == (Oids{4, 2, 3, 1}));
}

static void order_holds_across_views_not_refreshed()
{
    CHECK(view_order::ordered({1, 3}, {{1, 2}, {2, 3}}) == (Oids{3, 1}));
}

static void circles_end()
{
    CHECK(view_order::ordered({1, 2}, {{1, 2}, {2, 1}}) == (Oids{2, 1}));
    CHECK(view_order::ordered({5}, {{5, 5}}) == (Oids{5}));
}

static void cheap_views_come_first()
{
    CHECK(view_order::cheapest_first({1, 2, 3}, {}, {3, 1, 2}) == (Oids{2, 3, 1}));
    CHECK(view_order::cheapest_first({1, 2, 3}, {}, {1, 1, 1}) == (Oids{1, 2, 3}));
    // 9 is not among them
    CHECK(view_order::cheapest_first({1, 2, 3}, {{2, 9}, {9, 1}}, {3, 1, 2}) == (Oids{3, 1, 2}));
    CHECK(view_order::cheapest_first({4, 2, 3, 1}, {{1, 2}, {1, 3}, {2, 4}, {3, 4}}, {9, 5, 4, 1}) == (Oids{4, 3, 2, 1}));
    CHECK(view_order::cheapest_first({2, 1}, {{1, 2}, {2, 1}}, {2, 1}) == (Oids{2, 1}));
    CHECK(view_order::cheapest_first({}, {}, {}).empty());
}

static void dependents_are_found_at_any_distance()
{
    CHECK(view_order::with_dependents({4}, {{1, 2}, {1, 3}, {2, 4}, {3, 4}, {6, 5}}) == (Oids{1, 2, 3, 4}));
    CHECK(view_order::with_dependents({1}, {{1, 2}}) == (Oids{1}));
}

void test_graph()
{
    sources_come_first();
    views_without_edges_come_by_oid();
    a_diamond_is_visited_once();
    order_holds_across_views_not_refreshed();
    circles_end();
    cheap_views_come_first();
    dependents_are_found_at_any_distance();
}
