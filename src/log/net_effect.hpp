// What the log's entries amount to: for each key that they name, whether the
// row existed before them all, and its image then.  Pure: no server needed.
//
// The bytes of an entry are records:
//
//     'o' key rest    a row with this key had this image (updated or deleted)
//     'n' key rest    a row with this key got this image (nested entries only)
//     'k' key         a row with this key was inserted
//     'r' gap count   rows with consecutive integer keys were inserted: gap is
//                     the distance of the first from the end of the last run
//
// key and rest are each a length, then the columns (row_image), so that equal
// bytes are equal images.
//
// Invariants:
// - Plain entries come in the order in which they took effect: the first record
//   of a key tells what was before.
// - Nested entries (of statements on one table that ran inside of each other) come
//   in any order, but hold the old and the new image of every change: the bag
//   difference of those that follow each other is what they did together.  If that
//   is nothing, they tell nothing of the key.
// - Changes of one key in one nest have no entries of others between them: the
//   row was locked from the first to the last.
// - Rows without a key (of a materialized view) are known by their images alone:
//   key is the whole image, every entry is nested, and all of them are one bag.
// - What is said of a key depends on the records of that key only: the keys can be
//   netted in shares, one after the other, each from all entries.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace refresh_mv {

// A key that was changed.  The bytes belong to the Netting.
struct NetChange {
    std::string_view key;
    std::string_view rest; // the other columns as they were, if it existed
    int64_t existed;       // rows that were there; of a bag: less those that are there now
};

// A share of all keys: those whose hash ends in the bits of number.
struct KeyShare {
    unsigned bits;
    size_t number;

    static constexpr unsigned most = 20; // bits
    bool has(std::string_view key) const;
    KeyShare half(size_t which) const { return {bits + 1, number | which << bits}; }
};

class Netting {
public:
    // key_width: the bytes of the key's integer type; 0 if it is none.  limit: the bytes
    // of memory after which it is full.
    Netting(int key_width, bool bag, KeyShare share, size_t limit)
        : key_width_(key_width), bag_(bag), share_(share), limit_(limit)
    {
    }

    // Takes what the next entry, of so many records, says of the share.  False if it is
    // damaged.
    bool add(bool nested, int64_t records, std::string_view data);

    // Whether the share takes too much memory and has to be halved: it is not complete.
    bool full() const { return used_ > limit_ && share_.bits < KeyShare::most; }

    // The net changes, in the order of the keys' first appearance.
    std::vector<NetChange> changes();

private:
    struct Image {
        std::string_view rest;
        int64_t count; // times it was old, less times it was new
    };

    enum class Before { unknown, absent, present };

    struct Key {
        std::string_view key;
        Before before;
        std::string_view rest;
        std::vector<Image> images; // of the nested entries that came last
    };

    void change(std::string_view key, std::string_view rest, bool nested, char kind);
    Key &key_of(std::string_view bytes);
    void settle(Key &key);
    bool insert_run(std::string_view *data, int64_t most, int64_t *end, int64_t *count);
    std::string_view keep(std::string_view bytes);

    int key_width_;
    bool bag_;
    KeyShare share_;
    size_t limit_;
    size_t used_ = 0; // memory, roughly
    std::deque<Key> keys_;
    std::unordered_map<std::string_view, size_t> places_;
    std::deque<std::string> blocks_; // of the bytes that are kept
};

} // namespace refresh_mv
