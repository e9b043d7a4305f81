#!/bin/bash
# Tests that a long queue of changes stays cheap: the changes of 200,000
# statements, a row each, are netted and purged in a moment, and netted exactly.
# Prints what each step takes; none may take more than 2 seconds.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Runs a statement, and prints what it takes; $1 names it, $2 is what it prints,
# $3 the statement.
within_limit() {
    local output milliseconds
    output=$(psql -Atq -c '\timing on' -c "$3")
    milliseconds=$(sed -nE 's/^Time: ([0-9]+).*/\1/p' <<<"$output")
    printf '%6d ms  %s\n' "$milliseconds" "$1"
    expect "$2" "$(grep -v '^Time: ' <<<"$output")" "$1"
    ((milliseconds <= 2000)) || die "$1 takes $milliseconds ms"
}

# Makes a table with the key column $1 and a view of it, and queues the changes:
# of 100,000 rows most are changed several times, by one row a statement.
queue_changes() {
    psql -q <<SQL
DROP TABLE IF EXISTS rows, rows_before CASCADE;
CREATE TABLE rows (id integer, name text, n integer, PRIMARY KEY ($1));
CREATE INDEX ON rows (id);
INSERT INTO rows SELECT i, 'row ' || i, 0 FROM generate_series(1, 100000) AS i;
ANALYZE rows;
CREATE MATERIALIZED VIEW v AS TABLE rows;
SELECT tracked FROM refresh_mv.track('v') \g /dev/null
SELECT success FROM refresh_materialized_views_smart('{v}') \g /dev/null
CREATE TABLE rows_before AS TABLE rows;
DO \$\$
DECLARE
    any_id integer;
BEGIN
    PERFORM setseed(0.5);
    FOR i IN 1 .. 200000 LOOP
        any_id := 1 + (random() * 99999)::integer;
        CASE i % 10
            WHEN 0 THEN INSERT INTO rows VALUES (100000 + i, 'row ' || 100000 + i, i);
            WHEN 1 THEN DELETE FROM rows WHERE id = i / 2;
            WHEN 2 THEN UPDATE rows SET n = i WHERE id = 100000 + i - 2;
            ELSE UPDATE rows SET n = i WHERE id = any_id;
        END CASE;
        IF i % 10 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END \$\$;
SQL
}

# Prints the number of rows in which changes() differs from what a comparison of
# the tables gives; $1 is the key column.
wrong_changes() {
    query "WITH found AS (SELECT key, old_row FROM refresh_mv.changes('v', 'rows')),
        truth AS (SELECT ROW(o.$1)::text AS key, o::text AS old_row
                 FROM rows_before o LEFT JOIN rows r USING (id)
                 WHERE (r.id, r.name, r.n) IS DISTINCT FROM (o.id, o.name, o.n)
                 UNION ALL SELECT ROW($1)::text, NULL FROM rows WHERE id > 100000)
        SELECT count(*) FROM ((TABLE found EXCEPT ALL TABLE truth) UNION ALL
                              (TABLE truth EXCEPT ALL TABLE found)) AS d"
}

# Tests a queue of changes of a table with the key column $1.
test_queue() {
    local changed
    queue_changes "$1"
    echo "Key column $1:"
    changed=$(query "SELECT count(*) FROM rows_before o FULL JOIN rows r USING (id)
        WHERE (r.id, r.name, r.n) IS DISTINCT FROM (o.id, o.name, o.n)")
    expect "$(query "SELECT sum(records) FROM refresh_mv.log")" \
        "$(query "SELECT pending_changes FROM refresh_mv.status WHERE name = 'v'")" "the number of changes"
    within_limit "counting the changes in the log" t \
        "SELECT pending_changes > 150000 FROM refresh_mv.status WHERE name = 'v'"
    within_limit "netting them" "$changed" "SELECT count(*) FROM refresh_mv.changes('v', 'rows')"
    expect 0 "$(wrong_changes "$1")" "the number of wrong changes"
    within_limit "a full refresh" t "SELECT success FROM refresh_materialized_views_smart('{v}')"
    await 30 "SELECT success AND NOT EXISTS (SELECT FROM refresh_mv.log)
        FROM refresh_materialized_views_smart('{v}')" "the log is empty"
    query "SELECT '   ' || (extract(epoch FROM max(duration)) * 1000)::integer || ' ms  purging the log'
        FROM refresh_mv.history WHERE view = 'public.v' AND method = 'skip'"
    within_limit "a refresh without changes" t "SELECT success FROM refresh_materialized_views_smart('{v}')"
    compare_views -At | awk -F '|' '{ wrong += $3 + $4 } END { exit wrong > 0 }' || die "wrong rows"
}

new_database refresh_mv_queue
export PGOPTIONS="-c client_min_messages=warning"
test_queue id
test_queue name
