#!/bin/bash
# Tests that a refresh that is killed leaves nothing half done: the backend of
# CALL refresh_mv.run() gets SIGKILL at random moments, on a server of its own,
# whose postmaster then restarts. With TEST_LONG=1 there are more rounds.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# The views in the order of their refresh; those of swapped get a new file
# whenever the generation changes, the others are changed in place.
views=(merged swapped_long merged_of_merged swapped merged_last)

# Creates the views. A part of the rows of each depends on the generation.
create_views() {
    psql -q <<'SQL'
CREATE EXTENSION amcheck;
CREATE EXTENSION refresh_mv;
CREATE TABLE generation AS SELECT 1 AS g;
CREATE TABLE facts AS SELECT i AS id, i % 100 AS part FROM generate_series(1, 60000) AS i;
ANALYZE;
CREATE MATERIALIZED VIEW merged AS
    SELECT id, part, CASE WHEN part < 10 THEN g ELSE 0 END AS g FROM facts, generation;
CREATE MATERIALIZED VIEW swapped_long AS
    SELECT id, g, repeat(md5(id::text), 1 + 199 * (id % 1000 = 0)::integer) AS long FROM facts, generation;
CREATE MATERIALIZED VIEW merged_of_merged AS
    SELECT id, id + g AS key, repeat('x', 20) AS x FROM merged;
CREATE MATERIALIZED VIEW swapped AS SELECT id, part, g FROM facts, generation;
CREATE MATERIALIZED VIEW merged_last AS
    SELECT id * 2 + (CASE WHEN part < 20 THEN g % 2 ELSE 0 END) AS id, part FROM facts, generation;
CREATE UNIQUE INDEX ON merged (id);
CREATE INDEX ON merged (part);
CREATE INDEX ON swapped_long (g, id);
CREATE UNIQUE INDEX ON merged_of_merged (id);
CREATE INDEX ON merged_of_merged (key);
CREATE INDEX ON swapped (part);
CREATE INDEX ON swapped (g, id);
CREATE UNIQUE INDEX ON merged_last (id);
SET client_min_messages = error;
CALL refresh_mv.run('full');
ANALYZE;
SQL
    expect "${views[*]}" "$(query "SELECT string_agg(view, ' ' ORDER BY id) FROM (
        SELECT id, view_name AS view FROM refresh_mv.journal) AS j")" "the order of the views"
}

# Prints a view's fingerprint.
fingerprint() {
    query "SELECT count(*), sum(hashtextextended(v::text, 0)) FROM $1 AS v"
}

# Changes the generation and notes what the views hold until the next run.
next_generation() {
    local view
    query "UPDATE generation SET g = g + 1"
    for view in "${views[@]}"; do
        old[$view]=$(fingerprint "$view")
    done
    old_id=$(query "SELECT max(id) FROM refresh_mv.journal")
    old_orphans=$(orphans)
}

