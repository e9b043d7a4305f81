#include "refresh/core_refresh.hpp"

#include "incremental/gate.hpp"
#include "incremental/incremental.hpp"
#include "log/log_writer.hpp"
#include "log/replica.hpp"
#include "query/query.hpp"
#include "query/view.hpp"
#include "refresh/log_merge.hpp"
#include "refresh/row_condition.hpp"
#include "server/bridge.hpp"
#include "server/time_box.hpp"
#include "store/chunk_progress.hpp"
#include "store/view_settings.hpp"
#include "tracking/baseline.hpp"
#include "tracking/registry.hpp"

namespace refresh_mv {

namespace {

// What bringing the states along may take, of the time of a full refresh.
constexpr double share = 0.25;

// Gives up, whatever has been done so far.
struct NoBaseline {};

// Whether there is anything to be done, and nothing known against it.  The view is locked by REFRESH,
// so that nobody else is refreshing it: its other lock is not waited for, since whoever has it may be
// waiting for us.
bool is_possible(Oid view)
{
    return view_settings::read(view).tracked && !log_writer::has_written_since(GetActiveSnapshot()->curcid)
           && !replica::is_amidst_rows() && registry::shows_last_baseline(view)
           && view::lock_against_refresh_if_free(view);
}

// Opens the view under a snapshot of its own, which shows what is done from now on.
OpenView open(Oid oid, BaselineStatus *baseline)
{
    PushCopiedSnapshot(GetActiveSnapshot());
    OpenView view = view::open(oid);
    if (RelationIsPopulated(view.relation) && view::is_in_snapshot(view.relation))
        *baseline = baseline::look(view.relation, view.settings.tracked, Amidst::allowed);
    return view;
}

// Brings the states of a baseline to the active snapshot; returns what they are of.
const char *follow(const OpenView &view, const BaselineStatus &baseline)
{
    const char *groups = baseline.groups;
    if (groups == nullptr || (baseline.unknown == nullptr && baseline.pending == 0 && !baseline.time_has_passed()))
        return groups;
    if (baseline.unknown != nullptr)
        throw NoBaseline{};
    Gate gate = guard([&] { return gate::of(view.relation, baseline.experience, baseline.pending); });
    gate.limit *= share;
    time_box::begin(share * gate::patience_ms(gate));
    if (incremental::follow(view.relation, baseline, gate, &groups) != nullptr)
        throw NoBaseline{};
    if (!time_box::end())
        throw NoBaseline{};
    return groups;
}

void make(Oid oid)
{
    BaselineStatus baseline{};
    OpenView view = guard([&] { return open(oid, &baseline); });
    if (!baseline.can_save)
        throw NoBaseline{};
    List *relations = guard([&] { return query::lock_sources(view.relation); });
    const char *groups = follow(view, baseline);
    guard([&] {
        if (!equal(relations, query::lock_sources(view.relation)))
            ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("a partition was attached or detached")));
        log_merge::everything(oid, "REFRESH MATERIALIZED VIEW");
        baseline::save(oid, baseline, groups, row_condition::bound(view.window, view.settings.keep_before));
        view::close(&view);
        PopActiveSnapshot();
    });
}

} // namespace

bool core_refresh::make_baseline(Oid oid)
{
    if (!guard([&] { return is_possible(oid); }))
        return false;
    try {
        subtransaction([&] { make(oid); });
        return true;
    } catch (const NoBaseline &) {
        view::stop_clock();
        time_box::end();
    } catch (const PgError &error) {
        view::stop_clock();
        if (!time_box::end_after(error) && is_cancel(error.data))
            throw;
    } catch (...) {
        view::stop_clock();
        time_box::end();
        throw;
    }
    return false;
}

void core_refresh::end_chunks(Oid view)
{
    try {
        subtransaction([&] { guard([&] { chunk_progress::forget(view); }); });
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
    }
}

} // namespace refresh_mv
