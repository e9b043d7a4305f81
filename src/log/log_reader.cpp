#include "log/log_reader.hpp"

#include "log/log_writer.hpp"
#include "server/bridge.hpp"
#include "store/statement.hpp"

#include <optional>

namespace refresh_mv {

namespace {

using Each = bool (*)(const NetChange &change, void *context);

// An entry of the log.  bytes is null where it says "everything" or is damaged.
struct LogEntry {
    int64 layout;
    bool nested;
    int64 records;
    const char *bytes;
    Size length;
};

// Calls each() for an entry that SPI has returned.
bool each_entry(uint64 row, bool (*each)(const LogEntry &entry, void *context), void *context)
{
    bool null;
    Datum data = statement::returned(row, 4, &null);
    varlena *bytes = null ? nullptr : pg_detoast_datum(reinterpret_cast<varlena *>(DatumGetPointer(data)));
    const char *start = nullptr;
    Size length = 0;
    if (bytes != nullptr && !log_writer::open_entry(bytes, &start, &length))
        start = nullptr;
    return each({statement::returned_int64(row, 1), statement::returned_bool(row, 2), statement::returned_int64(row, 3), start, length}, context);
}

// Reads the new entries of a view about one source under the active snapshot, in order,
// as long as each() returns true.
void new_entries(Oid view, Oid source, bool (*each)(const LogEntry &entry, void *context),
                 void *context)
{
    constexpr long at_once = 50;
    static SPIPlanPtr plan = nullptr;
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv log", ALLOCSET_DEFAULT_SIZES);
    bool more = true;

    SPI_connect();
    Portal cursor = statement::open(&plan,
                                 "SELECT layout, nested, records, data FROM refresh_mv.unread"
                                 " WHERE view OPERATOR(pg_catalog.=) $1 AND relation OPERATOR(pg_catalog.=) $2"
                                 " AND is_new ORDER BY seq",
                                 statement::Values().oid(view).oid(source));
    while (more && statement::fetch(cursor, at_once) > 0) {
        for (uint64 i = 0; i < SPI_processed && more; i++) {
            CHECK_FOR_INTERRUPTS();
            MemoryContext old = MemoryContextSwitchTo(memory);
            more = each_entry(i, each, context);
            MemoryContextSwitchTo(old);
            MemoryContextReset(memory);
        }
        SPI_freetuptable(SPI_tuptable);
    }
    SPI_cursor_close(cursor);
    SPI_finish();
    MemoryContextDelete(memory);
}

struct Load {
    int64 layout;
    Netting *netting;
    bool sound;
};

// Nets an entry; returns whether there is any use in further ones.
bool load_entry(const LogEntry &logged, void *context)
{
    auto *load = static_cast<Load *>(context);
    load->sound = logged.bytes != nullptr && logged.layout == load->layout && entry([&] {
        return load->netting->add(logged.nested, logged.records, {logged.bytes, logged.length});
    });
    return load->sound && !load->netting->full();
}

// Hands over net changes, as long as they are taken.
bool tell(const std::vector<NetChange> &net, Each each, void *context)
{
    const NetChange *first = net.data();
    size_t count = net.size();
    return guard([&] {
        MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv change",
                                                     ALLOCSET_DEFAULT_SIZES);
        bool sound = true;
        for (size_t i = 0; i < count && sound; i++) {
            CHECK_FOR_INTERRUPTS();
            MemoryContext old = MemoryContextSwitchTo(memory);
            sound = each(first[i], context);
            MemoryContextSwitchTo(old);
            MemoryContextReset(memory);
        }
        MemoryContextDelete(memory);
        return sound;
    });
}

// Reads the changes of a share of the keys; nothing if they do not fit in memory.
std::optional<bool> read_share(const log_reader::Entries &entries, KeyShare share, Each each, void *context)
{
    Netting netting(entries.key_width, entries.bag, share, static_cast<size_t>(maintenance_work_mem) * 1024);
    Load load = {entries.layout, &netting, true};
    guard([&] { new_entries(entries.view, entries.relation, load_entry, &load); });
    if (!load.sound)
        return false;
    if (netting.full())
        return std::nullopt;
    return tell(netting.changes(), each, context);
}

// The same in halves, if need be.
bool read_all(const log_reader::Entries &entries, KeyShare share, Each each, void *context)
{
    std::optional<bool> sound = read_share(entries, share, each, context);
    return sound ? *sound
                 : read_all(entries, share.half(0), each, context)
                       && read_all(entries, share.half(1), each, context);
}

} // namespace

namespace log_reader {

bool read(const Entries &entries, Each each, void *context)
{
    return read_all(entries, KeyShare{}, each, context);
}

} // namespace log_reader

} // namespace refresh_mv
