#!/bin/bash
# Tests views over incrementally maintained views (IMMVs) of pg_ivm, whose
# refresh_immv() exchanges the table's file: no trigger and no event tells of it.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Refreshes the view, and prints by which method; fails if it is wrong then.
refresh() {
    query "SET client_min_messages = warning; SELECT FROM refresh_materialized_views_smart()"
    expect "" "$(wrong_views)" "what is wrong"
    query "SELECT method FROM refresh_mv.history ORDER BY started DESC LIMIT 1"
}

: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}"
use_postgresql
need_extension pg_ivm
new_database refresh_mv_ivm
psql -q <<'SQL'
CREATE EXTENSION pg_ivm;
CREATE TABLE base (id integer PRIMARY KEY, g integer NOT NULL, n integer);
INSERT INTO base SELECT i, i % 5, i FROM generate_series(1, 100) AS i;
SELECT pgivm.create_immv('immv', 'SELECT id, g, n FROM base');
ALTER TABLE immv ADD PRIMARY KEY (id);
CREATE MATERIALIZED VIEW of_immv AS SELECT g, count(*) AS c, sum(n) AS s FROM immv GROUP BY g;
SELECT * FROM refresh_mv.track('of_immv');
ALTER DATABASE refresh_mv_ivm SET refresh_mv.exact_cost_limit = 1e9;
SQL

expect full "$(refresh)" "the first refresh"
expect skip "$(refresh)" "a refresh of nothing"
# Maintained at once, by ordinary statements.
query "UPDATE base SET n = n + 1 WHERE id < 10; DELETE FROM base WHERE id > 90"
expect delta "$(refresh)" "a refresh after changes"
# Not maintained for a while, then filled anew.
query "SELECT FROM pgivm.refresh_immv('immv', false)"
expect full "$(refresh)" "a refresh of no rows"
expect 0 "$(query "SELECT count(*) FROM of_immv")" "the number of groups of nothing"
query "INSERT INTO base SELECT i, i % 5, i FROM generate_series(101, 200) AS i"
expect skip "$(refresh)" "a refresh while nothing is maintained"
query "SELECT FROM pgivm.refresh_immv('immv', true)"
expect full "$(refresh)" "a refresh after the contents were exchanged"
expect 5 "$(query "SELECT count(*) FROM of_immv")" "the number of groups"
query "UPDATE base SET n = n + 1 WHERE id < 10"
expect delta "$(refresh)" "a refresh after changes again"
# In one transaction with changes before and after it.
query "BEGIN; INSERT INTO base VALUES (1000, 1, 1); SELECT FROM pgivm.refresh_immv('immv', true);
    DELETE FROM base WHERE id = 101; COMMIT"
expect full "$(refresh)" "a refresh after all at once"
expect skip "$(refresh)" "a refresh of nothing again"
