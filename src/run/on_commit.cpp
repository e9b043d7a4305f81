#include "run/on_commit.hpp"

#include "log/touched.hpp"
#include "query/view.hpp"
#include "run/run.hpp"
#include "server/bridge.hpp"
#include "tracking/registry.hpp"

namespace refresh_mv {

namespace {

// The views to refresh because of the changed sources and meanings, in order.
Call call_of(const Touched &touched)
{
    int count;
    registry::OnCommitView *pairs = guard([&] { return registry::on_commit_views(touched.sources, touched.views, &count); });
    std::vector<Oid> views;
    std::vector<Edge> edges;
    for (int i = 0; i < count; i++) {
        views.push_back(pairs[i].view);
        edges.push_back({pairs[i].view, pairs[i].source});
    }
    std::vector<Oid> ordered = view_order::ordered(views, edges);
    return {{RefreshMode::smart, 0, false, true}, ordered, edges, true, Caller::commit};
}

// Refreshes until no change is left.  A merge changes what other views read: these come
// after it in the same call, which has locked them all in one order.
void refresh_all()
{
    constexpr int most_rounds = 100; // a view's function may write to tables
    for (int round = 0; round < most_rounds && touched::any(); round++) {
        Call call = call_of(touched::take());
        if (!call.views.empty())
            run::together(call, run::limits);
        for (Oid view : call.views)
            touched::forget(view);
    }
}

void refresh_before_end()
{
    entry([] {
        try {
            subtransaction([] {
                guard([] { PushActiveSnapshot(GetTransactionSnapshot()); });
                refresh_all();
                guard([] { PopActiveSnapshot(); });
            });
        } catch (const PgError &error) {
            if (is_cancel(error.data))
                throw;
            guard([&] {
                ereport(WARNING,
                        (errcode(error.data->sqlerrcode),
                         errmsg("could not refresh materialized views on commit: %s",
                                view::told(error.data, superuser()))));
            });
        }
    });
}

// Whatever a refresh locks would stay locked until COMMIT PREPARED, and every writer of
// the same tables would wait for that.  The changes stay in the log: the next refresh,
// on the commit of another transaction for instance, finds them once they are committed.
void leave_to_others()
{
    if (touched::any() && !run::skip_refresh)
        ereport(NOTICE,
                (errmsg("PREPARE TRANSACTION does not refresh materialized views that are refreshed on commit"),
                 errdetail("After COMMIT PREPARED, their next refresh takes in the changes."),
                 errhint("That is on the next commit that changes what they read, or by refresh_mv.run().")));
}

void on_transaction(XactEvent event, void *)
{
    if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE) {
        if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
            touched::forget_all();
        return;
    }
    if (event == XACT_EVENT_PRE_PREPARE)
        leave_to_others();
    else if (touched::any() && !run::skip_refresh)
        refresh_before_end();
    touched::forget_all();
}

} // namespace

namespace on_commit {

void watch()
{
    RegisterXactCallback(on_transaction, nullptr);
}

} // namespace on_commit

} // namespace refresh_mv
