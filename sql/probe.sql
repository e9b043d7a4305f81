CALL helpers.begin_suite();
-- Tables in which an extension has a hand: before its triggers stay on one, a probe shows
-- that writing to it still works.
DROP SCHEMA IF EXISTS owned CASCADE;
CREATE SCHEMA owned;
ALTER EXTENSION plpgsql ADD SCHEMA owned;
CREATE TABLE owned.t (id int PRIMARY KEY, always int GENERATED ALWAYS AS IDENTITY, n int, s int NOT NULL DEFAULT 1,
                      g int GENERATED ALWAYS AS (n * 2) STORED, dropped int, "Odd name" text);
ALTER TABLE owned.t DROP dropped;
INSERT INTO owned.t (id, n) SELECT i, i FROM generate_series(1, 5) i;
CREATE MATERIALIZED VIEW owned.v AS SELECT n % 2 AS p, count(*) AS c FROM owned.t GROUP BY 1;

-- Refuses statements of a kind on a table that has triggers of ours.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = TG_RELID AND tgname LIKE 'refresh_mv%') THEN
        RAISE '% of a table with statement triggers is not supported', TG_OP;
    END IF;
    RETURN NEW;
END $$;
CREATE PROCEDURE try(kind text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER refuse BEFORE %s ON owned.t EXECUTE FUNCTION suite.refuse()', kind);
    ALTER TABLE owned.t ENABLE ALWAYS TRIGGER refuse;
END $$;
CALL try('INSERT');
SELECT * FROM refresh_mv.track('owned.v');
SELECT view_name, tracked, reason FROM refresh_mv.track() WHERE view_name = 'owned.v'::regclass;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'owned.t'::regclass;
INSERT INTO owned.t (id, n) VALUES (6, 6);
SELECT tracked FROM refresh_mv.status WHERE schema = 'owned';
DROP TRIGGER refuse ON owned.t;
CALL try('UPDATE');
SELECT * FROM refresh_mv.track('owned.v');
DROP TRIGGER refuse ON owned.t;
CALL try('DELETE');
SELECT * FROM refresh_mv.track('owned.v');
DROP TRIGGER refuse ON owned.t;
-- a row that there is, or there would be no row to refuse
CREATE TRIGGER refuse BEFORE INSERT ON owned.t FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE owned.t ENABLE ALWAYS TRIGGER refuse;
SELECT * FROM refresh_mv.track('owned.v');
DROP TRIGGER refuse ON owned.t;

-- What cannot be written to anyway is no reason.
CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON owned.t EXECUTE FUNCTION refuse_all();
ALTER TABLE owned.t ENABLE ALWAYS TRIGGER refuse;
SELECT * FROM refresh_mv.track('owned.v');
SELECT refresh_mv.untrack('owned.v');
DROP TRIGGER refuse ON owned.t;

-- A probe leaves nothing behind: no call of somebody's trigger, no number of a sequence, no
-- change, no entry, no refresh on commit.
CREATE SEQUENCE calls;
CREATE FUNCTION note_call() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('suite.calls'); RETURN NEW; END $$;
CREATE TRIGGER calls BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON owned.t EXECUTE FUNCTION note_call();
CREATE TRIGGER calls_of_rows BEFORE INSERT OR UPDATE OR DELETE ON owned.t FOR EACH ROW EXECUTE FUNCTION note_call();
ALTER TABLE owned.t ALTER s SET DEFAULT nextval('suite.calls');
CREATE TEMP TABLE before AS SELECT ctid AS tid, xmin AS x, xmax::text AS m, * FROM owned.t;
SELECT * FROM refresh_mv.track('owned.v', on_commit => true);
SELECT is_called FROM calls;
SELECT count(*) FROM owned.t t FULL JOIN before b ON t.ctid = b.tid AND t.xmin = b.x AND t.xmax::text = b.m
WHERE t.id IS DISTINCT FROM b.id;
SELECT count(*) FROM refresh_mv.log WHERE relation = 'owned.t'::regclass;
SELECT count(*) FROM refresh_mv.history;
SHOW session_replication_role;
SELECT nextval(pg_get_serial_sequence('owned.t', 'always'));
SELECT (refresh_materialized_views_smart('{owned.v}')).success;
INSERT INTO owned.t (id, n) VALUES (7, 7);
SELECT method FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;

SELECT refresh_mv.untrack();
ALTER EXTENSION plpgsql DROP SCHEMA owned;
SET client_min_messages = error;
DROP SCHEMA owned CASCADE;
DROP SCHEMA suite CASCADE;
