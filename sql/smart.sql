CALL helpers.begin_suite();
-- What refresh_materialized_views_smart() chooses for a view of whose sources
-- it knows nothing but the view's newest date.
CREATE TABLE source (day date, ts timestamptz, n int);
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM source GROUP BY day;
CREATE MATERIALIZED VIEW by_ts AS SELECT date_trunc('hour', ts) AS hour, sum(n) FROM source GROUP BY 1;

-- Fills the views with the days given, counted back from today, changes a row
-- inside and one outside of the window of 2 days, and tells what was done.
CREATE FUNCTION smart(days date[], OUT by_day text, OUT by_ts text, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE source;
    INSERT INTO source SELECT d, d::timestamp AT TIME ZONE current_setting('TimeZone') + CASE WHEN isfinite(d) THEN interval '1 hour' ELSE '0' END, 1 FROM unnest(days) d;
    REFRESH MATERIALIZED VIEW by_day;
    REFRESH MATERIALIZED VIEW by_ts;
    UPDATE source SET n = n + 1 WHERE day >= current_date - 2;
    SELECT refresh_type FROM refresh_materialized_views_smart('{by_day}') INTO by_day;
    SELECT refresh_type FROM refresh_materialized_views_smart('{by_ts}') INTO by_ts;
    wrong := check_view('by_day') + check_view('by_ts');
END $$;
SELECT label, s.* FROM (VALUES
    ('today', ARRAY[current_date, current_date - 50]),
    ('yesterday', ARRAY[current_date - 1, current_date - 50]),
    ('two days ago', ARRAY[current_date - 2, current_date - 50]),
    ('long ago', ARRAY[current_date - 50]),
    ('tomorrow', ARRAY[current_date + 1, current_date - 50]),
    ('far future', ARRAY[current_date + 5000]),
    ('empty', '{}'),
    ('only null', ARRAY[NULL::date]),
    ('null and today', ARRAY[NULL, current_date]),
    ('null and long ago', ARRAY[NULL, current_date - 50]),
    ('infinity and long ago', ARRAY['infinity', current_date - 50]),
    ('infinity and today', ARRAY['infinity', current_date]),
    ('-infinity only', ARRAY['-infinity'::date])) v (label, days), smart(days) s;
-- "Today" is that of the session's time zone, on either side of the date line.
SET TimeZone = 'Pacific/Kiritimati';
SELECT * FROM smart(ARRAY[current_date - 1]);
SELECT * FROM smart(ARRAY[current_date - 2]);
SET TimeZone = 'Pacific/Pago_Pago';
SELECT * FROM smart(ARRAY[current_date - 1]);
SELECT * FROM smart(ARRAY[current_date - 2]);
SET TimeZone = 'UTC';

-- No date column, and one that cannot be restricted: full.
SELECT smart(ARRAY[current_date]);
CREATE MATERIALIZED VIEW dateless AS SELECT n, count(*) FROM source GROUP BY n;
CREATE MATERIALIZED VIEW newest AS SELECT max(day) AS day FROM source;
UPDATE source SET n = n + 1;
SELECT success, refresh_type, check_view('dateless') FROM refresh_materialized_views_smart('{dateless}');
SELECT success, refresh_type, check_view('newest') FROM refresh_materialized_views_smart('{newest}');
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views_smart('{by_day,dateless}');

-- The newest date is that in the view, not that of the source: one that has
-- not been refreshed for days is refreshed in full.
TRUNCATE source;
INSERT INTO source VALUES (current_date - 5, current_date - 5, 1), (current_date - 40, current_date - 40, 1);
REFRESH MATERIALIZED VIEW by_day;
INSERT INTO source SELECT current_date - d, current_date - d, 2 FROM generate_series(0, 4) d;
SELECT success, refresh_type, check_view('by_day') FROM refresh_materialized_views_smart('{by_day}');
-- From then on by window.
INSERT INTO source VALUES (current_date, current_date, 1);
SELECT success, refresh_type, check_view('by_day') FROM refresh_materialized_views_smart('{by_day}');

-- The configured column counts.
CREATE MATERIALIZED VIEW two AS SELECT day, ts::date AS other, count(*) FROM source GROUP BY 1, 2;
UPDATE source SET ts = ts - interval '30 days';
REFRESH MATERIALIZED VIEW two;
SELECT refresh_type FROM refresh_materialized_views_smart('{two}');
SELECT refresh_mv.configure('two', 'other');
SELECT refresh_type FROM refresh_materialized_views_smart('{two}');
SELECT refresh_mv.configure('two', NULL);
DROP SCHEMA suite CASCADE;
