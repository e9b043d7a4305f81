#!/bin/bash
# Tests that every SQL block of README.md and doc/ can be run, in the order in which they
# are read, as the owner of a database with the tables and views that they name.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Creates what the documentation talks of.
create_tables() {
    psql -q <<'SQL'
CREATE EXTENSION pg_cron;
CREATE EXTENSION refresh_mv;
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
CREATE MATERIALIZED VIEW mv_daily_sales AS
SELECT o.order_date, o.location_id, sum(i.quantity * i.price) AS sales
FROM orders o JOIN order_items i USING (order_id) GROUP BY 1, 2;
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

use_postgresql
need_extension pg_cron
start_server "shared_preload_libraries = 'pg_cron'" "cron.database_name = 'postgres'"
create_tables
mkdir "$SCRATCH/blocks"
blocks=0
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
((blocks >= 12)) || die "there should be more of them"
expect "" "$(query 'CALL refresh_mv.verify_all()' 2>&1 | grep -v "is correct" || true)" "what verify_all() has to say"
