#!/bin/bash
# Tests that the extension does not disturb logical replication: a publication of
# all tables includes the extension's, and a subscriber that does not have them
# must go on, since nothing that is written there is sent. The publisher is a
# server of its own.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/publisher.sh"

# Waits until the subscriber has what the publisher has, and fails if it has
# stopped or if a slot of its own has seen rows of the extension's.
check() {
    local seen
    catch_up_with refresh_mv_all "$1"
    expect "$(on_publisher query "TABLE t ORDER BY id")" "$(query "TABLE t ORDER BY id")" "t after $1"
    # A row that goes is decoded, as one that nothing is known of.
    seen=$(on_publisher query "SELECT data FROM pg_logical_slot_get_changes('spy', NULL, NULL)
        WHERE data LIKE 'table refresh_mv.%' AND data NOT LIKE '%: DELETE: (no-tuple-data)'")
    expect "" "$seen" "what is decoded of $1"
    echo "ok: $1"
}

# Runs the statements $1 on the publisher, each as a transaction of its own.
run_there() {
    on_publisher psql -Atq <<<"$1" >/dev/null
}

# Prints the warnings of the statement $1, on the publisher.
warnings() {
    on_publisher psql -XAtqc "$1" 2>&1 >/dev/null | grep -E '^(WARNING|ERROR)' || true
}

: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}"
use_postgresql
start_publisher "max_prepared_transactions = 4"
warning='WARNING:  publication "all tables" includes the tables of extension refresh_mv'

psql -qd postgres -c 'SET client_min_messages = error' -c "DROP DATABASE IF EXISTS refresh_mv_all" \
    -c "CREATE DATABASE refresh_mv_all"
export PGDATABASE=refresh_mv_all
query "CREATE TABLE t (id integer PRIMARY KEY, n integer)"
on_publisher query "CREATE TABLE t (id integer PRIMARY KEY, n integer);
    INSERT INTO t VALUES (1, 1), (2, 2);
    CREATE PUBLICATION \"all tables\" FOR ALL TABLES"
on_publisher query "SELECT pg_create_logical_replication_slot('spy', 'test_decoding')" >/dev/null
subscribe refresh_mv_all '"all tables"'
await_initial_copy

expect "$warning" "$(warnings "CREATE EXTENSION refresh_mv")" "what CREATE EXTENSION warns of"
on_publisher query "CREATE MATERIALIZED VIEW v AS SELECT n % 10 AS m, count(*), sum(id) FROM t GROUP BY 1"
on_publisher query "INSERT INTO t VALUES (3, 3)"
check "CREATE EXTENSION"
run_there "SELECT refresh_mv.configure('v', window_days => 3); SELECT refresh_mv.track('v'); CALL refresh_mv.run()"
on_publisher query "DROP EXTENSION refresh_mv"
check "DROP EXTENSION"
on_publisher query "CREATE EXTENSION refresh_mv" 2>/dev/null

# Nothing is tracked.
export PGOPTIONS="-c client_min_messages=error"
run_there "SELECT refresh_mv.configure('v', window_days => 3);
    SELECT refresh_mv.configure('v', statement_timeout => '1min', enabled => false);
    SELECT refresh_mv.configure('v', window_days => NULL, statement_timeout => NULL, enabled => true)"
run_there "SELECT refresh_materialized_views_smart()"
run_there "SELECT refresh_materialized_views(); SELECT refresh_mv.refresh_where('v', 'm = 1')"
run_there "INSERT INTO t SELECT i, i FROM generate_series(4, 100) AS i"
run_there "CALL refresh_mv.run()"
run_there "SELECT refresh_mv_internal.change_rows('journal', 'SELECT ctid, started - ''60 days''::interval AS started
    FROM refresh_mv.journal FOR UPDATE', VARIADIC '{}'); CALL refresh_mv.run()"
