CALL helpers.begin_suite();
-- refresh_mv.feed(): the rows that left a view and came; and the settings notify and feed_keep.
SET IntervalStyle = postgres;
CREATE ROLE refresh_mv_feed_owner;
CREATE ROLE refresh_mv_feed_reader;
CREATE ROLE refresh_mv_feed_column;
GRANT USAGE ON SCHEMA suite TO PUBLIC;
CREATE TABLE t (id int PRIMARY KEY, g int NOT NULL, n numeric, note text);
INSERT INTO t SELECT i, i % 3, i, 'note ' || i FROM generate_series(1, 9) i;
CREATE MATERIALIZED VIEW v AS SELECT g, sum(n) AS n, count(*) AS c FROM t GROUP BY g;
CREATE VIEW setting AS SELECT view_name AS name, notify, feed_keep, tracked FROM refresh_mv.settings WHERE view_schema = 'suite';
CREATE PROCEDURE refresh(view regclass) LANGUAGE plpgsql AS $$
BEGIN
    ASSERT (SELECT success FROM refresh_materialized_views_smart(ARRAY[view]));
END $$;
-- Without one; settings one by one.
SELECT * FROM error_of($$SELECT * FROM refresh_mv.feed('v')$$);
SELECT refresh_mv.configure('v', notify => true);
SELECT refresh_mv.configure('v', feed_keep => '1 day');
TABLE setting;
SELECT refresh_mv.configure('v', notify => NULL, feed_keep => '-1 days');
SELECT refresh_mv.configure('v', notify => false);
TABLE setting;
SELECT state, message, hint FROM error_of($$SELECT refresh_mv.configure('v', feed_keep => '-2 days')$$);

-- A reader begins by reading the view, in the same snapshot, and goes on from that mark.
SELECT mark IS NOT NULL AS has_mark, run, change, row_text, reason FROM refresh_mv.feed('v');
SELECT mark AS m FROM refresh_mv.feed('v') \gset
SELECT * FROM refresh_mv.feed('v', :m);
INSERT INTO t VALUES (10, 0, 1.50, NULL);
CALL refresh('v');
SELECT mark > :m AS later, run IS NOT NULL AS has_run, now() - at < '1 hour' AS recent, change, row_text, reason FROM refresh_mv.feed('v', :m);
SELECT change, (row_text::v).*, row_to_json(row_text::v) FROM refresh_mv.feed('v', :m);
SELECT max(mark) AS n FROM refresh_mv.feed('v', :m) \gset
SELECT * FROM refresh_mv.feed('v', :n);
-- Rows that come, change and leave, by several refreshes, in order.  One that writes nothing is none.
INSERT INTO t VALUES (11, 3, 1, NULL);
CALL refresh('v');
CALL refresh('v');
DELETE FROM t WHERE g = 1;
UPDATE t SET n = n WHERE g = 0;
CALL refresh('v');
UPDATE t SET g = 4 WHERE g = 3;
CALL refresh('v');
SELECT dense_rank() OVER (ORDER BY mark) AS entry, change, row_text FROM refresh_mv.feed('v', :m) WITH ORDINALITY f (mark, run, at, change, row_text, reason, i) ORDER BY i;
SELECT count(*) AS after_the_first FROM refresh_mv.feed('v', :n);
-- By every method the same: delta, keys, window, where, full, rebuild.
CREATE PROCEDURE check_feed(view regclass, copy regclass, since bigint, INOUT mark bigint) LANGUAGE plpgsql AS $$
DECLARE
    m bigint;
    leaving bigint;
    gone bigint;
    differences bigint;
