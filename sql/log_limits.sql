CALL helpers.begin_suite();
-- The log of changes: what is not logged row by row, when it is given up, and
-- when it is emptied.
CREATE TABLE t (id int PRIMARY KEY, n int, s text);
INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
CREATE MATERIALIZED VIEW v AS TABLE t;
CREATE MATERIALIZED VIEW total AS SELECT count(*), sum(n) FROM t;
CREATE FUNCTION smart(view regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    RETURN (SELECT method || ': ' || reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1);
END $$;
-- What is known of the changes since a view's last refresh.
CREATE VIEW known AS SELECT name, pending_changes, stale, unknown_reason FROM refresh_mv.status
WHERE schema = 'suite' AND tracked ORDER BY name;
SELECT * FROM refresh_mv.track('v');
SELECT smart('v');

-- refresh_mv.max_logged_rows: a statement that changes more rows is logged
-- without them.
SHOW refresh_mv.max_logged_rows;
SET refresh_mv.max_logged_rows = 100;
INSERT INTO t SELECT i, i FROM generate_series(1001, 1100) i;
TABLE known;
SELECT count(*) FROM refresh_mv.changes('v', 't');
DELETE FROM t WHERE id > 1000;
TABLE known;
SELECT smart('v'), check_view('v');
INSERT INTO t SELECT i, i FROM generate_series(1001, 1101) i;
TABLE known;
SELECT count(*) FROM refresh_mv.changes('v', 't');
SELECT smart('v'), check_view('v');
UPDATE t SET n = n + 1 WHERE id <= 50;
TABLE known;
UPDATE t SET n = n + 1 WHERE id <= 200;
TABLE known;
SELECT smart('v'), check_view('v');
SELECT smart('v');
DELETE FROM t WHERE id > 1000;
SELECT smart('v'), check_view('v');
-- It is a matter of the statement, not of the transaction; the change of one row
-- is one too many at 0.
BEGIN;
DELETE FROM t WHERE id <= 80;
INSERT INTO t SELECT i, i FROM generate_series(1, 80) i;
COMMIT;
TABLE known;
SET refresh_mv.max_logged_rows = 0;
UPDATE t SET n = 0 WHERE id = 1;
TABLE known;
SELECT smart('v'), check_view('v');
SET refresh_mv.max_logged_rows = -1;
-- So it is with the changes that a refresh makes in a view that others read.
CREATE MATERIALIZED VIEW over_v AS SELECT count(*), sum(n) FROM v;
SELECT * FROM refresh_mv.track('over_v');
SELECT smart('over_v');
SET refresh_mv.max_logged_rows = 100;
UPDATE t SET n = n + 1 WHERE id <= 10;
SELECT smart('v');
TABLE known;
UPDATE t SET n = n + 1 WHERE id <= 200;
SELECT smart('v');
TABLE known;
SELECT smart('over_v'), check_view('over_v');
SELECT smart('over_v');
DROP MATERIALIZED VIEW over_v;
RESET refresh_mv.max_logged_rows;

-- refresh_mv.max_log_size: now and then a writer looks whether the log of its
-- table has grown too large.  It gives it up for all views.
SHOW refresh_mv.max_log_size;
SELECT * FROM refresh_mv.track('total');
SELECT smart('v'), smart('total');
CREATE FUNCTION is_given_up() RETURNS boolean LANGUAGE sql AS $$
    SELECT count(*) = 1 AND bool_and(reason ~ 'max_log_size') FROM refresh_mv.log WHERE relation = 't'::regclass
$$;
-- Writes, a transaction each, until that has happened.
CREATE PROCEDURE write_until_given_up(commits boolean) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 5000 LOOP
        UPDATE t SET s = repeat(chr(97 + i % 26), 500) WHERE id = 1 + i % 10;
        IF commits THEN COMMIT; END IF;
        EXIT WHEN is_given_up();
    END LOOP;
END $$;
SET refresh_mv.max_log_size = '64kB';
CALL write_until_given_up(true);
SELECT is_given_up();
TABLE known;
SELECT * FROM refresh_mv.changes('v', 't');
UPDATE t SET n = 5 WHERE id = 1;
SELECT smart('v'), check_view('v');
SELECT smart('total'), check_view('total');
SELECT smart('v');
SELECT smart('total');
UPDATE t SET n = n WHERE id = 2;
UPDATE t SET n = 6 WHERE id = 1;
TABLE known;
SELECT key FROM refresh_mv.changes('v', 't');
SELECT key, left(old_row, 5) FROM refresh_mv.changes('total', 't');
SELECT smart('v'), check_view('v');
SELECT smart('total'), check_view('total');
-- If that transaction is rolled back, nothing is given up.
UPDATE t SET n = 7 WHERE id IN (1, 20);
BEGIN;
CALL write_until_given_up(false);
SELECT is_given_up();
TABLE known;
ROLLBACK;
TABLE known;
SELECT key, left(old_row, 5) FROM refresh_mv.changes('total', 't') ORDER BY key;
SELECT smart('v'), check_view('v');
SELECT smart('total'), check_view('total');
-- The log of another table is not touched.
CREATE TABLE other (id int PRIMARY KEY, n int);
INSERT INTO other VALUES (1, 1);
CREATE MATERIALIZED VIEW of_other AS TABLE other;
SELECT * FROM refresh_mv.track('of_other');
SELECT smart('of_other');
UPDATE other SET n = 2;
CALL write_until_given_up(true);
SELECT is_given_up();
SELECT * FROM refresh_mv.changes('of_other', 'other');
SELECT smart('of_other'), check_view('of_other');
SELECT refresh_mv.untrack('of_other');
-- That is so in a long session too, whatever else has made the log's file large.
RESET refresh_mv.max_log_size;
CREATE TABLE bulky (id int PRIMARY KEY, s text);
INSERT INTO bulky SELECT i, repeat(md5(i::text), 32) FROM generate_series(1, 4000) i;
CREATE MATERIALIZED VIEW of_bulky AS TABLE bulky;
SELECT * FROM refresh_mv.track('of_bulky');
SELECT smart('of_bulky');
UPDATE bulky SET s = 'y';
SELECT pg_relation_size('refresh_mv.log') > 3 * 1024 * 1024 AS is_large;
CREATE FUNCTION size_of_entries(source regclass) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(sum(60 + coalesce(octet_length(data), 0)), 0) FROM refresh_mv.log WHERE relation = source
$$;
CREATE PROCEDURE write_and_look(INOUT largest bigint) LANGUAGE plpgsql AS $$
BEGIN
    largest := 0;
    FOR i IN 1 .. 1500 LOOP
        UPDATE t SET s = repeat(chr(97 + i % 26), 500) WHERE id = 1 + i % 10;
        COMMIT;
        largest := greatest(largest, size_of_entries('t'));
    END LOOP;
END $$;
CREATE TEMP TABLE looked (largest bigint);
SET refresh_mv.max_log_size = '64kB';
DO $$
DECLARE
    largest bigint;
BEGIN
    CALL write_and_look(largest);
    INSERT INTO looked VALUES (largest);
END $$;
SELECT largest BETWEEN 1 AND 2 * 64 * 1024 AS is_kept FROM looked;
SELECT smart('v'), check_view('v');
SELECT refresh_mv.untrack('of_bulky');
RESET refresh_mv.max_log_size;
\set VERBOSITY sqlstate
SET refresh_mv.max_log_size = '63kB';
\set VERBOSITY default

-- Entries that all views have seen are removed: by the second refresh after
-- them, if no transaction runs meanwhile that is older.
CREATE PROCEDURE refresh_until_empty(views regclass[]) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 600 LOOP
        CALL refresh_mv.run(views => views);
        EXIT WHEN NOT EXISTS (SELECT FROM refresh_mv.log);
        PERFORM pg_sleep(0.05) WHERE i > 2;
        COMMIT;
    END LOOP;
END $$;
CREATE FUNCTION entries() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM refresh_mv.log';
CALL refresh_until_empty('{v,total}');
SELECT entries();
INSERT INTO t VALUES (2001, 1);
UPDATE t SET n = 8 WHERE id = 1;
DELETE FROM t WHERE id = 2;
SELECT entries();
CALL refresh_until_empty('{v,total}');
SELECT entries(), check_view('v'), check_view('total');
TRUNCATE t;
INSERT INTO t SELECT i, i FROM generate_series(1, 20) i;
CALL refresh_until_empty('{v,total}');
SELECT entries(), check_view('v'), check_view('total');
-- A view that is not refreshed keeps what it has not seen, and gets it exactly.
UPDATE t SET n = 100 WHERE id = 1;
UPDATE t SET n = 100 WHERE id = 2;
SELECT smart('v');
UPDATE t SET n = 200 WHERE id = 2;
DELETE FROM t WHERE id = 3;
SELECT smart('v');
SELECT smart('v');
SELECT smart('v');
INSERT INTO t VALUES (3, 300), (30, 30);
SELECT smart('v');
SELECT smart('v');
SELECT entries();
SELECT * FROM refresh_mv.changes('v', 't');
SELECT * FROM refresh_mv.changes('total', 't') ORDER BY key;
TABLE known;
SELECT smart('total'), check_view('total');
SELECT * FROM refresh_mv.changes('total', 't');
CALL refresh_until_empty('{v,total}');
SELECT entries();
-- Nor does a view that is not tracked any more keep anything, nor one that is gone.
UPDATE t SET n = 101 WHERE id = 1;
SELECT smart('v');
SELECT smart('v');
SELECT refresh_mv.untrack('total');
CALL refresh_until_empty('{v}');
SELECT entries();
SELECT * FROM refresh_mv.track('total');
CALL refresh_until_empty('{v,total}');
UPDATE t SET n = 102 WHERE id = 1;
SELECT smart('v');
SELECT smart('v');
DROP MATERIALIZED VIEW total;
CALL refresh_until_empty('{v}');
SELECT entries();
UPDATE t SET n = 103 WHERE id = 1;
SELECT refresh_mv.untrack('v');
SELECT entries();

-- Changes that do not all fit in memory at once are netted in shares: of a key that is
-- changed again and again, by statements of all kinds, too.
CREATE TABLE many (id bigint PRIMARY KEY, n int, s text);
INSERT INTO many SELECT i, i, 'some text ' || i FROM generate_series(1, 40000) i;
CREATE MATERIALIZED VIEW lower_rows AS SELECT n % 20000 AS n, s FROM many;
CREATE MATERIALIZED VIEW upper_groups AS SELECT n, count(*), max(s) FROM lower_rows GROUP BY n;
SELECT * FROM refresh_mv.track('lower_rows');
SELECT * FROM refresh_mv.track('upper_groups');
SELECT smart('lower_rows'), smart('upper_groups');
SET refresh_mv.exact_cost_limit = 1e9;
SET maintenance_work_mem = '1MB';
UPDATE many SET s = 'other' WHERE id <= 20000;
UPDATE many SET n = n + 1 WHERE id % 4 = 0;
INSERT INTO many SELECT i, i, 'new' FROM generate_series(40001, 60000) i;
DELETE FROM many WHERE id % 3 = 0 AND id > 10000;
INSERT INTO many SELECT i, -i, 'again' FROM generate_series(30000, 39999, 3) i;
SELECT count(*), count(old_row), count(DISTINCT key) FROM refresh_mv.changes('lower_rows', 'many');
SELECT smart('lower_rows'), check_view('lower_rows');
-- rows that a view has gained have to fit
SELECT smart('upper_groups'), check_view('upper_groups');
UPDATE many SET s = 'fits' WHERE id <= 5000;
SELECT smart('lower_rows'), check_view('lower_rows');
SELECT smart('upper_groups'), check_view('upper_groups');
RESET maintenance_work_mem;
RESET refresh_mv.exact_cost_limit;
DROP SCHEMA suite CASCADE;
