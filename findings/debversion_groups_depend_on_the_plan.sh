#!/bin/bash
# Versions that are equal to debversion fall into one group or into several, as the plan has it.
#
# One would expect: rows whose keys are equal are one group of GROUP BY, whether they are hashed or sorted; and WHERE
# v = '1.00' finds the same rows with and without an index.
# What happens: to debversion 1.0, 1.00 and 1.0-0 are equal, as they are to dpkg. But its operator class for hash indexes
# hashes the text of the version, so that equal versions have different hashes. GROUP BY and DISTINCT give three groups
# when they hash and one when they sort, and a hash index finds one row out of three. As the planner chooses by
# statistics, the same query changes its answer after an ANALYZE, and two refreshes of one materialized view may differ.
# What to do: group by a text that is made equal before, or SET enable_hashagg = off for the role that refreshes.
# Version and source: Debian's postgresql-15-debversion 1.1.2-1+b1 (bookworm) with postgresql-15 15.18-0+deb12u1; the same
# in 1.2.0-3 (sid). Seen on 2026-12-01.
# Takes Debian 12 with these in its sources, the libraries that postgresql-15 depends on, and, as root, setpriv.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian_packages postgresql-15=15.18-0+deb12u1 postgresql-client-15=15.18-0+deb12u1 postgresql-15-debversion=1.1.2-1+b1
start_server 15

sql <<'SQL'
CREATE EXTENSION debversion;
CREATE TABLE package (version debversion);
INSERT INTO package VALUES ('1.0'), ('1.00'), ('1.0-0');
SQL
seen "equal versions" 3 "$(sql -c "SELECT count(*) FROM package WHERE version = '1.00'")"
groups="SELECT count(*) FROM (SELECT version FROM package GROUP BY version) AS g"
seen "groups, sorted" 1 "$(sql -c "SET enable_hashagg = off" -c "$groups")"
seen "groups, hashed" 3 "$(sql -c "SET enable_sort = off" -c "$groups")"
sql -c "CREATE INDEX ON package USING hash (version)"
seen "equal versions, by a hash index" 1 \
    "$(sql -c "SET enable_seqscan = off" -c "SELECT count(*) FROM package WHERE version = '1.00'")"
