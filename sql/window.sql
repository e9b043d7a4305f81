CALL helpers.begin_suite();
-- The window: rows in it are right, whatever changed in the sources; rows
-- outside stay as they are; the bucket of the first day is in it as a whole.
CREATE DOMAIN day_domain AS date;
CREATE TABLE source (ts timestamp, tz timestamptz, d date, dd day_domain, k int, x int);
INSERT INTO source SELECT ts, ts AT TIME ZONE 'UTC', ts::date, ts::date, g % 3, g
    FROM (SELECT g, current_date - 400 + g * interval '7 hours' AS ts FROM generate_series(0, 1373) g) s;
CREATE TABLE keys AS SELECT g AS k, 'key ' || g AS label FROM generate_series(0, 4) g;
CREATE VIEW by_month AS SELECT date_trunc('month', ts) AS m, k, x FROM source;
CREATE VIEW by_year AS SELECT date_trunc('year', ts) AS y, k, x FROM source;
CREATE VIEW by_week_grouped AS SELECT date_trunc('week', ts) AS w, sum(x) AS x FROM source GROUP BY w;
CREATE VIEW of_view AS SELECT m AS m2, k, x FROM by_month WHERE x > 3;
CREATE VIEW limited AS SELECT ts::date AS day, x FROM source ORDER BY ts LIMIT 100;
CREATE VIEW numbered AS SELECT ts::date AS day, row_number() OVER (ORDER BY ts) AS n FROM source;
CREATE VIEW firsts AS SELECT DISTINCT ON (k) ts::date AS day, k, x FROM source ORDER BY k, ts;

-- Makes a view of the query, with a column "bucket"; changes the source all
-- over; refreshes the window and compares.  first is the bucket of the first
-- day of the window, as text of an expression in which DAY stands for that day.
-- wrong and stale are rows in the window and outside of it that differ from the
-- query, moved those outside that the refresh has changed.
CREATE FUNCTION try(query text, first text, days int DEFAULT 2, OUT type text, OUT wrong bigint, OUT moved bigint, OUT stale bool)
LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
    inside text;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || query;
    inside := format('bucket >= least(%s, DAY)', first);
    inside := replace(inside, 'DAY', format('(current_date - %s)', days));
    CREATE TEMP TABLE held (image bytea);
    EXECUTE format('INSERT INTO held SELECT record_send(t) FROM tried t WHERE (%s) IS NOT TRUE', inside);
    UPDATE source SET x = -x;
    DELETE FROM source WHERE x % 5 = 0;
    INSERT INTO source SELECT current_date - n, current_date - n, current_date - n, current_date - n, 4, 99
        FROM unnest('{0,1,5,50,300}'::int[]) n;
    SELECT CASE WHEN success THEN refresh_type ELSE message END FROM refresh_materialized_views(true, days, ARRAY['tried'::text::regclass]) INTO type;
    wrong := check_view('tried'::text::regclass, inside);
    stale := check_view('tried'::text::regclass) > 0;
    EXECUTE format('SELECT count(*) FROM (SELECT record_send(t) FROM tried t WHERE (%s) IS NOT TRUE EXCEPT ALL TABLE held) d', inside) INTO moved;
    IF type <> 'incremental' THEN
        moved := NULL;
    END IF;
    RAISE EXCEPTION USING errcode = 'QAQAQ', message = 'undo';
EXCEPTION WHEN SQLSTATE 'QAQAQ' THEN
    RETURN; -- all changes are undone, the results stay
END $$;

