CALL helpers.begin_suite();
-- What the log knows after each kind of statement.
\set SHOW_CONTEXT never
SET IntervalStyle = 'postgres';

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
    changed bigint;
    method text;
BEGIN
    DELETE FROM found;
    BEGIN
        INSERT INTO found SELECT c.key, c.old_row FROM refresh_mv.changes(view, source) c;
        EXECUTE format($q$
            SELECT coalesce(sum(abs(surplus)), 0) FROM (
                SELECT sum(side) AS surplus FROM (
                    SELECT _row::text AS image, 1 AS side FROM %1$s _row
                    UNION ALL SELECT _row::text, -1 FROM %2$s _row WHERE ROW(%3$s)::text NOT IN (SELECT key FROM found)
                    UNION ALL SELECT old_row, -1 FROM found WHERE old_row IS NOT NULL) both_sides
                GROUP BY image) images
            $q$, view, source, keys) INTO differences;
        EXECUTE format($q$
            SELECT coalesce(sum(abs(surplus)), 0) FROM (
                SELECT sum(side) AS surplus FROM (
                    SELECT _row::text AS image, 1 AS side FROM %s _row WHERE ROW(%s)::text IN (SELECT key FROM found)
                    UNION ALL SELECT old_row, -1 FROM found WHERE old_row IS NOT NULL) both_sides
                GROUP BY image) images
            $q$, source, keys) INTO changed;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        GET STACKED DIAGNOSTICS reason := PG_EXCEPTION_DETAIL;
        INSERT INTO found VALUES ('everything', substring(reason FROM 'The reason is: (.*)\.'));
    END;
    IF differences > 0 THEN
        INSERT INTO found VALUES ('WRONG', format('%s rows do not lead back', differences));
    END IF;
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT h.method FROM refresh_mv.history h ORDER BY h.run DESC LIMIT 1 INTO method;
    -- What looks as it did before is skipped, and nothing else.
    IF check_view(view) <> 0 OR (method = 'skip') <> coalesce(changed = 0, false) THEN
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

CREATE TABLE t (id int PRIMARY KEY, n int, s text) WITH (autovacuum_enabled = off);
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
\set VERBOSITY terse
UPDATE t SET id = 5 - id WHERE id IN (2, 3);
\set VERBOSITY default
BEGIN;
UPDATE t SET id = -2 WHERE id = 2;
UPDATE t SET id = 2 WHERE id = 3;
UPDATE t SET id = 3 WHERE id = -2;
COMMIT;
SELECT * FROM changed();
DELETE FROM t WHERE id NOT BETWEEN 3 AND 6;
SELECT * FROM changed();
CLUSTER t USING t_pkey;
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

-- A loop over what a statement returns; one that is left early changes the table
-- to its end all the same.
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
CREATE FUNCTION first_of() RETURNS int LANGUAGE sql AS 'UPDATE t SET s = ''first only'' WHERE id >= 200 RETURNING 1';
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
-- It may refresh, too.
SET session_replication_role = replica;
UPDATE t SET n = 2 WHERE id = 200;
SELECT * FROM changed();
SELECT * FROM changed();
RESET session_replication_role;

-- A statement that changes more rows than that logs that it did.
SET refresh_mv.max_logged_rows = 4;
UPDATE t SET n = 7 WHERE id IN (200, 300, 91, 73);
SELECT * FROM changed();
UPDATE t SET n = 8 WHERE id IN (200, 300, 91, 73, 72);
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

-- A row trigger that changes other rows of the same table, before or after the
-- statement's own, and one that suppresses or alters them.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        CASE TG_OP
        WHEN 'INSERT' THEN
            IF NEW.s = 'suppressed' THEN RETURN NULL; END IF;
            IF NEW.s = 'echoed' THEN INSERT INTO t VALUES (NEW.id + 1000, 0, 'echo') ON CONFLICT (id) DO UPDATE SET n = t.n + 1; END IF;
            NEW.n := NEW.n + 1;
        WHEN 'UPDATE' THEN
            IF NEW.s = 'suppressed' THEN RETURN NULL; END IF;
            IF NEW.s = 'deletes' THEN DELETE FROM t WHERE id = NEW.n; END IF;
            IF NEW.s = 'updates' THEN UPDATE t SET s = 'updated' WHERE id = NEW.n; END IF;
            NEW.n := NEW.n + 1;
        ELSE
            IF OLD.s = 'suppressed' THEN RETURN NULL; END IF;
            UPDATE t SET n = n + 1 WHERE id = OLD.id + 1;
            RETURN OLD;
        END CASE;
    END IF;
    RETURN NEW;
