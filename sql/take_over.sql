CALL helpers.begin_suite();
\set SHOW_CONTEXT never
-- Drop-in REFRESH: refresh_mv.take_over.
CREATE TABLE t (id int PRIMARY KEY, part int, n int);
INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW grouped AS SELECT part, count(*) AS rows, sum(n) AS n FROM t GROUP BY part;
CREATE MATERIALIZED VIEW joined AS SELECT a.id, a.n, b.n AS other FROM t a JOIN t b ON b.id = a.part + 1;
CREATE MATERIALIZED VIEW untracked AS SELECT part, max(n) AS n FROM t GROUP BY part;
CREATE MATERIALIZED VIEW upper AS SELECT sum(n) AS n FROM grouped;
CREATE MATERIALIZED VIEW empty AS SELECT n FROM t WITH NO DATA;
CREATE MATERIALIZED VIEW failing AS SELECT id, 100 / n AS n FROM t;
CREATE VIEW ordinary AS SELECT 1 AS n;
-- What has been refreshed since one looked last.
CREATE FUNCTION news() RETURNS TABLE (view text, mode text, method text, reason text, source text, run boolean) LANGUAGE sql AS $$
    WITH told AS (DELETE FROM refresh_mv.journal RETURNING *)
    SELECT view_name, mode, method, reason, source, run IS NOT NULL FROM told ORDER BY id
$$;
-- Who has done what, after so many entries of the journal.
CREATE FUNCTION since(before bigint) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
    SELECT coalesce(string_agg(concat_ws(' ', view_name, method), ', ' ORDER BY id), 'core')
    FROM (SELECT * FROM refresh_mv.journal ORDER BY id OFFSET before) j
