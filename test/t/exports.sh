#!/bin/bash
# Tests that the library shows what PostgreSQL calls and nothing else, so that no other
# library's functions can take the place of its own.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

LIBRARY=$("$PG_CONFIG" --pkglibdir)/refresh_mv.so

# Prints the names that the library shows.
shown() {
    nm -D --defined-only "$LIBRARY" | sed 's/.* //; s/@.*//' | sort
}

# Prints the names that it has to show: the module's, that of a background worker, and two for each function of SQL.
called() {
    local name
    printf '%s\n' Pg_magic_func _PG_init refresh_mv_job
    for name in $(query "SELECT DISTINCT prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                         WHERE l.lanname = 'c' AND p.probin LIKE '%refresh_mv'"); do
        printf '%s\n' "$name" "pg_finfo_$name"
    done
}

# Makes a library that has functions of the names that ours once showed, each of which
# ends the process.
make_other_library() {
    cat >"$SCRATCH/other.cpp" <<'EOF'
#include <cstdlib>
#include <string>
void notice(const char *, ...) { std::abort(); }
void warning(const char *, ...) { std::abort(); }
std::string format(const char *, ...) { std::abort(); }
namespace query { void *rewritten(void *) { std::abort(); } }
namespace refresh_mv { void notice(const char *, ...) { std::abort(); } }
EOF
    g++ -shared -fPIC -o "$SCRATCH/other.so" "$SCRATCH/other.cpp"
    chmod 755 "$SCRATCH/other.so"
}

use_postgresql
new_database refresh_mv_exports
expect "$(called | sort)" "$(shown)" "what the library shows"

make_other_library
export LD_PRELOAD=$SCRATCH/other.so
start_server
unset LD_PRELOAD
grep -q other.so "/proc/$(head -n 1 "$SERVER_DIR/data/postmaster.pid")/maps" || die "the other library was not loaded"
new_database refresh_mv_exports
query "CREATE TABLE t (id integer PRIMARY KEY); CREATE MATERIALIZED VIEW v AS TABLE t; INSERT INTO t VALUES (1)"
expect_like '*refresh completed*' "$(psql -qc 'SELECT refresh_materialized_views_smart()' 2>&1)" "what a refresh says"
expect 1 "$(query 'TABLE v')" "the view"
