CALL helpers.begin_suite();
-- Who may have changes logged, and who may see them.
CALL refresh_mv.run();
CREATE ROLE refresh_mv_track_owner;      -- of views
CREATE ROLE refresh_mv_track_member IN ROLE refresh_mv_track_owner;
CREATE ROLE refresh_mv_track_keeper;     -- of tables
CREATE ROLE refresh_mv_track_writer;
CREATE ROLE refresh_mv_track_reader;
CREATE ROLE refresh_mv_track_nobody;
GRANT CREATE, USAGE ON SCHEMA suite TO refresh_mv_track_owner, refresh_mv_track_keeper;
GRANT USAGE ON SCHEMA suite TO PUBLIC;
CREATE VIEW triggers AS
SELECT t.tgrelid::regclass::text AS relation, count(*) FROM pg_trigger t WHERE t.tgfoid = 'refresh_mv.log_change'::regproc GROUP BY t.tgrelid ORDER BY t.tgrelid::regclass::text COLLATE "C";
CREATE VIEW tracked AS
SELECT s.name, s.tracked, s.pending_changes, s.stale, s.unknown_reason FROM refresh_mv.status s WHERE s.schema = 'suite' ORDER BY s.name COLLATE "C";
GRANT SELECT ON triggers, tracked TO PUBLIC;
-- Refreshes a view as the current user; tells how far it is from its query then.
CREATE FUNCTION refreshed(view regclass, OUT skipped boolean, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.refresh_materialized_views_smart(ARRAY[view]);
    SELECT h.success AND h.method = 'skip' FROM refresh_mv.history h ORDER BY h.run DESC LIMIT 1 INTO skipped;
    wrong := helpers.check_view(view);
END $$;
GRANT EXECUTE ON FUNCTION refreshed TO PUBLIC;

SET ROLE refresh_mv_track_keeper;
CREATE TABLE t (id int PRIMARY KEY, n int);
CREATE TABLE "Other" (id int PRIMARY KEY, n int);
INSERT INTO t SELECT g, g FROM generate_series(1, 5) g;
INSERT INTO "Other" VALUES (1, 1);
GRANT SELECT ON t, "Other" TO refresh_mv_track_owner;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON t TO refresh_mv_track_writer;
SET ROLE refresh_mv_track_owner;
CREATE MATERIALIZED VIEW v AS SELECT * FROM t;
GRANT SELECT ON v TO refresh_mv_track_reader;
CREATE MATERIALIZED VIEW joined AS SELECT t.id, o.n FROM t JOIN "Other" o USING (id);

-- With SELECT alone he cannot have the table's writers log: nothing is installed.
SELECT refresh_mv.track('v');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM refresh_mv.track() ORDER BY view_name::text COLLATE "C";
TABLE triggers;
RESET ROLE;
SELECT (SELECT count(*) FROM refresh_mv.sources) AS sources, (SELECT count(*) FROM refresh_mv.tracked) AS tracked, (SELECT count(*) FROM refresh_mv.settings) AS settings;
SET ROLE refresh_mv_track_writer;
INSERT INTO t VALUES (6, 6);
-- With TRIGGER he can, if all tables of the view have granted it.
SET ROLE refresh_mv_track_keeper;
GRANT TRIGGER ON t TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
SELECT * FROM refresh_mv.track('v');
SELECT refresh_mv.track('joined');
TABLE triggers;
SELECT * FROM refreshed('v');
SET ROLE refresh_mv_track_writer;
INSERT INTO t VALUES (7, 7);
UPDATE t SET n = 0 WHERE id = 1;
SET ROLE refresh_mv_track_owner;
SELECT * FROM refresh_mv.changes('v', 't') ORDER BY key COLLATE "C";
SELECT * FROM refreshed('v');
-- What the owner may, members of the owning role may; others and the table's
-- owner may not.
SET ROLE refresh_mv_track_member;
SELECT refresh_mv.track('v');
SELECT refresh_mv.changes('v', 't');
SELECT refreshed('v');
RESET ROLE;
SELECT role, call, e.state, e.message FROM unnest('{keeper,writer,reader,nobody}'::text[]) WITH ORDINALITY r (role, no),
    unnest(ARRAY['track(''v'')', 'untrack(''v'')', 'changes(''v'', ''t'')']) call,
    error_of(format('SET LOCAL ROLE refresh_mv_track_%s; SELECT refresh_mv.%s', role, call)) e ORDER BY no, call COLLATE "C";
-- Of all views they track and untrack just their own, of which there are none.
SET ROLE refresh_mv_track_keeper;
SELECT * FROM refresh_mv.track();
SELECT refresh_mv.untrack();
TABLE triggers;

-- REVOKE stops nothing that goes on already.
REVOKE TRIGGER ON t FROM refresh_mv_track_owner;
INSERT INTO t VALUES (8, 8);
SET ROLE refresh_mv_track_owner;
SELECT pending_changes, unknown_reason FROM tracked WHERE name = 'v';
SELECT * FROM refreshed('v');
SELECT * FROM refreshed('v');
-- It can be stopped; and by the table's owner, who may drop what is on his table.
-- The view is refreshed in full then.
SET ROLE refresh_mv_track_keeper;
DROP TRIGGER refresh_mv_insert ON t;
INSERT INTO t VALUES (9, 9);
SET ROLE refresh_mv_track_owner;
SELECT * FROM refreshed('v');
SET ROLE refresh_mv_track_keeper;
INSERT INTO t VALUES (10, 10);
SET ROLE refresh_mv_track_owner;
SELECT * FROM refreshed('v');
SELECT refresh_mv.track('v');
-- With the right given back, the next refresh installs what is missing.
SET ROLE refresh_mv_track_keeper;
GRANT TRIGGER ON t TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
SELECT * FROM refreshed('v');
SELECT * FROM refreshed('v');
SELECT * FROM refreshed('v');
SET ROLE refresh_mv_track_keeper;
INSERT INTO t VALUES (11, 11);
SET ROLE refresh_mv_track_owner;
SELECT * FROM refresh_mv.changes('v', 't');
SELECT * FROM refreshed('v');
-- Who has lost SELECT on the table sees no changes of it, old rows least of all.
SET ROLE refresh_mv_track_keeper;
REVOKE SELECT ON t FROM refresh_mv_track_owner;
UPDATE t SET n = -n WHERE id = 11;
SET ROLE refresh_mv_track_owner;
SELECT refresh_mv.changes('v', 't');
\echo :LAST_ERROR_SQLSTATE
-- Nor does a refresh show them to him, by whatever method.
SELECT success FROM refresh_materialized_views_smart('{v}');
SELECT success, sqlstate FROM refresh_mv.history ORDER BY run DESC LIMIT 1;
SET ROLE refresh_mv_track_keeper;
GRANT SELECT (id) ON t TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
SELECT refresh_mv.changes('v', 't');
SET ROLE refresh_mv_track_keeper;
GRANT SELECT ON t TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
SELECT * FROM refresh_mv.changes('v', 't');
SELECT * FROM refreshed('v');

-- Through an ordinary view of the table's owner: TRIGGER on the table is asked for,
-- SELECT on the view is enough for the rest, but not to be shown changes.
SET ROLE refresh_mv_track_keeper;
CREATE VIEW shown AS SELECT id FROM "Other";
GRANT SELECT ON shown TO refresh_mv_track_owner;
REVOKE ALL ON "Other" FROM refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
CREATE MATERIALIZED VIEW through AS SELECT id FROM shown;
SELECT refresh_mv.track('through');
SET ROLE refresh_mv_track_keeper;
GRANT TRIGGER ON "Other" TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
SELECT refresh_mv.track('through');
SELECT * FROM error_of('SELECT refreshed(''through'')');
RESET ROLE;
SELECT * FROM refreshed('through');
INSERT INTO "Other" VALUES (2, 2);
SELECT * FROM refreshed('through');
SET ROLE refresh_mv_track_owner;
SELECT refresh_mv.changes('through', '"Other"');
-- An ordinary view that comes to read what he must not have logged.
SET ROLE refresh_mv_track_keeper;
CREATE TABLE third (id int PRIMARY KEY);
INSERT INTO third VALUES (3);
CREATE OR REPLACE VIEW shown AS SELECT id FROM third;
RESET ROLE;
SELECT * FROM refreshed('through');
INSERT INTO third VALUES (4);
SELECT * FROM refreshed('through');
TABLE triggers;
SET ROLE refresh_mv_track_owner;
SELECT refresh_mv.untrack('through');
TABLE triggers;
DROP MATERIALIZED VIEW through;

-- Each table of a partition tree has to have granted it; partitions that its owner
-- adds later are logged without asking.
SET ROLE refresh_mv_track_keeper;
CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10);
GRANT SELECT, TRIGGER ON p TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
CREATE MATERIALIZED VIEW of_p AS SELECT * FROM p;
SELECT refresh_mv.track('of_p');
SET ROLE refresh_mv_track_keeper;
GRANT TRIGGER ON p_1 TO refresh_mv_track_owner;
SET ROLE refresh_mv_track_owner;
SELECT refresh_mv.track('of_p');
SELECT * FROM refreshed('of_p');
SET ROLE refresh_mv_track_keeper;
CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p_2 VALUES (11);
SET ROLE refresh_mv_track_owner;
SELECT * FROM refresh_mv.changes('of_p', 'p');
SELECT * FROM refreshed('of_p');
SELECT * FROM refreshed('of_p');
DROP MATERIALIZED VIEW of_p;