expect 1 "$(on_publisher query "SELECT count(*) FROM refresh_mv.history")" "what is left of the history"
run_there "ALTER MATERIALIZED VIEW v RENAME TO w; ALTER MATERIALIZED VIEW w RENAME TO v;
    CREATE MATERIALIZED VIEW gone AS TABLE t; SELECT refresh_mv.configure('gone', window_days => 3);
    CALL refresh_mv.run(); DROP MATERIALIZED VIEW gone; REFRESH MATERIALIZED VIEW v;
    CALL refresh_mv.verify_all()"
check "refreshes of views that are not tracked"

# Tracked, with all that is written on the way.
run_there "CREATE TABLE p (id integer PRIMARY KEY, n integer) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)"
query "CREATE TABLE p1 (id integer PRIMARY KEY, n integer); CREATE TABLE p2 (LIKE p1 INCLUDING ALL)"
run_there "CREATE MATERIALIZED VIEW o AS SELECT n, count(*) FROM p GROUP BY n;
    CREATE MATERIALIZED VIEW total AS SELECT sum(sum) FROM v"
export PGOPTIONS=
expect "$warning" "$(warnings "SELECT refresh_mv.track('v')")" "what track() warns of"
export PGOPTIONS="-c client_min_messages=error"
run_there "SELECT refresh_mv.track('o', on_commit => true), refresh_mv.track('total')"
check "track()"
for round in 1 2 3; do
    run_there "CALL refresh_mv.run(); INSERT INTO t VALUES (1000 + $round, 1); UPDATE t SET n = n + 1 WHERE id < 50;
        DELETE FROM t WHERE id = 50 + $round; INSERT INTO p VALUES ($round, 1), (10 + $round, 2);
        SELECT refresh_materialized_views_smart()"
done
run_there "BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE t SET n = 5 WHERE id = 5;
    SELECT refresh_materialized_views_smart(); COMMIT"
run_there "SET refresh_mv.max_log_size = '64kB'; UPDATE t SET n = n + 1; INSERT INTO t SELECT i FROM generate_series(2000, 9000, 2) AS i;
    DELETE FROM t WHERE id > 2000; CALL refresh_mv.run()"
run_there "ALTER TABLE p DETACH PARTITION p2; CALL refresh_mv.run(); DROP TABLE p2; CALL refresh_mv.run();
    TRUNCATE t; INSERT INTO t VALUES (1, 1); CALL refresh_mv.run()"
expect "" "$(on_publisher wrong_views)" "what is wrong with the views"
expect 3 "$(on_publisher query "SELECT count(*) FILTER (WHERE tracked) FROM refresh_mv.status")" "the number of tracked views"
check "refreshes of tracked views"
run_there "SELECT refresh_mv.untrack('v'); DROP MATERIALIZED VIEW total, o; SELECT refresh_mv.untrack();
    CALL refresh_mv.run()"
check "untrack()"

# What is advised makes a new subscription possible.
advice=$(on_publisher query "SELECT statement FROM refresh_mv.advise() WHERE statement LIKE '%all tables%'")
query "DROP SUBSCRIPTION refresh_mv_all"
query "TRUNCATE t"
expect_like 'ERROR:  *"refresh_mv*" does not exist' "$(subscribe refresh_mv_all '"all tables"' 2>&1 || true)" "what a new subscription says"
case $advice in
    ALTER*) on_publisher query "$advice" ;;
    *)
        expect '-- on each subscriber of "all tables": CREATE EXTENSION refresh_mv' "$advice" "the advice"
        query "${advice#*: }" ;;
esac
subscribe refresh_mv_all '"all tables"'
await_initial_copy
check "the initial copy"
case $advice in
    ALTER*) expect "" "$(warnings "SELECT refresh_mv.track('v')")" "what track() warns of" ;;
    *) expect "0" "$(query "SELECT count(*) FROM refresh_mv.journal")" "the number of rows of the publisher's journal" ;;
esac
query "DROP SUBSCRIPTION refresh_mv_all"
