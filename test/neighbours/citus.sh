#!/bin/bash
# Tests views over tables of Citus, of a coordinator and a worker: they are refreshed in full and by their window, the
# window's condition going to the shards as a constant and with the grouping; they cannot be tracked, and say so, also if
# a table is distributed after it was tracked.  Prints the rows that come from the worker, and milliseconds.
#
# Debian has no package of Citus.  Where it was built (./configure && make install extension, from its public
# repository), for the PostgreSQL that the tests use, it is found.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

ROWS=${ROWS:-40000}

# Prints the port of a loopback address that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts the worker, on the port $1.
start_worker() {
    server_folder "$SCRATCH/worker"
    as_server_user "$BINDIR/initdb" -D "$SCRATCH/worker/data" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8 >/dev/null
    printf '%s\n' "listen_addresses = 'localhost'" "port = $1" "unix_socket_directories = '$SCRATCH/worker'" "fsync = off" \
        "shared_preload_libraries = 'citus'" "citus.enable_statistics_collection = off" "citus.node_conninfo = 'sslmode=disable'" |
        as_server_user tee -a "$SCRATCH/worker/data/postgresql.conf" >/dev/null
    as_server_user "$BINDIR/pg_ctl" -D "$SCRATCH/worker/data" -l "$SCRATCH/worker/log" -w -t 120 start >/dev/null
    psql -qh "$SCRATCH/worker" -p "$1" -d postgres -c "CREATE EXTENSION citus"
}

# Makes distributed tables, a reference table, and views over them.
make_views() {
    psql -q <<SQL
SET client_min_messages = error;
SELECT citus_set_coordinator_host('localhost', $PGPORT) \g /dev/null
SELECT citus_add_node('localhost', $worker_port) \g /dev/null
CREATE EXTENSION refresh_mv;
CREATE TABLE orders (id bigint PRIMARY KEY, customer integer NOT NULL, d date NOT NULL, amount integer NOT NULL);
SELECT create_distributed_table('orders', 'id', shard_count => 4) \g /dev/null
CREATE TABLE regions (customer integer PRIMARY KEY, region text NOT NULL);
SELECT create_reference_table('regions') \g /dev/null
INSERT INTO regions SELECT i, 'region ' || i % 5 FROM generate_series(0, 99) i;
INSERT INTO orders SELECT i, i % 100, current_date - (i % 400)::integer, i % 70 FROM generate_series(1, $ROWS) i;
CREATE TABLE local (id integer PRIMARY KEY, d date NOT NULL);
INSERT INTO local SELECT i, current_date - i FROM generate_series(1, 50) i;
CREATE MATERIALIZED VIEW by_day AS SELECT d, count(*) AS n, sum(amount) AS amount FROM orders GROUP BY d;
CREATE MATERIALIZED VIEW by_region AS SELECT o.d, r.region, count(*) AS n FROM orders o JOIN regions r USING (customer) GROUP BY o.d, r.region;
CREATE MATERIALIZED VIEW of_local AS SELECT d, count(*) AS n FROM local GROUP BY d;
SQL
}

# Refreshes the view $1 by the call $2, and prints the queries sent to shards, each once, without the shards' numbers.
sent_by() {
    psql -Atq -c "SET client_min_messages = notice" -c "SET citus.log_remote_commands = on" \
        -c "SELECT success FROM $2" 2>&1 | sed -nE 's/^NOTICE:  issuing (SELECT .*)$/\1/p' | sed -E 's/_[0-9]{6}\b/_N/g' | sort -u
}

# Fails unless the refresh of the view $1 by the call $2 sends queries like $3, and is right.
check_sent() {
    local sent
    sent=$(sent_by "$1" "$2")
    echo "$1: $sent"
    # shellcheck disable=SC2053 # a pattern it is
    [[ $sent == $3 ]] || die "what is sent is not like $3"
    expect 1 "$(wc -l <<<"$sent")" "the number of different queries"
    check_right "$1"
}

# Fails unless the view $1 holds what its query returns.
check_right() {
    expect 0 "$(query "SELECT count(*) FROM ((TABLE $1 EXCEPT ALL ($(query "SELECT rtrim(pg_get_viewdef('$1'), ';')")))
        UNION ALL (($(query "SELECT rtrim(pg_get_viewdef('$1'), ';')")) EXCEPT ALL TABLE $1)) x")" "the number of wrong rows in $1"
}

