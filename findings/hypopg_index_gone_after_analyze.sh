#!/bin/bash
# A hypothetical index of HypoPG is gone after ANALYZE of its table, and after any refresh of its materialized view.
#
# One would expect: a hypothetical index stays until the session ends, or hypopg_drop_index() or hypopg_reset() removes
# it. One creates it, brings the statistics up to date, and looks what EXPLAIN makes of it.
# What happens: since HypoPG 1.4.4 it is invalidated by any message of the server that something about its table has
# changed, and such messages come of ANALYZE if it finds another number of rows, of the autovacuum's too, of GRANT, and of
# REFRESH MATERIALIZED VIEW even where CONCURRENTLY has found nothing to change. EXPLAIN does not say so: it shows a sequential
# scan, as if the index were of no use. hypopg_list_indexes still counts it, as invalidated. In 1.3.1 it stays.
# What to do: ANALYZE first, then create it, and look at hypopg_list_indexes if EXPLAIN does not take it.
# Version and source: Debian's postgresql-18-hypopg 1.4.4-1 (sid) with postgresql-18 18.6-3. Seen on 2026-12-01.
# Takes Debian's sid with these in its sources, the libraries that postgresql-18 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-18=18.6-3 postgresql-client-18=18.6-3 postgresql-18-hypopg=1.4.4-1
start_server 18 autovacuum=off

sql <<'SQL'
CREATE EXTENSION hypopg;
CREATE TABLE t AS SELECT i AS id, i % 1000 AS g FROM generate_series(1, 20000) AS i;
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
CREATE UNIQUE INDEX ON m (id);
ANALYZE t, m;
SQL

# Whether the plan takes a hypothetical index on $1 (g), before and after the statement $2.
plans() {
    sql -o /dev/null -c "SELECT hypopg_create_index('CREATE INDEX ON $1 (g)')" -c '\o plan.before' \
        -c "EXPLAIN SELECT * FROM $1 WHERE g = 3" -c '\o /dev/null' -c "$2" -c '\o plan.after' \
        -c "EXPLAIN SELECT * FROM $1 WHERE g = 3"
    echo "$(grep -c btree plan.before || true) $(grep -c btree plan.after || true)"
}
seen "taken before and after nothing" "1 1" "$(plans t "SELECT 1")"
sql -c "INSERT INTO t SELECT i, i % 1000 FROM generate_series(20001, 40000) AS i"
seen "taken before and after ANALYZE" "1 0" "$(plans t "ANALYZE t")"
seen "... GRANT" "1 0" "$(plans t "GRANT SELECT ON t TO PUBLIC")"
seen "... REFRESH MATERIALIZED VIEW CONCURRENTLY" "1 0" "$(plans m "REFRESH MATERIALIZED VIEW CONCURRENTLY m")"
