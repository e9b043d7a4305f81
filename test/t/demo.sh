#!/bin/bash
# Tests the demo's programs: what demo/ingest loads and refuses, and that the
# views are right after each refresh.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"

# The orders' file in an export, and in its records the names of the order's id
# and location, by source.
declare -A orders_file=([toast]=toast_pos_export.json [doordash]=doordash_orders.json
    [square]=square/orders.json)
declare -A id_field=([toast]=guid [doordash]=order_id [square]=id)
declare -A location_field=([toast]=locationCode [doordash]=store_id [square]=location_id)

# Runs demo/ingest; its output is in $SCRATCH/out and $SCRATCH/err. Fails
# unless its exit status is $1.
ingest() {
    local expected=$1 status=0
    shift
    echo "ingest $*"
    "$ROOT/demo/ingest" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
    ((status == expected)) || {
        cat "$SCRATCH/out" "$SCRATCH/err"
        die "exit status $status instead of $expected"
    }
}

# Prints the date $1 days ago.
day() {
    date -d "12:00 $today $1 days ago" +%F
}

# Creates the exports of $2 orders of the day $1 days ago in $SCRATCH/$1.
generate() {
    "$ROOT/demo/generate" "$SCRATCH/$1" --orders "$2" --days 1 --until "$(day "$1")" >/dev/null
}

# Prints a query's result, unaligned.
query() {
    psql -Atqc "$1"
}

# Prints how many rows each table has of each source.
loaded() {
    query "SELECT 'location', count(*) FROM unified_locations
        UNION ALL SELECT 'category', count(*) FROM unified_categories
        UNION ALL SELECT 'product ' || source_system, count(*) FROM unified_products GROUP BY 1
        UNION ALL SELECT 'order ' || source_system, count(*) FROM unified_orders GROUP BY 1
        UNION ALL SELECT 'item ' || source_system, count(*)
            FROM unified_order_items JOIN unified_orders USING (order_id) GROUP BY 1
        UNION ALL SELECT 'payment ' || source_system, count(*)
            FROM unified_payments JOIN unified_orders USING (order_id) GROUP BY 1
        ORDER BY 1"
}

# Prints the contents of every view.
views() {
    local view
    for view in $(query "SELECT oid::regclass FROM pg_class WHERE relkind = 'm' ORDER BY 1"); do
        echo "$view"
        query "SELECT v FROM $view AS v ORDER BY v::text"
    done
}

# Fails unless the files $1 and $2 are the same; $3 says what that would show.
expect_same() {
    diff "$1" "$2" || die "not so: $3"
}

# Fails unless the file $1 has a line that starts with $2.
expect_line() {
    local line
    while read -r line; do
        [[ $line != "$2"* ]] || return 0
    done <"$1"
    cat "$1"
    die "no line above starts with: $2"
}

# Fails unless the last ingest has refreshed, and every view has just the rows
# that its query gives.
expect_fresh_views() {
    expect_line "$SCRATCH/out" "refresh: done"
    compare_views -At -F ' ' >"$SCRATCH/compared"
    awk '{ wrong += $3 + $4 } END { exit wrong > 0 || NR == 0 }' "$SCRATCH/compared" || {
        cat "$SCRATCH/compared"
        die "views differ from their queries"
    }
}

# Fails unless a view has not just the rows that its query gives.
expect_stale_views() {
    compare_views -At -F ' ' | awk '{ wrong += $3 + $4 } END { exit wrong == 0 }' ||
        die "no view differs from its query"
}

