CALL helpers.begin_suite();
-- What refresh_mv.refresh_where() does not take, and from whom.
CREATE TABLE source (k int, day date, t text, n int);
INSERT INTO source SELECT g % 10, date '2020-01-01' + g, 'x', g FROM generate_series(1, 100) g;
CREATE MATERIALIZED VIEW v AS SELECT k, day, sum(n), count(*) OVER () AS all_rows FROM source GROUP BY k, day;
CREATE MATERIALIZED VIEW g AS SELECT k, day, sum(n), random() < 2 AS r FROM source GROUP BY k, day;
CREATE MATERIALIZED VIEW limited AS SELECT k, n FROM source ORDER BY n LIMIT 5;
CREATE MATERIALIZED VIEW sets AS SELECT k, day, sum(n) FROM source GROUP BY GROUPING SETS ((k), (day));
CREATE MATERIALIZED VIEW numbered AS SELECT k, n, row_number() OVER (PARTITION BY k ORDER BY n) AS i FROM source;
CREATE MATERIALIZED VIEW latest AS SELECT DISTINCT ON (k) k, day, n FROM source ORDER BY k, day DESC;
CREATE MATERIALIZED VIEW empty AS SELECT k FROM source WITH NO DATA;
CREATE FUNCTION vol(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION stab(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION many(int) RETURNS SETOF int LANGUAGE sql AS 'SELECT $1';
UPDATE source SET n = n + 1;
SELECT remember('g');

-- Not a condition, more than one, or one on what does not bound a refresh.
\pset format unaligned
-- (What the server adds to 42883 differs from version to version.)
SELECT condition, e.state, e.message, CASE WHEN e.state <> '42883' THEN e.detail END AS detail, CASE WHEN e.state <> '42883' THEN e.hint END AS hint FROM unnest(ARRAY[
    $$$$, $$   $$, $$-- k = 1$$, $$k =$$, $$k = 1)$$, $$k = 1) OR (k = 1$$, $$1=1) OR (1=1$$, $$k = 1; SELECT 1$$, $$k = 1; DROP TABLE suite.source$$,
    $$k = 1 UNION SELECT 1$$, $$k = 1 EXCEPT SELECT 2$$, $$k = 1 GROUP BY ()$$, $$k = 1 GROUP BY k HAVING true$$, $$k = 1 HAVING true$$, $$k = 1 ORDER BY 1$$,
    $$k = 1 LIMIT 1$$, $$k = 1 OFFSET 0$$, $$k = 1 FETCH FIRST ROW ONLY$$, $$k = 1 FOR UPDATE$$, $$k = 1 WINDOW w AS ()$$, $$WHERE k = 1$$,
    $$k$$, $$'text'$$, $$NULL$$, $$true$$, $$1 = 1$$, $$now() > '2020-01-01'$$, $$unknown_column = 1$$, $$n = 1$$, $$source.k = 1$$, $$other.k = 1$$, $$k = 'x'$$, $$k = $1$$, $$k = ?$$,
    $$k = (SELECT 1)$$, $$EXISTS (SELECT FROM suite.source)$$, $$k IN (SELECT k FROM suite.source)$$, $$k = ANY (ARRAY(SELECT 1))$$,
    $$k > random()$$, $$k = suite.vol(1)$$, $$k = suite.many(1)$$, $$unnest(ARRAY[k]) = 1$$, $$clock_timestamp() > day$$, $$day = current_date AND random() < 2$$,
    $$sum(k) > 1$$, $$count(*) > 1$$, $$rank() OVER () = 1$$, $$grouping(k) = 1$$, $$sum > 1$$, $$k = 1 AND sum > 1$$, $$r$$,
    $$ctid = '(0,1)'$$, $$tableoid = 'suite.g'::regclass$$, $$k = 1 AND xmin IS NOT NULL$$, $$g IS NOT NULL$$, $$g.* IS NOT NULL$$, $$g = ROW(1)$$, $$k = no_such_function(1)$$, $$k == 1$$,
    $$k = 1 AND 1 / 0 = 1$$
    ]) condition, error_of(format('SELECT refresh_mv.refresh_where(%L, %L)', 'g', condition)) e;
-- Views by which a condition cannot be moved below what makes their rows.
SELECT call, e.state, e.message, e.detail, e.hint FROM unnest(ARRAY[
    $$('v', 'k = 1')$$, $$('limited', 'k = 1')$$, $$('sets', 'k = 1')$$, $$('numbered', 'n = 1')$$, $$('numbered', 'i = 1')$$, $$('latest', $q$day = '2020-01-02'$q$)$$, $$('latest', 'n = 1')$$,
    $$('empty', 'k = 1')$$, $$('source', 'k = 1')$$, $$('v_idx', 'k = 1')$$, $$(NULL, 'k = 1')$$, $$('g', NULL)$$, $$(4294967295, 'k = 1')$$
    ]) call, error_of('SELECT refresh_mv.refresh_where' || call) e;
\pset format aligned
-- Nothing has been refreshed by any of them, nor noted.
SELECT rows_written('g'), rows_gone('g'), count(*) AS runs FROM refresh_mv.history WHERE view LIKE 'suite.%';
-- These can be: by what they are grouped or partitioned by.
SELECT * FROM refresh_mv.refresh_where('numbered', 'k = 1');
SELECT * FROM refresh_mv.refresh_where('latest', 'k = 1');
SELECT check_view('numbered', 'k = 1'), check_view('numbered') > 0 AS stale, check_view('latest', 'k = 1');
-- Stable functions, of the date, too.
SELECT * FROM refresh_mv.refresh_where('g', 'k = pg_catalog.abs(-1) AND day < current_date');
SELECT * FROM refresh_mv.refresh_where('g', 'k = suite.stab(2)');
SELECT check_view('g', 'k IN (1, 2)');
-- A failure of the condition, or of the query for its rows, is raised.
CREATE MATERIALIZED VIEW divides AS SELECT k, 100 / n AS q FROM source;
UPDATE source SET n = 0 WHERE k = 3;
SELECT * FROM error_of($$SELECT refresh_mv.refresh_where('divides', '1 / (k - 3) = 1')$$);
SELECT * FROM error_of($$SELECT refresh_mv.refresh_where('divides', 'k = 3')$$);
SELECT inserted >= 0 AS works FROM refresh_mv.refresh_where('divides', 'k = 4') w (inserted);

-- For owners only: not for readers, nor for those who may refresh it.  The query
-- runs by the owner's rights.
CREATE ROLE refresh_mv_where_owner;
CREATE ROLE refresh_mv_where_member IN ROLE refresh_mv_where_owner;
CREATE ROLE refresh_mv_where_other;
GRANT USAGE ON SCHEMA suite TO PUBLIC;
GRANT CREATE ON SCHEMA suite TO refresh_mv_where_owner;
GRANT SELECT ON source TO refresh_mv_where_owner;
SET ROLE refresh_mv_where_owner;
CREATE MATERIALIZED VIEW owned AS SELECT k, n FROM source;
GRANT ALL ON owned TO refresh_mv_where_other;
RESET ROLE;
UPDATE source SET n = 7;
SET ROLE refresh_mv_where_other;
SELECT * FROM error_of($$SELECT refresh_mv.refresh_where('owned', 'k = 1')$$);
SELECT * FROM error_of($$SELECT refresh_mv.refresh_where('g', 'k = 1')$$);
SET ROLE refresh_mv_where_member;
SELECT * FROM refresh_mv.refresh_where('owned', 'k = 1');
RESET ROLE;
SELECT * FROM refresh_mv.refresh_where('owned', 'k = 2');
SELECT check_view('owned', 'k IN (1, 2)'), current_user = session_user AS same;
-- A superuser's call gains the owner nothing, whatever is in the condition.
SET ROLE refresh_mv_where_owner;
CREATE FUNCTION who(int) RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'called by %', current_user;
END $$;
RESET ROLE;
SELECT message FROM error_of($$SELECT refresh_mv.refresh_where('owned', 'k = suite.who(1)')$$);
REVOKE SELECT ON source FROM refresh_mv_where_owner;
SELECT state, message FROM error_of($$SELECT refresh_mv.refresh_where('owned', 'k = 3')$$);
-- Read-only.
BEGIN READ ONLY;
SELECT refresh_mv.refresh_where('g', 'k = 1');
ROLLBACK;
-- Equal numbers of different images are one group: a condition that tells them
-- apart would split it, be it applied to the group's column itself, through an
-- expression, or through an ordinary view.
CREATE TABLE amounts (n numeric);
INSERT INTO amounts VALUES (1.0), (1.00), (2);
CREATE VIEW per_amount AS SELECT n, count(*) AS rows FROM amounts GROUP BY n;
CREATE MATERIALIZED VIEW direct AS SELECT n, count(*) AS rows FROM amounts GROUP BY n;
CREATE MATERIALIZED VIEW derived AS
    SELECT s.n::text AS label, s.rows FROM (SELECT n, count(*) AS rows FROM amounts GROUP BY n) s;
CREATE MATERIALIZED VIEW through_view AS SELECT n::text AS label, rows FROM per_amount;
CREATE MATERIALIZED VIEW ungrouped AS SELECT n, n::text AS label FROM amounts;
SELECT refresh_mv.refresh_where('direct', 'scale(n) = 2');
SELECT refresh_mv.refresh_where('derived', $$label = '1.00'$$);
SELECT refresh_mv.refresh_where('through_view', $$label = '1.00'$$);
SELECT refresh_mv.refresh_where('ungrouped', $$scale(n) = 2 AND label = '1.00'$$);
SELECT count(*), sum(rows) FROM derived;
SELECT count(*), sum(rows) FROM through_view;
DROP OWNED BY refresh_mv_where_owner, refresh_mv_where_other CASCADE;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_where_owner, refresh_mv_where_member, refresh_mv_where_other;
