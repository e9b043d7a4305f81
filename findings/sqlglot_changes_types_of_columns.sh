#!/bin/bash
# sqlglot, from PostgreSQL to PostgreSQL, makes columns of other types, and a column of a quoted word.
#
# One would expect: parsed as PostgreSQL's dialect and printed in the same, a query is the same query; at least its columns have
# the types that they had, since a view cannot be replaced by one with others.
# What happens: date_part('year', d), of double precision, is printed as EXTRACT(YEAR FROM d), which has been numeric since
# PostgreSQL 14: CREATE OR REPLACE VIEW refuses it, and what divides by it gives other digits. current_timestamp(3) loses its
# precision. And date_bin('15 min', d, 'epoch') becomes DATE_BIN('15 min', d, EPOCH), with a column that is not there.
# What to do: where a tool that is built on sqlglot writes the views, compare the columns' types before and after.
# Version and source: Debian's python3-sqlglot 30.24.0-1 (sid), on postgresql-18 18.6-3. Seen on 2026-12-01.
# Takes Debian's sid with these in its sources, python3, the libraries that postgresql-18 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-18=18.6-3 postgresql-client-18=18.6-3 python3-sqlglot=30.24.0-1
start_server 18

# Prints the query $1 as sqlglot does.
print() {
    PYTHONPATH=$PWD/root/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1 python3 -c \
        "import sys, sqlglot; print(sqlglot.transpile(sys.argv[1], read='postgres', write='postgres')[0])" "$1"
}
sql -c "CREATE TABLE t (d timestamptz)" -c "INSERT INTO t VALUES ('2026-12-01 12:07+00')"

query="SELECT date_part('year', d) / 7 AS y FROM t"
printed=$(print "$query")
seen "date_part() is printed as" "SELECT EXTRACT(YEAR FROM d) / 7 AS y FROM t" "$printed"
seen "divided by seven" 289.42857142857144 "$(sql -c "$query")"
seen "divided by seven, as printed" 289.4285714285714286 "$(sql -c "$printed")"
sql -c "CREATE VIEW v AS $query"
seen "CREATE OR REPLACE VIEW" 'ERROR:  cannot change data type of view column "y" from double precision to numeric' \
    "$(sql -c "CREATE OR REPLACE VIEW v AS $printed" 2>&1 | head -n 1)"
seen "current_timestamp(3) is printed as" "SELECT CURRENT_TIMESTAMP AS now" "$(print "SELECT current_timestamp(3) AS now")"
query="SELECT date_bin('15 min', d, 'epoch') AS b FROM t"
seen "rows by quarters of an hour" 1 "$(sql -c "$query" | wc -l)"
seen "as printed" 'ERROR:  column "epoch" does not exist' "$(sql -c "$(print "$query")" 2>&1 | head -n 1)"
