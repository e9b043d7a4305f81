CALL helpers.begin_suite();
-- What makes the changes of a tracked view unknown: its next refresh is full,
-- and right; those after it know the changes row by row again.
CREATE ROLE refresh_mv_other;
GRANT ALL ON SCHEMA suite TO refresh_mv_other;

-- A view that depends on everything that can be changed.
CREATE PROCEDURE make_fixture() LANGUAGE plpgsql AS $body$
BEGIN
    DROP SCHEMA IF EXISTS fixture CASCADE;
    DROP SCHEMA IF EXISTS elsewhere CASCADE;
    CREATE SCHEMA fixture;
    CREATE SCHEMA elsewhere;
    GRANT ALL ON SCHEMA fixture TO refresh_mv_other;
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE DOMAIN small AS int CHECK (VALUE < 1000);
    CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
    CREATE FUNCTION doubled(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
    CREATE FUNCTION tripled(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 * 3; END';
    CREATE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + $2';
    CREATE AGGREGATE adding(int) (sfunc = plus, stype = int, initcond = '0');
    CREATE TABLE t (id int PRIMARY KEY, n int, s text, m mood, d small, unused int);
    INSERT INTO t SELECT i, i, 'The word ' || i, 'sad', i, i FROM generate_series(1, 5) i;
    CREATE TABLE k (id int PRIMARY KEY, n int);
    INSERT INTO k VALUES (1, 1);
    CREATE TABLE u (id int NOT NULL, n int);
    CREATE UNIQUE INDEX u_key ON u (id);
    INSERT INTO u VALUES (1, 1);
    CREATE TABLE p (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
    CREATE TABLE p3 (id int PRIMARY KEY, n int);
    INSERT INTO p VALUES (1, 1), (11, 11);
    INSERT INTO p3 VALUES (21, 21);
    CREATE TABLE o (id int PRIMARY KEY, n int);
    CREATE TABLE o2 (id int PRIMARY KEY, n int);
    CREATE VIEW ordinary AS SELECT id, n FROM o;
    INSERT INTO o VALUES (1, 1);
    INSERT INTO o2 VALUES (1, 1), (2, 2);
    CREATE MATERIALIZED VIEW v AS
        SELECT 't' AS part, id, doubled(n) AS a, tripled(n) AS b, m::text || d || to_tsvector('words', s) AS c FROM t
        UNION ALL SELECT 'adding', 0, adding(n), 0, '' FROM t
        UNION ALL SELECT 'k', 0, n, 0, '' FROM k
        UNION ALL SELECT 'u', id, n, 0, '' FROM u
        UNION ALL SELECT 'p', id, n, 0, '' FROM p
        UNION ALL SELECT 'ordinary', id, n, 0, '' FROM ordinary;
    GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA fixture TO refresh_mv_other;
END $body$;

-- Refreshes a view in one of two ways; returns the method and the reason.
CREATE PROCEDURE refresh(view oid, way text, INOUT method text, INOUT reason text) LANGUAGE plpgsql AS $$
BEGIN
    IF way = 'run' THEN
        CALL refresh_mv.run(views => ARRAY[view::regclass]);
    ELSE
        PERFORM refresh_materialized_views_smart(ARRAY[view::regclass]);
        COMMIT;
    END IF;
    SELECT j.method, unqualified(j.reason) FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1 INTO method, reason;
END $$;

-- Tries a cause, a statement a line, each in a transaction of its own.  Tells
-- the reasons of the refreshes after it until one has nothing to do, and what
-- is not as it should be.
CREATE PROCEDURE try(cause text, way text, INOUT reasons text[] DEFAULT NULL, INOUT wrong text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    method text;
    reason text;
    view oid;
    source oid;
    old_n int;
BEGIN
    CALL make_fixture();
    view := 'v'::text::regclass;
    source := 't'::text::regclass;
    PERFORM refresh_mv.track(view);
    COMMIT;
    CALL refresh(view, way, method, reason);
    CALL refresh(view, way, method, reason);
    IF method <> 'skip' THEN wrong := wrong || ' no skip before;'; END IF;

    FOREACH statement IN ARRAY string_to_array(cause, E'\n') LOOP
        EXECUTE statement;
        COMMIT;
    END LOOP;
    reasons := '{}';
    LOOP
        CALL refresh(view, way, method, reason);
        EXIT WHEN method = 'skip' OR array_length(reasons, 1) > 3;
        reasons := reasons || reason;
        IF check_view(view::regclass) <> 0 THEN wrong := wrong || ' wrong rows;'; END IF;
    END LOOP;
    IF check_view(view::regclass) <> 0 THEN wrong := wrong || ' wrong rows at the end;'; END IF;

    -- From now on each change is known.
    EXECUTE format('INSERT INTO %s (id, n, s, m, d) VALUES (0, 7, '''', ''glad'', 8) ON CONFLICT DO NOTHING', source::regclass);
    CALL refresh(view, way, method, reason);
    EXECUTE format('UPDATE %s SET n = 8 WHERE id = 0', source::regclass);
    IF ARRAY(SELECT key || old_row FROM refresh_mv.changes(view, source)) <> '{"(0)(0,7,\"\",glad,8)"}' THEN
        wrong := wrong || ' changes not as they are;';
    END IF;
    CALL refresh(view, way, method, reason);
    IF reason !~ '^1 change in the log' THEN wrong := wrong || ' then ' || reason || ';'; END IF;
    IF check_view(view::regclass) <> 0 THEN wrong := wrong || ' wrong rows then;'; END IF;
    CALL refresh(view, way, method, reason);
    IF method <> 'skip' THEN wrong := wrong || ' no skip then;'; END IF;
END $$;

-- Prints a cause, and why refreshes after it were full: by function calls, and
-- by the procedure if that differs.
CREATE PROCEDURE show(cause text) LANGUAGE plpgsql AS $$
DECLARE
    by_function text[];
    by_run text[];
    wrong text := '';
BEGIN
    CALL try(cause, 'function', by_function, wrong);
    CALL try(cause, 'run', by_run, wrong);
    INSERT INTO shown (line) VALUES
        (cause), ('    ' || coalesce(nullif(array_to_string(by_function, '; then '), ''), 'nothing')),
        (CASE WHEN by_run <> by_function THEN '    by run(): ' || array_to_string(by_run, '; then ') END),
        ('    WRONG:' || nullif(wrong, ''));
END $$;
CREATE TABLE shown (no int GENERATED ALWAYS AS IDENTITY, line text);
CREATE TABLE causes (no int GENERATED ALWAYS AS IDENTITY, cause text);
CREATE PROCEDURE show_all() LANGUAGE plpgsql AS $$
DECLARE
    causes text[] := ARRAY(SELECT cause FROM causes ORDER BY no);
    cause text;
BEGIN
    FOREACH cause IN ARRAY causes LOOP
        CALL show(cause);
    END LOOP;
END $$;
SET search_path = fixture, suite, helpers, public;
\pset format unaligned
\pset tuples_only on

INSERT INTO causes (cause) VALUES
    -- The tables.
    ('TRUNCATE t'),
    ('TRUNCATE t, p'),
    ('TRUNCATE p2'),
    (E'INSERT INTO t (id, n) VALUES (6, 6)\nTRUNCATE t\nINSERT INTO t (id, n) VALUES (6, 5)'),
    ('ALTER TABLE t ADD COLUMN more int DEFAULT 1'),
    ('ALTER TABLE t DROP COLUMN unused'),
    ('ALTER TABLE t ALTER COLUMN unused TYPE text'),
    ('ALTER TABLE k ALTER COLUMN id TYPE bigint'),
    ('ALTER TABLE k RENAME COLUMN id TO number'),
    ('ALTER TABLE t RENAME COLUMN unused TO not_used'),
    ('ALTER TABLE u RENAME COLUMN n TO number'),
    ('ALTER TABLE t RENAME TO renamed'),
    ('ALTER TABLE t SET SCHEMA elsewhere'),
    ('ALTER TABLE t SET (fillfactor = 80)'),
    ('ALTER TABLE t ALTER COLUMN s SET STORAGE EXTERNAL'),
    ('ALTER TABLE t OWNER TO refresh_mv_other'),
    ('ALTER TABLE t REPLICA IDENTITY FULL'),
    ('ALTER TABLE p ADD COLUMN more int DEFAULT 1'),
    -- Partitions.
    ('ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30)'),
    ('ALTER TABLE p DETACH PARTITION p2'),
    (E'ALTER TABLE p DETACH PARTITION p2\nINSERT INTO p2 VALUES (12, 12)\nALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)'),
    ('DROP TABLE p2'),
    (E'ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30)\nINSERT INTO p3 VALUES (22, 22)'),
    -- Not one that is made new: its rows are known.
    ('CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (30) TO (40)'),
    (E'CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (30) TO (40)\nINSERT INTO p4 VALUES (31, 31)\nINSERT INTO p VALUES (32, 32)'),
    (E'CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (30) TO (40) PARTITION BY LIST (id)\nCREATE TABLE p41 PARTITION OF p4 FOR VALUES IN (31)\nINSERT INTO p4 VALUES (31, 31)'),
    -- The triggers.
    (E'ALTER TABLE t DISABLE TRIGGER ALL\nDELETE FROM t WHERE id = 1\nALTER TABLE t ENABLE TRIGGER ALL'),
    (E'ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE\nALTER TABLE t DISABLE TRIGGER ALL\nDELETE FROM t WHERE id = 1\nALTER TABLE t ENABLE TRIGGER ALL\nALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS'),
    (E'ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE\nALTER TABLE t DISABLE TRIGGER refresh_mv_delete\nDELETE FROM t WHERE id = 1\nALTER TABLE t ENABLE ALWAYS TRIGGER refresh_mv_delete\nALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS'),
    (E'ALTER TABLE p1 DISABLE TRIGGER ALL\nDELETE FROM p1\nALTER TABLE p1 ENABLE TRIGGER ALL'),
    (E'DROP TRIGGER refresh_mv_insert ON t\nINSERT INTO t (id, n) VALUES (6, 6)'),
    (E'DROP TRIGGER refresh_mv_begin ON p2'),
    (E'ALTER TRIGGER refresh_mv_insert ON t RENAME TO renamed\nINSERT INTO t (id, n) VALUES (6, 6)'),
    -- The keys.
    (E'ALTER TABLE t DROP CONSTRAINT t_pkey\nALTER TABLE t ADD PRIMARY KEY (id)'),
    (E'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id)\nDELETE FROM t WHERE id = 2'),
    (E'DROP INDEX u_key\nINSERT INTO u VALUES (2, 2)\nCREATE UNIQUE INDEX u_key ON u (id)'),
    (E'DROP INDEX u_key\nCREATE UNIQUE INDEX u_key ON u (id)\nINSERT INTO u VALUES (2, 2)'),
    (E'CREATE UNIQUE INDEX u_better ON u (n, id)'),
    (E'ALTER TABLE u ALTER COLUMN id DROP NOT NULL\nALTER TABLE u ALTER COLUMN id SET NOT NULL'),
    ('REINDEX TABLE t'),
    -- The view.
    ('REFRESH MATERIALIZED VIEW v'),
    (E'UPDATE t SET n = n + 1\nREFRESH MATERIALIZED VIEW v'),
    (E'CREATE UNIQUE INDEX ON v (part, id)\nUPDATE t SET n = n + 1\nREFRESH MATERIALIZED VIEW CONCURRENTLY v'),
    ('REFRESH MATERIALIZED VIEW v WITH NO DATA'),
    ('ALTER MATERIALIZED VIEW v RENAME TO renamed'),
    ('ALTER MATERIALIZED VIEW v SET SCHEMA elsewhere'),
    (E'ALTER SCHEMA fixture RENAME TO renamed\nALTER SCHEMA renamed RENAME TO fixture'),
    ('ALTER MATERIALIZED VIEW v OWNER TO refresh_mv_other'),
    ('ALTER MATERIALIZED VIEW v RENAME COLUMN a TO aa'),
    -- What the query calls and reads besides tables.
    ('CREATE OR REPLACE FUNCTION doubled(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 * 20'''),
    ('CREATE OR REPLACE FUNCTION tripled(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS ''BEGIN RETURN $1 * 30; END'''),
    ('CREATE OR REPLACE AGGREGATE adding(int) (sfunc = plus, stype = int, initcond = ''10'')'),
    ('CREATE OR REPLACE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + $2 + 1'''),
    ('ALTER FUNCTION doubled(int) COST 10'),
    ('CREATE OR REPLACE VIEW ordinary AS SELECT id, n + 1 AS n FROM o'),
    ('CREATE OR REPLACE VIEW ordinary AS SELECT id, n FROM o2'),
    (E'CREATE OR REPLACE VIEW ordinary AS SELECT id, n FROM o2\nINSERT INTO o2 VALUES (3, 3)'),
    ('ALTER TYPE mood ADD VALUE ''calm'''),
    (E'ALTER TYPE mood RENAME VALUE ''sad'' TO ''blue'''),
    ('ALTER DOMAIN small ADD CHECK (VALUE > -1000)'),
    ('ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword WITH english_stem'),
    -- The log.
    (E'DELETE FROM t WHERE id = 1\nDELETE FROM refresh_mv.log'),
    (E'DELETE FROM t WHERE id = 1\nTRUNCATE refresh_mv.log'),
    (E'DELETE FROM t WHERE id = 1\nUPDATE refresh_mv.log SET data = ''\\x00ff00ff00ff'''),
    (E'DELETE FROM t WHERE id = 1\nUPDATE refresh_mv.log SET relation = 1'),
    -- The tables of the extension.
    (E'DELETE FROM t WHERE id = 1\nDELETE FROM refresh_mv.state'),
    (E'DELETE FROM t WHERE id = 1\nDELETE FROM refresh_mv.sources'),
    (E'DELETE FROM t WHERE id = 1\nDELETE FROM refresh_mv.members'),
    (E'DELETE FROM t WHERE id = 1\nDELETE FROM refresh_mv.tracked'),
    ('ALTER EXTENSION refresh_mv UPDATE'),
    -- All this tells nothing of the data, or is logged.
    (E'CREATE INDEX ON t (n)\nGRANT SELECT ON t TO PUBLIC\nCREATE TABLE other (LIKE t)\nDROP TABLE other'),
    (E'SET session_replication_role = replica\nDELETE FROM t WHERE id = 1\nRESET session_replication_role');
CALL show_all();
SELECT line FROM shown WHERE line IS NOT NULL ORDER BY no;
DROP SCHEMA fixture, elsewhere CASCADE;
\pset format aligned
\pset tuples_only off
SET search_path = suite, helpers, public;

-- The method of a refresh by a function call, and the reason.
CREATE FUNCTION smart(view regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    RETURN (SELECT method || ': ' || unqualified(reason) FROM refresh_mv.journal ORDER BY id DESC LIMIT 1);
END $$;
CREATE TABLE t (id int PRIMARY KEY, n int, s text);
INSERT INTO t SELECT i, i, 's' || i FROM generate_series(1, 5) i;
CREATE MATERIALIZED VIEW v AS SELECT id, 100 / n AS q, s FROM t;
SELECT * FROM refresh_mv.track('v');
SELECT smart('v');
SELECT smart('v');

-- As long as triggers are disabled, nothing is known, and each refresh says so.
ALTER TABLE t DISABLE TRIGGER refresh_mv_update;
UPDATE t SET s = 'unseen' WHERE id = 1;
SELECT tracked, pending_changes, stale, unknown_reason FROM refresh_mv.status WHERE name = 'v';
SELECT smart('v');
SELECT smart('v');
CALL refresh_mv.run(views => '{v}');
SELECT smart('v'), check_view('v');
SELECT * FROM refresh_mv.changes('v', 't');
ALTER TABLE t ENABLE TRIGGER refresh_mv_update;
SELECT smart('v');
SELECT smart('v');
SELECT smart('v');
-- track() takes it upon itself to enable them.
ALTER TABLE t DISABLE TRIGGER USER;
SELECT * FROM refresh_mv.track('v');
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass ORDER BY 1;
SELECT smart('v');
SELECT smart('v');

-- Nor is anything known as long as there is no key.
ALTER TABLE t DROP CONSTRAINT t_pkey;
INSERT INTO t VALUES (6, 6, 'no key');
SELECT smart('v'), check_view('v');
INSERT INTO t VALUES (7, 7, 'no key');
SELECT smart('v'), check_view('v');
SELECT pending_changes, stale, unknown_reason FROM refresh_mv.status WHERE name = 'v';
CALL refresh_mv.run(views => '{v}');
SELECT method, unqualified(reason) AS reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
SELECT * FROM refresh_mv.track('v');
ALTER TABLE t ADD PRIMARY KEY (id);
DELETE FROM t WHERE id > 5;
SELECT smart('v'), check_view('v');
SELECT smart('v');
SELECT smart('v');

-- All of it in one transaction, before and after a refresh; what is rolled back
-- has not been.
BEGIN;
TRUNCATE t;
INSERT INTO t VALUES (1, 1, 'one');
SELECT smart('v'), check_view('v');
SELECT smart('v');
INSERT INTO t VALUES (2, 2, 'two');
COMMIT;
SELECT * FROM refresh_mv.changes('v', 't');
SELECT smart('v'), check_view('v');
BEGIN;
SELECT smart('v');
TRUNCATE t;
COMMIT;
SELECT smart('v'), check_view('v');
BEGIN;
SAVEPOINT s;
TRUNCATE t;
ALTER TABLE t ADD COLUMN more int;
SELECT smart('v');
ROLLBACK TO s;
INSERT INTO t VALUES (3, 3, 'three');
COMMIT;
SELECT * FROM refresh_mv.changes('v', 't');
SELECT smart('v'), check_view('v');
SELECT smart('v');

-- A child without a key, of which it is known that it has changed.
CREATE TABLE child () INHERITS (t);
SELECT smart('v');
SELECT smart('v');
INSERT INTO child VALUES (1, 1, 'child');
SELECT smart('v'), check_view('v');
INSERT INTO t VALUES (6, 6, 't');
SELECT unknown_reason FROM refresh_mv.status WHERE name = 'v';
SELECT * FROM refresh_mv.changes('v', 't');
SELECT smart('v'), check_view('v');
SELECT smart('v');
DELETE FROM t;
SELECT smart('v'), check_view('v');
DROP TABLE child;
INSERT INTO t VALUES (1, 1, 't');
SELECT smart('v'), check_view('v');
SELECT smart('v');
SELECT smart('v');
UPDATE t SET n = 2;
SELECT * FROM refresh_mv.changes('v', 't');
SELECT smart('v'), check_view('v');
SELECT smart('v');

-- Row-level security: what the owner sees may depend on anything.
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
SELECT smart('v');
SELECT smart('v');
SELECT * FROM refresh_mv.changes('v', 't');
CALL refresh_mv.run(views => '{v}');
SELECT method, unqualified(reason) AS reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
UPDATE t SET n = 3;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
SELECT smart('v'), check_view('v');
SELECT smart('v');
SELECT smart('v');

-- A setting that the query reads.
CREATE TABLE moments (id int PRIMARY KEY, at timestamptz);
INSERT INTO moments VALUES (1, '2024-01-01 23:30+00');
CREATE MATERIALIZED VIEW days AS SELECT id, at::date AS day FROM moments;
SELECT * FROM refresh_mv.track('days');
SELECT smart('days');
SELECT smart('days');
SET TimeZone = 'Etc/GMT-3';
SELECT smart('days'), check_view('days');
SELECT smart('days');
SELECT smart('v') AS does_not_read_it;
SET TimeZone = 'UTC';
CALL refresh_mv.run(views => '{days}');
SELECT smart('days'), check_view('days');

-- A refresh that fails, and one that takes too long, have seen nothing.
UPDATE t SET n = 0 WHERE id = 1;
SET client_min_messages = error;
SELECT smart('v');
SELECT smart('v');
CALL refresh_mv.run(views => '{v}');
SET client_min_messages = warning;
SELECT * FROM refresh_mv.changes('v', 't');
UPDATE t SET n = 10 WHERE id = 1;
SELECT smart('v'), check_view('v');
SELECT smart('v');
CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 13 THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN $1;
END $$;
CREATE MATERIALIZED VIEW slow AS SELECT id, slow(n) AS n FROM t;
SELECT * FROM refresh_mv.track('slow');
SELECT smart('slow');
SELECT refresh_mv.configure('slow', statement_timeout => '50ms');
UPDATE t SET n = 13 WHERE id = 1;
SELECT smart('slow');
SELECT * FROM refresh_mv.changes('slow', 't');
CALL refresh_mv.run(views => '{slow}');
UPDATE t SET n = 14 WHERE id = 1;
SELECT refresh_mv.configure('slow', statement_timeout => NULL);
SELECT * FROM refresh_mv.changes('slow', 't');
SELECT smart('slow'), check_view('slow');
SELECT smart('slow');
SELECT smart('v');

-- Refreshing a part of a view while changes wait makes the next refresh a full one; a
-- full refresh, in whichever way, leaves nothing to be seen.
CREATE TABLE facts (id int PRIMARY KEY, day date, n int);
INSERT INTO facts SELECT i, current_date - i, i FROM generate_series(1, 9) i;
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM facts GROUP BY day;
SELECT * FROM refresh_mv.track('by_day');
SELECT smart('by_day');
UPDATE facts SET n = 0 WHERE id IN (1, 7);
SELECT success, refresh_type FROM refresh_materialized_views(true, 2, '{by_day}');
SELECT method FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
SELECT key FROM refresh_mv.changes('by_day', 'facts') ORDER BY key;
SELECT rows_updated FROM refresh_mv.refresh_where('by_day', 'day = current_date - 7');
SELECT key FROM refresh_mv.changes('by_day', 'facts') ORDER BY key;
SELECT smart('by_day'), check_view('by_day');
SELECT smart('by_day');
UPDATE facts SET n = 5;
SELECT success, refresh_type FROM refresh_materialized_views(false, views => '{by_day}');
SELECT * FROM refresh_mv.changes('by_day', 'facts');
SELECT smart('by_day'), check_view('by_day');
UPDATE facts SET n = 6;
CALL refresh_mv.run('full', views => '{by_day}');
SELECT smart('by_day'), check_view('by_day');
UPDATE facts SET n = 7;
CALL refresh_mv.run('incremental', 3, '{by_day}');
SELECT smart('by_day'), check_view('by_day');

-- Statements that run in no transaction block.
CREATE TABLE tree (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE tree1 PARTITION OF tree FOR VALUES FROM (1) TO (10);
CREATE TABLE tree2 PARTITION OF tree FOR VALUES FROM (10) TO (20);
INSERT INTO tree VALUES (1, 1), (11, 11);
CREATE MATERIALIZED VIEW leaves AS TABLE tree;
SELECT * FROM refresh_mv.track('leaves');
SELECT smart('leaves');
SELECT smart('leaves');
REINDEX INDEX CONCURRENTLY tree1_pkey;
SELECT smart('leaves');
REINDEX TABLE CONCURRENTLY t;
SELECT smart('v');
SELECT smart('v');
VACUUM FULL t;
CLUSTER t USING t_pkey;
SELECT smart('v');
ALTER TABLE tree DETACH PARTITION tree2 CONCURRENTLY;
SELECT smart('leaves'), check_view('leaves');
SELECT smart('leaves');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tree2'::regclass;
INSERT INTO tree2 VALUES (12, 12);
SELECT smart('leaves');

-- Without its guard the log can be damaged unnoticed: that is seen when it is
-- read, or is a wrong change, but no harm to the server.
UPDATE t SET s = 'old' WHERE id = 1;
SELECT smart('v');
UPDATE t SET s = 'new' WHERE id = 1;
ALTER TABLE refresh_mv.log DISABLE TRIGGER guard;
CREATE TABLE good AS SELECT data FROM refresh_mv.log l WHERE relation = 't'::regclass ORDER BY seq DESC LIMIT 1;
CREATE FUNCTION survives(bad bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE refresh_mv.log SET data = bad WHERE relation = 't'::regclass AND data IS NOT NULL;
    PERFORM * FROM refresh_mv.changes('v', 't');
    RETURN true;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN true;
END $$;
SELECT bool_and(survives(substr(data, 1, i))) AS cut FROM good, generate_series(0, length(data) - 1) i;
SELECT bool_and(survives(set_bit(data, i, 1 - get_bit(data, i)))) AS flipped FROM good, generate_series(0, 8 * length(data) - 1) i;
SELECT bool_and(survives(decode(repeat(md5(i::text), 1 + i % 9), 'hex'))) AS garbage FROM generate_series(1, 500) i;
SELECT bool_and(survives(decode(repeat(byte, 40), 'hex'))) AS same FROM unnest('{00,01,6b,6e,6f,72,7f,80,ff}'::text[]) byte;
UPDATE refresh_mv.log SET data = 'garbage';
SELECT * FROM refresh_mv.changes('v', 't');
SELECT smart('v'), check_view('v');
SELECT smart('v');
ALTER TABLE refresh_mv.log ENABLE ALWAYS TRIGGER guard;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_other;
