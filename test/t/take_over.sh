#!/bin/bash
# Tests drop-in REFRESH beside other libraries: pg_stat_statements before and behind it in
# shared_preload_libraries, with the library preloaded for a session only, and an auditor, if there is one;
# in a database without the extension; and cancelled.  On servers of its own.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Makes a tracked view.
create_view() {
    psql -q <<'SQL'
SET client_min_messages = error;
CREATE EXTENSION refresh_mv;
CREATE TABLE t (id integer PRIMARY KEY, n integer);
INSERT INTO t SELECT i, i % 10 FROM generate_series(1, 1000) AS i;
CREATE MATERIALIZED VIEW v AS SELECT n, count(*) FROM t GROUP BY n;
SELECT tracked FROM refresh_mv.track('v') \g /dev/null
SELECT success FROM refresh_materialized_views_smart() \g /dev/null
ALTER DATABASE postgres SET refresh_mv.take_over = 'on';
ALTER DATABASE postgres SET refresh_mv.exact_cost_limit = 1e9;
SQL
}

# Has pg_stat_statements count REFRESH, on a server with the libraries $1; with $2 for each session.
count_statements() {
    start_server "shared_preload_libraries = '$1'" "session_preload_libraries = '$2'" "pg_stat_statements.track = 'all'"
    create_view
    query "CREATE EXTENSION pg_stat_statements"
    query "UPDATE t SET n = n + 1 WHERE id IN (1, 2); SELECT pg_stat_statements_reset(); DELETE FROM refresh_mv.journal" >"$SCRATCH/out"
    query "REFRESH MATERIALIZED VIEW v"
    query "REFRESH MATERIALIZED VIEW v"
    query "SET refresh_mv.take_over = off; REFRESH MATERIALIZED VIEW v"
    expect "REFRESH MATERIALIZED VIEW v|3|t|12" \
        "$(query "SELECT query, calls, toplevel, rows FROM pg_stat_statements WHERE query ~ '^REFRESH' AND toplevel")" \
        "what pg_stat_statements counts with $1 and $2"
    expect "" "$(query "SELECT query FROM pg_stat_statements WHERE toplevel AND query !~ '^(REFRESH|SET|SELECT|UPDATE|DELETE)'")" \
        "what else it counts as sent by the client"
    expect "delta,skip" "$(query "SELECT string_agg(method, ',' ORDER BY started) FROM refresh_mv.history")" "the history"
    query "SET pg_stat_statements.track_utility = off; SELECT pg_stat_statements_reset(); REFRESH MATERIALIZED VIEW v" >"$SCRATCH/out"
    expect "0" "$(query "SELECT count(*) FROM pg_stat_statements WHERE query ~ '^REFRESH' AND toplevel")" "what it counts without track_utility"
    echo "ok: $1 with $2"
}

# An auditor is told of the statement as of one of DDL.
test_auditor() {
    start_server "shared_preload_libraries = 'pgaudit'" "session_preload_libraries = 'refresh_mv'" "pgaudit.log = 'ddl'"
    create_view
    query "CREATE EXTENSION pgaudit"
    local setting
    for setting in off on; do
        query "UPDATE t SET n = n + 1 WHERE id = 1"
        query "SET refresh_mv.take_over = $setting; REFRESH MATERIALIZED VIEW v"
        sed -nE 's/^.*AUDIT: SESSION,[0-9]+,[0-9]+,//p' "$SERVER_DIR/log" | grep REFRESH >"$SCRATCH/audit.$setting" || true
    done
    expect "DDL,REFRESH MATERIALIZED VIEW,MATERIALIZED VIEW,public.v,SET refresh_mv.take_over = off; REFRESH MATERIALIZED VIEW v,<not logged>" \
        "$(cat "$SCRATCH/audit.off")" "what pgaudit has logged for core"
    expect "$(cat "$SCRATCH/audit.off")
DDL,REFRESH MATERIALIZED VIEW,MATERIALIZED VIEW,public.v,SET refresh_mv.take_over = on; REFRESH MATERIALIZED VIEW v,<not logged>" \
        "$(cat "$SCRATCH/audit.on")" "what pgaudit has logged for us"
    expect "delta" "$(query "SELECT method FROM refresh_mv.history WHERE source = 'REFRESH'")" "the method beside pgaudit"
    echo "ok: pgaudit"
}

