CALL helpers.begin_suite();
-- refresh_mv.refresh_where(): the rows that satisfy a condition.
CREATE TABLE source (region text, shop int, day date, state text, n int);
INSERT INTO source SELECT CASE WHEN s % 2 = 0 THEN 'north' ELSE 'south' END, s, date '2020-01-01' + d, CASE WHEN d % 2 = 0 THEN 'open' END, d
FROM generate_series(1, 10) s, generate_series(0, 9) d;
CREATE MATERIALIZED VIEW sums AS SELECT region, shop, state, sum(n), count(*) FROM source GROUP BY region, shop, state;

-- Changes all of the source, refreshes by a condition and tells what it gave:
-- counts, what is wrong inside of the condition, and what was written outside.
CREATE FUNCTION try_where(view regclass, condition text, OUT inserted bigint, OUT updated bigint, OUT deleted bigint, OUT wrong_inside bigint, OUT written_outside bigint, OUT stale_outside boolean)
LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE source;
    INSERT INTO source SELECT CASE WHEN s % 2 = 0 THEN 'north' ELSE 'south' END, s, date '2020-01-01' + d, CASE WHEN d % 2 = 0 THEN 'open' END, d
    FROM generate_series(1, 10) s, generate_series(0, 9) d;
    EXECUTE format('REFRESH MATERIALIZED VIEW %s', view);
    UPDATE source SET n = n + 1;
    EXECUTE format('DROP TABLE IF EXISTS outside; CREATE TEMP TABLE outside AS SELECT ctid AS tid, xmin::text AS xid FROM %s WHERE (%s) IS NOT TRUE', view, condition);
    SELECT * FROM refresh_mv.refresh_where(view, condition) INTO inserted, updated, deleted;
    wrong_inside := check_view(view, condition);
    EXECUTE format('SELECT count(*) FROM (TABLE outside EXCEPT SELECT ctid, xmin::text FROM %s WHERE (%s) IS NOT TRUE) d', view, condition) INTO written_outside;
    stale_outside := check_view(view, format('(%s) IS NOT TRUE', condition)) > 0;
END $$;
-- 10 shops and 2 states: 20 groups.
SELECT condition, t.* FROM unnest(ARRAY[
    $$shop = 3$$, $$region = 'north'$$, $$region = 'north' AND shop > 6$$, $$shop BETWEEN 2 AND 4$$, $$shop IN (1, 5, 99)$$,
    $$shop = ANY ('{2,3}')$$, $$state IS NULL$$, $$state IS NOT NULL AND shop = 1$$, $$state = 'open' OR shop = 2$$, $$NOT (shop < 9)$$,
    $$shop % 3 = 0$$, $$upper(region) = 'NORTH'$$, $$region LIKE 's%'$$, $$coalesce(state, 'none') = 'none'$$, $$shop = 99$$,
    $$shop = 3 AND shop = 4$$, $$shop IS NOT NULL$$, $$(region, shop) = ('south', 7)$$,
    $$CASE WHEN region = 'north' THEN shop = 2 ELSE shop = 1 END$$, $$shop = length('abc')$$,
    E'shop = 3 /* and\nmore */', $$region COLLATE "C" > 'o'$$, $$shop <> 3 IS TRUE$$, $$state = 'open' IS UNKNOWN$$, $$(shop = 1) OR (shop = 2)$$
    ]) condition, try_where('sums', condition) t;

-- The plain view, without groups or keys: rows are exchanged.
CREATE MATERIALIZED VIEW rows AS SELECT shop, day, n FROM source;
SELECT condition, t.* FROM unnest(ARRAY[$$shop = 3$$, $$day = '2020-01-04'$$, $$day >= '2020-01-08' AND n < 9$$, $$extract(isodow FROM day) = 6$$]) condition, try_where('rows', condition) t;
-- Groups come, change and go.
SELECT try_where('sums', 'shop = 3');
DELETE FROM source WHERE shop = 3 AND state = 'open' OR shop = 4;
INSERT INTO source VALUES ('south', 3, '2020-01-01', 'closed', 5), ('west', 11, '2020-01-01', 'open', 1);
UPDATE source SET n = n + 1 WHERE shop = 3 AND state IS NULL;
SELECT * FROM refresh_mv.refresh_where('sums', 'shop = 3');
SELECT * FROM refresh_mv.refresh_where('sums', $$region = 'west'$$);
SELECT check_view('sums', 'shop = 3 OR shop = 11'), check_view('sums', 'shop = 4') AS still_there;
-- What is right is not written.
SELECT remember('sums');
SELECT * FROM refresh_mv.refresh_where('sums', 'shop = 3');
SELECT rows_written('sums'), rows_gone('sums');
SELECT view, mode, method, reason, rows_unchanged, source, success FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history);

