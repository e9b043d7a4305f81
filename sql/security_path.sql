CALL helpers.begin_suite();
-- A superuser works with somebody's schema first in his search_path.  It holds a
-- namesake of every function, operator, type and relation of pg_catalog, and of the
-- extension's own functions and tables; so does his pg_temp, as far as that can be.  No
-- namesake is ever called or read.
CREATE ROLE refresh_mv_path_attacker;
CREATE SCHEMA evil AUTHORIZATION refresh_mv_path_attacker;
GRANT CREATE, USAGE ON SCHEMA suite TO refresh_mv_path_attacker;
SET ROLE refresh_mv_path_attacker;
-- Counts the calls, those that are undone too.
CREATE SEQUENCE evil.calls;
GRANT ALL ON SEQUENCE evil.calls TO PUBLIC;
CREATE FUNCTION evil.report(what text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM nextval('evil.calls');
    RAISE EXCEPTION 'fake % called as %', what, current_user;
END $$;
CREATE FUNCTION evil.make_functions() RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o record;
    made bigint := 0;
BEGIN
    FOR o IN SELECT DISTINCT ON (p.proname, p.proargtypes) p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
             FROM pg_proc p WHERE p.pronamespace = ANY ('{pg_catalog,refresh_mv,public}'::regnamespace[]) AND (p.prokind = 'f' OR p.oid IN (SELECT aggfnoid FROM pg_aggregate WHERE aggkind = 'n' AND pronargs > 0)) AND p.provariadic = 0 AND p.proallargtypes IS NULL
               AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = ANY (p.proargtypes) AND t.typtype = 'p' AND t.typname NOT IN ('anyelement', 'anyarray', 'anyenum', 'record'))
               AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = p.prorettype AND t.typtype = 'p' AND t.typname NOT IN ('void', 'trigger', 'event_trigger', 'record'))
               AND NOT (p.proretset AND p.prorettype = 'record'::regtype)
    LOOP
        EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', o.proname, o.arguments, o.result,
            format('BEGIN PERFORM evil.report(%L); END', o.proname));
        made := made + 1;
    END LOOP;
    -- what has no arguments to go by
    CREATE FUNCTION evil.step(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM evil.report(''count(*)''); END';
    CREATE FUNCTION evil.step(bigint, anyelement) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM evil.report(''count''); END';
    CREATE AGGREGATE evil.count(*) (SFUNC = evil.step, STYPE = bigint, INITCOND = 0);
    CREATE AGGREGATE evil.count(anyelement) (SFUNC = evil.step, STYPE = bigint, INITCOND = 0);
    RETURN made;
END $$;
CREATE FUNCTION evil.make_operators() RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o record;
    made bigint := 0;
BEGIN
    FOR o IN SELECT p.oid, p.oprname, p.oprleft::regtype AS l, p.oprright::regtype AS r, p.oprresult::regtype AS result FROM pg_operator p
             WHERE p.oprnamespace = 'pg_catalog'::regnamespace AND p.oprleft <> 0 AND p.oprcode <> 0
               AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid IN (p.oprleft, p.oprright, p.oprresult) AND t.typtype = 'p' AND t.typname NOT IN ('anyelement', 'anyarray', 'anyenum', 'record'))
               AND (p.oprresult::regtype::text !~ '^any' OR p.oprleft = p.oprresult)
    LOOP
        EXECUTE format('CREATE FUNCTION evil.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', o.oid, o.l, o.r, o.result, format('BEGIN PERFORM evil.report(%L); END', o.oprname));
        EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.operator_%s, LEFTARG = %s, RIGHTARG = %s)', o.oprname, o.oid, o.l, o.r);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
