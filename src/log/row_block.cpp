#include "log/row_block.hpp"

#include "values/row_image.hpp"
#include "values/varint.hpp"

namespace refresh_mv {

namespace {

// Distinct values of a column: as many as a byte can number.
constexpr int most_distinct = 256;
constexpr int places = 1024; // of the hash table; a power of two

struct Distinct {
    uint32 hash;
    int start; // in the column's bytes
    int length; // -1: null
};

struct Dictionary {
    int count;
    int bytes;
    uint16 place[places]; // the number of a value + 1
    Distinct value[most_distinct];
};

} // namespace

struct BlockColumn {
    int attribute; // from 0
    int16 type_length;
    int16 width; // of an integer; 0: bytes

    // of the next row
    const char *value; // null: null
    int value_length;

    // integers
    int64 *numbers;
    uint64 least; // as a signed one
    uint64 greatest;
    bool *nulls;
    bool any_null;
    bool any_number;

    // bytes
    int *start;
    int16 *length; // -1: null
    uint8 *number; // in the dictionary
    int16 *common; // with the value before, of rows from first on
    int first;
    Size total;    // of what all rows add to the ones before
    int last;      // the last row that is not null; -1: none
    bool few;      // the dictionary has all values
    Dictionary *dictionary;
    StringInfoData bytes;
};

namespace {

void clear(BlockColumn *column)
{
    column->any_null = column->any_number = false;
    column->least = column->greatest = 0;
    if (column->width != 0)
        return;
    column->total = 0;
    column->first = 0;
    column->last = -1;
    column->few = true;
    column->dictionary->count = column->dictionary->bytes = 0;
    memset(column->dictionary->place, 0, sizeof(column->dictionary->place));
    resetStringInfo(&column->bytes);
}

void *rows_of(int capacity, Size size)
{
    return palloc(size * static_cast<Size>(capacity));
}

uint32 hash_of(const char *bytes, int length)
{
    constexpr uint64 odd = 0x9fb21c651e98df25;
    uint64 hash = static_cast<uint64>(length) * odd;
    uint64 word;
    for (; length >= 8; length -= 8, bytes += 8) {
        memcpy(&word, bytes, sizeof(word));
        hash = (hash ^ word) * odd;
        hash ^= hash >> 35;
    }
    word = 0;
    for (int i = 0; i < length; i++)
        word = word << 8 | static_cast<unsigned char>(bytes[i]);
    hash = (hash ^ word) * odd;
    return static_cast<uint32>(hash >> 32);
}

int keep(BlockColumn *column, const char *bytes, int length)
{
    int start = column->bytes.len;
    if (length > 0)
        appendBinaryStringInfoNT(&column->bytes, bytes, length);
    return start;
}

// The number of a value in the dictionary, in which it is entered if need be; negative if that is full.
int look_up(BlockColumn *column, const char *bytes, int length)
{
    Dictionary *dictionary = column->dictionary;
    uint32 hash = length < 0 ? 0 : hash_of(bytes, length);
    uint32 i = hash;
    for (; dictionary->place[i & (places - 1)] != 0; i++) {
        int number = dictionary->place[i & (places - 1)] - 1;
        const Distinct &value = dictionary->value[number];
        if (value.hash == hash && value.length == length
            && (length <= 0 || memcmp(column->bytes.data + value.start, bytes, static_cast<Size>(length)) == 0))
            return number;
    }
    if (dictionary->count == most_distinct)
        return -1;
    dictionary->value[dictionary->count] = {hash, keep(column, bytes, length), length};
    dictionary->bytes += Max(length, 0) + 2;
    dictionary->place[i & (places - 1)] = static_cast<uint16>(dictionary->count + 1);
    return dictionary->count++;
}

// How many bytes two values have in common in front.
int common_bytes(const char *a, int a_length, const char *b, int b_length)
{
    int most = Min(a_length, b_length);
    int i = 0;
    uint64 a_word, b_word;
    for (; i + 8 <= most; i += 8) {
        memcpy(&a_word, a + i, sizeof(a_word));
        memcpy(&b_word, b + i, sizeof(b_word));
        if (a_word != b_word)
            break;
    }
    while (i < most && a[i] == b[i])
        i++;
    return i;
}

// The same of the value of a row with that of the row before that is not null.
int common_bytes(const BlockColumn *column, int before, int row)
{
    return before < 0 ? 0
                      : common_bytes(column->bytes.data + column->start[before], column->length[before],
                                     column->bytes.data + column->start[row], column->length[row]);
}

// Adds the value of the next row.
void add_bytes(BlockColumn *column, int row)
{
    constexpr int trial = 64;
    const char *bytes = column->value;
    int length = bytes != nullptr ? column->value_length : -1;
    column->length[row] = static_cast<int16>(length);
    if (column->few) {
        int number = look_up(column, bytes, length);
        if (number >= 0 && (row < trial || 2 * column->dictionary->count < row)) {
            column->number[row] = static_cast<uint8>(number);
            column->start[row] = column->dictionary->value[number].start;
            column->total += static_cast<Size>(Max(length, 0));
            column->last = length < 0 ? column->last : row;
            return;
        }
        column->few = false;
        column->first = row;
    }
    column->start[row] = keep(column, bytes, length);
    if (length < 0)
        return;
    column->common[row] = static_cast<int16>(common_bytes(column, column->last, row));
    column->total += static_cast<Size>(length - column->common[row]);
    column->last = row;
}

// Adds the integer of the next row.
void add_integer(RowBlock *block, BlockColumn *column, Datum datum, bool null)
{
    if (null) {
        if (!column->any_null)
            memset(column->nulls, 0, static_cast<Size>(block->capacity));
        column->any_null = true;
        column->nulls[block->rows] = true;
        return;
    }
    int64 value = column->width == 8   ? DatumGetInt64(datum)
                  : column->width == 4 ? DatumGetInt32(datum)
                  : column->width == 2 ? DatumGetInt16(datum)
                                       : DatumGetChar(datum);
    column->numbers[block->rows] = value;
    if (!column->any_number) {
        column->any_number = true;
        column->least = column->greatest = static_cast<uint64>(value);
    } else if (value < static_cast<int64>(column->least))
        column->least = static_cast<uint64>(value);
    else if (value > static_cast<int64>(column->greatest))
        column->greatest = static_cast<uint64>(value);
}

// Finds the bytes of the next row's value; false if it does not fit in.
bool find_bytes(BlockColumn *column, Datum value, bool null)
{
    Size size;
    column->value = nullptr;
    if (null)
        return true;
    const char *start = static_cast<const char *>(DatumGetPointer(value));
    if (column->type_length == -1) {
        auto *bytes = reinterpret_cast<const varlena *>(start);
        if (VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes))
            return false;
        start = VARDATA_ANY(bytes);
        size = VARSIZE_ANY_EXHDR(bytes);
    } else
        size = column->type_length == -2 ? strlen(start) : static_cast<Size>(column->type_length);
    column->value = start;
    column->value_length = static_cast<int>(size);
    return size <= row_block::longest_value;
}

// The bytes that numbers take which are so far apart.
int width_of(uint64 range)
{
    return range == 0 ? 0 : pg_leftmost_one_pos64(range) / 8 + 1;
}

Size size_of(const RowBlock *block, const BlockColumn *column)
{
    auto rows = static_cast<Size>(block->rows);
    if (column->width != 0)
        return static_cast<Size>(width_of(column->greatest - column->least)) * rows + (column->any_null ? rows / 8 : 0) + 14;
    return column->few ? static_cast<Size>(column->dictionary->bytes) + rows + 3 : column->total + 2 * rows;
}

// ---- writing ----

// Writes numbers of so many bytes, the lowest first; constant, so that the loop is a quick one.
template <int width>
void write_numbers(const BlockColumn *column, int rows, StringInfo bytes)
{
    enlargeStringInfo(bytes, rows * width);
    char *place = bytes->data + bytes->len;
    for (int i = 0; i < rows; i++, place += width) {
        uint64 above = static_cast<uint64>(column->numbers[i]) - column->least;
        for (int byte = 0; byte < width; byte++)
            place[byte] = static_cast<char>(above >> (8 * byte));
    }
    bytes->len += rows * width;
}

using WriteNumbers = void (*)(const BlockColumn *column, int rows, StringInfo bytes);
constexpr WriteNumbers write_by_width[] = {write_numbers<0>, write_numbers<1>, write_numbers<2>, write_numbers<3>,
                                           write_numbers<4>, write_numbers<5>, write_numbers<6>, write_numbers<7>,
                                           write_numbers<8>};

void write_nulls(const BlockColumn *column, int rows, StringInfo bytes)
{
    for (int i = 0; i < rows; i += 8) {
        int bits = 0;
        for (int j = i; j < Min(i + 8, rows); j++)
            bits |= static_cast<int>(column->nulls[j]) << (j - i);
        appendStringInfoCharMacro(bytes, static_cast<char>(bits));
    }
}

void write_integers(BlockColumn *column, int rows, StringInfo bytes)
{
    int width = width_of(column->greatest - column->least);
    for (int i = 0; column->any_null && i < rows; i++)
        if (column->nulls[i])
            column->numbers[i] = static_cast<int64>(column->least);
    appendStringInfoCharMacro(bytes, column->any_null ? 'n' : 'i');
    appendStringInfoCharMacro(bytes, static_cast<char>(column->width));
    row_image::append_number(bytes, varint::zigzag(static_cast<int64>(column->least)));
    appendStringInfoCharMacro(bytes, static_cast<char>(width));
    if (column->any_null)
        write_nulls(column, rows, bytes);
    write_by_width[width](column, rows, bytes);
}

void write_few(const BlockColumn *column, int rows, StringInfo bytes)
{
    const Dictionary *dictionary = column->dictionary;
    appendStringInfoCharMacro(bytes, 'd');
    row_image::append_number(bytes, static_cast<uint64>(dictionary->count));
    for (int i = 0; i < dictionary->count; i++) {
        const Distinct &value = dictionary->value[i];
        row_image::append_number(bytes, static_cast<uint64>(value.length + 1));
        if (value.length > 0)
            appendBinaryStringInfoNT(bytes, column->bytes.data + value.start, value.length);
    }
    if (dictionary->count > 1)
        appendBinaryStringInfoNT(bytes, reinterpret_cast<const char *>(column->number), rows);
}

// Puts a number at a place as varint does; returns the place behind it.
char *put_number(char *place, int number)
{
    for (; number >= 0x80; number >>= 7)
        *place++ = static_cast<char>(number | 0x80);
    *place++ = static_cast<char>(number);
    return place;
}

void write_plain(const BlockColumn *column, int rows, StringInfo bytes)
{
    constexpr int longest_number = 3;
    int before = -1;
    appendStringInfoCharMacro(bytes, 'p');
    for (int i = 0; i < column->first; i++) // which looked as if there were few values
        if (column->length[i] >= 0) {
            column->common[i] = static_cast<int16>(common_bytes(column, before, i));
            before = i;
        }
    enlargeStringInfo(bytes, rows * 2 * longest_number);
    char *place = bytes->data + bytes->len;
    for (int i = 0; i < rows; i++) {
        place = put_number(place, column->length[i] + 1);
        if (column->length[i] >= 0)
            place = put_number(place, column->common[i]);
    }
    bytes->len = static_cast<int>(place - bytes->data);
    for (int i = 0; i < rows; i++) {
        if (column->length[i] < 0)
            continue;
        int length = column->length[i] - column->common[i];
        if (bytes->len + length >= bytes->maxlen)
            enlargeStringInfo(bytes, length);
        memcpy(bytes->data + bytes->len, column->bytes.data + column->start[i] + column->common[i],
               static_cast<Size>(length));
        bytes->len += length;
    }
}

} // namespace

