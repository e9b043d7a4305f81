#!/bin/bash
# Tests that tracked views see what pglogical brings to their tables, in each of the
# ways in which it applies changes: row by row, in batches, by SQL.  None of its ways
# fires statement triggers, but the last one and the initial copy.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

TABLES="
    CREATE TABLE plain (id integer PRIMARY KEY, g integer NOT NULL, x integer, long text);
    CREATE TABLE parts (id bigint PRIMARY KEY, x integer) PARTITION BY RANGE (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (100);
    CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (MAXVALUE);
    CREATE TABLE logs (id integer PRIMARY KEY);"

# Runs a command with the provider as its database.
on_provider() {
    PGDATABASE=provider "$@"
}

# Makes the database $1 and its tables.
make_node() {
    psql -qd postgres -c "CREATE DATABASE $1"
    PGDATABASE=$1 query "SET client_min_messages = warning; CREATE EXTENSION pglogical; CREATE EXTENSION refresh_mv; $TABLES
        SELECT FROM pglogical.create_node('$1', 'host=$PGHOST port=$PGPORT user=$PGUSER dbname=$1')"
}

# Makes tracked views of the subscriber's tables.
create_views() {
    query "CREATE MATERIALIZED VIEW copied AS TABLE plain;
        CREATE MATERIALIZED VIEW sums AS SELECT g, count(*), sum(x), max(x) FROM plain GROUP BY g;
        CREATE MATERIALIZED VIEW at_commit AS SELECT g, count(*), sum(x) FROM plain GROUP BY g;
        CREATE MATERIALIZED VIEW of_parts AS SELECT x, count(*) FROM parts GROUP BY x;
        CREATE MATERIALIZED VIEW of_logs AS SELECT count(*) FROM logs;
        ALTER DATABASE subscriber SET refresh_mv.exact_cost_limit = 1000;
        SELECT FROM refresh_mv.track();
        SELECT FROM refresh_mv.track('at_commit', on_commit => true);
        SELECT FROM refresh_materialized_views_smart()"
}

# Waits until the subscriber has what the provider has: a row that is written last.
catch_up() {
    marks=$((${marks:-0} + 1))
    on_provider query "INSERT INTO logs VALUES ($marks)"
    await 60 "SELECT count(*) = 1 FROM logs WHERE id = $marks" "the subscriber has caught up"
}

# Changes the provider by $2.  Fails unless the subscriber's views see that, by the
# methods $3, at commit or at their next refresh; $1 names the case.
replicate() {
    local last
    last=$(query "SELECT coalesce(max(id), 0) FROM refresh_mv.journal")
    on_provider query "$2"
    catch_up
    expect "" "$(wrong_views at_commit)" "$mode: what is wrong after $1"
    query "SELECT FROM refresh_materialized_views_smart()"
    expect "" "$(wrong_views)" "$mode: what is wrong after $1 and a refresh"
    expect "" "$(query "SELECT DISTINCT view_name, method, reason, message FROM refresh_mv.journal
        WHERE id > $last AND (method <> ALL ('{skip,delta,keys${3:+,$3}}') OR NOT success)")" \
        "$mode: what was refreshed otherwise after $1"
    echo "ok: $mode: $1"
}

# Restarts the server with settings of pglogical.
restart_with() {
    local setting
    for setting; do
        query "ALTER SYSTEM SET $setting"
    done
    as_server_user "$BINDIR/pg_ctl" -D "$SERVER_DIR/data" -l "$SERVER_DIR/log" -w -m fast restart >/dev/null
}

# The changes that all ways of applying have to bring.
test_changes() {
    local mode=$1 base=$2
    catch_up
    query "SELECT FROM refresh_materialized_views_smart()"
    replicate "insert" "INSERT INTO plain VALUES ($base, 1, 1, 'x'), ($base + 1, 2, NULL, NULL)"
    replicate "a large insert" "INSERT INTO plain SELECT $base + 10 + i, i % 7, i FROM generate_series(1, 3000) AS i"
    replicate "update" "UPDATE plain SET x = x + 1 WHERE id % 11 = 0"
    replicate "update of a key" "UPDATE plain SET id = -id WHERE id = $base; UPDATE plain SET id = id + 5000 WHERE id = $base + 1"
    replicate "delete" "DELETE FROM plain WHERE id % 13 = 0"
    replicate "delete and insert" "BEGIN; DELETE FROM plain WHERE id = $base + 16; INSERT INTO plain VALUES ($base + 16, 5, 5);
        UPDATE plain SET g = 6 WHERE id = $base + 16; SAVEPOINT s; DELETE FROM plain; ROLLBACK TO s; COMMIT"
    query "INSERT INTO plain VALUES ($base - 1, 3, 3); UPDATE plain SET x = 77 WHERE id = $base + 20"
    replicate "changes on both sides" "UPDATE plain SET x = 88 WHERE id = $base + 21"
    # pglogical fires the triggers of the partitions that it names
    replicate "partitions" "INSERT INTO parts SELECT ($base + i) % 200, i FROM generate_series(0, 99) AS i ON CONFLICT DO NOTHING;
        UPDATE parts SET x = x + 1 WHERE id % 5 = 0; DELETE FROM parts WHERE id % 7 = 0"
    replicate "truncate" "TRUNCATE plain; INSERT INTO plain SELECT i, i % 3, i FROM generate_series(1, 100) AS i" full,rebuild
}

# Triggers of a user, which write by SQL amidst the rows that are applied.
test_triggers() {
    local mode=$1
    query "CREATE FUNCTION change_rows() RETURNS trigger LANGUAGE plpgsql AS \$\$
        BEGIN
            IF TG_WHEN = 'AFTER' THEN
                UPDATE public.plain SET x = coalesce(x, 0) + 1 WHERE id = NEW.id;
            ELSE
                UPDATE public.plain SET x = coalesce(x, 0) + 1 WHERE id = 8000 + abs(NEW.id % 10) AND id <> NEW.id;
            END IF;
            RETURN NEW;
        END \$\$;
        CREATE TRIGGER change_others BEFORE INSERT OR UPDATE ON plain FOR EACH ROW
            WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change_rows();
        CREATE TRIGGER change_itself AFTER INSERT OR UPDATE ON plain FOR EACH ROW
            WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION change_rows();
        ALTER TABLE plain ENABLE ALWAYS TRIGGER change_others, ENABLE ALWAYS TRIGGER change_itself;
        SELECT FROM refresh_materialized_views_smart()"
    replicate "triggers, insert" "INSERT INTO plain SELECT i, 1, 1 FROM generate_series(8000, 8030) AS i"
    replicate "triggers, update" "UPDATE plain SET x = 5 WHERE id BETWEEN 7990 AND 8020"
    query "DROP FUNCTION change_rows CASCADE; SELECT FROM refresh_materialized_views_smart()"
}

need_extension pglogical
use_postgresql
start_server "wal_level = logical" "shared_preload_libraries = 'pglogical'" "track_commit_timestamp = on" \
    "max_worker_processes = 20" "max_replication_slots = 10" "max_wal_senders = 10"
# some minor versions want to be told which output plugins are trusted
[[ -z $(query "SELECT name FROM pg_settings WHERE name = 'output_plugin_libraries'") ]] ||
    restart_with "output_plugin_libraries = pgoutput, pglogical_output"
make_node provider
make_node subscriber
export PGDATABASE=subscriber
create_views

mode="the initial copy"
on_provider query "INSERT INTO plain SELECT i, i % 7, i, repeat('long', 1000) FROM generate_series(1, 500) AS i;
    CREATE MATERIALIZED VIEW published AS SELECT 1 AS one;
    SET client_min_messages = warning;
    SELECT FROM refresh_mv.configure('published', window_days => 3);
    ALTER TABLE refresh_mv.settings REPLICA IDENTITY DEFAULT;
    ALTER TABLE refresh_mv.journal REPLICA IDENTITY DEFAULT;
    SELECT FROM unnest(ARRAY['plain', 'parts_low', 'parts_high', 'logs', 'refresh_mv.settings',
        'refresh_mv.journal']::regclass[]) AS r, pglogical.replication_set_add_table('default', r)"
query "SELECT FROM pglogical.create_subscription('subscription',
    'host=$PGHOST port=$PGPORT user=$PGUSER dbname=provider', synchronize_data => true)"
