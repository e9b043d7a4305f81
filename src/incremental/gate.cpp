#include "incremental/gate.hpp"

#include "query/query.hpp"

namespace refresh_mv::gate {

// Measured with TPC-H at scale 1: milliseconds for each unit of the planner's costs, of a query that reads
// tables as a whole, and of one that looks rows up which are in memory; and what any exact refresh takes.
static constexpr double usual_full_rate = 0.01;
static constexpr double usual_exact_rate = 0.002;
static constexpr double fixed_ms = 2;

// The least that a change takes, by measurements of bench/matrix; and from how many on they tell anything.
static constexpr double least_change_ms = 0.0015;
static constexpr int64 many_changes = 1000;

// A full refresh that takes less than this is not worth a comparison.
static constexpr double least_ms = 10;

// Refreshes that cost less than this tell nothing about the rate.
static constexpr double least_cost = 1000;

double cost_limit = 1;

double full_cost(Relation view)
{
    return query::checked_cost(query::rewritten(view)) + query::cost(query::select_held(view, nullptr));
}

double changes_ms(const Experience &experience, int64 changes)
{
    return fixed_ms + static_cast<double>(changes) * Max(experience.change_ms, least_change_ms);
}

double query_ms(double cost)
{
    constexpr double usual_rate = 0.004; // partly looked up, partly read as a whole
    return cost * usual_rate;
}

// Whether so many changes take too long, whatever they are.
static bool too_many(const Gate &gate, const Experience &experience, int64 changes)
{
    return changes > many_changes && changes_ms(experience, changes) > cost_limit * Max(gate.full_ms, least_ms);
}

// What a full refresh is expected to take, by the last one: it reads and compares as much again, and writes about as
// much as an exact one.
static double full_again(const Experience &experience, int64 changes)
{
    constexpr double write_ms = 0.001;
    double spared = Max(experience.full_rows - static_cast<double>(changes), 0) * write_ms;
    return Max(experience.full_ms - spared, experience.full_ms / 2);
}

Gate of(Relation view, const Experience &experience, int64 changes)
{
    Gate gate{};
    gate.full_ms = experience.full_ms > 0 ? full_again(experience, changes) : full_cost(view) * usual_full_rate;
    gate.rate = experience.exact_rate > 0 ? experience.exact_rate : usual_exact_rate;
    gate.limit = too_many(gate, experience, changes) ? 0 : cost_limit * Max(gate.full_ms, least_ms) / gate.rate;
    return gate;
}

double exact_ms(const Gate &gate, double cost)
{
    return fixed_ms + cost * gate.rate;
}

double patience_ms(const Gate &gate)
{
    constexpr double least_patience = 200;
    return Max(cost_limit * gate.full_ms, least_patience);
}

void learn_full(Experience *experience, double ms, double rows)
{
    experience->full_ms = ms;
    experience->full_rows = rows;
}

// Few refreshes are of changes that are much slower than those of others: those come into it slowly.
static void learn_changes(Experience *experience, int64 changes, double ms, bool given_up)
{
    double change_ms = Max(ms - fixed_ms, 0) / static_cast<double>(changes);
    if (given_up)
        experience->change_ms = Max(experience->change_ms, 1.5 * change_ms);
    else if (experience->change_ms > 0)
        experience->change_ms = Min(change_ms, 2 * experience->change_ms);
    else
        experience->change_ms = change_ms;
}

void learn_exact(Experience *experience, int64 changes, double cost, double ms, bool given_up)
{
    if (changes > many_changes)
        learn_changes(experience, changes, ms, given_up);
    double rate = Max(ms - fixed_ms, 0) / Max(cost, 1);
    bool paid = ms <= Max(experience->full_ms, least_ms);
    experience->exact_ms = ms;
    if (cost < least_cost && paid)
        return;
    rate = Max(rate, usual_exact_rate / 10);
    if (!given_up) // one that had to wait for something else is not to keep the next ones out
        rate = Min(rate, 4 * Max(experience->exact_rate, usual_exact_rate));
    experience->exact_rate = experience->exact_rate > 0 ? (experience->exact_rate + rate) / 2 : rate;
}

void learn_refusal(Experience *experience, int64 changes, double ms)
{
    constexpr double bearable = 0.1; // of a full refresh's time
    double rate = Max(experience->exact_rate, usual_exact_rate);
    bool late = ms > least_ms && ms > bearable * experience->full_ms;
    if (late && changes > many_changes) // so that it is refused at once
        experience->change_ms = Max(experience->change_ms, 1.5 * experience->full_ms / static_cast<double>(changes));
    else if (late)
        experience->exact_rate = rate * 4; // so that it is refused earlier
    else if (too_many({full_again(*experience, changes), 0, 0}, *experience, changes))
        experience->change_ms *= 0.99;
    else if (rate > usual_exact_rate)
        experience->exact_rate = Max(usual_exact_rate, rate * 0.85);
}

} // namespace refresh_mv::gate
