# shellcheck shell=bash
# What bench/tpch and bench/matrix have in common: in a database of theirs, views in the
# schema public, which are tracked, and the same views in the schema copies, which are
# not, are refreshed after changes of several kinds. Meant to be sourced, in place of
# test/lib/setup.sh, by a program that sets views, changes and forms and has a function
# change, which makes a change of the kind $1.
#
# Options that both take:
#
#   --views 'A B'      these views only
#   --changes 'A B'    these changes only (also A,B)
#   --forms 'A B'      alone: a call for each view; call: one for all; exact: alone, by an exact
#                      refresh at whatever cost; full: alone, in full.  Of alone, exact and
#                      full together it is told how often the method that was chosen alone
#                      took at most 1.2 times what the best did (or half a millisecond more)
#   --rounds N         of which the medians are taken (3)
#   --concurrently     also measures REFRESH CONCURRENTLY, of third copies, in the schema keyed, that
#                      have unique indexes; with the forms alone, exact and full
#   --csv FILE         writes the medians to FILE, too
#
# Each kind of change is made once to warm up, then in each round and form anew: each view
# is refreshed, then each copy by REFRESH, or the other way round, in one session. Then
# the two must have the same rows, byte for byte: if not, the method is WRONG and the exit
# status 1. A call that takes ten times as long as REFRESH, and a second, is given up; it
# counts with that time, and its method is timeout. Geometric means are those of the views
# that were not skipped; rows is how many of a view were written; what a view takes within
# one call for all is what refresh_mv.history says.

export BENCH=1
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../test/lib/setup.sh"
# shellcheck source=bench/csv.sh
source "$ROOT/bench/csv.sh"

# A quarter of the memory for the server, as its manual has it.
settings=("shared_buffers = $(awk '/^MemTotal/ { printf "%d", $2 / 4096 }' /proc/meminfo)MB" "max_wal_size = 8GB")
rounds=3 concurrently='' wrong='' size='' views='' changes='' forms=''
declare -A refresh=() refresh_concurrently=()

# Takes the option $1 with its value $2; leaves in taken how many words these are.
take_option() {
    taken=2
    case $1 in
    --views) views=${2//,/ } ;;
    --changes) changes=${2//,/ } ;;
    --forms) forms=${2//,/ } ;;
    --rounds) rounds=$2 ;;
    --csv) take_csv "$2" ;;
    --concurrently)
        concurrently=1
        # shellcheck disable=SC2034 # for the caller
        taken=1
        ;;
    *) die "unknown option $1: see the heads of bench/${0##*/} and bench/measure.sh" ;;
    esac
}

# Runs psql quietly.
quiet() {
    PGOPTIONS='-c client_min_messages=warning' psql -qAtX -v ON_ERROR_STOP=1 "$@"
}

# Creates the views that psql makes with the arguments after the first, without data: those
# that were chosen, tracked, and in the schema copies their copies; in the schema keyed others,
# if REFRESH CONCURRENTLY is measured, with the unique indexes that psql makes of the file $1.
# Then it fills them, by the session.
create_views() {
    local view keys=$1
    shift
    quiet "$@"
    for view in $(quiet -c 'SELECT matviewname FROM pg_matviews ORDER BY 1'); do
        [[ " $views " == *" $view "* ]] || quiet -c "DROP MATERIALIZED VIEW $view"
    done
    quiet -c 'CREATE EXTENSION refresh_mv' -c 'SELECT refresh_mv.track()' >/dev/null
    quiet -c 'CREATE SCHEMA copies' -c 'SET search_path = copies, public' "$@"
    [[ ! $concurrently ]] || quiet -c 'CREATE SCHEMA keyed' -c 'SET search_path = keyed, public' "$@" -f "$keys"
    open_session
    say "Filling the views ..."
    refresh_all
    [[ ! $concurrently ]] || for view in $views; do demand "REFRESH MATERIALIZED VIEW keyed.$view"; done
    smart "$views" "$refresh_sum"
}

# Opens the session in which is measured, which talks with ask. It is a job of its own, so
# that clean_up ends it.
open_session() {
    set -m
    coproc SESSION { PGOPTIONS='-c client_min_messages=error' exec psql -qAtX 2>&1; }
    set +m
}

# Ends it.
close_session() {
    echo '\q' >&"${SESSION[1]}"
    wait "$SESSION_PID" || true
}

# Has the session run $1; leaves its output in answer, and in ms the time of its last statement.
ask() {
    local line
    answer='' ms=''
    printf '%s\n' '\timing on' "$1;" '\timing off' '\echo done' >&"${SESSION[1]}"
    while IFS= read -r line <&"${SESSION[0]}" && [[ $line != "done" ]]; do
        if [[ $line =~ ^Time:\ ([0-9.]+)\ ms ]]; then ms=${BASH_REMATCH[1]}; else answer+=${answer:+$'\n'}$line; fi
    done
    [[ $ms ]] || die "the session ended: $answer"
}

# Has the session run $1, which must succeed.
demand() {
    ask "$1"
    [[ $answer != *ERROR:* ]] || die "$1: $answer"
}

