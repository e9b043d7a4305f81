#include "check.hpp"
#include "log/net_effect.hpp"
#include "unit.hpp"
#include "values/varint.hpp"

#include <algorithm>
#include <map>
#include <random>

using namespace refresh_mv;

// The records of one entry, written as the log writes them.
class Entry {
public:
    Entry &old_image(const std::string &key, const std::string &rest) { return image('o', key, rest); }
    Entry &new_image(const std::string &key, const std::string &rest) { return image('n', key, rest); }

    Entry &inserted(const std::string &key)
    {
        data += 'k';
        bytes(key);
        records++;
        return *this;
    }

    Entry &run(int64_t first, uint64_t count)
    {
        data += 'r';
        number(varint::zigzag(first - end_));
        number(count);
        end_ = first + static_cast<int64_t>(count);
        records += static_cast<int64_t>(count);
        return *this;
    }

    std::string data;
    int64_t records = 0;

private:
    Entry &image(char kind, const std::string &key, const std::string &rest)
    {
        data += kind;
        bytes(key);
        bytes(rest);
        records++;
        return *this;
    }

    void number(uint64_t value)
    {
        varint::write(value, [&](char byte) { data += byte; });
    }

    void bytes(const std::string &text)
    {
        number(text.size());
        data += text;
    }

    int64_t end_ = 0;
};

struct Step {
    bool nested;
    Entry entry;
};

// A netting of all keys, however many.
static Netting netting_of(int key_width, bool bag)
{
    return {key_width, bag, KeyShare{}, SIZE_MAX};
}

// The net changes, in the order of the keys' first appearance.
static std::vector<NetChange> changes_of(Netting *netting)
{
    std::vector<NetChange> changes;
    NetChange change;
    for (size_t i = 0; i < netting->size(); i++)
        if (netting->net(i, &change))
            changes.push_back(change);
    return changes;
}

// Adds entries whose bytes are gone afterwards.
static void add_all(Netting *netting, const std::vector<Step> &steps)
{
    for (const Step &step : steps) {
        std::string data = step.entry.data;
        CHECK(netting->add(step.nested, step.entry.records, data));
        data.assign(data.size(), '?');
    }
}

// "key=image" for rows that existed, "key-" for rows that did not.
static std::string net(const std::vector<Step> &steps, bool bag = false)
{
    Netting netting = netting_of(0, bag);
    std::string text;
    add_all(&netting, steps);
    for (const NetChange &change : changes_of(&netting))
        text += std::string(change.key)
                + (bag                  ? ":" + std::to_string(change.existed)
                   : change.existed > 0 ? "=" + std::string(change.rest)
                                        : "-")
                + " ";
    return text;
}

static void the_first_record_of_a_key_counts()
{
    CHECK(net({{false, Entry().inserted("a")}, {false, Entry().old_image("a", "1")}}) == "a- ");
    CHECK(net({{false, Entry().old_image("a", "1")}, {false, Entry().inserted("a")}}) == "a=1 ");
    CHECK(net({{false, Entry().old_image("a", "1")}, {false, Entry().old_image("a", "2")}}) == "a=1 ");
    // a key that moved onto the place of another, in one statement
    CHECK(net({{false, Entry().old_image("a", "1").old_image("b", "2").inserted("b").inserted("c")}})
          == "a=1 b=2 c- ");
}

static void a_nest_is_its_bag_difference()
{
    CHECK(net({{true, Entry().new_image("a", "1").old_image("a", "1")}}).empty());
    CHECK(net({{true, Entry().new_image("a", "2").old_image("a", "1")}}) == "a=1 ");
    CHECK(net({{true, Entry().new_image("a", "2")}, {true, Entry().old_image("a", "1")}}) == "a=1 ");
    // 1 -> 2 -> 1 -> 3, out of order
    CHECK(net({{true, Entry().new_image("a", "3").old_image("a", "2").new_image("a", "1")},
               {true, Entry().old_image("a", "1").new_image("a", "2").old_image("a", "1")}})
          == "a=1 ");
    CHECK(net({{true, Entry().new_image("a", "2").old_image("a", "1").new_image("a", "1")}}) == "a- ");
}

static void a_nest_without_effect_leaves_the_word_to_the_next()
{
    Entry nothing = Entry().new_image("a", "1").old_image("a", "1");
    CHECK(net({{true, nothing}, {false, Entry().inserted("a")}}) == "a- ");
    CHECK(net({{true, nothing}, {false, Entry().old_image("a", "5")}}) == "a=5 ");
    CHECK(net({{true, nothing}, {true, Entry().old_image("a", "5")}}) == "a=5 ");
    CHECK(net({{true, nothing}, {true, nothing}}).empty());
    CHECK(net({{true, Entry().old_image("a", "1")}, {true, Entry().new_image("a", "5")}}) == "a=1 ");
}

