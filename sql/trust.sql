CALL helpers.begin_suite();
-- Of a view that is not tracked smart refreshes the recent rows alone only where its query
-- lets nothing else change; a row without a date is in every window.
CREATE TABLE mail (id int PRIMARY KEY, removed_at timestamp, sent_at timestamp NOT NULL, at timestamp, k int);
CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS $$
    TRUNCATE mail;
    INSERT INTO mail SELECT g, CASE WHEN g % 9 = 0 THEN current_date - g END, current_date - g, CASE WHEN g % 7 > 0 THEN current_date - g END, g % 3
        FROM generate_series(0, 40) g;
$$;
SELECT fill();

-- What smart does with a view when rows have come, one of them without a date, and how many
-- rows of the view are wrong then.
CREATE FUNCTION smart(query text, setting text DEFAULT NULL, OUT method text, OUT wrong bigint, OUT reason text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM fill();
    DROP MATERIALIZED VIEW IF EXISTS tried;
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || query;
    IF setting IS NOT NULL THEN
        PERFORM refresh_mv.configure('tried'::text::regclass, date_column => setting);
    END IF;
    INSERT INTO mail VALUES (100, NULL, current_date, current_date, 1), (101, NULL, current_date - 1, NULL, 2);
    PERFORM refresh_materialized_views_smart(ARRAY['tried'::text::regclass]);
    SELECT j.method, j.reason INTO smart.method, smart.reason FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1;
    wrong := check_view('tried'::text::regclass);
END $$;

-- A query that looks at the clock, or at anything but data.
SET suite.days = 10;
CREATE FUNCTION days() RETURNS int STABLE LANGUAGE sql AS $$ SELECT current_setting('suite.days')::int $$;
SELECT * FROM smart($$SELECT sent_at, id FROM mail WHERE sent_at > now() - interval '30 days'$$);
SELECT * FROM smart($$SELECT sent_at, current_date - sent_at::date AS age FROM mail$$);
SELECT * FROM smart($$SELECT sent_at::date AS day, count(*) FROM mail WHERE sent_at > current_date - suite.days() GROUP BY 1$$);
SELECT * FROM smart($$SELECT sent_at::date AS day, count(*) FROM mail GROUP BY 1 HAVING max(sent_at) > localtimestamp - interval '9 days'$$);
SELECT * FROM smart($$SELECT sent_at::date AS day, count(*) FROM mail GROUP BY 1$$);
-- Rows that have left it are gone.
CREATE MATERIALIZED VIEW recent AS SELECT sent_at, id FROM mail WHERE sent_at > current_date - suite.days();
SET suite.days = 1;
SELECT success, refresh_type, check_view('recent') FROM refresh_materialized_views_smart('{recent}');
SET suite.days = 2;
-- The same below, in another view, ordinary or materialized.
CREATE VIEW latest AS SELECT sent_at, id, k FROM mail WHERE sent_at > current_date - suite.days();
CREATE MATERIALIZED VIEW held AS SELECT * FROM latest;
CREATE VIEW over_held AS SELECT sent_at::date AS day, k FROM held;
SELECT * FROM smart('SELECT sent_at::date AS day, count(*) FROM latest GROUP BY 1');
SELECT * FROM smart('SELECT sent_at::date AS day, count(*) FROM held GROUP BY 1');
SELECT * FROM smart('SELECT day, count(*) FROM over_held GROUP BY 1');
SELECT * FROM smart('SELECT sent_at::date AS day, count(*) FROM mail WHERE k IN (SELECT k FROM held) GROUP BY 1');
-- And rows that go when others come, without any clock.
CREATE VIEW firsts AS SELECT DISTINCT ON (k) sent_at, id, k FROM mail ORDER BY k, id DESC;
CREATE MATERIALIZED VIEW held_firsts AS SELECT * FROM firsts;
CREATE MATERIALIZED VIEW held_mail AS SELECT * FROM mail;
SELECT * FROM smart('SELECT sent_at, id FROM firsts');
SELECT * FROM smart('SELECT sent_at, id FROM held_firsts');
SELECT * FROM smart('SELECT sent_at, id FROM held_mail');

-- The first date column may be mostly NULL.
SELECT * FROM smart('SELECT id, removed_at, sent_at FROM mail');
SELECT * FROM smart('SELECT removed_at::date AS removed, sent_at::date AS sent, count(*) FROM mail GROUP BY 1, 2');
SELECT * FROM smart('SELECT id, removed_at, at FROM mail');
SELECT * FROM smart('SELECT id, removed_at, at FROM mail', 'at');
SELECT * FROM smart('SELECT at::date AS day, count(*) FROM mail GROUP BY 1');
SELECT * FROM smart('SELECT day, n + 1 AS n FROM (SELECT at::date AS day, count(*) AS n FROM mail GROUP BY 1) s');
SELECT * FROM smart('SELECT DISTINCT ON (at) at, id FROM mail ORDER BY at, id');
SELECT * FROM smart('SELECT DISTINCT at, id FROM mail');

-- What is never NULL, and what may be.
CREATE TABLE keys (k int PRIMARY KEY, since date NOT NULL);
INSERT INTO keys SELECT k, current_date FROM generate_series(0, 5) k;
CREATE VIEW sent AS SELECT sent_at::date AS day, id, k FROM mail;
CREATE TABLE old_mail (sent_at timestamp NOT NULL, id int);
CREATE TABLE older_mail () INHERITS (old_mail);
CREATE TABLE parted (sent_at timestamp NOT NULL, id int) PARTITION BY RANGE (sent_at);
CREATE TABLE part PARTITION OF parted DEFAULT;
INSERT INTO old_mail VALUES (current_date, 1);
INSERT INTO parted VALUES (current_date, 1);
CREATE DOMAIN moment AS timestamp;
SELECT query, method FROM (VALUES
    ('SELECT sent_at::moment AS at, id FROM mail'), ('SELECT sent_at::timestamptz AS at, id FROM mail'),
    ('SELECT date_trunc(''week'', sent_at) AS at, id FROM mail'), ('SELECT sent_at + interval ''1 hour'' AS at, id FROM mail'),
    ('SELECT sent_at::date + 0 AS at, id FROM mail'), ('SELECT sent_at AT TIME ZONE ''Asia/Tokyo'' AS at, id FROM mail'),
    ('SELECT coalesce(removed_at, sent_at) AS at, id FROM mail'), ('SELECT greatest(removed_at, sent_at) AS at, id FROM mail'),
    ('SELECT CASE WHEN sent_at < ''2020-01-01'' THEN sent_at ELSE sent_at + interval ''1 hour'' END AS at, id FROM mail'),
    ('SELECT at, id FROM mail WHERE at IS NOT NULL'), ('SELECT at, id FROM mail WHERE at > ''2000-01-01'' AND k < 9'),
    ('SELECT day, id FROM sent'), ('SELECT m.sent_at, keys.k FROM mail m LEFT JOIN keys USING (k)'),
    ('SELECT m.sent_at, keys.k FROM keys RIGHT JOIN mail m USING (k)'), ('SELECT m.sent_at, keys.k FROM keys JOIN mail m USING (k)'),
    ('SELECT m.sent_at, keys.k FROM keys LEFT JOIN mail m USING (k) WHERE m.id > 0'),
    ('SELECT m.at, keys.k FROM keys JOIN mail m ON m.k = keys.k AND m.at < ''infinity'''),
    ('SELECT sent_at::date AS day, id FROM mail UNION ALL SELECT day, id FROM sent'),
    ('WITH c AS (SELECT sent_at AS at, id FROM mail) SELECT at, id FROM c'),
    ('SELECT day, id FROM generate_series(timestamp ''2020-01-01'', current_date::timestamp::text::timestamp, ''1 month'') day LEFT JOIN mail ON id = 1'),
    ('SELECT g AS day, id FROM generate_series(timestamp ''2020-01-01'', ''2050-01-01'', ''1 month'') g LEFT JOIN mail ON id = 1'),
    ('SELECT sent_at, id FROM old_mail'), ('SELECT sent_at, id FROM parted'), ('SELECT sent_at, id FROM ONLY old_mail')) v (query), smart(query);
SELECT query, method FROM (VALUES
    ('SELECT CASE WHEN k = 1 THEN sent_at END AS at, id FROM mail'), ('SELECT nullif(sent_at, removed_at) AS at, id FROM mail'),
    ('SELECT at, id FROM mail WHERE at IS NOT NULL OR k = 1'), ('SELECT coalesce(at, removed_at) AS at, id FROM mail'),
    ('SELECT greatest(at, removed_at) AS at, id FROM mail'), ('SELECT m.sent_at, keys.k FROM keys LEFT JOIN mail m USING (k)'),
    ('SELECT m.sent_at, keys.k FROM mail m RIGHT JOIN keys USING (k)'), ('SELECT m.sent_at, keys.k FROM mail m FULL JOIN keys USING (k)'),
    ('SELECT m.sent_at, keys.k FROM keys LEFT JOIN mail m USING (k) WHERE m.id > 0 OR keys.k > 0'),
    ('SELECT m.at, keys.k FROM mail m LEFT JOIN keys ON m.k = keys.k AND m.at < ''infinity'''),
    ('SELECT s.day, keys.k FROM keys LEFT JOIN (SELECT day, k FROM sent) s USING (k)'),
    ('SELECT sent_at, id FROM mail UNION ALL SELECT at, id FROM mail'),
    ('SELECT day, k FROM (SELECT sent_at AS day, k FROM mail GROUP BY ROLLUP (sent_at, k)) s'),
    ('SELECT (SELECT sent_at FROM mail m WHERE m.id = keys.k + 1000) AS at, k FROM keys')) v (query), smart(query);
-- A child can be without the NOT NULL of its parent before it is enforced.
CREATE FUNCTION child_has_null() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE older_mail ALTER sent_at DROP NOT NULL;
    RETURN (SELECT method = 'full' AND wrong = 0 FROM smart('SELECT sent_at, id FROM old_mail'));
EXCEPTION WHEN invalid_table_definition THEN
    RETURN true; -- the server forbids it
END $$;
SELECT child_has_null();

-- A window asked for warns of what it may miss, and has all rows without a date.
CREATE FUNCTION window_wrong(query text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM fill();
    DROP MATERIALIZED VIEW IF EXISTS tried;
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || query;
    INSERT INTO mail VALUES (100, NULL, current_date, current_date, 1), (101, NULL, current_date - 1, NULL, 2);
    PERFORM refresh_materialized_views(true, 2, ARRAY['tried'::text::regclass]);
    RETURN check_view('tried'::text::regclass);
END $$;
\set VERBOSITY default
SELECT window_wrong($$SELECT sent_at, id FROM mail WHERE sent_at < now() + interval '1 year'$$);
SELECT window_wrong('SELECT id, removed_at, at FROM mail');
SELECT window_wrong('SELECT id, removed_at, sent_at FROM mail');
SELECT window_wrong('SELECT at::date AS day, count(*) FROM mail GROUP BY 1');
CALL refresh_mv.run('incremental', views => '{recent}');
SELECT refresh_mv.track('held_mail');
SELECT success FROM refresh_materialized_views(true, 2, '{held_mail}');
SELECT refresh_mv.untrack('held_mail');

-- Rows that a restriction hides are not taken for rows without a date.
SELECT query, window_wrong(query) FROM unnest(ARRAY[
    'SELECT s.m, k.k, count(*) FROM keys k LEFT JOIN (SELECT date_trunc(''month'', at) AS m, k FROM mail) s ON s.k = k.k GROUP BY 1, 2',
    'SELECT s.m, k.k FROM (SELECT date_trunc(''month'', at) AS m, k FROM mail WHERE id > 30) s RIGHT JOIN keys k ON s.k = k.k',
    'SELECT s.m, k.k FROM (SELECT date_trunc(''month'', at) AS m, k FROM mail WHERE id > 30) s FULL JOIN keys k ON s.k = k.k',
    'WITH s AS (SELECT date_trunc(''month'', at) AS m, k FROM mail) SELECT s.m, k.k, count(*) FROM keys k LEFT JOIN s ON s.k = k.k GROUP BY 1, 2',
    'SELECT date_trunc(''month'', s.at) AS m, k.k, count(*) FROM keys k LEFT JOIN mail s ON s.k = k.k GROUP BY 1, 2',
    'SELECT date_trunc(''month'', at) AS m, count(*) FROM mail GROUP BY 1 UNION ALL SELECT at, 1 FROM mail']) query;
-- A row that had no date when that was allowed goes when it has got one.
CREATE TABLE late (id int, at timestamp);
INSERT INTO late VALUES (1, NULL), (2, current_date);
CREATE MATERIALIZED VIEW of_late AS SELECT at, id FROM late;
UPDATE late SET at = current_date WHERE at IS NULL;
ALTER TABLE late ALTER at SET NOT NULL;
SELECT success, refresh_type, check_view('of_late') FROM refresh_materialized_views_smart('{of_late}');

-- explain() and advise() name a column that serves better.
CREATE FUNCTION told(view regclass) RETURNS TABLE (possible bool, chosen bool, reason text, advice text) LANGUAGE sql AS $$
    SELECT e.possible, e.chosen, e.reason, line FROM refresh_mv.explain(view) e LEFT JOIN string_to_table(e.advice, E'\n') line ON line ~ 'date_column'
    WHERE e.method = 'window'
$$;
SELECT fill();
CREATE MATERIALIZED VIEW two AS SELECT id, removed_at, at FROM mail;
ANALYZE two;
SELECT * FROM told('two');
SELECT refresh_mv.configure('two', date_column => 'at');
SELECT * FROM told('two');
CREATE MATERIALIZED VIEW three AS SELECT id, removed_at, sent_at FROM mail;
SELECT * FROM told('three');
SELECT refresh_mv.configure('three', date_column => 'removed_at');
SELECT * FROM told('three');
SELECT * FROM told('recent');
SELECT view, statement, reason FROM refresh_mv.advise() WHERE statement ~ 'date_column' ORDER BY view::text;
SELECT refresh_mv.configure(view, date_column => NULL) FROM unnest('{two,three}'::regclass[]) view;
DROP SCHEMA suite CASCADE;
