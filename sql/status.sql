CALL helpers.begin_suite();
-- refresh_mv.status and refresh_mv.freshness: one row per materialized view.
SET IntervalStyle = 'postgres';
SELECT attrelid::regclass, attname, atttypid::regtype FROM pg_attribute
WHERE attrelid IN ('refresh_mv.status'::regclass, 'refresh_mv.freshness'::regclass) AND attnum > 0 ORDER BY 1, attnum;
SELECT count(*) FROM refresh_mv.status;
SELECT count(*) FROM refresh_mv.freshness;

CREATE TABLE source (day date, ts timestamptz, n int);
INSERT INTO source SELECT current_date - g, current_date - g, g FROM generate_series(3, 20) g;
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM source GROUP BY day;
CREATE MATERIALIZED VIEW by_ts AS SELECT date_trunc('day', ts) AS ts, day, count(*) FROM source GROUP BY 1, 2;
CREATE MATERIALIZED VIEW dateless AS SELECT n FROM source;
CREATE MATERIALIZED VIEW empty AS SELECT day FROM source WITH NO DATA;
CREATE MATERIALIZED VIEW no_rows AS SELECT day FROM source WHERE false;
CREATE MATERIALIZED VIEW infinite AS SELECT 'infinity'::date AS day UNION ALL SELECT '-infinity' UNION ALL SELECT current_date + 2;
CREATE MATERIALIZED VIEW bad AS SELECT day, 100 / n AS q FROM source;
CREATE TABLE no_view ();
CREATE VIEW ordinary AS TABLE source;

-- Before the first refresh.  Whether a populated view is stale cannot be known;
-- one that is not populated is.
SELECT schema, name, owner = current_user AS owned, populated, stale, tracked, tracked_since, pending_changes, enabled, keep_before
FROM refresh_mv.status ORDER BY name;
SELECT name, last_success, last_method, last_duration, median_duration, consecutive_failures, last_error
FROM refresh_mv.status ORDER BY name;
-- How far the data reach: the newest finite date, by the date column set.
SELECT name, current_date - data_through AS age, days_behind FROM refresh_mv.status ORDER BY name;
SELECT view_name, current_date - last_data_date AS age, days_behind FROM refresh_mv.freshness ORDER BY view_name;
INSERT INTO source VALUES (current_date - 1, current_date - 10, 1);
REFRESH MATERIALIZED VIEW by_ts;
SELECT days_behind FROM refresh_mv.status WHERE name = 'by_ts';
SELECT refresh_mv.configure('by_ts', 'ts');
SELECT days_behind FROM refresh_mv.status WHERE name = 'by_ts';
SELECT refresh_mv.configure('by_ts', 'day');
SELECT days_behind FROM refresh_mv.status WHERE name = 'by_ts';
-- Freshness names views as regclass does.
SET search_path = public;
SELECT view_name FROM refresh_mv.freshness WHERE view_name ~ 'by_' ORDER BY 1;
SET search_path = suite, helpers, public;
-- A timestamp with time zone is a day of the session's.
UPDATE source SET ts = current_date - 1 + time '23:30';
REFRESH MATERIALIZED VIEW by_ts;
SELECT refresh_mv.configure('by_ts', 'ts');
CREATE MATERIALIZED VIEW late AS SELECT ts FROM source;
SELECT refresh_mv.data_through('late') = (current_date - 1) AS day;
SET TimeZone = 'Etc/GMT-3';
SELECT refresh_mv.data_through('late') = ((now() AT TIME ZONE 'UTC')::date) AS next_day;
SET TimeZone = 'UTC';
DROP MATERIALIZED VIEW late;

-- After refreshes, failures and settings.
UPDATE source SET n = 0 WHERE n = 5;
SET client_min_messages = error;
SELECT success FROM refresh_materialized_views();
SELECT success FROM refresh_materialized_views(true, views => '{by_day}');
SET client_min_messages = warning;
SELECT refresh_mv.configure('by_day', keep_before => '1 month 3 days');
SELECT refresh_mv.configure('dateless', enabled => false);
SELECT name, populated, stale, last_method, enabled, keep_before, consecutive_failures, last_error,
    last_success > now() - interval '10 minutes' AS last_success, last_duration > '0' AS last_duration, median_duration > '0' AS median
FROM refresh_mv.status ORDER BY name;
-- A success ends the row of failures; the error is of the past then.
UPDATE source SET n = 5 WHERE n = 0;
SELECT success FROM refresh_materialized_views(views => '{bad}');
SELECT consecutive_failures, last_error, last_method FROM refresh_mv.status WHERE name = 'bad';
-- The median is that of the successes; the last ones are the last.
TRUNCATE refresh_mv.journal;
INSERT INTO refresh_mv.journal (id, run, view_schema, view_name, mode, method, reason, started, duration, rows_inserted,
    rows_updated, rows_deleted, rows_unchanged, success, sqlstate, message, role, source)
SELECT i, i, 'suite', 'by_day', 'smart', method, '', '2020-01-01 UTC'::timestamptz + i * interval '1 day', make_interval(secs => i),
    0, 0, 0, 0, message IS NULL, 'XX000', message, 'postgres', 'function'
FROM (VALUES (1, 'full', NULL), (5, 'window', NULL), (9, 'window', NULL), (20, 'none', 'older'), (30, 'none', NULL), (40, 'none', 'newer')) v (i, method, message);
SELECT last_success, last_method, last_duration, median_duration, consecutive_failures, last_error FROM refresh_mv.status WHERE name = 'by_day';

-- Estimates and sizes are those of the catalog.
ANALYZE dateless;
SELECT s.row_estimate = c.reltuples::bigint AS rows, s.total_bytes = pg_total_relation_size(c.oid) AS bytes, s.row_estimate
FROM refresh_mv.status s JOIN pg_class c ON c.relname = s.name AND c.relnamespace = 'suite'::regnamespace WHERE name = 'dateless';

-- A setting whose column is gone does no harm, nor does a setting of a view
-- that does not exist.
SELECT refresh_mv.configure('by_day', 'day');
ALTER MATERIALIZED VIEW by_day RENAME day TO the_day;
INSERT INTO refresh_mv.settings (view_schema, view_name, enabled) VALUES ('suite', 'not there', false);
SELECT name, data_through, days_behind FROM refresh_mv.status WHERE name IN ('by_day', 'not there');
DELETE FROM refresh_mv.settings WHERE view_name = 'not there';
-- It can be read where nothing can be written.
BEGIN READ ONLY;
SELECT count(*) FROM refresh_mv.status;
SELECT count(*) > 0 AS some FROM refresh_mv.history;
COMMIT;
SELECT refresh_mv.data_through('source');
SELECT refresh_mv.data_through(NULL);
DROP SCHEMA suite CASCADE;
