// Numbers in as few bytes as they need: seven bits a byte, the lowest first.
// Pure: no server needed.
#pragma once

#include <cstdint>
#include <string_view>

namespace refresh_mv::varint {

// Calls put(byte) for each byte of a number.
template <class Put>
void write(uint64_t value, Put put)
{
    for (; value >= 0x80; value >>= 7)
        put(static_cast<char>(value | 0x80));
    put(static_cast<char>(value));
}

// Takes a number from the front of the bytes; false if they do not begin with
// a whole one.
inline bool read(std::string_view *bytes, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < bytes->size() && i < 10; i++) {
        auto byte = static_cast<unsigned char>((*bytes)[i]);
        *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            bytes->remove_prefix(i + 1);
            return true;
        }
    }
    return false;
}

// Signed numbers as unsigned ones, small where they are near 0.
inline uint64_t zigzag(int64_t value)
{
    return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

inline int64_t unzigzag(uint64_t value)
{
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

} // namespace refresh_mv::varint
