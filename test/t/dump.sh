#!/bin/bash
# Tests that a dump and a restore keep settings, history and identities, as a
# superuser and as a database's owner who is none; and that DROP EXTENSION
# leaves nothing behind.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

source_db=refresh_mv_dump
target_db=refresh_mv_restored
owner=refresh_mv_owner

# Runs a command as the owner of the databases.
as_owner() {
    PGUSER=$owner "$@"
}

# Makes the database $1 anew, owned by a role that is no superuser.
make_database() {
    dropdb --if-exists "$1" 2>/dev/null
    createdb -O "$owner" "$1"
}

# Fills the database with views of odd names, settings and a history.
create_views() {
    as_owner psql -q >"$SCRATCH/out" 2>&1 <<'SQL' || die "$(cat "$SCRATCH/out")"
CREATE EXTENSION refresh_mv;
CREATE TABLE facts (day date NOT NULL, n integer NOT NULL);
INSERT INTO facts SELECT current_date - i % 9, i FROM generate_series(1, 900) AS i;
CREATE MATERIALIZED VIEW daily AS SELECT day, sum(n) AS n FROM facts GROUP BY day;
CREATE UNIQUE INDEX ON daily (day);
CREATE MATERIALIZED VIEW of_daily AS SELECT date_trunc('month', day) AS month, sum(n) AS n
    FROM daily GROUP BY 1;
CREATE SCHEMA U&"Sch""ema's \00E9";
CREATE MATERIALIZED VIEW U&"Sch""ema's \00E9".U&"it's a ""view"" \\ \65E5\672C" AS SELECT n FROM facts;
CREATE MATERIALIZED VIEW v23456789012345678901234567890123456789012345678901234567890123 AS
    SELECT count(*) AS n FROM facts;
SELECT format('CREATE MATERIALIZED VIEW %I AS SELECT count(*) AS n FROM facts', repeat(U&'\00E9', 31) || '1')
\gexec
CREATE MATERIALIZED VIEW fails_at_901 AS SELECT 1 / (901 - count(*)) AS n FROM facts;
CREATE MATERIALIZED VIEW empty AS SELECT n FROM facts WITH NO DATA;
SELECT refresh_mv.configure('daily', date_column => 'day', window_days => 5, keep_before => '30 days',
    statement_timeout => '1min', lock_timeout => '5s', work_mem => '8MB');
SELECT refresh_mv.configure(U&'"Sch""ema''s \00E9"."it''s a ""view"" \\ \65E5\672C"', work_mem => '1GB');
SELECT refresh_mv.configure('empty', enabled => false);
SELECT refresh_mv.configure('v23456789012345678901234567890123456789012345678901234567890123',
    statement_timeout => '2h');
SELECT refresh_mv.configure('of_daily', keep_before => '1 year 2 months 3 days 04:05:06');
SELECT success FROM refresh_materialized_views();
INSERT INTO facts VALUES (current_date, 1);
SELECT success FROM refresh_materialized_views_smart();
SELECT refresh_mv.refresh_where('daily', 'day = current_date');
INSERT INTO facts VALUES (current_date, 1);
CALL refresh_mv.run();
SQL
    expect "5|19|1|4" "$(query "SELECT (SELECT count(*) FROM refresh_mv.settings), count(*),
        count(*) FILTER (WHERE NOT success),
        max(run) FROM refresh_mv.journal")" "the size of what is to be dumped"
}

# Prints what a restore has to keep.
kept() {
    psql -At <<'SQL'
TABLE refresh_mv.settings ORDER BY view_schema, view_name;
TABLE refresh_mv.journal ORDER BY id;
SELECT last_value, is_called FROM refresh_mv.run_ids;
SELECT extname, extversion FROM pg_extension WHERE extname = 'refresh_mv';
SELECT evtname, evtenabled, evttags FROM pg_event_trigger ORDER BY 1;
SELECT schema, name, populated, last_success, last_method, last_duration, enabled, keep_before,
    consecutive_failures, last_error, data_through FROM refresh_mv.status ORDER BY 1, 2;
SQL
}

# Runs a command that is to say nothing.
silently() {
    "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || die "$* fails: $(cat "$SCRATCH/err")"
    [[ ! -s $SCRATCH/err ]] || die "$* says: $(cat "$SCRATCH/err")"
}

