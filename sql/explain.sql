\set ECHO none
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers.psql'
\i :helpers
\set ECHO all
-- refresh_mv.explain(): each reason that it can give, and that smart does what it says.
-- Costs are the planner's, so that only their order is shown.
TRUNCATE refresh_mv.journal, refresh_mv.settings;
CREATE ROLE refresh_mv_reader;
CREATE ROLE refresh_mv_other;
GRANT USAGE ON SCHEMA suite TO refresh_mv_reader, refresh_mv_other;

-- What is explained, with estimates replaced by N, and whether exact methods are cheaper
-- than a full refresh.
CREATE FUNCTION explained(view regclass) RETURNS TABLE (method text, possible boolean, chosen boolean, cost text, reason text, advice text)
LANGUAGE sql AS $$
    WITH e AS (SELECT * FROM refresh_mv.explain(view))
    SELECT e.method, e.possible, e.chosen,
           CASE WHEN e.cost = f.cost THEN 'full' WHEN e.cost < f.cost THEN 'less' WHEN e.cost > f.cost THEN 'more' END,
           e.reason, regexp_replace(e.advice, 'costs \d+ instead of \d+', 'costs N instead of N', 'g')
    FROM e, (SELECT cost FROM e WHERE e.method = 'full') f
$$;

-- The same for one method, then whether smart does what was chosen.
CREATE FUNCTION chosen(view regclass, OUT method text, OUT reason text, OUT refreshed text) LANGUAGE plpgsql AS $$
BEGIN
    SELECT e.method, e.reason INTO method, reason FROM refresh_mv.explain(view) e WHERE e.chosen;
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method INTO refreshed FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1;
END $$;

