CALL helpers.begin_suite();
-- Which column the window lies along, and values at its edges.
CREATE TABLE source (ordered timestamp, shipped date, paid timestamptz, n int);
INSERT INTO source SELECT current_date - g, current_date - 30 + g, current_date - abs(g - 15), g FROM generate_series(0, 30) g;

-- A change of the row 20 days back in one column, and whether the refresh of
-- the last 2 days has seen it, tells which column was used.
CREATE FUNCTION column_used(query text, configured text DEFAULT NULL) RETURNS text LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
    result record;
    name text;
    used text := '';
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || query;
    IF configured IS NOT NULL THEN
        PERFORM refresh_mv.configure('tried'::text::regclass, configured);
    END IF;
    UPDATE source SET n = n + 1000;
    SELECT * FROM refresh_materialized_views(true, 2, ARRAY['tried'::text::regclass]) INTO result;
    IF result.refresh_type = 'full' OR NOT result.success THEN
        used := CASE WHEN result.success AND check_view('tried'::text::regclass) = 0 THEN 'full' ELSE result.message END;
    ELSE
        FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'tried'::text::regclass AND attnum > 0
                    AND atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) ORDER BY attnum LOOP
            IF check_view('tried'::text::regclass, format('%I >= current_date - 2', name)) = 0
                AND check_view('tried'::text::regclass, format('%I < current_date - 2', name)) > 0 THEN
                used := used || name || ' ';
            END IF;
        END LOOP;
    END IF;
    RAISE EXCEPTION USING errcode = 'QAQAQ', message = 'undo';
EXCEPTION WHEN SQLSTATE 'QAQAQ' THEN
    RETURN used;
END $$;
SELECT query, column_used(query) FROM unnest(ARRAY[
    'SELECT n % 2 AS k, shipped, ordered, sum(n) FROM source GROUP BY ordered, shipped, k',
    'SELECT n % 2 AS k, shipped, ordered, sum(n) FROM source GROUP BY k, shipped, ordered',
    'SELECT shipped, ordered, n FROM source', 'SELECT n, ordered, shipped FROM source',
    'SELECT max(ordered) AS newest, shipped, sum(n) FROM source GROUP BY shipped',
    'SELECT DISTINCT ON (shipped) ordered, shipped, n FROM source ORDER BY shipped, n',
    'SELECT max(ordered) AS newest, sum(n) FROM source', 'SELECT sum(n) FROM source', 'SELECT n FROM source',
    'SELECT ordered::text, n FROM source', 'SELECT ordered::time, n FROM source',
    'SELECT shipped, row_number() OVER (PARTITION BY ordered ORDER BY n), ordered, n FROM source',
    'SELECT shipped, ordered, n FROM source ORDER BY n LIMIT 20',
    'SELECT shipped, ordered, sum(n) FROM source GROUP BY ROLLUP (shipped, ordered)']) query;
-- Configured.
SELECT configured, column_used('SELECT shipped, ordered, paid, n FROM source', configured) FROM unnest('{shipped,ordered,paid}'::text[]) configured;

-- configure() keeps one setting for each view; NULL takes it away.
CREATE MATERIALIZED VIEW v AS SELECT shipped, ordered, max(paid) AS paid, sum(n) FROM source GROUP BY 1, 2;
SELECT refresh_mv.configure('v', 'ordered');
SELECT refresh_mv.configure('v', date_column => 'shipped');
SELECT view_schema, view_name, date_column FROM refresh_mv.settings;
SELECT refresh_mv.configure('v', 'paid');
SELECT refresh_mv.configure('v', 'sum');
SELECT view_schema, view_name, date_column FROM refresh_mv.settings;
SELECT refresh_mv.configure('v');
SELECT view_schema, view_name, date_column FROM refresh_mv.settings;
-- A configured column that is no more: full.
SELECT refresh_mv.configure('v', 'ordered');
ALTER MATERIALIZED VIEW v RENAME ordered TO was_ordered;
SELECT success, refresh_type, check_view('v') FROM refresh_materialized_views(true, 2, '{v}');
SELECT success, refresh_type FROM refresh_materialized_views_smart('{v}');
SELECT refresh_mv.configure('v', NULL);
SELECT success, refresh_type FROM refresh_materialized_views_smart('{v}');
DROP MATERIALIZED VIEW v;

