#!/bin/bash
# Tests that every SQL block of README.md and doc/ can be run, in the order in which they
# are read, as the owner of a database with the tables and views that they name; that
# links between pages lead somewhere, and that files of src/ that they name are there;
# that README.md is short; that doc/reference.md has all functions, columns and settings;
# and that the locks in doc/operations.md are those that are taken.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

PAGES=("$ROOT"/README.md "$ROOT"/CHANGELOG.md "$ROOT"/src/README.md "$ROOT"/doc/*.md)

# Creates what the documentation talks of and does not create itself.
create_tables() {
    psql -q <<'SQL'
CREATE EXTENSION pg_cron;
CREATE TABLE products (product_id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (order_id integer PRIMARY KEY, order_date date NOT NULL, location_id integer NOT NULL);
CREATE TABLE order_items (
    order_id integer REFERENCES orders, line integer, product_id integer REFERENCES products,
    quantity integer NOT NULL, price numeric NOT NULL, PRIMARY KEY (order_id, line));
CREATE TABLE stock (product_id integer PRIMARY KEY REFERENCES products, quantity integer NOT NULL);
INSERT INTO products SELECT i, 'product ' || i FROM generate_series(1, 50) i;
INSERT INTO orders SELECT i, current_date - i % 60, i % 50 FROM generate_series(1, 1000) i;
INSERT INTO order_items SELECT i, l, (i + l) % 50 + 1, l, i / 100.0
FROM generate_series(1, 1000) i, generate_series(1, 3) l;
INSERT INTO stock SELECT i, i FROM generate_series(1, 50) i;
CREATE MATERIALIZED VIEW mv_products AS
SELECT p.name, count(*) AS sold FROM products p JOIN order_items i USING (product_id) GROUP BY 1;
CREATE MATERIALIZED VIEW mv_stock AS SELECT sum(quantity) AS quantity FROM stock;
CREATE MATERIALIZED VIEW mv_slow AS SELECT count(*) AS n FROM order_items;
CREATE MATERIALIZED VIEW mv_rare AS SELECT count(*) AS n FROM products;
SQL
}

# Writes each SQL block of the file $1 to a file of its own in the folder $2, named after
# its first line, and prints their names.
extract_blocks() {
    awk -v folder="$2" -v name="${1##*/}" '
        /^```sql$/ { block = sprintf("%s/%s:%04d", folder, name, NR + 1); print block; next }
        /^```/ { block = "" }
        block != "" { print > block }' "$1"
}

# Runs all SQL blocks.
run_blocks() {
    local file block blocks=0
    mkdir "$SCRATCH/blocks"
    for file in "$ROOT/README.md" "$ROOT"/doc/*.md; do
        for block in $(extract_blocks "$file" "$SCRATCH/blocks"); do
            blocks=$((blocks + 1))
            PGOPTIONS='-c client_min_messages=warning' psql -f "$block" >"$SCRATCH/out" 2>&1 || {
                cat "$SCRATCH/out"
                die "the SQL block ${block##*/} fails"
            }
        done
    done
    echo "$blocks blocks"
    ((blocks >= 16)) || die "there should be more of them"
}

# Prints the page $1 without its blocks of code.
prose() {
    # shellcheck disable=SC2016 # no commands
    sed '/^```/,/^```/d' "$1"
}

# Prints the anchors of the page $1, as those of its headings are made.
anchors() {
    prose "$1" | sed -n 's/^##* //p' | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_ \n-' | tr ' ' '-'
}

# Prints the links of the page $1 that are not to other sites.
links() {
    prose "$1" | grep -o '](\([^()]*\))' | sed 's/^](//; s/)$//' | grep -v '^[a-z]*:' || true
}

