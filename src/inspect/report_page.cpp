#include "inspect/report_parts.hpp"
#include "inspect/report_style.hpp"
#include "inspect/report_words.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace refresh_mv::report {

namespace {

// Where there are more views than that, they can be chosen by how fresh they are.
constexpr int few_views = 6;

constexpr Freshness all_kinds[] = {Freshness::failing, Freshness::empty,   Freshness::stale,
                                   Freshness::unknown, Freshness::fresh, Freshness::hidden};

struct Look {
    Markup css_class;
    Markup word;
    Markup mark; // what it looks like, in 14 by 14 pixels
};

// A cross in a square, a broken ring, a triangle, a ring with a question mark, a disc, a lock.
constexpr Look looks[] = {
    {"failing", "failing", "<path fill=\"currentColor\" d=\"M2 0h10l2 2v10l-2 2H2l-2-2V2z\"/><path d=\"M4 4l6 6m0-6l-6 6\" style=\"stroke:var(--card);stroke-width:1.8\"/>"},
    {"empty", "empty", "<circle cx=\"7\" cy=\"7\" r=\"5.9\" style=\"fill:none;stroke:currentColor;stroke-width:2;stroke-dasharray:3 2.2\"/>"},
    {"stale", "stale", "<path fill=\"currentColor\" d=\"M7 .5L14 13.5H0z\"/>"},
    {"unknown", "not known", "<circle cx=\"7\" cy=\"7\" r=\"6.1\" style=\"fill:none;stroke:currentColor;stroke-width:1.7\"/><path d=\"M7 3.6v4m0 1.6v1.6\" style=\"stroke:currentColor;stroke-width:1.8\"/>"},
    {"fresh", "fresh", "<circle cx=\"7\" cy=\"7\" r=\"7\" fill=\"currentColor\"/><path d=\"M3.6 7.2l2.4 2.4 4.4-4.8\" style=\"fill:none;stroke:var(--card);stroke-width:1.8\"/>"},
    {"hidden", "no access", "<path d=\"M4 6V4a3 3 0 0 1 6 0v2\" style=\"fill:none;stroke:currentColor;stroke-width:1.6\"/><rect x=\"2\" y=\"6\" width=\"10\" height=\"8\" rx=\"1.5\" fill=\"currentColor\"/>"},
};

const Look &look(Freshness freshness)
{
    return looks[static_cast<int>(freshness)];
}

std::string duration_with_sign(double ms)
{
    return ms < 0 ? "not known" : duration(ms);
}

// The views of a page, by how fresh they are.
std::array<int, std::size(looks)> counts(const Contents &contents)
{
    std::array<int, std::size(looks)> counts{};
    for (const Relation &relation : contents.relations)
        if (relation.is_view)
            counts[static_cast<int>(relation.freshness)]++;
    return counts;
}

// ---- the head ----

void put_symbols(Html &page)
{
    page << "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>";
    for (const Look &one : looks)
        page << "<symbol id=\"mark-" << one.css_class << "\" viewBox=\"0 0 14 14\">" << one.mark << "</symbol>";
    page << "</defs></svg>";
}

void put_head(Html &page, const Contents &contents)
{
    page << "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"utf-8\"/>"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
            "<meta name=\"color-scheme\" content=\"light dark\"/>"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"/>"
            "<link rel=\"icon\" href=\"data:,\"/><title>Materialized views of "
         << Text(contents.database) << "</title><style>" << style << "</style></head>\n<body>";
    put_symbols(page);
    page << "<header><h1>Materialized views of <bdi>" << Text(contents.database) << "</bdi></h1><p class=\"soft\">As <bdi>"
         << Text(contents.role) << "</bdi> may see them, <time>" << Text(contents.now) << "</time></p>";
}

void put_tile(Html &page, Freshness freshness, int number)
{
    page << "<li class=\"" << class_of(freshness) << "\"><b>" << number << "</b><span>";
    put_mark(page, freshness);
    page << "<span class=\"soft\">" << word_for(freshness) << "</span></span></li>";
}

void put_tiles(Html &page, const Contents &contents)
{
    auto number_of = counts(contents);
    double lag = -1;
    for (const Relation &relation : contents.relations)
        lag = std::max(lag, relation.lag_ms);
    page << "<ul class=\"tiles\" aria-label=\"Summary\"><li><b>" << contents.views << "</b><span class=\"soft\">"
         << (contents.views == 1 ? Markup("view") : Markup("views")) << "</span></li>";
    for (Freshness kind : {Freshness::fresh, Freshness::stale, Freshness::failing, Freshness::empty, Freshness::unknown, Freshness::hidden})
        if (number_of[static_cast<int>(kind)] > 0)
            put_tile(page, kind, number_of[static_cast<int>(kind)]);
    if (lag >= 0)
        page << "<li><b>" << Text(duration_with_sign(lag)) << "</b><span class=\"soft\">longest lag</span></li>";
    page << "</ul>";
}

// ---- what to do first ----

void put_step(Html &page, Markup what, Markup statement)
{
    page << "<li>" << what << "<pre><code>" << statement << "</code></pre></li>";
}

// The first steps, of those that have not been taken.  Who may see no view has none to take.
void put_steps(Html &page, const Contents &contents)
{
    bool tracked = false, refreshed = false, hidden = contents.views > 0;
    for (const Relation &relation : contents.relations) {
        tracked |= relation.tracked;
        refreshed |= !relation.runs.empty() || !relation.last_success.empty();
        hidden &= !relation.readable;
    }
    if ((tracked && refreshed) || hidden)
        return;
    page << "<section class=\"box steps\" aria-labelledby=\"first\"><h2 id=\"first\" style=\"margin:0\">"
         << (contents.views == 0 ? Markup("There is no materialized view yet") : Markup("What to do first")) << "</h2><ol>";
    if (contents.views == 0)
        put_step(page, "Make a view, as any other:",
                 "CREATE MATERIALIZED VIEW sales AS\nSELECT order_date, count(*), sum(price) FROM orders GROUP BY order_date;");
    if (!tracked)
        put_step(page, "Have the changes of what it reads logged, so that a refresh knows them; without a name, all views that allow it:",
                 contents.views == 0 ? Markup("SELECT * FROM refresh_mv.track('sales');") : Markup("SELECT * FROM refresh_mv.track();"));
    if (!refreshed)
        put_step(page, "Refresh, each view by the method that suits it:", "CALL refresh_mv.run();");
    put_step(page, "Have that done again and again, with pg_cron; or call it from whatever you schedule jobs with:",
             "SELECT refresh_mv.schedule();");
    page << "</ol></section>";
}

// ---- what needs attention ----

void put_statement(Html &page, const Cure &cure, const Relation &view)
{
    if (!cure.before.value.empty())
        page << "<pre><code>" << cure.before << Text(view.literal) << cure.after << "</code></pre>";
}

void put_failure(Html &page, const Relation &view)
{
    const Run *failure = nullptr;
    for (const Run &run : view.runs)
        if (!run.success)
            failure = &run;
    page << "<p>" << Text(count(view.failures, "failure", "failures")) << " since the last success";
    if (view.last_success.empty())
        page << ", of which there was none";
    else
        page << " at <time>" << Text(view.last_success) << "</time>";
    if (failure == nullptr) {
        page << ".</p>";
        return;
    }
    page << "; the last one at <time>" << Text(failure->started) << "</time>, SQLSTATE " << Text(failure->sqlstate) << ".</p>";
    if (!failure->reason.empty())
        page << "<pre class=\"message\">" << Text(html::shortened(failure->reason, 1000)) << "</pre>";
    else
        page << "<p class=\"soft\">What it says is for the owner of the view.</p>";
    Cure remedy = cure(failure->sqlstate);
    page << "<p>" << remedy.advice << "</p>";
    put_statement(page, remedy, view);
}

void put_trouble(Html &page, const Relation &view)
{
    if (view.failures > 0)
        put_failure(page, view);
    if (view.freshness == Freshness::empty)
        put_statement((page << "<p>It has no data, and cannot be queried.</p>"),
                      {"", "CALL refresh_mv.run('full', views => ARRAY[", "]::regclass[]);"}, view);
    if (view.max_lag_missed)
        put_statement((page << "<p>It may lag behind by " << Text(duration(view.max_lag_ms))
                            << ", and as runs go that is not kept: have them come more often, or have it refreshed on commit.</p>"),
                      {"", "SELECT * FROM refresh_mv.track(", ", on_commit => true);"}, view);
}

bool is_in_trouble(const Relation &view)
{
    return view.is_view
           && (view.failures > 0 || view.freshness == Freshness::empty || view.max_lag_missed);
}

// Whether changes of a view are not known, which the next refresh sees to, and nothing worse.
bool is_in_doubt(const Relation &view)
{
    return view.is_view && !is_in_trouble(view) && !view.why_unknown.empty();
}

// Names of views, as links; of many the first ones.
void put_links(Html &page, const Contents &contents, const std::vector<int> &views)
{
    constexpr size_t most = 12;
    for (size_t i = 0; i < std::min(views.size(), most); i++) {
        page << (i == 0 ? Markup("") : Markup(", ")) << "<a href=\"#view" << views[i] << "\">";
        put_name(page, contents.relations[views[i]]);
        page << "</a>";
    }
    if (views.size() > most)
        page << " and " << static_cast<int>(views.size() - most) << " more";
}

// The views of which changes are not known, by the reason.
void put_doubts(Html &page, const Contents &contents)
{
    std::map<std::string, std::vector<int>> doubts;
    for (size_t i = 0; i < contents.relations.size(); i++)
        if (is_in_doubt(contents.relations[i]))
            doubts[contents.relations[i].why_unknown].push_back(static_cast<int>(i));
    for (const auto &[reason, views] : doubts) {
        page << "<li class=\"box unknown\"><div class=\"head\"><span class=\"state unknown\">";
        put_mark(page, Freshness::unknown);
        page << "not known</span><h3>" << Text(reason) << "</h3></div><p>The changes of ";
        put_links(page, contents, views);
        page << " are not known row by row. The next refresh computes all, and knows them again, or says why not.</p></li>";
    }
}

bool needs_attention(const Contents &contents)
{
    return std::any_of(contents.relations.begin(), contents.relations.end(),
                       [](const Relation &view) { return is_in_trouble(view) || is_in_doubt(view); });
}

void put_attention(Html &page, const Contents &contents)
{
    if (!needs_attention(contents))
        return;
    page << "<section aria-labelledby=\"attention\"><h2 id=\"attention\">What needs attention</h2><ul class=\"list\">";
    for (size_t i = 0; i < contents.relations.size(); i++) {
        const Relation &view = contents.relations[i];
        if (!is_in_trouble(view))
            continue;
        page << "<li class=\"box " << class_of(view.freshness) << "\"><div class=\"head\"><span class=\"state " << class_of(view.freshness) << "\">";
        put_mark(page, view.freshness);
        page << word_for(view.freshness) << "</span><h3><a href=\"#view" << static_cast<int>(i) << "\">";
        put_name(page, view);
        page << "</a></h3></div>";
        put_trouble(page, view);
        page << "</li>";
    }
    put_doubts(page, contents);
    page << "</ul></section>";
}

// ---- views ----

void put_choice(Html &page, Freshness kind, int number)
{
    page << "<label><input type=\"radio\" name=\"only\" id=\"only-" << class_of(kind) << "\"/>" << word_for(kind) << " (" << number << ")</label>";
}

void put_choices(Html &page, const Contents &contents)
{
    auto number_of = counts(contents);
    page << "<fieldset><legend>Show</legend><label><input type=\"radio\" name=\"only\" checked=\"checked\"/>all (" << contents.views << ")</label>";
    for (Freshness kind : all_kinds)
        if (kind != Freshness::hidden && number_of[static_cast<int>(kind)] > 0)
            put_choice(page, kind, number_of[static_cast<int>(kind)]);
    page << "</fieldset>";
}

void put_views(Html &page, const Contents &contents)
{
    page << "<section aria-labelledby=\"views\"><h2 id=\"views\">Views</h2>";
    if (contents.views > few_views)
        put_choices(page, contents);
    page << "<div class=\"grid\">";
    for (size_t i = 0; i < contents.relations.size(); i++)
        if (contents.relations[i].is_view)
            put_view(page, contents.relations[i], static_cast<int>(i));
    page << "</div></section>";
}

// ---- advice ----

// What is advised, each statement once, with the views that it is for.
struct Advised {
    std::string reason;
    std::vector<int> views;
};

using AllAdvice = std::vector<std::pair<std::string, Advised>>;

AllAdvice all_advice(const Contents &contents)
{
    AllAdvice all;
    std::map<std::string, size_t> places;
    for (size_t i = 0; i < contents.relations.size(); i++)
        for (const Advice &advice : contents.relations[i].advice) {
            auto [place, fresh] = places.emplace(advice.statement, all.size());
            if (fresh)
                all.push_back({advice.statement, {advice.reason, {}}});
            all[place->second].second.views.push_back(static_cast<int>(i));
        }
    return all;
}

// How many views the caller may have explained, if that was wanted.
int explainable(const Contents &contents)
{
    auto readable = [](const Relation &relation) { return relation.readable; };
    return contents.explaining
               ? static_cast<int>(std::count_if(contents.relations.begin(), contents.relations.end(), readable))
               : 0;
}

void put_advice(Html &page, const Contents &contents)
{
    if (explainable(contents) == 0)
        return;
    AllAdvice all = all_advice(contents);
    page << "<section aria-labelledby=\"advice\"><h2 id=\"advice\">What explain() advises</h2>";
    if (contents.explained < explainable(contents))
        page << "<p class=\"soft\">" << contents.explained << " of " << explainable(contents)
             << " views were explained in the time for it, those first whose refreshes take longest. "
                "<code>SELECT * FROM refresh_mv.advise()</code> takes the time for all of yours.</p>";
    if (all.empty())
        page << "<p class=\"soft\">Nothing.</p>";
    page << "<ul class=\"list\">";
    for (const auto &[statement, advised] : all) {
        bool comment = statement.compare(0, 2, "--") == 0;
        page << "<li class=\"box plain\"><pre><code>" << Text(statement) << (comment ? Markup("") : Markup(";")) << "</code></pre>";
        page << "<p>";
        put_links(page, contents, advised.views);
        page << (advised.reason.empty() ? Markup("") : Markup(": ")) << Text(advised.reason) << "</p></li>";
    }
    page << "</ul></section>";
}

void put_nav(Html &page, const Contents &contents)
{
    page << "<nav aria-label=\"Parts of this page\">";
    if (needs_attention(contents))
        page << "<a href=\"#attention\">What needs attention</a>";
    page << "<a href=\"#graph\">What reads what</a><a href=\"#views\">Views</a>";
    if (explainable(contents) > 0)
        page << "<a href=\"#advice\">What explain() advises</a>";
    page << "</nav>";
}

} // namespace

