#include "inspect/graph_layout.hpp"
#include "inspect/report_parts.hpp"
#include "inspect/report_words.hpp"

#include <algorithm>

namespace refresh_mv::report {

namespace {

using namespace graph_layout;

// So many columns of text fit into a node.
constexpr int name_columns = 21;
constexpr int words_columns = 27;

void put_line(Html &page, const Line &line)
{
    page << "<path class=\"edge\" d=\"M" << line.points[0].x << " " << line.points[0].y;
    for (size_t i = 1; i < line.points.size(); i++) {
        const Point &from = line.points[i - 1];
        const Point &to = line.points[i];
        int middle = (from.x + to.x) / 2;
        if (i % 2 == 0)
            page << "L" << to.x << " " << to.y; // past a column
        else
            page << "C" << middle << " " << from.y << " " << middle << " " << to.y << " " << to.x << " " << to.y;
    }
    page << "\"/>";
}

// The name of a node, its schema too if there is room.
std::string label(const Relation &relation)
{
    std::string full = relation.schema + "." + relation.name;
    bool with_schema = relation.schema != "public" && html::width(full) <= name_columns;
    return with_schema ? full : html::shortened(relation.name, name_columns);
}

std::string full_name(const Relation &relation)
{
    return relation.schema + "." + relation.name;
}

// What is not a view: a can.
void put_source(Html &page, const Relation &relation)
{
    page << "<g class=\"node\"><title>" << Text(full_name(relation)) << ", " << Text(relation.kind) << "</title>"
         << "<path class=\"can\" d=\"M.5 4c0-4.6 195-4.6 195 0v34c0 4.6-195 4.6-195 0z\"/><path class=\"edge\" d=\"M.5 4c0 4.6 195 4.6 195 0\"/>"
         << "<text x=\"12\" y=\"23\">" << Text(label(relation)) << "</text><text class=\"sub\" x=\"12\" y=\"36\">"
         << Text(relation.kind) << "</text></g>";
}

// A view: a box that leads to what is said of it.
void put_box(Html &page, const Relation &view, int number)
{
    std::string method = !view.readable            ? "no access"
                         : view.last_method.empty() ? "never refreshed"
                                                    : view.last_method;
    if (!view.last_method.empty() && view.last_ms >= 0)
        method += " \xC2\xB7 " + duration(view.last_ms);
    page << "<a class=\"node " << class_of(view.freshness) << "\" href=\"#view" << number << "\"><title>"
         << Text(full_name(view)) << ": " << word_for(view.freshness) << ", " << Text(method) << "</title>"
         << "<rect class=\"body\" x=\".5\" y=\".5\" width=\"195\" height=\"41\" rx=\"7\"/>"
         << "<path class=\"bar\" d=\"M0 7c0-4 3-7 7-7h-1v42h1c-4 0-7-3-7-7z\"/>";
    page << "<g transform=\"translate(13 6)\">";
    put_mark(page, view.freshness);
    page << "</g><text x=\"32\" y=\"18\">" << Text(label(view)) << "</text><rect class=\"dot " << class_of(view.last_method)
         << "\" x=\"15\" y=\"25\" width=\"10\" height=\"10\" rx=\"2\"/><text class=\"sub\" x=\"32\" y=\"34\">"
         << Text(html::shortened(method, words_columns)) << "</text></a>";
}

void put_node(Html &page, const Relation &relation, int number, const Point &place)
{
    page << "<g transform=\"translate(" << place.x << " " << place.y << ")\">";
    if (relation.is_view)
        put_box(page, relation, number);
    else
        put_source(page, relation);
    page << "</g>";
}

// The order in which nodes are read, and reached by the keyboard: column by column, from the top.
std::vector<int> reading_order(const Layout &layout)
{
    std::vector<int> order(layout.nodes.size());
    for (size_t i = 0; i < order.size(); i++)
        order[i] = static_cast<int>(i);
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        const Point &p = layout.nodes[a], &q = layout.nodes[b];
        return p.x != q.x ? p.x < q.x : p.y != q.y ? p.y < q.y : a < b;
    });
    return order;
}

void put_method_key(Html &page)
{
    static constexpr Markup methods[] = {"skip", "delta", "keys", "window", "full", "rebuild"};
    page << "<ul class=\"key\" aria-label=\"Methods\">";
    for (const Markup &method : methods)
        page << "<li><span class=\"chip " << method << "\"></span>" << method << "</li>";
    page << "</ul>";
}

void put_freshness_key(Html &page)
{
    page << "<ul class=\"key\" aria-label=\"Marks\">";
    for (Freshness freshness : {Freshness::fresh, Freshness::stale, Freshness::failing, Freshness::empty, Freshness::unknown,
                                Freshness::hidden}) {
        page << "<li class=\"" << class_of(freshness) << "\">";
        put_mark(page, freshness);
        page << "<span class=\"soft\">" << word_for(freshness) << "</span></li>";
    }
    page << "</ul>";
}

} // namespace

void put_graph(Html &page, const Contents &contents)
{
    std::vector<bool> is_view;
    for (const Relation &relation : contents.relations)
        is_view.push_back(relation.is_view);
    Layout layout = arrange(static_cast<int>(is_view.size()), contents.edges, is_view);
    page << "<h2 id=\"graph\">What reads what</h2>"
         << "<div class=\"box plot\" tabindex=\"0\" role=\"region\" aria-labelledby=\"graph\">"
         << "<svg width=\"" << layout.width << "\" height=\"" << layout.height << "\" viewBox=\"0 0 " << layout.width << " "
         << layout.height << "\"><title>Tables on the left, views to the right of what they read</title>";
    for (const Line &line : layout.lines)
        put_line(page, line);
    for (int node : reading_order(layout))
        put_node(page, contents.relations[node], node, layout.nodes[node]);
    page << "</svg></div>";
    put_freshness_key(page);
    put_method_key(page);
}

} // namespace refresh_mv::report
