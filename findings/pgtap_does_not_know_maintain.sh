#!/bin/bash
# A test of pgTAP that a role has SELECT only on a materialized view passes if it may refresh it, too.
#
# One would expect: table_privs_are(), which fails for each privilege too many, knows those of the server that it runs on. Since
# PostgreSQL 17 MAINTAIN is one of them, the one that REFRESH MATERIALIZED VIEW asks for.
# What happens: MAINTAIN is not looked at: a role that was granted it passes as one that has SELECT alone, on tables and
# materialized views. And a test that says MAINTAIN is to be there fails, as missing, though the role has it.
# What to do: SELECT ok(has_table_privilege('role', 'view', 'MAINTAIN')). refresh_mv asks for the same privilege.
# Version and source: Debian's pgTAP, postgresql-17-pgtap 1.3.3-3 (trixie), with postgresql-17 17.12-0+deb13u1; the same in
# 1.3.4-1 (sid) with 18. Seen on 2026-12-01.
# Takes Debian 13 with these in its sources, the libraries that postgresql-17 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-17=17.12-0+deb13u1 postgresql-client-17=17.12-0+deb13u1 postgresql-17-pgtap=1.3.3-3
start_server 17

sql <<'SQL'
CREATE EXTENSION pgtap;
CREATE ROLE reporter;
CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;
GRANT SELECT, MAINTAIN ON m TO reporter;
SQL

# What pgTAP says if the reporter's privileges are to be $1.
verdict() {
    sql -c "BEGIN; SELECT no_plan()" -c "SELECT table_privs_are('public', 'm', 'reporter', '{$1}', 'of the reporter')" |
        sed '/^$/d' | tr -s '\n ' ' '
}
seen "the reporter may maintain it" t "$(sql -c "SELECT has_table_privilege('reporter', 'm', 'MAINTAIN')")"
seen "is it SELECT alone?" "ok 1 - of the reporter " "$(verdict SELECT)"
seen "is it both?" 'not ok 1 - of the reporter # Failed test 1: "of the reporter" # Missing privileges: # MAINTAIN ' \
    "$(verdict SELECT,MAINTAIN)"
