#!/bin/bash
# Tests views over hypertables of TimescaleDB: writing goes on working, changes
# are known row by row, and what becomes of chunks by other ways is noticed.
# Compression and moving of chunks take TimescaleDB's community edition, which
# Debian does not have; they are tested where it is there.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

SCHEMA="
    SET client_min_messages = error;
    CREATE EXTENSION timescaledb;
    CREATE EXTENSION refresh_mv;
    CREATE TABLE h (t timestamptz NOT NULL, d integer NOT NULL, v integer, PRIMARY KEY (t, d));
    SELECT FROM create_hypertable('h', 't', chunk_time_interval => interval '1 day');
    INSERT INTO h SELECT t, d, d
    FROM generate_series('2026-01-01'::timestamptz, '2026-01-06 23:00', '1 hour') AS t, generate_series(1, 3) AS d;
    CREATE TABLE devices (d integer PRIMARY KEY, name text);
    INSERT INTO devices SELECT d, 'device ' || d FROM generate_series(1, 9) AS d;
    CREATE MATERIALIZED VIEW sums AS SELECT d, count(*) AS c, sum(v) AS s FROM h GROUP BY d;
    CREATE MATERIALIZED VIEW named AS SELECT h.t, d.name, h.v FROM h JOIN devices AS d ON d.d = h.d WHERE h.v > 0;"

# Runs statements on the database, quietly; fails if one of them fails.
run() {
    psql -qAt -c "SET client_min_messages = error" "$@"
}

# Refreshes the view $1, and prints by which method and why.
refresh() {
    run -c "SELECT FROM refresh_materialized_views_smart('{$1}')"
    query "SELECT method || ': ' || reason FROM refresh_mv.history WHERE view = 'public.$1' ORDER BY started DESC LIMIT 1"
}

# Fails unless both views are right after a refresh by a method like $1, and have
# nothing to do at the next; $2 says after what.
check() {
    expect_like "$1" "$(refresh sums)" "the refresh of sums after $2"
    expect_like "${3:-$1}" "$(refresh named)" "the refresh of named after $2"
    expect "" "$(wrong_views)" "what is wrong after $2"
    expect_like "skip:*" "$(refresh sums)" "the next refresh after $2"
    expect "0|0" "$(query "SELECT sum(missing), sum(extra) FROM (VALUES ('sums'), ('named')) AS n (v),
        refresh_mv.verify(v::regclass)")" "what verify() finds after $2"
    echo "ok: $2"
}

# Changes the hypertable by $2, and checks that its changes are known row by row.
exactly() {
    run -c "$2"
    check "$EXACT" "$1"
}

# The same for what is noticed only.
noticed() {
    run -c "$2"
    check "full:*" "$1"
}

# Prints the chunk that holds the time $1.
chunk_of() {
    query "SELECT tableoid::regclass FROM h WHERE t >= '$1' ORDER BY t LIMIT 1"
}

EXACT="@(delta|keys): *"
shopt -s extglob
: "${PG_CONFIG:?}"
use_postgresql
need_extension timescaledb
start_server "shared_preload_libraries = 'timescaledb'" "timescaledb.telemetry_level = off" \
    "max_prepared_transactions = 10"
psql -qd postgres -c "CREATE DATABASE refresh_mv_timescale"
export PGDATABASE=refresh_mv_timescale
psql -qAtc "$SCHEMA" -c "ALTER DATABASE refresh_mv_timescale SET refresh_mv.exact_cost_limit = 1e9"

expect "sums|t|" "$(query "SELECT * FROM refresh_mv.track('sums')")" "tracking"
expect "named|t|" "$(query "SELECT * FROM refresh_mv.track('named')")" "tracking of a join"
expect 0 "$(query "SELECT count(*) FROM pg_trigger JOIN pg_inherits ON inhrelid = tgrelid WHERE tgtype & 1 = 0")" \
    "the number of statement triggers on chunks"
check "full:*" "tracking"

exactly INSERT "INSERT INTO h VALUES ('2026-01-02 00:30', 1, 5), ('2026-01-03 00:30', 2, NULL)"
exactly "INSERT into a new chunk" "INSERT INTO h VALUES ('2026-02-02 00:30', 1, 5)"
exactly upsert "INSERT INTO h VALUES ('2026-02-02 00:30', 1, 6), ('2026-02-02 00:31', 1, 6), ('2026-02-03', 1, 6)
    ON CONFLICT (t, d) DO UPDATE SET v = excluded.v"
