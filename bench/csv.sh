# shellcheck shell=bash
# shellcheck disable=SC2154
# How the programs in bench/ write their figures for bench/figures.py, if they are given
# --csv FILE: a line for each, under lines that begin with "#" and say what they were
# measured on and how. Meant to be sourced after test/lib/setup.sh, by a program that has the
# settings of its server in the array settings.

csv=''

# How this program was called, but for the file, and what has called it, if that is bench/all.
csv_call=bench/${0##*/}
for ((i = 1; i <= $#; i++)); do
    case ${!i} in
    --csv | --views-csv) i=$((i + 1)) ;;
    *" "*) csv_call+=" '${!i}'" ;;
    *) csv_call+=" ${!i}" ;;
    esac
done
csv_caller=${BENCH_ALL:+"$BENCH_ALL, which runs "}

# Has the figures go to the file $1, too.
take_csv() {
    csv=$(realpath -m "$1")
    [[ -d ${csv%/*} && -w ${csv%/*} ]] || die "there is no folder ${csv%/*} to write to"
}

# Prints $1 as a value.
csv_value() {
    if [[ $1 == *[,\"$'\n']* ]]; then printf '"%s"' "${1//\"/\"\"}"; else printf '%s' "$1"; fi
}

# Adds a line of these values.
add_csv() {
    local value separator=''
    [[ $csv ]] || return 0
    for value; do
        printf '%s' "$separator"
        csv_value "$value"
        separator=,
    done >>"$csv"
    echo >>"$csv"
}

# Begins the file: how it was measured is $1, the columns are the further arguments.
begin_csv() {
    local how=$1 memory
    [[ $csv ]] || return 0
    shift
    memory=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
    cat >"$csv" <<END
# made by: $csv_caller$csv_call
# server: $(postgres --version | sed 's/^postgres (PostgreSQL)/PostgreSQL/'), refresh_mv $(sed -n "s/^default_version = '\(.*\)'/\1/p" "$ROOT/refresh_mv.control")
# machine: $(nproc) processors, $memory GB of memory
# date: $(date -u +%F)
# settings: $(printf '%s, ' "${settings[@]}" | sed 's/, $//')
# how: $how
END
    (($# == 0)) || add_csv "$@"
}
