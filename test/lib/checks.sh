# shellcheck shell=bash
# What the tests in test/t share. Meant to be sourced after test/lib/setup.sh.

# Ends the test as skipped, with its arguments as the reason.
skip() {
    printf '%s\n' "$*"
    exit 77
}

# Skips the test unless the server offers the extension $1.
need_extension() {
    [[ -e $("$PG_CONFIG" --sharedir)/extension/$1.control ]] ||
        skip "the extension $1 is not there for $("$PG_CONFIG" --version)"
}

# Skips the test unless there is the program $1.
need_program() {
    command -v "$1" >/dev/null || skip "the program $1 is not there"
}

# Prints a query's result, unaligned.
query() {
    psql -Atqc "$1"
}

# Fails unless $2 is just what $1 says; $3 names it.
expect() {
    [[ $2 == "$1" ]] || die "$3 is \"$2\" instead of \"$1\""
}

# Fails unless $2 matches the pattern $1; $3 names it.
expect_like() {
    # shellcheck disable=SC2053 # a pattern it is
    [[ $2 == $1 ]] || die "$3 is \"$2\", which is not like \"$1\""
}

# Waits until the query $2 gives "t"; fails after $1 seconds, and says $3.
await() {
    local deadline=$((SECONDS + $1))
    until [[ $(query "$2") == t ]]; do
        ((SECONDS < deadline)) || die "still not so after $1 seconds: $3"
        sleep 0.05
    done
}

# Prints the views that are not what their queries give now, of those whose names match
# "$1" if that is given.
wrong_views() {
    local compared
    compared=$(compare_views -At) || { echo "they cannot be compared"; return; }
    grep -E "^(${1:-.*})\|" <<<"$compared" | grep -v '|0|0$' || true
}

# Prints the milliseconds since an unspecified moment.
now_ms() {
    echo $((${EPOCHREALTIME/./} / 1000))
}

# Makes the database $1 anew, with the extension, and goes there.
new_database() {
    psql -qd postgres -c 'SET client_min_messages = error' -c "DROP DATABASE IF EXISTS $1" \
        -c "CREATE DATABASE $1"
    export PGDATABASE=$1
    psql -qc 'CREATE EXTENSION refresh_mv'
}
