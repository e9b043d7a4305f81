#!/bin/bash
# A volatile function beside a set-returning one in a SELECT list runs once more than
# there are rows.
#
# One would expect: SELECT nextval('s'), generate_series(1, 3) gives three rows and takes
# three numbers of the sequence, since each expression of a SELECT list is evaluated once for
# each row.
# What happens: it takes four. That the set has come to its end shows only when it is asked
# for a row too many, and the other expressions are evaluated before that: nextval() is
# called a fourth time, and its row is thrown away. A function that writes does so once
# more; a call such as SELECT undo(), redo(), where redo() returns a set, undoes at
# last what it has redone. In FROM, or in a subquery of its own, the set is harmless.
# Version and source: PostgreSQL 15.18, Debian's postgresql-15 15.18-0+deb12u1 (bookworm). Seen
# on 2026-11-30.
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
CREATE SEQUENCE beside
CREATE SEQUENCE above
SELECT nextval('beside'), generate_series(1, 3)
SELECT nextval('above') FROM generate_series(1, 3)
SELECT last_value AS beside_a_set FROM beside
SELECT last_value AS of_a_set_in_from FROM above
EOF
grep -Eo '(beside_a_set|of_a_set_in_from) = "[0-9]+"' out.log | tee taken.log
grep -qx 'beside_a_set = "4"' taken.log
grep -qx 'of_a_set_in_from = "3"' taken.log