END $$;
TRUNCATE t;
INSERT INTO t SELECT g, g, 'row ' || g FROM generate_series(1, 9) g;
SELECT count(*) FROM changed();
CREATE TRIGGER meddle BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO t VALUES (10, 10, 'suppressed'), (11, 11, 'echoed'), (12, 12, '');
SELECT * FROM changed();
UPDATE t SET s = CASE WHEN id < 3 THEN 'suppressed' ELSE 'updates' END, n = 9 WHERE id IN (1, 2, 3, 5);
SELECT * FROM changed();
UPDATE t SET s = 'deletes', n = 8 WHERE id = 6;
SELECT * FROM changed();
DELETE FROM t WHERE id IN (3, 6);
SELECT * FROM changed();
INSERT INTO t VALUES (11, 0, 'echoed'), (13, 0, 'suppressed'), (14, 0, 'echoed') ON CONFLICT (id) DO UPDATE SET s = 'deletes', n = 1;
SELECT * FROM changed();
MERGE INTO t USING (VALUES (2), (4), (7), (15)) m (id) ON t.id = m.id
WHEN MATCHED AND m.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET s = 'updates', n = 9 WHEN NOT MATCHED THEN INSERT VALUES (15, 0, 'echoed');
SELECT * FROM changed();
SELECT * FROM t ORDER BY id;
-- A statement that comes upon what its own triggers have changed fails, and
-- leaves nothing.
DELETE FROM t WHERE id IN (11, 12, 1011);
SELECT * FROM changed();
DROP TRIGGER meddle ON t;
CREATE FUNCTION follow_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 3 THEN
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO t VALUES (OLD.id, OLD.n + 1, 'undeleted') ON CONFLICT DO NOTHING;
    ELSIF TG_OP = 'INSERT' THEN
        UPDATE t SET n = n + 1 WHERE id = NEW.id;
    ELSE
        UPDATE t SET s = 'neighbour' WHERE id = NEW.id + 1;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_up AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION follow_up();
INSERT INTO t VALUES (20, 0, 'a'), (21, 0, 'b'), (22, 0, 'c');
SELECT * FROM changed();
UPDATE t SET n = 100 WHERE id = 7;
SELECT * FROM changed();
DELETE FROM t WHERE id >= 1000;
SELECT * FROM changed();
DELETE FROM t WHERE id IN (20, 22);
SELECT * FROM changed();
UPDATE t SET id = id + 1 WHERE id = 22;
SELECT * FROM changed();
SELECT * FROM t ORDER BY id;
DROP TRIGGER follow_up ON t;
-- Triggers that are deferred to the end of the transaction, and those that run
-- at the end of the statement, before it is logged and after that.
CREATE CONSTRAINT TRIGGER follow_up AFTER INSERT OR UPDATE OR DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION follow_up();
BEGIN;
DELETE FROM t WHERE id = 21;
INSERT INTO t VALUES (30, 0, 'deferred');
COMMIT;
SELECT * FROM changed();
DROP TRIGGER follow_up ON t;
CREATE FUNCTION sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        INSERT INTO t SELECT 0, count(*), 'rows' FROM new_rows ON CONFLICT (id) DO UPDATE SET n = t.n + EXCLUDED.n;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER a_sum_up AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sum_up();
CREATE TRIGGER z_sum_up AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sum_up();
INSERT INTO t VALUES (31, 0, ''), (32, 0, '');
SELECT * FROM changed();
INSERT INTO t VALUES (33, 0, '');
SELECT * FROM changed();
DROP TRIGGER a_sum_up ON t;
DROP TRIGGER z_sum_up ON t;
-- A function in a query changes what the query changes too.
CREATE FUNCTION write_row(int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    UPDATE t SET n = n + 1 WHERE id = $1;
    INSERT INTO t VALUES ($1 + 500, 0, 'written') ON CONFLICT DO NOTHING;
    RETURN $1;
END $$;
INSERT INTO t SELECT write_row(g) + 40, 0, '' FROM generate_series(1, 4) g;
SELECT * FROM changed();
UPDATE t SET n = n + write_row(id + 1) WHERE id IN (1, 31);
SELECT * FROM changed();
DELETE FROM t WHERE id > 500 AND write_row(id - 500) > 0;
SELECT * FROM changed();

-- Foreign keys that cascade: in another table, and in the same one.
CREATE TABLE groups (id int PRIMARY KEY, name text);
CREATE TABLE members (id int PRIMARY KEY, grp int REFERENCES groups ON DELETE CASCADE ON UPDATE CASCADE,
    second int REFERENCES groups ON DELETE SET NULL ON UPDATE CASCADE, third int DEFAULT 1 REFERENCES groups ON DELETE SET DEFAULT ON UPDATE CASCADE);
INSERT INTO groups SELECT g, 'group ' || g FROM generate_series(1, 5) g;
INSERT INTO members SELECT g, g % 5 + 1, (g + 1) % 5 + 1, (g + 3) % 5 + 1 FROM generate_series(1, 10) g;
SELECT track_all_of('members');
CREATE MATERIALIZED VIEW w AS SELECT * FROM groups;
SELECT refresh_mv.track('w');
SELECT count(*) FROM changed('v', 'members');
SELECT count(*) FROM changed('w', 'groups');
DELETE FROM groups WHERE id = 2;
SELECT * FROM changed('v', 'members');
SELECT * FROM changed('w', 'groups');
UPDATE groups SET id = 10, name = 'ten' WHERE id = 5;
SELECT * FROM changed('v', 'members');
SELECT * FROM changed('w', 'groups');
DELETE FROM groups WHERE id IN (3, 10);
SELECT * FROM changed('v', 'members');
SELECT * FROM changed('w', 'groups');
SELECT * FROM members ORDER BY id;
DROP MATERIALIZED VIEW w;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE, other int REFERENCES tree ON DELETE SET NULL ON UPDATE SET NULL);
INSERT INTO tree VALUES (1, NULL, 1), (2, 1, 3), (3, 1, 2), (4, 2, 5), (5, 2, 6), (6, NULL, 1), (7, 6, 4);
SELECT track_all_of('tree');
SELECT count(*) FROM changed('v', 'tree');
DELETE FROM tree WHERE id = 2;
SELECT * FROM changed('v', 'tree');
UPDATE tree SET id = 10 WHERE id = 1;
SELECT * FROM changed('v', 'tree');
UPDATE tree SET id = id + 20;
SELECT * FROM changed('v', 'tree');
DELETE FROM tree WHERE id IN (26, 27);
SELECT * FROM changed('v', 'tree');
SELECT * FROM tree ORDER BY id;
-- With triggers of their own on what the cascade touches.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tree SET other = NULL WHERE id = OLD.parent;
    RETURN OLD;
