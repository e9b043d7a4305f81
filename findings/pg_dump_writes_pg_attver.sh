#!/bin/bash
# What pg_dump of PostgreSQL 15.18 writes of a server of 15.20 cannot be restored in 15.18.
#
# One would expect: minor releases change no catalogs, so that any pg_dump of a major version dumps servers of all of its minor
# releases, and the dump can be restored.
# What happens: 15.20 gives each column of a table or view an option that nobody has set, pg_attver, with a number that is
# another one for each table. The pg_dump of 15.20 keeps it to itself; that of 15.18, and of other major versions from before, writes
# it down: ALTER COLUMN ... SET (pg_attver=...), a line for each column. 15.20 takes such a dump, with whatever numbers are in it; 15.18
# refuses each of the lines, and with --single-transaction the whole dump: "unrecognized parameter". pg_upgrade, whose pg_dump is the
# new server's, fails by it from 15.20 to a later major version of a minor release that does not know of it (18.3). What compares
# schemas by attoptions finds each table different.
# Version and source: Debian's postgresql-15 15.20-0+deb12u1 (bookworm-security) and 15.18-0+deb12u1 (bookworm). Seen on 2026-12-01.
# Takes Debian 12 with both in its sources, the libraries that postgresql-15 depends on, and, as root, setpriv; installs nothing.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Unpacks and starts the minor release $1.
start_release() {
    debian_packages "postgresql-15=15.$1-0+deb12u1" "postgresql-client-15=15.$1-0+deb12u1"
    start_server 15
}

# What restoring the dump of 15.18 says.
restore() {
    { psql -qX -f dump.sql || true; } 2>&1 | grep -o 'ERROR: .*' | sort -u
}

debian_packages postgresql-client-15=15.18-0+deb12u1
mv root older
start_release 20
sql -c "CREATE TABLE item (id integer PRIMARY KEY, name text)"
seen "lines that pg_dump 15.20 writes of it:" 0 "$(pg_dump | grep -c pg_attver || true)"
"$folder/older/usr/lib/postgresql/15/bin/pg_dump" >dump.sql
grep pg_attver dump.sql
seen "lines that pg_dump 15.18 writes of it:" 2 "$(grep -c 'ALTER COLUMN .* SET (pg_attver=[0-9]*);' dump.sql)"
sql -c "DROP TABLE item"
seen "what 15.20 says of that dump:" "" "$(restore)"
as_nobody "$bin/pg_ctl" -D data -m fast -w stop >/dev/null
rm -rf data root
start_release 18
seen "what 15.18 says of that dump:" 'ERROR:  unrecognized parameter "pg_attver"' "$(restore)"
