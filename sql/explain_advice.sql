CALL helpers.begin_suite();
-- What refresh_mv.explain() advises can be run as it is, and does what it promises.
\pset format unaligned
\pset footer off
CREATE ROLE refresh_mv_owner;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_owner;

-- Runs the statements that are advised of a view, but for comments.
CREATE FUNCTION follow(view regclass, wanted text DEFAULT '', OUT statement text, OUT reason text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    FOR statement, reason IN SELECT r.statement, masked(r.reason) FROM refresh_mv.remedies(view) r
            WHERE r.statement NOT LIKE '--%' AND starts_with(r.statement, wanted) LOOP
        EXECUTE statement;
        RETURN NEXT;
    END LOOP;
END $$;

-- ---- what makes tracking possible
CREATE TABLE t (id int PRIMARY KEY, n int);
INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
CREATE TABLE likely (note text, code int, n int);
INSERT INTO likely SELECT 'same', i, i % 7 FROM generate_series(1, 300) i;
CREATE TABLE unlikely (id int, id2 int, n int);
INSERT INTO unlikely SELECT 1, 1, i % 5 FROM generate_series(1, 20) i;
CREATE TABLE nullable (a int, b int, "c c" int, n int, UNIQUE (a, "c c"), UNIQUE (b) DEFERRABLE);
INSERT INTO nullable SELECT i, i, i, 1 FROM generate_series(1, 10) i;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, n int);
CREATE TABLE parted (id int, at int, n int) PARTITION BY LIST (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE FUNCTION volatile_one(int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION stable_one("odd name" text, int[]) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
ANALYZE t, likely, unlikely, nullable, unlogged, parted;
-- Follows advice until there is no more: says what was run, and whether the view is tracked.
CREATE FUNCTION helped(query text, owner name DEFAULT 'postgres', OUT statements text, OUT tracked boolean, OUT skip text) LANGUAGE plpgsql AS $$
DECLARE
    view regclass;
    line record;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW helped AS ' || query;
    EXECUTE format('ALTER MATERIALIZED VIEW helped OWNER TO %I', CASE owner WHEN 'postgres' THEN current_user ELSE owner END);
    view := to_regclass('helped');
    FOR i IN 1..4 LOOP
        FOR line IN SELECT * FROM follow(view) LOOP
            statements := concat_ws('; ', statements, line.statement);
        END LOOP;
    END LOOP;
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT s.tracked INTO helped.tracked FROM refresh_mv.status s WHERE s.name = 'helped';
    SELECT e.reason INTO skip FROM refresh_mv.explain(view) e WHERE e.method = 'skip' AND e.chosen;
    PERFORM check_explained(view);
    DROP MATERIALIZED VIEW helped;
END $$;
SELECT query, h.* FROM unnest(ARRAY['SELECT n, count(*) FROM t GROUP BY n', 'SELECT n, count(*) FROM likely GROUP BY n', 'SELECT n, count(*) FROM unlikely GROUP BY n',
    'SELECT n, count(*) FROM nullable GROUP BY n', 'SELECT n, count(*) FROM unlogged GROUP BY n', 'SELECT volatile_one() AS v, count(*) FROM t',
    'SELECT stable_one(''x'', ''{}'') AS v, count(*) FROM t']) query, helped(query) h;
-- a right that the owner lacks
GRANT SELECT ON t TO refresh_mv_owner;
SELECT h.* FROM helped('SELECT n, count(*) FROM t GROUP BY n', 'refresh_mv_owner') h;
-- what no statement helps against
SELECT query, r.* FROM unnest(ARRAY['SELECT now() AS now, count(*) FROM t', 'SELECT n, count(*) FROM parted GROUP BY n']) query,
    LATERAL (SELECT h.tracked, h.statements FROM helped(query) h) r;
CREATE MATERIALIZED VIEW of_parted AS SELECT n, count(*) FROM parted GROUP BY n;
SELECT statement, reason FROM refresh_mv.remedies('of_parted');
ALTER TABLE parted ADD PRIMARY KEY (id, at);
SELECT * FROM follow('of_parted');
SELECT tracked FROM refresh_mv.status WHERE name = 'of_parted';
DROP MATERIALIZED VIEW of_parted;
-- settings that stand in the way
CREATE TABLE dated (id int PRIMARY KEY, day date, other date);
INSERT INTO dated SELECT i, current_date - i, current_date FROM generate_series(0, 20) i;
ANALYZE dated;
CREATE MATERIALIZED VIEW kept AS SELECT day, max(other) AS other, count(*) FROM dated GROUP BY day;
SELECT refresh_mv.track('kept'), refresh_mv.configure('kept', date_column => 'day', keep_before => '10 days');
SELECT refresh_type FROM refresh_materialized_views_smart('{kept}');
INSERT INTO dated VALUES (100, current_date, current_date);
SELECT * FROM follow('kept');
SELECT * FROM smart('kept');
ALTER MATERIALIZED VIEW kept RENAME COLUMN day TO date;
SELECT * FROM follow('kept');
SELECT possible FROM refresh_mv.explain('kept') WHERE method = 'window';
DROP MATERIALIZED VIEW kept;

-- ---- indexes
-- What a method costs under a premise in words, as explained: that of an exact one after a
-- change of a table stands among the details.
CREATE FUNCTION cost_of(view regclass, premise text) RETURNS float LANGUAGE sql AS $$
    SELECT CASE WHEN premise LIKE 'the last % days' THEN max(e.cost) FILTER (WHERE e.method = 'window')
                ELSE max(substring(e.details FROM regexp_replace(premise, '^.* after ', '') || ': cost (\d+)')::float) END
    FROM refresh_mv.explain(view, true) e
$$;

-- Creates the indexes that are advised of a view, changes something, and refreshes it.  What
-- is promised of each has to come true: the cost is a fifth less at least, and about the one
-- that was told; and the refresh reads one of its indexes.
CREATE FUNCTION indexed(view regclass, change text, OUT statement text, OUT promise text, OUT kept text, OUT done text, OUT used bigint)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    indexes oid[] := ARRAY(SELECT indexrelid FROM pg_index);
    line record;
    premise text;
    before float;
    after float;
    promised float;
BEGIN
    PERFORM refresh_materialized_views_smart();
    FOR line IN SELECT r.* FROM refresh_mv.remedies(view) r WHERE r.statement LIKE 'CREATE INDEX %' LOOP
        premise := regexp_replace(line.reason, ': costs .*', '');
        promised := substring(line.reason FROM 'costs (\d+) instead')::float;
        before := substring(line.reason FROM 'instead of (\d+)')::float;
        EXECUTE line.statement;
        after := cost_of(view, premise);
        statement := line.statement;
        promise := masked(line.reason);
        kept := CASE WHEN after > 0.8 * before THEN format('%s, %s was promised, %s is', before, promised, after)
                     WHEN after NOT BETWEEN 0.7 * promised AND 1.3 * promised THEN format('%s was promised, %s is', promised, after)
                     ELSE 'yes' END;
        RETURN NEXT;
    END LOOP;
    statement := NULL;
    promise := NULL;
    kept := NULL;
    EXECUTE change;
    IF (SELECT e.chosen FROM refresh_mv.explain(view) e WHERE e.method = 'window') THEN
        PERFORM refresh_materialized_views_smart(ARRAY[view]);
        SELECT j.method INTO done FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    ELSE
        SELECT format('%s: %s', s.method, s.reason) INTO done FROM smart(view) s;
    END IF;
    SELECT count(*) INTO used FROM pg_index WHERE indexrelid <> ALL (indexes) AND pg_stat_get_xact_numscans(indexrelid) > 0;
    RETURN NEXT;
END $$;
CREATE TABLE sales (id int PRIMARY KEY, day date NOT NULL, product int NOT NULL, shop int NOT NULL, amount int NOT NULL, pad text);
INSERT INTO sales SELECT i, current_date - i / 200, i % 2000, i % 300, i % 97, repeat('x', 60) FROM generate_series(0, 39999) i;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO products SELECT i, 'p' || i FROM generate_series(0, 1999) i;
CREATE TABLE parts (id int, product int NOT NULL, amount int, pad text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (20000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (20000) TO (40000);
INSERT INTO parts SELECT i, i % 2000, i % 97, repeat('x', 60) FROM generate_series(0, 39999) i;
CREATE MATERIALIZED VIEW daily AS SELECT day, sum(amount) AS amount FROM sales GROUP BY day;
CREATE MATERIALIZED VIEW by_product AS SELECT product, sum(amount) AS amount FROM sales GROUP BY product;
CREATE MATERIALIZED VIEW by_name AS SELECT p.name, sum(s.amount) AS amount FROM sales s JOIN products p ON p.id = s.product GROUP BY p.name;
CREATE MATERIALIZED VIEW of_parts AS SELECT p.name, sum(s.amount) AS amount FROM parts s JOIN products p ON p.id = s.product GROUP BY p.name;
CREATE MATERIALIZED VIEW of_rows AS SELECT s.id, s.product, p.name, s.amount, s.pad FROM sales s JOIN products p ON p.id = s.product;
CREATE MATERIALIZED VIEW above AS SELECT p.name, sum(r.amount) AS amount FROM of_rows r JOIN products p ON p.id = r.product GROUP BY p.name;
CREATE MATERIALIZED VIEW by_expression AS SELECT product % 500 AS part, string_agg(pad, '' ORDER BY id) AS pads, count(*) AS n FROM sales WHERE amount < 3 GROUP BY 1;
VACUUM ANALYZE;
SELECT view_name, tracked FROM refresh_mv.track() WHERE view_name::text <> 'daily' ORDER BY view_name::text;
SELECT refresh_mv.untrack('daily');
SELECT v, (smart(v)).method FROM unnest('{by_product,by_name,of_parts,of_rows,above,by_expression}'::regclass[]) v;
SELECT * FROM indexed('daily', 'UPDATE sales SET amount = amount + 1 WHERE day = current_date');
-- advised all the more where a change was found to be too dear without it
UPDATE products SET name = 'first' WHERE id = 3;
UPDATE refresh_mv.state SET full_ms = 3, exact_rate = 0.01 WHERE view = 'by_name'::regclass;
SET refresh_mv.exact_cost_limit = 1;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('by_name') WHERE method IN ('delta', 'full');
SELECT statement FROM refresh_mv.remedies('by_name');
SET refresh_mv.exact_cost_limit = 1e9;
SELECT * FROM indexed('by_name', 'UPDATE products SET name = ''renamed'' WHERE id = 5');
SELECT * FROM indexed('of_parts', 'UPDATE products SET name = ''renamed again'' WHERE id = 5');
SELECT * FROM indexed('of_rows', 'UPDATE sales SET amount = 7 WHERE id = 1000');
SELECT * FROM indexed('above', 'UPDATE products SET name = ''renamed'' WHERE id = 7');
SELECT * FROM indexed('by_expression', 'UPDATE sales SET pad = ''new'' WHERE id = 1');
SELECT * FROM indexed('by_product', 'UPDATE sales SET amount = 5 WHERE id = 2');
-- once they are there they are not advised any more
SELECT v, r.statement FROM unnest('{daily,by_product,by_name,of_parts,of_rows,above,by_expression}'::regclass[]) v, refresh_mv.remedies(v) r
WHERE r.statement LIKE 'CREATE INDEX%';
SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'suite' AND indexname LIKE '%\_idx' ORDER BY indexdef COLLATE "C";

-- ---- names that would like to be commands
CREATE SCHEMA "it's; --
DROP TABLE suite.victim";
CREATE TABLE victim (id int);
SET search_path = "it's; --
DROP TABLE suite.victim", suite, helpers, public;
CREATE TABLE "a'; --
DROP TABLE suite.victim" ("x'
; DROP TABLE suite.victim; --" int, n int);
INSERT INTO "a'; --
DROP TABLE suite.victim" SELECT i, i % 7 FROM generate_series(1, 200) i;
CREATE TABLE "b*/ -- "" $$" ("k
;" int UNIQUE, n int);
CREATE UNLOGGED TABLE "c'
\\" (id int PRIMARY KEY, n int);
CREATE FUNCTION "f'
;"("p
;" int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
ANALYZE;
CREATE MATERIALIZED VIEW "v'; --
DROP TABLE suite.victim" AS
    SELECT "x'
; DROP TABLE suite.victim; --", "f'
;"(a.n) AS n FROM "a'; --
DROP TABLE suite.victim" a, "b*/ -- "" $$", "c'
\\";
-- What is advised, as one script: nothing but what is meant is run, and comments stay comments.
SELECT e.method, e.advice FROM refresh_mv.explain(to_regclass('"v''; --
DROP TABLE suite.victim"')) e WHERE e.method = 'delta';
SELECT string_agg(e.advice, E'\n') AS advice FROM refresh_mv.explain(to_regclass('"v''; --
DROP TABLE suite.victim"')) e WHERE e.method = 'skip' \gset
:advice
SELECT statement FROM follow(to_regclass('"v''; --
DROP TABLE suite.victim"'));
SELECT tracked FROM refresh_mv.status WHERE name LIKE 'v''%';
SELECT to_regclass('suite.victim') AS victim;
-- a comment
CREATE MATERIALIZED VIEW limited AS SELECT "x'
; DROP TABLE suite.victim; --" FROM "a'; --
DROP TABLE suite.victim" WHERE xmin::text <> '1';
SELECT e.advice FROM refresh_mv.explain(to_regclass('limited')) e WHERE e.method = 'delta';
SELECT string_agg(e.advice, E'\n') AS advice FROM refresh_mv.explain(to_regclass('limited')) e WHERE e.method = 'delta' \gset
:advice
SELECT to_regclass('suite.victim') AS victim;
SET search_path = suite, helpers, public;
DROP SCHEMA "it's; --
DROP TABLE suite.victim" CASCADE;

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_owner;
