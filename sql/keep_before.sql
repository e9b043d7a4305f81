CALL helpers.begin_suite();
-- keep_before: rows older than that outlive the raw data they were made from.
CREATE TABLE source (day date, ts timestamptz, n int);
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM source GROUP BY day;
CREATE MATERIALIZED VIEW by_ts AS SELECT date_trunc('hour', ts) AS hour, count(*), sum(n) FROM source GROUP BY 1;
CREATE MATERIALIZED VIEW plain AS SELECT day, n FROM source;
SELECT refresh_mv.configure(v, keep_before => '10 days') FROM unnest('{by_day,by_ts,plain}'::regclass[]) v;

-- Fills all views with days 0 to 40 and no date at all, then purges what is
-- older than 5 days and changes the rest.  What a refresh must give, then: rows
-- of 10 days and less, and of no date, as the query has them; older ones as they
-- were.  A row that comes late, for a day long ago, is not taken in.
CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE source;
    INSERT INTO source SELECT current_date - g, (current_date - g)::timestamptz, 1 FROM generate_series(0, 40) g;
    INSERT INTO source VALUES (NULL, NULL, 1), (NULL, NULL, 2);
    REFRESH MATERIALIZED VIEW by_day;
    REFRESH MATERIALIZED VIEW by_ts;
    REFRESH MATERIALIZED VIEW plain;
    DELETE FROM source WHERE day < current_date - 5;
    UPDATE source SET n = n + 100;
    INSERT INTO source VALUES (current_date - 20, current_date - 20, 7), (current_date - 100, current_date - 100, 7);
END $$;
CREATE FUNCTION look(OUT by_day text, OUT by_ts text, OUT plain text) LANGUAGE plpgsql AS $$
BEGIN
    SELECT string_agg(kind || count || ':' || sum, ' ' ORDER BY kind) FROM (
        SELECT CASE WHEN day IS NULL THEN 'null ' WHEN day >= current_date - 10 THEN 'new ' ELSE 'old ' END AS kind, count(*), sum(sum)
        FROM by_day GROUP BY 1) s INTO by_day;
    SELECT string_agg(kind || count || ':' || sum, ' ' ORDER BY kind) FROM (
        SELECT CASE WHEN hour IS NULL THEN 'null ' WHEN hour >= current_date - 10 THEN 'new ' ELSE 'old ' END AS kind, count(*), sum(sum)
        FROM by_ts GROUP BY 1) s INTO by_ts;
    SELECT string_agg(kind || count || ':' || sum, ' ' ORDER BY kind) FROM (
        SELECT CASE WHEN day IS NULL THEN 'null ' WHEN day >= current_date - 10 THEN 'new ' ELSE 'old ' END AS kind, count(*), sum(n)
        FROM plain GROUP BY 1) s INTO plain;
END $$;

-- Full: new rows are days 0 to 5, the old ones 30 days as they were; the rows
-- without a date are one group of 203, in plain two.
SELECT fill();
SELECT * FROM look();
SELECT success, refresh_type FROM refresh_materialized_views();
SELECT * FROM look();
-- Incremental and smart, within and beyond the 10 days.  Rows without a date are
-- in no window.
SELECT fill();
SELECT success, refresh_type FROM refresh_materialized_views(true, 3);
SELECT * FROM look();
SELECT success, refresh_type FROM refresh_materialized_views(true, 60);
SELECT * FROM look();
SELECT fill();
SELECT success, refresh_type FROM refresh_materialized_views_smart();
SELECT * FROM look();
SELECT refresh_mv.configure(v, window_days => 60) FROM unnest('{by_day,by_ts,plain}'::regclass[]) v;
SELECT success, refresh_type FROM refresh_materialized_views_smart();
SELECT * FROM look();
SELECT refresh_mv.configure(v, window_days => NULL) FROM unnest('{by_day,by_ts,plain}'::regclass[]) v;
-- The procedure, also where smart goes for everything.
SELECT fill();
CALL refresh_mv.run('full');
SELECT * FROM look();
SELECT fill();
DELETE FROM source;
CALL refresh_mv.run('full');
SELECT * FROM look();
CALL refresh_mv.run('smart');
SELECT * FROM look();
-- By a condition: rows that it names, but for the old ones.
SELECT fill();
SELECT * FROM refresh_mv.refresh_where('by_day', 'day <= current_date');
SELECT * FROM refresh_mv.refresh_where('by_day', 'day < current_date - 10');
SELECT * FROM refresh_mv.refresh_where('plain', 'day IS NULL');
SELECT by_day, plain FROM look();

