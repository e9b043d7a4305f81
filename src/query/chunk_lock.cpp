#include "query/chunk_lock.hpp"

#include "query/view.hpp"

namespace refresh_mv::chunk_lock {

// Tells this lock from others on the same object.
static constexpr uint16 lock_id = 0x7278; // no other lock on views or sources has it

static LOCKTAG tag_of(Oid view)
{
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, view, lock_id);
    return tag;
}

bool take(Oid view, bool wait)
{
    LOCKTAG tag = tag_of(view);
    return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void release(Oid view)
{
    LOCKTAG tag = tag_of(view);
    LockRelease(&tag, ExclusiveLock, true);
}

int holder(Oid view)
{
    int pid = view::holder_of_lock(view, lock_id);
    return pid == MyProcPid ? 0 : pid;
}

} // namespace refresh_mv::chunk_lock