# Without the extension REFRESH is core's; a role can have a setting of its own.
test_databases_and_roles() {
    start_server "shared_preload_libraries = 'refresh_mv'" "refresh_mv.take_over = on"
    create_view
    query "CREATE DATABASE other"
    PGDATABASE=other query "CREATE MATERIALIZED VIEW v AS SELECT 1 AS n; REFRESH MATERIALIZED VIEW v"
    expect "1" "$(PGDATABASE=other query "SELECT n FROM v")" "the view without the extension"
    query "CREATE ROLE plain LOGIN; ALTER ROLE plain SET refresh_mv.take_over = off; CREATE ROLE owner LOGIN;
        ALTER MATERIALIZED VIEW v OWNER TO owner; GRANT SELECT ON t TO owner, plain; GRANT owner TO plain; DELETE FROM refresh_mv.journal"
    PGUSER=plain query "REFRESH MATERIALIZED VIEW v"
    expect "" "$(query "SELECT method FROM refresh_mv.history")" "the history without take_over"
    PGUSER=owner query "REFRESH MATERIALIZED VIEW v"
    PGUSER=owner query "SET refresh_mv.take_over = off; REFRESH MATERIALIZED VIEW v"
    expect "owner|REFRESH|t" "$(query "SELECT role, source, run IS NULL FROM refresh_mv.history")" "the history"
    expect "" "$(wrong_views)" "what is wrong with the views"
    echo "ok: databases and roles"
}

# A REFRESH that is cancelled, or whose session ends, leaves nothing behind.
test_cancel() {
    query "CREATE FUNCTION waits(integer) RETURNS integer LANGUAGE plpgsql AS
            'BEGIN IF current_setting(''test.wait'', true) = ''on'' THEN PERFORM pg_advisory_lock(1); END IF; RETURN \$1; END';
        CREATE MATERIALIZED VIEW slow AS SELECT waits(n) AS n FROM t WHERE id = 1"
    query "CREATE UNIQUE INDEX ON slow (n)"
    local how kind
    for kind in "" CONCURRENTLY; do
        for how in pg_cancel_backend pg_terminate_backend; do
            psql -XAtqc "SET application_name = 'holding'" -c "SELECT pg_advisory_lock(1)" -c "SELECT pg_sleep(60)" >"$SCRATCH/out" 2>&1 &
            await 30 "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'holding' AND wait_event = 'PgSleep'"
            psql -XAtq >"$SCRATCH/waiting" 2>&1 <<<"SET application_name = 'waiting'; SET test.wait = on; REFRESH MATERIALIZED VIEW $kind slow" &
            await 30 "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'waiting' AND wait_event = 'advisory'"
            query "SELECT $how(pid) FROM pg_stat_activity WHERE application_name = 'waiting'" >"$SCRATCH/out"
            await 30 "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'waiting'"
            query "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holding'" >"$SCRATCH/out"
            wait
            expect "" "$(query "SELECT mode FROM pg_locks WHERE locktype <> 'virtualxid' AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = 'postgres')")" "the locks left"
            query "REFRESH MATERIALIZED VIEW $kind slow"
        done
    done
    expect "" "$(wrong_views)" "what is wrong with the views"
    echo "ok: cancel"
}

use_postgresql
count_statements pg_stat_statements refresh_mv
count_statements pg_stat_statements,refresh_mv ""
count_statements refresh_mv,pg_stat_statements ""
test_databases_and_roles
test_cancel
if [[ -e $("$PG_CONFIG" --sharedir)/extension/pgaudit.control ]]; then
    test_auditor
else
    echo "pgaudit is not there"
fi