# Prints the files of the database's folder that belong to no relation.
orphans() {
    local folder
    query CHECKPOINT
    folder=$(query "SELECT current_setting('data_directory') || '/base/' || oid
        FROM pg_database WHERE datname = current_database()")
    query "SELECT pg_relation_filenode(oid) FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL" |
        sort >"$SCRATCH/nodes"
    find "$folder" -type f -name '[0-9]*' -printf '%f\n' | sed -E 's/[._].*//' | sort -u |
        comm -23 - "$SCRATCH/nodes"
}

# Runs the procedure and kills its backend after $1 milliseconds, then waits for
# the server. Fails if the run has ended before.
kill_run() {
    local job deadline=$((SECONDS + 30))
    : >"$SCRATCH/out"
    psql -Atq -c "SELECT pg_backend_pid()" -c "CALL refresh_mv.run('full')" >"$SCRATCH/out" 2>&1 &
    job=$!
    until [[ -s $SCRATCH/out ]]; do
        ((SECONDS < deadline)) || die "psql does not connect"
    done
    sleep "$(awk -v "ms=$1" 'BEGIN { print ms / 1000 }')" # the moment to be tested
    kill -9 "$(head -n 1 "$SCRATCH/out")" 2>/dev/null || true
    ! wait "$job" || return 1
    until psql -Atqc 'SELECT 1' >"$SCRATCH/out" 2>&1; do
        ((SECONDS < deadline)) || die "the server does not come back"
        sleep 0.05
    done
}

# Fails unless each view is wholly as its history says.
check_views() {
    local view refreshed compared in_flight='' now
    compared=$(compare_views -At)
    for view in "${views[@]}"; do
        refreshed=$(query "SELECT count(*) FILTER (WHERE success) || ' of ' || count(*)
            FROM refresh_mv.journal WHERE id > $old_id AND view_name = '$view'")
        now=$(fingerprint "$view")
        case $refreshed in
            "1 of 1")
                [[ -z $in_flight ]] || die "$view was refreshed, but $in_flight before it was not"
                [[ $now != "${old[$view]}" ]] || die "$view is old in spite of its history"
                grep -q "^$view|60000|0|0$" <<<"$compared" || die "$view is not wholly new: $compared"
                ;;
            "0 of 0")
                in_flight=${in_flight:-$view}
                [[ $now == "${old[$view]}" ]] || die "$view has changed, but its history does not say so"
                ;;
            *) die "$view: $refreshed successful rows in the history" ;;
        esac
    done
    echo "killed in ${in_flight:-no view}"
    killed_in=${in_flight:-none}
}

# Fails if the run has left a file behind. Where core was creating relations,
# as in any REFRESH, a crash leaves their files: those of one view.
check_files() {
    local new count most=0
    new=$(comm -13 <(echo "$old_orphans") <(orphans))
    count=$(grep -c . <<<"$new" || true)
    case $killed_in in
        swapped_long) most=4 ;; # heap, TOAST table and its index, index
        swapped) most=3 ;;
    esac
    echo "files left: $count"
    ((count <= most)) || die "killed in $killed_in; files left: $new"
    expect 0 "$(query "SELECT count(*) FROM pg_ls_tmpdir()")" "the number of temporary files"
    expect 0 "$(query "SELECT count(*) FROM pg_class WHERE relname ~ '^pg_temp_'
        AND relnamespace = 'public'::regnamespace")" "the number of transient relations"
}

# Fails unless all indexes of the views and of the extension's tables are sound.
check_indexes() {
    query "SELECT c.relname, bt_index_check(i.indexrelid, true)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relkind = 'm' OR c.relnamespace = 'refresh_mv'::regnamespace" >"$SCRATCH/checked"
    expect 8 "$(grep -Ec '^(merged|swapped)' "$SCRATCH/checked")" "the number of the views' sound indexes"
}

# Fails unless a run works and leaves all views up to date.
check_next_run() {
    psql -q -c 'SET client_min_messages = error' -c 'SET refresh_mv.warn_after = 0' \
        -c "CALL refresh_mv.run('full')"
    expect "$(printf '%s|60000|0|0\n' "${views[@]}" | sort)" "$(compare_views -At | sort)" "the next run's result"
}

# One round; the moment is a random one in the time that a run takes.
round() {
    local moment=$((RANDOM * run_ms / 32768))
    echo "round $1: kill after $moment of $run_ms ms"
    next_generation
    if ! kill_run "$moment"; then
        echo "the run had ended"
        return
    fi
    kills=$((kills + 1))
    check_views
    check_files
    check_indexes
    check_next_run
}

declare -A old=()
use_postgresql
start_server "work_mem = '64MB'"
create_views
next_generation
check_next_run
run_ms=$(query "SELECT (extract(epoch FROM sum(duration)) * 1000)::integer
    FROM refresh_mv.journal WHERE id > $old_id")
expect "merged full, merged_last full, merged_of_merged full, swapped rebuild, swapped_long rebuild" \
    "$(query "SELECT string_agg(view_name || ' ' || method, ', ' ORDER BY view_name)
        FROM refresh_mv.journal WHERE id > $old_id")" "the methods"
kills=0
rounds=5
[[ -z ${TEST_LONG:-} ]] || rounds=25
for ((i = 1; kills < rounds; i++)); do
    ((i <= rounds * 4)) || die "only $kills of $((i - 1)) runs were killed"
    round "$i"
done
