#!/bin/bash
# Tests views over foreign tables of postgres_fdw, in two databases of one server: the condition of a window refresh
# goes to the remote server as a constant, and where postgres_fdw can push the grouping down, it goes with it; what
# is sent is read in the plan of the refresh's own query, and in what the remote server returns.  Prints how many rows and
# milliseconds a full refresh takes, and one of the last days.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

DAYS=${DAYS:-400} PER_DAY=${PER_DAY:-250}

# Makes the remote database.
make_remote() {
    psql -qd postgres -c "SET client_min_messages = error" -c "DROP DATABASE IF EXISTS refresh_mv_remote" -c "CREATE DATABASE refresh_mv_remote"
    PGDATABASE=refresh_mv_remote query "
        CREATE TABLE orders (id bigint PRIMARY KEY, d date NOT NULL, ts timestamptz NOT NULL, region integer NOT NULL, amount numeric(10,2) NOT NULL);
        INSERT INTO orders SELECT i, current_date - (i / $PER_DAY)::integer, current_date - (i / $PER_DAY)::integer + interval '1 hour', i % 20, i % 90
        FROM generate_series(0, $DAYS::bigint * $PER_DAY - 1) i;
        CREATE TABLE regions (region integer PRIMARY KEY, name text NOT NULL);
        INSERT INTO regions SELECT i, 'region ' || i % 2 FROM generate_series(0, 19) i;
        CREATE INDEX ON orders (d); CREATE INDEX ON orders (ts);
        ANALYZE"
}

# Makes the views over it, grouped in each way that a window can be cut from.
make_views() {
    query "CREATE EXTENSION postgres_fdw;
        CREATE SERVER remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$PGHOST', port '$PGPORT', dbname 'refresh_mv_remote', use_remote_estimate 'true', fdw_tuple_cost '1');
        CREATE USER MAPPING FOR PUBLIC SERVER remote OPTIONS (user '$PGUSER');
        CREATE SCHEMA remote; IMPORT FOREIGN SCHEMA public FROM SERVER remote INTO remote;
        CREATE MATERIALIZED VIEW by_day AS SELECT d, count(*) AS n, sum(amount) AS amount FROM remote.orders GROUP BY d;
        CREATE MATERIALIZED VIEW by_day_and_name AS SELECT o.d, r.name, count(*) AS n, sum(o.amount) AS amount
            FROM remote.orders o JOIN remote.regions r USING (region) GROUP BY o.d, r.name;
        CREATE MATERIALIZED VIEW by_month AS SELECT date_trunc('month', d::timestamp)::date AS month, count(*) AS n FROM remote.orders GROUP BY 1;
        CREATE MATERIALIZED VIEW by_hour AS SELECT date_trunc('hour', ts) AS hour, count(*) AS n FROM remote.orders GROUP BY 1;
        CREATE MATERIALIZED VIEW of_rows AS SELECT id, d, amount FROM remote.orders WHERE region = 3;"
}

# Refreshes the view $1, by a window if $2 is true, of the last $3 days, and prints what was sent, as the plan of the
# refresh's own query has it, a line for each foreign scan: the rows that came, and the SQL.
sent_by() {
    psql -Atq -c "LOAD 'auto_explain'" -c "SET auto_explain.log_min_duration = 0" -c "SET auto_explain.log_verbose = on" \
        -c "SET auto_explain.log_analyze = on" -c "SET auto_explain.log_nested_statements = on" -c "SET client_min_messages = log" \
        -c "SELECT success FROM refresh_materialized_views($2, $3, '{$1}')" 2>&1 |
        sed -nE 's/.*Foreign Scan.*rows=([0-9.]+) loops.*/\1/p; s/ *Remote SQL: /: /p' | paste -d '' - - | sort -u
}

# Fails unless a window refresh of the view $1 sends one query with a condition on constants like $2, which returns $3
# rows.
check_pushed() {
    local sent
    echo "$1 in full: $(sent_by "$1" false 0)"
    PGDATABASE=refresh_mv_remote query "UPDATE orders SET amount = amount + 1 WHERE d >= current_date - 1;
        INSERT INTO orders SELECT max(id) + 1, current_date, now(), 3, 7 FROM orders; ANALYZE"
    sent=$(sent_by "$1" true 3)
    echo "$1: $sent"
    expect 1 "$(wc -l <<<"$sent")" "the number of queries sent for $1"
    # shellcheck disable=SC2053 # a pattern it is
    [[ $sent == $2 ]] || die "what is sent for $1 is not like $2"
    [[ $sent != *now* && $sent != *\$1* && $sent != *current* ]] || die "the condition sent for $1 is not constant"
    (($(sed 's/[:.].*//' <<<"$sent") <= $3)) || die "for $1 more rows come than $3"
    expect window "$(query "SELECT method FROM refresh_mv.last_runs WHERE view = '$1'::regclass AND number = 1")" "the method for $1"
    expect "" "$(wrong_views "$1")" "what is wrong with $1"
}

# Prints milliseconds of a refresh of the view $1, of three the shortest: in full, and of the last days.
print_times() {
    local i
    for i in 1 2 3; do
        query "SELECT refresh_materialized_views(views => '{$1}')" >/dev/null 2>&1
        query "SELECT refresh_materialized_views(true, 3, '{$1}')" >/dev/null 2>&1
    done
    query "SELECT format('%-16s %8s ms in full %8s ms the last days', '$1',
        (SELECT round(1000 * extract(epoch FROM min(duration))) FROM refresh_mv.last_runs WHERE view = '$1'::regclass AND method = 'full'),
        (SELECT round(1000 * extract(epoch FROM min(duration))) FROM refresh_mv.last_runs WHERE view = '$1'::regclass AND method = 'window'))"
}

use_postgresql
need_extension postgres_fdw
new_database refresh_mv_foreign
make_remote
make_views
since=$(query "SELECT current_date - 3")
check_pushed by_day "*count(\*)*sum(amount)*d >= '$since')*GROUP BY 1*" 4
check_pushed by_day_and_name "*count(\*)*INNER JOIN*d >= '$since')*GROUP BY 1, 2*" 8
# date_trunc() has a collation, of its first argument, by which postgres_fdw does not send it: the months are made here, of
# the rows of the last ones.
check_pushed by_month "*SELECT d FROM*d >= '*" $((70 * PER_DAY))
check_pushed by_hour "*WHERE*ts >= '*" $((5 * PER_DAY + 10))
check_pushed of_rows "*d >= '$since')*region = 3*" $((PER_DAY / 4 + 20))
for view in by_day by_day_and_name by_month by_hour of_rows; do
    print_times "$view"
done
# What cannot be tracked says so, and what to do.
query "CREATE FUNCTION error_of(OUT state text, OUT told text, OUT hint text) LANGUAGE plpgsql AS \$\$
    BEGIN PERFORM refresh_mv.track('by_day'); EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state := RETURNED_SQLSTATE, told := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT; END \$\$"
told=$(query "SELECT * FROM error_of()")
echo "$told"
expect_like "0A000|*foreign table*|?*" "$told" "what track() says of a foreign table"
