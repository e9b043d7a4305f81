CALL helpers.begin_suite();
-- Every object of the extension, and what every kind of role may do with it.
-- The extension belongs to the owner of the database here, who is no superuser.
CREATE ROLE refresh_mv_sec_database;
CREATE ROLE refresh_mv_sec_owner;        -- of the view
CREATE ROLE refresh_mv_sec_member IN ROLE refresh_mv_sec_owner;
CREATE ROLE refresh_mv_sec_noinherit NOINHERIT IN ROLE refresh_mv_sec_owner;
CREATE ROLE refresh_mv_sec_reader;       -- with SELECT on the view
CREATE ROLE refresh_mv_sec_trigger;      -- with TRIGGER on the table
CREATE ROLE refresh_mv_sec_keeper;       -- who owns the table
CREATE ROLE refresh_mv_sec_data IN ROLE pg_read_all_data;
CREATE ROLE refresh_mv_sec_stats IN ROLE pg_read_all_stats;
CREATE ROLE refresh_mv_sec_monitor IN ROLE pg_monitor;
CREATE ROLE refresh_mv_sec_nobody;
CREATE ROLE refresh_mv_sec_super SUPERUSER;
SELECT current_database() AS database, pg_get_userbyid(datdba) AS superuser FROM pg_database WHERE datname = current_database() \gset
DROP EXTENSION refresh_mv CASCADE;
ALTER DATABASE :"database" OWNER TO refresh_mv_sec_database;
SET ROLE refresh_mv_sec_database;
CREATE EXTENSION refresh_mv SCHEMA public;
RESET ROLE;
ALTER DATABASE :"database" OWNER TO :"superuser";
GRANT USAGE ON SCHEMA suite TO PUBLIC;
GRANT CREATE ON SCHEMA suite TO refresh_mv_sec_owner, refresh_mv_sec_keeper;
SET ROLE refresh_mv_sec_keeper;
CREATE TABLE t (id int PRIMARY KEY, day date, n numeric);
INSERT INTO t SELECT g, current_date - g, g FROM generate_series(1, 5) g;
GRANT SELECT, TRIGGER ON t TO refresh_mv_sec_owner;
CREATE FUNCTION used(numeric) RETURNS numeric IMMUTABLE RETURN $1;
GRANT TRIGGER ON t TO refresh_mv_sec_trigger;
SET ROLE refresh_mv_sec_owner;
CREATE MATERIALIZED VIEW v AS SELECT day, used(sum(n)) AS n, count(DISTINCT id) AS ids FROM t GROUP BY day;
GRANT SELECT ON v TO refresh_mv_sec_reader;
SELECT * FROM refresh_mv.track('v');
SELECT refresh_mv.configure('v', feed_keep => '1 day');
SELECT success FROM refresh_materialized_views_smart();
RESET ROLE;
INSERT INTO t VALUES (6, current_date, 6);