END $$;
CREATE TRIGGER touch BEFORE DELETE ON tree FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO tree VALUES (1, NULL, 23), (2, 1, 1), (3, 2, 2), (4, 3, 3);
SELECT count(*) FROM changed('v', 'tree');
DELETE FROM tree WHERE id = 3;
SELECT * FROM changed('v', 'tree');
DELETE FROM tree WHERE id = 1;
SELECT * FROM changed('v', 'tree');
SELECT * FROM tree ORDER BY id;

-- A table of which the view uses few columns: others may change, even the whole
-- row be replaced, and nothing is known of that.
CREATE TABLE wide (a text, b int, id int PRIMARY KEY, c int, d text, e numeric);
INSERT INTO wide SELECT 'a', g, g, g, 'd', g FROM generate_series(1, 5) g;
CREATE MATERIALIZED VIEW narrow AS SELECT d, sum(b) FROM wide WHERE c > 0 GROUP BY d;
SELECT refresh_mv.track('narrow');
SELECT key, columns FROM refresh_mv.sources WHERE relation = 'wide'::regclass;
SELECT success FROM refresh_materialized_views_smart('{narrow}');
UPDATE wide SET a = 'changed', e = e + 1;
SELECT * FROM refresh_mv.changes('narrow', 'wide');
INSERT INTO wide VALUES ('z', 0, 3, 0, 'z', 0) ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a;
SELECT * FROM refresh_mv.changes('narrow', 'wide');
UPDATE wide SET c = 0, a = 'changed too' WHERE id = 2;
UPDATE wide SET id = 6 WHERE id = 5;
DELETE FROM wide WHERE id = 1;
INSERT INTO wide (id) VALUES (7);
SELECT * FROM refresh_mv.changes('narrow', 'wide') ORDER BY key COLLATE "C";
SELECT success, check_view('narrow') FROM refresh_materialized_views_smart('{narrow}');
SELECT * FROM refresh_mv.changes('narrow', 'wide');
DROP MATERIALIZED VIEW narrow;

