CALL helpers.begin_suite();
-- Queries that a refresh changes can still be planned, and printed: joins of all kinds, over
-- tables that have gained and lost columns since the view was made. (Printing them by
-- explain(v, verbose => true) has crashed the server.)
SELECT format('CREATE TABLE w (id int PRIMARY KEY, gone int, %s)', string_agg(format('c%s int', i), ', ' ORDER BY i))
FROM generate_series(1, 40) i \gexec
CREATE TABLE a (id int PRIMARY KEY, gone int, x int);
INSERT INTO w (id, c1, c2) SELECT i, i % 4, i FROM generate_series(1, 10) i;
INSERT INTO a SELECT i, i, i % 3 FROM generate_series(3, 12) i;

-- Whether what is explained of a view has queries for its tables, for each method.
CREATE FUNCTION printed(view regclass) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(e.method, ' ' ORDER BY e.method) FROM refresh_mv.explain(view, verbose => true) e
    WHERE e.details ~ 'FROM .*(JOIN|a)'
$$;

-- Prints a view's queries and refreshes it by each kind of change: of one table, of the
-- other, of both.  The number of rows that differ afterwards, in all.
CREATE FUNCTION try(view regclass, OUT printed text, OUT methods text, OUT differences bigint) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    differences := 0;
    FOREACH statement IN ARRAY ARRAY['UPDATE a SET x = x + 1 WHERE id IN (4, 11)', 'UPDATE w SET id = -id, c1 = c1 + 1 WHERE abs(id) IN (1, 5)',
        'WITH d AS (DELETE FROM a WHERE id = 6) UPDATE w SET id = 20 WHERE id = 7',
        'WITH i AS (INSERT INTO a (id, x) VALUES (6, 2)) UPDATE w SET id = 7 WHERE id = 20'] LOOP
        EXECUTE statement;
        printed := concat_ws(', ', printed, printed(view));
        PERFORM refresh_materialized_views_smart(ARRAY[view]);
        methods := concat_ws(' ', methods, (SELECT j.method FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1));
        differences := differences + check_view(view);
    END LOOP;
END $$;

-- ---- the views, before their tables are altered
CREATE MATERIALIZED VIEW v_right AS SELECT w.id, w.c1, a.x FROM a RIGHT JOIN w ON a.id = w.id;
CREATE MATERIALIZED VIEW v_left AS SELECT w.id, w.c1, a.x FROM w LEFT JOIN a ON a.id = w.id;
CREATE MATERIALIZED VIEW v_full AS SELECT w.id, a.id AS a, w.c1, a.x FROM w FULL JOIN a ON a.id = w.id;
CREATE MATERIALIZED VIEW v_using AS SELECT id, w.c1, a.x FROM a RIGHT JOIN w USING (id);
CREATE MATERIALIZED VIEW v_full_using AS SELECT id, w.c1, a.x FROM w FULL JOIN a USING (id);
CREATE MATERIALIZED VIEW v_natural AS SELECT id, c1, x FROM (SELECT id, c1 FROM w) w NATURAL JOIN (SELECT id, x FROM a) a;
CREATE MATERIALIZED VIEW v_named AS SELECT j.wid, j.n, j.x FROM (w t (wid, f, n) RIGHT JOIN a ON a.id = t.wid) j;
CREATE MATERIALIZED VIEW v_using_name AS SELECT u.id, a.x, w.c1 FROM w JOIN a USING (id) AS u;
CREATE MATERIALIZED VIEW v_nested AS SELECT w.id, a.x, b.x AS y, d.c2
    FROM (a RIGHT JOIN w ON a.id = w.id) LEFT JOIN (w d RIGHT JOIN a b ON d.id = b.id) ON b.id = w.id;
CREATE MATERIALIZED VIEW v_groups AS SELECT w.c1, count(a.id) AS n, sum(a.x) AS x FROM a RIGHT JOIN w ON a.id = w.id GROUP BY w.c1;
CREATE MATERIALIZED VIEW v_groups_using AS SELECT id, count(x) AS n FROM a RIGHT JOIN w USING (id) GROUP BY id HAVING count(*) < 3;
CREATE MATERIALIZED VIEW v_below AS SELECT q.id, q.x, w.c1 FROM w LEFT JOIN (SELECT id, a.x FROM w d RIGHT JOIN a USING (id)) q ON q.id = w.id;
CREATE MATERIALIZED VIEW v_lateral AS SELECT id, q.x FROM (a RIGHT JOIN w USING (id)) CROSS JOIN LATERAL (SELECT id + a.x AS x) q;
CREATE MATERIALIZED VIEW v_exists AS SELECT id, a.x FROM a RIGHT JOIN w USING (id)
    WHERE EXISTS (SELECT FROM a b RIGHT JOIN w d USING (id) WHERE id = w.id AND b.x IS DISTINCT FROM a.x + 1);
CREATE MATERIALIZED VIEW v_cte AS WITH q AS (SELECT id, w.c1, a.x FROM a RIGHT JOIN w USING (id))
    SELECT one.id, one.x, other.c1 FROM q one LEFT JOIN q other ON other.id = one.id;
CREATE VIEW names AS SELECT matviewname::text AS name FROM pg_matviews WHERE schemaname = 'suite' AND matviewname LIKE 'v\_%';
SELECT name, tracked FROM names, refresh_mv.track(name::regclass) ORDER BY name COLLATE "C";
SELECT count(*) FROM names, refresh_materialized_views_smart(ARRAY[name::regclass]);
SELECT name, t.* FROM names, try(name::regclass) t ORDER BY name COLLATE "C";

-- ---- the same, with columns that have come and gone
ALTER TABLE w DROP COLUMN gone, DROP COLUMN c40, ADD COLUMN x int DEFAULT 1, ADD COLUMN more int;
ALTER TABLE a DROP COLUMN gone, ADD COLUMN c1 int DEFAULT 2, ADD COLUMN more int;
SELECT count(*) FROM names, refresh_materialized_views_smart(ARRAY[name::regclass]);
SELECT name, t.* FROM names, try(name::regclass) t ORDER BY name COLLATE "C";

-- ---- a key that is younger than the view
CREATE TABLE young (g int, v int);
INSERT INTO young SELECT i % 10 + 1, i FROM generate_series(1, 30) i;
CREATE MATERIALIZED VIEW v_young AS SELECT y.v, a.x FROM a RIGHT JOIN young y ON y.g > a.id;
CREATE MATERIALIZED VIEW v_young_groups AS SELECT a.x, count(*) AS n FROM young y JOIN a ON y.g >= a.id GROUP BY a.x;
ALTER TABLE young ADD COLUMN id serial PRIMARY KEY;
SELECT one.tracked, other.tracked FROM refresh_mv.track('v_young') one, refresh_mv.track('v_young_groups') other;
SELECT count(*) FROM refresh_materialized_views_smart('{v_young, v_young_groups}');
UPDATE young SET v = 0 WHERE id = 3;
UPDATE a SET x = 7 WHERE id = 5;
SELECT printed('v_young'), printed('v_young_groups');
SELECT count(*) FROM refresh_materialized_views_smart('{v_young, v_young_groups}');
SELECT view_name, method, reason, check_view(view_name::regclass) FROM refresh_mv.journal ORDER BY id DESC LIMIT 2;
