#include "log/log_reader.hpp"

#include "log/log_writer.hpp"
#include "log/unread.hpp"
#include "server/bridge.hpp"

#include <optional>

namespace refresh_mv {

namespace {

using Each = bool (*)(const NetChange &change, void *context);

struct Load {
    int64 layout;
    Netting *netting;
    bool sound;
};

// Nets an entry that is new; returns whether there is any use in further ones.
bool load_entry(const UnreadEntry &unread, void *context)
{
    auto *load = static_cast<Load *>(context);
    const char *bytes;
    Size length;

    if (!unread.is_new)
        return true;
    load->sound = unread.data != nullptr && unread.layout == load->layout
                  && log_writer::open_entry(pg_detoast_datum_packed(unread.data), &bytes, &length) && entry([&] {
                         return load->netting->add(unread.nested, unread.records, {bytes, length});
                     });
    return load->sound && !load->netting->full();
}

// Hands over net changes, in the order of their keys where that is worth it, as long as they are taken.
bool tell(Netting *netting, Each each, void *context)
{
    std::vector<uint32_t> ordered = netting->ordered();
    return guard([&] {
        MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv change",
                                                     ALLOCSET_DEFAULT_SIZES);
        MemoryContext old = MemoryContextSwitchTo(memory);
        size_t count = netting->size();
        bool sound = true;
        NetChange change;
        for (size_t i = 0; i < count && sound; i++) {
            CHECK_FOR_INTERRUPTS();
            if (!netting->net(ordered.empty() ? i : ordered[i], &change))
                continue;
            sound = each(change, context);
            MemoryContextReset(memory);
        }
        MemoryContextSwitchTo(old);
        MemoryContextDelete(memory);
        return sound;
    });
}

// Reads the changes of a share of the keys; nothing if they do not fit in memory.
std::optional<bool> read_share(const log_reader::Entries &entries, KeyShare share, Each each, void *context)
{
    Netting netting(entries.key_width, entries.bag, share, static_cast<size_t>(maintenance_work_mem) * 1024);
    Load load = {entries.layout, &netting, true};
    guard([&] { unread::each(unread::baseline_of(entries.view), entries.relation, load_entry, &load); });
    if (!load.sound)
        return false;
    if (netting.full())
        return std::nullopt;
    return tell(&netting, each, context);
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