-- What each role tries with each object; it says how that went.
CREATE TABLE probes (object text, statement text);
INSERT INTO probes VALUES
    ('public.refresh_materialized_views_smart(regclass[],boolean)',
     $$SELECT CASE WHEN success THEN 'ok' ELSE 'failed' END FROM public.refresh_materialized_views_smart('{suite.v}')$$),
    ('public.refresh_materialized_views(boolean,integer,regclass[],boolean)',
     $$SELECT CASE WHEN success THEN 'ok' ELSE 'failed' END FROM public.refresh_materialized_views(views => '{suite.v}')$$),
    ('refresh_mv.run(text,integer,regclass[],boolean,boolean,interval,integer,boolean,text,text,text,boolean)', $$CALL refresh_mv.run()$$),
    ('refresh_mv.refresh_where(regclass,text)', $$SELECT 'ok' FROM refresh_mv.refresh_where('suite.v', 'day IS NOT NULL')$$),
    ('refresh_mv.replace_query(regclass,text)',
     $$SELECT 'ok' FROM refresh_mv.replace_query('suite.v', 'SELECT day, suite.used(sum(n)) AS n, count(DISTINCT id) AS ids FROM suite.t GROUP BY day')$$),
    ('refresh_mv.feed(regclass,bigint)', $$SELECT 'ok' FROM (SELECT count(*) FROM refresh_mv.feed('suite.v')) f$$),
    ('refresh_mv_internal.filled_anew(oid,text)', $$SELECT 'ok' FROM refresh_mv_internal.filled_anew('suite.v'::regclass, 'mischief')$$),
    ('refresh_mv.configure(regclass,text,integer,interval,boolean,text,text,text,boolean,interval,interval)',
     $$SELECT 'ok' FROM refresh_mv.configure('suite.v', window_days => 3)$$),
    ('refresh_mv.trust(regprocedure,boolean)', $$SELECT 'ok' FROM refresh_mv.trust('suite.used(numeric)')$$),
    ('refresh_mv_internal.refresh_statement()', $$CALL refresh_mv_internal.refresh_statement()$$),
    ('refresh_mv_internal.check_trust()', $$SELECT refresh_mv_internal.check_trust()$$),
    ('refresh_mv.track(regclass,boolean,text)', $$SELECT 'ok' FROM refresh_mv.track('suite.v', on_commit => true)$$),
    ('refresh_mv.untrack(regclass)', $$SELECT 'ok' FROM refresh_mv.untrack('suite.v')$$),
    ('refresh_mv.changes(regclass,regclass)', $$SELECT 'ok' FROM refresh_mv.changes('suite.v', 'suite.t')$$),
    ('refresh_mv.verify(regclass,boolean)', $$SELECT 'ok' FROM refresh_mv.verify('suite.v', true)$$),
    ('refresh_mv.verify_all()', $$CALL refresh_mv.verify_all()$$),
    ('refresh_mv.live(anyelement,boolean)', $$SELECT 'ok' FROM refresh_mv.live(NULL::suite.v, true)$$),
    ('refresh_mv.create_live_view(regclass,text,boolean)', $$SELECT 'ok' FROM refresh_mv.create_live_view('suite.v', 'now')$$),
    ('refresh_mv_internal.live_support(internal)', $$SELECT refresh_mv_internal.live_support(NULL)$$),
    ('refresh_mv.explain(regclass,boolean)', $$SELECT 'ok' FROM refresh_mv.explain('suite.v', true)$$),
    ('refresh_mv.remedies(regclass)', $$SELECT 'ok' FROM (SELECT count(*) FROM refresh_mv.remedies('suite.v')) c$$),
    ('refresh_mv.advise()', $$SELECT 'ok' FROM refresh_mv.advise() WHERE view = 'suite.v'::regclass$$),
    ('refresh_mv_internal.better_schedule()', $$SELECT 'ok' FROM refresh_mv_internal.better_schedule()$$),
    ('refresh_mv_internal.current_schedule()', $$SELECT refresh_mv_internal.current_schedule()$$),
    ('refresh_mv_internal.advise_on_views()', $$SELECT 'ok' FROM refresh_mv_internal.advise_on_views() WHERE view = 'suite.v'::regclass$$),
    ('refresh_mv_internal.advise_on_publications()', $$SELECT 'ok' FROM refresh_mv_internal.advise_on_publications()$$),
    ('refresh_mv_internal.advise_on_schedule()', $$SELECT 'ok' FROM refresh_mv_internal.advise_on_schedule()$$),
    ('refresh_mv.data_through(regclass,text)', $$SELECT 'ok' WHERE refresh_mv.data_through('suite.v', 'day') IS NOT NULL$$),
    ('refresh_mv.data_through(regclass)', $$SELECT 'ok' WHERE refresh_mv.data_through('suite.v') IS NOT NULL$$),
    ('refresh_mv_internal.total_size(regclass)', $$SELECT 'ok' WHERE refresh_mv_internal.total_size('suite.v') > 0$$),
    ('refresh_mv_internal.fingerprint(oid)', $$SELECT 'ok' WHERE refresh_mv_internal.fingerprint('suite.t'::regclass) <> ''$$),
    ('refresh_mv.graph()', $$SELECT 'ok' FROM refresh_mv.graph() g WHERE g LIKE '%suite.v%'$$),
    ('refresh_mv.report(interval)', $$SELECT 'ok' FROM refresh_mv.report() r WHERE r LIKE '%<bdi>v</bdi>%'$$),
    ('refresh_mv_internal.require_cron()', $$SELECT refresh_mv_internal.require_cron()$$),
    ('refresh_mv.schedule(text,text)', $$SELECT refresh_mv.schedule()$$),
    ('refresh_mv.unschedule()', $$SELECT refresh_mv.unschedule()$$),
    ('refresh_mv_internal.schedule(text,text)', $$SELECT refresh_mv_internal.schedule(NULL, NULL)$$),
    ('refresh_mv_internal.unschedule()', $$SELECT refresh_mv_internal.unschedule()$$),
    ('refresh_mv_internal.drop_groups(oid)', $$SELECT 'ok' FROM refresh_mv_internal.drop_groups('suite.v'::regclass)$$),
    ('refresh_mv_internal.change_rows(text,text,text[])', $$SELECT 'ok' FROM refresh_mv_internal.change_rows('names', 'SELECT NULL::tid WHERE false', VARIADIC '{}')$$),
    ('refresh_mv.publications()', $$SELECT 'ok' FROM (SELECT count(*) FROM refresh_mv.publications()) p$$),
    ('refresh_mv_internal.warn_of_publications()', $$SELECT 'ok' FROM refresh_mv_internal.warn_of_publications()$$),
    ('refresh_mv_internal.log_everything(oid,text)', $$SELECT 'ok' FROM refresh_mv_internal.log_everything('suite.t'::regclass, 'mischief')$$),
    ('refresh_mv.unseen_row(oid)', $$SELECT 'ok' WHERE refresh_mv.unseen_row('suite.t'::regclass)$$),
    ('refresh_mv.untold_row(oid)', $$SELECT 'ok' WHERE refresh_mv.untold_row('suite.t'::regclass)$$),
    ('refresh_mv_internal.let_go()', $$SELECT refresh_mv_internal.let_go()$$),
    ('refresh_mv.log_change()', $$SELECT refresh_mv.log_change()$$),
    ('refresh_mv_internal.guard_log()', $$SELECT refresh_mv_internal.guard_log()$$),
    ('refresh_mv_internal.keep_out()', $$SELECT refresh_mv_internal.keep_out()$$),
    ('refresh_mv_internal.note_ddl()', $$SELECT refresh_mv_internal.note_ddl()$$),
    ('refresh_mv_internal.follow_names()', $$SELECT refresh_mv_internal.follow_names()$$),
    ('refresh_mv_internal.forget_dropped()', $$SELECT refresh_mv_internal.forget_dropped()$$),
    ('refresh_mv_internal.exact_step(internal,numeric)', $$SELECT refresh_mv_internal.exact_step(NULL, 1)$$),
    ('refresh_mv_internal.exact_combine(internal,internal)', $$SELECT refresh_mv_internal.exact_combine(NULL, NULL)$$),
    ('refresh_mv_internal.exact_serial(internal)', $$SELECT 'ok' WHERE refresh_mv_internal.exact_serial(NULL) IS NOT NULL$$),
    ('refresh_mv_internal.exact_deserial(bytea,internal)', $$SELECT 'ok' WHERE refresh_mv_internal.exact_deserial('', NULL) IS NOT NULL$$),
    ('refresh_mv_internal.exact_final(internal)', $$SELECT 'ok' FROM refresh_mv_internal.exact_final(NULL)$$),
    ('refresh_mv_internal.exact_sum(numeric)', $$SELECT 'ok' FROM (SELECT refresh_mv_internal.exact_sum(1)) s$$),
    ('refresh_mv_internal.exact_add(numeric[],numeric[],numeric[])', $$SELECT 'ok' FROM refresh_mv_internal.exact_add(NULL, NULL, NULL)$$),
    ('refresh_mv_internal.exact_total(numeric[])', $$SELECT 'ok' FROM refresh_mv_internal.exact_total('{1,1}')$$),
    ('refresh_mv_internal.exact_average(numeric[])', $$SELECT 'ok' FROM refresh_mv_internal.exact_average('{1,1}')$$),
    ('refresh_mv_internal.image(anyelement)', $$SELECT 'ok' FROM refresh_mv_internal.image(1)$$),
    ('refresh_mv_internal.members_step(internal,anyelement,integer)', $$SELECT refresh_mv_internal.members_step(NULL, 1, 1)$$),
    ('refresh_mv_internal.members_gained_final(internal)', $$SELECT 'ok' FROM refresh_mv_internal.members_gained_final(NULL)$$),
    ('refresh_mv_internal.members_lost_final(internal)', $$SELECT 'ok' FROM refresh_mv_internal.members_lost_final(NULL)$$),
    ('refresh_mv_internal.members_gained(anyelement,integer)', $$SELECT 'ok' FROM (SELECT refresh_mv_internal.members_gained(1, 1)) s$$),
    ('refresh_mv_internal.members_lost(anyelement,integer)', $$SELECT 'ok' FROM (SELECT refresh_mv_internal.members_lost(1, 1)) s$$),
    ('refresh_mv_internal.smallest_step(internal,anyelement)', $$SELECT refresh_mv_internal.smallest_step(NULL, 1)$$),
    ('refresh_mv_internal.largest_step(internal,anyelement)', $$SELECT refresh_mv_internal.largest_step(NULL, 1)$$),
    ('refresh_mv_internal.extremes_combine(internal,internal)', $$SELECT refresh_mv_internal.extremes_combine(NULL, NULL)$$),
    ('refresh_mv_internal.extremes_serial(internal)', $$SELECT 'ok' WHERE refresh_mv_internal.extremes_serial(NULL) IS NOT NULL$$),
    ('refresh_mv_internal.extremes_deserial(bytea,internal)', $$SELECT 'ok' WHERE refresh_mv_internal.extremes_deserial('', NULL) IS NOT NULL$$),
    ('refresh_mv_internal.extremes_final(internal)', $$SELECT 'ok' FROM refresh_mv_internal.extremes_final(NULL)$$),
    ('refresh_mv_internal.smallest(anyelement)', $$SELECT 'ok' FROM (SELECT refresh_mv_internal.smallest(1)) s$$),
    ('refresh_mv_internal.largest(anyelement)', $$SELECT 'ok' FROM (SELECT refresh_mv_internal.largest(1)) s$$),
    ('refresh_mv_internal.extremes_add(bytea,bytea,bytea,integer)', $$SELECT 'ok' FROM refresh_mv_internal.extremes_add(NULL, NULL, NULL, 1)$$),
    ('refresh_mv_internal.outermost(bytea,anyelement)', $$SELECT 'ok' FROM refresh_mv_internal.outermost('', 1)$$),
    ('refresh_mv_follow_names', $$ALTER EVENT TRIGGER refresh_mv_follow_names DISABLE$$),
    ('refresh_mv_forget_dropped', $$ALTER EVENT TRIGGER refresh_mv_forget_dropped DISABLE$$),
    ('refresh_mv_let_go', $$ALTER EVENT TRIGGER refresh_mv_let_go DISABLE$$),
    ('refresh_mv_note_ddl', $$ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE$$),
    ('refresh_mv', $$CREATE TABLE refresh_mv.mine ()$$),
    ('refresh_mv_internal', $$CREATE TABLE refresh_mv_internal.mine ()$$),
    ('extension refresh_mv', $$COMMENT ON EXTENSION refresh_mv IS ''$$);

