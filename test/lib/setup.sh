# shellcheck shell=bash
# Everything that demo/run, test/run and bench/run need before they start:
# packages, a build of the extension, and a throw-away PostgreSQL server that
# nobody else can reach. Meant to be sourced by a script that has set
# "set -euo pipefail"; it leaves nothing behind when that script ends.

unset CDPATH MAKEFLAGS MFLAGS MAKELEVEL
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export LC_ALL=C.UTF-8 PAGER=cat PATH=$PATH:/usr/sbin:/sbin

# Prints its arguments as one line on standard error.
say() {
    printf '%s\n' "$*" >&2
}

# Ends the script with status 1 and its arguments as the reason.
die() {
    say "error: $*"
    exit 1
}

# True if we are root.
is_root() {
    [[ $(id -u) -eq 0 ]]
}

# True if as_root can work: we are root, or sudo needs no password, or
# there is a terminal on which sudo can ask for one.
can_be_root() {
    is_root || { command -v sudo && { sudo -n true || [[ -t 0 ]]; }; } >/dev/null 2>&1
}

# Runs a command with root's rights.
as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

# Runs a command as the user who owns the server: postgres if we are root
# (PostgreSQL refuses to run as root), else the current user. It runs in
# SCRATCH, since the current folder may be closed to that user.
as_server_user() (
    cd "$SCRATCH" || exit 1
    if is_root; then set -- setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; fi
    exec "$@"
)

# Creates the folder $1, which only the server's user and root can enter.
server_folder() {
    mkdir -m 700 "$1"
    ! is_root || chown postgres: "$1"
}

# Runs a command so that a signal to this script ends it at once, with all
# the processes it has started.
interruptible() {
    local job
    set -m
    "$@" </dev/null &
    job=$!
    set +m
    wait "$job"
}

