#include "check.hpp"
#include "run/turns.hpp"
#include "unit.hpp"

using namespace refresh_mv;

using Lists = std::vector<turns::Places>;

static void views_wait_for_what_they_read()
{
    CHECK(turns::readers({7, 8, 9}, {{8, 7}, {9, 8}}) == (Lists{{1}, {2}, {}}));
    CHECK(turns::readers({7, 8, 9}, {{9, 7}, {9, 8}}) == (Lists{{2}, {2}, {}}));
    CHECK(turns::readers({7, 8, 9}, {}) == (Lists{{}, {}, {}}));
}

static void they_wait_across_views_that_are_not_among_them()
{
    CHECK(turns::readers({7, 9}, {{8, 7}, {9, 8}}) == (Lists{{1}, {}}));
    // What they both read, and is not refreshed, is nothing to wait for.
    CHECK(turns::readers({7, 9}, {{7, 8}, {9, 8}}) == (Lists{{}, {}}));
    CHECK(turns::connected(turns::readers({7, 9}, {{7, 8}, {9, 8}})) == (Lists{{0}, {1}}));
}

static void circles_can_be_entered()
{
    CHECK(turns::readers({7, 8}, {{8, 7}, {7, 8}}) == (Lists{{1}, {}}));
    CHECK(turns::readers({7, 8}, {{8, 6}, {6, 7}, {7, 6}}) == (Lists{{1}, {}}));
    CHECK(turns::readers({7}, {{7, 7}}) == (Lists{{}}));
}

static void those_that_have_to_do_with_each_other_are_together()
{
    CHECK(turns::connected({{1}, {}, {4}, {4}, {}, {}}) == (Lists{{0, 1}, {2, 3, 4}, {5}}));
    CHECK(turns::connected({{3}, {}, {}, {}}) == (Lists{{0, 3}, {1}, {2}}));
    CHECK(turns::connected({{2, 3}, {3}, {}, {}}) == (Lists{{0, 1, 2, 3}}));
    CHECK(turns::connected({}).empty());
    CHECK(turns::single(2) == (Lists{{0}, {1}}));
}

static void what_waits_counts_for_what_it_waits_for()
{
    CHECK(turns::ahead({{1, 2}, {}, {}, {}}, {1, 2, 5, 4}) == (std::vector<int64_t>{6, 2, 5, 4}));
}

void test_turns()
{
    what_waits_counts_for_what_it_waits_for();
    views_wait_for_what_they_read();
    they_wait_across_views_that_are_not_among_them();
    circles_can_be_entered();
    those_that_have_to_do_with_each_other_are_together();
}