Markup word_for(Freshness freshness)
{
    return look(freshness).word;
}

Markup class_of(Freshness freshness)
{
    return look(freshness).css_class;
}

void put_mark(Html &page, Freshness freshness)
{
    page << "<svg class=\"mark\" width=\"14\" height=\"14\" aria-hidden=\"true\"><use href=\"#mark-" << class_of(freshness) << "\"/></svg>";
}

void put_name(Html &page, const Relation &relation)
{
    if (relation.schema != "public")
        page << "<bdi class=\"soft\">" << Text(relation.schema) << "</bdi><span class=\"soft\">.</span>";
    page << "<bdi>" << Text(relation.name) << "</bdi>";
}

std::string page(const Contents &contents)
{
    Html page;
    put_head(page, contents);
    if (contents.views > 0) {
        put_nav(page, contents);
        put_tiles(page, contents);
    }
    page << "</header><main>";
    put_steps(page, contents);
    put_attention(page, contents);
    if (contents.views > 0) {
        put_graph(page, contents);
        put_views(page, contents);
        put_advice(page, contents);
    }
    page << "</main><footer>refresh_mv " << Text(contents.extension) << ", PostgreSQL " << Text(contents.server)
         << ". Times are those of the session's time zone; made anew by <code>SELECT refresh_mv.report()</code>.</footer></body></html>\n";
    return page.take();
}

} // namespace refresh_mv::report
