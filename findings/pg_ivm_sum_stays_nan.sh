#!/bin/bash
# One NaN that was corrected at once leaves an incrementally maintained sum of pg_ivm NaN for ever.
#
# One would expect: sums of numeric are exact under incremental maintenance. The documentation warns of real and
# double precision, whose sums may come to differ in the last digits, and advises numeric instead.
# What happens: numeric has NaN too, and Infinity since PostgreSQL 14. pg_ivm takes the old value from the sum and adds
# the new one, and NaN - NaN is NaN: after one row was NaN for a moment, sum and avg of its group are NaN, whatever
# comes, until refresh_immv() or until the group loses its last row.
# What to do: CHECK (v <> 'NaN' AND abs(v) <> 'Infinity') on the source's column, if such views are made of it.
# Version and source: Debian's postgresql-18-pg-ivm 1.17-1 (sid) with postgresql-18 18.6-3. Seen on 2026-12-01.
# Takes Debian's sid with these in its sources, the libraries that postgresql-18 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-18=18.6-3 postgresql-client-18=18.6-3 postgresql-18-pg-ivm=1.17-1
start_server 18 shared_preload_libraries=pg_ivm

sql >/dev/null 2>&1 <<'SQL'
CREATE EXTENSION pg_ivm;
CREATE TABLE reading (id integer PRIMARY KEY, sensor integer, value numeric);
INSERT INTO reading VALUES (1, 1, 1.5), (2, 1, 2.5);
SELECT pgivm.create_immv('totals', 'SELECT sensor, sum(value) AS s, avg(value) AS a FROM reading GROUP BY sensor');
UPDATE reading SET value = 'NaN' WHERE id = 1;
UPDATE reading SET value = 1.5 WHERE id = 1;
SQL
seen "the sum of the rows, corrected" 4.0 "$(sql -c "SELECT sum(value) FROM reading")"
seen "sum and avg in the view" "NaN|NaN" "$(sql -c "SELECT s, a FROM totals")"
sql -c "DELETE FROM reading WHERE id = 1"
seen "without that row" "NaN|NaN" "$(sql -c "SELECT s, a FROM totals")"
sql -c "SELECT pgivm.refresh_immv('totals', true)" >/dev/null
seen "after refresh_immv()" "2.5" "$(sql -c "SELECT s FROM totals")"