# True if the server's user will be able to reach the folder $1 and a socket
# in it has a short enough path (107 bytes at most).
suits_server() {
    ((${#1} <= 60)) || return 1
    if is_root; then
        setpriv --reuid=nobody --regid=nogroup --clear-groups -- test -x "$1"
    else
        test -w "$1"
    fi
}

# Creates SCRATCH, the one folder that everything temporary is in, with
# SCRATCH/tmp as TMPDIR; both go away with the script. A psqlrc file there
# makes psql stop at the first error.
make_scratch() {
    local parent=${TMPDIR:-/tmp}
    suits_server "$parent" || parent=/tmp
    SCRATCH=$(mktemp -d "$parent/refresh_mv.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 755 "$SCRATCH"
    mkdir -m 1777 "$SCRATCH/tmp"
    mkdir "$SCRATCH/bin"
    echo '\set ON_ERROR_STOP on' >"$SCRATCH/psqlrc"
    export TMPDIR=$SCRATCH/tmp PSQLRC=$SCRATCH/psqlrc
}

# Ends the processes that interruptible has started.
stop_jobs() {
    local job
    for job in $(jobs -p); do
        kill -- "-$job" 2>/dev/null || true
    done
    wait
}

# Stops every server whose data is in the folder $1.
stop_servers_in() {
    local data
    while read -r data; do
        as_server_user "$BINDIR/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true
    done < <(find "$1" -name postmaster.pid -printf '%h\n')
}

# Leaves no process, no file and no setting behind, and keeps the exit status.
clean_up() {
    local status=$?
    trap '' INT TERM HUP
    stop_jobs
    stop_servers_in "$SCRATCH"
    allow_main_cluster
    allow_services
    rm -rf "$SCRATCH"
    exit "$status"
}

# True if the Debian server in the folder $1 has its headers.
has_headers() {
    [[ -x $1/bin/pg_config && -e $("$1/bin/pg_config" --includedir-server)/postgres.h ]]
}

# Sets PG_CONFIG, if it is not set, to what is installed: the newest Debian
# version of which both the server and its headers are, or else the newest
# server, or else the one in PATH. If there is none it stays unset, for
# choose_postgresql.
find_postgresql() {
    local dir server='' complete=''
    if [[ -z ${PG_CONFIG:-} ]]; then
        while read -r dir; do
            [[ -x $dir/bin/postgres ]] || continue
            server=$dir
            ! has_headers "$dir" || complete=$dir
        done < <(printf '%s\n' /usr/lib/postgresql/* | sort -V)
        PG_CONFIG=${complete:-$server}
        if [[ -n $PG_CONFIG ]]; then
            PG_CONFIG+=/bin/pg_config
        elif [[ -x $(pg_config --bindir 2>/dev/null)/postgres ]]; then
            PG_CONFIG=$(command -v pg_config)
        fi
    fi
    [[ -z ${PG_CONFIG:-} ]] || export PG_CONFIG
}

# Prints the version of PostgreSQL that apt would install, if it knows one.
offered_version() {
    { apt-cache depends postgresql 2>/dev/null || true; } |
        sed -n 's/^ *Depends: postgresql-\([0-9]\{1,\}\)$/\1/p' | tail -n 1
}

# True if apt has been told at least once what there is.
has_package_lists() {
    [[ -n $(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null) ]]
}

# Sets PG_CONFIG, if find_postgresql has found nothing, to the version that
# the system offers, to be installed.
choose_postgresql() {
    local major
    [[ -z ${PG_CONFIG:-} ]] || return 0
    command -v apt-cache >/dev/null ||
        die "there is no PostgreSQL here: set PG_CONFIG to the pg_config of the one to use"
    has_package_lists || ! can_be_root || apt_get update
    major=$(offered_version)
    [[ -n $major ]] || die "apt knows of no package postgresql; after apt-get update it may"
    say "PostgreSQL $major is the version that this system offers."
    export PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
}

# Prints the major version of the server if it is one of Debian's packages.
debian_major() {
    [[ ! ${PG_CONFIG:-} =~ ^/usr/lib/postgresql/([0-9]+)/ ]] || echo "${BASH_REMATCH[1]}"
}

# Prints the packages that building and running the extension takes; the
# server is no package of Debian's if PG_CONFIG is elsewhere.
base_packages() {
    local major
    major=$(debian_major)
    echo g++ make ${major:+"postgresql-$major" "postgresql-server-dev-$major"}
}

# Prints those of its arguments that are no installed Debian package.
missing_packages() {
    local package
    for package; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            printf '%s ' "$package"
    done
}

# Prints those of its arguments that are packages which the system offers, and
# which could be installed.
offered_packages() {
    local package
    for package; do
        ! apt-get -s -q --no-install-recommends --no-remove install "$package" >/dev/null 2>&1 ||
            printf '%s ' "$package"
    done
}

# Keeps Debian's server package from creating and starting a cluster of its
# own when it is installed, until allow_main_cluster.
forbid_main_cluster() {
    no_main_cluster=/etc/postgresql-common/createcluster.d/refresh_mv-$$.conf
    as_root mkdir -p "${no_main_cluster%/*}"
    echo 'create_main_cluster = false' | as_root tee "$no_main_cluster" >/dev/null
}

# Keeps packages from starting services when they are installed, until
# allow_services, unless the system has a policy of its own.
forbid_services() {
    [[ ! -e /usr/sbin/policy-rc.d ]] || return 0
    no_services=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_services" >/dev/null
    as_root chmod 755 "$no_services"
}

# Takes back forbid_services, if it has done anything.
allow_services() {
    [[ -n ${no_services:-} ]] || return 0
    as_root rm -f "$no_services"
    no_services=
}

# Keeps the services of those of its arguments that are packages with one from
# being started with the system: it is only their programs that we take.
disable_services() {
    local package
    for package; do
        [[ -x /etc/init.d/$package ]] || continue
        as_root update-rc.d "$package" disable || true
        as_root deb-systemd-helper disable "$package.service" || true
    done >/dev/null 2>&1
}

# Takes back forbid_main_cluster, if it was called.
allow_main_cluster() {
    [[ -n ${no_main_cluster:-} ]] || return 0
    as_root rm -f "$no_main_cluster"
    as_root rmdir --ignore-fail-on-non-empty "${no_main_cluster%/*}"
    no_main_cluster=
}

# Runs apt-get, which asks nothing; its output is shown only if it fails.
apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@" \
        >"$SCRATCH/apt.log" 2>&1 </dev/null || {
        tail -n 40 "$SCRATCH/apt.log" >&2
        die "apt-get $* failed"
    }
}

# Installs the Debian packages named, and starts nothing.
install_packages() {
    say "Installing Debian packages: $* ..."
    forbid_main_cluster
    forbid_services
    apt_get install --no-install-recommends --no-upgrade --no-remove "$@"
    allow_services
    allow_main_cluster
    disable_services "$@"
}

# Returns only if base_packages and the packages named are installed. Installs
# the missing ones if it has the rights, otherwise says how to and ends.
# Existing clusters and configuration are left alone.
require_packages() {
    local base missing
    choose_postgresql
    read -ra base <<<"$(base_packages)"
    if command -v dpkg-query >/dev/null; then
        read -ra missing <<<"$(missing_packages "${base[@]}" "$@")"
    else
        missing=()
        say "not a Debian system: taking it that these are installed: ${base[*]} $*"
    fi
    if ((${#missing[@]})); then
        if ! can_be_root; then
            say "These Debian packages are missing: ${missing[*]}"
            say "Root, or a user who may use sudo, can install them with:"
            say "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
            exit 1
        fi
        apt_get update
        install_packages "${missing[@]}"
    fi
    use_postgresql
}

# Installs those of the packages named that are missing and that the system
# offers, if it has the rights.  What takes the others is to be skipped.
install_offered() {
    local missing offered
    command -v dpkg-query >/dev/null && can_be_root || return 0
    read -ra missing <<<"$(missing_packages "$@")"
    ((${#missing[@]})) || return 0
    has_package_lists || apt_get update
    read -ra offered <<<"$(offered_packages "${missing[@]}")"
    ((${#offered[@]} == 0)) || install_packages "${offered[@]}"
}

# Puts the programs of the PostgreSQL of PG_CONFIG first in PATH, and before
# them Debian's python3, which is the one that has Debian's python3-* modules.
use_postgresql() {
    BINDIR=$("$PG_CONFIG" --bindir) || die "PG_CONFIG=$PG_CONFIG does not run"
    [[ -x $BINDIR/postgres ]] || die "there is no PostgreSQL server in $BINDIR"
    [[ ! -x /usr/bin/python3 ]] || ln -sfn /usr/bin/python3 "$SCRATCH/bin/python3"
    PATH=$SCRATCH/bin:$BINDIR:$PATH
}

# Runs make in the tree that is being built, for the PostgreSQL of PG_CONFIG.
run_make() {
    make -s -C "$BUILD_DIR" PG_CONFIG="$PG_CONFIG" "$@"
}

# Prints the Makefile's variable $1.
make_variable() {
    run_make --eval="print-variable: ; @echo \$($1)" print-variable
}

# True if every file that "make install" would install is there already.
is_installed() {
    local stage=$SCRATCH/stage file
    run_make install DESTDIR="$stage" >&2 || die "make install failed"
    while read -r file; do
        cmp -s "$stage/$file" "/$file" || return 1
    done < <(cd "$stage" && find . -type f)
}

# Builds the extension and installs it in the PostgreSQL of PG_CONFIG.
# BUILD_DIR is the tree that was built: this one, or a copy if we cannot
# write to this one.
build_extension() {
    local extension_dir
    extension_dir=$("$PG_CONFIG" --sharedir)/extension
    BUILD_DIR=$ROOT
    if [[ ! -w $ROOT ]]; then
        BUILD_DIR=$SCRATCH/build
        mkdir "$BUILD_DIR"
        tar -C "$ROOT" --exclude=./.git --mode=u+w -cf - . |
            tar -C "$BUILD_DIR" --no-same-owner -xf -
    fi
    say "Building the extension for $("$PG_CONFIG" --version) ..."
    run_make -j2 >&2 || die "the build failed"
    if is_installed; then
        return
    elif [[ -w $extension_dir && -w $("$PG_CONFIG" --pkglibdir) ]]; then
        run_make install >&2 || die "make install failed"
    elif can_be_root; then
        as_root make -s -C "$BUILD_DIR" PG_CONFIG="$PG_CONFIG" install >&2 ||
            die "make install failed"
    else
        die "installing in $extension_dir takes root's rights. Root can do it with:
  make -C $ROOT PG_CONFIG=$PG_CONFIG install"
    fi
}

# Forgets every setting that could lead a client of ours to another server.
forget_other_servers() {
    local name
    for name in "${!PG@}"; do
        [[ $name == PG_* ]] || unset "$name"
    done
}

# Starts an empty server that only the server's user and root can reach, with
# the arguments as further lines of postgresql.conf, and points PGHOST, PGPORT,
# PGUSER and PGDATABASE at it. What it writes is not forced to disk, unless
# KEEP_FSYNC or BENCH is set.
start_server() {
    local fsync=off
    [[ -z ${KEEP_FSYNC:-}${BENCH:-} ]] || fsync=on
    stop_server
    SERVER_DIR=$SCRATCH/server
    server_folder "$SERVER_DIR"
    forget_other_servers
    as_server_user "$BINDIR/initdb" -D "$SERVER_DIR/data" -U postgres -A trust -N \
        -E UTF8 --locale=C.UTF-8 >"$SCRATCH/initdb.log" 2>&1 || {
        cat "$SCRATCH/initdb.log" >&2
        die "initdb failed"
    }
    printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$SERVER_DIR'" \
        "fsync = $fsync" "$@" |
        as_server_user tee -a "$SERVER_DIR/data/postgresql.conf" >/dev/null
    export PGHOST=$SERVER_DIR PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    as_server_user "$BINDIR/pg_ctl" -D "$SERVER_DIR/data" -l "$SERVER_DIR/log" -w -t 120 \
        start >/dev/null || {
        cat "$SERVER_DIR/log" >&2
        die "the server did not start"
    }
}

# Stops the server, if it runs, and removes it.
stop_server() {
    [[ -n ${SERVER_DIR:-} ]] || return 0
    stop_servers_in "$SERVER_DIR"
    rm -rf "$SERVER_DIR"
    SERVER_DIR=
}

# Prints every materialized view of the current database, how many rows it has,
# and how many rows are too few or too many for what its query gives now.
# Arguments are passed on to psql.
compare_views() {
    psql -q "$@" <<'EOF'
SELECT string_agg(format($$
    SELECT %L AS view, (SELECT count(*) FROM %s) AS rows,
        (SELECT count(*) FROM (SELECT _row::text FROM %3$s AS _row
            EXCEPT ALL SELECT _row::text FROM %2$s AS _row) AS d) AS missing,
        (SELECT count(*) FROM (SELECT _row::text FROM %2$s AS _row
            EXCEPT ALL SELECT _row::text FROM %3$s AS _row) AS d) AS excess$$,
    relname, oid::regclass, '(' || rtrim(pg_get_viewdef(oid), ';') || ')'),
    ' UNION ALL ') || ' ORDER BY view'
FROM pg_class WHERE relkind = 'm' \gexec
EOF
}

make_scratch
find_postgresql
