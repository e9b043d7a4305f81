#!/bin/bash
# The reports of pg_permissions on who may do what do not mention materialized views.
#
# One would expect: all_permissions, "permissions on all objects", has each relation that one can grant on, and a target for
# object type VIEW, or TABLE, is compared with what was granted on materialized views too.
# What happens: table_permissions has tables, view_permissions views, and a materialized view is neither; no report has it,
# nor its columns. permission_diffs(), which tells of each grant beside what was intended for a schema's tables and views, tells
# nothing of those on the schema's materialized views.
# What to do: aclexplode(relacl) of pg_class where relkind = 'm'.
# Version and source: Debian's postgresql-17-pg-permissions 1.3-3 (trixie) with postgresql-17 17.12-0+deb13u1; the same in
# 1.4.1-1 (sid) with 18. Seen on 2026-12-01.
# Takes Debian 13 with these in its sources, the libraries that postgresql-17 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-17=17.12-0+deb13u1 postgresql-client-17=17.12-0+deb13u1 postgresql-17-pg-permissions=1.3-3
start_server 17

sql <<'SQL'
CREATE EXTENSION pg_permissions;
CREATE ROLE reporter;
CREATE SCHEMA s;
GRANT USAGE ON SCHEMA s TO reporter;
CREATE TABLE s.t AS SELECT 1 AS a;
CREATE VIEW s.v AS SELECT a FROM s.t;
CREATE MATERIALIZED VIEW s.m AS SELECT a FROM s.t;
GRANT SELECT ON s.t, s.v, s.m TO reporter;
SQL
seen "relations that it reports" "t v" "$(sql -c "SELECT string_agg(DISTINCT object_name, ' ' ORDER BY object_name)
    FROM all_permissions WHERE schema_name = 's' AND role_name = 'reporter' AND object_name IS NOT NULL")"
sql <<'SQL'
INSERT INTO permission_target (role_name, permissions, object_type, schema_name)
VALUES ('reporter', '{INSERT}', 'TABLE', 's'), ('reporter', '{INSERT}', 'VIEW', 's');
SQL
seen "relations with a grant beside the intended ones" "t v" "$(sql -c "
    SELECT string_agg(object_name, ' ' ORDER BY object_name) FROM permission_diffs()
    WHERE role_name = 'reporter' AND schema_name = 's' AND NOT missing AND permission = 'SELECT'")"