-- Relations, and what the extension calls the rows that it holds in memory, which a
-- table must not be taken for.
CREATE FUNCTION evil.make_relations(schema text, kind text) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    made bigint := 0;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = ANY ('{pg_catalog,refresh_mv}'::regnamespace[]) AND c.relkind IN ('r', 'v', 'S')
                UNION SELECT unnest('{refresh_mv_rows,refresh_mv_groups,refresh_mv_redo,refresh_mv_touched,refresh_mv_partials_now,refresh_mv_partials_before,refresh_mv_partials_redone,refresh_mv_parts_now,refresh_mv_parts_before,refresh_mv_keys_now,refresh_mv_keys_before,refresh_mv_values_1,refresh_mv_values_1_now,refresh_mv_values_1_before,refresh_mv_changes_0,refresh_mv_changes_1,refresh_mv_joined_1,refresh_mv_old_0,refresh_mv_net,refresh_mv_joined_rows,refresh_mv_signs_0,refresh_mv_signs_1,refresh_mv_term_0,refresh_mv_term_1,refresh_mv_sums,refresh_mv_apart_1,refresh_mv_apart_2,refresh_mv_own,refresh_mv_possible_parts}'::text[])
    LOOP
        EXECUTE format('CREATE %s TABLE %I.%I (part int, k1 int, n int, h int, view oid, relation oid, oid oid)', kind, schema, name);
        EXECUTE format('INSERT INTO %I.%I SELECT g, g, g, g, g, g, g FROM generate_series(0, 2) g', schema, name);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
CREATE FUNCTION evil.make_types(schema text) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    made bigint := 0;
BEGIN
    FOR name IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typcategory <> 'A' LOOP
        EXECUTE format('CREATE DOMAIN %I.%I AS pg_catalog.point CHECK (false)', schema, name);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
SELECT evil.make_functions() > 2000 AS functions, evil.make_operators() > 600 AS operators, evil.make_relations('evil', '') > 150 AS relations, evil.make_types('evil') > 50 AS types;
RESET ROLE;
-- They work: hardly anything can be written in this path.
CREATE FUNCTION taken_in(statement text) RETURNS text LANGUAGE plpgsql SET search_path = evil, pg_catalog AS $$
BEGIN
    EXECUTE statement;
    RETURN 'not taken in';
EXCEPTION WHEN raise_exception THEN
    RETURN SQLERRM;
END $$;
SELECT taken_in(statement) FROM unnest(ARRAY['SELECT 1 = 1', 'SELECT now()', 'SELECT count(*) FROM evil.log', $$SELECT 'a'::pg_catalog.text || 'b'$$,
    $$SELECT 1 WHERE '{1}'::pg_catalog.int4[] = '{1}'$$, 'SELECT max(1::pg_catalog.int8)', $$SELECT format('%s', 1)$$]) statement;
SELECT setval('evil.calls', 1000) AS calls;

-- What the attacker has, and what the superuser has of his.
SET ROLE refresh_mv_path_attacker;
CREATE TABLE t (id int PRIMARY KEY, day date, g text, n int, x numeric);
INSERT INTO t SELECT i, current_date - i % 5, 'g' || i % 3, i, i / 10.0 FROM generate_series(1, 30) i;
CREATE MATERIALIZED VIEW delta AS SELECT g, sum(n) AS n, sum(x) AS x, min(n) AS least, max(n) AS most, count(DISTINCT n % 4) AS ns, avg(x) AS average FROM t GROUP BY g;
CREATE MATERIALIZED VIEW keys AS SELECT g, string_agg(n::text, ',' ORDER BY id) AS list FROM t GROUP BY g;
CREATE MATERIALIZED VIEW rows AS SELECT id, g, n, row_number() OVER (PARTITION BY g ORDER BY id) AS no FROM t;
CREATE UNIQUE INDEX ON rows (id);
CREATE MATERIALIZED VIEW above AS SELECT ns, count(*) FROM delta GROUP BY ns;
CREATE MATERIALIZED VIEW dated AS SELECT day, count(*), max(g) FROM t GROUP BY day;
CREATE MATERIALIZED VIEW empty AS SELECT * FROM t WITH NO DATA;
RESET ROLE;
CREATE MATERIALIZED VIEW supers AS SELECT day, g, count(*), sum(x) AS x FROM t GROUP BY day, g;
-- What the last call has done, and how wrong that is.
CREATE FUNCTION outcome(OUT view text, OUT method text, OUT reason text, OUT message text, OUT differs bigint) RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, suite, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT j.view_name, j.method, j.reason, j.message, helpers.check_view(format('suite.%I', j.view_name)::regclass)
        FROM refresh_mv.journal j WHERE j.run = (SELECT max(run) FROM refresh_mv.journal) ORDER BY j.view_name COLLATE "C";
