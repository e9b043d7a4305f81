# shellcheck shell=bash
# What the findings share: pinned packages unpacked into a temporary folder, and a server there that only
# this script can reach. Meant to be sourced by a script that has set "set -euo pipefail"; nothing is left behind.

# "$folder" goes away with the script, after the server in it.
folder=$(mktemp -d)
bin=''
stop() {
    [[ ! -e $folder/data/postmaster.pid ]] || as_nobody "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null
    rm -rf "$folder"
}
trap stop EXIT
cd "$folder" || exit 1
chmod 755 .

# Runs a command as somebody who may run PostgreSQL.
as_nobody() {
    if [[ $(id -u) -eq 0 ]]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi
}

# Ends the script as one that could not be tried.
cannot() {
    echo "cannot be tried here: $*" >&2
    exit 77
}

# Ends the script as one whose finding is not true any more.
changed() {
    echo "The behaviour is another one now: $*" >&2
    exit 1
}

# Unpacks Debian packages, each NAME=VERSION, into "$folder/root".
debian_packages() {
    apt-get -q -o APT::Sandbox::User=root download "$@" >/dev/null 2>apt.log || { cat apt.log >&2; cannot "no $*"; }
    local package
    for package in ./*.deb; do
        dpkg-deb -x "$package" root
        rm "$package"
    done
}

# Installs packages of npm, each NAME@VERSION, in "$folder"; runs none of their scripts.
npm_packages() {
    command -v npm >/dev/null || cannot "no npm"
    npm install --ignore-scripts --no-audit --no-fund --loglevel=error "$@" >npm.log 2>&1 || { cat npm.log >&2; cannot "no $*"; }
}

# Starts the server of major version $1, which debian_packages() has unpacked, with the settings in the other
# arguments; psql, pg_dump and every other client find it by the environment.
start_server() {
    bin=$folder/root/usr/lib/postgresql/$1/bin
    local options="-k $folder -c listen_addresses='' -c port=5432 -c fsync=off" setting
    for setting in "${@:2}"; do
        options+=" -c $setting"
    done
    mkdir data
    [[ $(id -u) -ne 0 ]] || chown nobody data .
    as_nobody "$bin/initdb" -D "$folder/data" -U postgres -A trust --no-sync --locale=C.UTF-8 >initdb.log 2>&1 ||
        { cat initdb.log >&2; exit 1; }
    as_nobody "$bin/pg_ctl" -D "$folder/data" -w -o "$options" -l "$folder/data/log" start >/dev/null ||
        { cat data/log >&2; exit 1; }
    export PGHOST=$folder PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH=$bin:$PATH
}

# Runs SQL from standard input, or "$@"; prints bare rows; an error ends the script.
sql() {
    psql -qAtX -v ON_ERROR_STOP=1 "$@"
}

# Prints what is seen of $1; ends the script unless this is $2.
seen() {
    printf '%-44s %s\n' "$1" "$3"
    [[ $2 == "$3" ]] || changed "$1 was: $2"
}