# Refreshes the views $1 in one call, by smart or as the form $3 has it, but gives up after
# ten times $2 ms. Leaves the time in ms, and in fault what went wrong, if anything did; then
# they are refreshed in full.
smart() {
    local took list="'{${1// /,}}'" how=_smart
    [[ ${3:-} != full ]] || how=
    [[ ${3:-} != exact ]] || demand "SET refresh_mv.exact_cost_limit = 1e9"
    fault=
    demand "SET statement_timeout = $(awk -v r="$2" 'BEGIN { printf "%d", r < 100 ? 1000 : 10 * r }')"
    ask "SELECT success, message FROM refresh_materialized_views$how(views => $list)"
    took=$ms
    case $answer in
    "t|"*) ;;
    *"statement timeout"*) fault=timeout ;;
    *) fault=FAILED wrong=1 && say "refresh of $1 failed: $answer" ;;
    esac
    demand "SET statement_timeout = 0; RESET refresh_mv.exact_cost_limit"
    [[ ! $fault ]] || demand "SELECT success FROM refresh_materialized_views(views => $list)"
    ms=$took
}

# Refreshes all copies; their times are left in refresh, and the sum of these in refresh_sum.
refresh_all() {
    local view
    for view in $views; do
        demand "REFRESH MATERIALIZED VIEW copies.$view"
        refresh[$view]=$ms
    done
    refresh_sum=$(printf '%s\n' "${refresh[@]}" | awk '{ s += $1 } END { print s }')
}

# The same of the copies that have unique indexes, by REFRESH CONCURRENTLY, if that is wanted.
refresh_all_concurrently() {
    local view
    [[ $concurrently ]] || return 0
    for view in $views; do
        ask "REFRESH MATERIALIZED VIEW CONCURRENTLY keyed.$view"
        [[ $answer != *ERROR:* ]] || { ms='' && say "CONCURRENTLY is not possible: $answer"; }
        refresh_concurrently[$view]=$ms
    done
}

# Sets fault if the view $1 does not have the rows of its copy, byte for byte.
check() {
    demand "SELECT count(*) FROM ((SELECT v::text FROM $1 v EXCEPT ALL SELECT c::text FROM copies.$1 c)
        UNION ALL (SELECT c::text FROM copies.$1 c EXCEPT ALL SELECT v::text FROM $1 v)) d"
    [[ $answer != 0 ]] || return 0
    fault=WRONG wrong=1
    say "$1 is wrong: $answer rows differ from those of its query"
    demand "SELECT success FROM refresh_materialized_views(views => '{$1}')"
}

# Writes the result of the change $1 in the form $2 for the view $3: method $4, rows
# changed $5, reason $6, $7 ms against $8 ms of REFRESH and $9 of CONCURRENTLY, if that is known.
record() {
    (IFS=$'\t' && echo "$size"$'\t'"${*:1:8}"$'\t'"${9:-\\N}") >>"$SCRATCH/results"
}

# Checks the view $3 after the change $1 in the form $2, and writes down how it was
# refreshed, in $4 ms, or if that is empty what the history says.
check_and_record() {
    local method duration rows reason
    demand "SELECT method, extract(epoch FROM duration) * 1000,
        coalesce(rows_inserted + rows_updated + rows_deleted, 0), translate(reason, E'\n\t', '  ')
        FROM refresh_mv.history WHERE view = 'public.$3' ORDER BY started DESC, run DESC LIMIT 1"
    IFS='|' read -r method duration rows reason <<<"$answer"
    check "$3"
    [[ ! $fault ]] || reason=''
    record "$1" "$2" "$3" "${fault:-$method}" "$rows" "$reason" "${4:-$duration}" "${refresh[$3]}" \
        "${refresh_concurrently[$3]:-}"
}

# Measures the change $1 in a call for each view in the form $3, and then REFRESH of all copies;
# the other way round in even rounds ($2). (In between, REFRESH would empty caches of the
# session, so that the next call takes some milliseconds more than it ever does.)
measure_each() {
    local view
    declare -A took=() faults=()
    change "$1"
    (($2 % 2)) || refresh_all
    for view in $views; do
        smart "$view" "${refresh[$view]}" "$3"
        took[$view]=$ms faults[$view]=$fault
    done
    ((!($2 % 2))) || refresh_all
    refresh_all_concurrently
    for view in $views; do
        fault=${faults[$view]}
        check_and_record "$1" "$3" "$view" "${took[$view]}"
    done
}

# Measures the change $1 in one call for all views, and then REFRESH of all copies; the
# other way round in even rounds ($2).
measure_call() {
    local view took fault_of_all
    change "$1"
    (($2 % 2)) || refresh_all
    smart "$views" "$refresh_sum"
    took=$ms fault_of_all=$fault
    ((!($2 % 2))) || refresh_all
    for view in $views; do
        fault=$fault_of_all
        check_and_record "$1" call "$view" "${fault:+$took}"
    done
    record "$1" call all "$fault_of_all" 0 "" "$took" "$refresh_sum"
}

# Measures all changes.
measure() {
    local change round form
    for change in $changes; do
        say "$size, $change ..."
        change "$change"
        smart "$views" "$refresh_sum"
        for ((round = 1; round <= rounds; round++)); do
            for form in $forms; do
                if [[ $form == call ]]; then
                    measure_call "$change" "$round"
                else
                    measure_each "$change" "$round" "$form"
                fi
            done
        done
    done
    close_session
}

# Prints the medians of all results, under what they were measured on, writes them to the
# file, if there is one, and ends.
report() {
    local format=(-P format=aligned -P border=0 -P footer=off -P tuples_only=off -v "results=$SCRATCH/results")
    export PGDATABASE=postgres
    echo "$(postgres --version), $(IFS=',' && echo "${settings[*]}"), $(nproc) processors; medians of $rounds rounds"
    quiet "${format[@]}" -f "$ROOT/bench/report.sql"
    begin_csv "medians of $rounds rounds"
    [[ ! $csv ]] || quiet "${format[@]}" --csv -v values=1 -f "$ROOT/bench/report.sql" >>"$csv"
    [[ ! $wrong ]] || die "some views were wrong or failed"
}
