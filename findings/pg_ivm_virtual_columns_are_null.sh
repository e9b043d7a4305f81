#!/bin/bash
# An incrementally maintained view of pg_ivm shows NULL for the virtual generated columns of new rows.
#
# One would expect: a column GENERATED ALWAYS AS (...) reads like any other, be it stored or virtual; virtual is the
# default since PostgreSQL 18. A view over it is either right or refused.
# What happens: create_immv() accepts it and fills the view with the right values. Rows that are inserted later have NULL in
# it, for the trigger's transition table holds no value that is computed on reading; a sum leaves them out without
# a word. A view that shows the column and has a key then makes UPDATE on the table fail, with an internal error.
# What to do: STORED, or the expression itself in the view's query.
# Version and source: Debian's postgresql-18-pg-ivm 1.17-1 (sid) with postgresql-18 18.6-3. Seen on 2026-12-01.
# Takes Debian's sid with these in its sources, the libraries that postgresql-18 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-18=18.6-3 postgresql-client-18=18.6-3 postgresql-18-pg-ivm=1.17-1
start_server 18 shared_preload_libraries=pg_ivm

sql >/dev/null 2>&1 <<'SQL'
CREATE EXTENSION pg_ivm;
CREATE TABLE item (id integer PRIMARY KEY, price integer, twice integer GENERATED ALWAYS AS (price * 2));
INSERT INTO item VALUES (1, 10);
SELECT pgivm.create_immv('total', 'SELECT sum(twice) AS s, sum(price) AS p FROM item');
SELECT pgivm.create_immv('items', 'SELECT id, twice FROM item');
INSERT INTO item VALUES (2, 20);
SQL
seen "the sum of the table" 60 "$(sql -c "SELECT sum(twice) FROM item")"
seen "the sum in the view, and of the other column" "20|30" "$(sql -c "SELECT s, p FROM total")"
seen "the new row in the other view" "2|" "$(sql -c "SELECT id, twice FROM items WHERE id = 2")"
seen "UPDATE" "ERROR:  unexpected virtual generated column reference" \
    "$(sql -c "UPDATE item SET price = 11 WHERE id = 1" 2>&1 | head -n 1)"
