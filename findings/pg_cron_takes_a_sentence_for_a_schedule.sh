#!/bin/bash
# pg_cron accepts schedules with anything behind the fifth field, and ranges that never come.
#
# One would expect: cron.schedule() refuses what is no schedule, as it does with '5/15 * * * *' or '0 0 L * *'.
# What happens: what follows the fifth field is not read. '0 2 * * * Europe/Berlin' is accepted, and runs by the server's
# time zone; '0 0 2 * * *', which to Quartz and Spring is two o'clock each night, is midnight of each month's second day. A range
# from late to early, '30-29 * * * *' or 'fri-mon', is accepted as well, and holds no minute and no day: the job never runs, and
# nothing says so, as there is no row of it in cron.job_run_details.
# What to do: after cron.schedule(), look for the job's row in cron.job_run_details; refresh_mv.history tells of refreshes.
# Version and source: Debian's postgresql-15-cron 1.4.2-2+b1 (bookworm) with postgresql-15 15.18-0+deb12u1; 1.6.8-1 (sid)
# accepts the same. Seen on 2026-12-01.
# Takes Debian 12 with these in its sources, the libraries that postgresql-15 depends on, as root, setpriv, and up to two minutes.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-15=15.18-0+deb12u1 postgresql-client-15=15.18-0+deb12u1 postgresql-15-cron=1.4.2-2+b1
start_server 15 shared_preload_libraries=pg_cron cron.use_background_workers=on

sql -c "CREATE EXTENSION pg_cron"

# Schedules a job $1 at $2; prints accepted or refused.
schedule() {
    if sql -c "SELECT cron.schedule('$1', '$2', 'SELECT 1')" >/dev/null 2>&1; then echo accepted; else echo refused; fi
}
seen "5/15 * * * *" refused "$(schedule step "5/15 * * * *")"
seen "* * * * * but not on holidays" accepted "$(schedule sentence "* * * * * but not on holidays")"
seen "*/1 * * * * Europe/Berlin" accepted "$(schedule zone "*/1 * * * * Europe/Berlin")"
seen "0 0 2 * * * (six fields)" accepted "$(schedule six "0 0 2 * * *")"
seen "30-29 * * * *" accepted "$(schedule backward "30-29 * * * *")"
seen "* * * * fri-mon" accepted "$(schedule weekend "* * * * fri-mon")"
schedule last "* * * * *" >/dev/null

# The jobs that have run, in their order of names.
have_run() {
    sql -c "SELECT string_agg(DISTINCT jobname, ' ' ORDER BY jobname) FROM cron.job_run_details JOIN cron.job USING (jobid)"
}
for ((second = 0; second < 110; second++)); do
    [[ $(have_run) != *last*sentence*zone* ]] || break
    sleep 1
done
seen "have run" "last sentence zone" "$(have_run)"