exactly UPDATE "UPDATE h SET v = v + 1 WHERE d = 2"
exactly "UPDATE of a key" "UPDATE h SET d = 9 WHERE d = 2 AND t < '2026-01-01 03:00'"
exactly DELETE "DELETE FROM h WHERE t < '2026-01-01 05:00'"
exactly MERGE "MERGE INTO h USING (VALUES ('2026-02-02 00:30'::timestamptz, 1, 7), ('2026-02-02 00:31', 1, NULL),
        ('2026-03-03 00:30', 1, 7)) AS x (t, d, v) ON h.t = x.t AND h.d = x.d
    WHEN MATCHED AND x.v IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET v = x.v
    WHEN NOT MATCHED THEN INSERT VALUES (x.t, x.d, x.v)"
printf '2026-04-0%d\t1\t4\n' 1 2 3 | run -c "COPY h FROM STDIN"
check "$EXACT" COPY
run -c "UPDATE devices SET name = 'other' WHERE d = 3"
check "skip:*" "a change of another table" "$EXACT"
exactly "a transaction" "BEGIN; INSERT INTO h VALUES ('2026-01-02 00:40', 3, 1); SAVEPOINT s; DELETE FROM h WHERE d = 1;
    ROLLBACK TO s; UPDATE h SET v = 8 WHERE d = 3 AND t < '2026-01-03'; DELETE FROM h WHERE t = '2026-01-02 00:40'; COMMIT"
run -c "BEGIN" -c "INSERT INTO h VALUES ('2026-05-02 00:40', 3, 1)" -c "PREPARE TRANSACTION 'p'"
check "skip:*" "PREPARE TRANSACTION"
exactly "COMMIT PREPARED" "COMMIT PREPARED 'p'"
exactly "a trigger that writes to the hypertable again" "
    CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS
        \$\$ BEGIN UPDATE public.h SET v = v + 1 WHERE d = 2 AND t < '2026-01-03'; RETURN NULL; END \$\$;
    CREATE TRIGGER again AFTER INSERT ON h FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION again();
    INSERT INTO h VALUES ('2026-01-02 00:50', 3, 1), ('2026-01-02 00:51', 3, 1); SET client_min_messages = error"
run -c "DROP TRIGGER again ON h"

# A transaction that refreshes amidst its changes.
run -c "BEGIN; INSERT INTO h VALUES ('2026-01-02 00:55', 1, 1); SELECT FROM refresh_materialized_views_smart();
    UPDATE h SET v = v + 1 WHERE d = 1; COMMIT"
check "$EXACT" "a refresh amidst changes"

# By the names of chunks.
chunk=$(chunk_of 2026-01-02)
noticed "UPDATE of a chunk" "UPDATE $chunk SET v = 100 WHERE d = 1"
noticed "INSERT into a chunk" "INSERT INTO $chunk VALUES ('2026-01-02 00:01', 1, 1)"
noticed "DELETE from a chunk" "DELETE FROM $chunk WHERE d = 1"
expect 1 "$(query "BEGIN; UPDATE $chunk SET v = v + 1; SELECT count(*) FROM refresh_mv.log
    WHERE xid = pg_current_xact_id() AND data IS NULL; ROLLBACK")" "the number of entries for many rows of a chunk"
noticed "a rolled back UPDATE of a chunk, and another" "BEGIN; SAVEPOINT s; UPDATE $chunk SET v = v + 1; ROLLBACK TO s;
    UPDATE $chunk SET v = v + 1; COMMIT"
run -c "BEGIN; SAVEPOINT s; UPDATE $chunk SET v = v + 1; ROLLBACK TO s; COMMIT"
check "skip:*" "a rolled back UPDATE of a chunk"
noticed "UPDATE of a chunk beside a statement" "WITH u AS (UPDATE $chunk SET v = v + 1 WHERE d = 2 RETURNING 1)
    INSERT INTO h SELECT '2026-01-02 00:06', 1, count(*) FROM u"
noticed "UPDATE of a chunk within a statement" "
    CREATE FUNCTION change_chunk() RETURNS integer LANGUAGE plpgsql AS
        \$\$ BEGIN UPDATE $chunk SET v = v + 1 WHERE d = 3; RETURN 1; END \$\$;
    INSERT INTO h SELECT '2026-01-02 00:07', 1, change_chunk()"
