#!/bin/bash
# Tests that a crash of the server, which empties the states of tracked views, is
# noticed: the next refresh after a change is full, those after it are delta again. A
# clean restart loses nothing.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Restarts the server; it is stopped in the mode $1.
restart() {
    as_server_user "$BINDIR/pg_ctl" -D "$SERVER_DIR/data" -l "$SERVER_DIR/log" -w -m "$1" restart >/dev/null
}

# Changes the table, refreshes the views and fails unless all of them are right and
# have been refreshed by the method $1; $2 names the case.
check() {
    psql -q <<<"INSERT INTO t SELECT max(id) + 1, 1, 2.50 FROM t; UPDATE t SET n = n + 1 WHERE id % 7 = 3;"
    psql -qc 'SET client_min_messages = error' -c "SET refresh_mv.exact_cost_limit = 1e9" \
        -c 'CALL refresh_mv.run()'
    expect "$1 $1 $1" "$(query "SELECT string_agg(method, ' ') FROM refresh_mv.history
        WHERE run = (SELECT max(run) FROM refresh_mv.history)")" "$2: the methods"
    expect "" "$(compare_views -At | awk -F '|' '$3 + $4 > 0')" "$2: wrong views"
}

# Prints the tables of states and how many of them are unlogged.
states() {
    query "SELECT count(*), count(*) FILTER (WHERE relpersistence = 'u') FROM pg_class
        WHERE relname LIKE 'group\\_%' AND relkind = 'r' AND relnamespace = 'refresh_mv'::regnamespace"
}

use_postgresql
start_server
psql -q <<'SQL'
CREATE EXTENSION refresh_mv;
CREATE TABLE t (id integer PRIMARY KEY, g integer, n numeric);
INSERT INTO t SELECT i, i % 10, i / 4.0 FROM generate_series(1, 1000) i;
CREATE MATERIALIZED VIEW by_g AS SELECT g, count(*), sum(n), count(DISTINCT n) AS numbers FROM t GROUP BY g;
CREATE MATERIALIZED VIEW total AS SELECT count(*), sum(n) FROM t;
CREATE MATERIALIZED VIEW largest AS SELECT g, max(n) FROM t GROUP BY g ORDER BY 2 DESC, 1 LIMIT 3;
CREATE PUBLICATION everything FOR ALL TABLES;
DO 'BEGIN PERFORM refresh_mv.track(); END';
SQL
check full "the first refresh"
check delta "a change"
expect "4|4" "$(states)" "the tables of states"
restart fast
check delta "a clean restart"
restart immediate
check full "a crash"
check delta "a change after the crash"
psql -qc 'DROP MATERIALIZED VIEW total' -c "SELECT refresh_mv.untrack('largest')" >/dev/null
expect "2|2" "$(states)" "the tables of states without two views"
psql -qc 'SET client_min_messages = error' -c 'DROP SCHEMA public CASCADE'
expect "0|0" "$(query "SELECT count(*), 0 FROM pg_class WHERE relname LIKE 'group\\_%'")" "the tables of states at last"
