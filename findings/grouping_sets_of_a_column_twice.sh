#!/bin/bash
# A view that groups by one column under two names, in two grouping sets, is dumped as another view.
#
# One would expect: what pg_get_viewdef() prints of a view, and pg_dump writes, makes the same view again.
# What happens: SELECT k AS a, k AS b, count(*) FROM t GROUP BY GROUPING SETS ((1), (2)) numbers its two columns
# apart, and its rows have a NULL in the one that their set does not name. The definition is printed with the
# column in the place of both numbers. Parsed again, there is one grouping column and not two, both
# sets are the same, and no row has a NULL. So a dump and restore changes what the view returns, without a word.
# Version and source: PostgreSQL 15.18, Debian's postgresql-15 15.18-0+deb12u1 (bookworm). Seen
# on 2026-11-30; 18 prints the same.
# Takes Debian 12, the libraries that postgresql-15 depends on, and, as root, setpriv;
# installs nothing.
set -euo pipefail
SERVER=15.18-0+deb12u1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .

apt-get -q -o APT::Sandbox::User=root download "postgresql-15=$SERVER" >/dev/null
dpkg-deb -x ./*.deb server

# Runs a command as somebody who may run PostgreSQL.
as_nobody() {
    if [[ $(id -u) -eq 0 ]]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi
}

bin=$folder/server/usr/lib/postgresql/15/bin
mkdir data
[[ $(id -u) -ne 0 ]] || chown nobody data
as_nobody "$bin/initdb" -D data -N -A trust -U postgres --locale=C >initdb.log 2>&1 || { cat initdb.log; exit 1; }
as_nobody "$bin/postgres" --version
as_nobody "$bin/postgres" --single -D data postgres >out.log 2>&1 <<'EOF'
CREATE TABLE t AS SELECT generate_series(1, 3) AS k
CREATE VIEW first AS SELECT k AS a, k AS b, count(*) AS n FROM t GROUP BY GROUPING SETS ((1), (2))
SELECT replace(pg_get_viewdef('first'), chr(10), ' ') AS definition
DO $$ BEGIN EXECUTE 'CREATE VIEW again AS ' || pg_get_viewdef('first'); END $$
SELECT count(*) AS nulls_in_first FROM first WHERE a IS NULL OR b IS NULL
SELECT count(*) AS nulls_in_again FROM again WHERE a IS NULL OR b IS NULL
EOF
grep -Eo '(definition|nulls_in_[a-z]+) = "[^"]*"' out.log | tee seen.log
grep -qx 'nulls_in_first = "6"' seen.log
grep -qx 'nulls_in_again = "0"' seen.log
