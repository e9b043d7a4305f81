#!/bin/bash
# Tests that refreshes inside of the workers of logical replication leave views that
# are right: on commit, and by a subscriber's own triggers.  What a refresh writes to
# the tables of refresh_mv stays there, and what a publisher sends for them does not.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/publisher.sh"

TABLES="
    CREATE TABLE sales (id integer PRIMARY KEY, g integer NOT NULL, x integer);
    CREATE INDEX ON sales (g);
    CREATE TABLE parts (id integer NOT NULL, g integer NOT NULL, PRIMARY KEY (id, g)) PARTITION BY LIST (g);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
    CREATE TABLE bells (id integer PRIMARY KEY);
    CREATE TABLE keeps (id integer PRIMARY KEY);"

# Makes the publisher's tables and what it publishes.  Of its journal it sends all, if
# somebody wants it.
create_publication() {
    on_publisher query "$TABLES
        CREATE EXTENSION refresh_mv;
        CREATE MATERIALIZED VIEW published AS SELECT 1 AS one;
        SELECT FROM refresh_materialized_views_smart();
        INSERT INTO sales SELECT i, i % 1000, i FROM generate_series(1, 20000) AS i;
        INSERT INTO parts SELECT i, 1 + i % 2 FROM generate_series(1, 1000) AS i;
        CREATE PUBLICATION p FOR TABLE sales, parts, bells, keeps, refresh_mv.journal, refresh_mv.settings"
}

# Makes the subscriber's tables and tracked views of them; what rings a bell refreshes.
create_views() {
    new_database refresh_mv_logical_on_commit
    query "ALTER DATABASE refresh_mv_logical_on_commit SET refresh_mv.exact_cost_limit = 1000;
        $TABLES
        CREATE MATERIALIZED VIEW at_commit AS SELECT g, count(*), sum(x) FROM sales GROUP BY g;
        CREATE MATERIALIZED VIEW above AS SELECT count(*), sum(count) FROM at_commit;
        CREATE MATERIALIZED VIEW by_bell AS SELECT g, count(*), sum(x), max(x) FROM sales GROUP BY g;
        CREATE MATERIALIZED VIEW by_bell_keys AS SELECT g, array_agg(x ORDER BY x) FROM sales GROUP BY g;
        CREATE MATERIALIZED VIEW of_parts AS SELECT g, count(*), sum(id) FROM parts GROUP BY g;
        CREATE FUNCTION ring() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS \$\$
            BEGIN
                PERFORM refresh_materialized_views_smart();
                RETURN NULL;
            END \$\$;
        CREATE TRIGGER ring AFTER INSERT ON bells FOR EACH ROW EXECUTE FUNCTION ring();
        ALTER TABLE bells ENABLE ALWAYS TRIGGER ring;
        SELECT FROM refresh_mv.track();
        SELECT FROM refresh_mv.track('at_commit', on_commit => true);
        SELECT FROM refresh_mv.track('above', on_commit => true)"
}

# Changes the publisher by $3.  Fails unless the views $2 are right at once, and all of
# them after a smart refresh, by delta or keys but where a row was amidst being applied;
# $1 names the case.
replicate() {
    local last
    last=$(query "SELECT coalesce(max(id), 0) FROM refresh_mv.journal")
    on_publisher query "$3"
    catch_up_with refresh_mv_logical_on_commit
    expect "" "$(wrong_views "$2")" "what is wrong after $1"
    query "SELECT FROM refresh_materialized_views_smart()"
    expect "" "$(wrong_views)" "what is wrong after $1 and a refresh"
    expect "" "$(query "SELECT DISTINCT view_name, method, reason FROM refresh_mv.journal
        WHERE id > $last AND method NOT IN ('skip', 'delta', 'keys')
            AND reason NOT LIKE 'rows of % are being applied' AND reason NOT LIKE 'a view was refreshed while a row was being applied%'")" "what was refreshed as a whole after $1"
    expect "" "$(query "SELECT DISTINCT view_name, message FROM refresh_mv.journal WHERE id > $last AND NOT success")" \
        "what has failed after $1"
    echo "ok: $1"
}

: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}"
use_postgresql
start_publisher "logical_decoding_work_mem = '64kB'"
create_publication
create_views

streaming=on
(($(query "SHOW server_version_num") < 160000)) || streaming=parallel
subscribe refresh_mv_logical_on_commit p "streaming = $streaming"
await_initial_copy
catch_up_with refresh_mv_logical_on_commit
expect "" "$(wrong_views "at_commit|above")" "what is wrong after the initial copy"
expect 0 "$(query "SELECT count(*) FROM refresh_mv.journal WHERE view_name = 'published'")" \
    "the number of the publisher's journal entries that were copied"
query "CREATE CONSTRAINT TRIGGER ring AFTER INSERT OR UPDATE OR DELETE ON parts_2
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ring();
    ALTER TABLE parts_2 ENABLE ALWAYS TRIGGER ring;
    ANALYZE;
    SELECT FROM refresh_materialized_views_smart()"
for i in 1 2 3 4 5 6; do
    replicate "insert $i" "at_commit|above" "INSERT INTO sales VALUES (100000 + $i, 1, 1)"
