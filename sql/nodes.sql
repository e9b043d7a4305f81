CALL helpers.begin_suite();
-- Views that read subqueries which group: these have a state of their own (incremental/nodes.hpp).  Set operations and
-- grouping sets are groups as well (query/set_operations.hpp, query/grouping_sets.hpp).

-- Refreshes all views: the method of each that is no skip, and how many rows differ; and whether explain() had said so.
CREATE FUNCTION smart(OUT view text, OUT method text, OUT differences bigint, OUT foreseen boolean) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE said jsonb;
BEGIN
    SELECT jsonb_object_agg(t.name, (SELECT e.method FROM refresh_mv.explain(format('suite.%I', t.name), verbose => true) e
                                     WHERE e.chosen))
        INTO said FROM refresh_mv.status t WHERE t.tracked;
    PERFORM refresh_materialized_views_smart();
    RETURN QUERY SELECT h.view_name, h.method, check_view(format('%I', h.view_name)::regclass), said ->> h.view_name = h.method
        FROM refresh_mv.journal h WHERE h.run = (SELECT max(run) FROM refresh_mv.journal) AND h.method <> 'skip'
        ORDER BY h.view_name;
END $$;
-- Drops all views.
CREATE PROCEDURE drop_views() LANGUAGE plpgsql AS $$
DECLARE view regclass;
BEGIN
    FOR view IN SELECT oid FROM pg_class WHERE relnamespace = 'suite'::regnamespace AND relkind = 'm' LOOP
        EXECUTE format('DROP MATERIALIZED VIEW %s', view);
    END LOOP;
END $$;

CREATE TABLE author (id int PRIMARY KEY, nick text, born int);
CREATE TABLE post (id int PRIMARY KEY, author int, topic int, score int);
CREATE TABLE answer (id int PRIMARY KEY, post int, score int);
CREATE TABLE topic (id int PRIMARY KEY, title text);
CREATE TABLE level (id int PRIMARY KEY, day int, value int);
INSERT INTO author SELECT i, 'n' || i, 1950 + i % 5 FROM generate_series(1, 12) i;
INSERT INTO post SELECT i, nullif(i % 9, 0), i % 4, i % 7 FROM generate_series(1, 50) i;
INSERT INTO answer SELECT i, i % 40, i % 5 FROM generate_series(1, 60) i;
INSERT INTO topic SELECT i, 't' || i FROM generate_series(0, 3) i;
INSERT INTO level SELECT i, i / 5, i % 6 FROM generate_series(1, 30) i;

-- A window above groups; the day that is the last; totals side by side; groups of groups; a CTE read twice.
CREATE MATERIALIZED VIEW ranked AS
    SELECT rank() OVER (ORDER BY z.n DESC) AS place, a.nick
    FROM (SELECT author, count(*) AS n FROM post GROUP BY author) z JOIN author a ON a.id = z.author;
CREATE MATERIALIZED VIEW last_day AS SELECT id, value FROM level WHERE day = (SELECT max(day) FROM level);
CREATE MATERIALIZED VIEW totals AS
    WITH a AS (SELECT count(*) AS authors FROM author), p AS (SELECT count(*) AS posts, sum(score) FROM post) SELECT * FROM a, p;
CREATE MATERIALIZED VIEW sizes AS
    SELECT n, count(*) AS authors, max(best) AS best
    FROM (SELECT author, count(*) AS n, max(score) AS best FROM post GROUP BY author) z GROUP BY n;
CREATE MATERIALIZED VIEW twice AS
    WITH g AS (SELECT topic, count(*) AS n, sum(score) AS s FROM post GROUP BY topic)
    SELECT a.topic, b.topic AS other, a.s - b.s AS more FROM g a JOIN g b ON a.n >= b.n;
-- Subqueries that two tables, or one beside the anchored one, are read in.
CREATE MATERIALIZED VIEW answers AS
    SELECT a.id, (SELECT count(*) FROM post p, answer r WHERE p.author = a.id AND r.post = p.id) AS n FROM author a;
CREATE MATERIALIZED VIEW titled AS
    SELECT a.id, y.n FROM author a
    LEFT JOIN (SELECT p.author, count(*) AS n FROM post p JOIN topic t ON t.id = p.topic WHERE t.title <> '' GROUP BY p.author) y
        ON y.author = a.id;
CREATE MATERIALIZED VIEW labels AS
    WITH t AS (SELECT p.author, g.title FROM post p LEFT JOIN topic g ON g.id = p.topic)
    SELECT a.id, jsonb_agg(t.title ORDER BY t.title) AS titles FROM author a LEFT JOIN t ON t.author = a.id GROUP BY a.id;
