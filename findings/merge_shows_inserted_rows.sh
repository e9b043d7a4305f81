#!/bin/bash
# MERGE into a partitioned table tells UPDATE triggers of a row that it has inserted.
#
# One would expect: the NEW TABLE of an AFTER UPDATE statement trigger holds the rows that were updated, as they are
# now, whichever statement has updated them.
# What happens: if a MERGE into a partitioned table has inserted a row and updates rows after it, NEW TABLE
# holds the inserted row in the place of each of them: as often as rows were updated, under a key that none of
# them has. OLD TABLE and the table itself are right. (INSERT remembers the row that it routes to a partition, to be
# shown as it was given; what is updated afterwards is taken for that row, too.) Nothing of the kind happens
# without partitions, or if the rows to be updated come first, which depends on the plan. Whoever follows a table by
# transition tables, as audits and incremental views do, records rows that were not changed, and misses those that were.
# Version and source: Debian's postgresql-15 15.18-0+deb12u1 (bookworm); the same in 18.6-3 (sid). Seen on 2026-11-30.
# Takes Debian 12 with that in its sources, the libraries that postgresql-15 depends on, and, as root, setpriv;
# installs nothing.
set -euo pipefail
SERVER=15.18-0+deb12u1
folder=$(mktemp -d)
stop() {
    [[ ! -e $folder/data/postmaster.pid ]] || as_nobody "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null
    rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
chmod 755 .

# Runs a command as somebody who may run PostgreSQL.
as_nobody() {
    if [[ $(id -u) -eq 0 ]]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi
}

apt-get -q -o APT::Sandbox::User=root download "postgresql-15=$SERVER" postgresql-client-15 >/dev/null
for package in *.deb; do
    dpkg-deb -x "$package" server
done
bin=$folder/server/usr/lib/postgresql/15/bin
mkdir data
[[ $(id -u) -ne 0 ]] || chown nobody data
as_nobody "$bin/initdb" -D "$folder/data" -U postgres -A trust --no-sync -L "$folder/server/usr/share/postgresql/15" >/dev/null
as_nobody "$bin/pg_ctl" -D "$folder/data" -w -o "-k $folder/data -c listen_addresses=''" -l "$folder/data/log" start >/dev/null

"$bin/psql" -h "$folder/data" -U postgres -d postgres -qAtX -v ON_ERROR_STOP=1 2>told <<'EOF'
CREATE TABLE stock (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE stock_1 PARTITION OF stock FOR VALUES FROM (0) TO (100);
INSERT INTO stock VALUES (2, 'old two'), (3, 'old three');
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'updated: %, to %', (SELECT array_agg(o.name ORDER BY o.id) FROM o), (SELECT array_agg(n.name ORDER BY n.id) FROM n);
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER UPDATE ON stock REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION tell();
SET enable_hashjoin = off; -- so that the row that is inserted comes first
SET enable_mergejoin = off;
MERGE INTO stock USING (SELECT * FROM (VALUES (1, 'one'), (2, 'two'), (3, 'three')) v (id, name) ORDER BY id OFFSET 0) s ON stock.id = s.id
WHEN MATCHED THEN UPDATE SET name = s.name
WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name);
EOF
cat told
grep -qF 'updated: {"old two","old three"}, to {one,one}' told || { echo "The behaviour is another one now." && exit 1; }
echo "The rows two and three were updated; the trigger was told of one, twice."
