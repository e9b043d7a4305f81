#!/bin/bash
# Tests the line for the system's cron that refresh_mv.schedule() hints at where
# pg_cron is not installed: run by a shell it refreshes the views, and its exit
# status tells whether a view has failed, also for a database of an odd name.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Prints the line in the hint of the error that the query $1 has to give.
hinted_line() {
    ! psql -XAtc "$1" >"$SCRATCH/out" 2>&1 || die "$1 succeeds without pg_cron"
    grep -qFx "ERROR:  pg_cron is not installed in database \"$PGDATABASE\"" "$SCRATCH/out" ||
        die "the error is: $(cat "$SCRATCH/out")"
    sed -n 's/^HINT: .*cron run: //p' "$SCRATCH/out"
}

# Runs the line in $SCRATCH/line as cron does, without its schedule; fails
# unless its exit status is $1.
run_line() {
    local status=0
    (
        unset PGDATABASE PSQLRC
        sed -E 's/^([^ ]+ ){5}//' "$SCRATCH/line" >"$SCRATCH/command"
        cd / && exec /bin/sh -c "$(cat "$SCRATCH/command")"
    ) >"$SCRATCH/out" 2>&1 </dev/null || status=$?
    ((status == $1)) || die "exit status $status instead of $1: $(cat "$SCRATCH/out")"
}

# The line works in the database $1.
test_line() {
    local call
    dropdb --if-exists "$1" 2>/dev/null
    createdb "$1"
    export PGDATABASE=$1
    psql -q <<'SQL'
CREATE EXTENSION refresh_mv;
CREATE TABLE facts (n integer);
CREATE MATERIALIZED VIEW good AS SELECT count(*) AS n FROM facts;
CREATE MATERIALIZED VIEW fails_at_two AS SELECT 1 / (2 - count(*)) AS n FROM facts;
INSERT INTO facts VALUES (1);
SQL
    hinted_line "SELECT refresh_mv.schedule()" >"$SCRATCH/line"
    for call in "SELECT refresh_mv.schedule(NULL, NULL)" "SELECT refresh_mv.unschedule()"; do
        expect "$(cat "$SCRATCH/line")" "$(hinted_line "$call")" "the line hinted at by $call"
    done
    expect_like '\*/15 \* \* \* \* psql -X -d * -c "CALL refresh_mv.run()"' \
        "$(cat "$SCRATCH/line")" "the line in the hint"

    run_line 0
    expect "1|1" "$(query "SELECT good.n, fails_at_two.n FROM good, fails_at_two")" "the views"
    psql -qc "INSERT INTO facts VALUES (2)"
    run_line 1
    grep -q "^ERROR:  1 of 2 materialized views could not be refreshed: fails_at_two$" "$SCRATCH/out" ||
        die "the failure's message is: $(cat "$SCRATCH/out")"
    expect "2|1" "$(query "SELECT good.n, fails_at_two.n FROM good, fails_at_two")" \
        "the views after the failure"
    expect "1 t procedure
1 t procedure
2 f procedure
2 t procedure" "$(query "SELECT run || ' ' || success || ' ' || source FROM refresh_mv.history
        ORDER BY run, success" | sed 's/true/t/; s/false/f/')" "the history"
}

test_line refresh_mv_cron
# shellcheck disable=SC2016 # no shell is to expand these
test_line 'a "$x" `y` b'
test_line "it's"