-- Kinds of buckets.
SELECT kind, t.* FROM (VALUES
    ('date', 'd', 'DAY'), ('domain', 'dd', 'DAY'), ('timestamp', 'ts', 'DAY'), ('timestamptz', 'tz', 'DAY'),
    ('hour', $$date_trunc('hour', ts)$$, 'DAY'), ('day', $$date_trunc('day', ts)$$, 'DAY'),
    ('week', $$date_trunc('week', ts)$$, $$date_trunc('week', DAY)$$),
    ('month', $$date_trunc('month', ts)$$, $$date_trunc('month', DAY)$$),
    ('quarter', $$date_trunc('quarter', ts)$$, $$date_trunc('quarter', DAY)$$),
    ('year', $$date_trunc('year', ts)$$, $$date_trunc('year', DAY)$$),
    ('month tz', $$date_trunc('month', tz)$$, $$date_trunc('month', DAY)$$),
    ('month in zone', $$date_trunc('month', tz, 'Asia/Tokyo')$$, $$date_trunc('month', DAY::timestamptz, 'Asia/Tokyo')$$),
    ('month as date', $$date_trunc('month', ts)::date$$, $$date_trunc('month', DAY)::date$$),
    ('month of date', $$date_trunc('month', d)$$, $$date_trunc('month', DAY)$$),
    ('month of domain', $$date_trunc('month', dd)::date$$, $$date_trunc('month', DAY)::date$$),
    ('as domain', $$date_trunc('month', ts)::day_domain$$, $$date_trunc('month', DAY)::date$$),
    ('cast', 'ts::date', 'DAY'), ('cast tz', 'tz::date', 'DAY'),
    ('bin', $$date_bin('10 days', ts, timestamp '2001-01-01')$$, $$date_bin('10 days', DAY, timestamp '2001-01-01')$$),
    ('bin tz', $$date_bin('36 hours', tz, '2001-01-01')$$, $$date_bin('36 hours', DAY, '2001-01-01'::timestamptz)$$),
    ('at zone', $$(tz AT TIME ZONE 'Australia/Sydney')::date$$, 'DAY'),
    ('at zone month', $$date_trunc('month', tz AT TIME ZONE 'America/Los_Angeles')$$, $$date_trunc('month', DAY::timestamptz AT TIME ZONE 'America/Los_Angeles')$$),
    ('shifted', $$(ts - interval '4 hours')::date$$, 'DAY - 1'), ('shifted on', $$(ts + interval '4 hours')::date$$, 'DAY'),
    ('shifted week', $$date_trunc('week', ts + interval '1 day') - interval '1 day'$$, $$date_trunc('week', DAY + 1) - interval '1 day'$$),
    ('end of month', $$(date_trunc('month', ts) + interval '1 month - 1 day')::date$$, 'DAY'),
    ('coalesced', $$coalesce(date_trunc('month', ts), 'infinity')$$, $$date_trunc('month', DAY)$$),
    ('greatest', $$date_trunc('month', greatest(ts, tz::timestamp))$$, $$date_trunc('month', DAY)$$)
    ) v (kind, bucket, first), try(format('SELECT %s AS bucket, k, sum(x), count(*) FROM source GROUP BY 1, 2', bucket), first) t;

-- Reaches of the window.
SELECT days, t.* FROM unnest('{0,1,7,31,365}'::int[]) days,
    try($$SELECT date_trunc('month', ts) AS bucket, sum(x) FROM source GROUP BY 1$$, $$date_trunc('month', DAY)$$, days) t;