-- Without it, all of them go.
SELECT refresh_mv.configure('by_day', keep_before => NULL);
SELECT success FROM refresh_materialized_views();
SELECT * FROM look();
SELECT check_view('by_day');
SELECT refresh_mv.configure('by_day', keep_before => '10 days');

-- A view by month: the month that holds the boundary is not recomputed, since
-- part of it may be gone; the months after it are.
CREATE TABLE fact (ts timestamp, n int);
CREATE MATERIALIZED VIEW by_month AS SELECT date_trunc('month', ts) AS month, sum(n) FROM fact GROUP BY 1;
INSERT INTO fact SELECT date_trunc('month', current_date) - make_interval(months => m) + interval '1 hour', 1 FROM generate_series(0, 5) m;
REFRESH MATERIALIZED VIEW by_month;
SELECT refresh_mv.configure('by_month', keep_before => (current_date - (date_trunc('month', current_date) - interval '2 months' + interval '10 days')::date) * interval '1 day');
UPDATE fact SET n = 10;
SELECT success FROM refresh_materialized_views(views => '{by_month}');
SELECT extract(month FROM age(date_trunc('month', current_date), month)) AS months_ago, sum FROM by_month ORDER BY 1;
UPDATE fact SET n = 100;
SELECT success FROM refresh_materialized_views(true, 200, '{by_month}');
SELECT extract(month FROM age(date_trunc('month', current_date), month)) AS months_ago, sum FROM by_month ORDER BY 1;
-- With the boundary at its start, a month is.
SELECT refresh_mv.configure('by_month', keep_before => (current_date - (date_trunc('month', current_date) - interval '2 months')::date) * interval '1 day');
UPDATE fact SET n = 1000;
SELECT success FROM refresh_materialized_views(views => '{by_month}');
SELECT extract(month FROM age(date_trunc('month', current_date), month)) AS months_ago, sum FROM by_month ORDER BY 1;

-- The day at the boundary is not older than it; 0 keeps all but today.
SELECT fill();
UPDATE source SET n = 50 WHERE day < current_date - 9;
INSERT INTO source VALUES (current_date - 10, current_date - 10, 55), (current_date - 11, current_date - 11, 55);
SELECT success FROM refresh_materialized_views(views => '{by_day}');
SELECT current_date - day AS days, sum FROM by_day WHERE day BETWEEN current_date - 12 AND current_date - 9 ORDER BY 1;
SELECT refresh_mv.configure('by_day', keep_before => '0');
DELETE FROM source;
SELECT success FROM refresh_materialized_views(views => '{by_day}');
SELECT count(*), min(current_date - day) AS newest FROM by_day;

-- An infinite date is old or new; a view that is not populated is filled with
-- all there is.
CREATE MATERIALIZED VIEW infinite AS SELECT day, count(*) FROM source GROUP BY day WITH NO DATA;
SELECT refresh_mv.configure('infinite', keep_before => '10 days');
INSERT INTO source (day) VALUES ('infinity'), ('-infinity'), (current_date - 400);
SELECT success FROM refresh_materialized_views(views => '{infinite}');
SELECT count(*) FROM infinite;
DELETE FROM source;
SELECT success FROM refresh_materialized_views(views => '{infinite}');
SELECT count(*), count(*) FILTER (WHERE day = '-infinity') AS minus_infinity FROM infinite;

-- Without a date column there is nothing to go by, be it from the start or once
-- its date column is not there any more.
CREATE MATERIALIZED VIEW dateless AS SELECT n FROM source;
SELECT state, message FROM error_of($$SELECT refresh_mv.configure('dateless', keep_before => '1 day')$$);
SELECT refresh_mv.configure('plain', date_column => 'day');
ALTER MATERIALIZED VIEW plain RENAME day TO the_day;
INSERT INTO source VALUES (current_date, now(), 1);
SELECT remember('plain');
SELECT success, message FROM refresh_materialized_views(views => '{plain}') \g (format=unaligned)
SELECT rows_written('plain'), rows_gone('plain');
SELECT refresh_mv.configure('plain', date_column => 'the_day');
SELECT success FROM refresh_materialized_views(views => '{plain}');
DROP SCHEMA suite CASCADE;