# Changes the orders' file of source $2 in the export $1 for the worse: the
# second order is at an unknown location or has the id of the first or (Toast's)
# a total beyond the column's range, or the file is cut short, as $3 says. Prints the first two orders' ids.
spoil() {
    python3 - "$SCRATCH/$1/${orders_file[$2]}" "${id_field[$2]}" "${location_field[$2]}" "$3" <<'EOF'
import json, sys
path, id_field, location_field, how = sys.argv[1:]
text = open(path).read()
document = json.loads(text)
first, second = document["orders"][:2]
print(first[id_field], second[id_field])
if how == "unknown":
    second[location_field] = "XXX-99"
elif how == "duplicate":
    second[id_field] = first[id_field]
elif how == "huge":
    second["checks"] = [check | {"totalAmount": 2**31 - 1} for check in second["checks"] * 2]
with open(path, "w") as file:
    file.write(text[:len(text) // 2] if how == "cut" else json.dumps(document))
EOF
}

# Fails unless the export $1 of source $2, given on its own, is refused with a
# line that starts with the orders' file's name and then $3, and nothing
# changes in tables and views.
expect_refusal() {
    local file=$SCRATCH/$1/${orders_file[$2]} path
    path=$file
    [[ $2 != square ]] || path=${file%/*}
    loaded >"$SCRATCH/loaded"
    views >"$SCRATCH/views"
    ingest 1 "--$2" "$path"
    expect_line "$SCRATCH/err" "$file: $3"
    expect_line "$SCRATCH/err" "$2: nothing loaded"
    expect_same "$SCRATCH/loaded" <(loaded) "nothing of a refused file is loaded"
    expect_same "$SCRATCH/views" <(views) "a refused file changes no view"
}

# What only the database refuses is not loaded in part: no location, no product.
test_database_error() {
    generate 8 30
    spoil 8 toast huge >/dev/null
    expect_refusal 8 toast ""
}

# Good exports are loaded, of all sources and of one, and the views follow.
test_good_exports() {
    generate 7 300
    ingest 0 --all --dir "$SCRATCH/7"
    expect_fresh_views
    [[ $(query "SELECT count(*) FROM unified_orders") == 300 ]] || die "not all 300 orders are there"
    generate 6 50
    ingest 0 --all --dir "$SCRATCH/6"
    expect_fresh_views
    generate 5 20
    ingest 0 --doordash "$SCRATCH/5/doordash_orders.json"
    expect_fresh_views
}

# Every kind of bad file is refused, whatever the source.
test_bad_files() {
    local source first second
    for source in toast doordash square; do
        generate 4 30
        read -r first second < <(spoil 4 "$source" unknown)
        expect_refusal 4 "$source" "order 2 (id $second): unknown location \"XXX-99\""
        generate 4 30
        read -r first second < <(spoil 4 "$source" duplicate)
        expect_refusal 4 "$source" "order 2 (id $first): duplicate order id in the file"
        generate 4 30
        spoil 4 "$source" cut >/dev/null
        expect_refusal 4 "$source" "not valid JSON: "
        read -r first second < <(spoil 7 "$source" nothing)
        expect_refusal 7 "$source" "order 2 (id $second): already in the database"
    done
    expect_refusal none toast "No such file"
}

# A bad file keeps its own source out, and not the other ones.
test_one_bad_file_of_three() {
    generate 3 40
    spoil 3 toast cut >/dev/null
    ingest 1 --all --dir "$SCRATCH/3"
    expect_line "$SCRATCH/err" "toast: nothing loaded"
    expect_fresh_views
    [[ $(query "SELECT DISTINCT source_system FROM unified_orders WHERE order_date = '$(day 3)'
        ORDER BY 1") == $'doordash\nsquare' ]] || die "not just the good sources were loaded"
}

# With --skip-refresh the views stay behind, until the next ingest.
test_skip_refresh() {
    views >"$SCRATCH/views"
    generate 2 40
    ingest 0 --all --dir "$SCRATCH/2" --skip-refresh
    [[ $(query "SELECT count(*) FROM unified_orders WHERE order_date = '$(day 2)'") == 40 ]] ||
        die "not all 40 orders are there"
    expect_same "$SCRATCH/views" <(views) "--skip-refresh leaves the views alone"
    expect_stale_views
    generate 1 10
    ingest 0 --all --dir "$SCRATCH/1"
    expect_fresh_views
}

# When today's orders follow yesterday's, not every view is refreshed in full.
test_daily_exports() {
    generate 0 40
    ingest 0 --all --dir "$SCRATCH/0"
    expect_fresh_views
    ! grep -q '^refresh: done (full)' "$SCRATCH/out" || die "all views were refreshed in full"
}

today=$(date +%F)
createdb demo_test
export PGDATABASE=demo_test
psql -q -f "$ROOT/demo/schema.sql" -f "$ROOT/demo/indexes.sql" \
    -f "$ROOT/demo/views.sql" -c 'CREATE EXTENSION refresh_mv'
test_database_error
test_good_exports
test_bad_files
test_one_bad_file_of_three
test_skip_refresh
test_daily_exports
