\set ECHO none
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers.psql'
\i :helpers
\set ECHO all
-- What the log knows after each kind of statement.
TRUNCATE refresh_mv.journal, refresh_mv.settings;
\set SHOW_CONTEXT never

-- The changes that are new to a view of all rows of a table, by key, or
-- "everything" with the reason.  They must lead from the table back to the view;
-- a refresh then must make the view right, and must not skip it without need.
-- Shown is the key with the row as it was.
CREATE TABLE found (key text, old_row text);
CREATE FUNCTION changed(view regclass DEFAULT 'v'::text::regclass, source regclass DEFAULT 't'::text::regclass)
RETURNS TABLE (key text, old_row text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    reason text;
    keys text := (SELECT string_agg(format('%I', k), ', ') FROM refresh_mv.tracked t JOIN refresh_mv.sources s USING (relation), unnest(s.key) k WHERE t.view = changed.view);
    differences bigint := 0;
    method text;
BEGIN
    DELETE FROM found;
    BEGIN
        INSERT INTO found SELECT c.key, c.old_row FROM refresh_mv.changes(view, source) c;
        EXECUTE format($q$
            SELECT coalesce(sum(abs(surplus)), 0) FROM (
                SELECT sum(side) AS surplus FROM (
                    SELECT v::text AS image, 1 AS side FROM %1$s v
                    UNION ALL SELECT t::text, -1 FROM %2$s t WHERE ROW(%3$s)::text NOT IN (SELECT key FROM found)
                    UNION ALL SELECT old_row, -1 FROM found WHERE old_row IS NOT NULL) both_sides
                GROUP BY image) images
            $q$, view, source, keys) INTO differences;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        GET STACKED DIAGNOSTICS reason := PG_EXCEPTION_DETAIL;
        INSERT INTO found VALUES ('everything', substring(reason FROM 'The reason is: (.*)\.'));
    END;
    IF differences > 0 THEN
        INSERT INTO found VALUES ('WRONG', format('%s rows do not lead back', differences));
    END IF;
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT h.method FROM refresh_mv.history h ORDER BY h.run DESC LIMIT 1 INTO method;
    IF check_view(view) <> 0 OR method = 'skip' AND EXISTS (TABLE found) THEN
        INSERT INTO found VALUES ('WRONG', format('%s rows after %s', check_view(view), method));
    END IF;
    RETURN QUERY SELECT f.key, f.old_row FROM found f ORDER BY f.key COLLATE "C", f.old_row COLLATE "C";
END $$;
-- Makes the view v of all rows of a table, tracks and refreshes it.
CREATE FUNCTION track_all_of(source text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP MATERIALIZED VIEW IF EXISTS v;
    EXECUTE format('CREATE MATERIALIZED VIEW v AS SELECT * FROM %s', source);
    PERFORM refresh_mv.track('v'::text::regclass);
END $$;

CREATE TABLE t (id int PRIMARY KEY, n int, s text);
INSERT INTO t SELECT g, g * 10, 'row ' || g FROM generate_series(1, 9) g;
SELECT track_all_of('t');
SELECT * FROM changed();
SELECT * FROM changed();

-- Inserts: one row, many, with gaps, in any order, below zero, none.
INSERT INTO t VALUES (10, 0, NULL);
SELECT * FROM changed();
INSERT INTO t SELECT g, 0, '' FROM generate_series(11, 14) g;
SELECT * FROM changed();
INSERT INTO t VALUES (30, 1, 'x'), (-5, 1, 'x'), (31, 1, 'x'), (20, 1, 'x'), (0, 1, 'x'), (-6, 1, 'x');
SELECT * FROM changed();
INSERT INTO t SELECT * FROM t WHERE false;
SELECT * FROM changed();
-- A batch of statements: one key each.
INSERT INTO t VALUES (40, 0, 'a') \; INSERT INTO t VALUES (42, 0, 'b') \; INSERT INTO t VALUES (41, 0, 'c');
SELECT * FROM changed();
COPY t FROM stdin;
50	0	copied
53	0	\N
\.
SELECT * FROM changed();

-- Updates: some rows, several times, of nothing, and back again.
UPDATE t SET n = n + 1, s = 'new' WHERE id BETWEEN 2 AND 3;
SELECT * FROM changed();
UPDATE t SET n = 1 WHERE id = 2;
UPDATE t SET n = 2 WHERE id = 2;
UPDATE t SET s = NULL WHERE id < 3 AND id > 0;
SELECT * FROM changed();
UPDATE t SET n = n, s = s;
SELECT * FROM changed();
UPDATE t SET n = CASE WHEN id = 4 THEN 0 ELSE n END;
SELECT * FROM changed();
UPDATE t SET n = 5 WHERE id = 5;
UPDATE t SET n = 50 WHERE id = 5;
SELECT * FROM changed();
UPDATE t SET n = 0 WHERE id = -99;
SELECT * FROM changed();

-- Updates of the key: one, two that are swapped, all of them moved by one.
UPDATE t SET id = 100 WHERE id = 1;
SELECT * FROM changed();
UPDATE t SET id = 5 - id WHERE id IN (2, 3);
BEGIN;
UPDATE t SET id = -2 WHERE id = 2;
UPDATE t SET id = 2 WHERE id = 3;
UPDATE t SET id = 3 WHERE id = -2;
COMMIT;
SELECT * FROM changed();
DELETE FROM t WHERE id NOT BETWEEN 3 AND 6;
VACUUM FULL t;
SELECT * FROM changed();
SELECT * FROM t ORDER BY id;
UPDATE t SET id = id - 1;
SELECT * FROM changed();
UPDATE t SET id = -id, n = n + 1;
SELECT * FROM changed();
UPDATE t SET id = -id;
SELECT * FROM t ORDER BY id;
SELECT * FROM changed();

-- Deletes; a row that comes back, the same or another; one that only passed by.
DELETE FROM t WHERE id = 2;
SELECT * FROM changed();
DELETE FROM t WHERE id = 3;
INSERT INTO t VALUES (3, 33, 'again');
SELECT * FROM changed();
BEGIN;
DELETE FROM t WHERE id = 3;
INSERT INTO t VALUES (3, 33, 'again');
COMMIT;
SELECT * FROM changed();
INSERT INTO t VALUES (7, 7, 'passing');
UPDATE t SET n = 8 WHERE id = 7;
DELETE FROM t WHERE id = 7;
SELECT * FROM changed();
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (4, 1, 'first');
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (4, 2, 'second');
UPDATE t SET n = 3 WHERE id = 4;
SELECT * FROM changed();

-- ON CONFLICT: inserted, updated, left alone.
INSERT INTO t VALUES (4, 4, 'conflict'), (8, 8, 'none') ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n;
SELECT * FROM changed();
INSERT INTO t VALUES (4, 5, 'conflict'), (9, 9, 'none') ON CONFLICT DO NOTHING;
SELECT * FROM changed();
INSERT INTO t VALUES (4, 5, 'conflict') ON CONFLICT (id) DO UPDATE SET n = 0 WHERE t.n > 100;
SELECT * FROM changed();
INSERT INTO t VALUES (4, 5, 'conflict'), (10, 10, 'none') ON CONFLICT (id) DO UPDATE SET id = 44;
SELECT * FROM changed();

-- MERGE: all kinds at once.
MERGE INTO t USING (VALUES (8, 'update'), (9, 'delete'), (11, 'insert'), (10, 'nothing')) m (id, what) ON t.id = m.id
WHEN MATCHED AND what = 'update' THEN UPDATE SET s = 'merged'
WHEN MATCHED AND what = 'delete' THEN DELETE
WHEN NOT MATCHED THEN INSERT VALUES (m.id, 1, 'merged')
WHEN MATCHED THEN DO NOTHING;
SELECT * FROM changed();
-- It moves a key away and fills its place.
MERGE INTO t USING (VALUES (8, 80), (80, 8)) m (id, target) ON t.id = m.id
WHEN MATCHED THEN UPDATE SET id = m.target WHEN NOT MATCHED THEN INSERT VALUES (m.target + 1000, 0, 'far');
SELECT * FROM changed();

-- Through a view that can be written to, and by a rule.
CREATE VIEW writable AS SELECT id, s FROM t WHERE id < 1000;
INSERT INTO writable VALUES (12, 'through the view');
UPDATE writable SET s = 'through the view' WHERE id = 11;
DELETE FROM writable WHERE id = 10;
SELECT * FROM changed();
CREATE TABLE orders (id int);
CREATE RULE follow AS ON INSERT TO orders DO ALSO (UPDATE t SET n = n + 1 WHERE id = NEW.id; DELETE FROM t WHERE id = NEW.id + 1);
INSERT INTO orders VALUES (11);
SELECT * FROM changed();
SELECT * FROM t ORDER BY id;

-- Data-modifying CTEs: all of them see the rows as they were before, and run in
-- no certain order.
WITH gone AS (DELETE FROM t WHERE id IN (11, 44) RETURNING *) INSERT INTO t SELECT id, n + 1, 'moved' FROM gone;
SELECT * FROM changed();
WITH gone AS (DELETE FROM t WHERE id = 11 RETURNING *) INSERT INTO t SELECT * FROM gone;
SELECT * FROM changed();
WITH a AS (UPDATE t SET n = 1 WHERE id = 3), b AS (UPDATE t SET n = 2 WHERE id = 80) UPDATE t SET n = 3 WHERE id = 44;
SELECT * FROM changed();
WITH a AS (UPDATE t SET n = n + 100 WHERE id = 3 RETURNING id) UPDATE t SET s = 'both' WHERE id IN (TABLE a);
SELECT * FROM changed();
WITH a AS (INSERT INTO t VALUES (60, 1, 'a') RETURNING *), b AS (UPDATE t SET id = 61 WHERE id = 3), c AS (DELETE FROM t WHERE id = 80)
INSERT INTO t SELECT id + 2, n, s FROM a;
SELECT * FROM changed();
-- One that fails leaves nothing.
WITH a AS (DELETE FROM t WHERE id = 60) INSERT INTO t VALUES (62, 0, 'twice');
SELECT * FROM changed();

-- Savepoints and blocks that handle errors: what was undone is not logged.
BEGIN;
INSERT INTO t VALUES (70, 0, 'stays');
SAVEPOINT a;
UPDATE t SET n = -1 WHERE id = 70;
DELETE FROM t WHERE id = 60;
SAVEPOINT b;
INSERT INTO t VALUES (71, 0, 'goes');
ROLLBACK TO a;
INSERT INTO t VALUES (72, 0, 'stays');
SAVEPOINT c;
UPDATE t SET s = 'stays' WHERE id = 61;
RELEASE c;
COMMIT;
SELECT * FROM changed();
BEGIN;
DELETE FROM t;
ROLLBACK;
SELECT * FROM changed();
DO $$
BEGIN
    UPDATE t SET n = 0 WHERE id = 70;
    BEGIN
        UPDATE t SET n = 1 WHERE id = 72;
        INSERT INTO t VALUES (70, 0, 'twice');
    EXCEPTION WHEN unique_violation THEN
        BEGIN
            DELETE FROM t WHERE id = 72;
            PERFORM 1 / 0;
        EXCEPTION WHEN division_by_zero THEN
            INSERT INTO t VALUES (73, 0, 'handled');
        END;
    END;
END $$;
SELECT * FROM changed();
-- In one transaction with the refresh, before and after it.
BEGIN;
INSERT INTO t VALUES (90, 1, 'before');
SELECT * FROM changed();
INSERT INTO t VALUES (91, 1, 'after');
SAVEPOINT s;
UPDATE t SET n = 2 WHERE id = 90;
ROLLBACK TO s;
SELECT * FROM changed();
DELETE FROM t WHERE id = 90;
COMMIT;
SELECT * FROM changed();
-- A refresh that is rolled back has not been.
BEGIN;
UPDATE t SET n = 2 WHERE id = 91;
SAVEPOINT s;
SELECT * FROM changed();
ROLLBACK TO s;
COMMIT;
SELECT * FROM changed();

-- A loop over what a statement returns; one that leaves off changes the table
-- to its end all the same, or it is not known how far.
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN INSERT INTO t SELECT g, 0, 'looped' FROM generate_series(200, 202) g RETURNING id LOOP
        UPDATE t SET n = r.id WHERE id = r.id;
    END LOOP;
END $$;
SELECT * FROM changed();
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN UPDATE t SET s = 'left off' WHERE id >= 200 RETURNING id LOOP
        EXIT;
    END LOOP;
END $$;
SELECT * FROM changed();
CREATE FUNCTION first_of() RETURNS int LANGUAGE sql AS 'UPDATE t SET s = ''first only'' WHERE id >= 200 RETURNING n';
SELECT first_of();
SELECT * FROM changed();
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t WHERE id BETWEEN 200 AND 202 ORDER BY id FOR UPDATE;
MOVE 2 IN c;
UPDATE t SET n = 0 WHERE CURRENT OF c;
MOVE 1 IN c;
DELETE FROM t WHERE CURRENT OF c;
COMMIT;
SELECT * FROM changed();

-- A session that plays the replica, as restores do, is logged like any other.
SET session_replication_role = replica;
INSERT INTO t VALUES (300, 0, 'replica');
UPDATE t SET n = 1 WHERE id = 200;
DELETE FROM t WHERE id = 201;
RESET session_replication_role;
SELECT * FROM changed();

-- A statement that changes more rows than that logs that it did; of an update
-- old and new rows count.
SET refresh_mv.max_logged_rows = 4;
UPDATE t SET n = 7 WHERE id IN (200, 300);
SELECT * FROM changed();
UPDATE t SET n = 8 WHERE id IN (200, 300, 91);
SELECT * FROM changed();
INSERT INTO t SELECT g, 0, 'many' FROM generate_series(400, 404) g;
INSERT INTO t VALUES (405, 0, 'one');
SELECT * FROM changed();
DELETE FROM t WHERE id BETWEEN 400 AND 403;
SELECT * FROM changed();
-- By default a million.
RESET refresh_mv.max_logged_rows;
SHOW refresh_mv.max_logged_rows;

-- TRUNCATE, with what came before and after; rolled back it was none.
INSERT INTO t VALUES (500, 0, 'before');
TRUNCATE t;
INSERT INTO t SELECT g, g, 'after' FROM generate_series(1, 4) g;
SELECT * FROM changed();
BEGIN;
TRUNCATE t;
INSERT INTO t VALUES (1, 1, 'within');
ROLLBACK;
INSERT INTO t VALUES (5, 5, 'after');
SELECT * FROM changed();
BEGIN;
TRUNCATE t;
SELECT * FROM changed();
INSERT INTO t VALUES (1, 1, 'after');
COMMIT;
SELECT * FROM changed();