-- Conditions with groups in them, of rows and of groups.
CREATE MATERIALIZED VIEW above_mean AS
    SELECT author, sum(score) AS s FROM post GROUP BY author HAVING sum(score) > (SELECT avg(score) * 5 FROM post);
CREATE MATERIALIZED VIEW busy AS
    SELECT id FROM author WHERE id IN (SELECT author FROM post GROUP BY author HAVING count(*) > 5)
        AND born >= ALL (SELECT 1948 + count(*) FROM answer WHERE score > 3 GROUP BY post);
CREATE MATERIALIZED VIEW unread AS SELECT id FROM author WHERE id NOT IN (SELECT author FROM post WHERE score > (SELECT avg(score) FROM answer));
CREATE MATERIALIZED VIEW first_three AS
    SELECT string_agg(z.topic || ':' || z.n, ',') AS line
    FROM (SELECT topic, count(*) AS n FROM post GROUP BY topic ORDER BY n DESC, topic LIMIT 3) z;
-- Set operations and grouping sets.
CREATE MATERIALIZED VIEW either AS SELECT author AS id FROM post UNION SELECT id FROM author WHERE born > 1951;
CREATE MATERIALIZED VIEW without AS SELECT topic FROM post EXCEPT ALL SELECT score FROM answer WHERE score < 3;
CREATE MATERIALIZED VIEW both_lowest AS SELECT score FROM post INTERSECT SELECT score FROM answer ORDER BY 1 LIMIT 2;
CREATE MATERIALIZED VIEW cubed AS
    SELECT topic, score, count(*), grouping(topic, score) AS g FROM post GROUP BY CUBE (topic, score)
    HAVING grouping(topic) = 0 OR count(*) > 3 ORDER BY grouping(topic, score), 1, 2;
SELECT count(*) FROM refresh_mv.track();
SELECT * FROM smart();

-- Changes everywhere, NULLs among them.
UPDATE post SET author = 3 WHERE id < 4;
UPDATE author SET born = 1956, nick = 'new' WHERE id = 12;
DELETE FROM answer WHERE id % 7 = 0;
INSERT INTO level VALUES (100, 6, 3), (101, 2, 2);
SELECT * FROM smart();
UPDATE topic SET title = '' WHERE id = 2;
UPDATE answer SET score = NULL WHERE id % 5 = 1;
INSERT INTO author VALUES (20, NULL, NULL);
UPDATE post SET topic = NULL, score = score - 1 WHERE id % 8 = 3;
SELECT * FROM smart();
-- A node whose groups stay the same: what reads it has no change.
UPDATE post SET score = score + 1 WHERE id = 9;
UPDATE level SET value = 9 WHERE id = 1;
SELECT * FROM smart();
-- Changes that cancel each other.
UPDATE post SET score = score + 1;
UPDATE post SET score = score - 1;
SELECT * FROM smart();
-- All groups go, and come back.
DELETE FROM post;
DELETE FROM answer;
DELETE FROM level;
SELECT * FROM smart();
INSERT INTO post SELECT i, nullif(i % 5, 0), i % 3, i % 4 FROM generate_series(1, 20) i;
INSERT INTO answer SELECT i, i % 10, i % 5 FROM generate_series(1, 10) i;
INSERT INTO level VALUES (1, 1, 1);
SELECT * FROM smart();
-- In a transaction of which a part is rolled back.
BEGIN;
DELETE FROM post WHERE id % 3 = 0;
SELECT * FROM smart();
SAVEPOINT a;
UPDATE post SET author = 7, topic = 2;
SELECT * FROM smart();
ROLLBACK TO a;
UPDATE answer SET score = 4 WHERE id < 5;
SELECT * FROM smart();
COMMIT;
UPDATE post SET author = 1 WHERE id = 7;
SELECT * FROM smart();
SELECT DISTINCT verdict FROM refresh_mv.status s, refresh_mv.verify(format('suite.%I', s.name)) WHERE s.tracked;

-- What made a difference once.
CALL drop_views();
CREATE DOMAIN given AS int NOT NULL;
CREATE TABLE t (i int PRIMARY KEY, k int, x int, d given DEFAULT 1);
CREATE TABLE u (i int PRIMARY KEY, k int, x int, d given DEFAULT 1);
INSERT INTO t SELECT i, i % 5, i % 7, i % 3 FROM generate_series(1, 40) i;
INSERT INTO u SELECT i, i % 7, i % 3, i % 3 FROM generate_series(1, 40) i;
-- UNION ALL of what UNION has made distinct; columns whose type comes of an operand of an operand.
CREATE MATERIALIZED VIEW distinct_and_all AS (SELECT k FROM t UNION SELECT k FROM u) UNION ALL SELECT x FROM u;
CREATE MATERIALIZED VIEW types AS
    SELECT x::float8 AS y FROM t UNION (SELECT 16777217.0::numeric FROM u UNION SELECT k::float4 FROM t);
