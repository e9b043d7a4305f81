#!/bin/bash
# Tests refresh_mv.schedule() and refresh_mv.unschedule() with pg_cron, on
# servers of their own: one where pg_cron runs jobs in background workers, and
# one where it connects to the server's socket. pg_cron's clock has minutes
# only, so that this takes a minute or more; both servers wait at once.
set -euo pipefail

if (($# == 0)); then
    "$0" workers &
    workers=$!
    "$0" socket &
    socket=$!
    trap 'kill "$workers" "$socket" 2>/dev/null || true' EXIT
    status=0
    wait "$workers" || status=$?
    wait "$socket" || status=$?
    exit "$status"
fi

# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Prints a query's result as the role $1.
query_as() {
    PGUSER=$1 query "$2"
}

# Starts the server; jobs are run by $1.
start_cron_server() {
    local settings=("shared_preload_libraries = 'pg_cron'" "cron.database_name = 'postgres'")
    case $1 in
        workers) settings+=("cron.use_background_workers = on" "max_worker_processes = 20") ;;
        socket) settings+=("cron.host = '$SCRATCH/server'") ;;
        *) die "unknown kind of server: $1" ;;
    esac
    start_server "${settings[@]}"
}

# Creates three roles, each with a view of its own: that of bad fails once
# there is a row in facts.
create_views() {
    psql -q <<'SQL'
CREATE EXTENSION pg_cron;
CREATE EXTENSION refresh_mv;
CREATE TABLE facts (n integer);
GRANT SELECT ON facts TO PUBLIC;
CREATE ROLE good LOGIN;
CREATE ROLE bad LOGIN;
CREATE ROLE plain LOGIN;
CREATE SCHEMA AUTHORIZATION good;
CREATE SCHEMA AUTHORIZATION bad;
CREATE SCHEMA AUTHORIZATION plain;
GRANT USAGE ON SCHEMA good, bad, plain TO PUBLIC;
GRANT USAGE ON SCHEMA cron TO good, bad, plain;
CREATE MATERIALIZED VIEW good.v AS SELECT count(*) AS n FROM facts;
CREATE MATERIALIZED VIEW bad.v AS SELECT 1 / (count(*) - 1) AS n FROM facts;
CREATE MATERIALIZED VIEW plain.v AS SELECT count(*) AS n FROM facts;
ALTER MATERIALIZED VIEW good.v OWNER TO good;
ALTER MATERIALIZED VIEW bad.v OWNER TO bad;
ALTER MATERIALIZED VIEW plain.v OWNER TO plain;
SQL
}

# Prints all jobs of every role.
jobs_of_all() {
    query "SELECT username, jobname, schedule, command, database, active FROM cron.job ORDER BY 1, 2"
}

# The two jobs are created, updated in place, and removed one at a time.
test_schedule() {
    local ids
    expect "refresh_mv smart: 5 * * * * CALL refresh_mv.run('smart')
refresh_mv full: 10 3 * * * CALL refresh_mv.run('full')" \
        "$(query_as good "SELECT refresh_mv.schedule('5 * * * *', '10 3 * * *')")" \
        "the result of schedule()"
    expect "good|refresh_mv full|10 3 * * *|CALL refresh_mv.run('full')|postgres|t
good|refresh_mv smart|5 * * * *|CALL refresh_mv.run('smart')|postgres|t" \
        "$(jobs_of_all)" "the list of jobs"
    ids=$(query "SELECT array_agg(jobid ORDER BY jobid) FROM cron.job")
    query_as good "SELECT refresh_mv.schedule()" >"$SCRATCH/out"
    expect "good|refresh_mv full|0 2 * * *|CALL refresh_mv.run('full')|postgres|t
good|refresh_mv smart|*/15 * * * *|CALL refresh_mv.run('smart')|postgres|t" \
        "$(jobs_of_all)" "the list of jobs after a second call"
    expect "$ids" "$(query "SELECT array_agg(jobid ORDER BY jobid) FROM cron.job")" \
        "the jobs' ids after a second call"
    expect "refresh_mv full: 1 1 * * * CALL refresh_mv.run('full')" \
        "$(query_as good "SELECT refresh_mv.schedule(NULL, '1 1 * * *')")" \
        "the result of schedule(NULL, ...)"
    expect "good|refresh_mv full|1 1 * * *|CALL refresh_mv.run('full')|postgres|t" \
        "$(jobs_of_all)" "the list of jobs without the smart one"
    query_as good "SELECT refresh_mv.schedule('* * * * *', NULL)" >"$SCRATCH/out"
    expect "good|refresh_mv smart|* * * * *|CALL refresh_mv.run('smart')|postgres|t" \
        "$(jobs_of_all)" "the list of jobs without the full one"
}

