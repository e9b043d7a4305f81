#!/bin/bash
# Tests the wording of the NOTICEs and WARNINGs of refreshes, with the numbers
# that depend on time masked, in a database of its own on the server of PGHOST
# and PGPORT; without these, on a throw-away server.
set -euo pipefail
if [[ -z ${PGHOST:-} ]]; then
    # shellcheck source=/dev/null
    source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
    require_packages
    build_extension
    start_server
fi
database=refresh_mv_notices_$$
work=$(mktemp -d)
failed=0

clean_up_database() {
    psql -qX -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null 2>&1 || true
    rm -rf "$work"
    if declare -F clean_up >/dev/null; then clean_up; fi
}
trap clean_up_database EXIT

# Runs SQL and prints nothing but what it says on the way: dates as TODAY-n and
# times masked.
messages() {
    psql -qXAt -v VERBOSITY=default -v SHOW_CONTEXT=never -d "$database" -c "$1" 2>&1 >/dev/null |
        sed -E -e 's/[0-9]+\.[0-9]+ ms/N ms/' -e 's/in [0-9]+\.[0-9]+ seconds/in N seconds/' \
            -e "s/$(date_of 0)/TODAY/g; s/$(date_of 1)/TODAY-1/g; s/$(date_of 5)/TODAY-5/g"
}

# Prints the date so many days before the database's current_date.
date_of() {
    psql -qXAt -d "$database" -c "SELECT current_date - $1"
}

# Compares what the SQL $2 says with standard input; $1 says what is tested.
expect() {
    cat >"$work/expected"
    messages "$2" >"$work/actual"
    if diff -u "$work/expected" "$work/actual" >"$work/diff"; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        cat "$work/diff"
        failed=1
    fi
}

psql -qX -d postgres -c "CREATE DATABASE $database"
psql -qX -d "$database" -v ON_ERROR_STOP=1 <<'SQL'
ALTER ROLE CURRENT_USER IN DATABASE :DBNAME SET TimeZone = 'UTC';
ALTER ROLE CURRENT_USER IN DATABASE :DBNAME SET DateStyle = 'ISO, YMD';
\c
CREATE EXTENSION refresh_mv;
CREATE TABLE source (day date, k int, n int);
INSERT INTO source SELECT current_date - g, g % 3, g FROM generate_series(0, 20) g;
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM source GROUP BY day;
SQL

expect "full" "INSERT INTO source VALUES (current_date, 0, 1);
        DELETE FROM source WHERE day = current_date - 20;
        INSERT INTO source VALUES (current_date - 30, 1, 1), (current_date - 31, 1, 1);
        SELECT refresh_materialized_views()" <<'EOF'
NOTICE:  Refreshing 1 materialized views...
NOTICE:  Performing full refresh
NOTICE:  Refreshing by_day...
NOTICE:  by_day refreshed successfully (full: 2 inserted, 1 updated, 1 deleted, N ms)
NOTICE:  Materialized views refresh completed in N seconds
EOF

expect "incremental" "INSERT INTO source VALUES (current_date, 0, 1);
        SELECT refresh_materialized_views(true, 7)" <<'EOF'
NOTICE:  Refreshing 1 materialized views...
NOTICE:  Performing incremental refresh of the last 7 days
NOTICE:  Refreshing by_day...
NOTICE:  by_day refreshed successfully (window: 0 inserted, 1 updated, 0 deleted, N ms)
NOTICE:  Materialized views refresh completed in N seconds
EOF

expect "smart, newest date today" "SELECT refresh_materialized_views_smart()" <<'EOF'
NOTICE:  Refreshing 1 materialized views...
NOTICE:  Refreshing by_day...
NOTICE:  Last data date: TODAY (0 days behind)
NOTICE:  Performing incremental refresh of the last 2 days: the newest data is at most 1 day old
NOTICE:  by_day refreshed successfully (window: 0 inserted, 0 updated, 0 deleted, N ms)
NOTICE:  Materialized views refresh completed in N seconds
EOF

psql -qX -d "$database" -c "DELETE FROM source WHERE day >= current_date" \
    -c "REFRESH MATERIALIZED VIEW by_day"
expect "smart, newest date yesterday" "SELECT refresh_materialized_views_smart()" <<'EOF'
NOTICE:  Refreshing 1 materialized views...
NOTICE:  Refreshing by_day...
NOTICE:  Last data date: TODAY-1 (1 days behind)
NOTICE:  Performing incremental refresh of the last 2 days: the newest data is at most 1 day old
NOTICE:  by_day refreshed successfully (window: 0 inserted, 0 updated, 0 deleted, N ms)
NOTICE:  Materialized views refresh completed in N seconds
EOF

