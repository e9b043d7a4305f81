#!/bin/bash
# Tests clients that share one server connection, through PgBouncer in
# transaction mode: refreshes and tracking work, and a client whose refreshes are
# skipped because of what another one has set is told.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Starts PgBouncer in front of the server, with one connection for all clients.
start_pooler() {
    pooler=$SCRATCH/pooler
    server_folder "$pooler"
    as_server_user tee "$pooler/pgbouncer.ini" >/dev/null <<EOF
[databases]
* = host=$PGHOST port=$PGPORT
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $pooler
logfile = $pooler/log
pidfile = $pooler/pid
auth_type = trust
auth_file = $pooler/users
pool_mode = transaction
default_pool_size = 1
EOF
    echo "\"$PGUSER\" \"\"" | as_server_user tee "$pooler/users" >/dev/null
    set -m # it ends with the test
    as_server_user pgbouncer -q "$pooler/pgbouncer.ini" &
    set +m
}

# Runs the rest of its arguments as a client of the pooler.
pooled() {
    PGHOST=$pooler PGPORT=6432 "$@"
}

# Waits until the pooler takes clients.
await_pooler() {
    local deadline=$((SECONDS + 30))
    until pooled psql -Atqc "SELECT 1" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "PgBouncer does not answer: $(cat "$pooler/log")"
        sleep 0.05
    done
}

# Starts a client of the pooler that stays, as a coprocess, and reads statements.
start_client() {
    set -m # it ends with the test
    coproc client { PGHOST=$pooler PGPORT=6432 exec psql -XAtq 2>&1; }
    set +m
}

# Has it run the statement $1, and prints what it says.
client_says() {
    local line
    printf '%s\n\\echo done\n' "$1" >&"${client[1]}"
    while read -r line <&"${client[0]}" && [[ $line != done ]]; do printf '%s\n' "$line"; done
}

# Prints the warnings and errors of another client's statement.
warnings() {
    pooled psql -XAtqc "$1" 2>&1 >/dev/null | grep -E '^(WARNING|ERROR|DETAIL)' || true
}

: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}"
use_postgresql
command -v pgbouncer >/dev/null || skip "pgbouncer is not there"
new_database refresh_mv_pooled
query "CREATE TABLE t (id integer PRIMARY KEY, n integer);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
    CREATE MATERIALIZED VIEW v AS SELECT n % 10 AS m, count(*), sum(n) FROM t GROUP BY 1;
    CREATE MATERIALIZED VIEW at_once AS SELECT count(*) FROM t"
start_pooler
await_pooler
start_client
server=$(client_says "SELECT pg_backend_pid();")
expect "$server" "$(pooled query "SELECT pg_backend_pid()")" "the connection of the other client"

# Tracking and refreshes, the clients in turn.
client_says "SET client_min_messages = warning;" >/dev/null
expect "t" "$(pooled query "SELECT tracked FROM refresh_mv.track('v')")" "whether it is tracked"
expect "t" "$(client_says "SELECT tracked FROM refresh_mv.track('at_once', on_commit => true);")" "whether it is tracked"
expect "" "$(client_says "CALL refresh_mv.run();")" "what the refresh says"
for i in 1 2 3; do
    pooled query "INSERT INTO t VALUES (100 + $i, $i)"
    expect "" "$(client_says "BEGIN; UPDATE t SET n = n + 1 WHERE id = $i; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT;")" "what the client says"
    expect "$((100 + i))" "$(query "SELECT count FROM at_once")" "what was counted on commit"
    expect "" "$(client_says "CALL refresh_mv.run();")" "what the refresh says"
    expect "" "$(wrong_views)" "what is wrong with the views"
    expect "delta" "$(query "SELECT method FROM refresh_mv.history WHERE view LIKE '%.v' ORDER BY started DESC LIMIT 1")" "the method"
done
expect "0" "$(query "SELECT count(*) FROM pg_locks WHERE pid = $server")" "the number of locks left"
echo "ok: refreshes through the pooler"

# What one client sets, the other one is told of.
skipped="WARNING:  Materialized views refresh skipped: refresh_mv.skip_refresh is on
DETAIL:  It was set in this session, or by another client of a pooler on the same connection."
query "INSERT INTO t VALUES (200, 1)"
client_says "SET refresh_mv.skip_refresh = on;"
expect "$skipped" "$(warnings "CALL refresh_mv.run()")" "what another client's run() says"
expect "$skipped" "$(warnings "SELECT refresh_materialized_views_smart()")" "what another client's call says"
expect "t" "$(query "SELECT stale FROM refresh_mv.status WHERE name = 'v'")" "whether the view is stale"
pooled query "RESET refresh_mv.skip_refresh"
expect "" "$(client_says "CALL refresh_mv.run();")" "what the refresh says after RESET"
expect "" "$(wrong_views)" "what is wrong with the views"
echo "ok: SET"

# SET LOCAL is the client's own.
client_says "BEGIN; SET LOCAL refresh_mv.skip_refresh = on; INSERT INTO t VALUES (201, 1); COMMIT;"
expect "$(query "SELECT count(*) - 1 FROM t")" "$(query "SELECT count FROM at_once")" "what was counted"
expect "" "$(warnings "CALL refresh_mv.run()")" "what another client's run() says after SET LOCAL"
expect "" "$(wrong_views)" "what is wrong with the views"
echo "ok: SET LOCAL"