-- What belongs to the extension, the states under one name, and is no table, view or
-- sequence, of which there is always the same to try; from 17 on the types of their rows
-- belong to it too.
CREATE VIEW members AS
SELECT d.classid, d.objid, i.type, replace(regexp_replace(i.identity, '_(state|values)_\d+', '_\1_OID'), 'pg_catalog.', '') AS object
FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'refresh_mv') AND d.deptype = 'e'
    AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE d.objid IN (t.oid, t.typarray)));
SELECT type, object AS without_probe FROM members WHERE type NOT IN ('table', 'view', 'sequence') AND object NOT IN (SELECT object FROM probes);
SELECT object AS without_object FROM probes WHERE object NOT IN (SELECT object FROM members) AND object NOT LIKE 'extension %';

-- Tries a statement as a role, and undoes it.  The result is the statement's one
-- value, "empty" without one, or the SQLSTATE.
CREATE FUNCTION attempt(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := 'ok';
BEGIN
    BEGIN
        EXECUTE format('SET LOCAL ROLE refresh_mv_sec_%I', role);
        IF statement LIKE 'SELECT%' THEN
            EXECUTE statement INTO result;
        ELSE
            EXECUTE statement;
        END IF;
        RAISE SQLSTATE 'UNDO0';
    EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
        RETURN coalesce(result, 'empty');
    WHEN OTHERS THEN
        RETURN SQLSTATE;
    END;
END $$;
-- What a role may do with a relation, as in its list of privileges.
CREATE FUNCTION powers(role text, relation regclass) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(letter, '' ORDER BY no), '42501')
    FROM (SELECT attname FROM pg_attribute WHERE attrelid = relation AND attnum = 1) a, pg_class c, LATERAL (VALUES
        (1, 'r', format('SELECT count(%I) FROM %s', attname, relation), '{r,v,S}'::"char"[]),
        (2, 'a', format('INSERT INTO %s (%I) SELECT NULL WHERE false', relation, attname), '{r,v}'),
        (3, 'w', format('UPDATE %s SET %I = NULL WHERE false', relation, attname), '{r,v}'),
        (4, 'd', format('DELETE FROM %s WHERE false', relation), '{r,v}'),
        (5, 'D', format('TRUNCATE %s', relation), '{r}'),
        (6, 'm', format('ALTER TABLE %s OWNER TO refresh_mv_sec_%I', relation, role), '{r,v,S}'),
        (7, 'U', format('SELECT nextval(%L)', relation), '{S}')) p (no, letter, statement, kinds)
    WHERE c.oid = relation AND c.relkind = ANY (kinds) AND suite.attempt(role, statement) !~ '^[0-9A-Z]{5}$'