BEGIN
    mark := since;
    CREATE TEMP TABLE fed ON COMMIT DROP AS SELECT * FROM refresh_mv.feed(view, since);
    ASSERT (SELECT bool_and(change <> 'start over') IS NOT FALSE FROM fed), 'it starts over';
    FOR m, leaving IN SELECT f.mark, count(*) FILTER (WHERE f.change = 'left') FROM fed f GROUP BY 1 ORDER BY 1 LOOP
        -- as many as left of those that are the same
        EXECUTE format($q$WITH d AS (DELETE FROM %s c USING (SELECT ctid AS place, row_text, row_number() OVER (PARTITION BY row_text) FROM %1$s) n
            JOIN (SELECT row_text, count(*) FROM fed WHERE mark = $1 AND change = 'left' GROUP BY 1) l USING (row_text)
            WHERE row_number <= count AND c.ctid = place RETURNING 1) SELECT count(*) FROM d$q$, copy) INTO gone USING m;
        ASSERT gone = leaving, format('%s of %s rows that left were there', gone, leaving);
        EXECUTE format($q$INSERT INTO %s SELECT row_text FROM fed WHERE mark = $1 AND change = 'came'$q$, copy) USING m;
        mark := m;
    END LOOP;
    DROP TABLE fed;
    EXECUTE format('WITH held AS (SELECT record_send(_r)::text FROM %s _r), copied AS (SELECT record_send(row_text::%1$s)::text FROM %s)'
                   ' SELECT count(*) FROM ((TABLE held EXCEPT ALL TABLE copied) UNION ALL (TABLE copied EXCEPT ALL TABLE held)) d', view, copy) INTO differences;
    ASSERT differences = 0, 'the copy is another one';
END $$;
CREATE TABLE many (id int PRIMARY KEY, day date, g int, x numeric, f float8, j json, a int[], i interval, b bytea, z timestamptz, note text);
INSERT INTO many SELECT g, date '2020-01-01' + g % 50, g % 7, g / 10.0, CASE g % 3 WHEN 0 THEN '-0' WHEN 1 THEN 'NaN' ELSE g / 3.0::float8 END,
    CASE g % 3 WHEN 0 THEN '{"a":  1}' WHEN 1 THEN 'null' END::json, CASE WHEN g % 2 = 0 THEN '[0:1]={1,2}' ELSE '{}' END::int[],
    g * interval '1 day 2 months 3.5 seconds', decode(lpad(to_hex(g), 8, '0'), 'hex'), '1890-01-01'::timestamptz + g * interval '1 day', repeat('"\,() ', g % 40) FROM generate_series(1, 300) g;