$$;
-- What a statement does, which is undone then: its error, or who has done it.
CREATE FUNCTION outcome(call text, setting text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    detail text;
    hint text;
    before bigint := (SELECT count(*) FROM refresh_mv.journal);
BEGIN
    PERFORM set_config('refresh_mv.take_over', setting, true);
    EXECUTE call;
    RAISE EXCEPTION USING ERRCODE = 'UNDO1', MESSAGE = suite.since(before);
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
    RETURN SQLERRM;
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state := RETURNED_SQLSTATE, detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', state, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

-- The setting.
SHOW refresh_mv.take_over;
SET refresh_mv.take_over = maybe;
SET refresh_mv.take_over = true;
SHOW refresh_mv.take_over;
RESET refresh_mv.take_over;
CALL refresh_mv_internal.refresh_statement();

-- Statement for statement, off and on.
CREATE TABLE statements (no int GENERATED ALWAYS AS IDENTITY, call text);
INSERT INTO statements (call) VALUES
    ('REFRESH MATERIALIZED VIEW grouped'),
    ('REFRESH MATERIALIZED VIEW suite.grouped WITH DATA'),
    ('REFRESH MATERIALIZED VIEW grouped WITH NO DATA'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY grouped'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY grouped WITH NO DATA'),
    ('REFRESH MATERIALIZED VIEW empty'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY empty'),
    ('REFRESH MATERIALIZED VIEW empty WITH NO DATA'),
    ('REFRESH MATERIALIZED VIEW nothing'),
    ('REFRESH MATERIALIZED VIEW CONCURRENTLY nothing'),
    ('REFRESH MATERIALIZED VIEW nowhere.grouped'),
    ('REFRESH MATERIALIZED VIEW elsewhere.suite.grouped'),
    ('REFRESH MATERIALIZED VIEW t'),
    ('REFRESH MATERIALIZED VIEW t WITH NO DATA'),
    ('REFRESH MATERIALIZED VIEW ordinary'),
    ('REFRESH MATERIALIZED VIEW t_pkey'),
    ('REFRESH MATERIALIZED VIEW pg_catalog.pg_class'),
    ('SET transaction_read_only = on; REFRESH MATERIALIZED VIEW grouped'),
    ('INSERT INTO t VALUES (0, 0, 0); REFRESH MATERIALIZED VIEW failing'),
    ('CREATE UNIQUE INDEX ON grouped (part); REFRESH MATERIALIZED VIEW CONCURRENTLY grouped'),
    ('DECLARE c CURSOR FOR SELECT * FROM grouped; MOVE 1 FROM c; REFRESH MATERIALIZED VIEW grouped'),
    ('CREATE FUNCTION pg_temp.f() RETURNS int STABLE LANGUAGE plpgsql AS ''BEGIN REFRESH MATERIALIZED VIEW grouped; RETURN 1; END''; SELECT pg_temp.f()'),
    ('DO ''BEGIN REFRESH MATERIALIZED VIEW grouped; END'''),
    ('DO ''BEGIN REFRESH MATERIALIZED VIEW nothing; EXCEPTION WHEN undefined_table THEN REFRESH MATERIALIZED VIEW grouped; END'''),
    ('CREATE FUNCTION pg_temp.f() RETURNS void BEGIN ATOMIC SELECT 1; END; REFRESH MATERIALIZED VIEW grouped'),
    ('SET refresh_mv.skip_refresh = on; REFRESH MATERIALIZED VIEW grouped'),
    ('UPDATE pg_extension SET extversion = ''0.9'' WHERE extname = ''refresh_mv''; REFRESH MATERIALIZED VIEW grouped'),
    ('REVOKE EXECUTE ON PROCEDURE refresh_mv_internal.refresh_statement() FROM PUBLIC; SET ROLE refresh_mv_owner; REFRESH MATERIALIZED VIEW grouped'),
    ('DROP EXTENSION refresh_mv CASCADE; REFRESH MATERIALIZED VIEW grouped; CREATE SCHEMA refresh_mv; CREATE TABLE refresh_mv.journal AS SELECT 1 AS id, NULL AS view_name, NULL AS method WHERE false');
CREATE ROLE refresh_mv_owner;
ALTER MATERIALIZED VIEW grouped OWNER TO refresh_mv_owner;
GRANT SELECT ON t TO refresh_mv_owner;
GRANT USAGE ON SCHEMA suite TO refresh_mv_owner;
\pset tuples_only on
\pset format unaligned
-- (What the options are called differs.)
SELECT E'* ' || call || E'\n  off: ' || regexp_replace(o, 'REFRESH options |options ', '') || CASE WHEN n = o THEN E'\n  on:  the same' ELSE E'\n  on:  ' || n END
FROM statements, outcome(call, 'off') o, outcome(call, 'on') n ORDER BY no;
\pset format aligned
\pset tuples_only off
ALTER MATERIALIZED VIEW grouped OWNER TO CURRENT_USER;

-- Who may do it: whoever may in core, and nobody else, with the same words.
CREATE ROLE refresh_mv_member IN ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_nobody;
CREATE MATERIALIZED VIEW his AS SELECT count(*) FROM t;
ALTER MATERIALIZED VIEW his OWNER TO refresh_mv_owner;
CREATE MATERIALIZED VIEW blind AS SELECT count(*) FROM refresh_mv.state;
ALTER MATERIALIZED VIEW blind OWNER TO refresh_mv_owner;
CREATE SCHEMA closed;
CREATE MATERIALIZED VIEW closed.his AS SELECT count(*) FROM t;
ALTER MATERIALIZED VIEW closed.his OWNER TO refresh_mv_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA suite TO refresh_mv_nobody;
GRANT USAGE ON SCHEMA suite, helpers TO PUBLIC;
SELECT role, view, o = n AS same, n ~ ' full$' AS refreshed, left(o, 5) AS off
FROM unnest('{refresh_mv_owner,refresh_mv_member,refresh_mv_nobody}'::text[]) role, unnest('{his,closed.his,blind,grouped,nothing}'::text[]) view,
    format('SET ROLE %s; REFRESH MATERIALIZED VIEW %s', role, view) call, outcome(call, 'off') o, outcome(call, 'on') n ORDER BY 1, 2;

-- From here on it is ours.
SET refresh_mv.take_over = on;
DELETE FROM refresh_mv.journal;
REFRESH MATERIALIZED VIEW grouped;
-- No unique index is asked for.
INSERT INTO t VALUES (101, 1, 101);
REFRESH MATERIALIZED VIEW CONCURRENTLY untracked;
REFRESH MATERIALIZED VIEW CONCURRENTLY grouped;
SELECT check_view('grouped'), check_view('untracked');
SELECT * FROM news();
-- The window of a view that is not tracked is never used.
CREATE MATERIALIZED VIEW by_day AS SELECT current_date - id AS day, n FROM t;
UPDATE t SET n = n + 1;
SELECT method FROM refresh_mv.explain('by_day') WHERE chosen;
REFRESH MATERIALIZED VIEW by_day;
SELECT check_view('by_day');
-- Tracked.
SELECT a.tracked, b.tracked FROM refresh_mv.track('grouped') a, refresh_mv.track('joined') b;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW joined;
SELECT * FROM news();
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW CONCURRENTLY grouped;
SELECT view, method, reason FROM news();
UPDATE t SET n = n + 1 WHERE id = 7;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW joined;
SELECT check_view('grouped'), check_view('joined');
SELECT * FROM news();
-- What was refreshed by functions and by REFRESH goes on from each other.
DELETE FROM t WHERE id = 8;
SELECT success FROM refresh_materialized_views_smart('{grouped}');
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW joined;
SELECT success FROM refresh_materialized_views_smart('{joined}');
SELECT view, method, source, run FROM news();
SELECT check_view('grouped'), check_view('joined');

-- No lock that keeps readers out; and the statement's own changes are seen.
BEGIN;
UPDATE t SET n = n + 1 WHERE id = 9;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW untracked;
SELECT relation::regclass, mode FROM pg_locks WHERE relation IN ('grouped'::regclass, 'untracked'::regclass) AND pid = pg_backend_pid() AND mode <> 'AccessShareLock' ORDER BY 1, 2;
SELECT check_view('grouped'), check_view('untracked');
SAVEPOINT s;
INSERT INTO t VALUES (0, 0, 0);
REFRESH MATERIALIZED VIEW failing;
ROLLBACK TO s;
DELETE FROM t WHERE id = 10;
REFRESH MATERIALIZED VIEW grouped;
SELECT check_view('grouped');
ROLLBACK;
SELECT check_view('grouped'), check_view('untracked');
REFRESH MATERIALIZED VIEW grouped;
SELECT view, method, reason FROM news();
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE t SET n = n + 1 WHERE id = 9;
REFRESH MATERIALIZED VIEW grouped;
SELECT check_view('grouped');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW untracked;
COMMIT;
SELECT check_view('grouped'), check_view('untracked');
SELECT view, method, reason FROM news();

-- An error is one of the statement: nothing is left of it.
INSERT INTO t VALUES (0, 0, 0);
REFRESH MATERIALIZED VIEW failing;
SELECT * FROM news();
DELETE FROM t WHERE id = 0;
REFRESH MATERIALIZED VIEW failing;
SET statement_timeout = 100;
CREATE MATERIALIZED VIEW slow AS SELECT 1 AS n FROM (SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM t WHERE id = -1) THEN 1000 ELSE 0 END)) s;
INSERT INTO t VALUES (-1, -1, -1);
REFRESH MATERIALIZED VIEW slow;
RESET statement_timeout;
SELECT refresh_mv.configure('slow', statement_timeout => '100ms');
REFRESH MATERIALIZED VIEW slow;
DELETE FROM t WHERE id = -1;
REFRESH MATERIALIZED VIEW slow;
SELECT view, method FROM news();

