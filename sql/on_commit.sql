CALL helpers.begin_suite();
\set SHOW_CONTEXT never
-- Views that are refreshed at the end of each transaction that has changed
-- what they read.
CREATE TABLE t (id int PRIMARY KEY, n int, unused int);
CREATE TABLE other (id int PRIMARY KEY, n int);
INSERT INTO t SELECT i, i FROM generate_series(1, 5) i;
CREATE MATERIALIZED VIEW v AS SELECT id, 100 / n AS q FROM t;
-- What has been refreshed since one looked last.
CREATE FUNCTION news() RETURNS TABLE (view text, method text, reason text, source text) LANGUAGE sql AS $$
    WITH told AS (DELETE FROM refresh_mv.journal RETURNING *)
    SELECT view_name, method, reason, source FROM told ORDER BY id
$$;
SELECT * FROM refresh_mv.track('v', on_commit => true);
SELECT tracked, on_commit FROM refresh_mv.settings;

-- Each statement is a transaction here.
INSERT INTO t VALUES (6, 6);
SELECT check_view('v');
UPDATE t SET n = 10 WHERE id = 1;
SELECT check_view('v');
DELETE FROM t WHERE id = 6;
SELECT check_view('v');
COPY t (id, n) FROM STDIN;
7	7
8	8
\.
MERGE INTO t USING (VALUES (8), (9)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 80 WHEN NOT MATCHED THEN INSERT VALUES (9, 9);
SELECT check_view('v');
SELECT * FROM news();
-- One that changes nothing that the view reads needs none.
UPDATE t SET n = n WHERE id = 0;
INSERT INTO other VALUES (1, 1);
SELECT * FROM t WHERE id = 1 FOR UPDATE;
SELECT * FROM news();
-- This is known only once one looks.
UPDATE t SET unused = 1;
SELECT method FROM news();

-- Once a transaction, at its end, whatever the number of statements.
BEGIN;
INSERT INTO t SELECT i, i FROM generate_series(11, 20) i;
UPDATE t SET n = n + 1;
DELETE FROM t WHERE id > 15;
SELECT count(*) FROM v;
COMMIT;
SELECT count(*), check_view('v') FROM v;
SELECT * FROM news();
DO $$
BEGIN
    FOR i IN 21 .. 40 LOOP
        INSERT INTO t VALUES (i, i);
    END LOOP;
END $$;
SELECT check_view('v');
SELECT method, source FROM news();
TRUNCATE t;
SELECT count(*) FROM v;
SELECT * FROM news();
INSERT INTO t SELECT i, i FROM generate_series(1, 5) i;
SELECT check_view('v');
SELECT method FROM news();
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE t SET n = 20 WHERE id = 1;
COMMIT;
SELECT check_view('v');
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE t SET n = 30 WHERE id = 1;
COMMIT;
SELECT check_view('v');
SELECT * FROM news();

-- What is rolled back is no change.
BEGIN;
INSERT INTO t VALUES (100, 100);
ROLLBACK;
BEGIN;
INSERT INTO t VALUES (100, 100);
INSERT INTO t VALUES (100, 100);
COMMIT;
SELECT * FROM news();
BEGIN;
INSERT INTO t VALUES (6, 6);
SAVEPOINT s;
INSERT INTO t VALUES (7, 7);
ROLLBACK TO s;
COMMIT;
SELECT count(*), check_view('v') FROM v;
SELECT * FROM news();
BEGIN;
SAVEPOINT s;
INSERT INTO t VALUES (7, 7);
ROLLBACK TO s;
COMMIT;
SELECT count(*), check_view('v') FROM v;
SELECT method FROM news();
DO $$
BEGIN
    INSERT INTO t VALUES (7, 7);
    BEGIN
        INSERT INTO t VALUES (8, 8);
        INSERT INTO t VALUES (8, 8);
    EXCEPTION WHEN unique_violation THEN
        DELETE FROM t WHERE id = 6;
    END;
END $$;
SELECT array_agg(id ORDER BY id) AS ids, check_view('v') FROM v;
SELECT * FROM news();

-- Refreshed already, there is nothing left to do.
BEGIN;
INSERT INTO t VALUES (8, 8);
SELECT success FROM refresh_materialized_views_smart('{v}');
COMMIT;
SELECT check_view('v');
SELECT * FROM news();
BEGIN;
INSERT INTO t VALUES (9, 9);
SELECT success FROM refresh_materialized_views_smart('{v}');
DELETE FROM t WHERE id = 8;
COMMIT;
SELECT check_view('v');
SELECT * FROM news();

-- With refresh_mv.skip_refresh the changes wait for the next refresh.
SET refresh_mv.skip_refresh = on;
DELETE FROM t WHERE id = 9;
RESET refresh_mv.skip_refresh;
BEGIN;
SET LOCAL refresh_mv.skip_refresh = on;
DELETE FROM t WHERE id = 7;
COMMIT;
SELECT * FROM news();
SELECT pending_changes, stale, unknown_reason FROM refresh_mv.status WHERE name = 'v';
SELECT * FROM refresh_mv.changes('v', 't') ORDER BY key;
UPDATE t SET n = 5 WHERE id = 1;
SELECT check_view('v');
SELECT * FROM news();

-- What deferred triggers write is refreshed too.
CREATE TABLE orders (id int PRIMARY KEY);
CREATE FUNCTION write_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO t VALUES (NEW.id, NEW.id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write_later();
BEGIN;
INSERT INTO orders VALUES (51), (52);
DELETE FROM t WHERE id = 1;
SELECT count(*) FROM t WHERE id > 50;
COMMIT;
SELECT count(*) FILTER (WHERE id > 50) AS later, check_view('v') FROM v;
SELECT * FROM news();
INSERT INTO orders VALUES (53);
SELECT count(*) FILTER (WHERE id > 50) AS later, check_view('v') FROM v;
SELECT method FROM news();

-- Views over views, in order.  One that reads the table too is refreshed again
-- if what it reads has changed after it.
CREATE MATERIALIZED VIEW total AS SELECT count(*) AS rows, sum(q) AS sum FROM v;
CREATE MATERIALIZED VIEW topmost AS SELECT rows, (SELECT sum(n) FROM t) AS n FROM total;
SELECT * FROM refresh_mv.track('total', true);
SELECT * FROM refresh_mv.track('topmost', true);
INSERT INTO t VALUES (61, 61);
SELECT check_view('v'), check_view('total'), check_view('topmost');
SELECT view, method, source FROM news();
INSERT INTO t VALUES (62, 62);
SELECT check_view('v'), check_view('total'), check_view('topmost');
SELECT * FROM news();
-- The upper ones follow however the lower one is refreshed.
SELECT * FROM refresh_mv.track('v', false);
INSERT INTO t VALUES (63, 63);
SELECT view, method, reason, source FROM news();
SELECT success FROM refresh_materialized_views_smart('{v}');
SELECT check_view('v'), check_view('total'), check_view('topmost');
SELECT view, method, reason, source FROM news();
DELETE FROM t WHERE id = 63;
CALL refresh_mv.run(views => '{v}');
SELECT check_view('v'), check_view('total'), check_view('topmost');
SELECT view, method, reason, source FROM news();
SELECT * FROM refresh_mv.track('v', true);
SELECT * FROM refresh_mv.track('topmost', false);
SELECT refresh_mv.untrack('topmost');

-- A view that fails does not keep the transaction from committing: its changes
-- wait.  Views over it do, too; others are refreshed.
CREATE MATERIALIZED VIEW plain AS SELECT id, n FROM t;
SELECT * FROM refresh_mv.track('plain', true);
INSERT INTO t VALUES (64, 64);
SELECT count(*) FROM news();
INSERT INTO t VALUES (65, 0);
SELECT count(*) FILTER (WHERE n = 0) AS zero, check_view('plain') FROM plain;
SELECT * FROM news() ORDER BY view;
SELECT * FROM refresh_mv.changes('v', 't');
UPDATE t SET n = 66 WHERE id = 64;
SELECT * FROM refresh_mv.changes('v', 't') ORDER BY key;
SELECT check_view('plain');
SELECT * FROM news() ORDER BY view;
UPDATE t SET n = 65 WHERE id = 65;
SELECT check_view('v'), check_view('total'), check_view('plain');
SELECT * FROM news() ORDER BY view;
-- So does one that takes too long.
CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 13 THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN $1;
END $$;
CREATE MATERIALIZED VIEW slow AS SELECT id, slow(n) FROM t;
SELECT * FROM refresh_mv.track('slow', true);
SELECT count(*) FROM news();
SELECT refresh_mv.configure('slow', statement_timeout => '50ms');
INSERT INTO t VALUES (13, 13);
SELECT count(*) FROM t WHERE id = 13;
SELECT view, method, reason FROM news() ORDER BY view;
-- Whoever cancels the commit itself cancels the transaction.  (The session's
-- statement_timeout does that only in a procedure: otherwise it has ended.)
SELECT refresh_mv.configure('slow', statement_timeout => NULL);
DELETE FROM t WHERE id = 13;
SET statement_timeout = '300ms';
DO $$
BEGIN
    INSERT INTO t VALUES (13, 13);
    COMMIT;
END $$;
RESET statement_timeout;
SELECT count(*) FROM t WHERE id = 13;
SELECT check_view('v'), check_view('slow');
DROP MATERIALIZED VIEW slow;
SELECT count(*) FROM news();

-- Whoever may write to the table has it refreshed, by its owner's rights.
CREATE ROLE refresh_mv_writer;
GRANT INSERT ON t TO refresh_mv_writer;
GRANT USAGE ON SCHEMA suite TO refresh_mv_writer;
SET ROLE refresh_mv_writer;
INSERT INTO t VALUES (14, 14);
TABLE v;
RESET ROLE;
SELECT check_view('v'), check_view('total'), check_view('plain');
SELECT view, method, source FROM news() ORDER BY view;
SELECT current_user = session_user AS same_user;
REVOKE ALL ON t FROM refresh_mv_writer;
REVOKE ALL ON SCHEMA suite FROM refresh_mv_writer;
DROP ROLE refresh_mv_writer;

-- Two-phase commit: a transaction that is prepared leaves the refresh to others, who
-- would wait until it is committed otherwise.
SELECT count(*) FROM news();
SET client_min_messages = notice;
BEGIN;
INSERT INTO t VALUES (71, 71);
DELETE FROM t WHERE id = 14;
PREPARE TRANSACTION 'refresh_mv on commit';
SET client_min_messages = warning;
SET lock_timeout = '5s';
INSERT INTO t VALUES (72, 72);
SELECT array_agg(id ORDER BY id) FILTER (WHERE id IN (14, 71, 72)), check_view('v'), check_view('plain') FROM v;
SELECT check_view('total');
SELECT view, method, source FROM news() ORDER BY view;
-- However many refreshes there are meanwhile: its changes are new to the next one.
INSERT INTO t VALUES (73, 73);
CALL refresh_mv.run();
CALL refresh_mv.run();
SELECT count(*) > 0 AS refreshed FROM news();
RESET lock_timeout;
COMMIT PREPARED 'refresh_mv on commit';
SELECT count(*) FROM news();
SELECT array_agg(id ORDER BY id) FILTER (WHERE id IN (14, 71, 72)) FROM v;
SELECT name, stale, pending_changes FROM refresh_mv.status WHERE name IN ('v', 'plain') ORDER BY name;
UPDATE t SET n = 720 WHERE id = 72;
SELECT array_agg(id ORDER BY id) FILTER (WHERE id IN (14, 71, 72)), check_view('v'), check_view('plain') FROM v;
SELECT check_view('total');
SELECT view, method, source FROM news() ORDER BY view;
-- One that is rolled back is no change; one that has refreshed the views itself keeps its
-- locks, as it has asked for.
BEGIN;
DELETE FROM t WHERE id = 71;
PREPARE TRANSACTION 'refresh_mv on commit';
ROLLBACK PREPARED 'refresh_mv on commit';
SELECT check_view('v'), check_view('total'), check_view('plain');
SELECT * FROM news();
BEGIN;
DELETE FROM t WHERE id = 71;
SELECT success FROM refresh_materialized_views_smart('{v, plain, total}');
PREPARE TRANSACTION 'refresh_mv on commit';
COMMIT PREPARED 'refresh_mv on commit';
SELECT check_view('v'), check_view('total'), check_view('plain');
SELECT view, method, source FROM news() ORDER BY view;
DELETE FROM t WHERE id IN (72, 73);
SELECT check_view('v'), check_view('total'), check_view('plain');
SELECT view, method FROM news() ORDER BY view;

-- Procedures that commit: each transaction is one.
CREATE PROCEDURE two_steps() LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO t VALUES (81, 81);
    INSERT INTO t VALUES (82, 82);
    COMMIT;
    RAISE WARNING 'then % wrong rows', check_view('v');
    DELETE FROM t WHERE id = 81;
    ROLLBACK;
    DELETE FROM t WHERE id = 82;
END $$;
CALL two_steps();
SELECT count(*) FILTER (WHERE id > 80) AS left, check_view('v') FROM v;
SELECT view, method, reason FROM news() WHERE view = 'v';
DO $$
BEGIN
    DELETE FROM t WHERE id = 81;
    COMMIT;
    INSERT INTO t VALUES (83, 83);
END $$;
SELECT check_view('v');
SELECT view, method, reason FROM news() WHERE view = 'v';

-- What is dropped in the same transaction needs no refresh.
BEGIN;
INSERT INTO t VALUES (91, 91);
DROP MATERIALIZED VIEW plain;
COMMIT;
SELECT view, method FROM news() ORDER BY view;
BEGIN;
INSERT INTO t VALUES (92, 92);
DROP MATERIALIZED VIEW v CASCADE;
COMMIT;
SELECT * FROM news();
CREATE MATERIALIZED VIEW v AS SELECT id, n FROM t;
BEGIN;
SELECT * FROM refresh_mv.track('v', true);
INSERT INTO t VALUES (93, 93);
COMMIT;
SELECT check_view('v');
SELECT * FROM news();

-- Off again; what on_commit is not said stays as it is.
SELECT * FROM refresh_mv.track('v');
SELECT * FROM refresh_mv.track();
INSERT INTO t VALUES (94, 94);
SELECT * FROM news();
SELECT * FROM refresh_mv.track('v', false);
SELECT tracked, on_commit FROM refresh_mv.settings WHERE view_name = 'v';
INSERT INTO t VALUES (95, 95);
SELECT * FROM news();
SELECT * FROM refresh_mv.changes('v', 't');
SELECT * FROM refresh_mv.track('v', true);
INSERT INTO t VALUES (96, 96);
SELECT check_view('v');
SELECT * FROM news();
SELECT refresh_mv.untrack('v');
INSERT INTO t VALUES (97, 97);
SELECT * FROM news();
SELECT tracked, on_commit FROM refresh_mv.settings WHERE view_name = 'v';
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal;
DROP TABLE t CASCADE;
SELECT count(*) FROM refresh_mv.tracked;

-- What a client that asks for the id of its new row gets is that, not a number of
-- this extension's.
CREATE TABLE numbered (id bigserial PRIMARY KEY, n int);
CREATE MATERIALIZED VIEW total AS SELECT sum(n) FROM numbered;
SELECT * FROM refresh_mv.track('total', true);
INSERT INTO numbered (n) VALUES (1), (2);
SELECT * FROM news();
SELECT lastval();
DROP TABLE numbered CASCADE;
DROP SCHEMA suite CASCADE;