# Fails on a link of the page $1 that leads nowhere.
check_links() {
    local link target
    for link in $(links "$1"); do
        target=$(dirname "$1")/${link%%#*}
        [[ $link != \#* ]] || target=$1
        [[ -e $target ]] || die "${1#"$ROOT/"} has a link to $link, which is not there"
        [[ $link != *\#* ]] || anchors "$target" | grep -qFx -e "${link#*#}" ||
            die "${1#"$ROOT/"} has a link to $link, where there is no such heading"
    done
}

# Fails on a file that the page $1 says is in a room of src/ and is not there.
check_files() {
    local file
    # shellcheck disable=SC2016 # no commands
    for file in $(grep -o '`[a-z_]*/[a-z_]*\.[ch]pp`' "$1" | tr -d '`'); do
        [[ -e $ROOT/src/$file ]] || die "${1#"$ROOT/"} names $file, which is not in src/"
    done
}

# Prints what users can call, select and set, one name a line.
interface() {
    query "LOAD 'refresh_mv'; WITH functions AS (
        SELECT proname, proargnames FROM pg_proc p WHERE obj_description(oid, 'pg_proc') IS NOT NULL
        AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND pronamespace IN ('refresh_mv'::regnamespace, 'public'::regnamespace)
        AND EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                    WHERE d.objid = p.oid AND d.deptype = 'e' AND e.extname = 'refresh_mv')
        AND has_function_privilege('users', oid, 'EXECUTE'))
        SELECT proname || '(' FROM functions UNION SELECT unnest(proargnames) FROM functions
        UNION SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'refresh_mv'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
        AND has_table_privilege('users', c.oid, 'SELECT')
        UNION SELECT name FROM pg_settings WHERE name LIKE 'refresh\_mv.%'"
}

# Fails unless the reference has all of that.
check_reference() {
    local name names pattern
    query 'CREATE ROLE users'
    names=$(interface)
    for name in 'track(' verdict last_duration refresh_mv.warn_after; do
        grep -qFx -e "$name" <<<"$names" || die "$name is no part of the interface"
    done
    for name in $names; do
        pattern=${name/%(/[(]}
        [[ $name == *'(' ]] || pattern+='([^a-z0-9_]|$)'
        grep -qE -e "(^|[^a-z_])$pattern" "$ROOT/doc/reference.md" || die "doc/reference.md lacks $name"
    done
}

# Prints the strongest mode in which the statement $1 locks the relation $2.
strongest_lock() {
    psql -Atq <<SQL 2>/dev/null | tail -n 1
BEGIN;
$1;
SELECT coalesce(string_agg(name, ', '), 'none') FROM (
    SELECT m.name FROM pg_locks l JOIN (VALUES
        (1, 'ACCESS EXCLUSIVE', 'AccessExclusiveLock'), (2, 'EXCLUSIVE', 'ExclusiveLock'),
        (3, 'SHARE ROW EXCLUSIVE', 'ShareRowExclusiveLock'), (4, 'SHARE', 'ShareLock'),
        (5, 'SHARE UPDATE EXCLUSIVE', 'ShareUpdateExclusiveLock'), (6, 'ROW EXCLUSIVE', 'RowExclusiveLock'),
        (7, 'ROW SHARE', 'RowShareLock'), (8, 'ACCESS SHARE', 'AccessShareLock')) m (strength, name, mode)
    USING (mode) WHERE l.pid = pg_backend_pid() AND l.relation = '$2'::regclass ORDER BY strength LIMIT 1) m;
SQL
}

# Prints whether the statement $1 takes the refresh lock of a view.
takes_refresh_lock() {
    psql -Atq <<SQL 2>/dev/null | tail -n 1
BEGIN;
$1;
SELECT CASE WHEN count(*) > 0 THEN 'yes' ELSE 'no' END FROM pg_locks l JOIN pg_class c ON c.oid = l.objid
WHERE pid = pg_backend_pid() AND locktype = 'object' AND classid = 'pg_class'::regclass AND mode = 'ExclusiveLock'
  AND c.relkind = 'm';
SQL
}

# Fails unless doc/operations.md has a row for the call $1 that begins with the locks that
# the statement $2 takes on the view v, on the table t, and for the refresh.
check_locks() {
    local row cells view table refresh
    row=$(grep -F -e "\`$1\`" "$ROOT/doc/operations.md" | grep -E '^\|.*\| (yes|no)[ ;]' | tr -d '`') ||
        die "doc/operations.md has no locks of $1"
    IFS='|' read -ra cells <<<"$row"
    view=$(strongest_lock "$2" v) || die "$2 fails"
    table=$(strongest_lock "$2" t)
    refresh=$(takes_refresh_lock "$2")
    expect_like " ${view}[; ]*" "${cells[2]}" "the lock on the view by $1, as documented,"
    expect_like " ${table}[; ]*" "${cells[3]}" "the lock on the table by $1, as documented,"
    expect_like " ${refresh}[; ]*" "${cells[4]}" "the refresh lock by $1, as documented,"
}

# The same for all calls that can be made in a transaction.
check_all_locks() {
    query "CREATE TABLE t (id integer PRIMARY KEY, d date NOT NULL);
           INSERT INTO t SELECT i, current_date - i FROM generate_series(1, 9) i;
           CREATE MATERIALIZED VIEW v AS SELECT d, count(*) AS n FROM t GROUP BY d"
    check_locks 'track()' "SELECT refresh_mv.track('v')"
    psql -qc "SELECT refresh_mv.track('v')" -c "SELECT refresh_materialized_views_smart('{v}')" >/dev/null 2>&1
    query "INSERT INTO t VALUES (10, current_date)"
    check_locks 'refresh_materialized_views_smart()' "SELECT refresh_materialized_views_smart('{v}')"
    check_locks 'refresh_materialized_views()' "SELECT refresh_materialized_views(views => '{v}')"
    check_locks 'REFRESH' "LOAD 'refresh_mv'; SET refresh_mv.take_over = on; REFRESH MATERIALIZED VIEW v"
    check_locks 'refresh_where()' "SELECT refresh_mv.refresh_where('v', 'd = current_date')"
    check_locks 'configure()' "SELECT refresh_mv.configure('v', window_days => 3)"
    check_locks 'replace_query()' "SELECT refresh_mv.replace_query('v', 'SELECT d, count(*) AS n FROM t GROUP BY d')"
    psql -qc "SELECT refresh_mv.configure('v', feed_keep => '1 day')" >/dev/null
    check_locks 'feed()' "SELECT * FROM refresh_mv.feed('v')"
    check_locks 'verify()' "SELECT refresh_mv.verify('v')"
    check_locks 'explain()' "SELECT refresh_mv.explain('v')"
    check_locks 'report()' "SELECT refresh_mv.report()"
    check_locks 'advise()' "SELECT refresh_mv.advise()"
    check_locks 'changes()' "SELECT refresh_mv.changes('v', 't')"
    check_locks 'data_through()' "SELECT refresh_mv.data_through('v')"
    check_locks 'status' "SELECT data_through, total_bytes FROM refresh_mv.status"
    check_locks 'freshness' "SELECT * FROM refresh_mv.freshness"
    check_locks 'history' "SELECT * FROM refresh_mv.history"
    check_locks 'dependencies' "SELECT * FROM refresh_mv.dependencies"
    check_locks 'graph()' "SELECT refresh_mv.graph()"
    check_locks 'publications()' "SELECT * FROM refresh_mv.publications()"
    check_locks 'schedule()' "SELECT refresh_mv.schedule()"
    check_locks 'unschedule()' "SELECT refresh_mv.unschedule()"
    check_locks 'untrack()' "SELECT refresh_mv.untrack('v')"
}

for page in "${PAGES[@]}"; do
    check_links "$page"
    check_files "$page"
done
lines=$(wc -l <"$ROOT/README.md")
((lines <= 150)) || die "README.md has $lines lines, more than 150"

use_postgresql
need_extension pg_cron
start_server "shared_preload_libraries = 'pg_cron'" "cron.database_name = 'postgres'"
create_tables
run_blocks
expect "" "$(query 'CALL refresh_mv.verify_all()' 2>&1 | grep -v "is correct" || true)" "what verify_all() has to say"
check_reference
check_all_locks