namespace row_block {

RowBlock make(char kind, int keys, int columns, TupleDesc desc, const AttrNumber *attributes)
{
    // whatever the number of columns, some hundred kilobytes
    constexpr int most_rows = 1024, most_values = 16384, least_rows = 32;
    RowBlock block{kind, keys, columns, 0, Max(least_rows, Min(most_rows, most_values / Max(columns, 1))), 1, 0, nullptr};
    block.column = static_cast<BlockColumn *>(palloc0(sizeof(BlockColumn) * static_cast<Size>(columns)));
    for (int i = 0; i < columns; i++) {
        BlockColumn *column = &block.column[i];
        Form_pg_attribute attribute = TupleDescAttr(desc, attributes[i] - 1);
        block.last = Max(block.last, attributes[i]);
        column->attribute = attributes[i] - 1;
        column->type_length = attribute->attlen;
        column->width = attribute->attbyval ? attribute->attlen : int16{0};
        if (column->width != 0) {
            column->numbers = static_cast<int64 *>(rows_of(block.capacity, sizeof(int64)));
            column->nulls = static_cast<bool *>(rows_of(block.capacity, sizeof(bool)));
        } else {
            column->start = static_cast<int *>(rows_of(block.capacity, sizeof(int)));
            column->length = static_cast<int16 *>(rows_of(block.capacity, sizeof(int16)));
            column->number = static_cast<uint8 *>(rows_of(block.capacity, sizeof(uint8)));
            column->common = static_cast<int16 *>(rows_of(block.capacity, sizeof(int16)));
            column->dictionary = static_cast<Dictionary *>(palloc(sizeof(Dictionary)));
            initStringInfo(&column->bytes);
        }
        clear(column);
    }
    return block;
}

bool add(RowBlock *block, TupleTableSlot *row)
{
    BlockColumn *end = block->column + block->columns;
    slot_getsomeattrs(row, block->last);
    for (BlockColumn *column = block->column; column < end; column++)
        if (column->width == 0
            && !find_bytes(column, row->tts_values[column->attribute], row->tts_isnull[column->attribute]))
            return false;
    for (BlockColumn *column = block->column; column < end; column++)
        if (column->width == 0)
            add_bytes(column, block->rows);
        else
            add_integer(block, column, row->tts_values[column->attribute], row->tts_isnull[column->attribute]);
    block->rows++;
    return true;
}

bool is_full(RowBlock *block, int full)
{
    Size size = 16;
    if (block->rows == block->capacity)
        return true;
    if (block->rows < block->next_check)
        return false;
    for (int i = 0; i < block->columns; i++)
        size += size_of(block, &block->column[i]);
    if (size >= static_cast<Size>(full))
        return true;
    // half of the rows for which there still is room, if they are like these
    Size room = (static_cast<Size>(full) - size) * static_cast<Size>(block->rows) / size / 2;
    block->next_check = block->rows + Max(1, static_cast<int>(Min(room, Size{256})));
    return false;
}

void write(RowBlock *block, StringInfo bytes)
{
    appendStringInfoCharMacro(bytes, 'b');
    appendStringInfoCharMacro(bytes, block->kind);
    row_image::append_number(bytes, static_cast<uint64>(block->rows));
    row_image::append_number(bytes, static_cast<uint64>(block->keys));
    row_image::append_number(bytes, static_cast<uint64>(block->columns));
    for (int i = 0; i < block->columns; i++) {
        BlockColumn *column = &block->column[i];
        if (column->width != 0)
            write_integers(column, block->rows, bytes);
        else if (column->few)
            write_few(column, block->rows, bytes);
        else
            write_plain(column, block->rows, bytes);
        clear(column);
    }
    block->rows = 0;
    block->next_check = 1;
}

} // namespace row_block

} // namespace refresh_mv