-- ---- a view that is not tracked, by its dates
CREATE TABLE sales (id int PRIMARY KEY, day date NOT NULL, product int NOT NULL, amount numeric NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO sales SELECT i, current_date - i / 100, i % 50, i FROM generate_series(1, 20000) i;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO products SELECT i, 'p' || i FROM generate_series(0, 49) i;
ANALYZE sales, products;
CREATE MATERIALIZED VIEW daily AS SELECT day, sum(amount) AS amount FROM sales GROUP BY day WITH NO DATA;
SELECT * FROM explained('daily');
SELECT * FROM chosen('daily');
ANALYZE daily;
SELECT * FROM explained('daily');
SELECT * FROM chosen('daily');
DELETE FROM sales WHERE day > current_date - 3;
SELECT refresh_type FROM refresh_materialized_views();
SELECT method, chosen, reason FROM refresh_mv.explain('daily') WHERE method IN ('window', 'full');
SELECT * FROM chosen('daily');
DELETE FROM sales;
SELECT refresh_type FROM refresh_materialized_views();
SELECT * FROM chosen('daily');
-- the index that a window would use
INSERT INTO sales SELECT i, current_date - i / 100, i % 50, i FROM generate_series(1, 20000) i;
ANALYZE sales;
SELECT refresh_type FROM refresh_materialized_views();
SELECT e.advice FROM explained('daily') e WHERE e.method = 'window';
CREATE INDEX ON suite.sales (day);
SELECT e.advice FROM explained('daily') e WHERE e.method = 'window';
-- its settings
SELECT refresh_mv.configure('daily', date_column => 'amount');
SELECT method, possible, reason, advice FROM refresh_mv.explain('daily') WHERE method = 'window';
SELECT * FROM chosen('daily');
SELECT refresh_mv.configure('daily', date_column => NULL, window_days => 7);
SELECT method, chosen, reason FROM refresh_mv.explain('daily') WHERE method = 'window';
SELECT * FROM chosen('daily');
SELECT refresh_mv.configure('daily', window_days => NULL);
CREATE MATERIALIZED VIEW undated AS SELECT product, sum(amount) AS amount FROM sales GROUP BY product;
SELECT method, possible, chosen, reason, advice FROM refresh_mv.explain('undated') WHERE method = 'window';
SELECT * FROM chosen('undated');
DROP MATERIALIZED VIEW undated;

-- ---- a tracked view
SET refresh_mv.exact_cost_limit = 1;
SELECT tracked FROM refresh_mv.track('daily');
SELECT method, possible, chosen, reason, advice FROM refresh_mv.explain('daily');
SELECT * FROM chosen('daily');
SELECT * FROM explained('daily');
SELECT * FROM chosen('daily');
INSERT INTO sales VALUES (30001, current_date, 1, 1.5);
SELECT * FROM explained('daily');
SELECT * FROM chosen('daily');
-- changes of another view that come to nothing here
CREATE MATERIALIZED VIEW days AS SELECT day FROM daily;
SELECT tracked FROM refresh_mv.track('days');
SELECT * FROM chosen('days');
UPDATE sales SET amount = amount + 1 WHERE id = 30001;
SELECT * FROM chosen('daily');
SELECT method, possible, chosen, reason FROM refresh_mv.explain('days');
SELECT * FROM chosen('days');
DROP MATERIALIZED VIEW days;
-- too many, seen before or after they are read
UPDATE sales SET amount = amount + 1 WHERE id % 4 = 0;
SELECT regexp_replace(reason, '^\d+', 'N') AS reason, method, refreshed FROM chosen('daily');
UPDATE sales SET amount = amount + 1 WHERE id % 40 = 0;
SELECT method, possible, chosen, regexp_replace(reason, '^\d+', 'N') AS reason FROM refresh_mv.explain('daily') WHERE method IN ('delta', 'full');
SELECT regexp_replace(reason, '^\d+', 'N') AS reason, method, refreshed FROM chosen('daily');
SET refresh_mv.exact_cost_limit = 1e9;
-- changes that are not known
TRUNCATE products;
SELECT * FROM chosen('daily');
TRUNCATE sales;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('daily');
SELECT * FROM chosen('daily');
INSERT INTO sales SELECT i, current_date - i / 100, i % 50, i FROM generate_series(1, 20000) i;
INSERT INTO products SELECT i, 'p' || i FROM generate_series(0, 49) i;
REFRESH MATERIALIZED VIEW daily;
SELECT * FROM chosen('daily');
ALTER TABLE sales ADD COLUMN note text;
SELECT * FROM chosen('daily');
ALTER TABLE sales DISABLE TRIGGER refresh_mv_insert;
SELECT method, unqualified(reason) AS reason, advice FROM refresh_mv.explain('daily') WHERE method IN ('skip', 'full');
SELECT tracked FROM refresh_mv.track('daily');
SELECT * FROM chosen('daily');
SELECT refresh_mv.configure('daily', keep_before => '1 year');
INSERT INTO sales VALUES (30003, current_date, 1, 1.5);
SELECT method, possible, reason, advice FROM refresh_mv.explain('daily') WHERE method = 'delta';
SELECT * FROM chosen('daily');
INSERT INTO sales VALUES (30005, current_date, 1, 1.5);
SELECT * FROM chosen('daily');
SELECT refresh_mv.configure('daily', keep_before => NULL);
SELECT * FROM chosen('daily');
-- a refresh that has lost its state
SELECT refresh_mv.drop_groups('daily'::regclass);
INSERT INTO sales VALUES (30004, current_date, 1, 1.5);
SELECT * FROM chosen('daily');

-- ---- what makes a view not fit for delta, or keys, or either
CREATE TABLE lines (sale int, line int, text text, PRIMARY KEY (sale, line)) WITH (autovacuum_enabled = off);
INSERT INTO lines SELECT i, j, 'line ' || j FROM generate_series(1, 200) i, generate_series(1, 2) j;
ANALYZE;
CREATE FUNCTION shape(query text, change text DEFAULT 'UPDATE sales SET amount = amount + 1 WHERE id = 1')
RETURNS TABLE (method text, possible boolean, chosen boolean, reason text) LANGUAGE plpgsql AS $$
DECLARE
    view regclass;
    was text;
    refreshed text;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shaped AS ' || query;
    view := to_regclass('shaped');
    PERFORM refresh_mv.track(view);
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    EXECUTE change;
    RETURN QUERY SELECT e.method, e.possible, e.chosen, e.reason FROM refresh_mv.explain(view) e
        WHERE e.method IN ('delta', 'keys') OR (e.method = 'full' AND e.chosen);
    SELECT e.method INTO was FROM refresh_mv.explain(view) e WHERE e.chosen;
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method INTO refreshed FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1;
    IF refreshed <> was OR check_view(view) > 0 THEN
        RAISE EXCEPTION '% was chosen, % was done, % differences', was, refreshed, check_view(view);
    END IF;
    DROP MATERIALIZED VIEW shaped;
END $$;
SELECT * FROM shape('SELECT id, amount FROM sales');
SELECT * FROM shape('SELECT product, string_agg(id::text, '','' ORDER BY id) FROM sales GROUP BY product');
SELECT * FROM shape('SELECT amount, count(*) FROM sales GROUP BY amount');
SELECT * FROM shape('SELECT product, day, count(*) FROM sales GROUP BY ROLLUP (product, day)');
SELECT * FROM shape('SELECT id, amount FROM sales ORDER BY id LIMIT 5');
SELECT * FROM shape('SELECT product, count(*), (SELECT max(name) FROM products p WHERE p.id = s.product) FROM sales s GROUP BY product');
SELECT * FROM shape('SELECT product, count(*) FROM sales GROUP BY product ORDER BY 1 LIMIT (SELECT 3)');
SELECT * FROM shape('SELECT product, rank() OVER (PARTITION BY product ORDER BY id) FROM sales');
SELECT * FROM shape('SELECT rank() OVER (ORDER BY id) FROM sales');
SELECT * FROM shape('SELECT 1 AS one FROM sales');
SELECT * FROM shape('SELECT product, regr_slope(id, product) FROM sales GROUP BY product');
SELECT * FROM shape('SELECT id FROM sales UNION SELECT sale FROM lines');
SELECT * FROM shape('SELECT count(*) FROM (SELECT * FROM sales ORDER BY id LIMIT 5) s');
SELECT * FROM shape('SELECT product, count(*) FROM sales WHERE amount > (SELECT avg(sale) FROM lines) GROUP BY product',
                    'UPDATE lines SET sale = sale + 1000 WHERE sale = 7');
SELECT * FROM shape('SELECT s.id, coalesce(q.name, ''none'') AS name FROM sales s LEFT JOIN (SELECT id, coalesce(name, ''?'') AS name FROM products) q'
                    ' ON q.id = s.product WHERE coalesce(q.name, ''x'') <> ''y''', 'UPDATE products SET name = ''new'' WHERE id = 1');
SELECT * FROM shape('SELECT day, max(amount) FROM sales GROUP BY day');
-- a part of a partitioned table
CREATE TABLE parted (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
INSERT INTO parted SELECT i, i % 5 FROM generate_series(0, 99) i;
ANALYZE parted;
SELECT * FROM shape('SELECT n, count(*) FROM parted_1 GROUP BY n', 'UPDATE parted SET n = 1 WHERE id = 2');
SELECT * FROM shape('SELECT n, count(*) FROM parted GROUP BY n', 'UPDATE parted SET n = 1 WHERE id = 3');

-- ---- what makes a view not fit to be tracked, and what helps
CREATE FUNCTION untrackable(query text) RETURNS TABLE (reason text, advice text, chosen text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shaped AS ' || query;
    RETURN QUERY SELECT e.reason, e.advice, (SELECT c.method FROM chosen(to_regclass('shaped')) c)
        FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'delta';
    DROP MATERIALIZED VIEW shaped;
END $$;
CREATE FUNCTION volatile_one(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION stable_one(int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE TABLE keyless (a int, b int) WITH (autovacuum_enabled = off);
INSERT INTO keyless SELECT i, i % 3 FROM generate_series(1, 100) i;
CREATE TABLE nullable (a int UNIQUE, b int) WITH (autovacuum_enabled = off);
CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY) WITH (autovacuum_enabled = off);
CREATE TABLE keyless_parts (a int) PARTITION BY LIST (a);
SELECT * FROM untrackable('SELECT volatile_one(id) FROM sales');
SELECT * FROM untrackable('SELECT stable_one(id) FROM sales');
SELECT * FROM untrackable('SELECT random() FROM sales');
SELECT * FROM untrackable('SELECT id FROM sales WHERE day > CURRENT_DATE - 7');
SELECT * FROM untrackable('SELECT id, now() AS at FROM sales');
SELECT * FROM untrackable('SELECT CURRENT_USER AS me FROM sales');
SELECT * FROM untrackable('SELECT id FROM sales TABLESAMPLE BERNOULLI (10)');
SELECT * FROM untrackable('SELECT ctid::text AS place FROM sales');
SELECT * FROM untrackable('SELECT relname FROM pg_class');
SELECT * FROM untrackable('SELECT a FROM keyless');
ANALYZE keyless;
SELECT * FROM untrackable('SELECT a FROM keyless');
SELECT * FROM untrackable('SELECT a FROM nullable');
SELECT * FROM untrackable('SELECT a FROM unlogged');
SELECT * FROM untrackable('SELECT a FROM keyless_parts');
-- advice can be taken as it is
CREATE MATERIALIZED VIEW v1 AS SELECT a FROM keyless;
CREATE MATERIALIZED VIEW v2 AS SELECT a FROM nullable;
CREATE MATERIALIZED VIEW v3 AS SELECT a FROM unlogged;
CREATE MATERIALIZED VIEW v4 AS SELECT volatile_one(id) FROM sales;
SELECT string_agg(r.statement, '; ' ORDER BY v.view) AS statements
FROM unnest('{v1,v2,v3,v4}'::regclass[]) v (view), refresh_mv.remedies(v.view) r WHERE r.statement LIKE 'ALTER%' \gset
:statements;
SELECT view_name, tracked FROM unnest('{v1,v2,v3,v4}'::regclass[]) v (view), refresh_mv.track(v.view) ORDER BY 1;
DROP MATERIALIZED VIEW v1, v2, v3, v4;

-- ---- the index of which a change of another table is in need; from 19 on the full query
-- costs less (it groups before it joins)
CREATE MATERIALIZED VIEW by_name AS SELECT p.name, s.day, sum(s.amount) AS amount FROM sales s JOIN products p ON p.id = s.product GROUP BY 1, 2;
INSERT INTO sales SELECT i, current_date - i / 100, i % 5000, i FROM generate_series(100001, 180000) i;
INSERT INTO products SELECT i, 'p' || i FROM generate_series(50, 4999) i;
SELECT refresh_type FROM refresh_materialized_views(views => '{by_name}');
ANALYZE sales, products, by_name;
SET refresh_mv.exact_cost_limit = 2;
SELECT refresh_mv.track('by_name');
SELECT * FROM chosen('by_name');
UPDATE products SET name = 'new name' WHERE id = 4711;
SELECT * FROM chosen('by_name');
SELECT e.method, e.advice FROM explained('by_name') e WHERE e.advice IS NOT NULL;
-- refused for its costs, it needs the index most
SET refresh_mv.exact_cost_limit = 0.01;
UPDATE products SET name = 'another name' WHERE id = 4712;
SELECT method, possible, reason, advice LIKE '%CREATE INDEX ON suite.sales (product)%' AS advised
FROM refresh_mv.explain('by_name') WHERE method = 'delta';
SET refresh_mv.exact_cost_limit = 2;
SELECT string_agg(r.statement, '; ') AS statements FROM refresh_mv.remedies('by_name') r WHERE r.statement LIKE 'CREATE INDEX%' \gset
:statements;
SELECT e.method, e.advice FROM explained('by_name') e WHERE e.advice IS NOT NULL;
UPDATE products SET name = 'newer name' WHERE id = 4711;
SELECT * FROM explained('by_name');
SELECT * FROM chosen('by_name');
SELECT check_view('by_name');
SET refresh_mv.exact_cost_limit = 1e9;

-- ---- details: anchor, state, queries
CREATE MATERIALIZED VIEW small AS
SELECT p.name, count(*) AS n, sum(s.amount) AS amount, max(s.amount) AS most, count(DISTINCT s.day) AS days
FROM sales s JOIN products p ON p.id = s.product GROUP BY p.name;
SELECT refresh_mv.track('small');
SELECT refresh_type FROM refresh_materialized_views_smart('{small}');
UPDATE sales SET amount = amount WHERE id = 1;
UPDATE sales SET amount = amount + 1 WHERE id = 1;
SELECT method, unqualified(regexp_replace(details, 'cost \d+', 'cost N', 'g')) AS details FROM refresh_mv.explain('small', verbose => true)
WHERE method IN ('skip', 'delta', 'full');
SELECT method, details FROM refresh_mv.explain('daily', verbose => true) WHERE method = 'rebuild';

-- ---- several right answers
CREATE FUNCTION ambiguity(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shaped AS ' || query || ' WITH NO DATA';
    SELECT e.advice INTO found FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'full';
    DROP MATERIALIZED VIEW shaped;
    RETURN substr(found, strpos(found, 'another: ') + 9);
END $$;
SELECT query, ambiguity(query) FROM unnest(ARRAY[
    'SELECT sum(id::float) FROM sales', 'SELECT max(id::float) FROM sales', 'SELECT array_agg(id) FROM sales',
    'SELECT array_agg(id ORDER BY id) FROM sales', 'SELECT id FROM sales LIMIT 3',
    'SELECT product, count(*) FROM sales GROUP BY product ORDER BY product LIMIT 3',
    'SELECT DISTINCT ON (product) product, id FROM sales', 'SELECT DISTINCT amount FROM sales', 'SELECT amount FROM sales GROUP BY amount',
    'SELECT row_number() OVER (ORDER BY product) FROM sales', 'SELECT product, sum(amount) FROM sales GROUP BY product']) query;

-- ---- rights, and nothing is changed
GRANT SELECT ON small TO refresh_mv_reader;
SET ROLE refresh_mv_reader;
SELECT count(*) FROM refresh_mv.explain('small', true);
SELECT method, details LIKE '%-- refresh_mv_partials_now%' AS with_queries, details LIKE 'anchor: %' AS with_anchor
FROM refresh_mv.explain('small', true) WHERE method = 'delta';
SET ROLE refresh_mv_other;
SELECT count(*) FROM refresh_mv.explain('small');
RESET ROLE;
SELECT * FROM refresh_mv.explain('sales');
SELECT * FROM refresh_mv.explain(NULL);
SELECT * FROM refresh_mv.explain('small', NULL);
BEGIN READ ONLY;
SELECT count(*) FROM refresh_mv.explain('small', true);
SELECT DISTINCT mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND c.relnamespace IN ('suite'::regnamespace, 'refresh_mv'::regnamespace);
ROLLBACK;
-- a view whose query cannot be planned any more
CREATE TABLE gone (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW broken AS SELECT id FROM gone;
GRANT SELECT ON broken TO refresh_mv_reader;
GRANT CREATE ON SCHEMA suite TO refresh_mv_other;
ALTER MATERIALIZED VIEW broken OWNER TO refresh_mv_other;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('broken');
SET ROLE refresh_mv_reader;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('broken') WHERE method = 'full';
RESET ROLE;
GRANT SELECT ON gone TO refresh_mv_other;
SELECT reason, advice FROM refresh_mv.explain('broken') WHERE method = 'delta';
-- names that would like to be commands
CREATE TABLE "a'; --
DROP TABLE gone" ("x'
; DROP TABLE gone" int);
CREATE MATERIALIZED VIEW "v'; --
DROP TABLE gone" AS SELECT "x'
; DROP TABLE gone" FROM "a'; --
DROP TABLE gone";
SELECT advice FROM refresh_mv.explain('"v''; --
DROP TABLE gone"') WHERE method = 'delta';
SELECT string_agg(r.statement, '; ') AS statements FROM refresh_mv.remedies('"v''; --
DROP TABLE gone"') r \gset
:statements;
SELECT to_regclass('gone') IS NOT NULL AS still_there;

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_reader, refresh_mv_other;
