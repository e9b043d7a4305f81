CALL helpers.begin_suite();
-- The order in which views are refreshed is that of what they read.
SET refresh_mv.failure_limit = 0;

-- A view created before its source: v is replaced, so that the older a reads
-- the younger c.  One call leaves both current, by each way to call.
CREATE TABLE b (x int);
CREATE VIEW v AS SELECT x FROM b;
CREATE MATERIALIZED VIEW a AS SELECT x FROM v;
CREATE MATERIALIZED VIEW c AS SELECT x FROM b;
CREATE OR REPLACE VIEW v AS SELECT x FROM c;
INSERT INTO b VALUES (1);
SELECT success, views_refreshed, check_view('a'), check_view('c') FROM refresh_materialized_views();
INSERT INTO b VALUES (2);
SELECT views_refreshed FROM refresh_materialized_views_smart('{a,c}');
SELECT (SELECT array_agg(x ORDER BY x) FROM a) AS a, (SELECT array_agg(x ORDER BY x) FROM c) AS c;
INSERT INTO b VALUES (3);
CALL refresh_mv.run();
SELECT (SELECT array_agg(x ORDER BY x) FROM a) AS a, (SELECT array_agg(x ORDER BY x) FROM c) AS c;

-- A view named alone is refreshed alone, from its source as it stands.
INSERT INTO b VALUES (4);
SELECT success, views_refreshed, message FROM refresh_materialized_views(views => '{a}');
SELECT (SELECT max(x) FROM a) AS a, (SELECT max(x) FROM c) AS c;
-- cascade adds what reads it, in order, each once.
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{c}', cascade => true);
SELECT (SELECT max(x) FROM a) AS a, (SELECT max(x) FROM c) AS c;
INSERT INTO b VALUES (5);
SELECT success, views_refreshed FROM refresh_materialized_views_smart('{a,c}', cascade => true);
INSERT INTO b VALUES (6);
SELECT success, views_refreshed FROM refresh_materialized_views_smart('{a}', true);
SELECT (SELECT max(x) FROM a) AS a, (SELECT max(x) FROM c) AS c;
CALL refresh_mv.run('full', views => '{c}', cascade => true);
SELECT (SELECT max(x) FROM a) AS a, (SELECT max(x) FROM c) AS c;

-- Every way to read a view counts: a function with a body of standard SQL,
-- itself reading through a function; a CTE; a sublink; an ordinary view on an
-- ordinary view; the arm of a UNION; LATERAL.  The readers are made first, over
-- views and functions that are then replaced.
CREATE FUNCTION inner_f() RETURNS bigint STABLE BEGIN ATOMIC SELECT sum(x) FROM b; END;
CREATE FUNCTION outer_f() RETURNS bigint STABLE BEGIN ATOMIC SELECT inner_f() + 1; END;
CREATE VIEW v1 AS SELECT x FROM b;
CREATE VIEW v2 AS WITH w AS (SELECT x FROM v1) SELECT x FROM w;
CREATE MATERIALIZED VIEW m_function AS SELECT outer_f() AS f;
CREATE MATERIALIZED VIEW m_view AS SELECT x FROM v2;
CREATE MATERIALIZED VIEW m_sublink AS SELECT 1 AS one WHERE 1 IN (SELECT x FROM v2);
CREATE MATERIALIZED VIEW m_lateral AS SELECT b.x, l.n FROM b, LATERAL (SELECT count(*) AS n FROM v1 WHERE v1.x < b.x) l;
CREATE MATERIALIZED VIEW m_union AS SELECT 0 AS x UNION ALL SELECT x FROM v1;
CREATE MATERIALIZED VIEW z AS SELECT x + 1 AS x FROM b;
CREATE OR REPLACE VIEW v1 AS SELECT x FROM z;
CREATE OR REPLACE FUNCTION inner_f() RETURNS bigint STABLE BEGIN ATOMIC SELECT sum(x) FROM z; END;
SELECT view, depends_on, kind FROM refresh_mv.dependencies ORDER BY view::text COLLATE "C", depends_on::text COLLATE "C";
INSERT INTO b VALUES (0);
SELECT success, views_refreshed, array_position(views_refreshed, 'z') < array_position(views_refreshed, 'm_function') AS in_order
FROM refresh_materialized_views(views => '{m_function,m_view,m_sublink,m_lateral,m_union,z}');
SELECT m.v, check_view(m.v) FROM unnest('{z,m_function,m_view,m_sublink,m_lateral,m_union}'::regclass[]) m (v);

