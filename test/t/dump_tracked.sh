#!/bin/bash
# Tests that tracking survives a dump and a restore, whole or in parts, by a
# superuser and by an owner who is none: tables can be written to at once, no
# change is lost, and after one full refresh of each view the changes are known
# again.  One view has been left half done by a refresh in chunks.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

source_db=refresh_mv_tracked
target_db=refresh_mv_tracked_restored
owner=refresh_mv_tracked_owner

# Runs a command as the owner of the databases.
as_owner() {
    PGUSER=$owner "$@"
}

# Makes the database $1 anew, owned by a role that is no superuser.
make_database() {
    psql -qd postgres -c 'SET client_min_messages = error' -c "DROP DATABASE IF EXISTS $1" \
        -c "CREATE DATABASE $1 OWNER $owner"
}

# Runs a command that is to say nothing.
silently() {
    "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || die "$* fails: $(cat "$SCRATCH/err")"
    [[ ! -s $SCRATCH/err ]] || die "$* says: $(cat "$SCRATCH/err")"
}

# Creates tracked views of every kind of source.
create_views() {
    as_owner psql -q >"$SCRATCH/out" 2>&1 <<'SQL' || die "$(cat "$SCRATCH/out")"
CREATE EXTENSION refresh_mv;
CREATE TABLE facts (day date, id integer, n integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE facts_old PARTITION OF facts FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE facts_new PARTITION OF facts FOR VALUES FROM ('2024-01-01') TO (MAXVALUE);
INSERT INTO facts SELECT date '2023-12-01' + i % 60, i, i FROM generate_series(1, 600) AS i;
CREATE SCHEMA "Odd ""schema""";
CREATE TABLE "Odd ""schema"""."it's" ("K 1" text PRIMARY KEY, n integer, unused integer);
INSERT INTO "Odd ""schema"""."it's" SELECT 'k' || i, i FROM generate_series(1, 10) AS i;
CREATE TABLE by_index (id integer NOT NULL, n integer);
CREATE UNIQUE INDEX ON by_index (id);
INSERT INTO by_index VALUES (1, 1);
CREATE FUNCTION doubled(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION halved(integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN $1 / 2; END';
CREATE VIEW ordinary AS SELECT id, public.doubled(n) AS n FROM by_index;
CREATE MATERIALIZED VIEW by_day AS SELECT day, count(*), sum(n) AS n FROM facts GROUP BY day;
CREATE MATERIALIZED VIEW by_month AS SELECT date_trunc('month', day::timestamp) AS month, sum(n) FROM by_day GROUP BY 1;
CREATE MATERIALIZED VIEW "Odd ""schema"""."v'" AS SELECT "K 1", n FROM "Odd ""schema"""."it's";
CREATE MATERIALIZED VIEW through_view AS SELECT * FROM ordinary;
CREATE MATERIALIZED VIEW trusting AS SELECT id, halved(n) AS n FROM by_index;
SELECT refresh_mv.trust('halved(integer)');
CREATE MATERIALIZED VIEW empty AS SELECT id FROM by_index WITH NO DATA;
CREATE MATERIALIZED VIEW at_commit AS SELECT count(*) FROM by_index;
CREATE MATERIALIZED VIEW untracked AS SELECT count(*) FROM facts;
CREATE TABLE stops (id integer PRIMARY KEY, day date, n integer);
INSERT INTO stops SELECT i, date '2024-01-01' + i, i FROM generate_series(1, 100) AS i;
CREATE MATERIALIZED VIEW half_done AS SELECT id, day, 1000 / n AS n FROM stops;
SELECT * FROM refresh_mv.track();
SELECT refresh_mv.untrack('untracked');
SELECT * FROM refresh_mv.track('at_commit', on_commit => true);
SELECT success FROM refresh_materialized_views_smart();
REFRESH MATERIALIZED VIEW empty WITH NO DATA;
INSERT INTO by_index VALUES (2, 2);
UPDATE stops SET n = CASE WHEN id <> 50 THEN n + 100 ELSE 0 END;
SQL
    ! as_owner psql -qc "CALL refresh_mv.run('full', views => '{half_done}', chunk => '20 days')" >"$SCRATCH/out" 2>&1 ||
        die "a refresh in chunks is not interrupted"
    as_owner psql -qc "UPDATE stops SET n = 7 WHERE n = 0"
    expect "half_done|2" "$(query "SELECT view::regclass, chunks FROM refresh_mv.unfinished")" "what is half done before the dump"
    expect "8|1" "$(query "SELECT count(*) FILTER (WHERE tracked), count(*) FILTER (WHERE on_commit)
        FROM refresh_mv.settings")" "what is tracked before the dump"
}

# Prints the triggers as they have to be.
triggers() {
    psql -At <<'SQL'
SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid),
    (SELECT count(*) FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND objid = t.oid AND deptype = 'x')
FROM pg_trigger t WHERE tgfoid = 'refresh_mv.log_change'::regproc ORDER BY tgrelid::regclass::text, tgname;
SQL
}

# Prints the triggers on the extension's own tables as they have to be.
own_triggers() {
    query "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'refresh_mv.%' ORDER BY 1, 2"
}

# Writes to all tables, as clients do that know nothing of tracking.
write_to_tables() {
    silently as_owner psql -q <<'SQL'
INSERT INTO facts VALUES ('2023-12-24', 1001, 7), ('2024-01-24', 1002, 8);
UPDATE facts SET n = n + 1 WHERE id = 1;
DELETE FROM facts_new WHERE id = (SELECT min(id) FROM facts_new);
UPDATE "Odd ""schema"""."it's" SET n = n + 1 WHERE "K 1" = 'k1';
DELETE FROM by_index WHERE id = 1;
INSERT INTO by_index VALUES (1, 5);
UPDATE stops SET n = n + 1 WHERE id % 30 = 1;
SQL
}

# Writes to all tables once more; of facts two rows are deleted.
write_again() {
    silently as_owner psql -q <<'SQL'
DELETE FROM facts WHERE id > 1000;
UPDATE "Odd ""schema"""."it's" SET n = n - 1 WHERE "K 1" = 'k1';
UPDATE by_index SET id = -id, n = n + 1;
UPDATE stops SET n = n + 1 WHERE id % 30 = 2;
SQL
}

# Fails unless the tracked views hold what their queries give; $1 names the case.
check_views() {
    compare_views -At | awk -F '|' '$1 != "untracked" { wrong += $3 + $4 } END { exit wrong > 0 }' ||
        die "$1: views differ from their queries"
}

# Refreshes all views and fails unless the methods used for the tracked ones, but
# for those that have been refreshed on commit, are among $2; $1 names the case.
# (by_month reads a view, of which the changes may be known when those of its tables
# are not.)
run() {
    local last others
    last=$(query "SELECT coalesce(max(id), 0) FROM refresh_mv.journal")
    silently as_owner psql -qc "SET client_min_messages = warning" -c "CALL refresh_mv.run()"
    others=$(query "SELECT string_agg(format('%s: %s, %s', view_name, method, reason), '; ')
        FROM refresh_mv.journal JOIN refresh_mv.settings USING (view_schema, view_name)
        WHERE id > $last AND tracked AND NOT on_commit AND method <> ALL ('$2')
            AND (view_name, method) <> ('by_month', 'delta')")
    expect "" "$others" "$1: what has been refreshed by another method than $2"
    check_views "$1"
}

# Fails unless tracking is alive in the current database; $1 names the case.
check_alive() {
    expect "" "$(query "SELECT view FROM refresh_mv.chunks")" "$1: what is half done"
    write_to_tables
    run "$1: the first run" "{full,rebuild}"
    run "$1: the second run" "{skip}"
    write_again
    expect "(1001,2023-12-24) (1002,2024-01-24)" \
        "$(query "SELECT string_agg(key, ' ' ORDER BY key) FROM refresh_mv.changes('by_day', 'facts')")" \
        "$1: the changes"
    run "$1: the run after changes" "{full,delta,keys,rebuild}"
    run "$1: the last run" "{skip}"
    triggers >"$SCRATCH/restored"
    diff "$SCRATCH/triggers" "$SCRATCH/restored" || die "$1: triggers are not as they were"
    expect "$own" "$(own_triggers)" "$1: what triggers there are on refresh_mv's own tables"
}

# Restores whole dumps; the arguments after the first are put before each command.
test_whole() {
    local who=$1 PGDATABASE=$target_db
    shift
    silently "$@" pg_dump -f "$SCRATCH/dump.sql" "$source_db"
    make_database "$target_db"
    silently "$@" psql -qf "$SCRATCH/dump.sql"
    check_alive "plain format as $who"

    rm -f "$SCRATCH/dump.custom"
    silently "$@" pg_dump -Fc -f "$SCRATCH/dump.custom" "$source_db"
    make_database "$target_db"
    silently "$@" pg_restore -j 2 -d "$target_db" "$SCRATCH/dump.custom"
    check_alive "custom format as $who"
    # which complains of the partitions' keys, with or without tracking
    "$@" pg_restore --clean --if-exists -j 2 -d "$target_db" "$SCRATCH/dump.custom" >"$SCRATCH/out" 2>&1 || true
    expect "" "$(grep -E 'ERROR|WARNING' "$SCRATCH/out" | grep -v 'cannot drop inherited constraint')" \
        "what else --clean says"
    check_alive "custom format over what was there as $who"
}

# Restores the data of the dump into the tracked tables that are there, with the
# options given.  A refresh on commit amidst that would write to the history
# before its own data are restored.
restore_data() {
    silently as_owner psql -qc 'TRUNCATE facts, by_index, "Odd ""schema"""."it'\''s", stops'
    silently psql -qc "TRUNCATE refresh_mv.journal, refresh_mv.settings, refresh_mv.trusted"
    silently env PGOPTIONS="-c refresh_mv.skip_refresh=on" \
        pg_restore --data-only "$@" -d "$target_db" "$SCRATCH/dump.custom"
}

# Restores a dump in two parts, then its data again.
test_parts() {
    local PGDATABASE=$target_db
    make_database "$target_db"
    silently pg_restore --schema-only -d "$target_db" "$SCRATCH/dump.custom"
    silently pg_restore --data-only --disable-triggers -d "$target_db" "$SCRATCH/dump.custom"
    expect "$own" "$(own_triggers)" "what triggers there are on refresh_mv's own tables after a restore of data"
    check_alive "schema and data apart"
    # as without event triggers, in single-user mode, say
    query "ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE;
        ALTER TABLE refresh_mv.journal ENABLE TRIGGER ALL; ALTER TABLE refresh_mv.log ENABLE TRIGGER ALL;
        ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS"
    silently psql -qc "SET client_min_messages = warning" -c "SELECT FROM refresh_materialized_views_smart()"
    expect "$own" "$(own_triggers)" "what triggers there are on refresh_mv's own tables after a refresh"
    restore_data --disable-triggers
    check_alive "data into tracked tables, triggers disabled"
    restore_data
    check_alive "data into tracked tables"
}

# Fails unless restored tables are as they were and can be written to; $1 names the case.
check_tables() {
    expect "600|2" "$(query "SELECT (SELECT count(*) FROM facts), (SELECT count(*) FROM by_index)")" \
        "the number of rows restored $1"
    silently as_owner psql -q -c "INSERT INTO facts VALUES ('2024-02-02', 2000, 1)" \
        -c "UPDATE facts SET n = 0 WHERE id = 1" -c "DELETE FROM by_index" -c "TRUNCATE facts"
}

# Restores tables without the views that read them.  Where the extension is not
# installed, all that cannot be restored are its triggers.  Where it is, they log,
# until the next run, what nobody reads.
test_tables_only() {
    local PGDATABASE=$target_db
    silently as_owner pg_dump -t 'facts*' -t by_index -f "$SCRATCH/dump.sql" "$source_db"
    make_database "$target_db"
    as_owner psql -Xqf "$SCRATCH/dump.sql" >"$SCRATCH/out" 2>"$SCRATCH/err"
    expect "" "$(grep -vE 'ERROR: +(schema "refresh_mv"|trigger "refresh_mv_[a-z]+" .*) does not exist' "$SCRATCH/err")" \
        "what else cannot be restored of tables only"
    check_tables "without the extension"

    make_database "$target_db"
    silently as_owner psql -qc "CREATE EXTENSION refresh_mv"
    silently as_owner psql -qf "$SCRATCH/dump.sql"
    check_tables "with the extension"
    silently as_owner psql -qc "SET client_min_messages = warning" -c "CALL refresh_mv.run()"
    expect 0 "$(query "SELECT count(*) FROM refresh_mv.log")" "the number of log entries after a run"
}

psql -qd postgres -c 'SET client_min_messages = error' -c "DROP DATABASE IF EXISTS $source_db" \
    -c "DROP DATABASE IF EXISTS $target_db" -c "DROP ROLE IF EXISTS $owner" -c "CREATE ROLE $owner LOGIN"
make_database "$source_db"
export PGDATABASE=$source_db
create_views
triggers >"$SCRATCH/triggers"
own=$(own_triggers)
test_whole "a superuser" env
test_whole "the owner" as_owner
test_parts
test_tables_only
