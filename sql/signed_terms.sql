CALL helpers.begin_suite();
-- Changes taken by signed terms (incremental/signed_terms.hpp): shapes that were wrong, or crashed, once.
-- (test/fuzz/terms_fuzz.py has random ones, test/theory/signed_terms.py the sums on paper.)

-- Creates a tracked view of a query, and refreshes it.
CREATE FUNCTION make(name text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE MATERIALIZED VIEW %I AS %s', name, query);
    PERFORM refresh_mv.track(format('%I', name)::regclass);
    PERFORM refresh_materialized_views_smart(ARRAY[format('%I', name)::regclass]);
END $$;

-- Refreshes all views: the method of each, why it is full, and how many rows differ.
CREATE FUNCTION smart(OUT view text, OUT method text, OUT reason text, OUT differences bigint) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart();
    RETURN QUERY SELECT h.view_name, h.method,
            CASE WHEN h.method = 'full' THEN regexp_replace(h.reason, '^\d+ changes? in the log, but ', '') END,
            check_view(format('%I', h.view_name)::regclass)
        FROM refresh_mv.journal h WHERE h.run = (SELECT max(run) FROM refresh_mv.journal) ORDER BY h.view_name;
END $$;

CREATE TABLE t (gone int, id int PRIMARY KEY, k int, x int);
CREATE TABLE u (id int PRIMARY KEY, gone int, tid int, y int, n numeric);
INSERT INTO t SELECT i, i, i % 5, i FROM generate_series(1, 20) i;
INSERT INTO u SELECT i, i, i % 20 + 1, nullif(i % 13, 5), i FROM generate_series(1, 60) i;
ALTER TABLE t DROP COLUMN gone;
ALTER TABLE u DROP COLUMN gone;
CREATE VIEW s AS SELECT u.tid, u.y FROM u;

-- ---- whole rows: of tables (of which columns have been dropped), of views, of subqueries
SELECT make('count_row', 'SELECT t.k, count(u) AS n FROM t JOIN u ON u.tid = t.id GROUP BY t.k');
SELECT make('table_row', 'SELECT t.id, t::text AS row, u.y FROM t JOIN u ON u.tid = t.id');
SELECT make('itself', 'SELECT t AS row, t.id FROM t');
SELECT make('subquery', 'SELECT q.id, row_to_json(q)::text AS row FROM (SELECT t.id, t.k, u.y FROM t JOIN u ON u.tid = t.id) q');
SELECT make('subquery_outer', 'SELECT t.id, q.y, q::text AS row FROM t LEFT JOIN (SELECT u.tid, u.y FROM u WHERE u.y > 3) q ON q.tid = t.id');
SELECT make('view_row', 'SELECT t.id, s::text AS row, s.y FROM t JOIN s ON s.tid = t.id');
SELECT make('view_rows', 'SELECT t.k, count(s) AS n, json_agg(s ORDER BY s.y, s.tid)::text AS rows FROM t JOIN s ON s.tid = t.id GROUP BY t.k');
SELECT make('not_null', 'SELECT t.id, u.y FROM t JOIN u ON u.tid = t.id WHERE u IS NOT NULL');
SELECT make('all_null', 'SELECT t.id, q.y FROM t CROSS JOIN (SELECT u.y, nullif(u.tid, u.tid) AS z FROM u) q WHERE q IS NULL');
SELECT make('correlated', 'SELECT t.id, q.y FROM t JOIN (SELECT u.tid, u.y FROM u) q ON q.tid = t.id
    WHERE EXISTS (SELECT FROM generate_series(1, 2) g WHERE q::text LIKE ''%'' || g || ''%'')');
UPDATE t SET k = k + 1 WHERE id % 7 = 1;
SELECT * FROM smart();
UPDATE u SET y = nullif(y, 8) + 1 WHERE id % 7 = 1;
DELETE FROM u WHERE id % 11 = 0;
SELECT * FROM smart();
UPDATE u SET y = y + 1, tid = tid % 20 + 1 WHERE id % 7 = 2;
DELETE FROM t WHERE id % 9 = 0;
SELECT * FROM smart();
ALTER TABLE u ADD COLUMN more int DEFAULT 7;
SELECT sum(differences) FROM smart();
SELECT sum(differences) FROM smart();
UPDATE u SET more = y WHERE id % 5 = 0;
UPDATE t SET x = x + 1 WHERE id % 5 = 0;
SELECT * FROM smart();

-- ---- a table that only a CTE reads to which nothing refers has changed, and nothing else that is read
SELECT make('unread', 'WITH w AS (SELECT u.id FROM u) SELECT t.id, t.k FROM t');
SELECT make('unread_groups', 'WITH w AS (SELECT u.id FROM u) SELECT t.k, count(*) FROM t GROUP BY t.k');
INSERT INTO u (id, tid) VALUES (1000, 1);
UPDATE t SET x = x + 1 WHERE id = 2;
SELECT * FROM smart() WHERE view LIKE 'unread%';

-- ---- extremes that are equal and look different, where several tables have changed
SELECT make('extremes', 'SELECT t.k, min(u.n) AS n, max(-u.n) AS m FROM t JOIN u ON u.tid = t.id GROUP BY t.k');
UPDATE u SET n = n::numeric(10,2);
INSERT INTO t VALUES (100, 100, 1);
SELECT * FROM smart() WHERE view = 'extremes';
UPDATE u SET n = '1.000' WHERE id = 1;
UPDATE u SET n = '60.0' WHERE id = 60;
INSERT INTO t VALUES (101, 100, 1);
SELECT * FROM smart() WHERE view = 'extremes';

-- ---- many changed tables in the arms of a UNION ALL: a term for each
SELECT format('CREATE TABLE l%s (id int PRIMARY KEY, k int, x int)', i) FROM generate_series(1, 7) i \gexec
SELECT format('INSERT INTO l%s SELECT i, i %% 5, i FROM generate_series(1, 20) i', i) FROM generate_series(1, 7) i \gexec
SELECT make('arms', 'SELECT l.k, count(*) AS n, min(l.x) AS x FROM (SELECT k + 0 AS k, x + 0 AS x FROM l1 UNION ALL SELECT k + 0 AS k, x + 0 AS x FROM l2
    UNION ALL (SELECT k + 0 AS k, x + 0 AS x FROM l3 UNION ALL SELECT k + 0 AS k, x + 0 AS x FROM l4) UNION ALL SELECT k + 0 AS k, x + 0 AS x FROM l5 UNION ALL SELECT k + 0 AS k, x + 0 AS x FROM l6) l
    GROUP BY l.k');
SELECT make('arms_joined', 'SELECT l.k, l.x, l7.x AS y FROM (SELECT k + 0 AS k, x + 0 AS x FROM l1 UNION ALL SELECT k + 0 AS k, x + 0 AS x FROM l2
    UNION ALL SELECT k + 0 AS k, x + 0 AS x FROM l3) l JOIN l7 ON l7.k = l.k JOIN l7 m ON m.id = l7.id');
SELECT format('UPDATE l%s SET x = x - 1, k = (k + %1$s) %% 5 WHERE id %% 3 = 1', i) FROM generate_series(1, 7) i \gexec
SELECT format('DELETE FROM l%s WHERE id %% 4 = 1', i) FROM generate_series(1, 7) i \gexec
SELECT * FROM smart() WHERE view LIKE 'arms%';

-- ---- the limit of time for an exact refresh, of which a function of the view hears as of any cancelled query
CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(1.5) WHERE n = 999;
    RETURN n;
END $$;
CREATE FUNCTION deaf(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN suite.slow(n);
EXCEPTION WHEN query_canceled THEN
    RETURN -1;
END $$;
CREATE FUNCTION boxed(name text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[name::regclass]);
    RETURN QUERY SELECT h.method || ', ' || h.reason || ', ' || check_view(name::regclass)
        FROM refresh_mv.journal h ORDER BY h.id DESC LIMIT 1;
END $$;
SELECT make('slow', 'SELECT l1.id, slow(l1.x) AS x FROM l1'), make('deaf', 'SELECT l1.id, deaf(l1.x) AS x FROM l1');
INSERT INTO l1 VALUES (999, 1, 999);
SET refresh_mv.exact_cost_limit = 1;
SELECT boxed('slow');
SELECT boxed('deaf');
RESET refresh_mv.exact_cost_limit;
