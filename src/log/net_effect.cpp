#include "log/net_effect.hpp"

#include "values/varint.hpp"

#include <algorithm>
#include <cstring>

namespace refresh_mv {

// Takes bytes with their length in front.
static bool read_bytes(std::string_view *data, std::string_view *bytes)
{
    uint64_t length;
    if (!varint::read(data, &length) || length > data->size())
        return false;
    *bytes = data->substr(0, length);
    data->remove_prefix(length);
    return true;
}

// A hash of bytes, eight at a time.
static uint64_t hash_of(std::string_view bytes)
{
    constexpr uint64_t odd = 0x9fb21c651e98df25;
    uint64_t hash = bytes.size() * odd;
    uint64_t word;
    for (; bytes.size() >= sizeof(word); bytes.remove_prefix(sizeof(word))) {
        std::memcpy(&word, bytes.data(), sizeof(word));
        hash = (hash ^ word) * odd;
        hash ^= hash >> 35;
    }
    word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    hash = (hash ^ word) * odd;
    hash ^= hash >> 28;
    hash *= odd;
    return hash ^ hash >> 32;
}

bool KeyShare::has(std::string_view key) const
{
    uint64_t mask = (static_cast<uint64_t>(1) << bits) - 1;
    return bits == 0 || (hash_of(key) >> (64 - most) & mask) == number;
}

static bool is_image(char kind)
{
    return kind == 'o' || kind == 'd' || kind == 'n';
}

bool Netting::add(bool nested, int64_t records, std::string_view data)
{
    int64_t end = 0; // of the last run
    while (!data.empty() && !full()) {
        char kind = data.front();
        std::string_view key, rest;
        int64_t count = 1;
        data.remove_prefix(1);
        if (kind == 'r') {
            if (!insert_run(&data, records, &end, &count))
                return false;
        } else if (kind == 'b') {
            if (!add_block(nested, &data, records, &count))
                return false;
        } else if ((!is_image(kind) && kind != 'k') || !read_bytes(&data, &key)
                   || (kind != 'k' && !read_bytes(&data, &rest)))
            return false;
        else
            change(key, rest, nested, kind);
        records -= count;
    }
    return full() || records == 0;
}

// Takes what a block says of the share, and how many rows it has.
bool Netting::add_block(bool nested, std::string_view *data, int64_t most, int64_t *count)
{
    if (!block_.open(data, most) || (!is_image(block_.kind()) && block_.kind() != 'k'))
        return false;
    *count = block_.rows();
    for (int64_t i = 0; i < *count && !full(); i++) {
        if (!block_.next())
            return false;
        change(block_.key(), is_image(block_.kind()) ? block_.rest() : std::string_view{}, nested, block_.kind());
    }
    return true;
}

// Records a change of a key, if that is in the share.
void Netting::change(std::string_view bytes, std::string_view rest, bool nested, char kind)
{
    if (!share_.has(bytes))
        return;
    Key &key = key_of(bytes);
    key.gone = kind == 'd' && !nested;
    if (key.before != Before::unknown)
        return;
    if (nested)
        return change_nested(key, rest, kind == 'o' || kind == 'd' ? 1 : -1);
    settle(key);
    if (key.before != Before::unknown)
        return;
    key.before = kind == 'o' || kind == 'd' ? Before::present : Before::absent;
    rest = keep(rest);
    key.rest = rest.data();
    key.rest_size = static_cast<uint32_t>(rest.size());
}

// Counts an image of a key in a nested entry.
void Netting::change_nested(Key &key, std::string_view rest, int64_t by)
{
    for (uint32_t i = key.image; i != 0; i = images_[i - 1].next)
        if (images_[i - 1].rest == rest) {
            images_[i - 1].count += by;
            return;
        }
    Image image = {keep(rest), by, key.image};
    if (free_image_ != 0) {
        key.image = free_image_;
        free_image_ = images_[free_image_ - 1].next;
        images_[key.image - 1] = image;
        return;
    }
    size_t before = images_.capacity();
    images_.push_back(image);
    used_ += (images_.capacity() - before) * sizeof(Image);
    key.image = static_cast<uint32_t>(images_.size());
}

// What is known of a key.
Netting::Key &Netting::key_of(std::string_view bytes)
{
    if (2 * count_ >= places_.size())
        grow();
    auto hash = static_cast<uint32_t>(hash_of(bytes));
    for (size_t i = hash;; i++) {
        Place &place = places_[i & (places_.size() - 1)];
        if (place.key == 0) {
            Key &key = add_key(bytes);
            place = {static_cast<uint32_t>(count_), hash};
            return key;
        }
        if (place.hash == hash && key_at(place.key - 1).key() == bytes)
            return key_at(place.key - 1);
    }
}

Netting::Key &Netting::add_key(std::string_view bytes)
{
    if (count_ == keys_.size() * chunk) {
        keys_.push_back(std::make_unique_for_overwrite<Key[]>(chunk));
        used_ += chunk * sizeof(Key);
    }
    bytes = keep(bytes);
    Key &key = key_at(count_);
    key = {bytes.data(), nullptr, static_cast<uint32_t>(bytes.size()), 0, 0, Before::unknown, false};
    count_++;
    return key;
}

// Doubles the hash table.
void Netting::grow()
{
    constexpr size_t least = 64;
    std::vector<Place> larger(std::max(least, 2 * places_.size()));
    for (const Place &place : places_) {
        size_t i = place.hash;
        while (place.key != 0 && larger[i & (larger.size() - 1)].key != 0)
            i++;
        if (place.key != 0)
            larger[i & (larger.size() - 1)] = place;
    }
    used_ += (larger.size() - places_.size()) * sizeof(Place);
    places_ = std::move(larger);
}

// Says what the nested entries that a key was changed in say of it.
void Netting::settle(Key &key)
{
    for (uint32_t i = key.image; i != 0;) {
        Image &image = images_[i - 1];
        if (image.count > 0) {
            key.before = Before::present;
            key.rest = image.rest.data();
            key.rest_size = static_cast<uint32_t>(image.rest.size());
        } else if (image.count < 0 && key.before == Before::unknown)
            key.before = Before::absent;
        uint32_t next = image.next;
        image.next = free_image_;
        free_image_ = i;
        i = next;
    }
    key.image = 0;
}

// The bytes of a key of one integer column, as row_image writes them.
static std::string_view integer_key(int width, int64_t value, char *bytes)
{
    auto narrow16 = static_cast<int16_t>(value);
    auto narrow32 = static_cast<int32_t>(value);
    bytes[0] = static_cast<char>(width + 1);
    std::memcpy(bytes + 1,
                width == 2   ? static_cast<void *>(&narrow16)
                : width == 4 ? static_cast<void *>(&narrow32)
                             : static_cast<void *>(&value),
                static_cast<size_t>(width));
    return {bytes, static_cast<size_t>(width) + 1};
}

// The value of such bytes.
static int64_t integer_of(int width, std::string_view bytes)
{
    int16_t narrow16 = 0;
    int32_t narrow32 = 0;
    int64_t value = 0;
    if (bytes.size() != static_cast<size_t>(width) + 1)
        return 0; // damaged, as whoever reads it finds
    if (width == 2)
        std::memcpy(&narrow16, bytes.data() + 1, sizeof(narrow16));
    else if (width == 4)
        std::memcpy(&narrow32, bytes.data() + 1, sizeof(narrow32));
    else
        std::memcpy(&value, bytes.data() + 1, sizeof(value));
    return width == 2 ? narrow16 : width == 4 ? narrow32 : value;
}

std::vector<uint32_t> Netting::ordered()
{
    struct Numbered {
        int64_t key;
        uint32_t number;
    };
    std::vector<Numbered> keys;
    std::vector<uint32_t> numbers;
    auto comes_first = [](const Numbered &a, const Numbered &b) { return a.key < b.key; };
    if (key_width_ == 0 || bag_)
        return numbers;
    keys.reserve(count_);
    for (size_t i = 0; i < count_; i++)
        keys.push_back({integer_of(key_width_, key_at(i).key()), static_cast<uint32_t>(i)});
    if (std::is_sorted(keys.begin(), keys.end(), comes_first))
        return numbers;
    std::sort(keys.begin(), keys.end(), comes_first);
    numbers.reserve(count_);
    for (const Numbered &key : keys)
        numbers.push_back(key.number);
    return numbers;
}

bool Netting::insert_run(std::string_view *data, int64_t most, int64_t *end, int64_t *count)
{
    char bytes[1 + sizeof(int64_t)];
    uint64_t gap, length;
    if (key_width_ == 0 || !varint::read(data, &gap) || !varint::read(data, &length)
        || length > static_cast<uint64_t>(most))
        return false;
    // in unsigned arithmetic, which cannot overflow
    auto first = static_cast<uint64_t>(*end) + static_cast<uint64_t>(varint::unzigzag(gap));
    for (uint64_t i = 0; i < length && !full(); i++)
        change(integer_key(key_width_, static_cast<int64_t>(first + i), bytes), {}, false, 'k');
    *end = static_cast<int64_t>(first + length);
    *count = static_cast<int64_t>(length);
    return true;
}

// A copy of bytes that stays.
std::string_view Netting::keep(std::string_view bytes)
{
    constexpr size_t usual = 8192;
    if (left_ < bytes.size()) {
        left_ = std::max(bytes.size(), usual);
        blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
        free_ = blocks_.back().get();
        used_ += left_;
    }
    char *copy = free_;
    if (!bytes.empty())
        std::memcpy(copy, bytes.data(), bytes.size());
    free_ += bytes.size();
    left_ -= bytes.size();
    return {copy, bytes.size()};
}

bool Netting::net(size_t number, NetChange *change)
{
    Key &key = key_at(number);
    if (bag_) {
        *change = {key.key(), {}, key.image != 0 ? images_[key.image - 1].count : 0, false};
        return change->existed != 0;
    }
    if (key.before == Before::unknown)
        settle(key);
    *change = {key.key(), {key.rest, key.rest_size}, key.before == Before::present, key.gone};
    return key.before != Before::unknown;
}

} // namespace refresh_mv
