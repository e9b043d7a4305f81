#!/bin/bash
# Tests that tracked views see what logical replication brings to their tables:
# the initial copy, and what the apply worker does, which fires no statement
# trigger. The publisher is a server of its own.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/publisher.sh"

TABLES="
    CREATE TABLE plain (id integer PRIMARY KEY, n integer, long text);
    CREATE TABLE parts (id bigint PRIMARY KEY, n integer) PARTITION BY RANGE (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (100);
    CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (MAXVALUE);
    CREATE TABLE rooted (LIKE parts INCLUDING ALL) PARTITION BY RANGE (id);
    CREATE TABLE rooted_low PARTITION OF rooted FOR VALUES FROM (MINVALUE) TO (100);
    CREATE TABLE rooted_high PARTITION OF rooted FOR VALUES FROM (100) TO (MAXVALUE);"
tables=(plain parts rooted)

# Makes the publisher's tables and what it publishes.
create_publications() {
    on_publisher query "$TABLES
        CREATE PUBLICATION by_leaf FOR TABLE plain, parts;
        CREATE PUBLICATION by_root FOR TABLE rooted WITH (publish_via_partition_root = true);
        INSERT INTO plain SELECT i, i, repeat(md5(i::text), 200) FROM generate_series(1, 50) AS i;
        INSERT INTO parts SELECT i * 10, i FROM generate_series(1, 50) AS i;
        INSERT INTO rooted SELECT i * 10, i FROM generate_series(1, 50) AS i"
}

# Makes the subscriber's tables, and tracked views of each.
create_views() {
    local table
    new_database refresh_mv_logical
    query "$TABLES"
    for table in "${tables[@]}"; do
        query "CREATE MATERIALIZED VIEW copy_of_$table AS TABLE $table;
            CREATE MATERIALIZED VIEW sums_of_$table AS SELECT n % 10 AS m, count(*), sum(id) FROM $table GROUP BY 1;
            CREATE UNLOGGED TABLE old_$table (r text)"
    done
    expect 6 "$(query "SELECT count(*) FILTER (WHERE tracked) FROM refresh_mv.track()")" "the number of tracked views"
    refresh >"$SCRATCH/methods"
}

# Refreshes all views, notes what the tables hold, and prints the methods.
refresh() {
    local table
    PGOPTIONS="-c client_min_messages=error" query "CALL refresh_mv.run()"
    for table in "${tables[@]}"; do
        query "TRUNCATE old_$table; INSERT INTO old_$table SELECT whole::text FROM $table AS whole"
    done
    query "SELECT view, method FROM refresh_mv.history
        WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view"
}

# Prints the rows of the table $1 as they were at the last refresh that cannot
# be rebuilt from those of today and the changes, and those that are too many.
wrong_changes() {
    query "WITH c AS MATERIALIZED (SELECT * FROM refresh_mv.changes('copy_of_$1', '$1')),
        old AS (SELECT whole::text AS r FROM $1 AS whole WHERE ROW(id)::text NOT IN (SELECT key FROM c)
                UNION ALL SELECT old_row FROM c WHERE old_row IS NOT NULL)
        SELECT 'lacks', left(r, 80) FROM (TABLE old_$1 EXCEPT ALL TABLE old) AS d
        UNION ALL SELECT 'too many', left(r, 80) FROM (TABLE old EXCEPT ALL TABLE old_$1) AS d"
}

# Fails unless the views of the tables $2 ... see the change named $1, and
# nothing but their changes.
check() {
    local name=$1 table methods unchanged="${tables[*]}"
    shift
    for table; do
        unchanged=${unchanged//$table/}
        [[ $name == truncate* ]] || expect "" "$(wrong_changes "$table")" "what is wrong with the changes of $table"
    done
    methods=$(refresh)
    for table; do
        expect "" "$(grep "_of_$table|skip" <<<"$methods" || true)" "what was skipped after $name"
    done
    for table in $unchanged; do
        expect 2 "$(grep -c "_of_$table|skip" <<<"$methods")" "the number of views of $table skipped after $name"
    done
    expect "" "$(wrong_views)" "what is wrong after $name"
    expect 6 "$(refresh | grep -c '|skip$')" "the number of views skipped when nothing was new after $name"
    echo "ok: $name"
}

# Applies $3 as those do who speak SQL (Slony-I): as replica, with a replication origin,
# on a database that has one; checks that the views of the tables $2 see it, each change
# once.  $1 names the case.
apply_by_sql() {
    query "SELECT pg_replication_origin_session_setup('by_sql'); SET session_replication_role = replica; $3" >"$SCRATCH/out"
    # shellcheck disable=SC2086 # one table a word
    check "$1" $2
}

# Changes the publisher by $3, and checks that the views of the tables $2 see it.
replicate() {
    on_publisher query "$3"
    catch_up_with refresh_mv_logical
    # shellcheck disable=SC2086 # one table a word
    check "$1" $2
}

: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}"
use_postgresql
start_publisher "logical_decoding_work_mem = '64kB'"
create_publications
create_views

subscribe refresh_mv_logical "by_leaf, by_root" "streaming = on"
await_initial_copy
catch_up_with refresh_mv_logical
check "the initial copy" plain parts rooted

replicate insert plain "INSERT INTO plain VALUES (101, 1, 'x'), (102, NULL, NULL)"
replicate update "plain parts" "UPDATE plain SET n = n + 1 WHERE id % 7 = 0; UPDATE parts SET n = 0 WHERE id % 70 = 0"
replicate "update of a key" "plain rooted" "UPDATE plain SET id = id + 1000 WHERE id < 5;
    UPDATE rooted SET id = id + 1 WHERE id < 50"
replicate "move to another partition" "parts rooted" "UPDATE parts SET id = id + 1001 WHERE id < 50;
    UPDATE rooted SET id = id + 1001 WHERE id < 50"
replicate delete "plain parts rooted" "DELETE FROM plain WHERE id % 5 = 0; DELETE FROM parts WHERE id > 400;
    DELETE FROM rooted WHERE id > 400"
replicate "a large transaction" plain "BEGIN; INSERT INTO plain SELECT i, i FROM generate_series(5001, 10000) AS i;
    SAVEPOINT s; DELETE FROM plain; ROLLBACK TO s; UPDATE plain SET n = -n WHERE id % 3 = 0; COMMIT"
replicate "delete and insert" plain "BEGIN; DELETE FROM plain WHERE id > 9990; INSERT INTO plain VALUES (9995, 5); COMMIT;
    UPDATE plain SET id = -1 WHERE id = 6; UPDATE plain SET id = 6 WHERE id = 7; UPDATE plain SET id = 7 WHERE id = -1"

# What the subscriber writes itself, and triggers that fire there.
query "INSERT INTO plain VALUES (-5, 1); UPDATE plain SET n = 77 WHERE id = 101"
replicate "changes on both sides" plain "INSERT INTO plain VALUES (-6, 2); UPDATE plain SET n = 88 WHERE id = 101"
query "CREATE FUNCTION change_others() RETURNS trigger LANGUAGE plpgsql AS \$\$
    BEGIN
        UPDATE public.plain SET n = coalesce(n, 0) + 1 WHERE id = 8000 + abs(NEW.id % 10) AND id <> NEW.id;
        RETURN NEW;
    END \$\$;
    CREATE TRIGGER change_others BEFORE INSERT OR UPDATE ON plain FOR EACH ROW
        WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change_others();
    ALTER TABLE plain ENABLE ALWAYS TRIGGER change_others"
refresh >"$SCRATCH/methods"
replicate "changes with a trigger on other rows" plain "UPDATE plain SET n = 5 WHERE id BETWEEN 7990 AND 8020;
    INSERT INTO plain SELECT i, 1 FROM generate_series(-20, -10) AS i"
query "CREATE FUNCTION change_again() RETURNS trigger LANGUAGE plpgsql AS \$\$
    BEGIN
        UPDATE public.plain SET n = coalesce(n, 0) + 1 WHERE id = NEW.id;
        RETURN NULL;
    END \$\$;
    CREATE TRIGGER again AFTER INSERT OR UPDATE ON plain FOR EACH ROW
        WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change_again();
    ALTER TABLE plain ENABLE ALWAYS TRIGGER again"
refresh >"$SCRATCH/methods"
replicate "changes with a trigger on the same rows" plain "UPDATE plain SET n = 6 WHERE id BETWEEN 8000 AND 8010;
    INSERT INTO plain SELECT i, 1 FROM generate_series(-40, -30) AS i"

replicate "truncate" plain "TRUNCATE plain; INSERT INTO plain VALUES (1, 1)"
replicate "truncate of a partition" parts "TRUNCATE parts_low"
replicate "truncate of a tree" rooted "TRUNCATE rooted"

query "DROP SUBSCRIPTION refresh_mv_logical"

query "SELECT pg_replication_origin_create('by_sql'); DROP TRIGGER again ON plain" >"$SCRATCH/out"
refresh >"$SCRATCH/methods"
apply_by_sql "insert by SQL" "plain parts rooted" "INSERT INTO plain SELECT i, i FROM generate_series(60000, 60100) AS i;
    COPY parts FROM PROGRAM 'echo 7,7' (FORMAT csv); INSERT INTO rooted SELECT i, i FROM generate_series(50, 150) AS i"
apply_by_sql "changes by SQL" "plain parts rooted" "BEGIN; UPDATE plain SET n = n + 1 WHERE id < 60010; DELETE FROM plain WHERE id > 60090;
    UPDATE parts SET id = id + 500 WHERE id = 7; UPDATE rooted_low SET n = 0 WHERE id < 60; UPDATE rooted SET id = id + 1000 WHERE id < 60;
    WITH d AS (DELETE FROM plain WHERE id = 60050 RETURNING id) INSERT INTO plain SELECT id + 5, n FROM plain WHERE id = 60001 ON CONFLICT (id)
        DO UPDATE SET n = 1; COMMIT"
query "CREATE TABLE above (id integer PRIMARY KEY, n integer);
    CREATE TABLE below () INHERITS (above);
    INSERT INTO below SELECT i, i FROM generate_series(1, 1000) AS i;
    CREATE MATERIALIZED VIEW of_above AS SELECT count(*), sum(n) FROM above;
    SELECT FROM refresh_mv.track('of_above')"
refresh >"$SCRATCH/methods"
query "SELECT pg_replication_origin_session_setup('by_sql'); SET session_replication_role = replica; UPDATE above SET n = n + 1" >"$SCRATCH/out"
expect t "$(query "SELECT count(*) BETWEEN 1 AND 3 FROM refresh_mv.log")" "whether the log is short, of a table whose rows are not logged"
refresh >"$SCRATCH/methods"
expect "" "$(wrong_views)" "what is wrong after an update of an inherited table by SQL"