-- The tables of the extension are for nobody; nor are the functions that write
-- there.
RESET ROLE;
SELECT c.relname, c.relkind FROM pg_class c, unnest('{refresh_mv_track_owner,refresh_mv_track_keeper,refresh_mv_track_nobody}'::text[]) role
WHERE c.relnamespace = 'refresh_mv'::regnamespace AND c.relkind IN ('r', 'v')
  AND c.relname NOT IN ('status', 'history', 'freshness', 'dependencies', 'trusted_functions', 'feeds', 'feed_rows', 'unfinished', 'last_runs') AND has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'refresh_mv'::regnamespace AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('refresh_mv_track_owner', c.oid, 'SELECT, UPDATE, USAGE') END;
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'refresh_mv_internal'::regnamespace AND NOT has_function_privilege('refresh_mv_track_owner', p.oid, 'EXECUTE') ORDER BY 1;
SELECT statement, e.state, e.message FROM unnest(ARRAY[
    'SELECT refresh_mv_internal.log_everything(''suite.t''::regclass, ''mischief'')', 'SELECT refresh_mv.adapt(''suite.t''::regclass)',
    'SELECT refresh_mv.resume(''suite.v''::regclass)',
    'SELECT refresh_mv.log_change()', 'SELECT refresh_mv_internal.guard_log()', 'SELECT refresh_mv_internal.note_ddl()', 'SELECT refresh_mv_internal.forget_dropped()',
    'SELECT data FROM refresh_mv.log', 'INSERT INTO refresh_mv.log (relation) VALUES (0)', 'DELETE FROM refresh_mv.log', 'TRUNCATE refresh_mv.log',
    'SELECT relation FROM refresh_mv.sources', 'UPDATE refresh_mv.sources SET layout = 0', 'UPDATE refresh_mv.state SET snapshot = NULL', 'SELECT view FROM refresh_mv.state',
    'DELETE FROM refresh_mv.tracked', 'DELETE FROM refresh_mv.members', 'DELETE FROM refresh_mv.uses', 'SELECT data FROM refresh_mv.unread', 'SELECT view FROM refresh_mv.pending',
    'SELECT view FROM refresh_mv.readers', 'UPDATE refresh_mv.settings SET tracked = false', 'SELECT nextval(''refresh_mv.layouts'')',
    'CREATE TABLE refresh_mv.mine ()', 'LOCK refresh_mv.log']) WITH ORDINALITY s (statement, no),
    error_of('SET LOCAL ROLE refresh_mv_track_owner; ' || statement) e ORDER BY no;
