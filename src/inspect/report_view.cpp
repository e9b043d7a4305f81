#include "inspect/report_parts.hpp"
#include "inspect/report_words.hpp"

#include <algorithm>
#include <cmath>

namespace refresh_mv::report {

namespace {

// The bars of runs, in pixels: of the durations upwards, of the rows downwards.
constexpr int slot = 10;
constexpr int bar_width = 7;
constexpr int slots = 30;
constexpr int most_up = 40;
constexpr int most_down = 16;
constexpr int baseline = most_up + 2;

// So many of the last runs are told in words, or of many views.
constexpr size_t told_runs = 6;
constexpr size_t told_of_many = 3;

struct Method {
    const char *name;
    Markup css_class;
};

constexpr Method methods[] = {{"skip", "skip"}, {"delta", "delta"}, {"keys", "keys"},       {"window", "window"},
                              {"full", "full"}, {"where", "where"}, {"rebuild", "rebuild"}};

// ---- facts ----

void put_fact(Html &page, Markup name, const std::string &value)
{
    page << "<div><dt>" << name << "</dt><dd>" << Text(value) << "</dd></div>";
}

// The middle and the most of what is known of runs.
struct Spread {
    double median = -1;
    double longest = -1;
};

Spread spread(const std::vector<Run> &runs, double (*value)(const Run &))
{
    std::vector<double> values;
    for (const Run &run : runs)
        if (value(run) >= 0)
            values.push_back(value(run));
    if (values.empty())
        return {};
    std::sort(values.begin(), values.end());
    return {values[values.size() / 2], values.back()};
}

void put_facts(Html &page, const Relation &view)
{
    Spread lag = spread(view.runs, [](const Run &run) { return run.lag_ms; });
    Spread time = spread(view.runs, [](const Run &run) { return run.success && run.method != "skip" ? run.ms : -1; });
    page << "<dl>";
    if (view.lag_ms >= 0)
        put_fact(page, "lag", duration(view.lag_ms));
    if (lag.longest >= 0)
        put_fact(page, "lag of these runs", duration(lag.median) + ", at most " + duration(lag.longest));
    if (view.max_lag_ms >= 0)
        put_fact(page, "may lag", duration(view.max_lag_ms));
    if (view.pending >= 0)
        put_fact(page, "not shown yet", count(view.pending, "change", "changes"));
    if (view.rows >= 0)
        put_fact(page, "holds about", count(view.rows, "row", "rows"));
    if (view.bytes >= 0)
        put_fact(page, "size", size(view.bytes));
    if (time.median >= 0)
        put_fact(page, "usually takes", duration(time.median));
    if (!view.keep_before.empty())
        put_fact(page, "keeps what is older than", view.keep_before);
    page << "</dl>";
    if (!view.last_success.empty())
        page << "<p class=\"cap\">Last refreshed <time>" << Text(view.last_success) << "</time></p>";
}

// ---- runs ----

std::string written(const Run &run)
{
    return count(run.written, "row written", "rows written");
}

// A bar of that height, up from the baseline or down from it.
void put_bar(Html &page, int x, int up, int down)
{
    if (up > 0)
        page << "M" << x << " " << baseline << "v-" << up << "h" << bar_width << "v" << up << "z";
    if (down > 0)
        page << "M" << x << " " << (baseline + 2) << "v" << down << "h" << bar_width << "v-" << down << "z";
}

// By the square root: a full refresh must not make all others too small to be seen.
int height(double value, double most, int pixels)
{
    return value <= 0 ? 0 : std::max(1, static_cast<int>(std::sqrt(value / most) * pixels));
}

struct Most {
    double ms = 0;
    double written = 0;
    int failures = 0;
};

Most most_of(const std::vector<Run> &runs)
{
    Most most;
    for (const Run &run : runs) {
        most.ms = std::max(most.ms, run.ms);
        most.written = std::max(most.written, run.written);
        most.failures += run.success ? 0 : 1;
    }
    return most;
}

void put_run(Html &page, const Run &run, int x, const Most &most)
{
    page << "<path class=\"" << (run.success ? class_of(run.method) : Markup("no")) << "\" d=\"";
    if (run.success)
        put_bar(page, x, std::max(2, height(run.ms, most.ms, most_up)), height(run.written, most.written, most_down));
    else
        page << "M" << x << " " << (baseline - 8) << "l7 7m0-7l-7 7";
    page << "\"><title>" << Text(run.started) << ", " << Text(run.success ? run.method : "failed") << ", "
         << Text(duration(run.ms)) << ", " << Text(written(run)) << "</title></path>";
}

void put_bars(Html &page, const std::vector<Run> &runs)
{
    Most most = most_of(runs);
    int count_of = static_cast<int>(runs.size());
    int columns = std::max(slots, count_of);
    page << "<svg class=\"runs\" role=\"img\" aria-label=\"Durations and rows of the last " << count_of
         << " runs\" viewBox=\"0 0 " << columns * slot << " " << (baseline + 2 + most_down) << "\"><path class=\"axis\" d=\"M0 "
         << baseline << ".5h" << columns * slot << "\"/>";
    for (int i = 0; i < count_of; i++)
        put_run(page, runs[i], (columns - count_of + i) * slot + 2, most);
    page << "</svg><p class=\"cap\">Last " << Text(count(count_of, "run", "runs")) << ": up the duration, at most "
         << Text(duration(most.ms)) << "; down what was written, at most " << Text(count(most.written, "row", "rows"));
    if (most.failures > 0)
        page << "; &#215; " << most.failures << " failed";
    page << "</p>";
}

void put_last(Html &page, const Run &run)
{
    page << "<li><time>" << Text(run.started) << "</time> <span class=\"how " << class_of(run.success ? run.method : "")
         << "\">" << Text(run.success ? run.method : "failed") << "</span> " << Text(duration(run.ms));
    if (run.success)
        page << ", " << Text(written(run));
    else
        page << ", SQLSTATE " << Text(run.sqlstate);
    if (!run.reason.empty())
        page << "<br/><span class=\"soft\">" << Text(html::shortened(run.reason, 240)) << "</span>";
    page << "</li>";
}

void put_runs(Html &page, const Relation &view)
{
    if (view.runs.empty())
        return;
    put_bars(page, view.runs);
    page << "<details><summary>Last runs<span class=\"away\"> of " << Text(view.name) << "</span></summary><ol class=\"last\">";
    for (size_t i = 0; i < std::min(view.runs.size() < slots ? told_of_many : told_runs, view.runs.size()); i++)
        put_last(page, view.runs[view.runs.size() - 1 - i]);
    page << "</ol></details>";
}

// ---- what is next ----

void put_next(Html &page, const Relation &view)
{
    if (!view.next_method.empty())
        page << "<p class=\"small\">A smart refresh now: <span class=\"how " << class_of(view.next_method) << "\">"
             << Text(view.next_method) << "</span><span class=\"soft\">: " << Text(view.next_reason) << "</span></p>";
    else if (!view.next_reason.empty())
        page << "<p class=\"small soft\">It cannot be explained now: " << Text(view.next_reason) << "</p>";
}

} // namespace

Markup class_of(const std::string &method)
{
    for (const Method &known : methods)
        if (method == known.name)
            return known.css_class;
    return "none";
}

void put_view(Html &page, const Relation &view, int number)
{
    page << "<article class=\"box view is-" << class_of(view.freshness) << "\" id=\"view" << number << "\"><div class=\"head\"><h3>";
    put_name(page, view);
    page << "</h3><span class=\"state " << class_of(view.freshness) << "\">";
    put_mark(page, view.freshness);
    page << word_for(view.freshness) << "</span></div><p class=\"small soft\">";
    page << (!view.readable  ? Markup("neither yours nor readable for you")
             : view.tracked ? Markup("tracked")
                            : Markup("not tracked"));
    if (!view.enabled)
        page << ", disabled: calls without names leave it alone";
    page << ", of <bdi>" << Text(view.owner) << "</bdi></p>";
    put_next(page, view);
    put_facts(page, view);
    put_runs(page, view);
    page << "</article>";
}

} // namespace refresh_mv::report
