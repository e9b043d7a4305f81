#!/bin/bash
# pgsql-ast-parser gives a query other numbers than it was given: bigint keys are rounded, digits behind the point fall off.
#
# One would expect: a parser of SQL that can print its tree prints the constants as they were. PostgreSQL has bigint and
# numeric, where each digit counts, and 1.10 is not 1.1 when it is shown.
# What happens: each number becomes a double. id = 9007199254740993 is printed as id = 9007199254740992, another row's key;
# the largest bigint as one that is out of range; 1.10 as 1.1, so that a column computed of it has another scale; 0.1 with 20
# digits as one with 17; and a long numeric as 1.2345678901234568e+22. with a point behind the exponent, which is no number.
# pg-mem, which runs tests of applications without a server, reads its SQL by this parser: SELECT gives the other number.
# What to do: pass such constants as parameters or as quoted text: '9007199254740993'::bigint.
# Version and source: npm's pgsql-ast-parser 12.0.2 and pg-mem 3.0.14. Seen on 2026-12-01.
# Takes node and npm.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

npm_packages pgsql-ast-parser@12.0.2 pg-mem@3.0.14
cat >print.mjs <<'JS'
import { parseFirst, toSql } from 'pgsql-ast-parser';
process.stdout.write(toSql.statement(parseFirst('SELECT ' + process.argv[2])).replace(/[\s()]+/g, ' ').trim());
JS
cat >select.mjs <<'JS'
import { newDb } from 'pg-mem';
process.stdout.write(String(newDb().public.one('SELECT ' + process.argv[2] + ' AS x').x));
JS
for pair in "9007199254740993 9007199254740992" "9223372036854775807 9223372036854776000" "1.10 1.1" \
    "0.12345678901234567890 0.12345678901234568" "12345678901234567890123.4 1.2345678901234568e+22."; do
    seen "${pair% *} is printed as" "SELECT ${pair#* }" "$(node print.mjs "${pair% *}")"
done
seen "9007199254740993, selected in pg-mem" 9007199254740992 "$(node select.mjs 9007199254740993)"
