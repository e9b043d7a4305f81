CALL helpers.begin_suite();
-- Views whose rows are the joined rows: what they gain and lose is written as the terms have it (incremental/keys.cpp,
-- merge/diff.cpp).

-- Refreshes all views: the method of each, the rows inserted, updated and deleted, and how many differ.
CREATE FUNCTION smart(OUT view text, OUT method text, OUT rows text, OUT differences bigint) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart();
    RETURN QUERY SELECT h.view_name, h.method, format('+%s %s -%s', h.rows_inserted, h.rows_updated, h.rows_deleted),
            check_view(format('%I', h.view_name)::regclass)
        FROM refresh_mv.journal h WHERE h.run = (SELECT max(run) FROM refresh_mv.journal) AND h.method <> 'skip'
        ORDER BY h.view_name;
END $$;

CREATE TABLE t (id int PRIMARY KEY, k int, a int, b int, n numeric, long text);
CREATE TABLE s (id int PRIMARY KEY, k int, x int);
INSERT INTO t SELECT i, i % 7, i, 100 - i, i, (SELECT string_agg(md5((i * 100 + j)::text), '') FROM generate_series(1, 100) j)
    FROM generate_series(1, 60) i;
INSERT INTO s SELECT i, i % 10, i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW as_it_is AS SELECT * FROM t;
CREATE UNIQUE INDEX ON as_it_is (id);
CREATE MATERIALIZED VIEW duplicates AS SELECT k, k % 2 AS odd FROM t;
CREATE MATERIALIZED VIEW joined AS SELECT t.id, s.id AS s, t.n * s.x AS nx FROM t JOIN s ON s.k = t.k;
CREATE UNIQUE INDEX ON joined (id, s);
CREATE MATERIALIZED VIEW nullable AS SELECT nullif(k, 3) AS k, nullif(id, 5) AS id, b FROM t;
CREATE UNIQUE INDEX ON nullable (id);
CREATE MATERIALIZED VIEW sums AS SELECT id, a + b AS ab FROM t WHERE a > 10;
CREATE UNIQUE INDEX ON sums (id);
SELECT count(*) FROM refresh_mv.track();
SELECT count(*) FROM refresh_materialized_views_smart();

-- Updated in place, not so where an indexed column is another; equal and not the same.
UPDATE t SET n = n + 0.5 WHERE id = 1;
SELECT * FROM smart();
UPDATE t SET n = 2.00 WHERE id = 2;
SELECT * FROM smart();
UPDATE t SET id = -4 WHERE id = 4;
SELECT * FROM smart();
-- A long value that stays is not written again.
SELECT pg_relation_size(reltoastrelid) AS size FROM pg_class WHERE oid = 'as_it_is'::regclass \gset
UPDATE t SET b = b + 1;
SELECT * FROM smart();
SELECT pg_relation_size(reltoastrelid) = :size AS kept FROM pg_class WHERE oid = 'as_it_is'::regclass;
-- What the view computes stays; what satisfies its condition comes and goes.
UPDATE t SET a = a + 1, b = b - 1 WHERE id BETWEEN 20 AND 30;
UPDATE t SET a = 5 WHERE id = 40;
UPDATE t SET a = 50 WHERE id = 9;
SELECT * FROM smart();
-- NULL in the unique index, one that becomes and one that was.
UPDATE t SET id = 105 WHERE id = 5;
UPDATE t SET id = 5 WHERE id = 6;
SELECT * FROM smart();
UPDATE t SET k = 3 WHERE id IN (5, 7);
SELECT * FROM smart();
-- As many of one image as before, more, fewer.
UPDATE t SET k = (k + 1) % 7;
SELECT * FROM smart();
INSERT INTO t SELECT i, 2, i, i, 0 FROM generate_series(200, 205) i;
DELETE FROM t WHERE k = 4;
SELECT * FROM smart();
-- Both tables change: rows that were there in neither state come up with both signs.
DELETE FROM t WHERE id BETWEEN 10 AND 15;
INSERT INTO s SELECT i, i % 10, i FROM generate_series(21, 40) i;
UPDATE t SET k = 8 WHERE id = 16;
UPDATE s SET k = 8, x = -x WHERE id IN (1, 2, 21);
DELETE FROM s WHERE id = 3;
SELECT * FROM smart();
TABLE joined ORDER BY id, s LIMIT 3;
-- Of a materialized view, which has no key.
CREATE MATERIALIZED VIEW above AS SELECT d.k, s.x FROM duplicates d JOIN s ON s.k = d.k;
SELECT tracked FROM refresh_mv.track('above');
SELECT * FROM smart();
UPDATE t SET k = 5 WHERE id IN (200, 201);
UPDATE s SET x = 0 WHERE id IN (5, 25);
SELECT * FROM smart();

