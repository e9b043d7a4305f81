#include "inspect/graph_layout.hpp"

#include <algorithm>
#include <numeric>

namespace refresh_mv::graph_layout {

namespace {

// Sweeps over the columns by which crossings become few.
constexpr int sweeps = 6;

// A place in a column: of a node, or of a line that passes by.
struct Place {
    int column;
    int height;
    double y = 0;
    double wanted = 0;
    std::vector<int> left; // places that lines come from, and go to
    std::vector<int> right;
};

class Drawing {
public:
    Drawing(int nodes, const std::vector<Edge> &edges, const std::vector<bool> &is_view) : nodes_(nodes), edges_(edges)
    {
        find_columns(is_view);
        add_lines();
        fill_columns();
        for (int sweep = 0; sweep < sweeps; sweep++)
            sweep_over(sweep % 2 == 0);
        close_gaps();
    }

    Layout result() const
    {
        Layout layout{};
        int last = 0;
        for (int i = 0; i < nodes_; i++) {
            layout.nodes.push_back({left_of(places_[i].column), top(places_[i])});
            last = std::max(last, places_[i].column);
            layout.height = std::max(layout.height, top(places_[i]) + places_[i].height + margin);
        }
        layout.width = left_of(last) + node_width + margin;
        for (size_t i = 0; i < edges_.size(); i++)
            layout.lines.push_back(line(i));
        return layout;
    }

private:
    // The column of each node: one more than the last of what it reads.  A circle ends where it began.
    void find_columns(const std::vector<bool> &is_view)
    {
        std::vector<std::vector<int>> reads(nodes_);
        std::vector<int> state(nodes_, 0);
        for (const Edge &edge : edges_)
            reads[edge.second].push_back(edge.first);
        places_.resize(nodes_);
        for (int i = 0; i < nodes_; i++)
            places_[i] = {is_view[i] ? 1 : 0, node_height, 0, 0, {}, {}};
        for (int i = 0; i < nodes_; i++)
            find_column(i, reads, &state);
    }

    void find_column(int first, const std::vector<std::vector<int>> &reads, std::vector<int> *state)
    {
        std::vector<std::pair<int, size_t>> path{{first, 0}};
        while (!path.empty()) {
            auto [node, next] = path.back();
            (*state)[node] = std::max((*state)[node], 1);
            if ((*state)[node] == 2 || next == reads[node].size()) {
                (*state)[node] = 2;
                path.pop_back();
                continue;
            }
            int source = reads[node][next];
            if ((*state)[source] == 0) {
                path.emplace_back(source, 0);
                continue;
            }
            if ((*state)[source] == 2)
                places_[node].column = std::max(places_[node].column, places_[source].column + 1);
            path.back().second++;
        }
    }

    // Gives each edge a place in every column that it passes.
    void add_lines()
    {
        for (const Edge &edge : edges_) {
            std::vector<int> passed;
            int before = edge.first;
            for (int column = places_[edge.first].column + 1; column < places_[edge.second].column; column++) {
                int place = static_cast<int>(places_.size());
                places_.push_back({column, 4, 0, 0, {}, {}});
                link(before, place);
                passed.push_back(place);
                before = place;
            }
            if (places_[edge.first].column < places_[edge.second].column)
                link(before, edge.second);
            passed_.push_back(passed);
        }
    }

    void link(int left, int right)
    {
        places_[left].right.push_back(right);
        places_[right].left.push_back(left);
    }

    // Puts what belongs together side by side to begin with: part after part, each from its first node.
    void fill_columns()
    {
        std::vector<bool> seen(places_.size(), false);
        int last = 0;
        for (const Place &place : places_)
            last = std::max(last, place.column);
        columns_.resize(last + 1);
        for (size_t i = 0; i < places_.size(); i++) {
            std::vector<int> waiting;
            if (!seen[i])
                waiting.push_back(static_cast<int>(i));
            seen[i] = true;
            for (size_t next = 0; next < waiting.size(); next++) {
                Place &place = places_[waiting[next]];
                columns_[place.column].push_back(waiting[next]);
                for (auto *others : {&place.right, &place.left})
                    for (int other : *others)
                        if (!seen[other]) {
                            seen[other] = true;
                            waiting.push_back(other);
                        }
            }
        }
        for (auto &column : columns_)
            stack(column);
    }

