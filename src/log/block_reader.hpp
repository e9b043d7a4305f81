// Reads a block (row_block.hpp) row by row.  Pure: no server needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace refresh_mv {

class BlockReader {
public:
    // Takes a block of so many rows at most from the front of the bytes, behind its 'b'; false if they are damaged.
    bool open(std::string_view *data, int64_t most);

    char kind() const { return kind_; }
    int64_t rows() const { return rows_; }

    // Goes on to the next row, and false if it is damaged.  Not to be called more often than there are rows.
    bool next();

    // The bytes of the row, until the next one.
    std::string_view key() const { return {row_.data(), key_size_}; }
    std::string_view rest() const { return {row_.data() + key_size_, row_.size() - key_size_}; }

private:
    struct Column {
        char form;
        int width;           // of an integer
        int bytes;           // that each takes above the least
        uint64_t least;
        const char *nulls;   // null: none is
        const char *numbers; // of integers or of distinct values; null: all are the first
        std::vector<std::string_view> distinct;
        std::string_view lengths; // of those still to come
        const char *values;
        std::string before;       // the last value that was not null
    };

    bool open_integers(Column *column, std::string_view *data);
    bool open_distinct(Column *column, std::string_view *data);
    bool open_plain(Column *column, std::string_view *data);
    void append_integer(const Column &column);
    void append_plain(Column *column);
    bool append(Column *column);

    char kind_ = 0;
    int64_t rows_ = 0;
    int64_t row_number_ = 0;
    size_t keys_ = 0;
    size_t key_size_ = 0;
    std::vector<Column> columns_;
    std::string row_;
};

} // namespace refresh_mv
