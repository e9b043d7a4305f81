// A block: a record of many rows that one statement has changed alike, column by column.  It takes a
// fraction of the bytes, and of the time, that a record for each row would take.
//
//     'b' kind rows keys columns, then for each column its form and the values
//
//     form 'i'  width, least, w: integers of width bytes, each as w bytes above the least
//     form 'n'  the same, with a bit for each row before them: whether it is null
//     form 'd'  count, values, then for each row the number of its value, a byte; if there are two or more
//     form 'p'  for each row how much of the value it has in front with the one before, that is not null, then what
//               follows that in the values
//
// Numbers are varints, but for those of rows in 'i' and 'd'.  A value of 'd' has its length plus 1 in front, one of 'p'
// the length of all of it plus 1 before that in common; 0 is null.
//
// Invariants:
// - A block says by itself what it holds: reading it goes by no catalog.
// - What is read of a row are the key and rest that its own record would have had (row_image).
// - Writing takes memory that does not grow with the number of rows.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

struct BlockColumn;

struct RowBlock {
    char kind; // of the rows' records
    int keys;
    int columns;
    int rows;
    int capacity;
    int next_check; // of the size, at so many rows
    AttrNumber last; // of the rows' attributes that are columns
    BlockColumn *column;
};

namespace row_block {

// A value longer than this goes into a record of its own.
constexpr Size longest_value = 1000;

// An empty block of rows with such attributes, those of the key first.
RowBlock make(char kind, int keys, int columns, TupleDesc desc, const AttrNumber *attributes);

// Adds a row; false if a value of it is too long, or stored elsewhere or compressed.
bool add(RowBlock *block, TupleTableSlot *row);

// Whether the block would take so many bytes and should be written.
bool is_full(RowBlock *block, int full);

// Appends the block and empties it.
void write(RowBlock *block, StringInfo bytes);

} // namespace row_block

} // namespace refresh_mv
