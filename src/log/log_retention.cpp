#include "log/log_retention.hpp"

#include "log/log_writer.hpp"
#include "server/bridge.hpp"
#include "store/own_rows.hpp"
#include "store/statement.hpp"

namespace refresh_mv {

namespace {

// Tells this lock from others on the log: who holds it deletes entries.
constexpr uint16 delete_lock_id = 0x7276;

// Deletes the entries whose tids a query of one oid returns.
void delete_entries(const char *sql, Oid oid)
{
    statement::change("log", sql, statement::Values().oid(oid));
}

// The kilobytes that the entries of a relation take.
int64 size_of_entries(Oid relation)
{
    statement::execute("SELECT pg_catalog.sum(60 OPERATOR(pg_catalog.+)"
                    " coalesce(pg_catalog.octet_length(data), 0)) OPERATOR(pg_catalog./) 1024"
                    " FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1",
                    statement::Values().oid(relation), SPI_OK_SELECT);
    return statement::returned_int64(0, 1);
}

// Replaces the entries of a relation; fails where anything is in the way.
void collapse(Oid relation)
{
    if (!log_retention::may_delete())
        return;
    SPI_connect();
    if (size_of_entries(relation) > log_retention::max_log_size) {
        delete_entries("SELECT ctid FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1",
                       relation);
        log_writer::everything(relation, "its log grew beyond refresh_mv.max_log_size");
    }
    SPI_finish();
}

} // namespace

namespace log_retention {

int max_log_size = 256 * 1024;

bool may_delete()
{
    if (IsolationUsesXactSnapshot())
        return false;
    return ConditionalLockDatabaseObject(RelationRelationId, statement::relation("log"), delete_lock_id, ExclusiveLock);
}

// The floor of a view: entries below it are nothing to it any more.
static int64 floor_of(Oid view)
{
    own_rows::Scan scan = own_rows::begin("state", own_rows::Under::active_snapshot, {own_rows::is("view", view)});
    int64 floor = own_rows::next(&scan) ? own_rows::number(scan, "floor_seq") : 0;
    own_rows::end(&scan);
    return floor;
}

// Deletes the entries of a relation below the floors of all whom they concern: of those with rows its
// readers, of marks also itself, if it is a tracked view, or only that.  True if one tells of ALTER TABLE.
static bool purge_entries(Relation log, Oid relation, bool is_view)
{
    constexpr int64 nobody = PG_INT64_MAX;
    int64 readers = nobody;
    own_rows::Scan scan = own_rows::begin("tracked", own_rows::Under::active_snapshot, {own_rows::is("relation", relation)});
    while (own_rows::next(&scan))
        readers = Min(readers, floor_of(own_rows::oid(scan, "view")));
    own_rows::end(&scan);
    int64 itself = is_view ? floor_of(relation) : readers;
    int64 marks = Min(readers, itself);
    int64 rows = readers == nobody ? 0 : readers;
    bool altered = false;
    if (marks == nobody)
        return false;

    own_rows::Scan entries = own_rows::begin("log", own_rows::Under::active_snapshot,
                                             {own_rows::is("relation", relation), own_rows::below("seq", Max(rows, itself))});
    while (own_rows::next(&entries)) {
        bool mark;
        CHECK_FOR_INTERRUPTS();
        own_rows::value(entries, "data", &mark);
        bool is_its_own = mark && own_rows::number(entries, "layout") == log_writer::not_for_readers;
        if (own_rows::number(entries, "seq") < (is_its_own ? itself : mark ? marks : rows)) {
            simple_heap_delete(log, &entries.tuple->t_self);
            altered |= mark && strcmp(own_rows::string(entries, "reason"), "ALTER TABLE") == 0;
        }
    }
    own_rows::end(&entries);
    return altered;
}

// The relations whose entries a view reads, itself among them; of all views, if it is none.
static List *read_by(Oid view)
{
    List *relations = OidIsValid(view) ? list_make1_oid(view) : NIL;
    own_rows::Key of_view = own_rows::is("view", view);
    own_rows::Scan scan = own_rows::begin("tracked", own_rows::Under::active_snapshot, &of_view, OidIsValid(view) ? 1 : 0);
    while (own_rows::next(&scan)) {
        relations = list_append_unique_oid(relations, own_rows::oid(scan, "relation"));
        relations = list_append_unique_oid(relations, own_rows::oid(scan, "view"));
    }
    own_rows::end(&scan);
    return relations;
}

static bool is_tracked(Oid view)
{
    return own_rows::exists("tracked", own_rows::Under::active_snapshot, {own_rows::is("view", view)});
}

void purge(Oid view)
{
    ListCell *cell;
    bool altered = false;
    if (!may_delete())
        return;
    CommandCounterIncrement();
    PushActiveSnapshot(GetTransactionSnapshot());
    Relation log = statement::open_table("log");
    foreach (cell, read_by(view))
        altered |= purge_entries(log, lfirst_oid(cell), is_tracked(lfirst_oid(cell)));
    table_close(log, NoLock);
    PopActiveSnapshot();
    CommandCounterIncrement();
    // A partition that was no one's for a while has entries of its own.
    if (altered && OidIsValid(view))
        delete_orphans();
}

void forget(Oid relation)
{
    SPI_connect();
    delete_entries("SELECT ctid FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1", relation);
    SPI_finish();
}

// The relations with entries that are neither sources nor tracked views, found by the index, from one relation to the
// next: the log may be large.
static List *find_orphans()
{
    List *orphans = NIL;
    bool null;
    statement::execute("WITH RECURSIVE logged AS ("
                       "(SELECT relation FROM refresh_mv.log ORDER BY relation LIMIT 1)"
                       " UNION ALL SELECT (SELECT l.relation FROM refresh_mv.log l"
                       " WHERE l.relation OPERATOR(pg_catalog.>) g.relation ORDER BY l.relation LIMIT 1)"
                       " FROM logged g WHERE g.relation IS NOT NULL)"
                       " SELECT g.relation FROM logged g WHERE g.relation IS NOT NULL AND NOT EXISTS"
                       " (SELECT FROM refresh_mv.readers r WHERE r.relation OPERATOR(pg_catalog.=) g.relation)"
                       " AND NOT EXISTS (SELECT FROM refresh_mv.sources s WHERE s.relation OPERATOR(pg_catalog.=) g.relation)",
                       statement::Values(), SPI_OK_SELECT);
    for (uint64 i = 0; i < SPI_processed; i++)
        orphans = lappend_oid(orphans, DatumGetObjectId(statement::returned(i, 1, &null)));
    return orphans;
}

void delete_orphans()
{
    ListCell *cell;
    SPI_connect();
    foreach (cell, find_orphans())
        forget(lfirst_oid(cell));
    SPI_finish();
}

void limit(Oid relation, Size written)
{
    // A sixteenth of the limit has been written, by whichever sessions, between two
    // measurements on the average: no state is needed, and none can be out of date.
    constexpr double measurements = 16;
    if (pg_prng_double(&pg_global_prng_state) * max_log_size * 1024.0
        >= measurements * static_cast<double>(written))
        return;
    entry([&] {
        try {
            subtransaction([&] { guard([&] { collapse(relation); }); });
        } catch (const PgError &error) {
            if (is_cancel(error.data))
                throw; // the writer's own statement
        }
    });
}

} // namespace log_retention

} // namespace refresh_mv