-- In functions, and what a client finds in lastval().
CREATE SEQUENCE s START 42;
SELECT nextval('s');
CREATE FUNCTION by_plpgsql(view regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('REFRESH MATERIALIZED VIEW %s', view);
    REFRESH MATERIALIZED VIEW untracked;
    RETURN 'done';
END $$;
CREATE FUNCTION by_sql() RETURNS void LANGUAGE sql AS 'REFRESH MATERIALIZED VIEW grouped';
UPDATE t SET n = n + 1 WHERE id = 11;
SELECT by_plpgsql('grouped'), by_plpgsql('grouped');
SELECT by_sql();
DO $$
BEGIN
    FOR i IN 1 .. 3 LOOP
        UPDATE t SET n = n + 1 WHERE id = i;
        REFRESH MATERIALIZED VIEW grouped;
        COMMIT;
        ASSERT check_view('grouped') = 0;
    END LOOP;
END $$;
SELECT lastval();
SELECT view, method FROM news();
-- A procedure of SECURITY DEFINER acts for its owner.
CREATE FUNCTION for_all() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = suite AS 'REFRESH MATERIALIZED VIEW grouped';
SET ROLE refresh_mv_nobody;
SELECT for_all();
RESET ROLE;
SELECT view, method FROM news();
-- In an operation that is restricted, as the query of another view is, it is core's.
CREATE FUNCTION refreshing() RETURNS int LANGUAGE plpgsql AS 'BEGIN REFRESH MATERIALIZED VIEW suite.grouped; RETURN 1; END';
CREATE MATERIALIZED VIEW restricted AS SELECT refreshing() AS n;
REFRESH MATERIALIZED VIEW restricted;
SELECT view, method FROM news();
DROP MATERIALIZED VIEW restricted;

-- From triggers on what the view reads, where changes have not been logged yet.
CREATE FUNCTION refresh_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    REFRESH MATERIALIZED VIEW grouped;
    REFRESH MATERIALIZED VIEW CONCURRENTLY joined;
    RETURN NULL;
END $$;
CREATE TRIGGER "A" AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION refresh_all();
INSERT INTO t VALUES (200, 1, 1);
SELECT check_view('grouped'), check_view('joined');
UPDATE t SET part = 2, n = 7 WHERE id = 200;
SELECT check_view('grouped'), check_view('joined');
SELECT view, method, reason, source FROM news();
-- What changes more than one table, one within the other, or is never fetched to its end.
CREATE TABLE outside (id int);
CREATE FUNCTION inside() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE t SET n = n + 1 WHERE id = NEW.id; REFRESH MATERIALIZED VIEW grouped; RETURN NULL; END';
CREATE TRIGGER inside AFTER INSERT ON outside FOR EACH ROW EXECUTE FUNCTION inside();
INSERT INTO outside VALUES (1), (2);
SELECT check_view('grouped'), check_view('joined');
WITH changed AS (UPDATE t SET n = n + 1 WHERE id = 3 RETURNING id) INSERT INTO outside SELECT id FROM changed;
SELECT check_view('grouped'), check_view('joined');
SELECT view, method, reason, source FROM news();
DROP TABLE outside;
-- A call of ours is refused there.
CREATE FUNCTION refresh_smart() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM refresh_materialized_views_smart(ARRAY[tg_argv[0]::regclass]); RETURN NULL; END';
CREATE TRIGGER "B" AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION refresh_smart('grouped');
SET client_min_messages = error;
UPDATE t SET n = n + 1 WHERE id = 200;
SET client_min_messages = warning;
SELECT success, sqlstate, message FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
DROP TRIGGER "B" ON t;
DELETE FROM refresh_mv.journal;
SELECT check_view('grouped'), check_view('joined');
ALTER TRIGGER "A" ON t RENAME TO z;
UPDATE t SET part = 3 WHERE id = 200;
SELECT check_view('grouped'), check_view('joined');
SELECT view, method, reason, source FROM news();
DROP TRIGGER z ON t;
CREATE TRIGGER each AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION refresh_all();
UPDATE t SET n = n + 1 WHERE id IN (1, 2);
SELECT check_view('grouped'), check_view('joined');
DROP TRIGGER each ON t;
DELETE FROM t WHERE id = 200;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW joined;
SELECT check_view('grouped'), check_view('joined');
SELECT view, method, reason, source FROM news();

-- Event triggers of users are called as they are for core.
CREATE TABLE events (no int GENERATED ALWAYS AS IDENTITY, setting text, told text);
CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO suite.events (setting, told) SELECT current_setting('refresh_mv.take_over'), concat_ws(' ', tg_event, tg_tag);
    IF tg_event = 'ddl_command_end' THEN
        INSERT INTO suite.events (setting, told) SELECT current_setting('refresh_mv.take_over'), concat_ws(' ', command_tag, object_type, object_identity, in_extension)
        FROM pg_event_trigger_ddl_commands();
    ELSIF tg_event = 'sql_drop' THEN
        INSERT INTO suite.events (setting, told) SELECT current_setting('refresh_mv.take_over'), object_identity FROM pg_event_trigger_dropped_objects();
    END IF;
END $$;
CREATE EVENT TRIGGER refresh_mv_test_start ON ddl_command_start EXECUTE FUNCTION tell();
CREATE EVENT TRIGGER refresh_mv_test_end ON ddl_command_end EXECUTE FUNCTION tell();
CREATE EVENT TRIGGER refresh_mv_test_drop ON sql_drop EXECUTE FUNCTION tell();
CREATE EVENT TRIGGER refresh_mv_test_rewrite ON table_rewrite EXECUTE FUNCTION tell();
TRUNCATE events;
CREATE UNIQUE INDEX ON grouped (part);
TRUNCATE events;
UPDATE t SET n = n + 1 WHERE id = 12;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW joined;
REFRESH MATERIALIZED VIEW CONCURRENTLY grouped;
SELECT refresh_mv.untrack('joined');
SELECT tracked FROM refresh_mv.track('joined');
REFRESH MATERIALIZED VIEW joined; -- makes what is known of it anew
SET refresh_mv.take_over = off;
REFRESH MATERIALIZED VIEW grouped;
REFRESH MATERIALIZED VIEW joined;
SET refresh_mv.take_over = on;
SELECT setting, regexp_replace(told, '\d{3,}', 'OID') AS told FROM events ORDER BY no;
DROP EVENT TRIGGER refresh_mv_test_end;
DROP EVENT TRIGGER refresh_mv_test_drop;
DROP EVENT TRIGGER refresh_mv_test_rewrite;
-- One that refuses, one that takes the view away, and one that refreshes.
CREATE OR REPLACE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF tg_tag = ''REFRESH MATERIALIZED VIEW'' THEN RAISE ''refused''; END IF; END';
SELECT o, n = o AS same FROM outcome('REFRESH MATERIALIZED VIEW grouped', 'off') o, outcome('REFRESH MATERIALIZED VIEW grouped', 'on') n;
CREATE OR REPLACE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF tg_tag = ''REFRESH MATERIALIZED VIEW'' THEN DROP MATERIALIZED VIEW suite.joined; END IF; END';
SELECT o, n = o AS same FROM outcome('REFRESH MATERIALIZED VIEW joined', 'off') o, outcome('REFRESH MATERIALIZED VIEW joined', 'on') n;
CREATE OR REPLACE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF tg_tag = ''REFRESH MATERIALIZED VIEW'' AND (SELECT n FROM suite.joined LIMIT 1) IS NOT NULL AND pg_trigger_depth() = 0 AND current_setting(''suite.amidst'', true) IS DISTINCT FROM ''on'' THEN PERFORM set_config(''suite.amidst'', ''on'', false); REFRESH MATERIALIZED VIEW suite.joined; PERFORM set_config(''suite.amidst'', ''off'', false); END IF; END';
SELECT o, n FROM outcome('REFRESH MATERIALIZED VIEW grouped', 'off') o, outcome('REFRESH MATERIALIZED VIEW grouped', 'on') n;
DROP EVENT TRIGGER refresh_mv_test_start;
SELECT count(*) FROM news();

-- cascade: what the view reads comes first.
UPDATE t SET n = n + 1 WHERE id = 13;
REFRESH MATERIALIZED VIEW upper;
SELECT check_view('upper') AS over_what_is_stored, (SELECT sum(n) FROM t) <> n AS stale FROM upper;
SET refresh_mv.take_over = cascade;
SET client_min_messages = notice;
REFRESH MATERIALIZED VIEW upper;
SELECT (SELECT sum(n) FROM t) <> n AS stale FROM upper;
SELECT view, method, reason, source FROM news();
-- One that was not populated; and one that is left out.
CREATE MATERIALIZED VIEW lower AS SELECT n FROM t WITH NO DATA;
CREATE VIEW between AS SELECT n FROM lower;
CREATE MATERIALIZED VIEW over_two AS SELECT sum(n) FROM (SELECT n FROM between UNION ALL SELECT rows FROM grouped) b WITH NO DATA;
REFRESH MATERIALIZED VIEW over_two;
SELECT check_view('over_two');
SELECT view, method, reason FROM news();
ALTER MATERIALIZED VIEW over_two OWNER TO refresh_mv_owner;
GRANT SELECT ON between, grouped TO refresh_mv_owner;
SET ROLE refresh_mv_owner;
REFRESH MATERIALIZED VIEW over_two;
RESET ROLE;
SELECT view, method, reason FROM news();
-- A failure below is one of the statement.
CREATE MATERIALIZED VIEW over_failing AS SELECT sum(n) FROM failing;
INSERT INTO t VALUES (0, 0, 0);
REFRESH MATERIALIZED VIEW over_failing;
DELETE FROM t WHERE id = 0;
SELECT view, method, reason FROM news();
SET client_min_messages = warning;
SET refresh_mv.take_over = on;

-- What keep_before keeps is kept.
CREATE MATERIALIZED VIEW kept AS SELECT day, n FROM by_day;
SELECT refresh_mv.configure('kept', date_column => 'day', keep_before => '10 days');
SELECT count(*) > 50 AS many FROM kept;
DELETE FROM t WHERE id > 20;
REFRESH MATERIALIZED VIEW by_day;
REFRESH MATERIALIZED VIEW kept;
SELECT count(*) > 50 AS many FROM kept;

DROP MATERIALIZED VIEW grouped, joined CASCADE;
SELECT success FROM refresh_materialized_views_smart('{untracked}');

-- ---- the setting of a database, before the library is there
SELECT current_database() AS database \gset
ALTER DATABASE :"database" SET refresh_mv.take_over = 'on';
ALTER DATABASE :"database" SET session_preload_libraries = 'refresh_mv';
\c
SET search_path = suite, helpers, public;
DELETE FROM refresh_mv.journal;
REFRESH MATERIALIZED VIEW untracked;
SELECT method, source FROM refresh_mv.journal;
ALTER DATABASE :"database" RESET session_preload_libraries;
\c
SET search_path = suite, helpers, public;
DELETE FROM refresh_mv.journal;
SHOW refresh_mv.take_over;
-- Not yet ours.
REFRESH MATERIALIZED VIEW untracked;
SELECT method, source FROM refresh_mv.journal;
LOAD 'refresh_mv';
SHOW refresh_mv.take_over;
REFRESH MATERIALIZED VIEW untracked;
SELECT method, source FROM refresh_mv.journal;
ALTER DATABASE :"database" RESET refresh_mv.take_over;
ALTER ROLE refresh_mv_owner SET refresh_mv.take_over = 'cascade';
\c
SET search_path = suite, helpers, public;
SET client_min_messages = warning;
DROP SCHEMA closed CASCADE;
DROP OWNED BY refresh_mv_owner, refresh_mv_nobody, refresh_mv_member CASCADE;
DROP ROLE refresh_mv_member, refresh_mv_owner, refresh_mv_nobody;
