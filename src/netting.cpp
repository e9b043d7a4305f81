#include "netting.hpp"

#include "varint.hpp"

#include <cstring>

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

bool Netting::add(bool nested, int64_t records, std::string_view data)
{
    int64_t end = 0; // of the last run
    while (!data.empty()) {
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
    return records == 0;
}

// Records a change of a key.
void Netting::change(std::string_view bytes, std::string_view rest, bool nested, char kind)
{
    auto [place, added] = places_.try_emplace(bytes, keys_.size());
    if (added)
        keys_.push_back({bytes, Before::unknown, {}, {}});
    Key &key = keys_[place->second];
    if (!nested && key.before == Before::unknown)
        settle(key);
    if (key.before != Before::unknown)
        return;
    if (!nested) {
        key.before = kind == 'o' ? Before::present : Before::absent;
        key.rest = rest;
        return;
    }
    for (Image &image : key.images)
        if (image.rest == rest) {
            image.count += kind == 'o' ? 1 : -1;
            return;
        }
    key.images.push_back({rest, kind == 'o' ? 1 : -1});
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

bool Netting::insert_run(std::string_view *data, int64_t most, int64_t *end, int64_t *count)
{
    uint64_t gap, length;
    if (key_width_ == 0 || !varint::read(data, &gap) || !varint::read(data, &length)
        || length > static_cast<uint64_t>(most))
        return false;
    // in unsigned arithmetic, which cannot overflow
    auto first = static_cast<uint64_t>(*end) + static_cast<uint64_t>(varint::unzigzag(gap));
    for (uint64_t i = 0; i < length; i++)
        change(integer_key(static_cast<int64_t>(first + i)), {}, false, 'k');
    *end = static_cast<int64_t>(first + length);
    *count = static_cast<int64_t>(length);
    return true;
}

// The bytes of a key of one integer column, as row_image writes them.
std::string_view Netting::integer_key(int64_t value)
{
    char bytes[1 + sizeof(int64_t)];
    auto narrow16 = static_cast<int16_t>(value);
    auto narrow32 = static_cast<int32_t>(value);
    bytes[0] = static_cast<char>(key_width_ + 1);
    std::memcpy(bytes + 1,
                key_width_ == 2   ? static_cast<void *>(&narrow16)
                : key_width_ == 4 ? static_cast<void *>(&narrow32)
                                  : static_cast<void *>(&value),
                static_cast<size_t>(key_width_));
    std::string_view key(bytes, static_cast<size_t>(key_width_) + 1);
    auto known = places_.find(key);
    return known != places_.end() ? known->first : own_bytes_.emplace_back(key);
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