psql -qX -d "$database" -c "DELETE FROM source WHERE day > current_date - 5" \
    -c "REFRESH MATERIALIZED VIEW by_day"
expect "smart, newest date five days ago" "SELECT refresh_materialized_views_smart()" <<'EOF'
NOTICE:  Refreshing 1 materialized views...
NOTICE:  Refreshing by_day...
NOTICE:  Last data date: TODAY-5 (5 days behind)
NOTICE:  Performing full refresh: the newest data is older than 1 day
NOTICE:  by_day refreshed successfully (full: 0 inserted, 0 updated, 0 deleted, N ms)
NOTICE:  Materialized views refresh completed in N seconds
EOF

psql -qX -d "$database" -c "CREATE MATERIALIZED VIEW by_k AS SELECT k, 100 / sum(n) AS q FROM source GROUP BY k" \
    -c "CREATE MATERIALIZED VIEW empty AS SELECT * FROM source WITH NO DATA"
expect "no date column; no data" "SELECT refresh_materialized_views(true, 2, '{by_k,empty}')" <<'EOF'
NOTICE:  Refreshing 2 materialized views...
NOTICE:  Performing incremental refresh of the last 2 days
NOTICE:  Refreshing by_k...
NOTICE:  Performing full refresh instead: it has no date or timestamp column by which its query can be restricted
NOTICE:  by_k refreshed successfully (full: 0 inserted, 0 updated, 0 deleted, N ms)
NOTICE:  Refreshing empty...
NOTICE:  Performing full refresh instead: the view is not populated
NOTICE:  empty refreshed successfully (rebuild: 17 inserted, 0 updated, 0 deleted, N ms)
NOTICE:  Materialized views refresh completed in N seconds
EOF

expect "a failure" "UPDATE source SET n = 0 WHERE k = 1;
        SELECT refresh_materialized_views(views => '{by_k,by_day}')" <<'EOF'
NOTICE:  Refreshing 2 materialized views...
NOTICE:  Performing full refresh
NOTICE:  Refreshing by_day...
NOTICE:  by_day refreshed successfully (full: 0 inserted, 7 updated, 0 deleted, N ms)
NOTICE:  Refreshing by_k...
WARNING:  could not refresh materialized view by_k: division by zero
NOTICE:  Materialized views refresh completed in N seconds
EOF

expect "skipped" "SET refresh_mv.skip_refresh = on; SELECT refresh_materialized_views()" <<'EOF'
WARNING:  Materialized views refresh skipped: refresh_mv.skip_refresh is on
DETAIL:  It was set in this session, or by another client of a pooler on the same connection.
HINT:  RESET refresh_mv.skip_refresh switches it off. Behind a pooler, set it with SET LOCAL.
EOF
PGOPTIONS="-c refresh_mv.skip_refresh=on" expect "skipped by the client" "CALL refresh_mv.run()" <<'EOF'
WARNING:  Materialized views refresh skipped: refresh_mv.skip_refresh is on
DETAIL:  It was set when the session was opened, in PGOPTIONS for instance.
HINT:  SET refresh_mv.skip_refresh = off switches it off for this session.
EOF
psql -qX -d "$database" -c "ALTER DATABASE $database SET refresh_mv.skip_refresh = on"
expect "skipped in a database" "SELECT refresh_mv.refresh_where('by_day', 'true')" <<'EOF'
WARNING:  Materialized views refresh skipped: refresh_mv.skip_refresh is on
DETAIL:  It was set for this database.
HINT:  ALTER DATABASE ... RESET refresh_mv.skip_refresh undoes that.
EOF
psql -qX -d "$database" -c "ALTER ROLE CURRENT_USER IN DATABASE $database SET refresh_mv.skip_refresh = on"
expect "skipped for a role in a database" "SELECT refresh_materialized_views_smart()" <<'EOF'
WARNING:  Materialized views refresh skipped: refresh_mv.skip_refresh is on
DETAIL:  It was set for this role in this database.
HINT:  ALTER ROLE ... IN DATABASE ... RESET refresh_mv.skip_refresh undoes that.
EOF
expect "not skipped any more" "ALTER ROLE CURRENT_USER IN DATABASE $database RESET refresh_mv.skip_refresh;
    ALTER DATABASE $database RESET refresh_mv.skip_refresh;
    SET client_min_messages = warning; SET refresh_mv.skip_refresh = off; SELECT refresh_materialized_views(views => '{by_day}')" </dev/null
exit "$failed"