$$;
CREATE TABLE roles AS SELECT role, no FROM unnest('{super,database,owner,member,noinherit,reader,trigger,keeper,data,stats,monitor,nobody}'::text[]) WITH ORDINALITY r (role, no);
SET client_min_messages = error;
\pset null ''
-- Functions, event triggers, the schema.
-- (Older minor releases say 0A000 where an argument is of type internal.)
SELECT p.object, r.role, CASE WHEN p.object ~ '\minternal\M' THEN replace(attempt(r.role, p.statement), '0A000', '42883') ELSE attempt(r.role, p.statement) END AS result, r.no FROM probes p, roles r ORDER BY p.object COLLATE "C", r.no \crosstabview object role result no
-- Tables, views and sequences.
SELECT m.type || ' ' || m.object AS object, r.role, powers(r.role, m.objid::regclass) AS powers, r.no FROM members m, roles r
WHERE m.type IN ('table', 'view', 'sequence') ORDER BY m.type, m.object COLLATE "C", r.no \crosstabview object role powers no
-- What is explained of a view, in the columns.
SELECT o.count, r.role, attempt(r.role, format('SELECT count(%s) FROM refresh_mv.explain(''suite.v'', true)', o.count)) AS result, r.no FROM unnest('{method,reason,cost,advice,details}'::text[]) o (count), roles r ORDER BY o.count COLLATE "C", r.no \crosstabview count role result no
-- How many rows, or values in them, they see of the views that everybody may read.
SELECT o.count, r.role, attempt(r.role, format('SELECT count(%s) FROM refresh_mv.%s', split_part(o.count, ' of ', 1), split_part(o.count, ' of ', 2))) AS result, r.no
FROM unnest('{* of dependencies,* of freshness,last_data_date of freshness,* of history,reason of history,* of status,tracked of status,last_success of status,pending_changes of status,data_through of status}'::text[]) o (count), roles r
ORDER BY o.count COLLATE "C", r.no \crosstabview count role result no
-- The procedure commits, and has to be called for itself: who has refreshed what by it.
SELECT format('INSERT INTO t VALUES (%s, current_date, 1)', no + 100), format('SET ROLE refresh_mv_sec_%I', role), 'CALL refresh_mv.run()', 'RESET ROLE' FROM roles ORDER BY no DESC \gexec
SELECT role, view, method, success FROM refresh_mv.history WHERE source = 'procedure' ORDER BY run;

