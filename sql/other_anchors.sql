\set ECHO all
SELECT current_schemas(false);
CALL helpers.begin_suite();
-- Several subqueries of a view, each compared with another column of what is around it: changes of each are followed by
-- an anchor of its own, whichever others have changed as well.
SET refresh_mv.exact_cost_limit = 1e9;

CREATE TABLE customers (id int PRIMARY KEY, region int, city text, name text);
CREATE TABLE accounts (id int PRIMARY KEY, customer int NOT NULL, branch int);
CREATE TABLE orders (id int PRIMARY KEY, customer int, x int);
CREATE TABLE tickets (id int PRIMARY KEY, region int, severity int);
CREATE TABLE visits (id int PRIMARY KEY, city text, kind int, n int);
CREATE TABLE kinds (kind int PRIMARY KEY, weight int);
INSERT INTO customers SELECT i, nullif(i % 7, 0), nullif('c' || i % 5, 'c3'), 'n' || i % 3 FROM generate_series(1, 40) i;
INSERT INTO accounts SELECT i, 1 + i % 40, nullif(i % 6, 0) FROM generate_series(1, 60) i;
INSERT INTO orders SELECT i, nullif(i % 40, 0), i % 4 FROM generate_series(1, 80) i;
INSERT INTO tickets SELECT i, nullif(i % 8, 0), i % 5 FROM generate_series(1, 30) i;
INSERT INTO visits SELECT i, nullif('c' || i % 6, 'c3'), i % 4, i % 9 FROM generate_series(1, 40) i;
INSERT INTO kinds SELECT i, i FROM generate_series(1, 4) i;
ANALYZE;

