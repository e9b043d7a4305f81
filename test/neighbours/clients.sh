#!/bin/bash
# Tests drop-in REFRESH with clients as they are: what each sends, as the server's log has it, what becomes
# of it, and that views are right afterwards.  Prints the table of doc/drop-in.md.  A client that is not
# there is left out, with the reason; those of npm are installed into a folder that goes away.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"
clients=$ROOT/test/neighbours/clients

# Makes a database where REFRESH is taken over, with a tracked view that is refreshed by delta and has a unique index.
make_database() {
    psql -q <<'SQL'
SET client_min_messages = error;
CREATE DATABASE shop;
ALTER DATABASE shop SET session_preload_libraries = 'refresh_mv';
ALTER DATABASE shop SET refresh_mv.take_over = 'on';
ALTER DATABASE shop SET refresh_mv.exact_cost_limit = 1e9; -- the table is small
SQL
    export PGDATABASE=shop
    psql -q <<'SQL'
CREATE EXTENSION refresh_mv;
CREATE TABLE orders (id integer PRIMARY KEY, region integer NOT NULL, amount integer NOT NULL);
INSERT INTO orders SELECT i, i % 10, i FROM generate_series(1, 1000) i;
CREATE MATERIALIZED VIEW sales AS SELECT region, count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY region;
CREATE UNIQUE INDEX ON sales (region);
SELECT tracked FROM refresh_mv.track('sales') \g /dev/null
REFRESH MATERIALIZED VIEW sales;
SQL
}

# What clients have sent since the log had so many lines: statements, in the simple protocol or the extended one.
sent_since() {
    tail -n "+$(($1 + 1))" "$SERVER_DIR/log" |
        sed -nE -e "s/^.*LOG:  statement: (.*)$/simple: \1/p" -e "s/^.*LOG:  execute (<unnamed>|[^ ]*): (.*)$/extended: \2/p" |
        grep -i 'REFRESH MATERIALIZED' | sort | uniq -c | sed -E 's/^ *1 //; s/^ *([0-9]+) (.*)$/\2 (\1 times)/' | paste -sd '~' | sed 's/~/; /g'
}

