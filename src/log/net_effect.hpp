// What the log's entries amount to: for each key that they name, whether the
// row existed before them all, and its image then.  Pure: no server needed.
//
// The bytes of an entry are records:
//
//     'o' key rest    a row with this key had this image (updated or deleted)
//     'd' key rest    the same of a row that was deleted (plain entries only)
//     'n' key rest    a row with this key got this image (nested entries only)
//     'k' key         a row with this key was inserted
//     'r' gap count   rows with consecutive integer keys were inserted: gap is
//                     the distance of the first from the end of the last run
//     'b' ...         many rows that one statement has changed alike (row_block.hpp)
//
// key and rest are each a length, then the columns (row_image), so that equal
// bytes are equal images.
//
// Invariants:
// - Plain entries come in the order in which they took effect: the first record
//   of a key tells what was before, and if the last one is of a deletion, there is none now.
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
//
// A change costs a look into one hash table and a copy of its bytes, and nothing is allocated
// for it alone: there may be millions.
#pragma once

#include "log/block_reader.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace refresh_mv {

// A key that was changed.  The bytes belong to the Netting.
struct NetChange {
    std::string_view key;
    std::string_view rest; // the other columns as they were, if it existed
    int64_t existed;       // rows that were there; of a bag: less those that are there now
    bool gone;             // there is no such row any more; it is not known of all of which there is none
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

    // How many keys were named, in the order of their first appearance.
    size_t size() const { return count_; }

    // Their numbers in the order of the keys, if these are integers: so they are found sooner in an index.  Else none.
    std::vector<uint32_t> ordered();

    // The net change of one of these; false if there is none.
    bool net(size_t number, NetChange *change);

private:
    enum class Before : uint8_t { unknown, absent, present };

    // An image of a key in the nested entries that came last.
    struct Image {
        std::string_view rest;
        int64_t count; // times it was old, less times it was new
        uint32_t next; // of the same key, by number + 1
    };

    struct Key {
        const char *bytes;
        const char *rest;
        uint32_t size;
        uint32_t rest_size;
        uint32_t image; // the first, by number + 1
        Before before;
        bool gone; // as of the last record

        std::string_view key() const { return {bytes, size}; }
    };

    // A place in the hash table: the number of a key + 1, 0 if it is free.
    struct Place {
        uint32_t key;
        uint32_t hash;
    };

    static constexpr size_t chunk = 256; // keys that are allocated together

    void change(std::string_view key, std::string_view rest, bool nested, char kind);
    void change_nested(Key &key, std::string_view rest, int64_t by);
    Key &key_of(std::string_view bytes);
    Key &add_key(std::string_view bytes);
    Key &key_at(size_t number) { return keys_[number / chunk][number % chunk]; }
    void grow();
    void settle(Key &key);
    bool add_block(bool nested, std::string_view *data, int64_t most, int64_t *count);
    bool insert_run(std::string_view *data, int64_t most, int64_t *end, int64_t *count);
    std::string_view keep(std::string_view bytes);

    int key_width_;
    bool bag_;
    KeyShare share_;
    size_t limit_;
    BlockReader block_;
    size_t used_ = 0; // memory
    size_t count_ = 0;
    std::vector<std::unique_ptr<Key[]>> keys_;
    std::vector<Place> places_; // a power of two of them
    std::vector<Image> images_;
    uint32_t free_image_ = 0; // by number + 1
    std::vector<std::unique_ptr<char[]>> blocks_; // of the bytes that are kept
    char *free_ = nullptr;                        // what is left of the last one
    size_t left_ = 0;
};

} // namespace refresh_mv