# Waits for the minute when jobs run: they refresh the views, and the one whose
# view fails is reported as failed.
test_jobs_run() {
    query_as bad "SELECT refresh_mv.schedule('* * * * *', NULL)" >"$SCRATCH/out"
    query_as plain "SELECT cron.schedule('x', '* * * * *',
        \$\$SELECT refresh_materialized_views_smart()\$\$)" >"$SCRATCH/out"
    psql -qc "INSERT INTO facts VALUES (1)"
    await 75 "SELECT count(DISTINCT jobid) = 3 FROM cron.job_run_details
        WHERE status IN ('succeeded', 'failed')" "three jobs have run"
    expect $'bad|failed\ngood|succeeded\nplain|succeeded' \
        "$(query "SELECT DISTINCT username, status FROM cron.job_run_details
            WHERE status IN ('succeeded', 'failed') ORDER BY 1")" "what became of the jobs"
    expect_like "*1 of 1 materialized views could not be refreshed: v?DETAIL:*division by zero*" \
        "$(query "SELECT return_message FROM cron.job_run_details
            WHERE username = 'bad' ORDER BY runid LIMIT 1")" "the message of the failed job"
    expect "1|1|-1" "$(query "SELECT good.v.n, plain.v.n, bad.v.n FROM good.v, plain.v, bad.v")" \
        "what the views hold"
    expect "bad.v|smart|f|22012|bad|procedure
good.v|smart|t||good|procedure
plain.v|smart|t||plain|function" \
        "$(query "SELECT DISTINCT view, mode, success, sqlstate, role, source
            FROM refresh_mv.history ORDER BY 1")" "the history"
}

# unschedule() removes both jobs of the caller and nothing else.
test_unschedule() {
    query_as good "SELECT cron.schedule('good''s own', '0 0 1 1 *', 'SELECT 1')" >"$SCRATCH/out"
    query "SELECT refresh_mv.schedule('0 0 1 1 *', '0 0 1 1 *')" >"$SCRATCH/out"
    query_as good "SELECT refresh_mv.schedule('0 0 1 1 *', '0 0 1 1 *')" >"$SCRATCH/out"
    expect 2 "$(query_as good "SELECT refresh_mv.unschedule()")" "the result of unschedule()"
    expect "bad|refresh_mv smart
good|good's own
plain|x
postgres|refresh_mv full
postgres|refresh_mv smart" \
        "$(query "SELECT username, jobname FROM cron.job ORDER BY 1, 2")" "the list of jobs that are left"
    expect 0 "$(query_as good "SELECT refresh_mv.unschedule()")" "the result of a second unschedule()"
    expect 2 "$(query "SELECT refresh_mv.unschedule()")" "the result of the superuser's unschedule()"
    expect 1 "$(query_as bad "SELECT refresh_mv.unschedule()")" "the result of bad's unschedule()"
    expect $'good|good\'s own\nplain|x' \
        "$(query "SELECT username, jobname FROM cron.job ORDER BY 1, 2")" "the list of jobs at the end"
}

use_postgresql
need_extension pg_cron
start_cron_server "$1"
create_views
test_schedule
test_jobs_run
test_unschedule
