CALL helpers.begin_suite();
-- refresh_mv.verify() of views whose query can have several right answers: ambiguous is
-- said of another one of these, wrong of anything else.
CREATE EXTENSION IF NOT EXISTS citext SCHEMA suite;
CREATE TYPE pair AS (a numeric, b text);
CREATE TABLE t (id int PRIMARY KEY, k int, s numeric, c citext, f float8, r real, n int, p pair);
-- A function that gives what it is told to: the view is made with one data set, and compared
-- with another one.
CREATE TABLE told (part text PRIMARY KEY, shift int NOT NULL, scale int NOT NULL);
INSERT INTO told VALUES ('all', 0, 0);
CREATE FUNCTION shift() RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT shift FROM suite.told); END';
CREATE FUNCTION scale() RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT scale FROM suite.told); END';
INSERT INTO t SELECT g, g % 5, g % 3, CASE WHEN g % 2 = 0 THEN 'Word' ELSE 'word' END || g % 4, g / 7.0, g / 7.0, g, ROW((g % 3)::numeric, 'x')::pair FROM generate_series(1, 60) g;
-- The same data in another order, or with another look; or other data.
CREATE VIEW d AS
    SELECT k, CASE WHEN id % 2 = 0 THEN s ELSE s + 0.00 END AS m,
        CASE scale() WHEN 1 THEN s + 0.00 ELSE s END AS s, CASE scale() WHEN 1 THEN upper(c::text)::citext ELSE c END AS c,
        f + CASE WHEN id = 1 THEN shift() ELSE 0 END AS f, r, n + CASE WHEN id = 1 THEN shift() ELSE 0 END AS n,
        CASE scale() WHEN 1 THEN ROW((p).a + 0.00, (p).b)::pair ELSE p END AS p
    FROM t ORDER BY CASE scale() WHEN 1 THEN -id ELSE id END OFFSET 0;

CREATE FUNCTION verified(query text, scale int, shift int, pending bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    UPDATE told SET scale = 0, shift = 0;
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || query;
    PERFORM refresh_mv.track('tried'::text::regclass);
    PERFORM refresh_materialized_views(views => ARRAY['tried'::text::regclass]);
    UPDATE told SET scale = verified.scale, shift = verified.shift;
    IF pending THEN
        INSERT INTO t VALUES (100, 100, 100, 'hundred', 100, 100, 100, ROW(100.0, 'y')::pair);
    END IF;
    SELECT * INTO found FROM refresh_mv.verify('tried'::text::regclass);
    RAISE EXCEPTION USING errcode = 'QAQAQ', message = found.verdict || CASE WHEN found.remark ~ 'none of them' THEN ' (none)' ELSE '' END;
EXCEPTION WHEN SQLSTATE 'QAQAQ' THEN
    RETURN SQLERRM;
END $$;
-- By looks: the same answer in another way; and another answer.  Without and with changes.
SELECT query, verified(query, 1, 0, false) AS alike, verified(query, 0, 3, false) AS wrong, verified(query, 1, 3, false) AS both,
    verified(query, 1, 0, true) AS alike_before, verified(query, 0, 3, true) AS wrong_before
FROM unnest(ARRAY[
    'SELECT s, count(*), sum(n) AS n FROM d GROUP BY s',
    'SELECT c, count(*), sum(n) AS n FROM d GROUP BY c',
    'SELECT p, sum(n) AS n FROM d GROUP BY p',
    'SELECT DISTINCT s, c, CASE WHEN n > 60 THEN 1 ELSE 0 END AS n FROM d',
    'SELECT s FROM d WHERE n < 60 UNION SELECT n FROM d WHERE n % 10 < 3',
    'SELECT k, max(s) AS s, min(c) AS c, sum(n) AS n FROM d GROUP BY k',
    'SELECT k, sum(DISTINCT s) AS s, sum(n) AS n FROM d GROUP BY k',
    'SELECT k, sum(f) AS f, avg(f) AS a FROM d GROUP BY k',
    'SELECT k, sum(f) AS f, sum(n) AS n FROM d GROUP BY k',
    'SELECT k, sum(r) AS r, sum(n) AS n FROM d GROUP BY k',
    'SELECT sum(f - 4.2857) AS f FROM d',
    'SELECT k, array_agg(n) AS n FROM d GROUP BY k',
    'SELECT k, string_agg(n::text, '', '') AS n FROM d GROUP BY k',
    'SELECT k, json_agg(n) AS j, jsonb_agg(n) AS b, count(*) FROM d GROUP BY k',
    'SELECT n, k FROM d LIMIT 20',
    'SELECT k, n FROM d ORDER BY k LIMIT 7',
    'SELECT k, n FROM d ORDER BY k DESC, n % 2 LIMIT 7 OFFSET 2',
    'SELECT DISTINCT ON (k) k, n FROM d',
    'SELECT DISTINCT ON (k) k, n % 2 AS m, n FROM d ORDER BY k, n % 2',
    'SELECT n, k, row_number() OVER (PARTITION BY k ORDER BY n % 2) AS r FROM d',
    'SELECT n, lag(n) OVER (PARTITION BY k ORDER BY n % 2) AS l FROM d',
    'SELECT n, sum(n) OVER (PARTITION BY k ORDER BY n % 2 ROWS UNBOUNDED PRECEDING) AS r, row_number() OVER () AS i FROM d',
    'SELECT n, sum(n) OVER (PARTITION BY k ORDER BY n % 2) AS r, row_number() OVER (PARTITION BY k ORDER BY n % 2) AS i FROM d',
    'SELECT m, k FROM d ORDER BY m LIMIT 25',
    'SELECT m, sum(m) AS t, max(m) AS x, sum(n) AS n FROM d GROUP BY m',
    'SELECT s, n FROM (SELECT s, sum(n) AS n FROM d GROUP BY s) x',
    'SELECT k, round(sum(f)::numeric, 4) AS f, sum(n) AS n FROM d GROUP BY k',
    'SELECT k, sum(n) AS n FROM (SELECT k, n FROM d ORDER BY k LIMIT 7) x GROUP BY k',
    'SELECT k, sum(n) AS n FROM d GROUP BY k']) query;
-- verify_all() fails for what is wrong, and not for what is ambiguous.
UPDATE told SET scale = 0, shift = 0;
CREATE MATERIALIZED VIEW labels AS SELECT s, sum(n) AS n FROM d GROUP BY s;
SELECT tracked FROM refresh_mv.track('labels');
SELECT success FROM refresh_materialized_views(views => '{labels}');
UPDATE told SET scale = 1;
CALL refresh_mv.verify_all();
SELECT verdict, missing, extra, remark FROM refresh_mv.verify('labels');
UPDATE told SET shift = 1;
CALL refresh_mv.verify_all();
SELECT verdict, missing, extra, remark FROM refresh_mv.verify('labels');
DROP SCHEMA suite CASCADE;
