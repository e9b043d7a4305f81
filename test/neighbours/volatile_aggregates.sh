#!/bin/bash
# Tests views with aggregates of PostGIS and hll whose inner functions are declared volatile: they are
# tracked, refreshed by keys after changes of what they aggregate, and hold what their queries return.
set -euo pipefail
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/../lib/setup.sh"
# shellcheck source=/dev/null
source "$ROOT/test/lib/checks.sh"

# Makes a view $1 with the query $2, tracked and refreshed.
track() {
    query "CREATE VIEW $1_query AS $2; CREATE MATERIALIZED VIEW $1 AS $2"
    expect t "$(query "SELECT tracked FROM refresh_mv.track('$1')")" "tracked, for $1"
    expect t "$(query "SET client_min_messages = warning; SELECT success FROM refresh_materialized_views_smart('{$1}')")" "the first refresh of $1"
}

# Fails unless each view is refreshed by keys after a change $1, with the right result.
check() {
    local view
    query "$1"
    for view in $views; do
        expect keys "$(psql -Atq -c 'SET client_min_messages = warning' -c 'SET refresh_mv.exact_cost_limit = 1e9' \
            -c "SELECT FROM refresh_materialized_views_smart('{$view}') WHERE NOT success" \
            -c 'SELECT method FROM refresh_mv.journal ORDER BY id DESC LIMIT 1')" "the method for $view after $1"
        expect 0 "$(query "SELECT coalesce(sum(abs(n)), 0) FROM (SELECT sum(side) AS n FROM
            (SELECT md5(record_send(v)) AS image, 1 AS side FROM $view v
             UNION ALL SELECT md5(record_send(q)), -1 FROM ${view}_query q) b GROUP BY image) i")" "the wrong rows of $view after $1"
    done
}

need_extension postgis
new_database volatile_aggregates
query "CREATE EXTENSION postgis;
    CREATE TABLE area (zone integer PRIMARY KEY, name text);
    CREATE TABLE spot (id integer PRIMARY KEY, zone integer, g geometry, visitor text);
    INSERT INTO area SELECT z, 'zone ' || z FROM generate_series(0, 9) z;
    INSERT INTO spot SELECT i, i % 10, ST_MakePoint(i % 37, i % 23), 'v' || i % 61 FROM generate_series(1, 500) i;
    ANALYZE area, spot"
track collected "SELECT zone, ST_AsBinary(ST_Collect(g ORDER BY id)) AS c, ST_Centroid(ST_Collect(g)) AS m FROM spot GROUP BY zone"
track lines "SELECT a.name, ST_MakeLine(s.g ORDER BY s.id) AS l FROM spot s JOIN area a USING (zone) GROUP BY a.name"
track clusters "SELECT zone, ST_ClusterWithin(g, 2 ORDER BY id) AS c, ST_ClusterIntersecting(g ORDER BY id) AS i FROM spot GROUP BY zone"
track polygons "SELECT zone, ST_Polygonize(g ORDER BY id) AS p FROM spot GROUP BY zone"
views='collected lines clusters polygons'
if [[ $(query "SELECT count(*) FROM pg_available_extensions WHERE name = 'hll'") == 1 ]]; then
    query "CREATE EXTENSION hll; CREATE TABLE daily (day integer PRIMARY KEY, zone integer, h hll);
        INSERT INTO daily SELECT id / 10, min(zone), hll_add_agg(hll_hash_text(visitor)) FROM spot GROUP BY id / 10"
    track visitors "SELECT zone, hll_add_agg(hll_hash_text(visitor)) AS h, # hll_add_agg(hll_hash_text(visitor), 11) AS n FROM spot GROUP BY zone"
    views+=' visitors'
fi
check "INSERT INTO spot SELECT i, i % 3, ST_MakePoint(i % 7, i % 5), 'w' || i FROM generate_series(501, 510) i"
check "UPDATE spot SET g = ST_Translate(g, 1, 1), visitor = 'u' || id WHERE id % 50 = 3"
check "UPDATE spot SET zone = 9 WHERE id IN (4, 14)"
check "DELETE FROM spot WHERE id % 100 = 7 OR zone = 8"
views=lines
check "UPDATE area SET name = 'other' WHERE zone = 2"
if [[ $(query "SELECT count(*) FROM pg_extension WHERE extname = 'hll'") == 1 ]]; then
    track unions "SELECT zone, hll_union_agg(h) AS h, hll_cardinality(hll_union_agg(h)) AS n FROM daily GROUP BY zone"
    views=unions
    check "DELETE FROM daily WHERE day % 7 = 2"
    check "UPDATE daily SET zone = 3 WHERE day % 7 = 4"
    check "INSERT INTO daily SELECT 1000, 3, hll_add_agg(hll_hash_text(visitor)) FROM spot"
fi

# A function of the same name that is not the extension's is a volatile one.
query "CREATE FUNCTION hll_pack(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN \$1; END';
    CREATE MATERIALIZED VIEW other AS SELECT id, hll_pack(visitor) FROM spot"
expect_like '*volatile function*hll_pack*' "$(query "SELECT reason FROM refresh_mv.explain('other') WHERE method = 'skip'")" 'the reason'
