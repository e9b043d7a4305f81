#!/bin/bash
# An incrementally maintained view of pg_ivm does not follow an UPDATE to a value that is equal and looks different.
#
# One would expect: after UPDATE person SET name = 'Bob', a view of SELECT id, name shows Bob.
# What happens: if the column's type calls the old value and the new one equal, the view keeps the old one, for good: name
# is citext and was bob, or a numeric 1.5 became 1.50. What an update removes is balanced against what it adds, by the
# equality of the type, and nothing is left to be done. DELETE and INSERT in two statements get through. A view that
# groups by such a column keeps the look of a row that has long been deleted.
# What to do: where the look matters, let the view have name::text too; a materialized view that refresh_mv tracks
# compares the bytes.
# Version and source: Debian's postgresql-18-pg-ivm 1.17-1 (sid) with postgresql-18 18.6-3. Seen on 2026-12-01.
# Takes Debian's sid with these in its sources, the libraries that postgresql-18 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-18=18.6-3 postgresql-client-18=18.6-3 postgresql-18-pg-ivm=1.17-1
start_server 18 shared_preload_libraries=pg_ivm

sql >/dev/null 2>&1 <<'SQL'
CREATE EXTENSION pg_ivm;
CREATE EXTENSION citext;
CREATE TABLE person (id integer PRIMARY KEY, name citext, height numeric);
INSERT INTO person VALUES (1, 'bob', 1.5), (2, 'ann', 1.5);
SELECT pgivm.create_immv('people', 'SELECT id, name, height FROM person');
SELECT pgivm.create_immv('heights', 'SELECT height, count(*) AS n FROM person GROUP BY height');
UPDATE person SET name = 'Bob' WHERE id = 1;
UPDATE person SET height = 1.50;
SQL
seen "the table, after UPDATE name = 'Bob'" Bob "$(sql -c "SELECT name FROM person WHERE id = 1")"
seen "the view of it" bob "$(sql -c "SELECT name FROM people WHERE id = 1")"
seen "the heights in the table" "1.50" "$(sql -c "SELECT DISTINCT height FROM person")"
seen "the heights in the view" "1.5" "$(sql -c "SELECT DISTINCT height FROM people")"
seen "the height that it groups by" "1.5" "$(sql -c "SELECT height FROM heights")"
sql -c "DELETE FROM person WHERE id = 1" -c "INSERT INTO person VALUES (1, 'Bob', 1.5)"
seen "the view, after DELETE and INSERT" Bob "$(sql -c "SELECT name FROM people WHERE id = 1")"
