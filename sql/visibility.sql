CALL helpers.begin_suite();
-- Who sees what of a view's state: owners all of it, readers what happened but
-- not why, everybody that the view is there.
SET IntervalStyle = 'postgres';
CREATE ROLE refresh_mv_vis_owner;
CREATE ROLE refresh_mv_vis_member IN ROLE refresh_mv_vis_owner;
CREATE ROLE refresh_mv_vis_noinherit NOINHERIT IN ROLE refresh_mv_vis_owner;
CREATE ROLE refresh_mv_vis_reader;
CREATE ROLE refresh_mv_vis_column;
CREATE ROLE refresh_mv_vis_stats IN ROLE pg_read_all_stats;
CREATE ROLE refresh_mv_vis_nobody;
CREATE ROLE refresh_mv_vis_super SUPERUSER;
GRANT CREATE, USAGE ON SCHEMA suite TO refresh_mv_vis_owner;
GRANT USAGE ON SCHEMA suite TO PUBLIC;
CREATE TABLE source (day date, secret text);
INSERT INTO source VALUES (current_date - 4, '1');
GRANT SELECT ON source TO refresh_mv_vis_owner;
SET ROLE refresh_mv_vis_owner;
CREATE MATERIALIZED VIEW v AS SELECT day, secret::int FROM source;
GRANT SELECT ON v TO refresh_mv_vis_reader;
GRANT SELECT (day) ON v TO refresh_mv_vis_column;
SELECT refresh_mv.configure('v', keep_before => '1 year');
SELECT success FROM refresh_materialized_views();
RESET ROLE;
UPDATE source SET secret = 'Rosebud';
SET client_min_messages = error;
SELECT success FROM refresh_materialized_views(views => '{v}');
SET client_min_messages = warning;

CREATE FUNCTION as_role(role text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    RETURN QUERY EXECUTE query;
    RESET ROLE;
END $$;
CREATE VIEW roles AS SELECT 'refresh_mv_vis_' || unnest('{owner,member,noinherit,reader,column,stats,nobody,super}'::text[]) AS role;

-- The history: rows, reasons and messages.
SELECT role, h AS "(success, sqlstate, reason, message, by)"
FROM roles, as_role(role, $$SELECT (success, sqlstate, reason, message, role)::text FROM refresh_mv.history ORDER BY run$$) h;
-- The same by a function that would tell before rows are sorted out.
CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'leaked: %', $1; RETURN true; END $$;
GRANT EXECUTE ON FUNCTION leak TO PUBLIC;
SELECT * FROM as_role('refresh_mv_vis_nobody', 'SELECT 1::text FROM refresh_mv.history WHERE suite.leak(message)');
SELECT * FROM as_role('refresh_mv_vis_reader', 'SELECT 1::text FROM refresh_mv.status WHERE suite.leak(last_error)');
-- The status.
SELECT role, s AS "(name, populated, enabled, keep, failures, error, method, age)"
FROM roles, as_role(role, $$SELECT (name, populated, enabled, keep_before, consecutive_failures, last_error, last_method, days_behind)::text
    FROM refresh_mv.status$$) s;
-- How far the data reach is for those who may read the view.
SELECT role, s.* FROM roles, as_role(role, $$SELECT (view_name, days_behind)::text FROM refresh_mv.freshness$$) s;
-- Dependencies are no secret; pg_depend has them.
SELECT role, s.* FROM roles, as_role(role, $$SELECT (view, depends_on)::text FROM refresh_mv.dependencies$$) s;

-- Nobody but superusers reads or writes what is behind.
SELECT role, relation, privilege FROM roles,
    unnest('{journal,settings,state,outcomes,history,status,freshness,dependencies}'::text[]) relation,
    unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege
WHERE has_table_privilege(role, 'refresh_mv.' || relation, privilege) AND role NOT LIKE '%super'
    AND NOT (relation IN ('history', 'status', 'freshness', 'dependencies') AND privilege = 'SELECT');
SELECT role, sequence FROM roles, unnest('{run_ids}'::text[]) sequence
WHERE has_sequence_privilege(role, 'refresh_mv.' || sequence, 'USAGE,SELECT,UPDATE') AND role NOT LIKE '%super';
SET ROLE refresh_mv_vis_owner;
SELECT call, e.message FROM unnest(ARRAY[
    'SELECT * FROM refresh_mv.journal', 'SELECT * FROM refresh_mv.settings', 'SELECT * FROM refresh_mv.state',
    'SELECT * FROM refresh_mv.outcomes', 'DELETE FROM refresh_mv.history', 'UPDATE refresh_mv.settings SET enabled = false',
    'DELETE FROM refresh_mv.journal', 'TRUNCATE refresh_mv.journal', $$SELECT nextval('refresh_mv.run_ids')$$,
    'CREATE TABLE refresh_mv.mine ()', 'DELETE FROM refresh_mv.status']) call, error_of(call) e;
RESET ROLE;

-- Whom a view is given to sees its history; whom it was taken from does not.
ALTER MATERIALIZED VIEW v OWNER TO refresh_mv_vis_stats;
SELECT role, h.* FROM roles, as_role(role, $$SELECT message FROM refresh_mv.history WHERE message IS NOT NULL$$) h;
-- A view of the same name made later has nothing of it.
DROP MATERIALIZED VIEW v;
SELECT count(*) FROM refresh_mv.history;
SET ROLE refresh_mv_vis_owner;
CREATE MATERIALIZED VIEW v AS SELECT 1 AS one;
SELECT * FROM refresh_mv.history;
SELECT name, last_success, consecutive_failures, last_error, keep_before FROM refresh_mv.status;
RESET ROLE;

-- A role that may not refresh a view cannot make it look as if it failed.
SET ROLE refresh_mv_vis_nobody;
SET client_min_messages = error;
SELECT success FROM refresh_materialized_views(views => '{v}');
RESET ROLE;
SET client_min_messages = warning;
SELECT name, consecutive_failures, last_error FROM refresh_mv.status;

-- Nor can it move history and settings to a view of its own.
SELECT refresh_mv.configure('v', window_days => 5);
GRANT CREATE ON SCHEMA suite TO refresh_mv_vis_nobody;
SET ROLE refresh_mv_vis_nobody;
CREATE MATERIALIZED VIEW mine AS SELECT 1 AS one;
CREATE TABLE lure AS SELECT 1 AS n;
CREATE FUNCTION forge(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('refresh_mv_ddl.names', format('[{"oid": %s, "schema": "suite", "name": "v"}]', 'suite.mine'::regclass::oid), true);
    RETURN n;
END $$;
ALTER TABLE lure ALTER n TYPE bigint USING suite.forge(n);
RESET ROLE;
SELECT view_name, window_days FROM refresh_mv.settings;
DROP OWNED BY refresh_mv_vis_owner, refresh_mv_vis_reader, refresh_mv_vis_column, refresh_mv_vis_nobody CASCADE;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_vis_owner, refresh_mv_vis_member, refresh_mv_vis_noinherit, refresh_mv_vis_reader, refresh_mv_vis_column, refresh_mv_vis_stats, refresh_mv_vis_nobody, refresh_mv_vis_super;
