CALL helpers.begin_suite();
-- refresh_mv.advise(): each line that it can give, and that it can be run.
CREATE ROLE refresh_mv_owner;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_owner;
CREATE FUNCTION advised() RETURNS TABLE (view regclass, statement text, reason text) LANGUAGE sql AS $$
    SELECT a.view, a.statement, regexp_replace(a.reason, 'costs \d+ instead of \d+|in \d+ ms|\d{4}-\d\d-\d\d', '...', 'g') FROM refresh_mv.advise() a
$$;
-- Runs what is advised of a view.
CREATE PROCEDURE follow(followed regclass) LANGUAGE plpgsql AS $$
DECLARE
    line record;
BEGIN
    FOR line IN SELECT a.statement FROM refresh_mv.advise() a WHERE a.view = followed LOOP
        EXECUTE line.statement;
    END LOOP;
END $$;

-- No view, no advice.
SELECT * FROM advised();

-- What to track, which key is missing, what was never analyzed.
CREATE TABLE sales (id int PRIMARY KEY, day date NOT NULL, product int NOT NULL, amount int NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO sales SELECT i, current_date - i / 1000, i % 5000, i FROM generate_series(1, 100000) i;
CREATE TABLE products (id int, name text NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO products SELECT i, 'p' || i FROM generate_series(0, 4999) i;
CREATE MATERIALIZED VIEW by_name AS SELECT p.name, sum(s.amount) AS amount FROM sales s JOIN products p ON p.id = s.product GROUP BY p.name;
CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n FROM sales;
SELECT * FROM advised();
ANALYZE sales, products, by_name;
SELECT * FROM advised();
SELECT success FROM refresh_materialized_views_smart();
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM advised();
CALL follow('total');
CALL follow('by_name');
SELECT * FROM advised();
-- Taken once more: now that it has a key, it can be tracked, and is in need of an index.
CALL follow('by_name');
SELECT * FROM advised();
CALL follow('by_name');
SELECT name, tracked FROM refresh_mv.status WHERE schema = 'suite' ORDER BY name;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'suite' AND indexname LIKE '%\_idx' ORDER BY 1;

-- Which date column has the recent data.
CREATE TABLE orders (id int, due date, placed timestamp) WITH (autovacuum_enabled = off);
INSERT INTO orders SELECT i, date '2020-01-01' + i, current_date - i FROM generate_series(0, 99) i;
CREATE MATERIALIZED VIEW recent AS SELECT id, due, placed, now() AS refreshed FROM orders;
ANALYZE orders;
SELECT * FROM advised();
CALL follow('recent');
SELECT * FROM advised();

-- Which schedule fits: too few runs to judge by, then what they have found.
CREATE FUNCTION scheduled(runs int, every interval, takes interval, busy float) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    TRUNCATE refresh_mv.journal;
    INSERT INTO refresh_mv.journal
    SELECT i, i, 'suite', 'total', 'smart', CASE WHEN i <= runs * busy THEN 'delta' ELSE 'skip' END, '', now() - i * every, takes,
        0, 0, 0, 0, now(), true, NULL, NULL, 'postgres', 'procedure'
    FROM generate_series(1, runs) i;
    SELECT a.statement || ': ' || a.reason INTO found FROM refresh_mv.advise() a WHERE a.view IS NULL;
    TRUNCATE refresh_mv.journal;
    RETURN found;
END $$;
SELECT scheduled(5, '15 min', '1 s', 1);
SELECT scheduled(100, '15 min', '1 s', 0.5);
SELECT scheduled(100, '15 min', '1 s', 1);
SELECT scheduled(100, '15 min', '10 min', 1);
SELECT scheduled(100, '15 min', '1 s', 0.05);
SELECT scheduled(100, '1 min', '0.1 s', 1);
SELECT scheduled(25, '5 h', '1 s', 0);
DROP MATERIALIZED VIEW recent, by_name;

-- Disabled views are left out, those of others too, and one that cannot be refreshed is a
-- line, not an error.
SELECT refresh_mv.configure('total', enabled => false);
SELECT * FROM advised();
SELECT refresh_mv.configure('total', enabled => true);
CREATE MATERIALIZED VIEW theirs AS SELECT id FROM orders;
ALTER MATERIALIZED VIEW theirs OWNER TO refresh_mv_owner;
SELECT view, statement, reason FROM advised() WHERE view IS NOT NULL;
SET ROLE refresh_mv_owner;
SELECT view, statement, reason FROM advised() WHERE view IS NOT NULL;
RESET ROLE;
GRANT SELECT ON orders TO refresh_mv_owner;
SET ROLE refresh_mv_owner;
SELECT view, statement, reason FROM advised() WHERE view IS NOT NULL;
RESET ROLE;
BEGIN READ ONLY;
SELECT count(*) > 0 AS any FROM refresh_mv.advise();
ROLLBACK;

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_owner;
