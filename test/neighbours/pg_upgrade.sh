#!/bin/bash
# Tests that tracking survives pg_upgrade, and the way of pg_upgradecluster with dumps,
# from another version of PostgreSQL that is installed (OLD_BINDIR, or the oldest in
# /usr/lib/postgresql): at once views can be dropped and untracked and tables written
# to; the first refresh brings every change, the next ones are exact as before.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Sets OLD_BINDIR to the programs of an older server, with this extension.
find_old_server() {
    local dir
    if [[ -z ${OLD_BINDIR:-} ]]; then
        while read -r dir; do
            [[ ! -x $dir/bin/postgres || ! -x $dir/bin/pg_config || -n ${OLD_BINDIR:-} ]] || OLD_BINDIR=$dir/bin
        done < <(printf '%s\n' /usr/lib/postgresql/* | sort -V)
    fi
    [[ -n ${OLD_BINDIR:-} && $OLD_BINDIR != "$NEW_BINDIR" ]] ||
        skip "there is no other server than $("$NEW_BINDIR/postgres" --version) to upgrade from"
    install_old_extension
    [[ -e $("$OLD_BINDIR/pg_config" --sharedir)/extension/refresh_mv.control ]] ||
        skip "the extension is not there for $("$OLD_BINDIR/postgres" --version), nor what it takes to build it"
}

# Builds and installs the extension for the old server, where that is possible.
install_old_extension() {
    [[ -e $("$OLD_BINDIR/pg_config" --includedir-server)/postgres.h ]] || return 0
    [[ -w $("$OLD_BINDIR/pg_config" --pkglibdir) ]] || return 0
    mkdir "$SCRATCH/old"
    tar -C "$ROOT" --exclude=./.git --exclude='*.o' --exclude='*.so' -cf - . | tar -C "$SCRATCH/old" --no-same-owner -xf -
    make -s -j2 -C "$SCRATCH/old" PG_CONFIG="$OLD_BINDIR/pg_config" all install ||
        die "the extension cannot be built for $("$OLD_BINDIR/postgres" --version)"
}

# Starts the server in SERVER_DIR/$1 with the programs in BINDIR.
start() {
    as_server_user "$BINDIR/pg_ctl" -D "$SERVER_DIR/$1" -l "$SERVER_DIR/log" -w -t 120 start >/dev/null
}

stop() {
    as_server_user "$BINDIR/pg_ctl" -D "$SERVER_DIR/$1" -m fast -w stop >/dev/null
}

# Makes views of every kind, tracked and with a baseline, and changes that none of them
# has seen.
create_views() {
    query "CREATE EXTENSION refresh_mv;
        ALTER DATABASE $PGDATABASE SET refresh_mv.exact_cost_limit = 1000;
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE facts (id bigint PRIMARY KEY, g text NOT NULL, n numeric(10, 2), x integer, m mood);
        CREATE INDEX ON facts (g);
        CREATE TABLE parts (id integer, day date, n integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
        CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
        CREATE TABLE texts (k text PRIMARY KEY, t text);
        INSERT INTO facts SELECT i, 'g' || i % 50, i / 7.0, i % 10, CASE i % 2 WHEN 0 THEN 'sad' ELSE 'happy' END::mood
            FROM generate_series(1, 2000) AS i;
        INSERT INTO parts SELECT i, date '2025-12-01' + i % 60, i FROM generate_series(1, 600) AS i;
        INSERT INTO texts SELECT 'k' || i, 't' || i % 3 FROM generate_series(1, 100) AS i;
        CREATE MATERIALIZED VIEW delta AS SELECT g, count(*), sum(n), avg(n), min(x), max(x) FROM facts GROUP BY g;
        CREATE MATERIALIZED VIEW delta_values AS SELECT g, count(DISTINCT x) AS xs, count(DISTINCT m) AS ms FROM facts GROUP BY g;
        CREATE MATERIALIZED VIEW delta_whole AS SELECT count(*), sum(x) FROM facts;
        CREATE MATERIALIZED VIEW keys AS SELECT g, array_agg(x ORDER BY id) FROM facts GROUP BY g;
        CREATE MATERIALIZED VIEW rows AS SELECT k, upper(t) AS t FROM texts;
        CREATE MATERIALIZED VIEW windows AS SELECT g, id, row_number() OVER (PARTITION BY g ORDER BY id) FROM facts;
        CREATE MATERIALIZED VIEW by_day AS SELECT day, count(*) AS count, sum(n) AS sum FROM parts GROUP BY day;
        CREATE MATERIALIZED VIEW by_month AS SELECT date_trunc('month', day::timestamp) AS month, sum(sum) FROM by_day GROUP BY 1;
        CREATE MATERIALIZED VIEW at_commit AS SELECT t, count(*) FROM texts GROUP BY t;
        CREATE MATERIALIZED VIEW dropped AS SELECT g, sum(x), count(DISTINCT m) FROM facts GROUP BY g;
        CREATE MATERIALIZED VIEW let_go AS SELECT g, sum(x), count(DISTINCT m) FROM facts GROUP BY g;
        CREATE MATERIALIZED VIEW logged AS SELECT g, count(*), sum(n), max(x) FROM facts GROUP BY g;
        CREATE MATERIALIZED VIEW logged_values AS SELECT x, count(DISTINCT g) AS gs FROM facts GROUP BY x;
        CREATE TABLE stops (id integer PRIMARY KEY, day date, n integer);
        INSERT INTO stops SELECT i, date '2024-01-01' + i, i FROM generate_series(1, 100) AS i;
        CREATE MATERIALIZED VIEW half_done AS SELECT id, day, 1000 / n AS n FROM stops;
        CREATE MATERIALIZED VIEW untracked AS SELECT count(*) FROM facts;
        CREATE MATERIALIZED VIEW empty AS SELECT g, sum(x) FROM facts GROUP BY g WITH NO DATA;
        SELECT FROM refresh_mv.track();
        SELECT FROM refresh_mv.untrack('untracked');
        SELECT FROM refresh_mv.track('at_commit', on_commit => true);
        SELECT FROM refresh_materialized_views_smart();
        REFRESH MATERIALIZED VIEW empty WITH NO DATA;
        SET refresh_mv.logged_states = on;
        SELECT FROM refresh_materialized_views(views => '{logged,logged_values}');
        UPDATE stops SET n = CASE WHEN id <> 50 THEN n + 100 ELSE 0 END;
        ANALYZE"
    half_do
    change
    methods=$(refresh)
    expect "delta 7,keys 3" "$(count_methods <<<"$methods")" "the methods before the upgrade"
    own=$(own_triggers)
    change
}

# Leaves a view half done, with changes of both halves.
half_do() {
    expect 2 "$(query "SELECT count(*) FROM pg_class WHERE relpersistence = 'p' AND relkind = 'r'
        AND relname IN (SELECT 'group_state_' || v::regclass::oid FROM unnest('{logged,logged_values}'::text[]) v)")" "the states that are logged"
    ! PGOPTIONS="-c client_min_messages=error" psql -qc "CALL refresh_mv.run('full', views => '{half_done}', chunk => '20 days')" \
        >"$SCRATCH/out" 2>&1 || die "a refresh in chunks is not interrupted"
    query "UPDATE stops SET n = 7 WHERE id IN (50, 10, 90)"
    expect "half_done|2" "$(query "SELECT view::regclass, chunks FROM refresh_mv.unfinished")" "what is half done"
    query "SELECT refresh_mv.configure('half_done', enabled => false)" # until it is gone on with
}

# Changes all tables.
change() {
    query "UPDATE facts SET n = n + 1, x = x + 1, m = 'sad' WHERE id % 500 = 1; DELETE FROM facts WHERE id = (SELECT min(id) FROM facts WHERE id % 500 <> 1);
        INSERT INTO facts SELECT max(id) + 1000, 'g7', 7, 7, 'happy' FROM facts;
        UPDATE parts SET n = n + 1 WHERE id < 4; INSERT INTO parts SELECT max(id) + 1, '2026-02-03', 1 FROM parts;
        UPDATE texts SET t = 't1' WHERE k = (SELECT min(k) FROM texts WHERE t <> 't1')"
}

# Refreshes, and prints how each tracked view that is not refreshed on commit was.
refresh() {
    local last
    last=$(query "SELECT coalesce(max(id), 0) FROM refresh_mv.journal")
    PGOPTIONS="-c client_min_messages=error" query "CALL refresh_mv.run()"
    query "SELECT view_name, CASE WHEN NOT success THEN message WHEN method = 'full' THEN 'full: ' || reason ELSE method END FROM refresh_mv.journal
        WHERE id > $last AND view_name NOT IN ('untracked', 'empty', 'at_commit', 'dropped', 'let_go', 'half_done') ORDER BY 1"
}

# Sums up what refresh printed.
count_methods() {
    cut -d '|' -f 2 | sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)/\2 \1/' | paste -sd ,
}

# Prints how the triggers on the extension's own tables fire.
own_triggers() {
    query "SELECT c.relname, g.tgname, g.tgenabled FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
        WHERE NOT g.tgisinternal AND c.relnamespace = 'refresh_mv'::regnamespace ORDER BY 1, 2"
}

# Fails if a tracked view is not what its query gives; $1 names the moment.
check_views() {
    expect "" "$(compare_views -At | grep -vE '^(untracked|empty|dropped|let_go)\||\|0\|0$' || true)" "the views that are wrong $1"
}

# Fails unless the database that has been upgraded by $1 works as before.
check_upgraded() {
    query "DROP MATERIALIZED VIEW dropped; SELECT refresh_mv.untrack('let_go')"
    expect "" "$(query "SELECT relname FROM pg_class c WHERE relnamespace = 'refresh_mv'::regnamespace
        AND relname ~ '^group_' AND relkind = 'r' AND NOT EXISTS (SELECT FROM refresh_mv.tracked t WHERE relname ~ t.view::text)")" \
        "$1: the states of views that are gone"
    change
    refresh >"$SCRATCH/methods"
    query "SELECT refresh_mv.configure('half_done', enabled => true)"
    PGOPTIONS="-c client_min_messages=error" query "CALL refresh_mv.run('full', views => '{half_done}', chunk => '10 days')"
    query "UPDATE stops SET n = n + 1 WHERE id % 30 = 3; SELECT FROM refresh_materialized_views_smart('{half_done}');
        SELECT refresh_mv.configure('half_done', enabled => false)"
    expect "" "$(query "SELECT view::regclass FROM refresh_mv.chunks")" "$1: what is half done"
    check_views "after $1 and a refresh"
    expect "skip 10" "$(refresh | count_methods)" "$1: the methods when nothing has changed"
    change
    expect "$methods" "$(refresh)" "$1: the methods after changes"
    check_views "after $1 and changes"
    expect "" "$(query "SELECT e.verdict, e.view_name FROM pg_class c CROSS JOIN LATERAL refresh_mv.verify(c.oid) e
        WHERE c.relkind = 'm' AND c.relname NOT IN ('untracked', 'empty', 'let_go') AND e.verdict <> 'correct'")" "$1: verify"
    expect "$own" "$(own_triggers)" "$1: the triggers on the extension's own tables"
    query "SET client_min_messages = error; SELECT refresh_mv.untrack(); DROP EXTENSION refresh_mv CASCADE"
    expect 0 "$(query "SELECT count(*) FROM pg_namespace WHERE nspname = 'refresh_mv'")" "$1: the number of schemas left"
    change
    echo "ok: $1"
}

# Makes an empty cluster of the new version in SERVER_DIR/$1, with checksums of data pages if the old one has them.
make_cluster() {
    local options=() checksums=--data-checksums
    if "$OLD_BINDIR/pg_controldata" "$SERVER_DIR/data" | grep -q '^Data page checksum version: *0$'; then
        checksums=--no-data-checksums
    fi
    [[ $("$NEW_BINDIR/initdb" --help) != *$checksums* ]] || options=("$checksums")
    as_server_user "$NEW_BINDIR/initdb" -D "$SERVER_DIR/$1" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8 \
        "${options[@]}" >"$SCRATCH/initdb.log" 2>&1 || die "$(cat "$SCRATCH/initdb.log")"
    printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$SERVER_DIR'" "fsync = off" |
        as_server_user tee -a "$SERVER_DIR/$1/postgresql.conf" >/dev/null
}

# Upgrades a copy of the old cluster by pg_upgrade, with the option --link or none.
upgrade() {
    as_server_user cp -a "$SERVER_DIR/data" "$SERVER_DIR/old$1"
    make_cluster "new$1"
    as_server_user env -C "$SERVER_DIR" "$NEW_BINDIR/pg_upgrade" ${1:+"$1"} -b "$OLD_BINDIR" -B "$NEW_BINDIR" -d "$SERVER_DIR/old$1" \
        -D "$SERVER_DIR/new$1" -s "$SERVER_DIR" -U postgres >"$SCRATCH/upgrade.log" 2>&1 ||
        die "pg_upgrade $1 fails: $(tail -n 40 "$SCRATCH/upgrade.log")"
    BINDIR=$NEW_BINDIR start "new$1"
    check_upgraded "pg_upgrade $1"
    BINDIR=$NEW_BINDIR stop "new$1"
}

# The same by a dump of the schema and one of the data, as pg_upgradecluster does it.
upgrade_by_dump() {
    BINDIR=$OLD_BINDIR start data
    pg_dump -Fc -f "$SCRATCH/dump" "$PGDATABASE"
    BINDIR=$OLD_BINDIR stop data
    make_cluster new-dump
    BINDIR=$NEW_BINDIR start new-dump
    psql -qd postgres -c "CREATE DATABASE $PGDATABASE"
    query "ALTER DATABASE $PGDATABASE SET refresh_mv.exact_cost_limit = 1000"
    pg_restore --schema-only -d "$PGDATABASE" "$SCRATCH/dump"
    pg_restore --data-only --disable-triggers -d "$PGDATABASE" "$SCRATCH/dump"
    expect "$own" "$(own_triggers)" "the triggers on the extension's own tables after a restore of data"
    check_upgraded "dumps"
    BINDIR=$NEW_BINDIR stop new-dump
}

use_postgresql
NEW_BINDIR=$BINDIR
find_old_server
BINDIR=$OLD_BINDIR start_server
psql -qd postgres -c "CREATE DATABASE refresh_mv_upgrade"
export PGDATABASE=refresh_mv_upgrade
create_views
BINDIR=$OLD_BINDIR stop data
upgrade --link
upgrade ""
upgrade_by_dump
