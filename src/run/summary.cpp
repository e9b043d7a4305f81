// What a call gives back.
#include "run/run.hpp"
#include "server/messages.hpp"

namespace refresh_mv {

namespace {

std::string type_of(const std::vector<Outcome> &outcomes)
{
    bool whole = false;
    bool part = false;
    for (const Outcome &outcome : outcomes)
        if (outcome.success && outcome.refreshed.method > Method::skip)
            (is_partial(outcome.refreshed.method) ? part : whole) = true;
    return whole && part ? "mixed" : whole ? "full" : part ? "incremental" : "none";
}

} // namespace

Summary run::summary(const std::vector<Outcome> &outcomes, double seconds)
{
    Summary summary = {true, {}, seconds, type_of(outcomes), ""};
    size_t failed = 0;
    size_t skipped = 0;
    std::string remarks;

    for (const Outcome &outcome : outcomes) {
        if (!outcome.success) {
            failed++;
            remarks += "; " + outcome.name + ": " + outcome.error;
        } else if (outcome.refreshed.method == Method::none)
            remarks += "; " + outcome.name + ": " + outcome.refreshed.reason;
        else if (outcome.refreshed.method == Method::skip)
            skipped++;
        else
            summary.refreshed.push_back(outcome.name);
    }
    summary.success = failed == 0;
    if (outcomes.empty())
        summary.message = "No materialized views to refresh";
    else if (failed > 0)
        summary.message = format("%zu of %zu materialized views failed", failed, outcomes.size());
    else
        summary.message = format("%zu materialized views refreshed", summary.refreshed.size());
    if (skipped > 0)
        summary.message += format(", %zu up to date", skipped);
    summary.message += remarks;
    return summary;
}

} // namespace refresh_mv
