// refresh_mv: refreshes ordinary materialized views in place.  What PostgreSQL loads: the
// settings, and who is called back when.

#include "api/take_over.hpp"
#include "capture/capture.hpp"
#include "capture/deleted_rows.hpp"
#include "capture/merge_moves.hpp"
#include "capture/row_events.hpp"
#include "incremental/incremental.hpp"
#include "incremental/make_node.hpp"
#include "inspect/live_scan.hpp"
#include "log/log_retention.hpp"
#include "log/open_statements.hpp"
#include "query/hashed_joins.hpp"
#include "run/on_commit.hpp"
#include "run/run.hpp"
#include "store/state_tables.hpp"
#include "tracking/logged_relation.hpp"

#include <cfloat>

namespace refresh_mv {

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void)
{
    // If memory runs out in here, loading is tried again: what is done is not done twice.
    static int steps_done = 0;
    int step = 0;
    auto once = [&](auto code) {
        if (step++ < steps_done)
            return;
        code();
        steps_done++;
    };
    once([] {
        DefineCustomBoolVariable("refresh_mv.skip_refresh",
                                 "Makes refresh calls return at once without refreshing anything.",
                                 nullptr, &run::skip_refresh, false, PGC_USERSET, 0, nullptr, nullptr,
                                 nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.warn_after",
                                "Warns when the refresh of a view takes longer than this.",
                                "0 never warns.", &run::limits.warn_after, 60000, 0, INT_MAX, PGC_USERSET,
                                GUC_UNIT_MS, nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.failure_limit",
                                "Warns when so many refreshes of a view have failed in a row.",
                                "0 never warns.", &run::limits.failures, 3, 0, INT_MAX, PGC_USERSET, 0,
                                nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.history_days",
                                "Removes entries from refresh_mv.history after so many days.", nullptr,
                                &run::limits.history_days, 31, 1, most_days, PGC_SUSET, 0, nullptr, nullptr,
                                nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.max_logged_rows",
                                "A statement that changes more rows is logged without them.",
                                "The views that read its table are then refreshed in full.",
                                &capture::most_rows, 1000000, 0, INT_MAX, PGC_USERSET, 0, nullptr,
                                nullptr, nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.max_log_size",
                                "The size beyond which the logged changes of a table are given up.",
                                "The views that read the table are then refreshed in full.",
                                &log_retention::max_log_size, 256 * 1024, 64, INT_MAX, PGC_SUSET,
                                GUC_UNIT_KB, nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomRealVariable("refresh_mv.exact_cost_limit",
                                 "An exact refresh may take so many times what a full one takes.",
                                 "By what refreshes of the view have taken; 0 refreshes what has changed in full.",
                                 &gate::cost_limit, 1, 0, DBL_MAX, PGC_USERSET, 0, nullptr, nullptr,
                                 nullptr);
    });
    once([] {
        DefineCustomIntVariable("refresh_mv.node_size_limit",
                                "The most that the joined rows of a view may take which are kept for its next refresh.",
                                "Where LIMIT, windows and the like are applied to them; 0 keeps none.",
                                &make_node::size_limit, 1024, 0, INT_MAX / 1024, PGC_USERSET, GUC_UNIT_MB, nullptr,
                                nullptr, nullptr);
    });
    once([] {
        DefineCustomBoolVariable("refresh_mv.logged_states",
                                 "Writes the states of views to WAL, so that they survive a crash.",
                                 "Of states that are made from now on, by full refreshes.", &state_tables::logged, false,
                                 PGC_USERSET, 0, nullptr, nullptr, nullptr);
    });
    once([] {
        DefineCustomEnumVariable("refresh_mv.take_over",
                                 "Whether REFRESH MATERIALIZED VIEW is done by refresh_mv.",
                                 "cascade: what the view reads is refreshed first.", &take_over::setting,
                                 take_over::off, take_over::settings, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    });
    once([] { MarkGUCPrefixReserved("refresh_mv"); });
    once([] { logged_relation::watch(); });
    once([] { live_scan::watch(); });
    once([] { hashed_joins::install(); });
    once([] { merge_moves::watch(); });
    once([] { row_events::watch(); });
    once([] { deleted_rows::watch(); });
    once([] { on_commit::watch(); });
    once([] { take_over::watch(); });
    once([] { open_statements::at_commit(capture::log_unfinished); }); // called before on_commit's
}

} // namespace refresh_mv
