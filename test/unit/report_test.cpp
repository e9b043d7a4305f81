// The parts of the report that need no server: escaping, and where the nodes of the graph are.

#include "check.hpp"
#include "inspect/graph_layout.hpp"
#include "inspect/html.hpp"
#include "unit.hpp"

#include <cstdlib>
#include <map>

using namespace refresh_mv;

static std::string escaped(std::string_view text)
{
    Html page;
    page << Text(text);
    return page.take();
}

static void text_is_escaped()
{
    CHECK(escaped("<a b=\"c\" d='e'>&amp;</a>") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;&lt;/a&gt;");
    CHECK(escaped("\xC3\xA9\xE2\x80\xA6\xF0\x9F\x9A\x9A") == "&#233;&#8230;&#128666;");
    CHECK(escaped(std::string_view("a\0b\x01\n\t\x7F", 7)) == "a&#9216;b&#9217;\n &#65533;");
}

// What is no UTF-8: cut off, overlong, surrogates, beyond the end, bytes that can never be.
static void what_is_no_text_is_replaced()
{
    for (const char *bad : {"\xC3", "\xE2\x80", "\xF0\x9F\x9A", "\x80", "\xFF"})
        CHECK(escaped(bad).find("&#65533;") == 0);
    CHECK(escaped("\xC0\xBC") == "&#65533;&#65533;");
    CHECK(escaped("\xE0\x80\xBC").find('<') == std::string::npos);
    CHECK(escaped("\xED\xA0\x80") == "&#65533;");
    CHECK(escaped("\xEF\xBF\xBF") == "&#65533;");
    CHECK(escaped("\xF4\x90\x80\x80") == "&#65533;");
    CHECK(escaped("\xC3<") == "&#65533;&lt;");
}

static void names_are_shortened_by_columns()
{
    CHECK(html::shortened("abcdef", 6) == "abcdef");
    CHECK(html::shortened("abcdefg", 6) == "abcde\xE2\x80\xA6");
    CHECK(html::width("\xE5\xA3\xB2\xE4\xB8\x8A") == 4);
    CHECK(html::shortened("\xE5\xA3\xB2\xE4\xB8\x8A\xE9\x9B\x86", 4) == "\xE5\xA3\xB2\xE2\x80\xA6");
    CHECK(html::shortened("", 4).empty());
}

// Whether nodes of a column keep apart, and each is right of what it reads.
static bool is_drawable(const graph_layout::Layout &layout, const std::vector<graph_layout::Edge> &edges)
{
    std::map<int, std::vector<int>> columns;
    for (const auto &node : layout.nodes)
        columns[node.x].push_back(node.y);
    for (auto &[x, tops] : columns)
        for (size_t i = 0; i < tops.size(); i++)
            for (size_t j = 0; j < i; j++)
                if (std::abs(tops[i] - tops[j]) < graph_layout::node_height)
                    return false;
    for (const auto &node : layout.nodes)
        if (node.x < 0 || node.y < 0 || node.x + graph_layout::node_width > layout.width || node.y + graph_layout::node_height > layout.height)
            return false;
    for (const auto &[from, to] : edges)
        if (layout.nodes[from].x >= layout.nodes[to].x)
            return false;
    return layout.lines.size() == edges.size();
}

static void nodes_keep_apart()
{
    unsigned seed = 1;
    auto random = [&](int below) { return static_cast<int>((seed = seed * 1103515245 + 12345) >> 16) % below; };
    for (int round = 0; round < 300; round++) {
        int nodes = 1 + random(40);
        std::vector<graph_layout::Edge> edges;
        std::vector<bool> is_view(nodes, false);
        for (int i = 0; nodes > 1 && i < random(80); i++) {
            int to = 1 + random(nodes - 1);
            edges.emplace_back(random(to), to);
            is_view[to] = true;
        }
        CHECK(is_drawable(graph_layout::arrange(nodes, edges, is_view), edges));
    }
    CHECK(graph_layout::arrange(0, {}, {}).nodes.empty());
}

static void circles_are_drawn()
{
    CHECK(graph_layout::arrange(2, {{0, 1}, {1, 0}}, {true, true}).nodes.size() == 2);
    CHECK(graph_layout::arrange(1, {{0, 0}}, {true}).nodes.size() == 1);
}

void test_report()
{
    text_is_escaped();
    what_is_no_text_is_replaced();
    names_are_shortened_by_columns();
    nodes_keep_apart();
    circles_are_drawn();
}