-- Groups by columns that are the same expression, and by a constant (which pg_get_viewdef() prints otherwise).
CREATE TABLE as_written (view text, query text);
INSERT INTO as_written VALUES ('same_twice', 'SELECT k AS a, k AS b, count(*) FROM t GROUP BY GROUPING SETS ((1), (2))'),
    ('constant', $$SELECT 'x'::text AS c, k, count(*) FROM t GROUP BY GROUPING SETS ((1, 2), (2), ())$$);
SELECT format('CREATE MATERIALIZED VIEW %s AS %s', view, query) FROM as_written \gexec
-- Sets of groups of each row around them; in an order; with arguments that are grouped by.
CREATE MATERIALIZED VIEW sets_beside AS
    SELECT u.i, l.* FROM u, LATERAL (SELECT t.k, count(*) AS n FROM t WHERE t.x = u.x GROUP BY ROLLUP (t.k)) l;
CREATE MATERIALIZED VIEW sets_in_order AS
    SELECT array_agg(k) AS ks FROM (SELECT k FROM t GROUP BY ROLLUP (k) ORDER BY 1 DESC) s;
CREATE MATERIALIZED VIEW direct AS
    SELECT k, percentile_disc(k / 10.0) WITHIN GROUP (ORDER BY x) AS p FROM t GROUP BY ROLLUP (k);
-- A column that is never null but where a set does not group by it.
CREATE MATERIALIZED VIEW never_null AS
    SELECT i, coalesce(i, -1) AS c, i IS NULL AS n, count(*) FROM t GROUP BY CUBE (i) HAVING count(*) >= (SELECT count(*) / 40 FROM u);
-- A subquery that reads a recursive CTE around it; no columns; a domain that an outer join makes null.
CREATE MATERIALIZED VIEW recursive AS
    WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT r.i + 1 FROM r WHERE r.i < 10)
    SELECT t.i FROM t WHERE t.x > (SELECT avg(r.i) - 3 FROM r JOIN u ON u.i = r.i WHERE u.x > 0);
CREATE MATERIALIZED VIEW no_columns AS SELECT FROM t GROUP BY ROLLUP (k);
CREATE MATERIALIZED VIEW no_domain AS
    SELECT z.d, z.c, rank() OVER (ORDER BY count(*)) AS place
    FROM t LEFT JOIN (SELECT u.d, count(*) AS c FROM u GROUP BY u.d HAVING count(*) > 5) z ON z.d = t.k GROUP BY z.d, z.c;
-- A node that fails where the query does not: the view has no state.
CREATE MATERIALIZED VIEW fails AS SELECT i FROM u WHERE false AND x > (SELECT sum(10 / x) FROM t);
SELECT count(*) FROM refresh_mv.track();

-- The same as smart(), but views are compared with their queries as they were written, if these are printed otherwise.
CREATE FUNCTION smart_as_written(OUT view text, OUT method text, OUT differences bigint, OUT foreseen boolean) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    query text;
BEGIN
    FOR view, method, differences, foreseen, query IN SELECT s.*, w.query FROM smart() s LEFT JOIN as_written w USING (view) LOOP
        IF query IS NOT NULL THEN
            EXECUTE format('CREATE TABLE now AS %s', query);
            EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL TABLE now) UNION ALL (TABLE now EXCEPT ALL TABLE %1$I)) d',
                           view) INTO differences;
            DROP TABLE now;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM smart_as_written();
UPDATE t SET k = 6 WHERE i < 4;
DELETE FROM u WHERE i % 5 = 0;
SELECT * FROM smart_as_written();
UPDATE t SET k = NULL WHERE i < 9;
INSERT INTO u VALUES (100, 3, 2, 0), (101, NULL, 1, 1);
SELECT * FROM smart_as_written();
DELETE FROM t;
SELECT * FROM smart_as_written();
INSERT INTO t SELECT i, i % 5, i % 7, i % 3 FROM generate_series(1, 10) i;
DELETE FROM u WHERE i > 10;
SELECT * FROM smart_as_written();

CALL drop_views();