END $$;
-- A temporary schema is searched before all others, for relations and types.
SELECT evil.make_relations('pg_temp', 'TEMP') > 150 AS relations, evil.make_types('pg_temp') > 50 AS types;
SET client_min_messages = error;
SET search_path = pg_temp, evil, pg_catalog;
SELECT view_name, tracked, reason FROM refresh_mv.track('suite.delta');
SELECT view_name, tracked, reason FROM refresh_mv.track('suite.keys');
SELECT view_name, tracked, reason FROM refresh_mv.track('suite.rows');
SELECT view_name, tracked, reason FROM refresh_mv.track('suite.supers', on_commit => true);
SELECT view_name, tracked, reason FROM refresh_mv.track('suite.above');
SELECT success, views_refreshed FROM public.refresh_materialized_views_smart();
SELECT * FROM suite.outcome();
SELECT refresh_mv.configure('suite.empty', enabled => false);
-- Rows come, change and go; one view is refreshed at commit, in the same path.
INSERT INTO suite.t VALUES (31, pg_catalog.date('2024-02-29'), 'g1', 7, 0.123), (32, NULL, NULL, NULL, NULL);
UPDATE suite.t SET n = 9, x = '9.5' WHERE id OPERATOR(pg_catalog.<) 4;
UPDATE suite.t SET id = 40 WHERE id OPERATOR(pg_catalog.=) 5;
DELETE FROM suite.t WHERE id OPERATOR(pg_catalog.=) 7;
INSERT INTO suite.t VALUES (31, NULL, 'g2', 1, 1) ON CONFLICT (id) DO UPDATE SET n = 8;
MERGE INTO suite.t USING suite.t s ON t.id OPERATOR(pg_catalog.=) s.id AND s.id OPERATOR(pg_catalog.=) 9 WHEN MATCHED THEN DELETE;
SELECT key, old_row IS NOT NULL AS existed FROM refresh_mv.changes('suite.keys', 'suite.t') ORDER BY key COLLATE "C" USING OPERATOR(pg_catalog.<);
SELECT view_name, verdict, missing, extra, pending_changes, remark FROM refresh_mv.verify('suite.delta');
SELECT success, views_refreshed FROM public.refresh_materialized_views_smart();
SELECT * FROM suite.outcome();
SELECT success FROM public.refresh_materialized_views(true, 3, '{suite.dated,suite.supers}');
SELECT * FROM suite.outcome();
SELECT success FROM public.refresh_materialized_views();
SELECT * FROM suite.outcome();
SELECT * FROM refresh_mv.refresh_where('suite.dated', 'day OPERATOR(pg_catalog.>) ''2000-01-01''');
SELECT refresh_mv.configure('suite.dated', date_column => 'day', window_days => 5, keep_before => '1 year', statement_timeout => '1min', lock_timeout => '1s', work_mem => '4MB');
SELECT success FROM public.refresh_materialized_views_smart('{suite.dated}');
SELECT * FROM suite.outcome();
SELECT refresh_mv.configure('suite.dated', date_column => NULL, window_days => NULL, keep_before => NULL, statement_timeout => NULL, lock_timeout => NULL, work_mem => NULL, enabled => true);
INSERT INTO suite.t VALUES (50, NULL, 'g0', 1, 1);
CALL refresh_mv.run(wait => true);
SELECT * FROM suite.outcome();
INSERT INTO suite.t VALUES (51, NULL, 'g0', 1, 1);
CALL refresh_mv.verify_all();
SELECT view_name, verdict, repaired FROM refresh_mv.verify('suite.rows', true);
-- What there is to see.
SELECT name, tracked, pending_changes, stale, unknown_reason, enabled, consecutive_failures, last_method, data_through IS NOT NULL AS dated FROM refresh_mv.status WHERE schema OPERATOR(pg_catalog.=) 'suite' ORDER BY name USING OPERATOR(pg_catalog.<);
SELECT view_name, last_data_date IS NOT NULL AS dated FROM refresh_mv.freshness ORDER BY view_name COLLATE "C" USING OPERATOR(pg_catalog.<);
SELECT * FROM refresh_mv.dependencies ORDER BY view::pg_catalog.oid USING OPERATOR(pg_catalog.<), depends_on::pg_catalog.oid USING OPERATOR(pg_catalog.<);
SELECT pg_catalog.count(*) FROM refresh_mv.history;
SELECT refresh_mv.graph();
SELECT refresh_mv.data_through('suite.dated') IS NOT NULL AS dated, refresh_mv_internal.total_size('suite.dated') OPERATOR(pg_catalog.>) 0 AS sized;
-- Somebody's schema "cron" is not pg_cron.
CREATE SCHEMA cron AUTHORIZATION refresh_mv_path_attacker;
CREATE TABLE cron.job AS SELECT 1::pg_catalog.int8 AS jobid, 'refresh_mv smart' AS jobname, 'postgres' AS username, pg_catalog.current_database() AS database;
CREATE FUNCTION cron.unschedule(pg_catalog.int8) RETURNS boolean LANGUAGE sql AS $$SELECT evil.report('cron.unschedule'); SELECT true$$;
CREATE FUNCTION cron.schedule(pg_catalog.text, pg_catalog.text, pg_catalog.text) RETURNS pg_catalog.int8 LANGUAGE sql AS $$SELECT evil.report('cron.schedule'); SELECT 1::pg_catalog.int8$$;
\set VERBOSITY sqlstate
SELECT refresh_mv.schedule();
SELECT refresh_mv.unschedule();
\set VERBOSITY default
DROP SCHEMA cron CASCADE;
-- DDL, which the extension follows.
ALTER MATERIALIZED VIEW suite.dated RENAME TO renamed;
SELECT refresh_mv.configure('suite.renamed', window_days => 1);
ALTER MATERIALIZED VIEW suite.renamed RENAME TO dated;
ALTER TABLE suite.t ADD extra pg_catalog.int4;
ALTER TABLE suite.t ALTER extra TYPE pg_catalog.int8;
REFRESH MATERIALIZED VIEW suite.keys;
CREATE OR REPLACE FUNCTION suite.unused() RETURNS void LANGUAGE sql AS '';
SELECT success FROM public.refresh_materialized_views_smart();
SELECT * FROM suite.outcome();
TRUNCATE suite.t;
INSERT INTO suite.t VALUES (1, NULL, 'g0', 1, 1);
SELECT success FROM public.refresh_materialized_views_smart();
SELECT * FROM suite.outcome();
-- A log that has grown too large is measured now and then, by a writer.
SET refresh_mv.max_log_size = 64;
DO $$ BEGIN FOR i IN 1..3000 LOOP UPDATE suite.t SET n = i; END LOOP; END $$;
RESET refresh_mv.max_log_size;
SELECT success FROM public.refresh_materialized_views_smart();
SELECT refresh_mv.untrack('suite.supers');
SELECT refresh_mv.untrack();
DROP MATERIALIZED VIEW suite.supers;
SET search_path = suite, helpers, public;
SET client_min_messages = warning;
SELECT last_value AS calls FROM evil.calls;
DISCARD TEMP;
SELECT view_name, check_view(format('suite.%I', view_name)::regclass) FROM refresh_mv.names ORDER BY view_name COLLATE "C";
DROP SCHEMA suite CASCADE;
DROP SCHEMA evil CASCADE;
DROP ROLE refresh_mv_path_attacker;
