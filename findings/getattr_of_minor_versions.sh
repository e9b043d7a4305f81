#!/bin/bash
# An extension that was compiled with the headers of PostgreSQL 15.20 does not load in 15.18.
#
# One would expect: an extension that is built for a major version of PostgreSQL loads in
# all of its minor versions; a distribution may build it on one and run it on another.
# What happens: since a recent minor release the inline function heap_getattr(), which nearly
# every C extension uses, calls heap_datum_check(), a function that earlier releases of the
# same major version do not have. Debian 12 has both at a time: 15.18 in main, 15.20 among
# the security updates. Built on a system with these, the library fails to load on one
# without: "undefined symbol: heap_datum_check". The other way round it loads, and goes
# without the check.
# Version and source: Debian's postgresql-server-dev-15 15.20-0+deb12u1 (bookworm-security),
# postgresql-15 15.18-0+deb12u1 (bookworm). Seen on 2026-11-30.
# Takes Debian 12 with both in its sources, gcc, libpq-dev, the libraries that postgresql-15 depends on,
# and, as root, setpriv; installs nothing.
set -euo pipefail
HEADERS=15.20-0+deb12u1
SERVER=15.18-0+deb12u1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .

apt-get -q -o APT::Sandbox::User=root download "postgresql-server-dev-15=$HEADERS" "postgresql-15=$SERVER" >/dev/null
for package in *.deb; do
    dpkg-deb -x "$package" "${package%%_*}"
done

cat >getattr.c <<'EOF'
#include "postgres.h"
#include "access/htup_details.h"
#include "fmgr.h"
PG_MODULE_MAGIC;
Datum first(HeapTuple tuple, TupleDesc desc);
Datum first(HeapTuple tuple, TupleDesc desc)
{
    bool null;
    return heap_getattr(tuple, 1, desc, &null);
}
EOF
gcc -shared -fPIC -O2 -o getattr.so \
    -I postgresql-server-dev-15/usr/include/postgresql/15/server -I /usr/include/postgresql getattr.c
chmod 755 getattr.so

# Runs a command as somebody who may run PostgreSQL.
as_nobody() {
    if [[ $(id -u) -eq 0 ]]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi
}

bin=$folder/postgresql-15/usr/lib/postgresql/15/bin
mkdir data
[[ $(id -u) -ne 0 ]] || chown nobody data
as_nobody "$bin/initdb" -D data -N -A trust -U postgres --locale=C >initdb.log 2>&1 || { cat initdb.log; exit 1; }
as_nobody "$bin/postgres" --version
echo "LOAD '$folder/getattr.so'" | as_nobody "$bin/postgres" --single -D data postgres >load.log 2>&1 || true
grep -o 'undefined symbol: [a-z_]*' load.log | head -n 1 || { echo "it loads now:"; cat load.log; exit 1; }
