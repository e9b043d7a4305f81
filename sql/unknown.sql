\set ECHO none
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers.psql'
\i :helpers
\set ECHO all
-- What makes the changes of a tracked view unknown: its next refresh is full,
-- and right; those after it know the changes row by row again.
TRUNCATE refresh_mv.journal, refresh_mv.settings;
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
    SELECT j.method, j.reason FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1 INTO method, reason;
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
    IF reason <> '1 changes in the log' THEN wrong := wrong || ' then ' || reason || ';'; END IF;
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
        (cause), ('    ' || array_to_string(by_function, '; then ')),
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
SET search_path = fixture, suite, public;
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
    (E'ALTER EXTENSION refresh_mv SET SCHEMA suite\nALTER EXTENSION refresh_mv SET SCHEMA public'),
    ('ALTER EXTENSION refresh_mv UPDATE');
CALL show_all();
SELECT line FROM shown WHERE line IS NOT NULL ORDER BY no;
DROP SCHEMA fixture, elsewhere CASCADE;
DROP SCHEMA suite CASCADE;
