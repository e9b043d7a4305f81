#include "query/view_locks.hpp"

#include "query/view.hpp"

namespace refresh_mv {

namespace {

void wait_for(const WantedLock *lock)
{
    if (lock->mode == NoLock)
        view::lock_against_refresh(lock->object);
    else
        LockRelationOid(lock->object, lock->mode);
}

bool take_if_free(const WantedLock *lock)
{
    return lock->mode == NoLock ? view::lock_against_refresh_if_free(lock->object)
                                : ConditionalLockRelationOid(lock->object, lock->mode);
}

void release(const WantedLock *lock)
{
    if (lock->mode == NoLock)
        view::unlock_against_refresh(lock->object);
    else
        UnlockRelationOid(lock->object, lock->mode);
}

WantedLock *nth(List *wanted, int i)
{
    return static_cast<WantedLock *>(list_nth(wanted, i));
}

// Takes all locks but the one that is held, if they are free; otherwise takes none, gives
// that one up too, and returns the place of one that is not free.  -1: all are taken.
int take_others(List *wanted, int held)
{
    for (int i = 0; i < list_length(wanted); i++) {
        if (i == held || take_if_free(nth(wanted, i)))
            continue;
        for (int j = 0; j < i; j++)
            if (j != held)
                release(nth(wanted, j));
        release(nth(wanted, held));
        return i;
    }
    return -1;
}

} // namespace

namespace view_locks {

List *add(List *wanted, Oid object, LOCKMODE mode)
{
    auto *lock = static_cast<WantedLock *>(palloc(sizeof(WantedLock)));
    *lock = {object, mode};
    return lappend(wanted, lock);
}

void take(List *wanted)
{
    int next = wanted == NIL ? -1 : 0;
    while (next >= 0) {
        CHECK_FOR_INTERRUPTS();
        wait_for(nth(wanted, next));
        next = take_others(wanted, next);
    }
}

} // namespace view_locks

} // namespace refresh_mv