# Prints the SQLSTATE, detail and hint of the error of the statement $1.
error_of() {
    { psql -Atq -v VERBOSITY=verbose -c "$1" 2>&1 || true; } | sed -n '/^[A-Z]*: /p' | grep -v LOCATION | sed -E 's/^ERROR:  ([0-9A-Z]{5}).*/\1/' | paste -sd '|'
}

use_postgresql
need_extension citus
coordinator_port=$(free_port)
start_server "listen_addresses = 'localhost'" "port = $coordinator_port" "shared_preload_libraries = 'citus'" \
    "citus.enable_statistics_collection = off" "citus.node_conninfo = 'sslmode=disable'" "max_prepared_transactions = 20" || skip "Citus does not start here"
export PGPORT=$coordinator_port
worker_port=$(free_port)
start_worker "$worker_port"
query "CREATE EXTENSION citus"
make_views

since=$(query "SELECT current_date - 3")
query "UPDATE orders SET amount = amount + 1 WHERE d >= current_date - 1; DELETE FROM orders WHERE d = current_date - 2 AND id % 3 = 0"
check_sent by_day "refresh_materialized_views(true, 3, '{by_day}')" "SELECT *count(\*)*sum(*amount)*orders_N*>=) '$since'::date*GROUP BY*"
check_sent by_region "refresh_materialized_views(true, 3, '{by_region}')" "SELECT *count(\*)*orders_N*JOIN*regions_N*>=) '$since'::date*GROUP BY*"
query "UPDATE orders SET amount = amount + 1 WHERE id % 7 = 0"
check_sent by_day "refresh_materialized_views(views => '{by_day}')" "SELECT *count(\*)*sum(*amount)*orders_N*GROUP BY*"
query "UPDATE orders SET customer = 0 WHERE id % 7 = 0"
expect t "$(query "SELECT success FROM refresh_materialized_views(views => '{by_day, by_region}')" 2>/dev/null)" "the success of a full refresh"
check_right by_region
# A smart one trusts older data, as it does of every view that is not tracked, and sees those of the last days.
query "UPDATE orders SET amount = amount + 1 WHERE d >= current_date - 1"
expect t "$(query "SELECT success FROM refresh_materialized_views_smart('{by_day, by_region}')" 2>/dev/null)" "the success of a smart refresh"
check_right by_day
query "SELECT view || ': ' || method || ', ' || reason FROM refresh_mv.last_runs WHERE number = 1 ORDER BY 1"

# What cannot be tracked says so: a distributed table, a reference table, one that was local when it was tracked.
for view in by_day by_region; do
    told=$(error_of "SELECT refresh_mv.track('$view')")
    echo "track('$view'): $told"
    expect_like "0A000|DETAIL:  *Citus*|HINT:  *" "$told" "what track() says of $view"
done
query "SELECT refresh_mv.track('of_local')" >/dev/null
query "SELECT refresh_materialized_views_smart('{of_local}')" >/dev/null 2>&1
query "SELECT refresh_materialized_views_smart('{of_local}')" >/dev/null 2>&1
expect skip "$(query "SELECT method FROM refresh_mv.last_runs WHERE view = 'of_local'::regclass AND number = 1")" "the method for a local table"
# Citus distributes no table with triggers, and if it is told to none whose triggers belong to an extension: to be
# distributed, a table has to be untracked.
distribute="SELECT create_distributed_table('local', 'id', shard_count => 2)"
expect_like "*triggers*" "$(error_of "$distribute")" "what Citus says of a table that is tracked"
expect_like "?????*" "$(error_of "SET citus.enable_unsafe_triggers = on; $distribute")" "what it says where triggers are allowed"
query "SELECT refresh_mv.untrack('of_local')" >/dev/null
psql -qc "SET client_min_messages = error" -c "$distribute" >/dev/null
query "INSERT INTO local VALUES (1000, current_date - 400)"
query "SELECT refresh_materialized_views(views => '{of_local}')" >/dev/null 2>&1
check_right of_local

# How long it takes.
for call in "refresh_materialized_views(views => '{by_day}')" "refresh_materialized_views(true, 3, '{by_day}')"; do
    query "SELECT success FROM $call" >/dev/null 2>&1
done
query "SELECT format('%s: %s, %s ms', view, method, round(1000 * extract(epoch FROM duration))) FROM refresh_mv.last_runs WHERE view = 'by_day'::regclass AND number <= 2 ORDER BY number DESC"