-- A unique index.  A row that moves out of the condition leaves the view, and
-- comes back by a refresh of where it went.
CREATE TABLE item (id int, place text, n int);
INSERT INTO item SELECT g, CASE WHEN g <= 5 THEN 'a' ELSE 'b' END, g FROM generate_series(1, 10) g;
CREATE MATERIALIZED VIEW items AS SELECT id, place, n FROM item;
CREATE UNIQUE INDEX ON items (id);
CREATE VIEW last_run AS SELECT mode, method, reason, rows_inserted, rows_updated, rows_deleted, success FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history);
UPDATE item SET place = 'b' WHERE id = 1;
SELECT * FROM refresh_mv.refresh_where('items', $$place = 'a'$$);
SELECT count(*) FROM items WHERE id = 1;
SELECT * FROM refresh_mv.refresh_where('items', $$place = 'b'$$);
TABLE last_run;
SELECT check_view('items');
-- One that moves into it meets its old version: the whole view is refreshed.
UPDATE item SET place = 'a' WHERE id = 10;
UPDATE item SET n = 0 WHERE id = 7;
SELECT * FROM refresh_mv.refresh_where('items', $$place = 'a'$$);
TABLE last_run;
SELECT check_view('items');
-- Values of the unique column that are exchanged inside of the condition.
UPDATE item SET id = CASE id WHEN 2 THEN 3 ELSE 2 END WHERE id IN (2, 3);
SELECT * FROM refresh_mv.refresh_where('items', $$place = 'a'$$);
TABLE last_run;
SELECT check_view('items');
-- Exchanged with a row outside: whole again.
UPDATE item SET id = CASE id WHEN 4 THEN 6 ELSE 4 END WHERE id IN (4, 6);
SELECT * FROM refresh_mv.refresh_where('items', $$place = 'a'$$);
TABLE last_run;
SELECT check_view('items');
-- A duplicate that is in the data fails, and leaves the view as it was.
INSERT INTO item VALUES (5, 'a', 55);
SELECT remember('items');
SELECT refresh_mv.refresh_where('items', $$place = 'a'$$);
SELECT rows_written('items'), rows_gone('items');
DELETE FROM item WHERE n = 55;

-- Names that need quotes, and a column that is called as the view or a keyword.
CREATE MATERIALIZED VIEW "Odd ""View""" AS SELECT shop AS "Shop Id", region AS "select", day AS "Odd ""View""", sum(n) AS "sum;" FROM source GROUP BY 1, 2, 3;
UPDATE source SET n = n + 1;
SELECT * FROM refresh_mv.refresh_where('"Odd ""View"""', $$"Shop Id" = 5 AND "select" = 'south' AND "Odd ""View""" = '2020-01-02'$$);
SELECT check_view('"Odd ""View"""', $$"Shop Id" = 5 AND "select" = 'south' AND "Odd ""View""" = '2020-01-02'$$);
-- The view's own name before a column, with and without its schema; a comment
-- or a semicolon at the end.
SELECT c, r.* FROM unnest(ARRAY['sums.shop = 1', 'suite.sums.shop = 2', E'shop = 4 --', 'shop = 6;']) c, refresh_mv.refresh_where('sums', c) r;
SELECT check_view('sums', 'shop IN (1, 2, 4, 6)');
-- Functions and operators are found by the caller's search_path.
CREATE FUNCTION plus_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION twice(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = 2 * $2';
CREATE OPERATOR === (FUNCTION = twice, LEFTARG = int, RIGHTARG = int);
SELECT * FROM refresh_mv.refresh_where('sums', 'shop = plus_one(6)');
SELECT * FROM refresh_mv.refresh_where('sums', 'shop === 4');
SELECT check_view('sums', 'shop IN (7, 8)');
-- The caller's search_path finds the view, and does not matter for its query.
SET search_path = pg_catalog;
SELECT * FROM refresh_mv.refresh_where('suite.sums', $$shop = 5$$);
SET search_path = suite, helpers, public;
SELECT check_view('sums', 'shop = 5');
-- Through other views, CTEs and set operations.
CREATE VIEW between AS SELECT region, shop, n FROM source;
CREATE MATERIALIZED VIEW deep AS
    SELECT region, shop, n FROM (WITH w AS (SELECT region, shop, sum(n) AS n FROM between GROUP BY 1, 2) SELECT * FROM w) s
    UNION ALL SELECT region || '!', shop, sum(n) FROM between GROUP BY region || '!', shop;
UPDATE source SET n = n + 1;
SELECT * FROM refresh_mv.refresh_where('deep', $$shop = 5$$);
SELECT check_view('deep', 'shop = 5'), check_view('deep', 'shop <> 5') > 0 AS stale_outside;
SELECT * FROM refresh_mv.refresh_where('deep', $$region = 'north!'$$);
SELECT check_view('deep', $$region = 'north!'$$);
-- Undone with its transaction.
BEGIN;
SELECT * FROM refresh_mv.refresh_where('rows', 'shop = 1');
ROLLBACK;
SELECT check_view('rows', 'shop = 1') > 0 AS stale;
-- refresh_mv.skip_refresh: nothing.
SET refresh_mv.skip_refresh = on;
SELECT * FROM refresh_mv.refresh_where('rows', 'shop = 1');
RESET refresh_mv.skip_refresh;
SELECT check_view('rows', 'shop = 1') > 0 AS stale;
DROP SCHEMA suite CASCADE;