-- What a column of a lateral subquery makes equal is restricted itself.
CREATE TABLE a (i int PRIMARY KEY, y int);
CREATE TABLE b (i int PRIMARY KEY, k int, y int);
CREATE TABLE c (k int PRIMARY KEY, z int);
CREATE TABLE d (k int PRIMARY KEY, z int);
INSERT INTO a SELECT i, i % 3 FROM generate_series(1, 4) i;
INSERT INTO b SELECT i, i, i % 5 FROM generate_series(1, 800) i;
INSERT INTO c SELECT i, i % 5 FROM generate_series(1, 1000) i;
INSERT INTO d SELECT i, i % 5 FROM generate_series(1, 1000) i;
ANALYZE a, b, c, d;
CREATE MATERIALIZED VIEW implied AS
    SELECT c.z, count(*), sum(l.n) AS n, sum(d.z) AS s
    FROM a, LATERAL (SELECT b.k, count(*) AS n FROM b WHERE b.y > a.y GROUP BY b.k) l JOIN c ON c.k = l.k LEFT JOIN d ON d.k = l.k
    GROUP BY c.z;
SELECT count(*) FROM refresh_mv.track('implied');
SELECT count(*) FROM refresh_materialized_views_smart('{implied}');
UPDATE d SET z = z + 1 WHERE k IN (1, 100, 101);
SELECT * FROM smart();

-- Conditions of an outer join that go by what is around a subquery tell which of its rows are null.
CREATE TABLE outside (i int PRIMARY KEY, k int, z int);
CREATE TABLE inside (i int PRIMARY KEY, k int, x int);
CREATE TABLE linked (i int PRIMARY KEY, x int);
CREATE TABLE nullable (i int PRIMARY KEY, x int, z int);
INSERT INTO outside SELECT i, i, i % 3 FROM generate_series(1, 20) i;
INSERT INTO inside SELECT i, i, i FROM generate_series(1, 20) i;
INSERT INTO nullable SELECT i, i, 7 FROM generate_series(1, 20) i;
INSERT INTO linked SELECT i, i FROM generate_series(1, 5) i;
CREATE MATERIALIZED VIEW exist AS
    SELECT o.i FROM outside o
    WHERE EXISTS (SELECT FROM inside a JOIN linked l ON l.x = a.x LEFT JOIN nullable m ON m.x = l.x AND m.z = o.z
                  WHERE a.k = o.k AND m.x IS NULL);
CREATE MATERIALIZED VIEW counted AS
    SELECT o.i, (SELECT count(*) FROM inside a JOIN linked l ON l.x = a.x LEFT JOIN nullable m ON m.x = l.x AND m.z = o.z
                 WHERE a.k = o.k AND coalesce(m.x, 0) = 0) AS n FROM outside o;
CREATE MATERIALIZED VIEW inner_only AS
    SELECT o.i, (SELECT count(*) FROM inside a JOIN linked l ON l.x = a.x AND l.x > o.z WHERE a.k = o.k) AS n FROM outside o;
SELECT count(*) FROM refresh_mv.track();
SELECT count(*) FROM refresh_materialized_views_smart();
INSERT INTO linked VALUES (6, 6), (7, 7);
SELECT * FROM smart();
DELETE FROM linked WHERE i < 3;
SELECT * FROM smart();

-- Sets of groups of sets of groups, hundreds of tables when they are taken apart: no node is looked for.
CREATE MATERIALIZED VIEW very_many AS
    WITH w AS (SELECT k, x, count(*) AS n FROM (SELECT DISTINCT k, x, i FROM t) q GROUP BY CUBE (k, x)),
        y AS (SELECT a.k, b.x, sum(a.n) AS n FROM w a JOIN w b ON a.n = b.n GROUP BY CUBE (a.k, b.x))
    SELECT z.k, count(*) FROM (SELECT a.k, b.x FROM y a JOIN y b ON a.n = b.n AND a.x = b.x) z GROUP BY ROLLUP (z.k);
SELECT count(*) FROM refresh_mv.track('very_many');
SELECT * FROM smart();
UPDATE t SET k = 2 WHERE i = 3;
SELECT * FROM smart();
DROP MATERIALIZED VIEW very_many;

-- A crash has emptied the state of a node: it is made anew.
CREATE MATERIALIZED VIEW emptied AS SELECT i FROM u WHERE x >= (SELECT max(x) FROM t);
SELECT count(*) FROM refresh_mv.track('emptied');
SELECT count(*) FROM refresh_materialized_views_smart('{emptied}');
DO $$ BEGIN EXECUTE format('DELETE FROM refresh_mv.group_state_%s_1', 'emptied'::regclass::oid); END $$;
UPDATE t SET x = 2;
SELECT * FROM smart();
UPDATE t SET x = 1;
SELECT * FROM smart();
-- Nothing is left of the states.
CALL drop_views();
SELECT count(*) FROM pg_class WHERE relnamespace = 'refresh_mv'::regnamespace AND relname ~ '^group_';