CREATE TABLE shapes (name text, query text);
INSERT INTO shapes VALUES
('lateral', 'SELECT c.id, o.x, t.severity, v.n FROM customers c
    LEFT JOIN LATERAL (SELECT x FROM orders o WHERE o.customer = c.id ORDER BY x DESC, id LIMIT 1) o ON true
    LEFT JOIN LATERAL (SELECT severity FROM tickets t WHERE t.region = c.region ORDER BY severity, id LIMIT 1) t ON true
    LEFT JOIN LATERAL (SELECT n FROM visits v WHERE v.city = c.city ORDER BY n DESC, id LIMIT 1) v ON true'),
('inner', 'SELECT c.name, count(*) AS n, sum(v.n) AS total FROM customers c
    JOIN LATERAL (SELECT x FROM orders o WHERE o.customer = c.id ORDER BY x DESC, id LIMIT 2) o ON true
    JOIN LATERAL (SELECT n, kind FROM visits v WHERE v.city = c.city ORDER BY n DESC, id LIMIT 2) v ON v.kind > o.x GROUP BY c.name'),
('beside', 'SELECT c.id, o.x, v.total FROM customers c
    LEFT JOIN LATERAL (SELECT x FROM orders o WHERE o.customer = c.id ORDER BY x DESC, id LIMIT 1) o ON true
    LEFT JOIN LATERAL (SELECT sum(n * weight) AS total FROM visits v JOIN kinds k ON k.kind = v.kind WHERE v.city = c.city OFFSET 0) v ON true'),
('lists', 'SELECT c.id, c.name FROM customers c WHERE c.region IN (SELECT region FROM tickets WHERE severity > 2)
    OR c.city IN (SELECT city FROM visits WHERE n > 5) OR c.id IN (SELECT customer FROM orders WHERE x = 2)'),
('two tables', 'SELECT a.id, c.name, b.n, t.severity FROM accounts a JOIN customers c ON c.id = a.customer
    LEFT JOIN LATERAL (SELECT count(*) AS n FROM accounts b WHERE b.branch = a.branch OFFSET 0) b ON true
    LEFT JOIN LATERAL (SELECT severity FROM tickets t WHERE t.region = c.region ORDER BY severity, id LIMIT 1) t ON true'),
('nested', 'SELECT c.id, (SELECT max(x) FROM orders o WHERE o.customer = c.id) AS x FROM customers c
    WHERE EXISTS (SELECT FROM tickets t WHERE t.region = c.region
        AND t.severity > (SELECT min(v.kind) FROM visits v WHERE v.city = c.city))'),
('same', 'SELECT c.id, d.id AS first, e.id AS last, o.x FROM customers c
    LEFT JOIN LATERAL (SELECT id FROM customers d WHERE d.region = c.region ORDER BY id LIMIT 1) d ON true
    LEFT JOIN LATERAL (SELECT id FROM customers e WHERE e.city = c.city ORDER BY id DESC LIMIT 1) e ON true
    LEFT JOIN LATERAL (SELECT x FROM orders o WHERE o.customer = c.id ORDER BY x DESC, id LIMIT 1) o ON true'),
('outer', 'SELECT c.id, a.id AS account, v.n, t.severity FROM customers c LEFT JOIN accounts a ON a.customer = c.id AND a.branch > 2
    LEFT JOIN LATERAL (SELECT n FROM visits v WHERE v.city = c.city ORDER BY n DESC, id LIMIT 1) v ON true
    LEFT JOIN LATERAL (SELECT severity FROM tickets t WHERE t.region = a.branch ORDER BY severity, id LIMIT 1) t ON true'),
-- The anchor is a column of a subquery that is evaluated for each row: only there can it be restricted.
('sole', 'SELECT c.id, o.x, o.first FROM customers c
    JOIN LATERAL (SELECT DISTINCT ON (x) x, id AS first FROM orders o WHERE o.customer = c.region ORDER BY x, id) o ON true'),
('sole window', 'SELECT c.id, v.kind, v.n, v.nth FROM customers c
    JOIN LATERAL (SELECT kind, n, rank() OVER (PARTITION BY kind ORDER BY n, v.id) AS nth FROM visits v WHERE v.city = c.city) v ON v.nth < 3'),
('sole group', 'SELECT c.name, v.kind, sum(v.n) AS n, count(*) AS rows FROM customers c
    JOIN LATERAL (SELECT k.kind, sum(v.n * weight) AS n FROM visits v JOIN kinds k ON k.kind = v.kind WHERE v.city = c.city GROUP BY k.kind) v ON true
    GROUP BY c.name, v.kind'),
('sole union', 'SELECT c.id, o.x, o.n FROM customers c
    JOIN LATERAL (SELECT x, count(*) AS n FROM (SELECT x, customer FROM orders UNION ALL SELECT severity, region FROM tickets) o
        WHERE o.customer = c.id GROUP BY x) o ON true JOIN kinds k ON k.kind = o.x');

-- Changes one to three rows of a table, of a number.
CREATE PROCEDURE change(nth int) LANGUAGE plpgsql AS $$
DECLARE
    i int := 1 + floor(random() * 40);
    v int := nullif(floor(random() * 8)::int, 0);
    kind int := floor(random() * 4);
BEGIN
    CASE nth
    WHEN 0 THEN
        IF kind = 0 THEN DELETE FROM customers WHERE id = i;
        ELSIF kind = 1 THEN INSERT INTO customers VALUES (i, v, 'c' || v, 'n' || v % 3) ON CONFLICT (id) DO UPDATE SET city = NULL;
        ELSE UPDATE customers SET region = v, city = 'c' || v WHERE id = i; END IF;
    WHEN 1 THEN
        IF kind = 0 THEN DELETE FROM accounts WHERE id = i;
        ELSIF kind = 1 THEN INSERT INTO accounts VALUES (i, 1 + i % 40, v) ON CONFLICT (id) DO UPDATE SET customer = 3;
        ELSE UPDATE accounts SET branch = v WHERE id = i; END IF;
    WHEN 2 THEN
        IF kind = 0 THEN DELETE FROM orders WHERE id = i;
        ELSIF kind = 1 THEN INSERT INTO orders VALUES (i, v, v) ON CONFLICT (id) DO UPDATE SET customer = 1 + (i + 11) % 40;
        ELSE UPDATE orders SET x = v WHERE id = i; END IF;
    WHEN 3 THEN
        IF kind = 0 THEN DELETE FROM tickets WHERE id = i;
        ELSIF kind = 1 THEN INSERT INTO tickets VALUES (i, v, 9) ON CONFLICT (id) DO UPDATE SET severity = v;
        ELSE UPDATE tickets SET region = v WHERE id = i; END IF;
    WHEN 4 THEN
        IF kind = 0 THEN DELETE FROM visits WHERE id = i;
        ELSIF kind = 1 THEN INSERT INTO visits VALUES (i, 'c' || v, v, 10) ON CONFLICT (id) DO UPDATE SET n = v;
        ELSE UPDATE visits SET city = 'c' || v WHERE id = i; END IF;
    WHEN 5 THEN
        UPDATE kinds SET weight = v WHERE kinds.kind = 1 + i % 4;
    END CASE;
END $$;

-- Changes some of all tables before each of many refreshes: how these were done, and how many rows were wrong.
CREATE FUNCTION tried(shape text, rounds int, OUT methods text, OUT wrong bigint, OUT reasons text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shown AS ' || (SELECT s.query FROM shapes s WHERE s.name = shape);
    PERFORM refresh_mv.track('shown'::text::regclass);
    PERFORM refresh_materialized_views_smart('{shown}'::text[]::regclass[]);
    TRUNCATE refresh_mv.journal;
    PERFORM setseed(0.5);
    wrong := 0;
    FOR i IN 1 .. rounds LOOP
        FOR j IN 0 .. 5 LOOP
            IF random() < 0.5 THEN CALL change(j); END IF;
        END LOOP;
        EXECUTE 'SELECT refresh_materialized_views_smart(''{shown}'')';
        wrong := wrong + check_view('shown'::text::regclass);
    END LOOP;
    SELECT string_agg(DISTINCT h.method, ' '), string_agg(DISTINCT substring(h.reason FROM ', but (.*)'), '; ')
    INTO methods, reasons FROM refresh_mv.history h WHERE h.method <> 'skip';
    DROP MATERIALIZED VIEW shown;
END $$;

SELECT s.name, t.* FROM shapes s, LATERAL tried(s.name, 60) t;

-- Only the parts are computed, of however many rows: a change of each table of its own and of all at once.
INSERT INTO customers SELECT i, i, 'town ' || i, 'n' FROM generate_series(1001, 9000) i;
INSERT INTO orders SELECT i, i, 1 FROM generate_series(1001, 9000) i;
INSERT INTO tickets SELECT i, i, 1 FROM generate_series(1001, 9000) i;
INSERT INTO visits SELECT i, 'town ' || i, 1, 1 FROM generate_series(1001, 9000) i;
CREATE INDEX ON customers (region);
CREATE INDEX ON customers (city);
CREATE INDEX ON orders (customer);
CREATE INDEX ON tickets (region);
CREATE INDEX ON visits (city);
ANALYZE;
RESET refresh_mv.exact_cost_limit;
SELECT * FROM told('lateral', '{UPDATE visits SET n = 7 WHERE id = 1234, UPDATE tickets SET severity = 7 WHERE id = 2345,
    UPDATE orders SET x = 7 WHERE id = 3456}');
CREATE PROCEDURE change_all() LANGUAGE sql AS $$
    UPDATE visits SET n = 8 WHERE id = 1234;
    UPDATE tickets SET severity = 8 WHERE id = 2345;
    UPDATE orders SET x = 8 WHERE id = 3456;
    UPDATE customers SET city = 'town 4567' WHERE id = 5678
$$;
SELECT * FROM told('lateral', '{CALL change_all()}');
-- Nothing leads from the one anchor to the other but a table that may be missing.
SELECT name, methods, differences, reasons FROM (VALUES ('outer')) s (name), told(s.name, '{UPDATE tickets SET severity = 3 WHERE region = 3}');

-- Of many parts those are left out, in each state, of which the changed rows of the table whose key is the anchor tell that
-- nothing is joined there: new ones, gone ones, and those that do not satisfy the query's conditions.
CREATE TABLE bills (id int PRIMARY KEY, kind int, due date);
CREATE TABLE notes (id int PRIMARY KEY, bill int, x int);
INSERT INTO bills SELECT i, nullif(i % 9, 0), nullif(date '2020-01-01' + i % 30, '2020-01-03') FROM generate_series(1, 3000) i;
INSERT INTO notes SELECT i, nullif(i % 3000, 0), i % 10 FROM generate_series(1, 9000) i;
CREATE TABLE marks (id int PRIMARY KEY, bill int, x int);
INSERT INTO marks SELECT i, nullif(i % 3000, 0), i % 8 FROM generate_series(1, 4000) i;
CREATE INDEX ON notes (bill);
CREATE INDEX ON marks (bill);
ANALYZE;
CREATE MATERIALIZED VIEW kinds_noted AS SELECT b.kind, count(*) AS n, min(b.due) AS due FROM bills b
WHERE b.due < '2020-01-15' AND EXISTS (SELECT FROM notes n WHERE n.bill = b.id AND n.x > 6) GROUP BY b.kind;
CREATE MATERIALIZED VIEW bills_noted AS SELECT b.id, b.kind, (SELECT count(*) FROM notes n WHERE n.bill = b.id AND n.x > 4 OFFSET 0) AS n
FROM bills b WHERE b.kind BETWEEN 3 AND 5;
CREATE MATERIALIZED VIEW bills_without AS SELECT b.id, b.due FROM bills b
WHERE b.kind = 4 AND NOT EXISTS (SELECT FROM notes n WHERE n.bill = b.id AND n.x = 5);
CREATE MATERIALIZED VIEW bills_ranked AS SELECT b.kind, b.id, r.x, r.nth FROM bills b
JOIN LATERAL (SELECT n.x, row_number() OVER (ORDER BY n.x, n.id) AS nth FROM notes n WHERE n.bill = b.id) r ON r.nth < 3
WHERE b.due IS NULL OR b.kind = 2;
CREATE MATERIALIZED VIEW bills_marked AS SELECT b.id, b.kind FROM bills b WHERE NOT EXISTS (
    SELECT FROM notes n LEFT JOIN marks m ON m.bill = n.bill WHERE n.bill = b.id AND coalesce(m.x, 9) > 6 AND n.x < 8);
-- (A condition on a table alone but for what is two levels around it is none on it alone.)
CREATE MATERIALIZED VIEW bills_apart AS SELECT b.id, n.x FROM bills b JOIN LATERAL (SELECT n.x FROM notes n WHERE n.bill = b.id
    AND EXISTS (SELECT FROM marks m WHERE m.bill = n.bill AND m.bill = b.id AND m.x < 5) ORDER BY n.x, n.id LIMIT 2) n ON true;
SELECT t.tracked FROM unnest('{kinds_noted,bills_noted,bills_without,bills_ranked,bills_marked,bills_apart}'::regclass[]) v, refresh_mv.track(v) t;
SELECT message FROM refresh_materialized_views_smart('{kinds_noted,bills_noted,bills_without,bills_ranked,bills_marked,bills_apart}');
TRUNCATE refresh_mv.journal;
SET refresh_mv.exact_cost_limit = 1e9;
CREATE FUNCTION tried_many(rounds int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint := 0;
    v regclass;
BEGIN
    PERFORM setseed(0.3);
    FOR i IN 1 .. rounds LOOP
        CASE i % 4
        WHEN 0 THEN
            DELETE FROM bills WHERE random() < 0.06;
        WHEN 1 THEN
            INSERT INTO bills SELECT g, floor(random() * 9), date '2020-01-01' + floor(random() * 30)::int
            FROM generate_series(1, 3300) g WHERE random() < 0.5 ON CONFLICT DO NOTHING;
            UPDATE bills SET kind = nullif(floor(random() * 9)::int, 0), due = date '2020-01-01' + floor(random() * 30)::int WHERE random() < 0.05;
        WHEN 2 THEN
            UPDATE bills SET due = CASE WHEN random() < 0.9 THEN date '2020-01-01' + floor(random() * 30)::int END WHERE random() < 0.1;
            DELETE FROM notes WHERE random() < 0.03;
            DELETE FROM marks WHERE random() < 0.05;
        WHEN 3 THEN
            UPDATE bills SET id = id + 5000 * i WHERE random() < 0.04 AND id < 5000;
            UPDATE notes SET x = floor(random() * 10), bill = CASE WHEN random() < 0.9 THEN bill ELSE bill + 5000 * i END WHERE random() < 0.05;
            DELETE FROM bills WHERE id % 17 = 3;
            UPDATE marks SET x = floor(random() * 8) WHERE random() < 0.07;
            INSERT INTO marks SELECT 10000 * i + g, 1 + floor(random() * 3000), floor(random() * 8) FROM generate_series(1, 150) g;
        END CASE;
        PERFORM refresh_materialized_views_smart('{kinds_noted,bills_noted,bills_without,bills_ranked,bills_marked,bills_apart}'::text[]::regclass[]);
        FOREACH v IN ARRAY '{kinds_noted,bills_noted,bills_without,bills_ranked,bills_marked,bills_apart}'::regclass[] LOOP
            wrong := wrong + check_view(v);
        END LOOP;
    END LOOP;
    RETURN wrong;
END $$;
SELECT tried_many(24) AS wrong;
SELECT view, method, count(*) FROM refresh_mv.history GROUP BY view, method ORDER BY view, method;