# Changes a row, runs the client $1, the rest of the arguments, and says what it has sent and what was done.
# Fails if any REFRESH was not taken over, or the view is wrong.
show_client() {
    local name=$1 lines sent methods
    shift
    query "UPDATE orders SET amount = amount + 1 WHERE id = 1; DELETE FROM refresh_mv.journal"
    lines=$(wc -l <"$SERVER_DIR/log")
    "$@" >"$SCRATCH/client.log" 2>&1 || { cat "$SCRATCH/client.log"; die "$name failed"; }
    sent=$(sent_since "$lines")
    methods=$(query "SELECT string_agg(method || CASE WHEN n > 1 THEN ' (' || n || ' times)' ELSE '' END, ', ' ORDER BY first)
        FROM (SELECT method, count(*) AS n, min(started) AS first FROM refresh_mv.history WHERE source = 'REFRESH' AND success GROUP BY 1) m")
    [[ -n $sent ]] || die "$name has sent no REFRESH: $(tail -n "+$((lines + 1))" "$SERVER_DIR/log")"
    expect_like "delta*" "$methods" "what became of the REFRESH of $name"
    expect "" "$(wrong_views)" "what is wrong with the views after $name"
    # shellcheck disable=SC2016 # no commands
    printf '| %s | `%s` | %s |\n' "$name" "$sent" "$methods"
}

# Says that the client $1 is left out, and why.
leave_out() {
    printf '%s is left out: %s\n' "$1" "$2"
}

# psql and pgbench, of the server's version.
postgresql_clients() {
    show_client "psql -c" psql -Xc "REFRESH MATERIALIZED VIEW sales"
    expect "REFRESH MATERIALIZED VIEW" "$(cat "$SCRATCH/client.log")" "the command tag"
    show_client "psql -c, CONCURRENTLY" psql -Xc "REFRESH MATERIALIZED VIEW CONCURRENTLY sales"
    show_client "psql -1, a script" psql -X1qc "UPDATE orders SET amount = amount - 1 WHERE id = 2" -c "REFRESH MATERIALIZED VIEW sales"
    if (($(psql -V | sed -E 's/^[^0-9]*([0-9]+).*/\1/') >= 16)); then
        printf '%s\n' 'REFRESH MATERIALIZED VIEW sales \bind \g' >"$SCRATCH/bind.sql"
        show_client "psql, \\bind" psql -X -v ON_ERROR_STOP=1 -f "$SCRATCH/bind.sql"
    fi
    echo "REFRESH MATERIALIZED VIEW sales;" >"$SCRATCH/refresh.sql"
    local mode
    for mode in simple extended prepared; do
        show_client "pgbench -M $mode" pgbench -n -M "$mode" -c 2 -t 5 -f "$SCRATCH/refresh.sql"
    done
    printf '%s\n' '\startpipeline' 'UPDATE orders SET amount = amount + 1 WHERE id = 3;' 'REFRESH MATERIALIZED VIEW sales;' \
        'SELECT 1;' '\endpipeline' >"$SCRATCH/pipeline.sql"
    show_client "pgbench, a pipeline" pgbench -n -M extended -t 3 -f "$SCRATCH/pipeline.sql"
}

# Runs the clients of clients.py for which their modules are there.
python_clients() {
    local name module title
    while read -r name module title; do
        if python3 -c "import $module" 2>/dev/null; then
            show_client "$title" python3 "$clients/clients.py" "$name"
        else
            leave_out "$title" "there is no Python module $module"
        fi
    done <<'LIST'
psycopg2 psycopg2 psycopg2
psycopg2_autocommit psycopg2 psycopg2, autocommit
psycopg psycopg psycopg 3
psycopg_prepared psycopg psycopg 3, prepared
psycopg_pipeline psycopg psycopg 3, a pipeline
sqlalchemy sqlalchemy SQLAlchemy
sqlalchemy_utils sqlalchemy_utils SQLAlchemy-Utils, refresh_materialized_view()
django django Django, a migration's RunSQL
django_cursor django Django, cursor.execute()
LIST
}

# Runs the clients of clients.mjs, if npm gives their packages, or the folder clients/node_modules has them.
node_clients() {
    local name title folder=$SCRATCH/node
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        leave_out "what runs in Node.js" "node or npm is not there"
        return 0
    fi
    mkdir "$folder"
    cp "$clients/clients.mjs" "$folder/"
    if [[ -d $clients/node_modules ]]; then
        ln -s "$clients/node_modules" "$folder/"
    elif ! (cd "$folder" && npm_config_cache=$folder/cache timeout 120 npm install --no-audit --no-fund --ignore-scripts \
        --fetch-retries=0 pg@8 knex@3 drizzle-orm@0.44 typeorm@0.3 reflect-metadata@0.2) >"$SCRATCH/npm.log" 2>&1; then
        leave_out "what runs in Node.js" "npm did not install the packages: $(tail -n 1 "$SCRATCH/npm.log")"
        return 0
    fi
    while read -r name title; do
        show_client "$title" node "$folder/clients.mjs" "$name"
    done <<'LIST'
pg node-postgres
pg_parameters node-postgres, a prepared statement
drizzle drizzle-orm, refreshMaterializedView()
drizzle_concurrently drizzle-orm, refreshMaterializedView().concurrently()
knex knex, schema.refreshMaterializedView()
knex_concurrently knex, schema.refreshMaterializedView(..., true)
typeorm TypeORM, query()
typeorm_transaction TypeORM, in a transaction
LIST
}

# Runs ActiveRecord.
ruby_clients() {
    if ! ruby -e 'require "active_record"; require "pg"' 2>/dev/null; then
        leave_out "ActiveRecord" "the packages are not there"
        return 0
    fi
    show_client "ActiveRecord, execute()" ruby "$clients/clients.rb" execute
    show_client "ActiveRecord, a migration" ruby "$clients/clients.rb" migration
}

# Has pg_cron run a job; its clock has seconds from version 1.5 on, else minutes.
cron_client() {
    if [[ ! -e $("$PG_CONFIG" --sharedir)/extension/pg_cron.control ]]; then
        leave_out "pg_cron" "it is not there"
        return 0
    fi
    query "CREATE EXTENSION pg_cron"
    query "SELECT cron.schedule('sales', '* * * * *', 'REFRESH MATERIALIZED VIEW CONCURRENTLY sales')" >"$SCRATCH/out"
    show_client "pg_cron" await_job
    query "SELECT cron.unschedule('sales')" >"$SCRATCH/out"
    expect "succeeded|REFRESH MATERIALIZED VIEW" \
        "$(query "SELECT status, return_message FROM cron.job_run_details ORDER BY runid LIMIT 1")" "what pg_cron says"
}

# Waits for the first run of the job.
await_job() {
    await 90 "SELECT count(*) > 0 FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')"
}

use_postgresql
settings=("log_statement = ddl" "log_line_prefix = '%p '")
if [[ -e $("$PG_CONFIG" --sharedir)/extension/pg_cron.control ]]; then
    settings+=("shared_preload_libraries = 'pg_cron'" "cron.database_name = 'shop'" "cron.host = '$SCRATCH/server'")
fi
start_server "${settings[@]}"
make_database
postgresql_clients
python_clients
cron_client
node_clients
ruby_clients
