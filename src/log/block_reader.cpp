#include "log/block_reader.hpp"

#include "values/varint.hpp"

#include <cstring>

namespace refresh_mv {

// No block has more rows; a number that cannot be multiplied to an overflow.
static constexpr uint64_t most_rows = 65536;

// Takes so many bytes off the front; null if there are fewer.
static const char *take(std::string_view *data, uint64_t count)
{
    if (count > data->size())
        return nullptr;
    const char *bytes = data->data();
    data->remove_prefix(count);
    return bytes;
}

// Takes a value with its length plus 1 in front, which stays there.
static bool take_value(std::string_view *data, std::string_view *value)
{
    const char *start = data->data();
    uint64_t number;
    if (!varint::read(data, &number) || take(data, number > 0 ? number - 1 : 0) == nullptr)
        return false;
    *value = {start, static_cast<size_t>(data->data() - start)};
    return true;
}

bool BlockReader::open(std::string_view *data, int64_t most)
{
    uint64_t rows, keys, columns;
    const char *kind = take(data, 1);
    if (kind == nullptr || !varint::read(data, &rows) || !varint::read(data, &keys) || !varint::read(data, &columns)
        || most < 0 || rows > static_cast<uint64_t>(most) || rows > most_rows || keys > columns || columns > data->size())
        return false;
    kind_ = *kind;
    rows_ = static_cast<int64_t>(rows);
    row_number_ = 0;
    keys_ = keys;
    columns_.assign(columns, Column{});
    for (Column &column : columns_) {
        const char *form = take(data, 1);
        column.form = form != nullptr ? *form : '\0';
        if (!(column.form == 'i' || column.form == 'n' ? open_integers(&column, data)
              : column.form == 'd'                     ? open_distinct(&column, data)
                                                       : column.form == 'p' && open_plain(&column, data)))
            return false;
    }
    return true;
}

static bool is_width(int width)
{
    return width == 1 || width == 2 || width == 4 || width == 8;
}

bool BlockReader::open_integers(Column *column, std::string_view *data)
{
    auto rows = static_cast<uint64_t>(rows_);
    uint64_t least;
    const char *width = take(data, 1);
    if (width == nullptr || !varint::read(data, &least))
        return false;
    column->least = static_cast<uint64_t>(varint::unzigzag(least));
    const char *bytes = take(data, 1);
    if (bytes == nullptr || !is_width(*width) || *bytes < 0 || *bytes > 8)
        return false;
    column->width = *width;
    column->bytes = *bytes;
    if (column->form == 'n' && (column->nulls = take(data, (rows + 7) / 8)) == nullptr)
        return false;
    return (column->numbers = take(data, rows * static_cast<uint64_t>(column->bytes))) != nullptr;
}

bool BlockReader::open_distinct(Column *column, std::string_view *data)
{
    uint64_t count;
    if (!varint::read(data, &count) || count > 256 || (count == 0 && rows_ > 0))
        return false;
    column->distinct.resize(count);
    for (std::string_view &value : column->distinct)
        if (!take_value(data, &value))
            return false;
    return count < 2 || (column->numbers = take(data, static_cast<uint64_t>(rows_))) != nullptr;
}

bool BlockReader::open_plain(Column *column, std::string_view *data)
{
    uint64_t total = 0, before = 0;
    uint64_t number, common;
    const char *start = data->data();
    for (int64_t i = 0; i < rows_; i++) {
        if (!varint::read(data, &number))
            return false;
        if (number == 0)
            continue;
        if (!varint::read(data, &common) || common > before || common > number - 1
            || number - 1 - common > data->size())
            return false;
        total += number - 1 - common;
        before = number - 1;
    }
    column->lengths = {start, static_cast<size_t>(data->data() - start)};
    return (column->values = take(data, total)) != nullptr;
}

bool BlockReader::next()
{
    row_.clear();
    key_size_ = 0;
    for (size_t i = 0; i < columns_.size(); i++) {
        if (!append(&columns_[i]))
            return false;
        if (i + 1 == keys_)
            key_size_ = row_.size();
    }
    row_number_++;
    return true;
}

// Appends a value of the form 'p', the lengths of which could be read before.
void BlockReader::append_plain(Column *column)
{
    uint64_t number, common;
    const char *start = column->lengths.data();
    varint::read(&column->lengths, &number);
    row_.append(start, static_cast<size_t>(column->lengths.data() - start));
    if (number == 0)
        return;
    varint::read(&column->lengths, &common);
    column->before.resize(common);
    column->before.append(column->values, number - 1 - common);
    column->values += number - 1 - common;
    row_ += column->before;
}

// Appends a column of the row, as row_image writes it; false if it is damaged.
bool BlockReader::append(Column *column)
{
    auto row = static_cast<size_t>(row_number_);
    if (column->form == 'd') {
        size_t number = column->numbers != nullptr ? static_cast<unsigned char>(column->numbers[row]) : 0;
        if (number >= column->distinct.size())
            return false;
        row_ += column->distinct[number];
    } else if (column->form == 'p') {
        append_plain(column);
    } else if (column->nulls != nullptr && (static_cast<unsigned char>(column->nulls[row / 8]) >> (row % 8) & 1) != 0)
        row_ += '\0';
    else
        append_integer(*column);
    return true;
}

// Appends the lower bytes of a number.
template <class Number>
static void append_narrow(std::string *bytes, uint64_t value)
{
    auto narrow = static_cast<Number>(value);
    char raw[1 + sizeof(Number)];
    raw[0] = static_cast<char>(sizeof(Number) + 1);
    std::memcpy(raw + 1, &narrow, sizeof(Number));
    bytes->append(raw, sizeof(raw));
}

void BlockReader::append_integer(const Column &column)
{
    const char *place = column.numbers + row_number_ * column.bytes;
    uint64_t above = 0;
    for (int i = 0; i < column.bytes; i++)
        above |= static_cast<uint64_t>(static_cast<unsigned char>(place[i])) << (8 * i);
    uint64_t value = column.least + above;
    if (column.width == 1)
        append_narrow<uint8_t>(&row_, value);
    else if (column.width == 2)
        append_narrow<uint16_t>(&row_, value);
    else if (column.width == 4)
        append_narrow<uint32_t>(&row_, value);
    else
        append_narrow<uint64_t>(&row_, value);
}

} // namespace refresh_mv