CREATE MATERIALIZED VIEW rows AS SELECT day, g, x, f, j, a, i, b, z, note FROM many;
CREATE MATERIALIZED VIEW days AS SELECT day, sum(x) AS x, max(note) AS note, count(*) FROM many GROUP BY day;
SELECT refresh_mv.configure(v, feed_keep => '1 day') FROM unnest('{rows,days}'::regclass[]) v;
SELECT tracked FROM refresh_mv.track('rows');
SELECT tracked FROM refresh_mv.track('days');
CALL refresh('rows');
CALL refresh('days');
CREATE TABLE rows_copy AS SELECT _r::text AS row_text FROM rows _r;
CREATE TABLE days_copy AS SELECT _r::text AS row_text FROM days _r;
SELECT mark AS rows FROM refresh_mv.feed('rows') \gset
SELECT mark AS days FROM refresh_mv.feed('days') \gset
-- The session's settings are not seen in the texts.
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = sql_standard;
SET extra_float_digits = -10;
SET bytea_output = escape;
UPDATE many SET x = x + 0.10, f = f * 1.1, z = z + interval '1 hour', i = -i, day = day + 1 WHERE id % 20 = 0;
CALL refresh('rows');
CALL refresh('days');
RESET DateStyle;
SET IntervalStyle = postgres;
RESET extra_float_digits;
RESET bytea_output;
CALL check_feed('rows', 'rows_copy', :rows, 0) \gset rows_
CALL check_feed('days', 'days_copy', :days, 0) \gset days_
DELETE FROM many WHERE id % 9 = 0;
SELECT refresh_mv.refresh_where('days', $$day < '2020-01-10'$$) IS NOT NULL AS done;
SELECT success FROM refresh_materialized_views(views => '{rows}');
SELECT success FROM refresh_materialized_views(true, 36500, '{days}');
CALL check_feed('rows', 'rows_copy', :rows_mark, 0) \gset rows_
CALL check_feed('days', 'days_copy', :days_mark, 0) \gset days_
TRUNCATE many;
CALL refresh('rows');
CALL refresh('days');
CALL check_feed('rows', 'rows_copy', :rows_mark, 0) \gset rows_
CALL check_feed('days', 'days_copy', :days_mark, 0) \gset days_
SELECT (SELECT count(*) FROM rows) + (SELECT count(*) FROM rows_copy) AS rows;
-- A file that is swapped, and rows that are too many for one part.
INSERT INTO many SELECT g, date '2020-01-01' + g % 5000, g, g, g, NULL, NULL, NULL, NULL, NULL, 'note ' || g FROM generate_series(1, 12000) g;
CALL refresh_mv.run(views => '{rows,days}');
SELECT method, rows_inserted FROM refresh_mv.history WHERE view = 'suite.rows' ORDER BY run DESC LIMIT 1;
SELECT count(*) > 2 AS several_parts FROM refresh_mv.feed_entries WHERE view = 'rows'::regclass AND mark > :rows_mark;
CALL check_feed('rows', 'rows_copy', :rows_mark, 0) \gset rows_
CALL check_feed('days', 'days_copy', :days_mark, 0) \gset days_
UPDATE many SET note = note || '!', x = x + 1;
CALL refresh_mv.run('full', views => '{rows,days}');
SELECT method, rows_inserted FROM refresh_mv.history WHERE view = 'suite.rows' ORDER BY run DESC LIMIT 1;
CALL check_feed('rows', 'rows_copy', :rows_mark, 0) \gset rows_
CALL check_feed('days', 'days_copy', :days_mark, 0) \gset days_
-- Several refreshes in one transaction, one of them rolled back, and a view of duplicates.
BEGIN;
DELETE FROM many WHERE id > 100;
SELECT count(*) FROM refresh_materialized_views_smart('{rows,days}');
SAVEPOINT s;
DELETE FROM many WHERE id > 50;
SELECT count(*) FROM refresh_materialized_views_smart('{rows,days}');
ROLLBACK TO s;
INSERT INTO many SELECT 200 + g, '2020-01-01', 1 FROM generate_series(1, 5) g;
SELECT count(*) FROM refresh_materialized_views_smart('{rows,days}');
COMMIT;
CALL check_feed('rows', 'rows_copy', :rows_mark, 0) \gset rows_
CALL check_feed('days', 'days_copy', :days_mark, 0) \gset days_

-- Where the changes are not known, it says "start over", for every mark before.
CREATE FUNCTION fed(view regclass, since bigint) RETURNS TABLE (marks bigint, change text, reason text) LANGUAGE sql AS $$
    SELECT count(f.mark), min(f.change), min(f.reason) FROM refresh_mv.feed(view, since) f GROUP BY f.change
$$;
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
SELECT * FROM fed('v', :m);
REFRESH MATERIALIZED VIEW v;
SELECT * FROM fed('v', :m);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
CREATE UNIQUE INDEX ON v (g);
REFRESH MATERIALIZED VIEW CONCURRENTLY v;
SELECT * FROM fed('v', :m);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
SET refresh_mv.max_logged_rows = 1;
UPDATE t SET n = n + 1;
CALL refresh('v');
RESET refresh_mv.max_logged_rows;
SELECT * FROM fed('v', :m);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
UPDATE t SET n = n + 1;
CALL refresh('v');
SELECT * FROM fed('v', :m);
-- Columns that have another name or come, before and after the next refresh; a file that is another one.
ALTER MATERIALIZED VIEW v RENAME COLUMN n TO total;
SELECT * FROM fed('v', :m);
UPDATE t SET n = n + 1;
CALL refresh('v');
SELECT * FROM fed('v', :m);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
SELECT * FROM refresh_mv.replace_query('v', 'SELECT g, sum(n) AS total, count(*) AS c, NULL::text AS note FROM t GROUP BY g');
SELECT * FROM fed('v', :m);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
SELECT * FROM refresh_mv.replace_query('v', 'SELECT g, sum(n) + 1 AS total, count(*) AS c, NULL::text AS note FROM t GROUP BY g');
SELECT * FROM fed('v', :m);
CLUSTER v USING v_g_idx;
SELECT * FROM fed('v', :m);
UPDATE t SET n = n + 1;
CALL refresh('v');
SELECT * FROM fed('v', :m);
-- A view that is filled for the first time, or emptied.
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
REFRESH MATERIALIZED VIEW v WITH NO DATA;
SELECT * FROM fed('v', :m);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
CALL refresh('v');
SELECT * FROM fed('v', :m);
-- Marks that it has never given, or not here; none.
SELECT * FROM fed('v', 0);
SELECT * FROM fed('v', 9223372036854775807);
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
SELECT * FROM fed('v', :m - 1);
SELECT * FROM fed('v', NULL);
-- The view renamed: the same feed.
ALTER MATERIALIZED VIEW v RENAME TO w;
UPDATE t SET n = n + 1 WHERE g = 2;
CALL refresh('w');
SELECT * FROM fed('w', :m);
ALTER MATERIALIZED VIEW w RENAME TO v;