-- Rows without a date are in every window; infinity is, -infinity is not;
-- nor is the future beyond any window.
CREATE TABLE edges (day date, ts timestamptz, n int);
INSERT INTO edges VALUES (NULL, NULL, 1), ('infinity', 'infinity', 2), ('-infinity', '-infinity', 3), (current_date + 1000, current_date + 1000, 4),
    (current_date, current_date, 5), (current_date - 2, current_date - 2, 6), (current_date - 3, current_date - 3, 7), ('0044-03-15 BC', '0044-03-15 BC', 8);
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM edges GROUP BY day;
CREATE MATERIALIZED VIEW by_month AS SELECT date_trunc('month', ts) AS month, sum(n) FROM edges GROUP BY 1;
CREATE VIEW held AS SELECT CASE WHEN isfinite(day) AND day > '2000-01-01' THEN (day - current_date)::text ELSE day::text END AS day, sum FROM by_day;
UPDATE edges SET n = n + 100;
SELECT success, refresh_type FROM refresh_materialized_views(true, 2, '{by_day,by_month}');
SELECT * FROM held ORDER BY sum;
SELECT check_view('by_month', $$month >= date_trunc('month', current_date - 2)$$), check_view('by_month') > 0 AS stale;
SELECT success, refresh_type FROM refresh_materialized_views(true, 0, '{by_day}');
SELECT success, refresh_type FROM refresh_materialized_views(true, 3, '{by_day}');
SELECT * FROM held ORDER BY sum;
SELECT success, refresh_type FROM refresh_materialized_views(true, 36500, '{by_day,by_month}');
SELECT * FROM held ORDER BY sum;
SELECT success, check_view('by_day'), check_view('by_month') FROM refresh_materialized_views(views => '{by_day,by_month}');
-- Rows that leave the window, come into it, or move within it.
UPDATE edges SET day = current_date - 100 WHERE n = 105;
UPDATE edges SET day = current_date WHERE n = 107;
UPDATE edges SET day = NULL WHERE n = 102;
SELECT success FROM refresh_materialized_views(true, 2, '{by_day}');
SELECT * FROM held ORDER BY sum;

-- The window reads the source by an index on the column below the bucket: the
-- rows outside are not read.  (idx_tup_read counts index entries.)
CREATE TABLE many (id int, ts timestamp, tz timestamptz, n int);
INSERT INTO many SELECT g, current_date - g % 2000, current_date - g % 2000, g FROM generate_series(1, 20000) g;
CREATE INDEX many_ts ON many (ts);
CREATE INDEX many_tz ON many (tz);
CREATE VIEW over_many AS SELECT date_trunc('week', ts) AS week, n FROM many;
CREATE MATERIALIZED VIEW m_plain AS SELECT ts, sum(n) FROM many GROUP BY ts;
CREATE MATERIALIZED VIEW m_cast AS SELECT ts::date AS day, sum(n) FROM many GROUP BY 1;
CREATE MATERIALIZED VIEW m_week AS SELECT date_trunc('week', ts) AS week, sum(n) FROM many GROUP BY 1;
CREATE MATERIALIZED VIEW m_tz AS SELECT date_trunc('week', tz)::date AS week, sum(n) FROM many GROUP BY 1;
CREATE MATERIALIZED VIEW m_zone AS SELECT (tz AT TIME ZONE 'America/St_Johns' - interval '4 hours')::date AS day, sum(n) FROM many GROUP BY 1;
CREATE MATERIALIZED VIEW m_view AS SELECT week, sum(n) FROM over_many GROUP BY 1;
CREATE MATERIALIZED VIEW m_cte AS WITH c AS (SELECT date_bin('7 days', ts, '2001-01-01') AS bin, n FROM many) SELECT bin, sum(n) FROM c GROUP BY 1;
CREATE MATERIALIZED VIEW m_union AS SELECT ts::date AS day, n FROM many UNION ALL SELECT tz::date, -n FROM many;
ANALYZE;
CREATE FUNCTION rows_read(view regclass, OUT type text, OUT wrong bigint, OUT few bool) LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
    before bigint;
BEGIN
    SELECT pg_stat_get_xact_tuples_returned('many'::regclass) + pg_stat_get_xact_tuples_fetched('many'::regclass) INTO before;
    SELECT refresh_type FROM refresh_materialized_views(true, 2, ARRAY[view]) INTO type;
    SELECT pg_stat_get_xact_tuples_returned('many'::regclass) + pg_stat_get_xact_tuples_fetched('many'::regclass) - before < 1000 INTO few;
    wrong := check_view(view);
END $$;
UPDATE many SET n = n + 1 WHERE ts = current_date;
SELECT view, r.* FROM unnest('{m_plain,m_cast,m_week,m_tz,m_zone,m_view,m_cte,m_union}'::regclass[]) view, rows_read(view) r;
SET TimeZone = 'America/St_Johns';
UPDATE many SET n = n + 1 WHERE ts = current_date;
SELECT view, type, few FROM unnest('{m_tz,m_zone,m_union}'::regclass[]) view, rows_read(view) r;
DROP SCHEMA suite CASCADE;