    // Puts the places of a column below each other, in their order.
    void stack(const std::vector<int> &column)
    {
        double y = margin;
        for (int i : column) {
            places_[i].y = y;
            y += places_[i].height + row_gap;
        }
    }

    // Where the middle of a place would best be: in the middle of what it is linked to.
    double wish(const Place &place, bool by_left) const
    {
        const std::vector<int> &others = by_left ? place.left : place.right;
        if (others.empty())
            return place.y;
        double sum = 0;
        for (int other : others)
            sum += places_[other].y + places_[other].height / 2.0;
        return sum / static_cast<double>(others.size()) - place.height / 2.0;
    }

    void sweep_over(bool forward)
    {
        for (size_t i = 0; i < columns_.size(); i++) {
            auto &column = columns_[forward ? i : columns_.size() - 1 - i];
            for (int place : column)
                places_[place].wanted = wish(places_[place], forward);
            std::stable_sort(column.begin(), column.end(),
                             [&](int a, int b) { return places_[a].wanted < places_[b].wanted; });
            place_near(column);
        }
    }

    // Puts the places of a column where they wish to be, as far as they do not overlap: what would overlap becomes
    // a block around the middle of the wishes.
    void place_near(const std::vector<int> &column)
    {
        struct Block {
            double top;
            double height;
            double sum; // of the tops that its places wish for it
            int count;
        };
        std::vector<Block> blocks;
        for (int i : column) {
            const Place &place = places_[i];
            Block block = {place.wanted, static_cast<double>(place.height + row_gap), place.wanted, 1};
            while (!blocks.empty() && blocks.back().top + blocks.back().height > block.top) {
                Block &above = blocks.back();
                block.sum = above.sum + block.sum - block.count * above.height;
                block.count += above.count;
                block.height += above.height;
                block.top = block.sum / block.count;
                blocks.pop_back();
            }
            blocks.push_back(block);
        }
        size_t next = 0;
        for (const Block &block : blocks) {
            double y = block.top;
            for (int n = 0; n < block.count; n++) {
                Place &place = places_[column[next++]];
                place.y = y;
                y += place.height + row_gap;
            }
        }
    }

    // Moves everything up where nothing is, as far as no node comes nearer to another than a gap.
    void close_gaps()
    {
        std::vector<int> order(places_.size());
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(), [&](int a, int b) { return places_[a].y < places_[b].y; });
        double end = margin - row_gap; // of all that is above, where it is now
        double up = 0;
        for (int i : order) {
            Place &place = places_[i];
            up = std::max(up, place.y - (end + row_gap));
            if (i == order[0])
                up = place.y - margin;
            place.y -= up;
            end = std::max(end, place.y + place.height);
        }
    }

    static int left_of(int column) { return margin + column * (node_width + column_gap); }
    static int top(const Place &place) { return static_cast<int>(place.y); }
    static int middle(const Place &place) { return static_cast<int>(place.y + place.height / 2.0); }

    Line line(size_t edge) const
    {
        const Place &from = places_[edges_[edge].first];
        const Place &to = places_[edges_[edge].second];
        Line line = {edges_[edge].first, edges_[edge].second, {}};
        line.points.push_back({left_of(from.column) + node_width, middle(from)});
        for (int place : passed_[edge]) {
            int x = left_of(places_[place].column);
            line.points.push_back({x, middle(places_[place])});
            line.points.push_back({x + node_width, middle(places_[place])});
        }
        line.points.push_back({left_of(to.column), middle(to)});
        return line;
    }

    int nodes_;
    const std::vector<Edge> &edges_;
    std::vector<Place> places_;             // the nodes, then those of lines
    std::vector<std::vector<int>> passed_;  // of each edge
    std::vector<std::vector<int>> columns_; // the places in each, from the top
};

} // namespace

Layout arrange(int nodes, const std::vector<Edge> &edges, const std::vector<bool> &is_view)
{
    return Drawing(nodes, edges, is_view).result();
}

} // namespace refresh_mv::graph_layout