SELECT statement, e.message FROM unnest(ARRAY['SET refresh_mv.max_log_size = 64', 'SET refresh_mv.max_logged_rows = 10']) WITH ORDINALITY s (statement, no),
    error_of('SET LOCAL ROLE refresh_mv_track_nobody; ' || statement) e ORDER BY no;

-- Status: how a view stands to the log is for those who may read the view.
INSERT INTO t VALUES (20, 20);
CREATE FUNCTION as_role(role text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE refresh_mv_track_%s', role);
    RETURN QUERY EXECUTE query;
    RESET ROLE;
END $$;
SELECT role, s AS "(tracked, since, pending, stale, unknown)" FROM unnest('{owner,member,keeper,writer,reader,nobody}'::text[]) role,
    as_role(role, $$SELECT (tracked, tracked_since IS NOT NULL, pending_changes, stale, unknown_reason)::text FROM refresh_mv.status WHERE name = 'v'$$) s;
TRUNCATE t;
SELECT role, s AS "(tracked, since, pending, stale, unknown)" FROM unnest('{owner,member,keeper,writer,reader,nobody}'::text[]) role,
    as_role(role, $$SELECT (tracked, tracked_since IS NOT NULL, pending_changes, stale, unknown_reason)::text FROM refresh_mv.status WHERE name = 'v'$$) s;
SELECT * FROM refreshed('v');

-- A writer needs no right but that on the table.
REVOKE USAGE ON SCHEMA refresh_mv FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION refresh_mv.log_change() FROM PUBLIC;
SET ROLE refresh_mv_track_writer;
INSERT INTO t VALUES (1, 1), (2, 2);
UPDATE t SET n = 3 WHERE id = 1;
MERGE INTO t USING (VALUES (2), (3)) m (id) ON t.id = m.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (3, 3);
RESET ROLE;
GRANT USAGE ON SCHEMA refresh_mv TO PUBLIC;
GRANT EXECUTE ON FUNCTION refresh_mv.log_change() TO PUBLIC;
SET ROLE refresh_mv_track_owner;
SELECT * FROM refresh_mv.changes('v', 't') ORDER BY key COLLATE "C";
SELECT * FROM refreshed('v');

-- On commit, the view's query runs as the view's owner, not as the writer; what it
-- tries harms nobody, and the writer's transaction is committed.
RESET ROLE;
CREATE TABLE secret AS SELECT 'the keeper''s'::text AS secret;
GRANT SELECT ON secret TO refresh_mv_track_writer;
SET ROLE refresh_mv_track_owner;
CREATE FUNCTION write() RETURNS void LANGUAGE sql AS 'INSERT INTO suite.t VALUES (103, 0)';
CREATE FUNCTION spy(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 100 THEN
        RETURN (SELECT secret FROM suite.secret);
    ELSIF $1 = 101 THEN
        PERFORM set_config('role', 'refresh_mv_track_writer', true);
    ELSIF $1 = 102 THEN
        PERFORM suite.write();
    END IF;
    RETURN current_user;
END $$;
CREATE MATERIALIZED VIEW spies AS SELECT id, spy(id) FROM t;
SELECT refresh_mv.track('spies', on_commit => true);
SELECT * FROM refreshed('spies');
SELECT * FROM refreshed('spies');
SET ROLE refresh_mv_track_writer;
INSERT INTO t VALUES (50, 50);
RESET ROLE;
SELECT * FROM spies ORDER BY id;
SET client_min_messages = error;
SET ROLE refresh_mv_track_writer;
INSERT INTO t VALUES (100, 0);
UPDATE t SET id = 101 WHERE id = 100;
UPDATE t SET id = 102 WHERE id = 101;
SELECT current_user, (SELECT max(id) FROM t);
UPDATE t SET id = 60 WHERE id = 102;
RESET ROLE;
SET client_min_messages = warning;
SELECT * FROM spies ORDER BY id;
SELECT role, source, success, regexp_replace(message, E'\n.*', '') AS message FROM refresh_mv.history WHERE view = 'suite.spies' AND source = 'on commit' ORDER BY started;
SET ROLE refresh_mv_track_owner;
DROP MATERIALIZED VIEW spies;

-- The owner of a table may call the triggers' function there as he likes: his
-- writes go on, and the log of others says no wrong.
SET ROLE refresh_mv_track_keeper;
CREATE TABLE toy (id int PRIMARY KEY, n int, s text);
CREATE TABLE toy_tree (id int PRIMARY KEY, n int, s text) PARTITION BY RANGE (id);
CREATE TABLE toy_1 PARTITION OF toy_tree FOR VALUES FROM (0) TO (10);
CREATE TABLE toy_2 PARTITION OF toy_tree FOR VALUES FROM (10) TO (100);
CREATE VIEW toy_view AS SELECT * FROM toy;
INSERT INTO toy VALUES (1, 1, NULL), (2, 2, 'x');
INSERT INTO toy_tree VALUES (1, 1, NULL), (2, 2, 'x');
CREATE FUNCTION play(relation text, kind text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE format(replace('CREATE TRIGGER aa ' || kind, '%I', '%1$I') || ' EXECUTE FUNCTION refresh_mv.log_change(%2$s)', relation, arguments);
    EXCEPTION WHEN wrong_object_type OR feature_not_supported OR invalid_object_definition THEN
        RETURN 'no such trigger';
    END;
    EXECUTE format('INSERT INTO %I VALUES (7, 7, ''y''), (8, 8, NULL)', relation);
    EXECUTE format('UPDATE %I SET n = n + 1, s = s || ''x''', relation);
    EXECUTE format('UPDATE %I SET id = 9 WHERE id = 7', relation);
    EXECUTE format('INSERT INTO %I VALUES (8, 9, '''') ON CONFLICT (id) DO UPDATE SET n = 0', relation);
    EXECUTE format('DELETE FROM %I WHERE id > 7', relation);
    EXECUTE format('DROP TRIGGER aa ON %I', relation);
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
SET client_min_messages = error;
SELECT played, count(*) FROM unnest('{toy,toy_tree,toy_1,toy_view}'::text[]) relation, unnest(ARRAY[
    'BEFORE INSERT ON %I FOR EACH STATEMENT', 'BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT', 'AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH STATEMENT',
    'AFTER UPDATE ON %I REFERENCING OLD TABLE AS o FOR EACH STATEMENT', 'AFTER UPDATE ON %I REFERENCING NEW TABLE AS n FOR EACH STATEMENT',
    'AFTER UPDATE ON %I REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT',
    'AFTER INSERT ON %I REFERENCING NEW TABLE AS n FOR EACH STATEMENT', 'AFTER DELETE ON %I REFERENCING OLD TABLE AS o FOR EACH STATEMENT',
    'BEFORE TRUNCATE ON %I FOR EACH STATEMENT', 'BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW', 'AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW',
    'AFTER UPDATE ON %I REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH ROW', 'BEFORE UPDATE ON %I FOR EACH ROW WHEN (OLD.n > 2)', 'BEFORE UPDATE OF n ON %I FOR EACH ROW',
    'INSTEAD OF INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW']) kind, unnest(ARRAY['', '''y''', '''x''', '''x'', ''1'', ''id''', '''xc'', ''1'', ''id'', ''n'', ''s''', '''x'', ''2'', ''id''', '''x'', ''0''', '''x'', ''-1'', ''id''',
    '''x'', ''1'', ''no such''', '''xc'', ''99999999999999999999'', ''id''', ''''', ''1'', ''id''', '''x'', ''1'', ''s'', ''n'', ''id''', '''x'', ''1'', ''ctid''', '''x'', ''3'', ''id'', ''id'', ''id''', ''''', '''', ''''']) arguments, play(relation, kind, arguments) played
GROUP BY played ORDER BY played COLLATE "C";
SET client_min_messages = warning;
-- Entries that are forged for a view of somebody else: by triggers that take one
-- column for another, and are gone again when the view's owner looks.
GRANT SELECT, TRIGGER ON toy TO refresh_mv_track_owner;
TRUNCATE toy;
INSERT INTO toy VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c');
SET ROLE refresh_mv_track_owner;
CREATE MATERIALIZED VIEW of_toy AS SELECT * FROM toy;
SELECT refresh_mv.track('of_toy');
SELECT * FROM refreshed('of_toy');
SELECT * FROM refreshed('of_toy');
RESET ROLE;
CREATE FUNCTION forge() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TRIGGER aa BEFORE TRUNCATE ON suite.toy FOR EACH STATEMENT EXECUTE FUNCTION refresh_mv.log_change('x', '1', 'n', 'id', 's');
    CREATE TRIGGER zz AFTER DELETE ON suite.toy REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION refresh_mv.log_change('x', '1', 'n', 'id', 's');
END $$;
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stop'; END $$;
-- Whether changes() tells the truth, or that it does not know.
CREATE FUNCTION honest(view regclass, source regclass) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    result boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (
        (SELECT v::text FROM %1$s v EXCEPT (SELECT t::text FROM %2$s t UNION SELECT old_row FROM refresh_mv.changes(%1$L, %2$L)))
        UNION (SELECT old_row FROM refresh_mv.changes(%1$L, %2$L) WHERE old_row IS NOT NULL EXCEPT SELECT v::text FROM %1$s v))', view, source) INTO result;
    RETURN result;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION forge, stop, honest TO PUBLIC;
SET ROLE refresh_mv_track_keeper;
SELECT forge();
CREATE TRIGGER ab BEFORE TRUNCATE ON toy FOR EACH STATEMENT EXECUTE FUNCTION stop();
-- in a session that has nothing of it in its memory
\c -
SET search_path = suite, helpers, public;
SET client_min_messages = error;
SET ROLE refresh_mv_track_keeper;
TRUNCATE toy;
DELETE FROM toy WHERE id = 2;
UPDATE toy SET s = 'y' WHERE id = 1;
DROP TRIGGER aa ON toy;
DROP TRIGGER ab ON toy;
DROP TRIGGER zz ON toy;
SET client_min_messages = warning;
SET ROLE refresh_mv_track_owner;
SELECT honest('of_toy', 'toy');
SELECT * FROM refreshed('of_toy');
SELECT * FROM refreshed('of_toy');
-- The same while they stay, and are there when the view is made whole.
SET ROLE refresh_mv_track_keeper;
SELECT forge();
SET client_min_messages = error;
DELETE FROM toy;
SET ROLE refresh_mv_track_owner;
SELECT honest('of_toy', 'toy');
SELECT * FROM refreshed('of_toy');
SELECT * FROM refreshed('of_toy');
SET ROLE refresh_mv_track_keeper;
INSERT INTO toy VALUES (5, 50, 'z'), (6, 60, NULL);
SET ROLE refresh_mv_track_owner;
SELECT * FROM refreshed('of_toy');
SET ROLE refresh_mv_track_keeper;
DELETE FROM toy WHERE id = 6;
SET ROLE refresh_mv_track_owner;
SELECT honest('of_toy', 'toy');
SELECT * FROM refreshed('of_toy');
SET client_min_messages = warning;
DROP MATERIALIZED VIEW of_toy;

-- Objects of the caller's search_path are not taken for those of pg_catalog: not
-- by tracking, nor by the log, nor by what follows changes of tables.
RESET ROLE;
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET ROLE refresh_mv_track_nobody;
CREATE FUNCTION evil.report() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fake called as %', current_user; END $$;
DO $$
DECLARE
    type text;
    fake text;
BEGIN
    FOREACH type IN ARRAY '{oid,text,integer,bigint,xid8,name,boolean}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION evil.compare(%1$s, %1$s) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN PERFORM evil.report(); RETURN true; END''', type);
        FOREACH fake IN ARRAY '{=,<>,<,>,<=,>=}'::text[] LOOP
            EXECUTE format('CREATE OPERATOR evil.%1$s (FUNCTION = evil.compare, LEFTARG = %2$s, RIGHTARG = %2$s)', fake, type);
        END LOOP;
    END LOOP;
    EXECUTE 'CREATE FUNCTION evil.calculate(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS ''BEGIN PERFORM evil.report(); RETURN 0; END''';
    EXECUTE 'CREATE OPERATOR evil.+ (FUNCTION = evil.calculate, LEFTARG = bigint, RIGHTARG = bigint)';
    EXECUTE 'CREATE OPERATOR evil./ (FUNCTION = evil.calculate, LEFTARG = bigint, RIGHTARG = bigint)';
    FOREACH fake IN ARRAY ARRAY['now() RETURNS timestamptz', 'unnest(text[]) RETURNS SETOF text', 'octet_length(bytea) RETURNS int', 'pg_current_snapshot() RETURNS pg_snapshot',
        'pg_visible_in_snapshot(xid8, pg_snapshot) RETURNS boolean', 'pg_snapshot_xmin(pg_snapshot) RETURNS xid8', 'format(text, text, text) RETURNS text', 'pg_has_role(oid, text) RETURNS boolean',
        'count(bigint) RETURNS bigint', 'sum(bigint) RETURNS bigint', 'min(bigint) RETURNS bigint', 'min(text) RETURNS text', 'max(bigint) RETURNS bigint', 'nextval(regclass) RETURNS bigint',
        'log_everything(oid, text) RETURNS void', 'adapt(oid) RETURNS boolean', 'forget(oid) RETURNS void', 'log_change() RETURNS trigger', 'pg_event_trigger_ddl_commands() RETURNS bigint'] LOOP
        EXECUTE format('CREATE FUNCTION evil.%s LANGUAGE plpgsql AS ''BEGIN PERFORM evil.report(); END''', fake);
    END LOOP;
    FOREACH fake IN ARRAY '{log,sources,members,tracked,uses,state,settings,readers,unread,pending,pg_class,pg_inherits,pg_namespace,pg_rewrite,pg_depend,pg_trigger}'::text[] LOOP
        EXECUTE format('CREATE TABLE evil.%I AS SELECT 1 AS one', fake);
        EXECUTE format('GRANT ALL ON evil.%I TO PUBLIC', fake);
    END LOOP;
    EXECUTE 'CREATE DOMAIN evil.oid AS int';
    EXECUTE 'CREATE DOMAIN evil.text AS int';
END $$;
SET ROLE refresh_mv_track_owner;
CREATE TEMP TABLE log AS SELECT 1 AS one;
CREATE TEMP TABLE pg_class AS SELECT 1 AS one;
RESET ROLE;
SELECT e.message FROM error_of('SET LOCAL search_path = evil, pg_catalog; SELECT 1 = 1') e;
SET search_path = pg_temp, evil, pg_catalog, suite, helpers, public;
SELECT refresh_mv.untrack('suite.v');
SELECT refresh_mv.track('suite.v', on_commit => true);
SELECT success, message FROM refresh_materialized_views_smart('{suite.v}');
INSERT INTO suite.t VALUES (69, 69);
SELECT refresh_mv.track('suite.v', on_commit => false);
SELECT success, message FROM refresh_materialized_views_smart('{suite.v}');
INSERT INTO suite.t VALUES (70, 70), (71, 71);
UPDATE suite.t SET n = 0;
DELETE FROM suite.t WHERE id OPERATOR(pg_catalog.=) 70;
SELECT * FROM refresh_mv.changes('suite.v', 'suite.t') ORDER BY key COLLATE "C" USING OPERATOR(pg_catalog.<);
SELECT success, message FROM refresh_materialized_views_smart('{suite.v}');
SELECT success, message FROM refresh_materialized_views_smart('{suite.v}');
SELECT name, refresh_mv.status.tracked, pending_changes, stale, unknown_reason FROM refresh_mv.status WHERE name OPERATOR(pg_catalog.=) 'v';
CREATE TABLE suite.tree (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE MATERIALIZED VIEW suite.of_tree AS SELECT id FROM suite.tree;
SELECT refresh_mv.track('suite.of_tree');
SELECT success, message FROM refresh_materialized_views_smart('{suite.of_tree}');
CREATE TABLE suite.tree_1 PARTITION OF suite.tree FOR VALUES FROM (0) TO (10);
INSERT INTO suite.tree VALUES (1);
TRUNCATE suite.tree;
ALTER TABLE suite.tree ADD n int;
ALTER TABLE suite.tree DETACH PARTITION suite.tree_1;
SELECT success, message FROM refresh_materialized_views_smart('{suite.of_tree}');
DROP TABLE suite.tree CASCADE;
SELECT refresh_mv.untrack();
SET search_path = suite, helpers, public;
SELECT check_view('v');
TABLE triggers;
DROP TABLE pg_temp.log, pg_temp.pg_class;
DROP SCHEMA evil CASCADE;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_track_member, refresh_mv_track_owner, refresh_mv_track_keeper, refresh_mv_track_writer, refresh_mv_track_reader, refresh_mv_track_nobody;
