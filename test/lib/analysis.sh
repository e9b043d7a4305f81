# shellcheck shell=bash
# What the programs in test/analysis share: copies of this tree and of
# PostgreSQL, so that what they build and install disturbs nobody. Meant to be
# sourced after test/lib/setup.sh; the copies go away with the script.

# Prints those of PostgreSQL's folders that extensions are built and run with.
postgresql_folders() {
    local option
    for option in --bindir --pkglibdir --sharedir --pkgincludedir; do
        "$PG_CONFIG" "$option"
    done
}

# Makes PG_CONFIG that of a copy of its PostgreSQL, which takes extensions from
# the copy alone, and builds them with the arguments as further flags. (The
# programs find all folders by their own place.)
copy_postgresql() {
    local copy=$SCRATCH/postgresql folder variable
    mkdir "$copy"
    while read -r folder; do
        cp -r --parents "$folder" "$copy"
    done < <(postgresql_folders)
    PG_CONFIG=$copy$("$PG_CONFIG" --bindir)/pg_config
    use_postgresql
    for variable in CFLAGS CXXFLAGS LDFLAGS; do
        echo "$variable += $*"
    done >>"$(dirname "$("$PG_CONFIG" --pgxs)")/../Makefile.global"
}

# Makes ROOT a copy of this tree, without what was built in it.
copy_tree() {
    local copy=$SCRATCH/tree
    mkdir "$copy"
    tar -C "$ROOT" --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.so' --mode=u+w -cf - . |
        tar -C "$copy" --no-same-owner -xf -
    ROOT=$copy
}

# Makes every server of the copied PostgreSQL start by the command $1, which
# has "$server" "$@" in it.
wrap_server() {
    mv "$BINDIR/postgres" "$BINDIR/postgres.real"
    # shellcheck disable=SC2016 # to be expanded by the wrapper
    printf '%s\n' '#!/bin/bash' 'server=${0%/*}/postgres.real' "exec $1" >"$BINDIR/postgres"
    chmod 755 "$BINDIR/postgres"
}
