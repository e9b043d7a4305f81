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

} // namespace refresh_mv::row_image
