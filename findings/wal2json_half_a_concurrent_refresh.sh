#!/bin/bash
# A stream of wal2json holds half of what REFRESH MATERIALIZED VIEW CONCURRENTLY has done, and nothing of a plain REFRESH.
#
# One would expect: a stream of changes has those of materialized views, or has none; publications cannot have any.
# What happens: the plain REFRESH sends an empty transaction. CONCURRENTLY, which compares old rows with new and changes the
# view by DELETE and INSERT, sends the INSERTs, of a table that has the view's name. The DELETEs are left out, with a
# warning in the server's log only, for a materialized view has no replica identity; nor can its unique index be one, as its
# columns are not NOT NULL. A consumer that follows the stream has each changed row of the view twice.
# What to do: "filter-tables" or "add-tables" among the slot's options; or, if the stream shall have the view,
# ALTER TABLE view REPLICA IDENTITY FULL, which is accepted. Of what refresh_mv changes in a view, UPDATEs and DELETEs are left
# out without that, and with it all is there.
# Version and source: Debian's postgresql-15-wal2json 2.5-1+b1 (bookworm) with postgresql-15 15.18-0+deb12u1. Seen
# on 2026-12-01.
# Takes Debian 12 with these in its sources, the libraries that postgresql-15 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-15=15.18-0+deb12u1 postgresql-client-15=15.18-0+deb12u1 postgresql-15-wal2json=2.5-1+b1
start_server 15 wal_level=logical

sql >/dev/null <<'SQL'
CREATE TABLE t (id integer PRIMARY KEY, v integer);
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t;
CREATE UNIQUE INDEX m_id ON m (id);
SELECT pg_create_logical_replication_slot('s', 'wal2json');
SQL

# The actions on the view that are in the stream since the last time.
actions() {
    sql 2>/dev/null <<'SQL'
SET client_min_messages = error;
SELECT string_agg(data::jsonb->>'action', ' ') FROM pg_logical_slot_get_changes('s', NULL, NULL, 'format-version', '2')
WHERE data::jsonb->>'table' = 'm';
SQL
}
sql -c "UPDATE t SET v = 10 WHERE id = 1" -c "REFRESH MATERIALIZED VIEW m"
seen "a plain REFRESH, one row changed" "" "$(actions)"
sql -c "UPDATE t SET v = 11 WHERE id = 1" -c "REFRESH MATERIALIZED VIEW CONCURRENTLY m"
seen "CONCURRENTLY, one row changed" "I" "$(actions)"
sql -c "DELETE FROM t WHERE id = 2" -c "REFRESH MATERIALIZED VIEW CONCURRENTLY m"
seen "CONCURRENTLY, one row less" "" "$(actions)"
seen "the index as its replica identity" \
    'ERROR:  index "m_id" cannot be used as replica identity because column "id" is nullable' \
    "$(sql -c "ALTER TABLE m REPLICA IDENTITY USING INDEX m_id" 2>&1 || true)"
sql -c "ALTER TABLE m REPLICA IDENTITY FULL" -c "UPDATE t SET v = 12 WHERE id = 1" -c "REFRESH MATERIALIZED VIEW CONCURRENTLY m"
seen "CONCURRENTLY, one row changed, identity FULL" "D I" "$(actions)"
