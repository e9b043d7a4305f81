#include "log/log_writer.hpp"

#include "store/statement.hpp"
#include "values/row_image.hpp"
#include "values/varint.hpp"

namespace refresh_mv {

namespace {

Size written = 0; // since take_written()

// What has written the last entry of this session.
struct {
    FullTransactionId xid;
    CommandId command;
} last_writer;

// Entries are kept so short that they need no TOAST.
constexpr int full = 7800;

// Before the records: the header of a varlena, and the checksum.
constexpr int records_start = VARHDRSZ + sizeof(pg_crc32c);

pg_crc32c checksum(const char *records, Size length)
{
    pg_crc32c crc;
    INIT_CRC32C(crc);
    COMP_CRC32C(crc, records, length);
    FIN_CRC32C(crc);
    return crc;
}

using namespace log_columns;

// Opens the log; null if there is none: amidst a restore, or without the
// extension.
Relation open_log()
{
    static Oid known = InvalidOid;
    Relation log = OidIsValid(known) ? try_relation_open(known, RowExclusiveLock) : nullptr;
    while (log == nullptr) {
        known = statement::find_relation("log");
        if (!OidIsValid(known))
            return nullptr;
        log = try_relation_open(known, RowExclusiveLock);
    }
    if (RelationGetDescr(log)->natts == columns)
        return log;
    table_close(log, RowExclusiveLock);
    known = InvalidOid;
    return nullptr;
}

// The log's one index, over its first two columns; null if the indexes are others
// (as while they are built anew).
Relation open_only_index(Relation log)
{
    List *indexes = RelationGetIndexList(log);
    if (list_length(indexes) != 1)
        return nullptr;
    Relation index = index_open(linitial_oid(indexes), RowExclusiveLock);
    Form_pg_index form = index->rd_index;
    if (form->indisready && form->indnatts == 2 && form->indkey.values[0] == column_relation + 1
        && form->indkey.values[1] == column_seq + 1 && RelationGetIndexPredicate(index) == NIL)
        return index;
    index_close(index, NoLock);
    return nullptr;
}

// Inserts a row and its index entries.  To insert into the one index directly is
// what makes writes cheap; the general way sets up an executor for each row.
void insert_row(Relation log, HeapTuple tuple)
{
    Datum values[2];
    bool nulls[2];
    Relation index = open_only_index(log);

    if (index == nullptr) {
        statement::insert(log, tuple);
        return;
    }
    statement::store(log, tuple);
    for (int i = 0; i < 2; i++)
        values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(log), &nulls[i]);
    index_insert(index, values, nulls, &tuple->t_self, log, UNIQUE_CHECK_NO, false,
                 BuildIndexInfo(index));
    index_close(index, NoLock); // as the log itself: until the end
}

void insert(Oid relation, int64 layout, bool nested, int64 records, StringInfo data,
            const char *reason)
{
    Relation log = open_log();
    if (log == nullptr)
        return;
    Datum values[columns];
    bool nulls[columns] = {};
    values[column_relation] = ObjectIdGetDatum(relation);
    values[column_seq] = Int64GetDatum(log_writer::position());
    values[column_xid] = FullTransactionIdGetDatum(GetTopFullTransactionId());
    values[column_layout] = Int64GetDatum(layout);
    values[column_nested] = BoolGetDatum(nested);
    values[column_records] = Int64GetDatum(records);
    values[column_data] = 0;
    values[column_reason] = reason ? CStringGetTextDatum(reason) : 0;
    values[column_at] = TimestampTzGetDatum(GetCurrentTimestamp());
    if (data != nullptr) {
        pg_crc32c crc = checksum(data->data + records_start, static_cast<Size>(data->len - records_start));
        memcpy(data->data + VARHDRSZ, &crc, sizeof(crc));
        SET_VARSIZE(data->data, data->len);
        values[column_data] = PointerGetDatum(data->data);
    }
    nulls[column_data] = data == nullptr;
    nulls[column_reason] = reason == nullptr;
    HeapTuple tuple = heap_form_tuple(RelationGetDescr(log), values, nulls);
    insert_row(log, tuple);
    last_writer = {GetTopFullTransactionId(), GetCurrentCommandId(false)};
    written += HEAPTUPLESIZE + tuple->t_len;
    heap_freetuple(tuple);
    table_close(log, NoLock); // whoever truncates it waits for us
}

void clear(log_writer::Writer *writer)
{
    resetStringInfo(&writer->data);
    appendStringInfoSpaces(&writer->data, records_start);
    writer->records = 0;
    writer->run_end = 0;
}

void flush(log_writer::Writer *writer)
{
    if (writer->records > 0)
        insert(writer->source, writer->layout, writer->nested, writer->records, &writer->data,
               nullptr);
    clear(writer);
}

void end_run(log_writer::Writer *writer)
{
    if (writer->run_count == 0)
        return;
    // in unsigned arithmetic, which cannot overflow
    uint64 first = static_cast<uint64>(writer->run_first);
    appendStringInfoCharMacro(&writer->data, 'r');
    row_image::append_number(&writer->data,
                             varint::zigzag(static_cast<int64>(first - static_cast<uint64>(writer->run_end))));
    row_image::append_number(&writer->data, static_cast<uint64>(writer->run_count));
    writer->records += writer->run_count;
    writer->run_end = static_cast<int64>(first + static_cast<uint64>(writer->run_count));
    writer->run_count = 0;
    if (writer->data.len > full)
        flush(writer);
}

void append_bytes(StringInfo data, StringInfo bytes)
{
    row_image::append_number(data, static_cast<uint64>(bytes->len));
    appendBinaryStringInfo(data, bytes->data, bytes->len);
}

} // namespace

