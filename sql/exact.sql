CALL helpers.begin_suite();
-- Exact refreshes of tracked views: shapes that have been wrong, or not exact, once.
-- (test/t/exact.py has many more, on random changes.)
CREATE ROLE refresh_mv_mallory;

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
        FROM refresh_mv.journal h WHERE h.run = (SELECT max(run) FROM refresh_mv.journal) ORDER BY h.id;
END $$;

-- Starts anew.
CREATE PROCEDURE clear() LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT matviewname FROM pg_matviews WHERE schemaname = 'suite' LOOP
        EXECUTE format('DROP MATERIALIZED VIEW IF EXISTS %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'suite' LOOP
        EXECUTE format('DROP TABLE %I CASCADE', name);
    END LOOP;
END $$;

-- A full join of which one side is made null by another join, too.
CREATE TABLE a (id int PRIMARY KEY, x int, v int);
CREATE TABLE b (id int PRIMARY KEY, x int, k int);
CREATE TABLE c (id int PRIMARY KEY, k int);
INSERT INTO a SELECT i, i % 5, i FROM generate_series(1, 10) i;
INSERT INTO b VALUES (1, 5, 1), (2, 7, 1), (3, 2, 2);
INSERT INTO c VALUES (1, 1), (2, 2), (3, 3);
SELECT make('v', 'SELECT a.id AS a, b.id AS b, c.id AS c, coalesce(a.x, b.x) AS x
    FROM a FULL JOIN (c LEFT JOIN b ON b.k = c.k) ON a.x = b.x'),
    make('w', 'SELECT c.id AS c, count(*) AS n, count(b.id) AS nb
    FROM a FULL JOIN (c LEFT JOIN b ON b.k = c.k) ON a.x = b.x GROUP BY c.id'),
    make('plain_full', 'SELECT coalesce(a.id, b.id) AS id, count(*) AS n, sum(a.v) AS v FROM a FULL JOIN b ON a.id = b.id GROUP BY 1');
DELETE FROM b WHERE id = 1;
SELECT * FROM smart();
CALL clear();

-- What is joined on a nullable side, seen through COALESCE in a subquery, a function in
-- FROM, a lateral subquery, or the condition of another join.
CREATE TABLE a (id int PRIMARY KEY, k int, v int);
CREATE TABLE b (id int PRIMARY KEY, cid int, g int);
CREATE TABLE c (id int PRIMARY KEY, kk int, arr int[]);
CREATE TABLE d (id int PRIMARY KEY, k int, t text);
INSERT INTO a SELECT i, i % 7, i FROM generate_series(1, 300) i;
INSERT INTO b VALUES (1, 1, 1), (2, 2, 1), (3, 3, 2);
INSERT INTO c VALUES (1, 1, '{2,3}'), (2, 2, '{4}');
INSERT INTO d VALUES (1, 0, 'none'), (2, 1, 'one'), (3, 5, 'five');
SELECT make('v1', 'SELECT a.k, count(*) AS n, sum(a.v) AS s
    FROM (SELECT coalesce(c.kk, 0) AS kk FROM b LEFT JOIN c ON c.id = b.cid) q JOIN a ON a.k = q.kk GROUP BY a.k'),
    make('v2', 'SELECT a.k, count(*) AS n FROM (SELECT b.g, c.kk IS NULL AS missing FROM b LEFT JOIN c ON c.id = b.cid) q
    JOIN a ON a.k = q.g WHERE q.missing GROUP BY a.k'),
    make('v3', 'SELECT a.k, count(*) AS n FROM b LEFT JOIN c ON c.id = b.cid
    CROSS JOIN LATERAL unnest(coalesce(c.arr, ''{1}'')) u JOIN a ON a.k = u GROUP BY a.k'),
    make('v4', 'SELECT q.k, count(*) AS n FROM b LEFT JOIN c ON c.id = b.cid
    CROSS JOIN LATERAL (SELECT * FROM a WHERE a.k = coalesce(c.kk, 0)) q GROUP BY q.k'),
    make('v5', 'SELECT b.g, d.t, count(*) AS n FROM b LEFT JOIN c ON c.id = b.cid LEFT JOIN d ON d.k = coalesce(c.kk, 0)
    JOIN a ON a.k = b.g GROUP BY b.g, d.t'),
    make('chain', 'SELECT b.g, d.t, count(*) AS n FROM b LEFT JOIN c ON c.id = b.cid LEFT JOIN d ON d.k = c.kk GROUP BY b.g, d.t');
INSERT INTO c VALUES (3, 5, '{5}');
SELECT * FROM smart();
UPDATE c SET kk = 0, arr = NULL WHERE id = 1;
DELETE FROM d WHERE id = 3;
SELECT * FROM smart();
CALL clear();

-- Why it is no good that two tables have changed at once, in words that are true of the query.
CREATE TABLE a (id int PRIMARY KEY, k int, v int);
CREATE TABLE b (id int PRIMARY KEY, k int);
CREATE TABLE c (id int PRIMARY KEY, k int);
CREATE TABLE f (id int PRIMARY KEY, k int);
INSERT INTO a SELECT i, i % 7, i FROM generate_series(1, 50) i;
INSERT INTO b SELECT i, i % 7 FROM generate_series(1, 5) i;
INSERT INTO c SELECT i, i % 7 FROM generate_series(1, 5) i;
INSERT INTO f SELECT i, i % 7 FROM generate_series(1, 5) i;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM b;
SELECT make('distinct_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (SELECT DISTINCT k FROM b) q ON q.k = f.k'),
    make('grouped_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (SELECT k, count(*) AS n FROM b GROUP BY k) q ON q.k = f.k'),
    make('limit_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (SELECT k FROM b ORDER BY id LIMIT 2) q ON q.k = f.k'),
    make('window_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (SELECT k, rank() OVER (ORDER BY id) AS r FROM b) q ON q.k = f.k'),
    make('set_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (SELECT k FROM b EXCEPT SELECT id FROM c) q ON q.k = f.k'),
    make('rows_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (SELECT k, generate_series(1, k) AS r FROM b) q ON q.k = f.k'),
    make('barrier_below', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN barrier q ON q.k = f.k'),
    make('full_beside', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k JOIN (c FULL JOIN b ON b.id = c.id) ON true'),
    make('condition', 'SELECT a.id, f.id AS f FROM a LEFT JOIN f ON f.k > a.k AND EXISTS (SELECT FROM b WHERE b.k = a.k)'),
    make('nullable_too', 'SELECT a.id, f.id AS f FROM a JOIN f ON f.k > a.k LEFT JOIN b ON b.id = a.id LEFT JOIN c ON coalesce(b.k, 0) = c.k'),
    make('lateral_too', 'SELECT a.id, f.id AS f, q.k FROM a JOIN f ON f.k > a.k LEFT JOIN b ON b.id = a.id, LATERAL (SELECT coalesce(b.k, 0) AS k) q');
SELECT count(*) FROM smart();
UPDATE b SET k = k + 1 WHERE id = 2;
UPDATE a SET k = k + 1 WHERE id = 3;
SELECT view, method, reason, differences FROM smart();
UPDATE b SET k = k + 1 WHERE id = 2;
UPDATE f SET k = k + 1 WHERE id = 3;
SELECT view, method, reason, differences FROM smart();
UPDATE b SET k = k + 1 WHERE id = 2;
UPDATE f SET k = k + 1 WHERE id = 3;
UPDATE c SET k = k + 1 WHERE id = 3;
SELECT view, method, reason, differences FROM smart();
DROP VIEW barrier CASCADE;
CALL clear();

-- A NULL that comes into a NOT IN list, beside another table's.
CREATE TABLE a (id int PRIMARY KEY, v int);
CREATE TABLE b (id int PRIMARY KEY, x int);
CREATE TABLE c (id int PRIMARY KEY, y int);
INSERT INTO a SELECT i, i FROM generate_series(1, 10) i;
INSERT INTO b VALUES (1, 1), (2, 2);
INSERT INTO c VALUES (1, 3);
SELECT make('v', 'SELECT a.id, a.v, b.id AS b FROM a LEFT JOIN b ON b.x = a.id WHERE a.id NOT IN (SELECT y FROM c)');
INSERT INTO c VALUES (3, 4);
SELECT * FROM smart();
INSERT INTO b VALUES (4, NULL);
INSERT INTO c VALUES (2, NULL);
SELECT * FROM smart();
SELECT count(*) FROM v;
DELETE FROM c WHERE y IS NULL;
SELECT * FROM smart();
CALL clear();

-- Conditions in the order of the query; LIMIT by a subquery; whole results.
CREATE TABLE t (id int PRIMARY KEY, g int, x int);
CREATE TABLE l (n int PRIMARY KEY);
INSERT INTO l VALUES (1), (2);
INSERT INTO t SELECT i, i % 5, CASE WHEN i % 5 > 0 THEN i % 3 END FROM generate_series(1, 20) i;
SELECT make('having', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING avg(x) IS NOT NULL AND 100 / count(x) > 2'),
    make('filter', 'SELECT g, count(DISTINCT 10 / x) FILTER (WHERE x <> 0) AS n FROM t GROUP BY g'),
    make('limited', 'SELECT g, count(*) AS n FROM t GROUP BY g ORDER BY g LIMIT (SELECT count(*) FROM l)'),
    make('first_two', 'SELECT g, count(*) AS n FROM t GROUP BY g ORDER BY g LIMIT 2'),
    make('total', 'SELECT count(*) AS n, sum(x) AS x, max(x) AS most FROM t'),
    make('none', 'SELECT count(*) AS n, sum(x) AS x FROM t WHERE x > 100');
INSERT INTO t VALUES (21, 0, 5), (22, 6, 0);
DELETE FROM t WHERE id = 3;
SELECT * FROM smart();
DELETE FROM t WHERE x = 5;
SELECT * FROM smart();
DELETE FROM t;
SELECT * FROM smart();
INSERT INTO t VALUES (1, 1, 1);
SELECT * FROM smart();
CALL clear();

-- Keys: another collation, composite types, domains that refuse NULL, columns that are
-- named like the extension's own.
CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE comp AS (a int, b text);
CREATE DOMAIN dn AS int NOT NULL;
CREATE TABLE by_c (x text COLLATE nd NOT NULL, g int, v int);
CREATE UNIQUE INDEX ON by_c (x COLLATE "C");
CREATE TABLE t (id int PRIMARY KEY, c comp, g dn, p1 int, k1 text, h int, part int, side numeric, refresh_mv_existed int);
INSERT INTO t SELECT i, CASE i % 5 WHEN 0 THEN '(1,)' WHEN 1 THEN '(1,x)' WHEN 2 THEN NULL WHEN 3 THEN '(,)' ELSE '(,y)' END::comp,
    i % 3, i, i % 2, i % 4, i, i / 2.0, 1 FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW of_c AS SELECT g, sum(v) AS s FROM by_c GROUP BY g;
SELECT refresh_mv.track('of_c');
SELECT make('composite', 'SELECT c, count(*) AS n, max(g::int) AS m FROM t GROUP BY c'),
    make('composite_rows', 'SELECT c, g::int FROM t'),
    make('domain', 'SELECT g, count(*) AS n, sum(p1) AS s FROM t GROUP BY g'),
    make('names', 'SELECT k1, h, side AS n, sum(p1) AS p1, count(part) AS k2 FROM t GROUP BY k1, h, side'),
    make('names_delta', 'SELECT k1, h, sum(p1) AS p1, count(DISTINCT side) AS v, min(part) AS place FROM t GROUP BY k1, h'),
    make('Odd "name"', 'SELECT h AS "a ""b""", avg(side) AS "Σ" FROM t GROUP BY 1');
DELETE FROM t WHERE id = 2;
UPDATE t SET g = 7, p1 = -1, k1 = NULL WHERE id IN (1, 5, 8);
SELECT * FROM smart();
CALL clear();

-- Sums of numeric show what a recount shows.
CREATE TABLE t (id int PRIMARY KEY, g int, n numeric);
INSERT INTO t VALUES (1, 1, 2.20), (2, 1, 1.1), (3, 2, 'NaN'), (4, 2, 1), (5, 3, 'Infinity'), (6, 3, '-Infinity'), (7, 4, 1.000), (8, 5, NULL);
SELECT make('v', 'SELECT g, sum(n), avg(n), count(n), min(n), max(n) FROM t GROUP BY g');
DELETE FROM t WHERE id IN (1, 3);
UPDATE t SET n = -n WHERE id IN (5, 7);
INSERT INTO t VALUES (9, 5, 0.10);
SELECT * FROM smart();
SELECT * FROM v ORDER BY g;
DELETE FROM t WHERE id IN (6, 9);
INSERT INTO t VALUES (10, 6, 1e-20);
SELECT * FROM smart();
SELECT * FROM v ORDER BY g;
CALL clear();

-- The one who calls cannot have his operators used, and his view's functions see what
-- his view may show.
CREATE SCHEMA mallory AUTHORIZATION refresh_mv_mallory;
GRANT ALL ON SCHEMA suite TO refresh_mv_mallory;
CREATE TABLE secret (id int PRIMARY KEY, cat int, k int, txt text);
CREATE TABLE acl (cat int PRIMARY KEY, who text);
INSERT INTO acl VALUES (1, 'refresh_mv_mallory');
INSERT INTO secret VALUES (1, 1, 1, 'mine'), (2, 2, 1, 'HIDDEN');
CREATE VIEW mine WITH (security_barrier) AS
    SELECT * FROM secret s WHERE EXISTS (SELECT FROM acl a WHERE a.cat = s.cat AND a.who = 'refresh_mv_mallory');
GRANT SELECT ON mine TO refresh_mv_mallory;
SET SESSION AUTHORIZATION refresh_mv_mallory;
CREATE TABLE mallory.big (id int PRIMARY KEY, k int);
INSERT INTO mallory.big SELECT i, i % 3 FROM generate_series(1, 9) i;
CREATE FUNCTION mallory.gt(bigint, int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'evil > as %', current_user;
    RETURN $1 OPERATOR(pg_catalog.>) $2;
END $$;
CREATE OPERATOR mallory.> (leftarg = bigint, rightarg = int, function = mallory.gt);
CREATE FUNCTION mallory.leak(text, int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'leak: %', $1;
    RETURN true;
END $$;
CREATE MATERIALIZED VIEW mallory.v AS SELECT k, count(*) AS n, sum(id) AS s FROM mallory.big GROUP BY k;
SET client_min_messages = error;
CREATE MATERIALIZED VIEW mallory.seen AS SELECT b.k, count(*) AS n FROM mallory.big b JOIN mine q ON q.k + 0 = b.k
    WHERE mallory.leak(q.txt, b.id) GROUP BY b.k;
RESET SESSION AUTHORIZATION;
SELECT refresh_mv.track('mallory.v'), refresh_mv.track('mallory.seen');
SET client_min_messages = error;
SELECT success FROM refresh_materialized_views_smart('{mallory.v,mallory.seen}');
INSERT INTO mallory.big VALUES (10, 1), (11, 9);
INSERT INTO secret VALUES (3, 2, 2, 'HIDDEN 3');
UPDATE secret SET txt = 'HIDDEN 2 new' WHERE id = 2;
SET client_min_messages = warning;
SET search_path = mallory, pg_catalog, suite, helpers, public;
SELECT success FROM refresh_materialized_views_smart('{mallory.v}');
SET search_path = suite, helpers, public;
SELECT view_name, method, check_view(('mallory.' || view_name)::regclass) FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
DO $$
BEGIN
    PERFORM refresh_materialized_views_smart('{mallory.seen}');
END $$;
SELECT view_name, method FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;

-- Nobody but the owner of the extension has rights on states, whatever is granted by default.
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO refresh_mv_mallory;
SELECT success FROM refresh_materialized_views(views => '{mallory.v}');
SELECT count(*), count(relacl) FROM pg_class WHERE relnamespace = 'refresh_mv'::regnamespace AND relname LIKE 'group\_%' AND relkind = 'r';
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM refresh_mv_mallory;
DROP MATERIALIZED VIEW mallory.v, mallory.seen;
SELECT count(*) FROM pg_class WHERE relnamespace = 'refresh_mv'::regnamespace AND relname LIKE 'group\_%';
CALL clear();

-- A part that is refreshed while changes wait: these would be netted against rows that
-- are in no baseline.
CREATE TABLE t (id int PRIMARY KEY, day date, v int);
INSERT INTO t VALUES (1, current_date - 3, 1), (2, current_date - 3, 1), (3, current_date - 9, 1);
SELECT make('by_day', 'SELECT day, count(*) AS n FROM t GROUP BY day'), make('by_v', 'SELECT v, count(*) AS n FROM t GROUP BY v'),
    make('as_is', 'SELECT day, id FROM t');
UPDATE t SET day = current_date, v = 5 WHERE id = 1;
SELECT success, refresh_type FROM refresh_materialized_views(true, 10, '{by_day,as_is}');
SELECT * FROM refresh_mv.refresh_where('by_v', 'v >= 1');
UPDATE t SET day = current_date - 1, v = 6 WHERE id = 1;
SELECT * FROM smart();
-- Where none waits, or nothing is written, the baseline stays.
SELECT success, refresh_type FROM refresh_materialized_views(true, 10, '{by_day,as_is}');
UPDATE t SET v = 7 WHERE id = 3;
SELECT * FROM refresh_mv.refresh_where('by_v', 'v = 6');
UPDATE t SET day = current_date - 2 WHERE id = 2;
SELECT * FROM smart();
CALL clear();

-- A table that is read by a CTE alone to which nothing refers.
CREATE TABLE t (id int PRIMARY KEY, n int);
CREATE TABLE unread (id int PRIMARY KEY);
INSERT INTO t VALUES (1, 1);
SELECT make('v', 'WITH w AS (SELECT id FROM unread) SELECT n FROM t GROUP BY n');
INSERT INTO unread VALUES (1);
SELECT * FROM smart();
CALL clear();

-- A type whose = by name is ambiguous, for it has a cast that nobody asks for.
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION as_number(mood) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE CAST (mood AS int) WITH FUNCTION as_number(mood) AS IMPLICIT;
CREATE TABLE t (id int PRIMARY KEY, mood mood);
INSERT INTO t VALUES (1, 'sad'), (2, 'happy');
SELECT make('v', 'SELECT mood, count(*) AS n FROM t GROUP BY mood'), make('w', 'SELECT id % 2 AS odd, count(DISTINCT mood) AS n FROM t GROUP BY 1');
INSERT INTO t VALUES (3, 'sad');
SELECT * FROM smart();
CALL clear();

-- What costs more than a full refresh has taken: full, unless the limit says otherwise.
CREATE TABLE t (id int PRIMARY KEY, g int);
INSERT INTO t SELECT i, i % 5 FROM generate_series(1, 5000) i;
ANALYZE t;
SELECT make('v', 'SELECT g, count(*) AS n FROM t GROUP BY g');
UPDATE refresh_mv.state SET full_ms = 10, exact_rate = 0.01;
SET refresh_mv.exact_cost_limit = 1;
INSERT INTO t VALUES (5001, 1);
SELECT * FROM smart();
UPDATE t SET g = g + 1;
UPDATE refresh_mv.state SET full_ms = 10, exact_rate = 0.01;
SELECT * FROM smart();
UPDATE t SET g = g + 1;
SET refresh_mv.exact_cost_limit = 1e9;
SELECT * FROM smart();
SET refresh_mv.exact_cost_limit = 0;
UPDATE t SET g = 1 WHERE id = 1;
SELECT * FROM smart();

-- One that takes longer than the last full refresh, and than a second, is given up, and the view
-- refreshed in full.
CALL clear();
CREATE TABLE t (id int PRIMARY KEY, g int);
INSERT INTO t SELECT i, i % 5 FROM generate_series(1, 100) i;
CREATE SEQUENCE calls;
CREATE FUNCTION slow_once(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('suite.calls') = 1 THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN $1;
END $$;
SELECT setval('calls', 2);
SET refresh_mv.exact_cost_limit = 1;
SELECT make('v', 'SELECT slow_once(g) AS g, count(*) AS n FROM t GROUP BY 1');
UPDATE t SET g = 1 WHERE id < 5;
SELECT setval('calls', 1, false);
SELECT * FROM smart();
SELECT exact_ms BETWEEN 200 AND 30000 AS given_up, full_ms < 1000 AS full FROM refresh_mv.state WHERE view = 'v'::regclass;
UPDATE t SET g = 2 WHERE id < 5;
SELECT * FROM smart();
-- It is not out for good.
DO $$
BEGIN
    FOR i IN 1 .. 200 LOOP
        UPDATE t SET g = i WHERE id < 5;
        PERFORM refresh_materialized_views_smart('{v}');
        EXIT WHEN (SELECT method FROM refresh_mv.history ORDER BY run DESC LIMIT 1) = 'delta';
    END LOOP;
END $$;
SELECT method, check_view('v') FROM refresh_mv.history ORDER BY run DESC LIMIT 1;

-- What cannot be grouped by pieces, nor told apart by keys, is refreshed in full or by keys.
CALL clear();
CREATE TABLE t (id int PRIMARY KEY, g int, j json, m money, ts timestamp, b boolean);
CREATE TABLE u (id int PRIMARY KEY, t int, x int);
INSERT INTO t SELECT i, i % 5, '{}', i, '2024-01-01', i > 3 FROM generate_series(1, 100) i;
INSERT INTO u SELECT i, i % 50, i FROM generate_series(1, 100) i;
SET refresh_mv.exact_cost_limit = 1e9;
SELECT count(make(name, query)) FROM (VALUES
    ('dependent', 'SELECT t.id, t.j::text AS j, count(u.id) AS n FROM t LEFT JOIN u ON u.t = t.id GROUP BY t.id'),
    ('row', 'SELECT g, count(t) AS n, max(t::text) AS row FROM t GROUP BY g'),
    ('rows', 'SELECT g, generate_series(1, 2) AS i, count(*) AS n FROM t GROUP BY g'),
    ('pairs', 'SELECT g, count(DISTINCT (id, b)) AS n FROM t GROUP BY g'),
    ('unhashed', 'SELECT g, count(DISTINCT m) AS n FROM t GROUP BY g'),
    ('seconds', 'SELECT extract(second FROM ts) AS s, date_part(''year'', ts) AS y, count(*) AS n FROM t GROUP BY 1, 2'),
    ('less', 'SELECT id FROM t WHERE id < ANY (SELECT x FROM u)'),
    ('either', 'SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.t = t.id UNION SELECT FROM u WHERE u.x = t.id)'),
    ('deep', 'SELECT id FROM t WHERE id IN (SELECT u.t FROM u WHERE u.x IN (SELECT v.x FROM u v WHERE v.id > 3))'),
    ('twice', 'SELECT t.id, u.x, w.x AS y FROM t LEFT JOIN u ON u.t = t.id FULL JOIN u w ON w.id = u.id'),
    ('chain', 'SELECT t.id, u.x, w.g FROM t LEFT JOIN (u JOIN t w ON w.id = u.t) ON u.t = t.id AND u.x = t.id')) AS v(name, query);
SELECT make('many', (SELECT 'SELECT g, ' || string_agg(format('count(nullif(id, %s)) AS c%1$s, min(id + %1$s) AS m%1$s', i), ', ') || ' FROM t GROUP BY g'
    FROM generate_series(1, 200) i));
UPDATE t SET g = 7, m = 3, ts = '2024-01-01 00:00:01.5' WHERE id = 4;
UPDATE u SET t = 4 WHERE id IN (7, 60);
DELETE FROM t WHERE id = 9;
SELECT view, method, CASE WHEN view <> 'many' THEN reason END AS reason, differences FROM smart();

-- Sums of numeric that can be subtracted are made by parallel workers, too.
CALL clear();
CREATE TABLE t AS SELECT i AS id, CASE WHEN i < 500 THEN (i % 7)::numeric / (10 ^ (i % 5))::int WHEN i = 501 THEN 'NaN' WHEN i = 502 THEN '-Infinity' END AS n
    FROM generate_series(1, 1000) i;
ANALYZE t;
SELECT refresh_mv_internal.exact_sum(n)::text AS serial FROM t \gset
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
ALTER TABLE t SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT refresh_mv_internal.exact_sum(n) FROM t;
SELECT refresh_mv_internal.exact_sum(n)::text = :'serial' AS same FROM t;
SELECT refresh_mv_internal.exact_sum(n)::text FROM t WHERE id > 600;
COMMIT;
-- Distinct values by signs: few and many, equal ones that look different, nulls, and those that come to nothing.
CREATE TABLE signs AS
SELECT i % 4 AS g, nullif((i * 37 % 900)::numeric(8,2) / 2, 3) + CASE WHEN i % 2 = 0 THEN 0.000 ELSE 0 END AS n,
    ('w' || i % 60) COLLATE "C" AS w, CASE WHEN i % 5 < 2 OR i > 3900 THEN -1 ELSE 1 END AS sign FROM generate_series(1, 4000) i;
SELECT s.g, gained, lost, gained = net.come AS all_come, lost = net.gone AS all_gone, words
FROM (SELECT g, refresh_mv_internal.members_gained(n, sign) AS gained, refresh_mv_internal.members_lost(n, sign) AS lost,
             refresh_mv_internal.members_gained(w, sign) - refresh_mv_internal.members_lost(w, sign) AS words FROM signs GROUP BY g) s
JOIN (SELECT g, count(*) FILTER (WHERE sum > 0) AS come, count(*) FILTER (WHERE sum < 0) AS gone
      FROM (SELECT g, n, sum(sign) FROM signs WHERE n IS NOT NULL GROUP BY g, n) v GROUP BY g) net USING (g) ORDER BY g;
SELECT refresh_mv_internal.members_gained(w, sign), refresh_mv_internal.members_lost(n, sign) FROM signs WHERE g > 9;
SELECT refresh_mv_internal.members_gained(p, 1) FROM (VALUES (point '(1,1)')) v (p); -- which has no hash
DROP TABLE signs;

DROP SCHEMA suite CASCADE;
DROP SCHEMA mallory CASCADE;
DROP ROLE refresh_mv_mallory;