-- What is older than feed_keep goes, but for what is needed to go on from there.
SELECT max(mark) AS m FROM refresh_mv.feed('v') \gset
UPDATE t SET n = n + 1 WHERE g = 2;
CALL refresh('v');
SELECT max(mark) AS n FROM refresh_mv.feed('v') \gset
UPDATE refresh_mv.feed_entries SET at = at - interval '2 days' WHERE view = 'v'::regclass AND mark <= :n;
UPDATE t SET n = n + 1 WHERE g = 2;
CALL refresh('v');
SELECT count(*) AS parts, count(*) FILTER (WHERE part = 0) AS heads, min(mark) = :n AS from_there FROM refresh_mv.feed_entries WHERE view = 'v'::regclass;
SELECT * FROM fed('v', :m);
SELECT * FROM fed('v', :n);
-- Ended, all goes.
SELECT refresh_mv.configure('v', feed_keep => NULL);
SELECT count(*) FROM refresh_mv.feed_entries WHERE view = 'v'::regclass;
SELECT state FROM error_of($$SELECT * FROM refresh_mv.feed('v')$$);
SELECT refresh_mv.configure('v', feed_keep => '1 hour');
SELECT * FROM fed('v', :n);
-- With the view, too; a namesake has none.
CREATE MATERIALIZED VIEW gone AS SELECT count(*) FROM t;
SELECT refresh_mv.configure('gone', feed_keep => '1 hour', notify => true);
DROP MATERIALIZED VIEW gone;
SELECT count(*) FROM refresh_mv.feed_entries e WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = e.view);

-- For those who may read the view.
GRANT SELECT ON v TO refresh_mv_feed_reader;
GRANT SELECT (g) ON v TO refresh_mv_feed_column;
SET ROLE refresh_mv_feed_reader;
SELECT change, reason FROM refresh_mv.feed('v');
SELECT state, message FROM error_of($$SELECT * FROM refresh_mv.feed('rows')$$);
SELECT state, message FROM error_of($$SELECT refresh_mv.configure('v', notify => true)$$);
SELECT count(DISTINCT view) FROM refresh_mv.feed_rows;
SELECT count(DISTINCT view) FROM refresh_mv.feeds;
SET ROLE refresh_mv_feed_column;
SELECT state, message FROM error_of($$SELECT * FROM refresh_mv.feed('v')$$);
SELECT count(*) FROM refresh_mv.feed_rows;
SELECT state FROM error_of('SELECT count(*) FROM refresh_mv.feed_entries');
RESET ROLE;
\pset format unaligned
SELECT call, e.* FROM unnest(ARRAY[$$(NULL)$$, $$('t')$$, $$('setting', 1)$$, $$(4294967295)$$]) call, error_of('SELECT * FROM refresh_mv.feed' || call) e;
SET client_min_messages = error;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_feed_owner, refresh_mv_feed_reader, refresh_mv_feed_column;
