#include "tracking/shared_changes.hpp"

#include "log/unread.hpp"

namespace refresh_mv::shared_changes {

struct Call {
    MemoryContext memory;
    ResourceOwner owner;
    List *shared; // Shared *
};

namespace {

struct Shared {
    Entries entries;
    const NetChanges *changes;
    bool complete;
};

Call *current = nullptr;
ResourceOwner outer_owner = nullptr; // while there is a call entered

bool are_same(const Entries &a, const Entries &b)
{
    return a.relation == b.relation && a.layout == b.layout && a.count == b.count
           && memcmp(a.numbers, b.numbers, sizeof(int64) * static_cast<size_t>(a.count)) == 0;
}

bool note_entry(const UnreadEntry &entry, void *context)
{
    if (entry.is_new)
        appendBinaryStringInfo(static_cast<StringInfo>(context), reinterpret_cast<const char *>(&entry.number),
                               sizeof(int64));
    return true;
}

} // namespace

Call *begin()
{
    Call *outer = current;
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv shared", ALLOCSET_DEFAULT_SIZES);
    current = static_cast<Call *>(MemoryContextAllocZero(memory, sizeof(Call)));
    current->memory = memory;
    current->owner = CurrentResourceOwner;
    return outer;
}

void end(Call *outer)
{
    ListCell *cell;
    foreach (cell, current->shared) {
        const NetChanges *changes = static_cast<Shared *>(lfirst(cell))->changes;
        tuplestore_end(changes->rows.rows);
        if (changes->images->rows.rows != nullptr)
            tuplestore_end(changes->images->rows.rows);
    }
    MemoryContextDelete(current->memory);
    current = outer;
}

void forget(Call *outer)
{
    current = outer;
}

bool active()
{
    return current != nullptr;
}

Entries new_entries(Oid view, Oid relation, int64 layout)
{
    StringInfoData numbers;
    initStringInfo(&numbers);
    unread::each(unread::baseline_of(view), relation, note_entry, &numbers);
    return {relation, layout, numbers.len / static_cast<int>(sizeof(int64)), reinterpret_cast<int64 *>(numbers.data)};
}

const NetChanges *find(const Entries &entries)
{
    ListCell *cell;
    foreach (cell, current->shared) {
        auto *shared = static_cast<Shared *>(lfirst(cell));
        if (shared->complete && are_same(shared->entries, entries))
            return shared->changes;
    }
    return nullptr;
}

MemoryContext enter()
{
    outer_owner = CurrentResourceOwner;
    CurrentResourceOwner = current->owner;
    return MemoryContextSwitchTo(current->memory);
}

void leave(MemoryContext context)
{
    CurrentResourceOwner = outer_owner;
    MemoryContextSwitchTo(context);
}

void add(const Entries &entries, const NetChanges *changes)
{
    MemoryContext context = MemoryContextSwitchTo(current->memory);
    auto *shared = static_cast<Shared *>(palloc(sizeof(Shared)));
    *shared = {entries, changes, false};
    shared->entries.numbers = static_cast<int64 *>(palloc(sizeof(int64) * static_cast<size_t>(entries.count + 1)));
    memcpy(shared->entries.numbers, entries.numbers, sizeof(int64) * static_cast<size_t>(entries.count));
    current->shared = lappend(current->shared, shared);
    MemoryContextSwitchTo(context);
}

void share(const NetChanges *changes)
{
    ListCell *cell;
    foreach (cell, current->shared) {
        auto *shared = static_cast<Shared *>(lfirst(cell));
        shared->complete |= shared->changes == changes;
    }
}

} // namespace refresh_mv::shared_changes