noticed "TRUNCATE of a chunk" "TRUNCATE $chunk"
noticed "a chunk that was dropped" "DROP TABLE $(chunk_of 2026-01-03)"
noticed drop_chunks "SELECT FROM drop_chunks('h', older_than => '2026-01-05'::timestamptz)"
noticed "VACUUM FULL of a chunk" "VACUUM FULL $(chunk_of 2026-01-05)"
noticed TRUNCATE "TRUNCATE h"
exactly "INSERT into new chunks" "INSERT INTO h SELECT t, d, d
    FROM generate_series('2026-01-01'::timestamptz, '2026-01-06 23:00', '1 hour') AS t, generate_series(1, 3) AS d"
run -c "BEGIN; INSERT INTO h VALUES ('2025-01-01', 1, 1); SELECT FROM refresh_materialized_views_smart();
    DO \$\$ BEGIN EXECUTE 'TRUNCATE ' || (SELECT tableoid::regclass FROM h WHERE t < '2025-06-01'); END \$\$; COMMIT"
check "full:*" "TRUNCATE of a chunk by the transaction that made it, after a refresh"

# What cannot be tracked.
run -c "CREATE MATERIALIZED VIEW of_chunk AS SELECT count(*) FROM $(chunk_of 2026-01-02)" \
    -c "CREATE TABLE keyless (t timestamptz NOT NULL)" -c "SELECT FROM create_hypertable('keyless', 't')" \
    -c "CREATE MATERIALIZED VIEW of_keyless AS SELECT count(*) FROM keyless"
expect_like "*is a chunk of hypertable h*" \
    "$(query "SELECT reason FROM refresh_mv.track() WHERE view_name = 'of_chunk'::regclass")" "the view of a chunk"
expect_like "*keyless has no primary key*" \
    "$(query "SELECT reason FROM refresh_mv.track() WHERE view_name = 'of_keyless'::regclass")" "the view without a key"
run -c "DROP MATERIALIZED VIEW of_chunk, of_keyless" -c "DROP TABLE keyless"
check "skip:*" "track()"

# A table that becomes a hypertable while it is tracked.
run -c "CREATE TABLE plain (t timestamptz, d integer, v integer, PRIMARY KEY (t, d))" \
    -c "INSERT INTO plain SELECT '2026-01-01'::timestamptz + i * interval '1 hour', 1, 1 FROM generate_series(1, 100) AS i" \
    -c "CREATE MATERIALIZED VIEW of_plain AS SELECT d, sum(v) AS s FROM plain GROUP BY d" \
    -c "SELECT FROM refresh_mv.track('of_plain')" -c "CALL refresh_mv.run(views => '{of_plain}')" \
    -c "SELECT FROM create_hypertable('plain', 't', migrate_data => true)" \
    -c "INSERT INTO plain VALUES ('2026-01-02 00:30', 1, 1), ('2027-01-02 00:30', 1, 1)" \
    -c "CALL refresh_mv.run(views => '{of_plain}')" -c "CALL refresh_mv.run(views => '{of_plain}')"
run -c "INSERT INTO plain VALUES ('2026-01-02 00:31', 1, 1), ('2028-01-02 00:30', 1, 1)"
expect_like "$EXACT" "$(refresh of_plain)" "the refresh of a table that has become a hypertable"
expect "" "$(wrong_views)" "what is wrong with it"
run -c "UPDATE $(query "SELECT show_chunks('plain') LIMIT 1") SET v = 2"
expect_like "full:*" "$(refresh of_plain)" "its refresh after a change of a chunk"
run -c "SELECT FROM refresh_mv.untrack('of_plain')" -c "DROP TABLE plain CASCADE"

