#include "refresh/merge_scope.hpp"

#include "merge/merge.hpp"
#include "refresh/choose_method.hpp"
#include "refresh/listeners.hpp"
#include "refresh/log_merge.hpp"
#include "refresh/row_condition.hpp"
#include "store/extension.hpp"
#include "tracking/registry.hpp"
#include "tracking/source_files.hpp"

namespace refresh_mv {

namespace {

// Swaps the view's file, and tells those that read it: its differences have been logged.
// They are not being refreshed, since their refreshes lock it.
bool swap_and_tell(Relation view, Diff *diff)
{
    Oid oid = RelationGetRelid(view);
    const char *before = source_files::of_relation(oid);
    if (!merge::swap(view, diff))
        return false;
    CommandCounterIncrement();
    if (!IsolationUsesXactSnapshot())
        registry::follow_file(oid, before, source_files::of_relation(oid));
    return true;
}

// Swaps the view's file; false, with nothing done, where the lock is not free.
bool swap_file(Relation view, Diff *diff)
{
    struct NotFree {};
    try {
        subtransaction([&] {
            if (!guard([&] { return swap_and_tell(view, diff); }))
                throw NotFree{};
        });
        return true;
    } catch (const NotFree &) {
        return false;
    }
}

// Whether a query returns a sign after the columns of the view.
bool has_sign(Relation view, Query *query)
{
    return ExecCleanTargetListLength(query->targetList) > RelationGetDescr(view)->natts;
}

} // namespace

Merged merge_sides(const OpenView &open, Sides sides, Method method, bool may_swap)
{
    Relation view = open.relation;
    PairingKey key{};
    Diff *diff = guard([&] {
        key = shape::pairing_key(view, query::stored(view));
        return has_sign(view, sides.fresh)
                   ? diff::compute_signed(view, sides.held, sides.fresh, key, sides.environment)
                   : diff::compute(view, sides.held, sides.fresh, key, sides.environment);
    });
    RowCounts rows = {diff->fresh_rows, diff->changed_rows, diff->gone_rows, diff->unchanged_rows};
    uint64 changes = rows.inserted + rows.updated + rows.deleted;

    Listeners *listeners = guard([&] {
        log_merge::write(view, diff);
        return listeners::begin(open, diff, key);
    });
    if (may_swap && choose_method::rebuild_pays(changes, rows.inserted + rows.updated + rows.unchanged)
        && swap_file(view, diff))
        method = Method::rebuild;
    else
        guard([&] { merge::apply(view, diff); });
    guard([&] {
        if (changes > 0 && !IsolationUsesXactSnapshot())
            extension::note_merge(RelationGetRelid(view));
        listeners::finish(listeners, method, rows);
        diff::release(diff);
    });
    return {rows, method, nullptr};
}

Merged merge_scope(const OpenView &view, Scope scope, Method method, bool may_swap)
{
    Sides sides = guard([&] {
        return Sides{query::select_held(view.relation, scope.condition),
                     query::select_fresh(view.relation, scope.fresh, scope.wanted), nullptr};
    });
    return merge_sides(view, sides, method, may_swap);
}

Node *kept_rows(const OpenView &view)
{
    return row_condition::kept(view.relation, view.window, view.settings.keep_before);
}

bool merge_part(const OpenView &view, Scope part, Method method, Merged *merged)
{
    return without_conflict([&] { *merged = merge_scope(view, part, method, false); });
}

} // namespace refresh_mv