-- A diamond: each once, the top after both sides.
CREATE VIEW d_between AS SELECT 0::bigint AS n;
CREATE MATERIALIZED VIEW d_top AS SELECT sum(n) AS n FROM d_between;
CREATE MATERIALIZED VIEW d_left AS SELECT count(*) AS n FROM a;
CREATE MATERIALIZED VIEW d_right AS SELECT sum(x) AS n FROM a;
CREATE OR REPLACE VIEW d_between AS SELECT n FROM d_left UNION ALL SELECT n FROM d_right;
DELETE FROM b WHERE x > 2;
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{c}', cascade => true);
SELECT d_top.n, d_left.n, d_right.n FROM d_top, d_left, d_right;
SELECT run IS NOT NULL AS logged, count(*), count(DISTINCT view) FROM refresh_mv.history
WHERE run = (SELECT max(run) FROM refresh_mv.history) GROUP BY run;

-- Order holds across a view that is not refreshed: a and d_top, without what
-- lies between.
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{d_top,a,c}');

-- Views that read each other are no endless loop.
CREATE VIEW loop_v AS SELECT 1 AS x;
CREATE MATERIALIZED VIEW loop_1 AS SELECT x FROM loop_v;
CREATE MATERIALIZED VIEW loop_2 AS SELECT x FROM loop_1;
CREATE OR REPLACE VIEW loop_v AS SELECT x FROM loop_2;
SELECT success, cardinality(views_refreshed) FROM refresh_materialized_views(views => '{loop_1}', cascade => true);
DROP MATERIALIZED VIEW loop_2 CASCADE;

-- A failure: what reads the view, directly or not, is not refreshed and named
-- together with the view at fault; siblings go on.
CREATE TABLE e (x int);
INSERT INTO e VALUES (1);
CREATE MATERIALIZED VIEW e_bad AS SELECT 10 / x AS q FROM e;
CREATE MATERIALIZED VIEW e_good AS SELECT x FROM e;
CREATE MATERIALIZED VIEW e_on_bad AS SELECT sum(q) FROM e_bad;
CREATE VIEW e_view AS SELECT * FROM e_on_bad;
CREATE MATERIALIZED VIEW e_on_both AS SELECT e_view.sum, x FROM e_view, e_good;
UPDATE e SET x = 0;
SELECT remember('e_on_bad');
SELECT success, views_refreshed, refresh_type FROM refresh_materialized_views(views => '{e_on_both,e_on_bad,e_good,e_bad}');
SELECT message FROM refresh_materialized_views_smart('{e_bad}', cascade => true) \g (format=unaligned)
SELECT check_view('e_good'), rows_written('e_on_bad'), rows_gone('e_on_bad');
-- Also where the view between is not among those to refresh.
SELECT message FROM refresh_materialized_views(views => '{e_bad,e_on_both}') \g (format=unaligned)
-- And in the procedure.
CALL refresh_mv.run(views => '{e_good,e_bad}', cascade => true);
SELECT view, success, sqlstate, message FROM refresh_mv.history
WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY success, message, view;
-- A view that is not refreshed at all keeps nobody.
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{e_on_bad,e_on_both}');
UPDATE e SET x = 5;
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{e_bad}', cascade => true);

-- A disabled view is left out of a cascade; those behind it are not, nor is one
-- that is named.
SELECT refresh_mv.configure('e_on_bad', enabled => false);
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{e_bad}', cascade => true);
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{e_on_bad}', cascade => true);
DROP SCHEMA suite CASCADE;
