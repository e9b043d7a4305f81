#include "check.hpp"
#include "refresh/choose_method.hpp"
#include "unit.hpp"

using namespace refresh_mv;

static ViewStatus dated(int days_behind)
{
    return {true, true, "", true, days_behind, "2026-11-21", "", -1, false, "", 0, false};
}

static void unpopulated_views_are_rebuilt()
{
    ViewStatus status = dated(0);
    status.populated = false;
    for (RefreshMode mode : {RefreshMode::full, RefreshMode::incremental, RefreshMode::smart})
        CHECK(choose_method::choose({mode, 2, false, false}, status).approach == Approach::rebuild);
}

static void the_mode_asked_for_is_used()
{
    CHECK(choose_method::choose({RefreshMode::full, 2, false, false}, dated(0)).approach == Approach::full);
    Decision decision = choose_method::choose({RefreshMode::incremental, 7, false, false}, dated(30));
    CHECK(decision.approach == Approach::window);
    CHECK(decision.days == 7);
}

static void a_refresh_statement_uses_no_window()
{
    const Request statement = {RefreshMode::smart, 0, false, true, true};
    CHECK(choose_method::choose(statement, dated(0)).approach == Approach::full);
    ViewStatus tracked = dated(0);
    tracked.tracked = true;
    CHECK(choose_method::choose(statement, tracked).approach == Approach::skip);
    tracked.pending = 1;
    CHECK(choose_method::choose(statement, tracked).approach == Approach::by_log);
    tracked.populated = false;
    CHECK(choose_method::choose(statement, tracked).approach == Approach::rebuild);
}

static void smart_goes_by_the_newest_data()
{
    const Request smart = {RefreshMode::smart, 0, false, false};
    for (int days : {-3, 0, 1}) {
        Decision decision = choose_method::choose(smart, dated(days));
        CHECK(decision.approach == Approach::window);
        CHECK(decision.days == 2);
    }
    CHECK(choose_method::choose(smart, dated(2)).approach == Approach::full);
    ViewStatus configured = dated(1);
    configured.window_days = 5;
    CHECK(choose_method::choose(smart, configured).days == 5);
    ViewStatus empty = dated(0);
    empty.has_data = false;
    CHECK(choose_method::choose(smart, empty).approach == Approach::full);
}

static void smart_trusts_no_view_whose_old_rows_change()
{
    ViewStatus status = dated(0);
    status.doubt = "it looks at the clock";
    Decision decision = choose_method::choose({RefreshMode::smart, 0, false, false}, status);
    CHECK(decision.approach == Approach::full);
    CHECK(decision.reason == "it looks at the clock");
    CHECK(choose_method::choose({RefreshMode::incremental, 2, false, false}, status).approach == Approach::window);
}

static void views_without_a_date_are_refreshed_whole()
{
    ViewStatus status = dated(0);
    status.windowable = false;
    status.not_windowable = "it has no date";
    for (RefreshMode mode : {RefreshMode::incremental, RefreshMode::smart}) {
        Decision decision = choose_method::choose({mode, 2, false, false}, status);
        CHECK(decision.approach == Approach::full);
        CHECK(decision.reason == "it has no date");
    }
}

static void tracked_views_go_by_their_log()
{
    const Request smart = {RefreshMode::smart, 0, false, false};
    ViewStatus status = dated(0);
    status.tracked = true;
    CHECK(choose_method::choose(smart, status).approach == Approach::skip);
    status.pending = 3;
    CHECK(choose_method::choose(smart, status).approach == Approach::by_log);
    CHECK(choose_method::choose(smart, status).reason == "3 changes in the log");
    status.pending = 1;
    CHECK(choose_method::choose(smart, status).reason == "1 change in the log");
    status.pending = 0;
    status.time_passed = true;
    CHECK(choose_method::choose(smart, status).approach == Approach::by_log);
    CHECK(choose_method::choose(smart, status).reason == "time has passed since the last refresh");
    status.time_passed = false;
    status.unknown = "TRUNCATE";
    CHECK(choose_method::choose(smart, status).approach == Approach::full);
    CHECK(choose_method::choose(smart, status).reason == "TRUNCATE");
    CHECK(choose_method::choose({RefreshMode::incremental, 2, false, false}, status).approach == Approach::window);
    status.populated = false;
    CHECK(choose_method::choose(smart, status).approach == Approach::rebuild);
}

static void only_large_changes_are_rebuilt()
{
    CHECK(!choose_method::rebuild_pays(0, 0));
    CHECK(!choose_method::rebuild_pays(9999, 100));
    CHECK(!choose_method::rebuild_pays(10000, 20000));
    CHECK(choose_method::rebuild_pays(10001, 20000));
    CHECK(choose_method::rebuild_pays(50000, 0));
}

void test_strategy()
{
    unpopulated_views_are_rebuilt();
    the_mode_asked_for_is_used();
    a_refresh_statement_uses_no_window();
    smart_goes_by_the_newest_data();
    smart_trusts_no_view_whose_old_rows_change();
    views_without_a_date_are_refreshed_whole();
    tracked_views_go_by_their_log();
    only_large_changes_are_rebuilt();
}
