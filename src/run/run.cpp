// The calls that are one transaction.
#include "run/run.hpp"

#include "query/view.hpp"
#include "refresh/refresh.hpp"
#include "run/under_way.hpp"
#include "tracking/repair.hpp"

#include <algorithm>

namespace refresh_mv {

namespace run {

Limits limits = {60000, 3, 31};
bool skip_refresh = false;

std::vector<Outcome> together(const Call &call, const Limits &limits)
{
    return with_progress([&] {
        Run run(call, limits);
        refresh_together(run, call, call.views);
        return run.end();
    });
}

std::vector<Outcome> where(const Call &call, const std::string &condition, const Limits &limits)
{
    return with_progress([&] {
        Run run(call, limits);
        guard([&] { view::prepare_existing(call.views[0]); });
        run.take_snapshot();
        run.refresh_or_throw(call.views[0], [&] { return refresh::refresh_where(call.views[0], condition, run.request().run); });
        guard([] { PopActiveSnapshot(); });
        return run.end();
    });
}

std::vector<Outcome> replaced(const Call &call, const Limits &limits)
{
    return with_progress([&] {
        Run run(call, limits);
        guard([&] { view::prepare_existing(call.views[0]); });
        run.take_snapshot();
        run.refresh_or_throw(call.views[0], [&] {
            Refreshed done = refresh::refresh(call.views[0], run.request());
            done.reason = "its query was replaced";
            return done;
        });
        guard([] { PopActiveSnapshot(); });
        return run.end();
    });
}

bool lock(const Call &call)
{
    std::vector<Oid> by_oid = call.views;
    bool all = true;
    std::sort(by_oid.begin(), by_oid.end());
    for (Oid oid : by_oid)
        all &= guard([&] { return view::prepare(oid, true, true).hindrance; }) == view::Hindrance::none;
    return all;
}

std::vector<Outcome> all_or_none(const Call &call, const Limits &limits)
{
    return with_progress([&] {
        guard([] { view::stop_clock(); });
        Run run(call, limits);
        run.take_snapshot();
        with_shared_changes(call.views.size() > 1, [&] {
            for (Oid oid : call.views)
                run.refresh_or_throw(oid, [&] { return refresh::refresh(oid, run.request()); });
        });
        for (Oid oid : run.damaged())
            repair::resume(oid);
        guard([] { PopActiveSnapshot(); });
        return run.end();
    });
}

} // namespace run

} // namespace refresh_mv
