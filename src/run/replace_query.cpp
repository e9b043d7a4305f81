#include "run/replace_query.hpp"

#include "merge/definition.hpp"
#include "query/new_query.hpp"
#include "query/query.hpp"
#include "query/view.hpp"
#include "query/view_locks.hpp"
#include "refresh/listeners.hpp"
#include "server/bridge.hpp"
#include "tracking/track.hpp"

namespace refresh_mv {

namespace {

// Takes all locks but the last one.
void take_locks(Oid view, Query *query)
{
    List *locks = track::locks_to_follow(NIL, view, query::expanded(query));
    locks = view_locks::add(locks, view, NoLock);
    view_locks::take(view_locks::add(locks, view, ExclusiveLock));
}

// The columns to add to the view, as it is now; locked as long as this takes.
TupleDesc compare(Oid view, Query *query)
{
    view::check_kind(view);
    view::check_owner(view);
    Relation relation = view::open_existing(view, AccessShareLock);
    CheckTableNotInUse(relation, "replace the query of");
    new_query::check_no_cycle(relation, query);
    TupleDesc added = new_query::added_columns(relation, query);
    table_close(relation, AccessShareLock);
    return added;
}

// Writes the new definition; returns whether the view is populated.
bool define(Oid view, Query *query)
{
    TupleDesc added = compare(view, query);
    if (added != nullptr)
        definition::add_columns(view, added);
    definition::replace_rule(view, query);
    new_query::check_no_cycle(view);
    track::follow_query(view);
    CommandCounterIncrement();
    Relation relation = table_open(view, NoLock);
    bool populated = RelationIsPopulated(relation);
    table_close(relation, NoLock);
    return populated;
}

// Locks out readers.  Whoever waits for that lock keeps new ones waiting behind those who are reading: so first it is
// tried whether there is a moment without any, unless the caller has limited how long he waits for a lock.
void lock_out_readers(Oid view)
{
    constexpr int tries = 200;
    constexpr long pause = 10000; // microseconds
    bool limited = strcmp(GetConfigOption("lock_timeout", false, false), "0") != 0;
    for (int i = 0; i < tries && !limited; i++) {
        if (ConditionalLockRelationOid(view, AccessExclusiveLock))
            return;
        CHECK_FOR_INTERRUPTS();
        pg_usleep(pause);
    }
    LockRelationOid(view, AccessExclusiveLock);
}

} // namespace

namespace replace_query {

RowCounts replace(Oid view, const std::string &text, const run::Limits &limits)
{
    const char *given = text.c_str();
    RowCounts rows{};
    bool populated = guard([&] {
        view::check_owner(view);
        Query *query = new_query::parse(given);
        compare(view, query); // before anybody has to wait
        take_locks(view, query);
        return define(view, query);
    });
    if (populated) {
        Call call = {{RefreshMode::full, 0, false, true}, {view}, {}, true, Caller::replacement};
        rows = run::replaced(call, limits)[0].refreshed.rows;
    }
    guard([&] {
        listeners::follow_columns(view);
        lock_out_readers(view);
    });
    return rows;
}

} // namespace replace_query

} // namespace refresh_mv
