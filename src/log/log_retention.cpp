#include "log/log_retention.hpp"

#include "log/log_writer.hpp"
#include "server/bridge.hpp"
#include "store/statement.hpp"

namespace refresh_mv {

namespace {

// Tells this lock from others on the log: who holds it deletes entries.
constexpr uint16 delete_lock_id = 0x7276;

Oid log_table()
{
    return get_relname_relid("log", get_namespace_oid("refresh_mv", false));
}

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
    return ConditionalLockDatabaseObject(RelationRelationId, log_table(), delete_lock_id, ExclusiveLock);
}

void purge(Oid view)
{
    if (!may_delete())
        return;
    SPI_connect();
    delete_entries("SELECT l.ctid FROM refresh_mv.log l JOIN ("
                   " SELECT r.relation, pg_catalog.min(coalesce(s.floor_seq, 0)) AS marks,"
                   " pg_catalog.min(coalesce(s.floor_seq, 0)) FILTER"
                   " (WHERE r.view OPERATOR(pg_catalog.<>) r.relation) AS rows"
                   " FROM refresh_mv.readers r"
                   " LEFT JOIN refresh_mv.state s ON s.view OPERATOR(pg_catalog.=) r.view"
                   " WHERE $1 OPERATOR(pg_catalog.=) 0 OR r.relation OPERATOR(pg_catalog.=) ANY"
                   " (SELECT o.relation FROM refresh_mv.readers o"
                   " WHERE o.view OPERATOR(pg_catalog.=) $1)"
                   " GROUP BY r.relation) f"
                   " ON l.relation OPERATOR(pg_catalog.=) f.relation"
                   " AND l.seq OPERATOR(pg_catalog.<)"
                   " CASE WHEN l.data IS NULL THEN f.marks ELSE f.rows END",
                   view);
    SPI_finish();
}

void forget(Oid relation)
{
    SPI_connect();
    delete_entries("SELECT ctid FROM refresh_mv.log WHERE relation OPERATOR(pg_catalog.=) $1", relation);
    SPI_finish();
}

void delete_orphans()
{
    SPI_connect();
    delete_entries("SELECT l.ctid FROM refresh_mv.log l WHERE $1 OPERATOR(pg_catalog.=) 0"
                   " AND NOT EXISTS (SELECT FROM refresh_mv.readers r"
                   " WHERE r.relation OPERATOR(pg_catalog.=) l.relation)"
                   " AND NOT EXISTS (SELECT FROM refresh_mv.sources s"
                   " WHERE s.relation OPERATOR(pg_catalog.=) l.relation)",
                   InvalidOid);
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
