#!/bin/bash
# A query that pgsql-parser has parsed and printed again has lost WITH TIES, and DISTINCT of GROUP BY.
#
# One would expect: parse() is PostgreSQL's own parser, and what deparse() prints of its tree is the same query; tools
# that rename, format or copy views and functions rely upon that, and two round trips would not show a difference.
# What happens: FETCH FIRST 2 ROWS WITH TIES is printed as LIMIT 2, and GROUP BY DISTINCT ROLLUP (...), CUBE (...) without
# DISTINCT. Both are valid and give other rows: those that tie with the last are missing, groups come more than once.
# (ARRAY[1, 2])[1] is printed without its parentheses, which no server takes.
# What to do: compare pg_get_viewdef() of the view as it was with that of the one printed.
# Version and source: npm's pgsql-parser 18.2.8, which takes pgsql-deparser 18.3.8; the rows are of Debian's postgresql-15
# 15.18-0+deb12u1. Seen on 2026-12-01.
# Takes node and npm, Debian 12 with that in its sources, the libraries that it depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

npm_packages pgsql-parser@18.2.8 pgsql-deparser@18.3.8
debian_packages postgresql-15=15.18-0+deb12u1 postgresql-client-15=15.18-0+deb12u1
start_server 15

cat >print.mjs <<'JS'
import { parse, deparse } from 'pgsql-parser';
process.stdout.write((await deparse(await parse(process.argv[2]))).replace(/\s+/g, ' '));
JS
sql -c "CREATE TABLE game (player text, points integer)" \
    -c "INSERT INTO game VALUES ('a', 3), ('b', 2), ('c', 2), ('d', 1)"

# How many rows the query $1 returns.
rows() {
    sql -c "SELECT count(*) FROM ($1) AS q"
}
query="SELECT * FROM game ORDER BY points DESC FETCH FIRST 2 ROWS WITH TIES"
printed=$(node print.mjs "$query")
seen "first two, with ties, is printed as" "SELECT * FROM game ORDER BY points DESC LIMIT 2" "$printed"
seen "rows, and rows of what is printed" "3 2" "$(rows "$query") $(rows "$printed")"

query="SELECT player, count(*) FROM game GROUP BY DISTINCT ROLLUP (player), CUBE (player)"
printed=$(node print.mjs "$query")
seen "GROUP BY DISTINCT is printed as" "SELECT player, count(*) FROM game GROUP BY ROLLUP (player), CUBE (player)" "$printed"
seen "rows, and rows of what is printed" "5 13" "$(rows "$query") $(rows "$printed")"
seen "an element of an array" "SELECT ARRAY[1, 2][1]" "$(node print.mjs "SELECT (ARRAY[1, 2])[1]")"