# Fails unless the restored database has all that was dumped, and refreshes
# work there at once, with new identities.
check_restored() {
    PGDATABASE=$target_db kept >"$SCRATCH/restored"
    diff "$SCRATCH/kept" "$SCRATCH/restored" || die "$1: not all is as it was dumped"
    local PGDATABASE=$target_db runs ids
    expect "0" "$(query "SELECT count(*) FROM refresh_mv.state")" "$1: the number of states"
    runs=$(query "SELECT max(run) FROM refresh_mv.journal")
    ids=$(query "SELECT max(id) FROM refresh_mv.journal")
    as_owner psql -qc "INSERT INTO facts VALUES (current_date, 2)" -c "SET client_min_messages = error" \
        -c "CALL refresh_mv.run()"
    expect "6|$((runs + 1))|$((runs + 1))" \
        "$(query "SELECT count(*), min(run), max(run) FROM refresh_mv.journal
            WHERE success AND id > $ids")" "$1: the new rows of the history"
    as_owner psql -qc "REFRESH MATERIALIZED VIEW empty"
    compare_views -At | awk -F '|' '{ wrong += $3 + $4 } END { exit wrong > 0 || NR != 7 }' ||
        die "$1: views differ from their queries"
}

# Dumps and restores in both formats; the arguments are put before each command.
test_restore() {
    local who=$1
    shift
    silently "$@" pg_dump -f "$SCRATCH/dump.sql" "$source_db"
    ! grep -E '^(COPY|INSERT INTO) refresh_mv\.state' "$SCRATCH/dump.sql" || die "a dump has rows of state"
    grep -qE '^COPY refresh_mv\.settings' "$SCRATCH/dump.sql" || die "a dump has no rows of settings"
    make_database "$target_db"
    silently "$@" psql -q -d "$target_db" -f "$SCRATCH/dump.sql"
    check_restored "plain format as $who"

    rm -f "$SCRATCH/dump.custom"
    silently "$@" pg_dump -Fc -f "$SCRATCH/dump.custom" "$source_db"
    make_database "$target_db"
    silently "$@" pg_restore -j 2 -d "$target_db" "$SCRATCH/dump.custom"
    check_restored "custom format as $who"
    silently "$@" pg_restore --clean --if-exists -j 2 -d "$target_db" "$SCRATCH/dump.custom"
    check_restored "custom format over what was there as $who"
}

# Prints every object of the database that is not initdb's.
objects() {
    psql -At <<'SQL'
SELECT relname, relkind, relnamespace::regnamespace FROM pg_class
    WHERE oid >= 16384 AND relkind <> 't' AND relname !~ '^pg_toast' ORDER BY 1, 2, 3;
SELECT oid::regprocedure FROM pg_proc WHERE oid >= 16384 ORDER BY 1::text;
SELECT typname FROM pg_type WHERE oid >= 16384 ORDER BY 1;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1;
SELECT evtname FROM pg_event_trigger ORDER BY 1;
SELECT extname FROM pg_extension ORDER BY 1;
SELECT classid::regclass, refclassid::regclass, deptype, count(*) FROM pg_depend
    WHERE classid NOT IN ('pg_rewrite'::regclass, 'pg_class'::regclass) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT count(*) FROM pg_description WHERE objoid >= 16384;
SELECT count(*) FROM pg_init_privs WHERE objoid >= 16384;
SQL
}

# The owner drops the extension: the database is as it would be without it.
test_drop() {
    make_database "$target_db"
    local PGDATABASE=$target_db
    as_owner psql -q <<'SQL'
CREATE TABLE facts (n integer);
CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS rows FROM facts GROUP BY n;
CREATE UNIQUE INDEX ON v (n);
SQL
    objects >"$SCRATCH/before"
    as_owner psql -q >"$SCRATCH/out" 2>&1 <<'SQL' || die "$(cat "$SCRATCH/out")"
CREATE EXTENSION refresh_mv;
INSERT INTO facts VALUES (1);
SELECT refresh_mv.configure('v', work_mem => '8MB');
CALL refresh_mv.run();
SELECT * FROM refresh_materialized_views();
SELECT refresh_mv.refresh_where('v', 'n > 0');
SQL
    objects >"$SCRATCH/with"
    ! cmp -s "$SCRATCH/before" "$SCRATCH/with" || die "the list of objects does not show the extension"
    silently as_owner psql -qc "DROP EXTENSION refresh_mv"
    objects >"$SCRATCH/after"
    diff "$SCRATCH/before" "$SCRATCH/after" || die "DROP EXTENSION has left the above"
    as_owner psql -q -c "INSERT INTO facts VALUES (2)" -c "ALTER MATERIALIZED VIEW v RENAME TO w" \
        -c "REFRESH MATERIALIZED VIEW CONCURRENTLY w"
    expect "{1,2}" "$(query "SELECT array_agg(n ORDER BY n) FROM w")" "the view after DROP EXTENSION"
    as_owner psql -q -c "REFRESH MATERIALIZED VIEW w" -c "DROP MATERIALIZED VIEW w"
}

psql -qd postgres -c 'SET client_min_messages = error' -c "DROP DATABASE IF EXISTS $source_db" \
    -c "DROP DATABASE IF EXISTS $target_db" -c "DROP ROLE IF EXISTS $owner" -c "CREATE ROLE $owner LOGIN"
make_database "$source_db"
export PGDATABASE=$source_db
create_views
kept >"$SCRATCH/kept"
test_restore "a superuser" env
test_restore "the owner" as_owner
test_drop