-- The bucket comes from below: a subquery, a CTE, an ordinary view, the arms
-- of UNION, the nullable side of a join.
SELECT kind, t.* FROM (VALUES
    ('subquery', $$SELECT m AS bucket, sum(x) FROM (SELECT date_trunc('month', ts) AS m, x FROM source) s GROUP BY m$$),
    ('subquery twice', $$SELECT m::date AS bucket, sum(x) FROM (SELECT m FROM (SELECT date_trunc('month', ts) AS m FROM source) s) s, (SELECT 1 AS x) x GROUP BY m::date$$),
    ('subquery grouped', $$SELECT m AS bucket, sum FROM (SELECT date_trunc('month', ts) AS m, sum(x) FROM source GROUP BY 1) s$$),
    ('no grouping', $$SELECT date_trunc('month', ts) AS bucket, x FROM source$$),
    ('distinct', $$SELECT DISTINCT date_trunc('month', ts) AS bucket, x % 7 AS m FROM source$$),
    ('cte', $$WITH c AS (SELECT date_trunc('month', ts) AS m, x FROM source) SELECT m AS bucket, sum(x) FROM c GROUP BY m$$),
    ('cte shared', $$WITH c AS (SELECT date_trunc('month', ts) AS m, x FROM source) SELECT m AS bucket, sum(x), (SELECT sum(x) FROM c) AS total FROM c GROUP BY m$$),
    ('cte materialized', $$WITH c AS MATERIALIZED (SELECT date_trunc('month', ts) AS m, x FROM source) SELECT m AS bucket, sum(x) FROM c GROUP BY m$$),
    ('view', $$SELECT m AS bucket, sum(x) FROM by_month GROUP BY m$$),
    ('view cast', $$SELECT m::date AS bucket, sum(x) FROM by_month GROUP BY 1$$),
    ('view of view', $$SELECT m2 AS bucket, k, sum(x) FROM of_view GROUP BY m2, k$$),
    ('view joined', $$SELECT m AS bucket, label, sum(x) FROM by_month JOIN keys USING (k) GROUP BY m, label$$),
    ('union all', $$SELECT date_trunc('month', ts) AS bucket, x FROM source UNION ALL SELECT m, k FROM by_month$$),
    ('union', $$SELECT date_trunc('month', ts) AS bucket, k FROM source UNION SELECT date_trunc('month', d::timestamp), 7 FROM source$$),
    ('union with a fixed day', $$SELECT date_trunc('month', ts) AS bucket, x FROM source UNION ALL SELECT timestamp '2001-01-01', k FROM keys$$),
    ('except', $$SELECT date_trunc('month', ts) AS bucket, x FROM source EXCEPT SELECT date_trunc('month', ts), x FROM source WHERE k = 1$$),
    ('union below', $$SELECT m AS bucket, sum(x) FROM (SELECT date_trunc('month', ts) AS m, x FROM source UNION ALL SELECT date_trunc('month', d::timestamp), k FROM source) s GROUP BY m$$),
    ('left join', $$SELECT s.m AS bucket, keys.k, sum(x) FROM keys LEFT JOIN (SELECT date_trunc('month', ts) AS m, k, x FROM source) s USING (k) GROUP BY s.m, keys.k$$),
    ('left join on key', $$SELECT date_trunc('month', s.ts) AS bucket, k.label, count(s.x) FROM keys k LEFT JOIN source s ON s.k = k.k AND s.x % 2 = 0 GROUP BY 1, 2$$),
    ('right join', $$SELECT m AS bucket, label, x FROM by_month RIGHT JOIN keys USING (k)$$),
    ('full join', $$SELECT date_trunc('month', ts) AS bucket, label, sum(x) FROM source FULL JOIN keys ON keys.k = source.k + 2 GROUP BY 1, 2$$),
    ('made of numbers', $$SELECT make_date(extract(year FROM ts)::int, extract(month FROM ts)::int, 1) AS bucket, sum(x) FROM source GROUP BY 1$$),
    ('window partition', $$SELECT date_trunc('month', ts) AS bucket, row_number() OVER (PARTITION BY date_trunc('month', ts) ORDER BY ts) FROM source$$),
    ('having', $$SELECT date_trunc('month', ts) AS bucket, k, sum(x) FROM source GROUP BY 1, 2 HAVING count(*) > 2$$),
    ('distinct on', $$SELECT DISTINCT ON (date_trunc('month', ts)) date_trunc('month', ts) AS bucket, ts::text, x FROM source ORDER BY 1, ts$$),
    ('sublink', $$SELECT date_trunc('month', ts) AS bucket, (SELECT label FROM keys WHERE keys.k = source.k) AS l, count(*) FROM source WHERE k IN (SELECT k FROM keys) GROUP BY 1, 2$$)
    ) v (kind, query), try(query, $$date_trunc('month', DAY)$$) t;
SELECT kind, t.* FROM (VALUES
    ('view by year', $$SELECT date_trunc('month', y) AS bucket, sum(x) FROM by_year GROUP BY 1$$)
    ) v (kind, query), try(query, $$date_trunc('year', DAY)$$) t;
SELECT t.* FROM try('SELECT w AS bucket, x FROM by_week_grouped', $$date_trunc('week', DAY)$$) t;