done
expect 6 "$(query "SELECT count(*) FROM refresh_mv.history WHERE view = 'public.at_commit' AND source = 'on commit'
    AND method = 'delta' AND rows_updated = 1 AND started >= (SELECT max(started) FROM refresh_mv.history WHERE method = 'full')")" \
    "the number of refreshes on commit in the history"
replicate "update and delete" "at_commit|above" "BEGIN; UPDATE sales SET g = g + 1, x = -x WHERE id % 5000 = 0;
    DELETE FROM sales WHERE id = 100001; COMMIT"
replicate "a large transaction" "at_commit|above" "BEGIN; UPDATE sales SET x = x + 1 WHERE id < 6000;
    SAVEPOINT s; UPDATE sales SET x = 0 WHERE id < 6000; ROLLBACK TO s; COMMIT"
for i in 1 2 3; do
    replicate "bell $i" ".*" "BEGIN; INSERT INTO sales VALUES (200000 + $i, 2, 1); INSERT INTO bells VALUES ($i);
        UPDATE sales SET x = 7 WHERE id = 100002 + $i; INSERT INTO bells VALUES (100 + $i); COMMIT"
    replicate "deferred bell $i" ".*" "BEGIN; INSERT INTO parts VALUES (2000 + $i, 2);
        DELETE FROM sales WHERE id = 200000 + $i; UPDATE parts SET id = -id WHERE id = $i; COMMIT"
done
# Of a savepoint that was rolled back, and of one refresh after another in one transaction.
replicate "bells in one transaction" "at_commit|above|by_bell.*" "BEGIN; INSERT INTO sales VALUES (300000, 3, 1);
    INSERT INTO bells VALUES (1001); SAVEPOINT s; INSERT INTO sales VALUES (300001, 3, 1); INSERT INTO bells VALUES (1002);
    ROLLBACK TO s; INSERT INTO sales VALUES (300002, 3, 1); INSERT INTO bells VALUES (1003); COMMIT"

# By triggers on the table itself that come before and after ours, more than one row at once
# (a row that moves to another partition).
for name in a_ring z_ring; do
    query "CREATE TRIGGER $name AFTER INSERT OR UPDATE ON sales FOR EACH ROW EXECUTE FUNCTION ring();
        ALTER TABLE sales ENABLE ALWAYS TRIGGER $name;
        CREATE TRIGGER $name AFTER INSERT OR UPDATE OR DELETE ON parts_1 FOR EACH ROW EXECUTE FUNCTION ring();
        ALTER TABLE parts_1 ENABLE ALWAYS TRIGGER $name;
        SELECT FROM refresh_materialized_views_smart()"
    for i in 1 2; do
        replicate "$name $i" ".*" "BEGIN; INSERT INTO sales VALUES ((SELECT max(id) + 1 FROM sales), 5, 1);
            UPDATE sales SET x = 9 WHERE id = 7; COMMIT; UPDATE parts SET g = 3 - g WHERE id = 100"
    done
    query "DROP TRIGGER $name ON sales; DROP TRIGGER $name ON parts_1"
done

# What the publisher sends for the tables of refresh_mv, because somebody changes them by
# hand, is kept out; what a trigger does to them by statements is not.
query "CREATE FUNCTION drop_view() RETURNS trigger LANGUAGE plpgsql AS \$\$
    BEGIN
        DROP MATERIALIZED VIEW public.dropped;
        RETURN NULL;
    END \$\$;
    CREATE TRIGGER drop_view AFTER INSERT ON keeps FOR EACH ROW EXECUTE FUNCTION drop_view();
    ALTER TABLE keeps ENABLE ALWAYS TRIGGER drop_view;
    CREATE MATERIALIZED VIEW dropped AS SELECT count(*) FROM keeps;
    SELECT FROM refresh_mv.track('dropped');
    SELECT FROM refresh_materialized_views_smart()"
before=$(query "SELECT count(*) FROM refresh_mv.journal WHERE view_name <> 'dropped'")
on_publisher query "ALTER TABLE refresh_mv.journal REPLICA IDENTITY DEFAULT;
    SELECT FROM refresh_materialized_views();
    INSERT INTO refresh_mv.settings (view_schema, view_name, window_days) VALUES ('public', 'published', 3);
    INSERT INTO refresh_mv.journal SELECT j.* FROM refresh_mv.journal i,
        jsonb_populate_record(i, jsonb_build_object('id', -i.id)) j;
    UPDATE refresh_mv.journal SET view_name = 'at_commit'; DELETE FROM refresh_mv.journal;
    INSERT INTO keeps VALUES (1)"
catch_up_with refresh_mv_logical_on_commit
expect "$before|0|0|0" "$(query "SELECT (SELECT count(*) FROM refresh_mv.journal),
    (SELECT count(*) FROM refresh_mv.settings WHERE view_name IN ('published', 'dropped')),
    (SELECT count(*) FROM refresh_mv.names WHERE view_name IN ('published', 'dropped')),
    (SELECT count(*) FROM refresh_mv.tracked WHERE view NOT IN (SELECT oid FROM pg_class))")" \
    "what is left of the subscriber's journal, and of views that it does not have"

query "DROP SUBSCRIPTION refresh_mv_logical_on_commit"