-- A row that was lost, and is not there, since a function lies: all is computed anew.
CREATE TABLE hidden AS SELECT 0 AS n;
CREATE FUNCTION liar(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + (SELECT n FROM suite.hidden); END';
CREATE MATERIALIZED VIEW lied AS SELECT id, liar(a) AS a FROM t;
SELECT tracked FROM refresh_mv.track('lied');
SELECT success FROM refresh_materialized_views_smart('{lied}');
UPDATE hidden SET n = 1;
UPDATE t SET a = 0 WHERE id = 20;
SELECT * FROM smart();
SELECT substring(reason FROM 'but .*') FROM refresh_mv.history WHERE view = 'suite.lied' ORDER BY started DESC LIMIT 1;
DROP MATERIALIZED VIEW lied;

-- Keys are looked up in their order, from one to the next: with gaps, of all widths, in an index that runs backwards,
-- and where none of them is there.
CREATE TABLE small (id smallint PRIMARY KEY, x int);
CREATE TABLE large (id bigint PRIMARY KEY, x int);
CREATE TABLE backwards (id int NOT NULL, x int);
CREATE UNIQUE INDEX backwards_id ON backwards (id DESC);
ALTER TABLE backwards REPLICA IDENTITY USING INDEX backwards_id;
INSERT INTO small SELECT i * 3, i FROM generate_series(-300, 300) i;
INSERT INTO large SELECT i * 30000000000, i FROM generate_series(-300, 300) i;
INSERT INTO backwards SELECT i * 3, i FROM generate_series(-300, 300) i;
ANALYZE small, large, backwards;
CREATE MATERIALIZED VIEW of_small AS SELECT * FROM small;
CREATE MATERIALIZED VIEW of_large AS SELECT * FROM large;
CREATE MATERIALIZED VIEW of_backwards AS SELECT * FROM backwards;
SELECT count(*) FROM refresh_mv.track() WHERE tracked;
SELECT * FROM smart() WHERE method <> 'keys' AND view ~ '^of_' OR differences > 0;
CREATE FUNCTION change(name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE %s SET x = x + 1000 WHERE x %% 4 = 0', name);
    EXECUTE format('DELETE FROM %s WHERE x %% 7 = 0', name);
    EXECUTE format('UPDATE %s SET id = id + 1 WHERE x %% 5 = 0', name);
    EXECUTE format('UPDATE %s SET id = id - 1, x = -x WHERE x %% 15 = 0', name);
END $$;
SELECT change('small'), change('large'), change('backwards');
SELECT * FROM smart();
DELETE FROM small WHERE id > 0;
DELETE FROM large WHERE id < 0;
UPDATE backwards SET x = x + 1;
SELECT * FROM smart();
TRUNCATE small;
INSERT INTO large SELECT i, i FROM generate_series(1001, 1300) i;
DELETE FROM backwards;
INSERT INTO backwards SELECT i, i FROM generate_series(1, 900) i;
SELECT * FROM smart();