static void a_bag_counts_over_all_nests()
{
    CHECK(net({{true, Entry().old_image("a", "").new_image("b", "")},
               {true, Entry().old_image("a", "").old_image("b", "").new_image("c", "")}}, true)
          == "a:2 c:-1 ");
}

static void runs_are_keys_as_images_write_them()
{
    Netting netting = netting_of(8, false);
    Entry runs = Entry().run(5, 2).run(-3, 1);
    int64_t six = 6;
    std::string key(1, 9);
    key.append(reinterpret_cast<char *>(&six), sizeof(six));
    Entry update = Entry().old_image(key, "x");

    CHECK(netting.add(false, runs.records, runs.data));
    CHECK(netting.add(false, update.records, update.data));
    std::vector<NetChange> changes = changes_of(&netting);
    CHECK(changes.size() == 3);
    CHECK(changes.size() == 3 && changes[1].key == key && changes[1].existed == 0);
}

// "key=image" or "key-" for all net changes, sorted, and in how many shares they were netted.
static std::pair<std::vector<std::string>, int> net_in_shares(const std::vector<Step> &steps, KeyShare share, size_t limit)
{
    std::vector<std::string> found;
    Netting netting(8, false, share, limit);
    add_all(&netting, steps);
    if (netting.full()) {
        auto [even, first] = net_in_shares(steps, share.half(0), limit);
        auto [odd, second] = net_in_shares(steps, share.half(1), limit);
        std::merge(even.begin(), even.end(), odd.begin(), odd.end(), std::back_inserter(found));
        return {found, first + second};
    }
    for (const NetChange &change : changes_of(&netting))
        found.push_back(std::string(change.key) + (change.existed ? "=" : "-") + std::string(change.rest));
    std::sort(found.begin(), found.end());
    return {found, 1};
}

static void shares_are_the_whole()
{
    std::vector<Step> steps;
    for (int i = 0; i < 3000; i++) {
        std::string key = "key " + std::to_string(i * 7 % 2000), image = std::to_string(i);
        steps.push_back({i % 5 == 0, Entry().old_image(key, image).new_image(key, image + (i % 3 ? "" : "x"))});
    }
    steps.push_back({false, Entry().run(1, 5000)});
    auto [whole, one] = net_in_shares(steps, {}, SIZE_MAX);
    auto [parts, many] = net_in_shares(steps, {}, 30000);
    CHECK(one == 1 && many > 16);
    CHECK(whole.size() > 6000 && whole == parts);
}

// What is said of each key, by the rules at the head of net_effect.hpp and nothing else.
class Model {
public:
    void add(bool nested, char kind, const std::string &key, const std::string &rest)
    {
        Known &known = keys_[key];
        if (!nested && known.before.empty())
            settle(&known);
        if (!known.before.empty())
            return;
        if (nested)
            known.images[rest] += kind == 'o' ? 1 : -1;
        else
            known.before = kind == 'o' ? "=" + rest : "-";
    }

    std::vector<std::string> net()
    {
        std::vector<std::string> found;
        for (auto &[key, known] : keys_) {
            if (known.before.empty())
                settle(&known);
            if (!known.before.empty())
                found.push_back(key + known.before);
        }
        std::sort(found.begin(), found.end());
        return found;
    }

private:
    struct Known {
        std::string before;
        std::map<std::string, int> images;
    };

    static void settle(Known *known)
    {
        for (const auto &[rest, count] : known->images)
            if (count != 0 && known->before.empty())
                known->before = "-";
        for (const auto &[rest, count] : known->images)
            if (count > 0)
                known->before = "=" + rest;
        known->images.clear();
    }

    std::map<std::string, Known> keys_;
};

// Many keys, of many lengths, in any order of plain and nested entries.
static void many_keys_are_netted_as_few_are()
{
    std::mt19937 random(20261130);
    auto below = [&](unsigned limit) { return random() % limit; };
    for (unsigned kinds : {3U, 50U, 20000U}) {
        Model model;
        std::vector<Step> steps;
        for (int i = 0; i < 20000; i++) {
            Step step = {below(3) > 0, {}};
            for (unsigned j = below(3) + 1; j > 0; j--) {
                unsigned number = below(kinds);
                std::string key = std::string(number % 40, 'k') + std::to_string(number);
                std::string rest = std::to_string(below(2)) + std::string(number % 700 / 7, 'r');
                bool old = below(2) > 0;
                if (!step.nested && !old) {
                    step.entry.inserted(key);
                    model.add(false, 'k', key, "");
                } else {
                    step.entry = old ? step.entry.old_image(key, rest) : step.entry.new_image(key, rest);
                    model.add(step.nested, old ? 'o' : 'n', key, rest);
                }
            }
            steps.push_back(step);
        }
        // Two images of one key that are both left over are no state that a table can be in:
        // either may be told.
        auto keys = [](std::vector<std::string> told) {
            for (std::string &text : told)
                text = text.substr(0, text.find_first_of("=-") + 1);
            return told;
        };
        auto [whole, one] = net_in_shares(steps, {}, SIZE_MAX);
        CHECK(keys(whole) == keys(model.net()));
    }
}

