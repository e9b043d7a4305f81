// Columns of a row as bytes: equal bytes are equal images.
//
// A column is 0 if it is null; else the number of its bytes plus 1, and these
// bytes, decompressed and without a header.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv::row_image {

// Appends a number as varint writes it.
void append_number(StringInfo bytes, uint64 number);

// Appends a column.
void append(StringInfo bytes, Form_pg_attribute attribute, Datum value, bool null);

// Takes a column off the front of the bytes; the value is allocated anew.
// False if they do not begin with one.
bool read(const char **bytes, const char *end, Form_pg_attribute attribute, Datum *value,
          bool *null);

// Room for the values of a row, used again for the next one: they are allocated by nothing else.
class Room {
public:
    // Empties it, for the columns, at most so many, in so many bytes.
    void clear(Size bytes, int columns);

    // As much of it, at a place that suits a type.
    char *take(Size bytes, char alignment);

private:
    char *start_ = nullptr;
    char *free_ = nullptr;
    Size size_ = 0;
};

// The same, with the value in such room.
bool read(const char **bytes, const char *end, Form_pg_attribute attribute, Datum *value, bool *null, Room *room);

} // namespace refresh_mv::row_image
