# shellcheck shell=bash
# A second server, the publisher, beside the one that a test is given, which is its
# subscriber. Meant to be sourced after test/lib/setup.sh and test/lib/checks.sh.

# Starts the publisher, with the arguments as further lines of postgresql.conf.
start_publisher() {
    local host=$PGHOST port=$PGPORT user=$PGUSER
    start_server "wal_level = logical" "$@"
    publisher=$PGHOST
    export PGHOST=$host PGPORT=$port PGUSER=$user
}

# Runs a command with the publisher as its server.
on_publisher() {
    PGHOST=$publisher PGPORT=5432 PGUSER=postgres PGDATABASE=postgres "$@"
}

# Makes the subscription $1 to the publications $2, with the options $3 if there are any.
subscribe() {
    query "CREATE SUBSCRIPTION $1 CONNECTION 'host=$publisher port=5432 user=postgres dbname=postgres'
        PUBLICATION $2 ${3:+WITH ($3)}"
}

# Waits until the initial copy of all subscriptions is done.
await_initial_copy() {
    await 60 "SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel" "the initial copy is done"
}

# Waits until the subscription $1 has brought what the publisher has.
catch_up_with() {
    local lsn
    lsn=$(on_publisher query "SELECT pg_current_wal_lsn()")
    on_publisher await 60 "SELECT count(*) = 1 AND bool_and(replay_lsn >= '$lsn') FROM pg_stat_replication
        WHERE application_name = '$1'" "the subscriber has caught up${2:+ after $2}"
}