static void what_cannot_be_halved_is_never_full()
{
    Netting netting(8, false, {KeyShare::most, 0}, 0);
    Entry run = Entry().run(1, 1 << 22);
    CHECK(netting.add(false, run.records, run.data));
    CHECK(!netting.full() && !changes_of(&netting).empty());
}

static void damage_is_told()
{
    Entry good = Entry().old_image("abc", "def").inserted("g");
    for (size_t length = 0; length < good.data.size(); length++)
        CHECK(!netting_of(0, false).add(false, good.records, good.data.substr(0, length)));
    CHECK(!netting_of(0, false).add(false, 1, good.data));
    CHECK(!netting_of(0, false).add(false, 1, "x"));
    CHECK(!netting_of(8, false).add(false, 1, Entry().run(1, uint64_t{1} << 40).data));
    CHECK(!netting_of(0, false).add(false, 1, Entry().run(1, 1).data));
}

// A block of three deleted rows: keys 7, 8 and 300 of four bytes; a null, "ab" and "abc"; and the same byte in all.
static const std::string block = [] {
    std::string bytes = "bd";
    bytes += {3, 1, 3};
    bytes += {'i', 4, 14, 2, 0, 0, 1, 0, 37, 1};                   // 7 + 0, 1, 293
    bytes += {'p', 0, 3, 0, 4, 2};                                 // null; 2 bytes; 3 bytes, 2 of them as before
    bytes += "abc";
    bytes += {'d', 1, 2, 'x'};
    return bytes;
}();

static void blocks_are_records_of_each_row()
{
    Netting rows = netting_of(4, false), whole = netting_of(4, false);
    auto key = [](char low, char high) { return std::string{5, low, high, 0, 0}; };
    CHECK(whole.add(false, 3, block));
    CHECK(rows.add(false, 3, Entry().old_image(key(7, 0), std::string("\0\2x", 3)).old_image(key(8, 0), "\3ab\2x")
                                 .old_image(key(44, 1), "\4abc\2x").data));
    std::vector<NetChange> one = changes_of(&rows), other = changes_of(&whole);
    CHECK(one.size() == 3 && other.size() == 3);
    for (size_t i = 0; i < one.size() && i < other.size(); i++)
        CHECK(one[i].key == other[i].key && one[i].rest == other[i].rest && other[i].existed == 1 && other[i].gone);
}

static void damaged_blocks_are_told()
{
    std::mt19937 dice(1);
    for (size_t length = 0; length < block.size(); length++)
        CHECK(!netting_of(4, false).add(false, 3, block.substr(0, length)));
    CHECK(!netting_of(4, false).add(false, 2, block));
    for (int i = 0; i < 100000; i++) { // whatever it is, nothing is read beyond its end
        std::string bytes = block;
        for (int j = 0; j < 3; j++)
            bytes[dice() % bytes.size()] = static_cast<char>(dice());
        std::unique_ptr<char[]> exact(new char[bytes.size()]);
        std::copy(bytes.begin(), bytes.end(), exact.get());
        Netting netting = netting_of(4, false);
        netting.add(false, 3, {exact.get(), bytes.size()});
        changes_of(&netting);
    }
}

static void numbers_survive()
{
    for (int64_t value : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{1} << 40, INT64_MAX}) {
        std::string text;
        uint64_t back;
        varint::write(varint::zigzag(value), [&](char byte) { text += byte; });
        std::string_view rest = text;
        CHECK(varint::read(&rest, &back) && rest.empty() && varint::unzigzag(back) == value);
    }
}

void test_netting()
{
    the_first_record_of_a_key_counts();
    a_nest_is_its_bag_difference();
    a_nest_without_effect_leaves_the_word_to_the_next();
    a_bag_counts_over_all_nests();
    runs_are_keys_as_images_write_them();
    shares_are_the_whole();
    many_keys_are_netted_as_few_are();
    what_cannot_be_halved_is_never_full();
    damage_is_told();
    blocks_are_records_of_each_row();
    damaged_blocks_are_told();
    numbers_survive();
}