-- The functions for sums are called in everybody's name, and by superusers at will; whatever
-- they are given does no harm.
SELECT sum, attempt('super', format('SELECT ''done'' FROM refresh_mv_internal.exact_total(%L)', sum)) AS total,
    attempt('super', format('SELECT ''done'' FROM refresh_mv_internal.exact_average(%L)', sum)) AS average,
    attempt('super', format('SELECT ''done'' FROM refresh_mv_internal.exact_add(%L, ''{1,1,1,1,1,1}'', %1$L)', sum)) AS added
FROM unnest(ARRAY['{}', '{1}', '{NULL}', '{1,NULL}', '{{1,2},{3,4}}', '[5:6]={1,2}', '{NaN,1,1,1,1}', '{1,-1}', '{1,0.5}', '{1,1e30}', '{1,0,0,NaN}', '{1,0,0,0,Infinity}', '{Infinity,2,2,2,2,2}']) WITH ORDINALITY a (sum, no)
ORDER BY no;
SELECT list, attempt('super', format('SELECT ''done'' FROM refresh_mv_internal.outermost(%L, 1)', list)) AS outermost,
    attempt('super', format('SELECT ''done'' FROM refresh_mv_internal.extremes_add(%L, NULL, %1$L, 1)', list)) AS added
FROM unnest(ARRAY['', '\x00', '\x51', '\x5101', '\x51011700', '\x5101170001', '\x510117000107000000', '\x510217000107000000', '\x5100170001', '\x51ff17', '\x510119000101', '\x51011900010161', '\x510119000164616161', '\x510100000101', '\x5101c0840f0001']) WITH ORDINALITY a (list, no)
ORDER BY no;
-- Settings that the database's owner has put there, as a restore does, are no way to the
-- views of others.
CREATE MATERIALIZED VIEW supers AS SELECT day, count(*) FROM t GROUP BY day;
CREATE MATERIALIZED VIEW plain AS SELECT id FROM t;
SET ROLE refresh_mv_sec_database;
INSERT INTO refresh_mv.settings (view_schema, view_name, date_column, window_days, statement_timeout, lock_timeout, work_mem, tracked, on_commit)
VALUES ('suite', 'supers', 'day); DROP TABLE suite.t; --', -5, -1, -1, -1, true, true), ('suite', 'plain', '"day" FROM suite.t', 2147483647, 0, 0, 0, false, true);
INSERT INTO refresh_mv.journal SELECT -1, -1, 'suite', 'supers', '<b>', '%s%n', $$'; --$$, now(), '0', -1, 0, 0, 0, NULL, true, NULL, NULL, 'postgres', '';
RESET ROLE;
SELECT success, views_refreshed FROM refresh_materialized_views_smart('{supers,plain}');
SELECT success, views_refreshed FROM refresh_materialized_views(true, 3, '{supers,plain}');
SELECT check_view('supers'), check_view('plain');

SET client_min_messages = warning;
DROP EXTENSION refresh_mv CASCADE;
DROP SCHEMA suite CASCADE;
SELECT format('REVOKE ALL ON DATABASE %I FROM refresh_mv_sec_database', current_database()) \gexec
DROP ROLE refresh_mv_sec_database, refresh_mv_sec_member, refresh_mv_sec_noinherit, refresh_mv_sec_owner, refresh_mv_sec_reader, refresh_mv_sec_trigger,
    refresh_mv_sec_keeper, refresh_mv_sec_data, refresh_mv_sec_stats, refresh_mv_sec_monitor, refresh_mv_sec_nobody, refresh_mv_sec_super;
