#!/bin/bash
# Tests that a view which cannot be tracked because of PostGIS is told so by the name of
# what the user wrote, not by that of a function inside it; and that others are tracked.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

need_extension postgis
query "CREATE EXTENSION IF NOT EXISTS refresh_mv; CREATE EXTENSION postgis;
    CREATE TABLE spot (id integer PRIMARY KEY, zone integer, g geometry);
    CREATE MATERIALIZED VIEW collected AS SELECT zone, ST_Centroid(ST_Collect(g)) FROM spot GROUP BY zone;
    CREATE MATERIALIZED VIEW united AS SELECT zone, ST_Union(g) FROM spot GROUP BY zone"
expect "united|t" "$(query "SELECT view_name, tracked FROM refresh_mv.track('united')")" "tracking by ST_Union"
if refused=$(query "SELECT refresh_mv.track('collected')" 2>&1); then
    echo "ST_Collect is declared so that it can be tracked now"
else
    grep -q "aggregate st_collect(geometry)\.$" <<<"$refused" || die "ST_Collect is not named: $refused"
    grep -q "belongs to extension postgis" <<<"$refused" || die "the hint says something else: $refused"
    ! grep -q transfn <<<"$refused" || die "a function inside is named: $refused"
fi
