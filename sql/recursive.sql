CALL helpers.begin_suite();
CREATE TABLE dept (id int PRIMARY KEY, up int, name text);
CREATE TABLE orders (id int PRIMARY KEY, dept int, amount int, label text);
CREATE TABLE rate (dept int PRIMARY KEY, rate int);
INSERT INTO dept SELECT g, CASE WHEN g > 1 THEN g / 2 END, CASE WHEN g <> 39 THEN 'd' || g END FROM generate_series(1, 40) g;
INSERT INTO orders SELECT g, g % 45, g, 'd' || g % 45 FROM generate_series(1, 300) g;
INSERT INTO rate SELECT g, g FROM generate_series(1, 30) g;
ANALYZE dept, orders, rate;
CREATE TABLE shapes (no int GENERATED ALWAYS AS IDENTITY, name text, query text);
INSERT INTO shapes (name, query) VALUES
('rows', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT o.id, t.path, o.amount FROM orders o JOIN t ON t.id = o.dept'),
('below', 'SELECT o.id, t.path, o.amount FROM orders o JOIN (WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT * FROM t WHERE path <> '''') t ON t.id = o.dept'),
('left', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT o.id, t.path, o.amount FROM orders o LEFT JOIN t ON t.id = o.dept'),
('sums', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT t.path, count(*) AS n, sum(o.amount) AS amount FROM t JOIN orders o ON t.id = o.dept GROUP BY t.path'),
('counts', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT t.id, t.path, count(o.id) AS n, sum(o.amount) AS amount FROM t LEFT JOIN orders o ON t.id = o.dept GROUP BY t.id, t.path'),
('labels', 'WITH RECURSIVE t AS (SELECT id, name FROM dept WHERE up IS NULL UNION ALL SELECT d.id, d.name FROM dept d JOIN t ON d.up = t.id) SELECT t.name, string_agg(o.id::text, '','' ORDER BY o.id) AS ids FROM t LEFT JOIN orders o ON t.name = o.label GROUP BY t.name'),
('closure', 'WITH RECURSIVE t AS (SELECT id, id AS root FROM dept UNION ALL SELECT d.id, t.root FROM dept d JOIN t ON d.up = t.id) SELECT t.root, count(o.id) AS n, max(o.amount) AS most FROM t LEFT JOIN orders o ON t.id = o.dept GROUP BY t.root'),
('two', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT o.id, a.path, b.path AS other FROM orders o JOIN t a ON a.id = o.dept LEFT JOIN t b ON b.id = o.amount'),
('later', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id), u AS (SELECT t.path, o.id, r.rate FROM t JOIN orders o ON o.dept = t.id LEFT JOIN rate r ON r.dept = o.dept) SELECT id, path, rate FROM u'),
('in', 'WITH RECURSIVE t AS (SELECT id FROM dept WHERE id = 2 UNION SELECT d.id FROM dept d JOIN t ON d.up = t.id) SELECT o.id, o.amount FROM orders o WHERE o.dept IN (SELECT id FROM t)'),
('exists', 'WITH RECURSIVE t AS (SELECT id FROM dept WHERE id = 2 UNION SELECT d.id FROM dept d JOIN t ON d.up = t.id) SELECT id FROM t WHERE EXISTS (SELECT FROM orders o WHERE o.dept = t.id AND o.amount > 100)'),
('scalar', 'WITH RECURSIVE t AS (SELECT id, name FROM dept WHERE id = 1 UNION SELECT d.id, d.name FROM dept d JOIN t ON d.up = t.id) SELECT id, name, (SELECT sum(o.amount) FROM orders o WHERE o.dept = t.id) AS amount FROM t'),
('grouped', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT t.id, t.path, q.n FROM t LEFT JOIN (SELECT dept, count(*) AS n FROM orders GROUP BY dept) q ON q.dept = t.id'),
('groups below', 'WITH RECURSIVE t AS (SELECT id, name FROM dept WHERE up IS NULL UNION ALL SELECT d.id, d.name FROM dept d JOIN t ON d.up = t.id) SELECT q.n, count(*) AS times FROM (SELECT t.id, count(o.id) AS n FROM t LEFT JOIN orders o ON o.dept = t.id GROUP BY t.id) q GROUP BY q.n'),
('lateral', 'SELECT o.id, t.id AS above FROM orders o, LATERAL (WITH RECURSIVE t AS (SELECT d.id, d.up FROM dept d WHERE d.id = o.dept UNION ALL SELECT d.id, d.up FROM dept d JOIN t ON d.id = t.up) SELECT id FROM t) t'),
('of recursion', 'WITH RECURSIVE t AS (SELECT id, name FROM dept WHERE up IS NULL UNION ALL SELECT d.id, d.name FROM dept d JOIN t ON d.up = t.id), u AS (SELECT id, 0 AS depth FROM t WHERE id < 3 UNION SELECT t.id, u.depth + 1 FROM t JOIN u ON t.id = u.id + 1 WHERE depth < 3) SELECT u.id, u.depth, o.id AS o FROM u JOIN orders o ON o.dept = u.id'),
('cycle', 'WITH RECURSIVE t AS (SELECT id, up FROM dept WHERE up IS NULL UNION ALL SELECT d.id, d.up FROM dept d JOIN t ON d.up = t.id) SEARCH DEPTH FIRST BY id SET place CYCLE id SET again USING way SELECT o.id, t.again, cardinality(t.place) AS depth FROM orders o JOIN t ON t.id = o.dept'),
('union', 'WITH RECURSIVE t AS (SELECT id, name FROM dept WHERE up IS NULL UNION ALL SELECT d.id, d.name FROM dept d JOIN t ON d.up = t.id) SELECT t.name, o.id FROM t JOIN orders o ON o.dept = t.id UNION ALL SELECT t.name, -r.dept FROM t JOIN rate r ON r.dept = t.id'),
('full', 'WITH RECURSIVE t AS (SELECT id, name FROM dept WHERE up IS NULL UNION ALL SELECT d.id, d.name FROM dept d JOIN t ON d.up = t.id) SELECT t.name, r.dept, r.rate, coalesce(t.id, r.dept) AS id FROM t FULL JOIN rate r ON r.dept = t.id'),
('inside', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT d.id, t.path FROM dept d LEFT JOIN t ON t.id = d.id'),
('alone', 'WITH RECURSIVE t AS (SELECT id, name AS path FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.path || d.name FROM dept d JOIN t ON d.up = t.id) SELECT id, path FROM t'),
('distinct inside', 'WITH RECURSIVE t AS (SELECT id FROM dept WHERE up IS NULL UNION ALL SELECT q.id FROM (SELECT DISTINCT d.id FROM dept d JOIN t ON d.up = t.id) q) SELECT t.id, o.id AS o FROM t JOIN orders o ON o.dept = t.id'),
('depths', 'WITH RECURSIVE t AS (SELECT id, 0 AS depth FROM dept WHERE up IS NULL UNION ALL SELECT d.id, t.depth + 1 FROM dept d JOIN t ON d.up = t.id) SELECT depth, count(*) AS n FROM t GROUP BY depth');
-- Makes each view, tracks it, and refreshes it after changes: the methods, and the reason of a full refresh.
CREATE FUNCTION methods(shape text, changes text[]) RETURNS TABLE (change int, method text, differences bigint, reason text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shown AS ' || (SELECT s.query FROM shapes s WHERE s.name = shape);
    PERFORM refresh_mv.track('shown'::text::regclass);
    EXECUTE 'SELECT refresh_materialized_views_smart(''{shown}'')';
    change := 0;
    FOREACH statement IN ARRAY changes LOOP
        change := change + 1;
        EXECUTE statement;
        TRUNCATE refresh_mv.journal;
        EXECUTE 'SELECT refresh_materialized_views_smart(''{shown}'')';
        SELECT h.method, h.reason INTO method, reason FROM refresh_mv.history h;
        differences := check_view('shown'::text::regclass);
        RETURN NEXT;
    END LOOP;
    DROP MATERIALIZED VIEW shown;
END $$;
-- The same in short.
CREATE FUNCTION told(shape text, changes text[], OUT methods text, OUT differences bigint, OUT reasons text) LANGUAGE sql AS $$
    SELECT string_agg(m.method, ' ' ORDER BY m.change), sum(m.differences), string_agg(DISTINCT substring(m.reason FROM ', but (.*)'), '; ') FILTER (WHERE m.method = 'full')
    FROM methods(shape, changes) m
$$;
-- What is joined with a recursive query has changed.
SELECT s.name, t.* FROM shapes s, told(s.name, ARRAY[
    'INSERT INTO orders SELECT g, g % 44, g, NULL FROM generate_series(1001, 1003) g',
    'UPDATE orders SET dept = dept + 1, label = ''d'' || dept + 2 WHERE id % 100 = 7',
    'UPDATE orders SET dept = NULL, label = NULL WHERE id % 150 = 3',
    'DELETE FROM orders WHERE id > 1000 OR id = 43 OR dept = 12',
    'INSERT INTO rate VALUES (33, 3), (77, 7); UPDATE rate SET rate = rate + 1 WHERE dept = 5; DELETE FROM rate WHERE dept = 9; INSERT INTO orders VALUES (1004, 5, 1004, ''d5'')',
    'DELETE FROM rate WHERE dept > 30; INSERT INTO rate VALUES (9, 9); DELETE FROM orders WHERE id > 1000; UPDATE orders SET dept = id % 45, label = ''d'' || id % 45',
    'INSERT INTO orders SELECT g, g % 45, g, ''d'' || g % 45 FROM generate_series(1, 300) g ON CONFLICT DO NOTHING']) t
ORDER BY s.no;
-- What it reads itself has changed.
SELECT s.name, t.* FROM shapes s, told(s.name, ARRAY[
    'UPDATE dept SET name = name || ''x'', up = 3 WHERE id IN (4, 20)',
    'INSERT INTO dept VALUES (41, 20, ''d41''), (42, 41, ''d42''); UPDATE orders SET amount = amount + 1 WHERE id % 50 = 1',
    'DELETE FROM dept WHERE id > 40; UPDATE dept SET name = ''d'' || id, up = id / 2 WHERE id IN (4, 20)']) t
ORDER BY s.no;
-- A recursive query that is no table's name in the view's words.
CREATE MATERIALIZED VIEW "odd" AS WITH RECURSIVE "T t" AS (SELECT id, up FROM dept WHERE up IS NULL UNION SELECT d.id, d.up FROM dept d JOIN "T t" t ON d.up = t.id) SELECT count(*) FROM "T t";
SELECT tracked FROM refresh_mv.track('odd');
SELECT success FROM refresh_materialized_views_smart('{odd}');
UPDATE dept SET up = 3 WHERE id = 4;
SELECT method, possible, reason FROM refresh_mv.explain('odd') WHERE method IN ('delta', 'keys');
DROP SCHEMA suite CASCADE;