namespace log_writer {

Writer start(Oid source, int64 layout, bool nested)
{
    Writer writer{};
    writer.source = source;
    writer.layout = layout;
    writer.nested = nested;
    initStringInfo(&writer.data);
    clear(&writer);
    return writer;
}

void add(Writer *writer, char kind, StringInfo key, StringInfo rest)
{
    int length = key->len + (rest ? rest->len : 0);
    if (writer->records > 0 && writer->data.len + length > full)
        flush(writer);
    appendStringInfoCharMacro(&writer->data, kind);
    append_bytes(&writer->data, key);
    if (rest != nullptr)
        append_bytes(&writer->data, rest);
    writer->records++;
}

void add_block(Writer *writer, RowBlock *block)
{
    int rows = block->rows;
    if (rows == 0)
        return;
    if (writer->records > 0)
        flush(writer);
    row_block::write(block, &writer->data);
    writer->records = rows;
    flush(writer);
}

void add_if_full(Writer *writer, RowBlock *block)
{
    if (row_block::is_full(block, full))
        add_block(writer, block);
}

void add_integer(Writer *writer, int64 key)
{
    if (writer->run_count > 0 && key == writer->run_first + writer->run_count) {
        writer->run_count++;
        return;
    }
    end_run(writer);
    writer->run_first = key;
    writer->run_count = 1;
}

void finish(Writer *writer)
{
    end_run(writer);
    flush(writer);
    pfree(writer->data.data);
}

void everything(Oid relation, const char *reason)
{
    insert(relation, 0, false, 0, nullptr, reason);
}

void baseline_lost(Oid view, const char *reason)
{
    insert(view, not_for_readers, false, 0, nullptr, reason);
}

bool has_written_since(CommandId command)
{
    return FullTransactionIdEquals(last_writer.xid, GetTopFullTransactionIdIfAny()) && last_writer.command >= command;
}

Size take_written()
{
    Size taken = written;
    written = 0;
    return taken;
}

int64 position()
{
    return static_cast<int64>(GetXLogInsertRecPtr());
}

bool open_entry(varlena *data, const char **records, Size *length)
{
    pg_crc32c crc;
    if (VARSIZE_ANY_EXHDR(data) < sizeof(crc))
        return false;
    memcpy(&crc, VARDATA_ANY(data), sizeof(crc));
    *records = VARDATA_ANY(data) + sizeof(crc);
    *length = VARSIZE_ANY_EXHDR(data) - sizeof(crc);
    return EQ_CRC32C(crc, checksum(*records, *length));
}

} // namespace log_writer

} // namespace refresh_mv
