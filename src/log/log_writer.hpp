// Writing to the log, refresh_mv.log.  See net_effect.hpp for what entries hold.
//
// An entry's bytes begin with a checksum of the rest.
//
// Entries go straight into the heap: that takes no privilege of the writer, and
// no lock beyond the insert.  An entry is numbered by the WAL position at which
// its statement ended, while the changed rows were locked: of two changes of a
// row the later one has the higher number.  (A sequence would do as well, but
// for lastval(), which clients use to get the id of the row just inserted.)
#pragma once

#include "log/row_block.hpp"
#include "server/pg.hpp"

namespace refresh_mv {

// The columns of the log.
namespace log_columns {
enum { column_relation, column_seq, column_xid, column_layout, column_nested, column_records,
       column_data, column_reason, column_at, columns };
}

namespace log_writer {

// Fills entries of one statement and writes each when it is full.
struct Writer {
    Oid source;
    int64 layout;
    bool nested;
    StringInfoData data;
    int64 records;
    int64 run_first; // the run of inserted keys not yet in data
    int64 run_count;
    int64 run_end;   // of the run before
};

Writer start(Oid source, int64 layout, bool nested);

// Adds a record: the image of a row, old ('o', 'd') or new ('n'), or its key ('k').
// key and rest are the bytes of the columns; rest is null for a key.
void add(Writer *writer, char kind, StringInfo key, StringInfo rest);

// Adds a row inserted with an integer key.
void add_integer(Writer *writer, int64 key);

// Writes what is in a block, if it is full or in any case.
void add_if_full(Writer *writer, RowBlock *block);
void add_block(Writer *writer, RowBlock *block);

// Writes what is left.
void finish(Writer *writer);

// Writes that anything may have changed in a source, or about a view.
void everything(Oid relation, const char *reason);

// The layout of entries that concern a tracked view only, as refresh_mv.unread knows it.
constexpr int64 not_for_readers = -1;

// Logs that a tracked view is not what it was when it was last refreshed, which is nothing
// to the views that read it.
void baseline_lost(Oid view, const char *reason);

// Whether the current transaction has written an entry by this command of its or a later one.
bool has_written_since(CommandId command);

// The bytes of the entries that this session has written since it last asked.
Size take_written();

// The number that the next entry would get.
int64 position();

// An entry's records; false if the bytes are not what was written.
bool open_entry(varlena *data, const char **records, Size *length);

} // namespace log_writer

} // namespace refresh_mv