-- Partitions, written at any level.  The log knows the root alone, with its
-- columns in its order.
CREATE TABLE p (id int, region text NOT NULL, day int NOT NULL, n int, PRIMARY KEY (region, day, id)) PARTITION BY LIST (region);
CREATE TABLE p_north (n int, gone int, day int NOT NULL, id int NOT NULL, region text NOT NULL, PRIMARY KEY (region, day, id));
ALTER TABLE p_north DROP gone;
ALTER TABLE p ATTACH PARTITION p_north FOR VALUES IN ('north');
CREATE TABLE p_south PARTITION OF p FOR VALUES IN ('south') PARTITION BY RANGE (day);
CREATE TABLE p_south_1 PARTITION OF p_south FOR VALUES FROM (0) TO (10);
CREATE TABLE p_south_2 PARTITION OF p_south FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT g, (ARRAY['north', 'south'])[g % 2 + 1], g, g FROM generate_series(1, 15) g;
SELECT track_all_of('p');
SELECT member::regclass, relation::regclass FROM refresh_mv.members WHERE relation = 'p'::regclass ORDER BY member::regclass::text COLLATE "C";
SELECT count(*) FROM changed('v', 'p');
INSERT INTO p VALUES (20, 'north', 1, 1), (20, 'south', 1, 1), (20, 'south', 11, 1);
SELECT * FROM changed('v', 'p');
INSERT INTO p_north (id, region, day, n) VALUES (21, 'north', 2, 2);
INSERT INTO p_south VALUES (21, 'south', 2, 2);
INSERT INTO p_south_2 VALUES (22, 'south', 12, 2);
SELECT * FROM changed('v', 'p');
UPDATE p SET n = n + 1 WHERE id IN (2, 3);
UPDATE p_north SET n = n + 1 WHERE id IN (2, 4);
UPDATE ONLY p_south SET n = 0;
UPDATE p_south SET n = n + 1 WHERE id IN (13, 3);
UPDATE p_south_1 SET n = n + 1 WHERE id = 5;
SELECT * FROM changed('v', 'p');
DELETE FROM p WHERE id IN (20, 5);
DELETE FROM p_north WHERE id = 4;
DELETE FROM p_south_2 WHERE id = 22;
SELECT * FROM changed('v', 'p');
-- Moved to another partition, by UPDATE of the root and of the level between.
UPDATE p SET region = 'south' WHERE id IN (2, 6);
SELECT * FROM changed('v', 'p');
UPDATE p SET region = 'north', n = -1 WHERE id IN (2, 3);
UPDATE p SET region = 'north', n = n - 1 WHERE id = 3;
SELECT * FROM changed('v', 'p');
UPDATE p_south SET day = day + 10 WHERE day < 8;
SELECT * FROM changed('v', 'p');
UPDATE p SET region = CASE region WHEN 'north' THEN 'south' ELSE 'north' END WHERE id IN (3, 6, 7);
SELECT * FROM changed('v', 'p');
INSERT INTO p VALUES (7, 'north', 17, 0), (99, 'north', 1, 0) ON CONFLICT (region, day, id) DO UPDATE SET n = 0;
SELECT * FROM changed('v', 'p');
-- By MERGE, which does not tell the triggers all of it.
MERGE INTO p USING (VALUES (3), (10), (100)) m (id) ON p.id = m.id
WHEN MATCHED THEN UPDATE SET n = 0 WHEN NOT MATCHED THEN INSERT VALUES (100, 'south', 1, 1);
SELECT * FROM changed('v', 'p');
MERGE INTO p USING (VALUES (10)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south';
SELECT * FROM changed('v', 'p');
MERGE INTO p USING (VALUES (12, 'south'), (14, 'north')) m (id, region) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = m.region, n = n + 1;
SELECT * FROM changed('v', 'p');
MERGE INTO p_south USING (VALUES (100)) m (id) ON p_south.id = m.id WHEN MATCHED THEN UPDATE SET day = 19;
SELECT * FROM changed('v', 'p');
-- Row triggers that refuse a move, or make one.
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n = 1000 THEN RETURN NULL; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stay BEFORE INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION stay();
UPDATE p SET day = 3, n = CASE id WHEN 1 THEN 1000 ELSE n END WHERE id IN (1, 9, 13);
SELECT * FROM changed('v', 'p');
MERGE INTO p USING (VALUES (14)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south', n = 1000;
SELECT * FROM changed('v', 'p');
DROP TRIGGER stay ON p;
-- A new partition, one that is attached with its rows, one that is detached, one
-- that is dropped.
CREATE TABLE p_rest PARTITION OF p DEFAULT;
INSERT INTO p VALUES (200, 'west', 1, 1);
SELECT * FROM changed('v', 'p');
INSERT INTO p_rest VALUES (201, 'west', 1, 1);
SELECT * FROM changed('v', 'p');
CREATE TABLE p_east (LIKE p);
INSERT INTO p_east VALUES (300, 'east', 1, 1), (301, 'east', 1, 1);
ALTER TABLE p ATTACH PARTITION p_east FOR VALUES IN ('east');
SELECT * FROM changed('v', 'p');
SELECT * FROM changed('v', 'p');
UPDATE p_east SET n = 2 WHERE id = 300;
UPDATE p SET region = 'other' WHERE id = 301;
SELECT * FROM changed('v', 'p');
ALTER TABLE p DETACH PARTITION p_east;
SELECT * FROM changed('v', 'p');
UPDATE p_east SET n = 3;
INSERT INTO p VALUES (302, 'east', 1, 1);
SELECT * FROM changed('v', 'p');
DROP TABLE p_east;
SELECT * FROM changed('v', 'p');
DROP TABLE p_north;
SELECT * FROM changed('v', 'p');
SELECT * FROM changed('v', 'p');
CREATE TABLE p_south_3 PARTITION OF p_south FOR VALUES FROM (20) TO (30);
INSERT INTO p_south_3 VALUES (400, 'south', 25, 1);
SELECT * FROM changed('v', 'p');
TRUNCATE p_south_1;
SELECT * FROM changed('v', 'p');
ALTER TABLE p DETACH PARTITION p_south;
INSERT INTO p_south VALUES (401, 'south', 25, 1);
SELECT * FROM changed('v', 'p');
SELECT count(*) FROM v;
SELECT member::regclass, relation::regclass FROM refresh_mv.members WHERE relation = 'p'::regclass ORDER BY member::regclass::text COLLATE "C";
SELECT DISTINCT tgrelid::regclass::text COLLATE "C" FROM pg_trigger WHERE tgfoid = 'refresh_mv.log_change'::regproc AND tgrelid::regclass::text LIKE 'p%' ORDER BY 1;
-- A view of one partition, or of a part of the tree, knows of the whole tree.
CREATE TABLE q (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE q_1 PARTITION OF q FOR VALUES FROM (0) TO (10);
CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM (10) TO (20);
INSERT INTO q VALUES (1, 1), (11, 1);
CREATE MATERIALIZED VIEW first_part AS SELECT * FROM q_1;
SELECT refresh_mv.track('first_part');
SELECT success FROM refresh_materialized_views_smart('{first_part}');
UPDATE q SET n = 2;
INSERT INTO q_1 VALUES (2, 2);
UPDATE q SET id = 3 WHERE id = 11;
SELECT * FROM refresh_mv.changes('first_part', 'q_1') ORDER BY key COLLATE "C";
SELECT * FROM refresh_mv.changes('first_part', 'q') ORDER BY key COLLATE "C";
SELECT success, check_view('first_part') FROM refresh_materialized_views_smart('{first_part}');
-- Detached in two transactions.
SELECT track_all_of('q');
SELECT count(*) FROM changed('v', 'q');
INSERT INTO q VALUES (12, 12);
SELECT * FROM changed('v', 'q');
ALTER TABLE q DETACH PARTITION q_2 CONCURRENTLY;
SELECT * FROM changed('v', 'q');
INSERT INTO q_2 VALUES (13, 13);
SELECT * FROM changed('v', 'q');
SELECT count(*) FROM v;
-- A partition that is a table of its own for a while, in a transaction with one snapshot, leaves nothing in the log.
BEGIN ISOLATION LEVEL REPEATABLE READ;
ALTER TABLE q DETACH PARTITION q_1;
UPDATE q_1 SET n = 3;
ALTER TABLE q ATTACH PARTITION q_1 FOR VALUES FROM (0) TO (10);
COMMIT;
SELECT count(*) FROM refresh_mv.log WHERE relation = 'q_1'::regclass;
SELECT * FROM changed('v', 'q');
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP -- until no older transaction is left, such as an autovacuum
        PERFORM refresh_materialized_views_smart('{first_part, v}');
        EXIT WHEN NOT EXISTS (SELECT FROM refresh_mv.log WHERE relation IN ('q'::regclass, 'q_1'::regclass));
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT relation::regclass FROM refresh_mv.log WHERE relation IN ('q'::regclass, 'q_1'::regclass);
DROP TABLE q, q_2, p, p_rest, p_south CASCADE;

-- A generated column, a dropped one, one that came later.
CREATE TABLE g (gone_1 int, n int, doubled int GENERATED ALWAYS AS (n * 2) STORED, gone_2 text DEFAULT 'x', id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s text);
ALTER TABLE g DROP gone_1, DROP gone_2;
INSERT INTO g (n, s) VALUES (1, 'a'), (2, 'b'), (3, 'c');
ALTER TABLE g ADD late text DEFAULT 'added', ADD computed int GENERATED ALWAYS AS (n + id) STORED;
SELECT track_all_of('g');
SELECT count(*) FROM changed('v', 'g');
UPDATE g SET n = n + 1 WHERE id < 3;
INSERT INTO g (n, s, late) VALUES (4, 'd', NULL);
DELETE FROM g WHERE id = 3;
SELECT * FROM changed('v', 'g');
UPDATE g SET n = 0, s = NULL, late = DEFAULT;
SELECT * FROM changed('v', 'g');
-- In a partitioned table, whose triggers are not told the new values of it.
CREATE TABLE gp (id int PRIMARY KEY, n int, doubled int GENERATED ALWAYS AS (n * 2) STORED) PARTITION BY RANGE (id);
CREATE TABLE gp_1 PARTITION OF gp FOR VALUES FROM (0) TO (10);
CREATE TABLE gp_2 PARTITION OF gp FOR VALUES FROM (10) TO (20);
INSERT INTO gp (id, n) SELECT g, g FROM generate_series(1, 15) g;
SELECT track_all_of('gp');
SELECT count(*) FROM changed('v', 'gp');
INSERT INTO gp VALUES (16, 16), (17, 17);
UPDATE gp SET n = n + 1 WHERE id < 3;
UPDATE gp_1 SET n = n + 1 WHERE id = 3;
DELETE FROM gp WHERE id IN (4, 16);
SELECT * FROM changed('v', 'gp');
UPDATE gp SET n = n WHERE id = 5;
UPDATE gp SET n = n + 1, doubled = DEFAULT WHERE id IN (1, 11);
SELECT * FROM changed('v', 'gp');
UPDATE gp SET id = 19 WHERE id = 1;
UPDATE gp_2 SET id = 18 WHERE id = 11;
SELECT * FROM changed('v', 'gp');
-- A generated column is the key.
CREATE TABLE h (n int, id int GENERATED ALWAYS AS (n * 2) STORED PRIMARY KEY, s text);
INSERT INTO h VALUES (1), (2), (3);
SELECT track_all_of('h');
SELECT count(*) FROM changed('v', 'h');
UPDATE h SET n = n + 10 WHERE n > 1;
UPDATE h SET s = 'x' WHERE id < 24;
SELECT * FROM changed('v', 'h');

-- Long values: in the table, out of line, compressed.  They are logged where they
-- were changed, and where another column was.
CREATE TABLE long (id int PRIMARY KEY, n int, plain text, extern text, packed text);
ALTER TABLE long ALTER plain SET STORAGE PLAIN, ALTER extern SET STORAGE EXTERNAL, ALTER packed SET STORAGE MAIN;
CREATE FUNCTION noise(seed int, length int) RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT string_agg(md5(seed || '/' || g), '') FROM generate_series(1, length / 32) g $$;
INSERT INTO long SELECT g, g, noise(g, 1600), noise(-g, 32000), repeat(g::text, 50000) FROM generate_series(1, 4) g;
SELECT track_all_of('long');
SELECT count(*) FROM changed('v', 'long');
UPDATE long SET n = 0 WHERE id = 1;
UPDATE long SET extern = noise(100, 9600) WHERE id = 2;
UPDATE long SET packed = 'short' WHERE id = 3;
UPDATE long SET packed = packed || '', extern = extern || '', plain = plain || '' WHERE id = 4;
INSERT INTO long VALUES (5, 5, noise(5, 1600), noise(-5, 32000), '');
SELECT key, length(old_row), old_row = (SELECT v::text FROM v WHERE ROW(v.id)::text = key) AS is_row
FROM refresh_mv.changes('v', 'long') ORDER BY key COLLATE "C";
SELECT key, length(old_row), left(old_row, 12) AS start FROM changed('v', 'long');
DELETE FROM long;
SELECT key, length(old_row), right(old_row, 12) AS rest FROM changed('v', 'long');
-- A long key.
CREATE TABLE long_key (k text PRIMARY KEY, n int);
INSERT INTO long_key VALUES (noise(1, 1600), 1), (noise(2, 1600), 2);
SELECT track_all_of('long_key');
SELECT count(*) FROM changed('v', 'long_key');
UPDATE long_key SET n = n + 1;
INSERT INTO long_key VALUES (noise(3, 1600), 3);
SELECT left(key, 8) AS key, length(key), left(old_row, 8) AS old_row, length(old_row) AS old_length FROM changed('v', 'long_key');
-- A statement that changes many long rows takes several entries.
INSERT INTO long SELECT g, g, noise(g, 1600), '', '' FROM generate_series(1, 50) g;
SELECT track_all_of('long');
SELECT count(*) FROM changed('v', 'long');
CREATE TEMP TABLE mark AS SELECT coalesce(max(seq), 0) AS seq FROM refresh_mv.log;
UPDATE long SET plain = noise(id + 50, 1600);
SELECT count(*) > 10 AS several, sum(records), max(length(data)) < 8200 AS short FROM refresh_mv.log WHERE seq > (TABLE mark);
SELECT count(*), sum(length(old_row)) FROM changed('v', 'long');

-- Keys of each type.  Rows with them are inserted, updated, deleted, given
-- another key, and brought back.
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE FUNCTION try_key(type text, VARIADIC keys text[]) RETURNS TABLE (step text, key text, old_row text) LANGUAGE plpgsql AS $$
DECLARE
    last text := keys[cardinality(keys)];
BEGIN
    DROP MATERIALIZED VIEW IF EXISTS v;
    DROP TABLE IF EXISTS k;
    EXECUTE format('CREATE TABLE k (n int, key %s PRIMARY KEY)', type);
    EXECUTE format('INSERT INTO k SELECT 0, x::%s FROM unnest($1) x', type) USING keys[:cardinality(keys) - 1];
    PERFORM track_all_of('k');
    PERFORM changed('v', 'k'::text::regclass);
    EXECUTE format('INSERT INTO k VALUES (1, %L)', last);
    RETURN QUERY SELECT 'inserted', c.* FROM changed('v', 'k'::text::regclass) c;
    UPDATE k SET n = n + 1;
    RETURN QUERY SELECT 'updated', c.* FROM changed('v', 'k'::text::regclass) c;
    EXECUTE format('DELETE FROM k WHERE key <> %L::%s', last, type);
    EXECUTE format('UPDATE k SET key = %L', keys[1]);
    RETURN QUERY SELECT 'moved', c.* FROM changed('v', 'k'::text::regclass) c;
    DELETE FROM k;
    EXECUTE format('INSERT INTO k SELECT 5, x::%s FROM unnest($1) x', type) USING keys;
    RETURN QUERY SELECT 'again', c.* FROM changed('v', 'k'::text::regclass) c;
END $$;
SELECT * FROM try_key('smallint', '-32768', '-1', '0', '32767');
SELECT * FROM try_key('int', '-2147483648', '-2147483647', '-1', '0', '2147483646', '2147483647');
SELECT * FROM try_key('bigint', '-9223372036854775808', '-1', '0', '9223372036854775806', '9223372036854775807');
SELECT * FROM try_key('small', '-1', '99', '98');
SELECT * FROM try_key('oid', '0', '2147483648', '4294967295');
SELECT * FROM try_key('uuid', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '12345678-1234-1234-1234-123456789abc');
SELECT * FROM try_key('text', '', 'a', 'a"b', '(1,2)', 'NULL');
SELECT * FROM try_key('char(3)', 'a', 'b ', 'abc');
SELECT * FROM try_key('name', 'a', 'b', 'c');
SELECT * FROM try_key('"char"', 'a', 'b', '');
SELECT * FROM try_key('bytea', '\x', '\x00', '\x0001');
SELECT * FROM try_key('boolean', 'true', 'false');
SELECT * FROM try_key('date', '-infinity', '2024-02-29', 'infinity', '4713-01-01 BC');
SELECT * FROM try_key('timestamptz', '2024-02-29 12:00:00.000001+00', '2024-02-29 12:00:00.000002+00', 'infinity');
SELECT * FROM try_key('numeric', '0', '1.0', '1e30', '-0.00000000001', 'NaN', 'Infinity');
SELECT * FROM try_key('double precision', '0', '1e-300', 'NaN', '-Infinity');
SELECT * FROM try_key('interval', '1 mon', '1 day', '1 hour');
SELECT * FROM try_key('inet', '10.0.0.0/8', '::1', '10.0.0.1');
SELECT * FROM try_key('jsonb', '{"a": 1}', '[]', '"x"');
SELECT * FROM try_key('int[]', '{}', '{1,NULL}', '{{1},{2}}');
SELECT * FROM try_key('pair', '(1,a)', '(,)', '(2,"b c")');
SELECT * FROM try_key('int4range', 'empty', '[1,5)', '(,)');
-- Keys that are equal and are not the same: one becomes the other, with the row
-- and without it, and takes its place.
CREATE FUNCTION try_equal(type text, one text, other text) RETURNS TABLE (step text, key text, old_row text) LANGUAGE plpgsql AS $$
BEGIN
    DROP MATERIALIZED VIEW IF EXISTS v;
    DROP TABLE IF EXISTS k;
    EXECUTE format('CREATE TABLE k (n int, key %s PRIMARY KEY)', type);
    EXECUTE format('INSERT INTO k VALUES (0, %L)', one);
    PERFORM track_all_of('k');
    PERFORM changed('v', 'k'::text::regclass);
    EXECUTE format('UPDATE k SET key = %L', other);
    RETURN QUERY SELECT 'changed', c.* FROM changed('v', 'k'::text::regclass) c;
    EXECUTE format('UPDATE k SET key = %L', one);
    EXECUTE format('UPDATE k SET key = %L, n = 8', other);
    UPDATE k SET n = 9;
    RETURN QUERY SELECT 'and back', c.* FROM changed('v', 'k'::text::regclass) c;
    DELETE FROM k;
    EXECUTE format('INSERT INTO k VALUES (1, %L)', one);
    RETURN QUERY SELECT 'replaced', c.* FROM changed('v', 'k'::text::regclass) c;
    EXECUTE format('INSERT INTO k VALUES (2, %L) ON CONFLICT (key) DO UPDATE SET key = EXCLUDED.key', other);
    RETURN QUERY SELECT 'conflict', c.* FROM changed('v', 'k'::text::regclass) c;
    EXECUTE format('DELETE FROM k WHERE key = %L', one);
    RETURN QUERY SELECT 'deleted', c.* FROM changed('v', 'k'::text::regclass) c;
END $$;
SELECT * FROM try_equal('numeric', '1.0', '1.00');
SELECT * FROM try_equal('double precision', '0', '-0');
SELECT * FROM try_equal('interval', '1 mon', '30 days');
SELECT * FROM try_equal('char(3)', 'a', 'a ');
-- Two columns, in the index's order; the narrowest key where there is no primary
-- one.
CREATE TABLE two (s text, b int, a text, n int, PRIMARY KEY (a, b));
INSERT INTO two VALUES ('x', 1, 'one', 1), ('y', 2, 'one', 2), ('z', 1, 'two', 3);
SELECT track_all_of('two');
SELECT count(*) FROM changed('v', 'two');
UPDATE two SET b = b + 1 WHERE a = 'two';
UPDATE two SET a = a || b, s = a;
INSERT INTO two VALUES ('x', 1, 'one', 1);
SELECT * FROM changed('v', 'two');
CREATE TABLE unique_only (a int NOT NULL, b int NOT NULL, c int NOT NULL, n int, UNIQUE (a, b), UNIQUE (c) INCLUDE (n));
SELECT track_all_of('unique_only');
SELECT key FROM refresh_mv.sources WHERE relation = 'unique_only'::regclass;
SELECT count(*) FROM changed('v', 'unique_only');
INSERT INTO unique_only VALUES (1, 1, 1, 1), (1, 2, 2, 2);
SELECT * FROM changed('v', 'unique_only');
UPDATE unique_only SET a = c, c = c + 10, n = 0;
SELECT * FROM changed('v', 'unique_only');

-- Names that have to be quoted, and are not ASCII.
CREATE SCHEMA "Größe ""x""";
CREATE TABLE "Größe ""x"""."Ta ble'1" ("I d" int PRIMARY KEY, "n""m" text, "数" numeric, "select" int) PARTITION BY RANGE ("I d");
CREATE TABLE "Größe ""x"""."Ta ble'2" PARTITION OF "Größe ""x"""."Ta ble'1" FOR VALUES FROM (0) TO (100);
CREATE MATERIALIZED VIEW "V \1" AS SELECT * FROM "Größe ""x"""."Ta ble'1";
SELECT * FROM refresh_mv.track('"V \1"');
SELECT relation::regclass, key, columns FROM refresh_mv.sources WHERE relation = '"Größe ""x"""."Ta ble''1"'::regclass;
SELECT count(*) FROM changed('"V \1"', '"Größe ""x"""."Ta ble''1"');
INSERT INTO "Größe ""x"""."Ta ble'1" VALUES (1, 'ä', 1.50, 1), (2, '\', NULL, 2);
SELECT * FROM changed('"V \1"', '"Größe ""x"""."Ta ble''1"');
UPDATE "Größe ""x"""."Ta ble'2" SET "n""m" = '"', "select" = "select" + 1;
SELECT * FROM changed('"V \1"', '"Größe ""x"""."Ta ble''1"');
TRUNCATE "Größe ""x"""."Ta ble'2";
SELECT refresh_mv.changes('"V \1"', '"Größe ""x"""."Ta ble''1"');
SELECT refresh_mv.untrack('"V \1"');
DROP SCHEMA "Größe ""x""" CASCADE;

-- Values of any type come back as they were.
CREATE TABLE types (id int PRIMARY KEY, b boolean, c "char", bp char(5), vc varchar(9), na name, d date, t time, tz timetz, ts timestamptz, iv interval,
    nu numeric, f4 real, f8 float8, by bytea, u uuid, j json, jb jsonb, ar int[], ca text[], co pair, ra int4range, mr int4multirange,
    po point, po2 polygon, ne inet, ma macaddr, bi bit(3), vb bit varying, tv tsvector, tq tsquery, oi oid, re regclass, ls pg_lsn, dom small);
INSERT INTO types VALUES (1, true, 'x', 'ab', 'cd', 'name', '2024-01-01', '12:00', '12:00+02', '2024-01-01 12:00+02', '1 mon -2 days', 1.50, '-0', 'NaN',
    '\x00ff', '12345678-1234-1234-1234-123456789abc', '{"a":  1, "a": 2}', '{"a": 1.0}', '[0:1]={1,NULL}', '{a,"b c",NULL,""}', '(1,)', '[1,5)', '{[1,3),[5,8)}',
    '(1,-0)', '((0,0),(1,1))', '10.0.0.1/8', '00:00:00:00:00:01', '101', '1', 'a:1 b:2A', 'a & !b', 12, 'pg_class', '16/B374D848', 99);
INSERT INTO types (id) VALUES (2);
SELECT track_all_of('types');
SELECT count(*) FROM changed('v', 'types');
UPDATE types SET b = NOT b WHERE id = 1;
UPDATE types SET nu = 1 WHERE id = 2;
SELECT * FROM changed('v', 'types') \g (format=unaligned)
UPDATE types SET nu = 1.500, f4 = 0, po = '(1,0)', j = '{"a": 1, "a": 2}' WHERE id = 1;
SELECT * FROM changed('v', 'types') \g (format=unaligned)
-- A difference in bytes alone is a change, as in 1.5 and 1.50, 0 and -0.
UPDATE types SET nu = 1.5 WHERE id = 1;
SELECT key FROM changed('v', 'types');
UPDATE types SET f4 = '-0' WHERE id = 1;
SELECT key FROM changed('v', 'types');
UPDATE types SET jb = '{"a": 1.00}' WHERE id = 1;
SELECT key FROM changed('v', 'types');
UPDATE types SET nu = 1.5, f4 = '-0', jb = '{"a": 1.00}', j = j, co = (1, NULL)::pair, ar = ar WHERE id = 1;
SELECT key FROM changed('v', 'types');

-- What is written of a view alone goes with its own refresh, though the view above it, to which that is nothing, has none.
CREATE TABLE below (id int PRIMARY KEY, d date, n int);
INSERT INTO below SELECT i, '2024-01-01', i FROM generate_series(1, 9) AS i;
CREATE MATERIALIZED VIEW lower AS SELECT * FROM below;
CREATE MATERIALIZED VIEW upper AS SELECT sum(n) FROM lower;
SELECT tracked FROM refresh_mv.track('lower');
SELECT tracked FROM refresh_mv.track('upper');
SELECT success FROM refresh_materialized_views_smart('{lower, upper}');
SELECT refresh_mv.configure('lower', date_column => 'd');
SELECT relation::regclass, reason FROM refresh_mv.log WHERE relation = 'lower'::regclass;
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP -- until no older transaction is left, such as an autovacuum
        PERFORM refresh_materialized_views_smart('{lower, upper}');
        EXIT WHEN NOT EXISTS (SELECT FROM refresh_mv.log WHERE relation = 'lower'::regclass);
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT relation::regclass, reason FROM refresh_mv.log WHERE relation = 'lower'::regclass;
SELECT DISTINCT view, method FROM refresh_mv.history WHERE view IN ('suite.upper', 'suite.lower') AND method <> 'skip' ORDER BY 1, 2;
SELECT count(*) FROM refresh_mv.history WHERE view = 'suite.upper' AND method <> 'skip';

DROP SCHEMA suite CASCADE;
CALL refresh_mv.run();
SELECT (SELECT count(*) FROM refresh_mv.sources) AS sources, (SELECT count(*) FROM refresh_mv.members) AS members, (SELECT count(*) FROM refresh_mv.log) AS entries;