# Compression, and chunks that are moved.
if [[ $(query "SHOW timescaledb.license") == timescale ]]; then
    run -c "ALTER TABLE h SET (timescaledb.compress, timescaledb.compress_segmentby = 'd')"
    check "@(full|skip):*" "settings of compression"
    run -c "SELECT count(compress_chunk(c)) FROM show_chunks('h', older_than => '2026-01-04'::timestamptz) AS c"
    check "full:*" compression
    exactly "INSERT into a compressed chunk" "INSERT INTO h VALUES ('2026-01-02 00:33', 1, 5)"
    exactly "upsert into a compressed chunk" "INSERT INTO h VALUES ('2026-01-02 00:00', 1, 50)
        ON CONFLICT (t, d) DO UPDATE SET v = excluded.v"
    printf '2026-01-0%d 00:10\t1\t4\n' 1 2 3 | run -c "COPY h FROM STDIN"
    check "$EXACT" "COPY to compressed chunks"
    exactly "UPDATE of compressed rows" "UPDATE h SET v = v + 1 WHERE d = 2"
    run -c "SELECT count(compress_chunk(c)) FROM show_chunks('h', older_than => '2026-01-04'::timestamptz) AS c"
    check "@(full|skip):*" recompression
    exactly "DELETE of whole batches" "DELETE FROM h WHERE d = 3"
    noticed "DELETE from a compressed chunk" "DELETE FROM $(chunk_of 2026-01-02) WHERE d = 1"
    run -c "SELECT count(decompress_chunk(c, true)) FROM show_chunks('h') AS c"
    check "@(full|skip):*" decompression
    first=$(chunk_of 2026-01-01) second=$(chunk_of 2026-01-02)
    noticed "merged chunks" "CALL merge_chunks('$first', '$second')"
    noticed "a split chunk" "CALL split_chunk('$first')"
    noticed "a detached chunk" "CALL detach_chunk('$(chunk_of 2026-01-04)')"
    run -c "CREATE TABLE attached (t timestamptz NOT NULL, d integer NOT NULL, v integer, PRIMARY KEY (t, d))" \
        -c "INSERT INTO attached VALUES ('2025-05-05 00:10', 9, 9)"
    noticed "an attached chunk" "CALL attach_chunk('h', 'attached', '{\"t\": [\"2025-05-05 00:00\", \"2025-05-06 00:00\"]}')"
    exactly "INSERT into an attached chunk" "INSERT INTO h VALUES ('2025-05-05 00:11', 1, 5)"
fi

# What is left.
run -c "SELECT FROM refresh_mv.untrack()"
expect 0 "$(query "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'refresh_mv%'")" "the number of triggers left"
run -c "SELECT FROM refresh_mv.track()" -c "INSERT INTO h VALUES ('2029-01-01', 1, 1)" -c "DROP EXTENSION refresh_mv"
expect 0 "$(query "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'refresh_mv%'")" "the number of triggers left behind"
run -c "INSERT INTO h VALUES ('2029-01-01 01:00', 1, 1), ('2030-01-01 01:00', 1, 1)"

# How long refreshes take of a view of a hypertable with 40 chunks, after 1,000 new rows and as many changed ones.
query "SET client_min_messages = error; CREATE EXTENSION refresh_mv; CREATE TABLE big (t timestamptz NOT NULL, d integer NOT NULL, v integer, PRIMARY KEY (t, d))"
run -c "SELECT FROM create_hypertable('big', 't', chunk_time_interval => interval '1 day')" \
    -c "INSERT INTO big SELECT t, d, d FROM generate_series('2026-01-01'::timestamptz, '2026-02-09 23:59', '1 minute') AS t, generate_series(1, ${DEVICES:-5}) AS d" \
    -c "CREATE MATERIALIZED VIEW of_big AS SELECT date_trunc('hour', t, 'UTC') AS hour, d, count(*) AS n, sum(v) AS v FROM big GROUP BY 1, 2" \
    -c "VACUUM ANALYZE"
run -c "SELECT FROM refresh_mv.track('of_big')" -c "SELECT FROM refresh_materialized_views(views => '{of_big}')"
run -c "INSERT INTO big SELECT '2026-02-10'::timestamptz + i * interval '1 s', 9, 9 FROM generate_series(1, 1000) AS i" \
    -c "UPDATE big SET v = v + 1 WHERE d = 3 AND t >= '2026-01-20' AND t < '2026-01-20'::timestamptz + interval '1000 min'"
run -c "SELECT FROM refresh_materialized_views_smart('{of_big}')"
expect_like "delta*" "$(query "SELECT method FROM refresh_mv.last_runs WHERE view = 'of_big'::regclass AND number = 1")" "the method for the big hypertable"
expect "" "$(wrong_views of_big)" "what is wrong with the view of the big hypertable"
run -c "SELECT FROM refresh_materialized_views(views => '{of_big}')"
query "SELECT format('%s rows, 2,000 of them new or changed: %s ms by delta, %s ms in full', (SELECT count(*) FROM big),
    (SELECT round(1000 * extract(epoch FROM duration)) FROM refresh_mv.last_runs WHERE view = 'of_big'::regclass AND method = 'delta'),
    (SELECT round(1000 * extract(epoch FROM duration)) FROM refresh_mv.last_runs WHERE view = 'of_big'::regclass AND method = 'full' AND number = 1))"