await 60 "SELECT status = 'replicating' FROM pglogical.show_subscription_status()" "the initial copy is done"
replicate "insert" "INSERT INTO plain VALUES (501, 1, 1)" full,rebuild
expect 501 "$(query "SELECT count(*) FROM plain")" "the number of rows copied"

restart_with "pglogical.conflict_resolution = 'apply_remote'"
test_changes "row by row" 10000
query "INSERT INTO plain VALUES (9000, 1, 1)"
mode="row by row"
replicate "a conflict" "INSERT INTO plain VALUES (9000, 2, 2); DELETE FROM plain WHERE id = 9000; INSERT INTO plain VALUES (9000, 3, 3)"
test_triggers "row by row"

restart_with "pglogical.conflict_resolution = 'error'" "pglogical.batch_inserts = on"
test_changes "in batches" 20000
test_triggers "in batches"

restart_with "pglogical.use_spi = on"
test_changes "by SQL" 30000
test_triggers "by SQL"

# What is in refresh_mv's tables is of here, though somebody has changed them by hand
# there; what a refresh writes there stays.
on_provider query "SET client_min_messages = error; SELECT FROM refresh_materialized_views();
    INSERT INTO refresh_mv.settings (view_schema, view_name) VALUES ('public', 'by_hand');
    INSERT INTO refresh_mv.journal SELECT j.* FROM refresh_mv.journal i,
        jsonb_populate_record(i, jsonb_build_object('id', -i.id)) j"
catch_up
expect "0|0|t" "$(query "SELECT (SELECT count(*) FROM refresh_mv.journal WHERE view_name = 'published'),
    (SELECT count(*) FROM refresh_mv.settings WHERE view_name IN ('published', 'by_hand')),
    (SELECT count(*) > 20 FROM refresh_mv.history WHERE source = 'on commit' AND method = 'delta')")" \
    "what is in the subscriber's journal"
query "SELECT FROM pglogical.drop_subscription('subscription')"
