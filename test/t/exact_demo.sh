#!/bin/bash
# Tests that the demo's eight views are refreshed by delta, and rightly: after new
# orders with their items and payments, after updates of many orders, after everything
# at once (orders moved, voided and deleted, items and payments changed and deleted, a
# product and a location renamed, a category removed), and after that again.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Runs psql quietly.
quiet() {
    psql -qAtX -v ON_ERROR_STOP=1 "$@" >/dev/null 2>"$SCRATCH/err" || die "psql $*: $(cat "$SCRATCH/err")"
}

# Refreshes all views and fails unless that took the methods $1, such as "4 delta, 4 skip", and each
# holds what its query gives; $2 names the case.
check() {
    quiet -c 'SELECT * FROM refresh_materialized_views_smart()'
    expect "$1" "$(query "SELECT string_agg(format('%s %s', n, method), ', ' ORDER BY method) FROM
        (SELECT method, count(*) AS n FROM refresh_mv.history
         WHERE run = (SELECT max(run) FROM refresh_mv.history) GROUP BY method) AS m")" "$2: the methods"
    expect "" "$(compare_views -At | awk -F '|' '$3 + $4 > 0')" "$2: wrong views"
    echo "$2: $1"
}

new_database refresh_mv_exact_demo
quiet -c 'DROP EXTENSION refresh_mv'
quiet -v orders=8000 -v days=60 -f "$ROOT/bench/load.sql"
quiet -f "$ROOT/demo/views.sql"
# Small tables are cheaper to read whole.
quiet -c 'CREATE EXTENSION refresh_mv' -c 'SELECT refresh_mv.track()' \
    -c "ALTER DATABASE refresh_mv_exact_demo SET refresh_mv.exact_cost_limit = 1e9"
check "8 full" "the first refresh"
quiet -v n=300 -f "$ROOT/bench/ingest.sql"
check "8 delta" "new orders"
quiet -v n=200 -f "$ROOT/bench/update.sql"
# Four views read neither tips nor totals.
check "4 delta, 4 skip" "updated orders"
for i in 1 2; do
    quiet <<SQL
BEGIN;
UPDATE unified_locations SET name = name || ' $i' WHERE location_id = 5 + $i;
UPDATE unified_products SET name = upper(name) || '$i' WHERE product_id % 50 = $i;
UPDATE unified_products SET category_id = NULL WHERE category_id = $i;
UPDATE unified_orders SET location_id = 1 + location_id % 40 WHERE order_id % 97 = $i;
UPDATE unified_orders SET voided = NOT voided WHERE order_id % 89 = $i;
UPDATE unified_order_items SET quantity = quantity + 1, total_price_cents = total_price_cents * 2 WHERE item_id % 101 = $i;
UPDATE unified_payments SET tip_cents = 0, payment_type = 'cash' WHERE payment_id % 103 = $i;
DELETE FROM unified_payments WHERE order_id % 107 = $i;
DELETE FROM unified_order_items WHERE order_id % 107 = $i;
DELETE FROM unified_orders WHERE order_id % 107 = $i;
DELETE FROM unified_payments WHERE payment_id = (SELECT payment_id FROM unified_payments ORDER BY amount_cents DESC LIMIT 1);
COMMIT;
SQL
    quiet -v n=100 -f "$ROOT/bench/ingest.sql"
    check "8 delta" "everything at once, $i"
done
check '8 skip' "nothing"
