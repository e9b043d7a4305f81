#!/bin/bash
# Tests doc/postgres_exporter.yaml: what prometheus-postgres-exporter, as a role
# that is no superuser, says of good, failing, stale and empty views.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Creates the views and their history.
create_views() {
    psql -q <<'SQL'
SET client_min_messages = error;
DROP ROLE IF EXISTS refresh_mv_monitor;
CREATE ROLE refresh_mv_monitor LOGIN;
GRANT pg_monitor TO refresh_mv_monitor;
CREATE TABLE facts (day date, n integer);
INSERT INTO facts SELECT current_date - 3, i FROM generate_series(1, 7) AS i;
CREATE MATERIALIZED VIEW good AS SELECT day, n FROM facts;
CREATE MATERIALIZED VIEW fails_at_eight AS SELECT day, count(*) AS n, 1 / (8 - count(*)) AS x
    FROM facts GROUP BY day;
CREATE MATERIALIZED VIEW "empty ""one""" AS SELECT n FROM facts WITH NO DATA;
GRANT SELECT ON good TO refresh_mv_monitor;
SELECT * FROM refresh_materialized_views(views => '{good, fails_at_eight}') \g /dev/null
SELECT * FROM refresh_materialized_views(views => '{good, fails_at_eight}') \g /dev/null
INSERT INTO facts VALUES (current_date - 3, 8);
SELECT * FROM refresh_materialized_views(views => '{good, fails_at_eight}') \g /dev/null
SELECT * FROM refresh_materialized_views(views => '{fails_at_eight}') \g /dev/null
ANALYZE good, fails_at_eight;
UPDATE refresh_mv.journal SET duration = make_interval(secs => 10 ^ run), started = started - interval '1 hour';
SQL
}

# Prints the port of a loopback address that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Writes what the exporter says to $SCRATCH/metrics.
fetch_metrics() {
    python3 - "$1" >"$SCRATCH/metrics" <<'EOPY'
import sys, time, urllib.request
deadline = time.monotonic() + 15
while True:
    try:
        sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
EOPY
}

# Starts the exporter and fetches its metrics.
run_exporter() {
    local port
    port=$(free_port)
    set -m
    DATA_SOURCE_NAME="host=$PGHOST port=$PGPORT user=refresh_mv_monitor dbname=$PGDATABASE sslmode=disable" \
        prometheus-postgres-exporter --web.listen-address="127.0.0.1:$port" \
        --extend.query-path="$ROOT/doc/postgres_exporter.yaml" \
        >"$SCRATCH/exporter.log" 2>&1 </dev/null &
    set +m
    fetch_metrics "http://127.0.0.1:$port/metrics" || {
        cat "$SCRATCH/exporter.log"
        die "the exporter does not answer"
    }
}

# Prints the value of the metric $1 of the view $2, as its label is written.
metric() {
    name="$2" awk -v "metric=refresh_mv_view_$1{" '
        index($0, metric) == 1 && index($0, "name=\"" ENVIRON["name"] "\",schema=\"public\"") {
            print $NF
        }' "$SCRATCH/metrics"
}

# Fails unless the metrics of the view $1 are the rest of the arguments: failures,
# stale, days behind, rows, populated, last and median duration.
expect_metrics() {
    local view=$1 name
    shift
    for name in consecutive_failures stale days_behind row_estimate populated \
        last_duration_seconds median_duration_seconds; do
        expect "$1" "$(metric "$name" "$view")" "$name of $view"
        shift
    done
    expect "$(query "SELECT pg_total_relation_size(oid) FROM pg_class
        WHERE relname = replace('$view', '\\', '')")" "$(metric bytes "$view")" "bytes of $view"
}

# Fails unless the last success of the view $1 was an hour ago.
expect_success_an_hour_ago() {
    local seconds
    seconds=$(metric seconds_since_success "$1")
    awk -v "s=$seconds" 'BEGIN { exit !(s >= 3600 && s < 3660) }' ||
        die "seconds_since_success of $1 is $seconds"
}

need_program prometheus-postgres-exporter
new_database refresh_mv_exporter
create_views
run_exporter
grep -q '^pg_exporter_user_queries_load_error{.*} 0$' "$SCRATCH/metrics" ||
    die "the exporter cannot load the file"
expect "pg_exporter_last_scrape_error 0" "$(grep '^pg_exporter_last_scrape_error' "$SCRATCH/metrics")" \
    "the state of the scrape"
expect_metrics good 0 NaN 3 8 1 1000 100
expect_success_an_hour_ago good
expect_metrics fails_at_eight 2 NaN NaN 1 1 100 55
expect_success_an_hour_ago fails_at_eight
expect_metrics 'empty \"one\"' 0 1 NaN -1 0 NaN NaN
expect NaN "$(metric seconds_since_success 'empty \"one\"')" "seconds since the success of a new view"
