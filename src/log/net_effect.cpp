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

bool KeyShare::has(std::string_view key) const
{
    size_t mask = (static_cast<size_t>(1) << bits) - 1;
    return bits == 0 || (std::hash<std::string_view>{}(key) & mask) == number;
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
        } else if ((kind != 'o' && kind != 'n' && kind != 'k') || !read_bytes(&data, &key)
                   || (kind != 'k' && !read_bytes(&data, &rest)))
            return false;
        else
            change(key, rest, nested, kind);
        records -= count;
    }
    return full() || records == 0;
}

// Records a change of a key, if that is in the share.
void Netting::change(std::string_view bytes, std::string_view rest, bool nested, char kind)
{
    if (!share_.has(bytes))
        return;
    Key &key = key_of(bytes);
    if (!nested && key.before == Before::unknown)
        settle(key);
    if (key.before != Before::unknown)
        return;
    if (!nested) {
        key.before = kind == 'o' ? Before::present : Before::absent;
        key.rest = keep(rest);
        return;
    }
    for (Image &image : key.images)
        if (image.rest == rest) {
            image.count += kind == 'o' ? 1 : -1;
            return;
        }
    key.images.push_back({keep(rest), kind == 'o' ? 1 : -1});
    used_ += 2 * sizeof(Image);
}

// What is known of a key.
Netting::Key &Netting::key_of(std::string_view bytes)
{
    auto place = places_.find(bytes);
    if (place != places_.end())
        return keys_[place->second];
    bytes = keep(bytes);
    places_.emplace(bytes, keys_.size());
    used_ += sizeof(Key) + sizeof(*place) + 4 * sizeof(void *) + sizeof(NetChange);
    return keys_.emplace_back(Key{bytes, Before::unknown, {}, {}});
}

// Says what the nested entries that a key was changed in say of it.
void Netting::settle(Key &key)
{
    for (const Image &image : key.images) {
        if (image.count > 0) {
            key.before = Before::present;
            key.rest = image.rest;
        } else if (image.count < 0 && key.before == Before::unknown)
            key.before = Before::absent;
    }
    key.images.clear();
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
    if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < bytes.size()) {
        blocks_.emplace_back().reserve(std::max(bytes.size(), usual));
        used_ += blocks_.back().capacity();
    }
    std::string &block = blocks_.back();
    size_t start = block.size();
    block.append(bytes);
    return std::string_view(block).substr(start);
}

std::vector<NetChange> Netting::changes()
{
    std::vector<NetChange> result;
    result.reserve(keys_.size());
    for (Key &key : keys_) {
        if (bag_) {
            if (key.images[0].count != 0)
                result.push_back({key.key, {}, key.images[0].count});
            continue;
        }
        if (key.before == Before::unknown)
            settle(key);
        if (key.before != Before::unknown)
            result.push_back({key.key, key.rest, key.before == Before::present});
    }
    return result;
}

} // namespace refresh_mv