-- The same where it is nobody's business whether a window is used.
SELECT kind, wrong, moved FROM (VALUES
    ('cte of cte', $$WITH c AS (SELECT date_trunc('month', ts) AS m, x FROM source), e AS (SELECT m, x FROM c) SELECT m AS bucket, sum(x) FROM e GROUP BY m$$),
    ('cte below', $$WITH c AS (SELECT date_trunc('month', ts) AS m, x FROM source) SELECT m AS bucket, sum(x) FROM (SELECT m::date, x FROM c) s GROUP BY m$$),
    ('lateral', $$SELECT l.m AS bucket, sum(x) FROM source s, LATERAL (SELECT date_trunc('month', s.ts) AS m) l GROUP BY l.m$$)
    ) v (kind, query), try(query, $$date_trunc('month', DAY)$$) t;
SELECT kind, wrong, moved FROM (VALUES
    ('cte by year, cast below', $$WITH c AS (SELECT date_trunc('year', ts) AS y, x FROM source) SELECT y AS bucket, sum(x) FROM (SELECT y::date, x FROM c) s GROUP BY y$$),
    ('cte by year, below', $$WITH c AS (SELECT date_trunc('year', ts) AS y, x FROM source) SELECT date_trunc('month', y) AS bucket, sum(x) FROM (SELECT y, x FROM c) s GROUP BY 1$$),
    ('cte by year', $$WITH c AS (SELECT date_trunc('year', ts) AS y, x FROM source) SELECT date_trunc('month', y)::date AS bucket, x FROM c$$)
    ) v (kind, query), try(query, $$date_trunc('year', DAY)$$) t;

-- What cannot be restricted is refreshed in full or computed in full; either
-- way the rows of the window are right, and no others appear.
SELECT kind, t.* FROM (VALUES
    ('limit', $$SELECT ts::date AS bucket, x FROM source ORDER BY ts LIMIT 100$$),
    ('limit below', $$SELECT day AS bucket, count(*) FROM (SELECT ts::date AS day FROM source ORDER BY ts LIMIT 100) s GROUP BY day$$),
    ('window', $$SELECT ts::date AS bucket, row_number() OVER (ORDER BY ts) FROM source$$),
    ('grouping sets', $$SELECT ts::date AS bucket, k, sum(x) FROM source GROUP BY GROUPING SETS ((1, 2), (1), (2))$$),
    ('aggregate', $$SELECT max(ts)::date AS bucket, k FROM source GROUP BY k$$),
    ('not the distinct key', $$SELECT DISTINCT ON (k) k, ts::date AS bucket, x FROM source ORDER BY k, ts$$),
    ('subselect', $$SELECT (SELECT max(ts)::date FROM source s WHERE s.k = keys.k) AS bucket, k FROM keys$$),
    ('recursive', $$WITH RECURSIVE r AS (SELECT current_date - 9 AS day UNION ALL SELECT day + 1 FROM r WHERE day < current_date) SELECT day AS bucket, count(x) FROM r LEFT JOIN source ON ts::date = day GROUP BY day$$)
    ) v (kind, query), try(query, 'DAY') t;
-- (A window reaches back to the last date in the view, if that is before it.)
SELECT kind, wrong FROM (VALUES
    ('limit in view', $$SELECT day AS bucket, count(*) FROM limited GROUP BY day$$),
    ('window in view', $$SELECT day AS bucket, max(n) FROM numbered GROUP BY day$$),
    ('distinct on in view', $$SELECT day AS bucket, k, x FROM firsts$$)
    ) v (kind, query), try(query, 'DAY') t;

-- A column that says when, and not of what, does not restrict anything: rows
-- that were dated 10 days back when the view was made are replaced, not doubled.
SET suite.shift = 10;
CREATE MATERIALIZED VIEW as_of AS SELECT current_date - current_setting('suite.shift')::int AS as_of, k, x FROM source;
SET suite.shift = 0;
SELECT success, check_view('as_of')
FROM refresh_materialized_views(true, 2, '{as_of}');
DROP SCHEMA suite CASCADE;
