#!/bin/bash
# Tests refresh_mv.report() where a suite cannot: in databases of other encodings, with bytes that are no text; while
# others have views locked, which are not waited for; cancelled; and while views come and go.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Fails unless the file $1 is a page in ASCII, well-formed, with $2 views, and without scripts.
check_page() {
    python3 - "$1" "$2" <<'EOPY' || die "the page of $1 is not as it should be"
import sys
import xml.etree.ElementTree as ET
page = open(sys.argv[1], encoding="ascii").read()
root = ET.fromstring(page.split("\n", 1)[1])
tag = "{http://www.w3.org/1999/xhtml}"
articles = len(list(root.iter(tag + "article")))
assert articles == int(sys.argv[2]), articles
assert not list(root.iter(tag + "script"))
EOPY
}

# Makes a database $1 of the encoding $2, with a view whose name is made of the bytes $3 between quotes.
make_database() {
    psql -qd postgres -c "SET client_min_messages = error" -c "DROP DATABASE IF EXISTS $1" \
        -c "CREATE DATABASE $1 ENCODING '$2' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    export PGDATABASE=$1 PGCLIENTENCODING=$2
    psql -qc "CREATE EXTENSION refresh_mv" -c "CREATE TABLE t (id integer PRIMARY KEY)" \
        -c "CREATE MATERIALIZED VIEW \"$3\" AS SELECT id, 'x'::text AS \"$3\" FROM t" -c "SELECT refresh_mv.track()" >/dev/null
}

# Calls the report in the file $1, however long $2 allows.
make_page() {
    psql -Atqc "SET statement_timeout = '${2:-60s}'" -c "SELECT refresh_mv.report()" >"$1"
}

use_postgresql
make_database refresh_mv_latin LATIN1 $'caf\xe9 <b>\xfc</b>'
make_page "$SCRATCH/latin.html"
check_page "$SCRATCH/latin.html" 1
grep -q 'caf&#233; &lt;b&gt;&#252;&lt;/b&gt;' "$SCRATCH/latin.html" || die "a name in LATIN1 is not what it was"
make_database refresh_mv_bytes SQL_ASCII $'\xff\xc3\xa9\xc3<i>\x01'
make_page "$SCRATCH/bytes.html"
check_page "$SCRATCH/bytes.html" 1
grep -q '&#65533;&#233;&#65533;&lt;i&gt;&#9217;' "$SCRATCH/bytes.html" || die "bytes that are no text are not replaced"

unset PGCLIENTENCODING
new_database refresh_mv_report
query "CREATE TABLE t (id integer PRIMARY KEY); CREATE MATERIALIZED VIEW held AS SELECT id FROM t; CREATE MATERIALIZED VIEW free AS SELECT count(*) FROM t"
psql -Atqc "BEGIN" -c "LOCK t IN ACCESS EXCLUSIVE MODE" -c "REFRESH MATERIALIZED VIEW held" -c "SELECT pg_advisory_lock(7)" -c "SELECT pg_sleep(600)" >/dev/null 2>&1 &
await 20 "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted)"
make_page "$SCRATCH/held.html" 20s || die "the report waits for a view that is locked"
check_page "$SCRATCH/held.html" 2
grep -q 'It cannot be explained now: ' "$SCRATCH/held.html" || die "the page does not say that a view is locked"
query "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted" >/dev/null
wait

# A cancelled report is an error, not a page without advice.
query "DO \$\$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE MATERIALIZED VIEW v%s AS SELECT a.id, count(*) FROM t a JOIN t b USING (id) GROUP BY 1', i); END LOOP; END \$\$"
told=$(psql -Atqv VERBOSITY=verbose -c "SET statement_timeout = '150ms'" -c "SELECT refresh_mv.report('1 min')" 2>&1 | head -c 200 || true)
expect_like "ERROR:  57014:*" "$told" "what a cancelled report says"

# While views come and go.
psql -Atqc "DO \$\$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('DROP MATERIALIZED VIEW v%s', i); COMMIT; END LOOP; END \$\$" &
for i in 1 2 3; do
    make_page "$SCRATCH/moving.html" || die "the report fails while views are dropped"
    python3 -c "import sys, xml.etree.ElementTree as e; e.fromstring(open(sys.argv[1], encoding='ascii').read().split('\n', 1)[1])" "$SCRATCH/moving.html"
done
wait
psql -qd postgres -c "DROP DATABASE refresh_mv_latin" -c "DROP DATABASE refresh_mv_bytes"
