// Where the nodes of a graph are drawn: in columns, from left to right, each to the right of all
// that it reads, with few crossings.
//
// Invariant: no two nodes of a column overlap.  No server: this is compiled and tested without one.
#pragma once

#include <utility>
#include <vector>

namespace refresh_mv::graph_layout {

// Sizes in pixels.
constexpr int node_width = 196;
constexpr int node_height = 42;
constexpr int column_gap = 72;
constexpr int row_gap = 12;
constexpr int margin = 8;

struct Point {
    int x;
    int y;
};

// A line from the right of one node to the left of another, by points in the columns between.
struct Line {
    int from;
    int to;
    std::vector<Point> points;
};

struct Layout {
    int width;
    int height;
    std::vector<Point> nodes; // the upper left corner of each
    std::vector<Line> lines;
};

using Edge = std::pair<int, int>; // from what is read to its reader

// Lays out so many nodes; those that are views are never in the first column.
Layout arrange(int nodes, const std::vector<Edge> &edges, const std::vector<bool> &is_view);

} // namespace refresh_mv::graph_layout
