#!/bin/bash
# Tests refresh_mv.report() in headless Chromium: as an empty database, one with views in every state and
# under names that would like to be markup, and as a role that may see little; on a phone and a desktop,
# light and dark.  Nothing on the console, nothing loaded, no sideways scrolling, every focus seen and in
# order, contrast as WCAG AA has it.  SHOTS=FOLDER keeps the pictures.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Prints the browser's program, if there is one.
browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome || true
}

# Makes the page of the database as the role $2, with what explain() says, in the file $1.
make_page() {
    psql -Atqc "SET ROLE $2" -c "SELECT refresh_mv.report('1 min')" >"$1"
}

# Opens the page $1 in the browser; $2 says what is to be found in it, as name=number.
check_page() {
    echo "${1##*/}: $(wc -c <"$1") bytes"
    python3 "$ROOT/test/neighbours/report/look.py" "$CHROMIUM" "$1" "${SHOTS:-$SCRATCH}" "${@:2}" || die "${1##*/} is not as it should be"
}

CHROMIUM=$(browser)
[[ -n $CHROMIUM ]] || skip "there is no Chromium here"
use_postgresql
start_server
psql -qc "CREATE ROLE visitor" -c "CREATE DATABASE empty" -c "CREATE DATABASE shop"
PGDATABASE=empty query "CREATE EXTENSION refresh_mv"
PGDATABASE=empty make_page "$SCRATCH/empty.html" postgres
check_page "$SCRATCH/empty.html" articles=0 nodes=0
export PGDATABASE=shop
psql -qf "$ROOT/test/neighbours/report/shop.sql" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out"; die "the shop cannot be made"; }
make_page "$SCRATCH/shop.html" postgres
views=$(query "SELECT count(*) FROM pg_class WHERE relkind = 'm'")
check_page "$SCRATCH/shop.html" articles="$views" nodes="$views"
make_page "$SCRATCH/visitor.html" visitor
check_page "$SCRATCH/visitor.html" articles="$views" nodes="$views"
! grep -q 'division by zero' "$SCRATCH/visitor.html" || die "a visitor sees the text of an error"
grep -q 'division by zero' "$SCRATCH/shop.html" || die "the owner does not see the text of an error"
