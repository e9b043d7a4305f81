CALL helpers.begin_suite();
-- Exact refreshes by signed terms: for each shape of query that goes by them, every kind of change, in
-- all of its tables at once.  (test/t/exact.py and the fuzzer have many more, on random changes.)
\pset format unaligned
\pset footer off

CREATE TABLE views (no serial, name text PRIMARY KEY);
CREATE TABLE done (change text, view text, what text, differences bigint, rows bigint);

-- Creates a tracked view of a query, and refreshes it.
CREATE FUNCTION make(view text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE MATERIALIZED VIEW %I AS %s', view, query);
    ASSERT (SELECT tracked FROM refresh_mv.track(format('%I', view)::regclass)), view;
    PERFORM refresh_materialized_views_smart(ARRAY[format('%I', view)::regclass]);
    ASSERT check_view(format('%I', view)::regclass) = 0, view;
    INSERT INTO views (name) VALUES (view);
END $$;

-- The way by which the changes of a view would be taken, refreshes it, and tells by what method, or why it was full.
CREATE FUNCTION refreshed(view regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    way text := (SELECT substring(e.details FROM 'changes: by (signed terms|parts)') FROM refresh_mv.explain(view, true) e
                 WHERE e.chosen);
    done record;
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method, regexp_replace(j.reason, '^\d+ changes? in the log(, but )?', '') AS reason INTO done
    FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    RETURN CASE WHEN done.method = 'full' THEN concat_ws(': ', 'full', done.reason) ELSE concat_ws(' by ', done.method, way) END;
END $$;

CREATE FUNCTION rows_of(view text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %I', view) INTO rows;
    RETURN rows;
END $$;

-- Makes changes, each in a transaction of its own, and refreshes all views after each.  What was done, and how many
-- rows differ afterwards.
CREATE PROCEDURE change_all(VARIADIC changes text[]) LANGUAGE plpgsql AS $$
DECLARE
    change text;
    view text;
BEGIN
    DELETE FROM done;
    FOREACH change IN ARRAY changes LOOP
        EXECUTE change;
        COMMIT;
        FOR view IN SELECT v.name FROM views v ORDER BY v.no LOOP
            INSERT INTO done VALUES (change, view, refreshed(format('%I', view)::regclass), check_view(format('%I', view)::regclass), rows_of(view));
        END LOOP;
        COMMIT;
    END LOOP;
END $$;
CREATE VIEW outcome AS
SELECT d.view, string_agg(DISTINCT d.what, ', ' ORDER BY d.what) AS done, count(*) AS times, max(d.rows) AS most_rows,
    sum(d.differences) AS differences
FROM done d JOIN views v ON v.name = d.view GROUP BY v.no, d.view ORDER BY v.no;

CREATE TABLE orders (id int PRIMARY KEY, customer int, day date, amount numeric, note varchar(8));
CREATE TABLE items (o int, line int, product int, quantity int, price numeric(8,2), PRIMARY KEY (o, line));
CREATE TABLE products (id int PRIMARY KEY, name text, kind smallint, parent int);
CREATE TABLE customers (id int PRIMARY KEY, name text, region int);
CREATE TABLE fixed (id int PRIMARY KEY, region int);
INSERT INTO products SELECT i, 'p' || i % 7, i % 3, nullif(i / 3, 0) FROM generate_series(1, 20) i;
INSERT INTO customers SELECT i, 'c' || i % 5, i % 4 FROM generate_series(1, 12) i;
INSERT INTO orders SELECT i, nullif(i % 13, 0), date '2025-01-01' + i % 9, i / 7::numeric, 'n' || i % 4 FROM generate_series(1, 60) i;
INSERT INTO items SELECT o, l, nullif((o * l) % 22, 0), l, o / 4.0 FROM generate_series(1, 60) o, generate_series(1, 3) l WHERE o % 4 <> 3;
INSERT INTO fixed SELECT i, i % 4 FROM generate_series(1, 9) i;
ANALYZE orders, items, products, customers, fixed;
CREATE VIEW big_orders AS SELECT o.id, o.customer, o.day, o.amount FROM orders o WHERE o.amount > 2;
CREATE VIEW priced WITH (security_barrier) AS SELECT i.o, i.line, p.name, i.quantity * i.price AS total FROM items i JOIN products p ON p.id = i.product WHERE p.kind <> 2;

-- ---- the same table twice or three times
SELECT make('self_rows', 'SELECT a.id, a.name, b.name AS parent FROM products a JOIN products b ON b.id = a.parent');
SELECT make('self_groups', 'SELECT b.name, count(*) AS n, sum(a.kind) AS kinds, max(a.name) AS last FROM products a JOIN products b ON b.id = a.parent GROUP BY b.name');
SELECT make('self_thrice', 'SELECT c.kind, count(*) AS n FROM products a JOIN products b ON b.id = a.parent JOIN products c ON c.id = b.parent GROUP BY c.kind');
SELECT make('self_unequal', 'SELECT a.kind, count(*) AS n, min(b.name) AS first FROM products a JOIN products b ON b.kind < a.kind GROUP BY a.kind');
-- ---- several tables
SELECT make('three_rows', 'SELECT o.id, i.line, p.name FROM orders o JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product');
SELECT make('three_groups', 'SELECT o.day, p.name, count(*) AS n, sum(i.quantity) AS q, sum(i.price) AS price, avg(o.amount) AS amount, bool_or(p.kind = 1) AS one FROM orders o, items i, products p WHERE i.o = o.id AND p.id = i.product GROUP BY o.day, p.name');
SELECT make('three_extremes', 'SELECT o.day, min(i.price) AS least, max(p.name) AS greatest, max(o.amount) FILTER (WHERE p.kind > 0) AS most FROM orders o JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product GROUP BY o.day');
SELECT make('four', 'SELECT c.region, p.kind, count(*) AS n FROM customers c JOIN orders o ON o.customer = c.id JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product GROUP BY c.region, p.kind');
SELECT make('five', 'SELECT c.region, count(*) AS n FROM customers c JOIN orders o ON o.customer = c.id JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product JOIN products q ON q.id = p.parent GROUP BY c.region');
-- ---- UNION ALL: nested, of different types, with an arm that aggregates what has not changed
SELECT make('arms', 'SELECT u.what, u.k, count(*) AS n FROM (SELECT ''o'' AS what, id AS k FROM orders WHERE amount > 5 UNION ALL (SELECT ''i'', o FROM items UNION ALL SELECT ''p'', id FROM products WHERE kind = 1)) u GROUP BY u.what, u.k');
SELECT make('arms_of_types', 'SELECT u.k, count(*) AS n, sum(u.x) AS x FROM (SELECT customer::bigint AS k, amount AS x FROM orders UNION ALL SELECT product, quantity FROM items UNION ALL SELECT kind, NULL FROM products) u GROUP BY u.k');
SELECT make('arms_of_text', 'SELECT u.t FROM (SELECT note AS t FROM orders UNION ALL SELECT name FROM products UNION ALL SELECT ''none'') u');
SELECT make('arms_joined', 'SELECT c.name, u.x, count(*) AS n FROM customers c JOIN (SELECT customer AS k, day::text AS x FROM orders UNION ALL SELECT kind, name FROM products) u ON u.k = c.id GROUP BY c.name, u.x');
SELECT make('arm_of_groups', 'SELECT u.k, sum(u.n) AS n FROM (SELECT region AS k, count(*) AS n FROM fixed GROUP BY region UNION ALL SELECT customer, 1 FROM orders) u GROUP BY u.k');
SELECT make('arms_apart', 'SELECT 1 AS arm, id, name FROM products UNION ALL SELECT 2, id, name FROM customers');
-- ---- subqueries and ordinary views
SELECT make('subqueries', 'SELECT q.day, r.name, sum(q.amount) AS amount FROM (SELECT day, amount, customer FROM orders WHERE amount > 1) q JOIN (SELECT id, upper(name) AS name FROM customers) r ON r.id = q.customer GROUP BY q.day, r.name');
SELECT make('below', 'SELECT b.day, count(*) AS n, sum(p.total) AS total FROM big_orders b JOIN priced p ON p.o = b.id GROUP BY b.day');
SELECT make('below_rows', 'SELECT b.id, p.line, p.name FROM big_orders b JOIN priced p ON p.o = b.id WHERE p.name > ''p2''');
SELECT make('cte', 'WITH q AS (SELECT o.day, i.price FROM orders o JOIN items i ON i.o = o.id) SELECT day, sum(price) AS price FROM q GROUP BY day');
SELECT make('cte_twice', 'WITH q AS (SELECT id, parent, name FROM products) SELECT a.id, b.name FROM q a JOIN q b ON b.id = a.parent');
SELECT make('whole_rows', 'SELECT p.kind, count(q) AS n, max(q::text) AS q, max(p::text) AS p FROM products p JOIN (SELECT product, price FROM items) q ON q.product = p.id GROUP BY p.kind');
SELECT make('lateral', 'SELECT o.day, l.double, count(*) AS n FROM orders o CROSS JOIN LATERAL (SELECT i.quantity * 2 AS double FROM items i WHERE i.o = o.id AND i.price > o.amount) l GROUP BY o.day, l.double');
SELECT make('lateral_rows', 'SELECT o.id, l.line, l.price FROM orders o JOIN LATERAL (SELECT i.line, i.price + o.amount AS price FROM items i WHERE i.o = o.id) l ON true');
SELECT make('lateral_values', 'SELECT v.k, count(*) AS n FROM orders o CROSS JOIN LATERAL (VALUES (o.customer), (o.id % 4)) v (k) GROUP BY v.k');
SELECT make('function', 'SELECT g.i, count(*) AS n FROM orders o CROSS JOIN generate_series(1, o.id % 5) g (i) GROUP BY g.i');
-- ---- who joins, and who does not
SELECT make('exists', 'SELECT o.day, count(*) AS n FROM orders o JOIN customers c ON c.id = o.customer WHERE EXISTS (SELECT FROM fixed f WHERE f.region = c.region) GROUP BY o.day');
SELECT make('not_in', 'SELECT o.id, o.day FROM orders o WHERE o.customer NOT IN (SELECT f.id FROM fixed f)');
SELECT make('scalar', 'SELECT o.id, (SELECT max(f.id) FROM fixed f WHERE f.region = o.customer) AS f FROM orders o');
SELECT make('scalar_where', 'SELECT c.name, count(*) AS n FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id > (SELECT avg(f.id) FROM fixed f) GROUP BY c.name');
SELECT make('preserved', 'SELECT c.name, f.id AS f FROM customers c LEFT JOIN fixed f ON f.id = c.region');
SELECT make('preserved_without', 'SELECT o.day, count(*) AS n FROM orders o LEFT JOIN fixed f ON f.id = o.customer WHERE f.id IS NULL GROUP BY o.day');
SELECT make('preserved_two', 'SELECT c.region, count(f.id) AS n, count(*) AS m FROM orders o JOIN customers c ON c.id = o.customer LEFT JOIN fixed f ON f.region = c.region AND f.id > o.id GROUP BY c.region');
SELECT make('right_side', 'SELECT f.region, o.day FROM fixed f RIGHT JOIN orders o ON o.customer = f.id WHERE f.region IS DISTINCT FROM 1');
-- ---- count(DISTINCT), of keys and of others
SELECT make('members', 'SELECT o.day, count(DISTINCT o.id) AS n, count(DISTINCT o.id) FILTER (WHERE i.quantity > 1) AS m FROM orders o JOIN items i ON i.o = o.id GROUP BY o.day');
SELECT make('members_three', 'SELECT p.kind, count(DISTINCT o.id) AS n, count(*) AS rows FROM orders o JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product GROUP BY p.kind');
SELECT make('distinct_values', 'SELECT p.kind, count(DISTINCT o.day) AS days, count(DISTINCT p.name) AS names, count(DISTINCT i.price) AS prices, min(DISTINCT p.name) AS first FROM orders o JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product GROUP BY p.kind');
-- ---- no GROUP BY, keys of several columns, DISTINCT, HAVING, LIMIT, windows, what cannot be added and subtracted
SELECT make('total', 'SELECT count(*) AS n, sum(i.price) AS price, avg(i.quantity) AS q, count(DISTINCT p.kind) AS kinds FROM items i JOIN products p ON p.id = i.product');
SELECT make('two_keys', 'SELECT i.o, i.line, o.note FROM items i JOIN orders o ON o.id = i.o');
SELECT make('groups_by_four', 'SELECT o.customer, o.note, p.kind, p.parent, count(*) AS n FROM orders o JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product GROUP BY o.customer, o.note, p.kind, p.parent');
SELECT make('labels', 'SELECT DISTINCT p.name, o.note FROM orders o JOIN items i ON i.o = o.id JOIN products p ON p.id = i.product');
SELECT make('having', 'SELECT p.name, count(*) AS n FROM items i JOIN products p ON p.id = i.product GROUP BY p.name HAVING count(*) > 5 AND min(i.price) < 9');
SELECT make('first_groups', 'SELECT o.day, sum(i.price) AS price FROM orders o JOIN items i ON i.o = o.id GROUP BY o.day ORDER BY sum(i.price) DESC, o.day LIMIT 3');
SELECT make('ranks', 'SELECT p.kind, p.name, i.o, i.line, rank() OVER (PARTITION BY p.kind ORDER BY i.price) AS place FROM items i JOIN products p ON p.id = i.product');
SELECT make('strings', 'SELECT p.kind, string_agg(p.name || i.o, '','' ORDER BY i.o, i.line) AS names, sum(i.price::float8) AS price FROM items i JOIN products p ON p.id = i.product GROUP BY p.kind');
SELECT make('nothing', 'SELECT 1 AS one, count(*) AS n FROM orders WHERE false');

CALL change_all(
    'INSERT INTO orders SELECT i, i % 5, date ''2025-01-04'', i / 3::numeric, ''new'' FROM generate_series(101, 108) i;
     INSERT INTO items SELECT o, l, 20 + l, l, 2.50 FROM generate_series(100, 107) o, generate_series(1, 2) l;
     INSERT INTO products VALUES (21, ''p1'', 1, 2), (22, ''p9'', 2, 21), (23, NULL, NULL, NULL); INSERT INTO customers VALUES (0, ''c0'', 1), (13, NULL, 2)',
    'UPDATE orders SET amount = amount + 1, day = day + 1, note = ''upd'' WHERE id % 9 = 0; UPDATE items SET price = price + 1, quantity = quantity + 1, product = (product + 1) % 23 WHERE o % 7 = 1;
     UPDATE products SET name = name || ''x'', kind = (kind + 1) % 3, parent = 1 WHERE id % 5 = 2; UPDATE customers SET region = (region + 1) % 4 WHERE id % 4 = 1',
    'UPDATE orders SET customer = NULL WHERE id = 5; UPDATE orders SET customer = 3 WHERE customer IS NULL AND id > 20; UPDATE items SET product = NULL WHERE o = 8; UPDATE products SET parent = NULL WHERE id = 9; UPDATE products SET parent = 6 WHERE parent IS NULL AND id > 3',
    'DELETE FROM orders WHERE id % 11 = 3; DELETE FROM items WHERE o % 11 = 3 OR line = 3 AND o % 5 = 0; DELETE FROM products WHERE id IN (4, 12, 22); DELETE FROM customers WHERE id IN (2, 7)',
    -- keys, swapped as well
    'UPDATE orders SET id = id + 1000 WHERE id % 10 = 1; UPDATE items SET o = o + 1000 WHERE o % 10 = 1; UPDATE items SET line = line + 10 WHERE o % 10 = 2; UPDATE products SET id = -id WHERE id IN (5, 6); UPDATE customers SET id = 100 - id WHERE id > 6',
    'UPDATE products SET id = 999 WHERE id = 1; UPDATE products SET id = 1 WHERE id = 2; UPDATE products SET id = 2 WHERE id = 999; DELETE FROM orders WHERE id = 12; INSERT INTO orders VALUES (12, 1, ''2025-01-02'', 9, ''again''); UPDATE items SET o = 12 WHERE o = 13 AND line = 1 AND false',
    -- rows that are there in neither state, and those that are changed to and fro
    'INSERT INTO orders VALUES (500, 1, ''2025-01-01'', 999, ''gone''); INSERT INTO items VALUES (500, 1, 1, 99, 999); DELETE FROM orders WHERE id = 500; DELETE FROM items WHERE o = 500',
    'UPDATE orders SET amount = amount + 1; UPDATE orders SET amount = amount - 1; UPDATE products SET name = ''z'' || name; UPDATE products SET name = substr(name, 2)',
    -- an order loses its items to another in the same change, and both get a product that was not there
    'INSERT INTO products VALUES (40, ''a first'', 0, 3), (41, ''z last'', 1, 40); UPDATE items SET o = 17, line = line + 20, product = 40 WHERE o = 16; UPDATE items SET product = 41 WHERE o = 20; DELETE FROM orders WHERE id = 16; UPDATE orders SET day = ''2025-01-09'' WHERE id = 17',
    -- and all of that goes
    'DELETE FROM products WHERE id IN (40, 41); DELETE FROM items WHERE product IN (40, 41) OR o = 17; DELETE FROM orders WHERE id IN (17, 20)',
    'DELETE FROM orders', 'DELETE FROM items; DELETE FROM products; DELETE FROM customers',
    'INSERT INTO orders SELECT i, i % 3, ''2025-02-01'', i, ''back'' FROM generate_series(1, 9) i; INSERT INTO items SELECT i, 1, i % 4, 1, 1 FROM generate_series(1, 9) i; INSERT INTO products SELECT i, ''p'' || i, i % 2, i - 1 FROM generate_series(0, 4) i; INSERT INTO customers SELECT i, ''c'', i FROM generate_series(0, 2) i');
SELECT * FROM outcome;

-- ---- another relation than a table with one key: a materialized view, partitions, keys that are equal and not the same
TRUNCATE views;
DROP TABLE orders, items, products, customers CASCADE;
CREATE TABLE customers (id int PRIMARY KEY, name text, region int);
CREATE TABLE orders (id int, customer int, amount numeric, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (30);
CREATE TABLE orders_2 (amount numeric, id int NOT NULL, customer int);
ALTER TABLE orders ATTACH PARTITION orders_2 FOR VALUES FROM (30) TO (100);
CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE scales (x numeric PRIMARY KEY, label text, g int);
CREATE TABLE weights (id int PRIMARY KEY, x numeric);
CREATE TABLE words (w text COLLATE nd PRIMARY KEY, n int);
INSERT INTO customers SELECT i, 'c' || i % 5, i % 3 FROM generate_series(1, 12) i;
INSERT INTO orders SELECT i, i % 14, i / 7::numeric FROM generate_series(1, 60) i;
INSERT INTO scales SELECT i, 's' || i % 4, i % 3 FROM generate_series(1, 12) i;
INSERT INTO weights SELECT i, i % 5 FROM generate_series(1, 20) i;
INSERT INTO words SELECT chr(96 + i), i % 3 FROM generate_series(1, 12) i;
ANALYZE;
SELECT make('bag', 'SELECT customer, amount > 4 AS much FROM orders');
SELECT make('over_bag', 'SELECT c.name, b.much, count(*) AS n FROM bag b JOIN customers c ON c.id = b.customer GROUP BY c.name, b.much');
SELECT make('over_bag_rows', 'SELECT c.name, b.much, o.id FROM bag b JOIN customers c ON c.id = b.customer JOIN orders o ON o.customer = c.id AND o.id < 20');
SELECT make('over_two_bags', 'SELECT a.much, count(*) AS n, min(b.customer) AS first FROM bag a JOIN bag b ON b.customer = a.customer + 1 GROUP BY a.much');
SELECT make('partitions', 'SELECT c.region, count(*) AS n, sum(o.amount) AS amount, max(o.id) AS last FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region');
SELECT make('scale_rows', 'SELECT x, label FROM scales');
SELECT make('scale_texts', 'SELECT x::text AS x, count(*) AS n FROM scales GROUP BY x::text');
SELECT make('scale_groups', 'SELECT g, count(*) AS n, sum(x) AS x, count(DISTINCT x) AS xs FROM scales GROUP BY g');
SELECT make('scale_joined', 'SELECT s.label, w.id, s.x::text AS s, w.x::text AS w FROM scales s JOIN weights w ON w.x = s.x');
SELECT make('scale_joined_groups', 'SELECT s.g, count(*) AS n, sum(w.x) AS w, sum(s.x) AS s FROM scales s JOIN weights w ON w.x = s.x GROUP BY s.g');
SELECT make('word_rows', 'SELECT w COLLATE "C" AS w, n FROM words');
SELECT make('word_groups', 'SELECT n, count(*) AS c, max(w COLLATE "C") AS w FROM words GROUP BY n');
SELECT make('word_pairs', 'SELECT a.n, b.w COLLATE "C" AS b, count(*) AS c FROM words a JOIN words b ON a.w < b.w GROUP BY a.n, b.w COLLATE "C"');
CALL change_all(
    'INSERT INTO orders VALUES (61, 3, 1), (62, 3, 9), (0, 3, 1); INSERT INTO customers VALUES (13, ''c1'', 7); INSERT INTO scales VALUES (13.0, ''s1'', 1); INSERT INTO weights VALUES (21, 13.00), (22, 2.0); INSERT INTO words VALUES (''z'', 1)',
    'UPDATE orders SET amount = amount + 1, customer = customer + 1 WHERE id % 5 = 0; UPDATE customers SET name = ''c1'' WHERE id IN (3, 4); UPDATE scales SET label = ''new'' WHERE x IN (2, 3); UPDATE weights SET x = x * 1.0 WHERE id < 5; UPDATE words SET n = n + 1 WHERE w IN (''B'', ''c'')',
    -- the same value, and another image
    'UPDATE scales SET x = x * 1.00 WHERE x IN (1, 2, 3); UPDATE words SET w = upper(w) WHERE w IN (''a'', ''b'', ''d''); UPDATE orders SET amount = amount * 1.000',
    'DELETE FROM scales WHERE x = 2; INSERT INTO scales VALUES (2.0, ''again'', 2); DELETE FROM words WHERE w = ''a''; INSERT INTO words VALUES (''a'', 2); UPDATE weights SET x = x / 1.0 WHERE id < 5',
    'UPDATE scales SET x = 1.0 WHERE x = 1; UPDATE scales SET x = 1.00 WHERE x = 1; UPDATE words SET w = ''A'' WHERE w = ''a''; UPDATE words SET w = ''a'' WHERE w = ''a''',
    -- keys move, also to another partition
    'UPDATE orders SET id = id + 70 WHERE id % 7 = 1 AND id < 30; UPDATE customers SET id = id + 1 WHERE id = 13; UPDATE scales SET x = x + 100.0 WHERE x < 3; UPDATE words SET w = w || ''a'' WHERE n = 1',
    'DELETE FROM orders WHERE customer IN (3, 5); DELETE FROM customers WHERE id IN (5, 6); DELETE FROM scales WHERE g = 1; DELETE FROM weights WHERE id % 4 = 0; DELETE FROM words WHERE n = 2',
    'TRUNCATE orders_2', 'DELETE FROM orders; DELETE FROM customers; DELETE FROM scales; DELETE FROM words');
SELECT * FROM outcome;

-- ---- what is not linear, or is so in one place only, with changes on both sides at once: by parts, or not at all
TRUNCATE views;
DROP TABLE orders, customers, scales, weights, words CASCADE;
CREATE TABLE t (id int PRIMARY KEY, a int, b int);
CREATE TABLE u (id int PRIMARY KEY, t int, x int);
INSERT INTO t SELECT i, i % 7, i % 5 FROM generate_series(1, 40) i;
INSERT INTO u SELECT i, nullif(i % 45, 0), i % 6 FROM generate_series(1, 60) i;
ANALYZE t, u;
SELECT make('nullable', 'SELECT t.id, t.a, u.x FROM t LEFT JOIN u ON u.t = t.id');
SELECT make('nullable_groups', 'SELECT t.a, count(u.id) AS n, count(*) AS m, max(u.x) AS x FROM t LEFT JOIN u ON u.t = t.id GROUP BY t.a');
SELECT make('without', 'SELECT t.a, count(*) AS n FROM t WHERE NOT EXISTS (SELECT FROM u WHERE u.t = t.id AND u.x > 2) GROUP BY t.a');
SELECT make('same_inside', 'SELECT o.id, o.a FROM t o WHERE o.b IN (SELECT i.a FROM t i WHERE i.id = o.id)');
SELECT make('of_groups', 'SELECT t.a, q.n FROM t JOIN (SELECT u.t, count(*) AS n FROM u GROUP BY u.t) q ON q.t = t.id');
SELECT make('as_json', 'SELECT t.a, max(to_jsonb(u)::text) AS u FROM t JOIN u ON u.t = t.id GROUP BY t.a');
SELECT make('full_join', 'SELECT t.id, u.id AS u, t.a, u.x FROM t FULL JOIN u ON u.id = t.id');
CALL change_all('INSERT INTO t VALUES (41, 1, 1), (42, 1, 2); INSERT INTO u VALUES (61, 41, 5), (62, 1, 0)',
    'UPDATE t SET a = b, b = a WHERE id % 3 = 0; UPDATE u SET x = 5 - x WHERE id % 4 = 0', 'UPDATE u SET t = t + 1 WHERE id % 5 = 0; UPDATE t SET a = a + 1 WHERE id % 5 = 1',
    'UPDATE t SET id = id + 100 WHERE id % 6 = 0; UPDATE u SET t = t + 100 WHERE t % 6 = 0', 'DELETE FROM t WHERE id % 7 = 0; DELETE FROM u WHERE id % 7 = 1', 'DELETE FROM u', 'INSERT INTO u SELECT i, i, i % 6 FROM generate_series(1, 20) i; DELETE FROM t WHERE id > 30');
SELECT * FROM outcome;

-- ---- row-level security: its changes cannot be known
CREATE ROLE refresh_mv_terms;
GRANT ALL ON SCHEMA suite TO refresh_mv_terms;
GRANT ALL ON t, u TO refresh_mv_terms;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON t USING (a < 3);
SET ROLE refresh_mv_terms;
CREATE MATERIALIZED VIEW secured AS SELECT t.a, count(*) AS n FROM t JOIN u ON u.t = t.id GROUP BY t.a;
SELECT tracked, reason FROM refresh_mv.track('secured');
RESET ROLE;
SELECT count(*), max(a) FROM secured;
UPDATE t SET a = 2 WHERE id = 3;
SELECT success FROM refresh_materialized_views_smart('{secured}');
SELECT j.method, j.reason FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
SELECT count(*), max(a) FROM secured;
-- enabled later
SELECT refreshed('nullable_groups'), check_view('nullable_groups');

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_terms;
