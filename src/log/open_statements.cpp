#include "log/open_statements.hpp"

#include "log/replica.hpp"

namespace refresh_mv {

namespace {

struct Open {
    Oid source;
    CmdType kind;
    SubTransactionId subid;
    int depth; // of triggers, this one included
    bool nested;
    bool on_commit;
    int64 rows; // seen by row triggers on partitions
    int64 untold; // seen by row triggers on chunks, less those told of; in the first of a source
};

// The open statements, in the order in which they began.
Open *stack = nullptr;
int count = 0;
int capacity = 0;

open_statements::Unfinished when_unfinished = nullptr;

// The first open statement on a source after place i; null if there is none.
Open *first_after(int i, Oid source)
{
    while (++i < count)
        if (stack[i].source == source)
            return &stack[i];
    return nullptr;
}

void remove(int i)
{
    Open *next = stack[i].untold != 0 ? first_after(i, stack[i].source) : nullptr;
    if (next != nullptr)
        next->untold += stack[i].untold;
    memmove(stack + i, stack + i + 1, sizeof(Open) * static_cast<size_t>(count - i - 1));
    count--;
}

// The innermost open statement of a kind on a source; null if there is none.
Open *find(Oid source, CmdType kind)
{
    for (int i = count - 1; i >= 0; i--)
        if (stack[i].source == source && stack[i].kind == kind)
            return &stack[i];
    return nullptr;
}

// Reports the statements that never ended.
void finish()
{
    if (count == 0)
        return;
    PushActiveSnapshot(GetTransactionSnapshot());
    while (count > 0) {
        Open statement = stack[count - 1];
        remove(count - 1);
        when_unfinished(statement.source, statement.on_commit);
    }
    PopActiveSnapshot();
}

void on_transaction(XactEvent event, void *)
{
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
        finish();
        break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
        while (count > 0)
            remove(count - 1);
        break;
    default:
        break;
    }
}

void on_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *)
{
    for (int i = count - 1; i >= 0; i--) {
        if (stack[i].subid != subid)
            continue;
        if (event == SUBXACT_EVENT_ABORT_SUB)
            remove(i);
        else if (event == SUBXACT_EVENT_COMMIT_SUB)
            stack[i].subid = parent;
    }
}

} // namespace

namespace open_statements {

void begin(Oid source, CmdType kind, bool on_commit)
{
    if (count == capacity) {
        int larger = Max(8, capacity * 2);
        MemoryContext context = TopMemoryContext;
        stack = static_cast<Open *>(stack ? repalloc(stack, sizeof(Open) * static_cast<Size>(larger))
                                        : MemoryContextAlloc(context, sizeof(Open)
                                                                          * static_cast<Size>(larger)));
        capacity = larger;
    }
    bool nested = false;
    for (int i = 0; i < count; i++)
        if (stack[i].source == source)
            nested = stack[i].nested = true;
    stack[count++] = {source, kind, GetCurrentSubTransactionId(), replica::trigger_depth(), nested, on_commit, 0, 0};
}

bool is_nested(Oid source, CmdType kind)
{
    Open *statement = find(source, kind);
    return statement != nullptr && statement->nested;
}

void end(Oid source, CmdType kind)
{
    Open *statement = find(source, kind);
    if (statement != nullptr)
        remove(static_cast<int>(statement - stack));
}

bool has_row(Oid source)
{
    // What a foreign key's cascade changes fires row triggers further out than its
    // statement triggers, nothing does further in.
    int depth = replica::trigger_depth();
    for (int i = 0; i < count; i++)
        if (stack[i].source == source && stack[i].depth >= depth)
            return true;
    return false;
}

bool is_open(Oid source, CmdType kind)
{
    for (int i = 0; i < count; i++)
        if (stack[i].source == source && (kind == CMD_UNKNOWN || stack[i].kind == kind))
            return true;
    return false;
}

void count_row(Oid source)
{
    Open *update = find(source, CMD_UPDATE);
    if (update != nullptr)
        update->rows++;
}

int64 counted_rows(Oid source)
{
    Open *update = find(source, CMD_UPDATE);
    return update ? update->rows : 0;
}

bool see_row(Oid source)
{
    Open *first = first_after(-1, source);
    if (first != nullptr)
        first->untold++;
    return first != nullptr;
}

bool tell_rows(Oid source, int64 rows)
{
    Open *first = first_after(-1, source);
    if (first == nullptr)
        return true;
    first->untold -= rows;
    return first->untold == 0 || first_after(static_cast<int>(first - stack), source) != nullptr;
}

void at_commit(Unfinished unfinished)
{
    when_unfinished = unfinished;
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
}

} // namespace open_statements

} // namespace refresh_mv
