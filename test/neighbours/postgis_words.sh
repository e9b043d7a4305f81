#!/bin/bash
# Tests that a view which cannot be tracked because of PostGIS is told so by the name of
# what the user wrote, with what to do; and that others are tracked, once it is trusted that one, too.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

need_extension postgis
query "CREATE EXTENSION IF NOT EXISTS refresh_mv; CREATE EXTENSION postgis;
    CREATE TABLE spot (id integer PRIMARY KEY, zone integer, g geometry);
    CREATE FUNCTION widen(geometry, geometry) RETURNS geometry LANGUAGE sql AS 'SELECT ST_Envelope(ST_Collect(\$1, \$2))';
    CREATE AGGREGATE extent_of(geometry) (SFUNC = widen, STYPE = geometry);
    CREATE MATERIALIZED VIEW points AS SELECT id, ST_GeneratePoints(ST_Buffer(g, 1), 3) AS p FROM spot;
    CREATE MATERIALIZED VIEW extents AS SELECT zone, extent_of(g) FROM spot GROUP BY zone;
    CREATE MATERIALIZED VIEW collected AS SELECT zone, ST_Centroid(ST_Collect(g)) FROM spot GROUP BY zone;
    CREATE MATERIALIZED VIEW united AS SELECT zone, ST_Union(g) FROM spot GROUP BY zone"
expect "united|t" "$(query "SELECT view_name, tracked FROM refresh_mv.track('united')")" "tracking by ST_Union"
expect "collected|t" "$(query "SELECT view_name, tracked FROM refresh_mv.track('collected')")" "tracking by ST_Collect"
refused=$(query "SELECT refresh_mv.track('points')" 2>&1) && die "ST_GeneratePoints is taken to be immutable"
grep -q "volatile function st_generatepoints(geometry,integer)\.$" <<<"$refused" || die "ST_GeneratePoints is not named: $refused"
grep -q "belongs to extension postgis.*refresh_mv.trust('st_generatepoints(geometry,integer)')" <<<"$refused" ||
    die "the hint says something else: $refused"
refused=$(query "SELECT refresh_mv.track('extents')" 2>&1) && die "a volatile aggregate is taken to be immutable"
grep -q "aggregate extent_of(geometry), by its volatile function widen(geometry,geometry)\.$" <<<"$refused" ||
    die "the aggregate is not named: $refused"
statement=$(query "SELECT statement FROM refresh_mv.remedies('extents') WHERE statement LIKE '%trust%'")
expect "SELECT refresh_mv.trust('public.extent_of(public.geometry)')" "$statement" "the statement proposed"
query "SET client_min_messages = warning; $statement" >/dev/null
expect "extents|t" "$(query "SELECT view_name, tracked FROM refresh_mv.track('extents')")" "tracking what is trusted"
