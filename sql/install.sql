-- Installing and removing the extension.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS refresh_mv;

-- What a database holds, for comparison after DROP EXTENSION.
CREATE TEMP VIEW contents AS
    SELECT (SELECT count(*) FROM pg_class) AS classes, (SELECT count(*) FROM pg_type) AS types,
        (SELECT count(*) FROM pg_proc) AS procs, (SELECT count(*) FROM pg_namespace) AS namespaces,
        (SELECT count(*) FROM pg_event_trigger) AS event_triggers,
        (SELECT count(*) FROM pg_depend) AS depends, (SELECT count(*) FROM pg_shdepend) AS shdepends,
        (SELECT count(*) FROM pg_description) AS descriptions,
        (SELECT count(*) FROM pg_init_privs) AS init_privs;
CREATE TEMP TABLE before AS TABLE contents WITH NO DATA;
INSERT INTO before TABLE contents;

-- In public: the functions are in the schema given, the tables in refresh_mv.
CREATE EXTENSION refresh_mv SCHEMA public;
SELECT p.oid::regproc, provolatile, proparallel, prosecdef, obj_description(p.oid) IS NOT NULL AS described
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
    AND (proname ~ '^refresh_materialized_views' OR proname = 'configure') ORDER BY proname;
SELECT count(*) = 2 AS tables FROM pg_class
WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind = 'r' AND relname IN ('settings', 'state');
-- Whatever is in schema refresh_mv belongs to the extension, and all that
-- belongs to it is there, in refresh_mv_internal or in the schema given.
SELECT count(*) AS strangers FROM pg_class c WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind IN ('r', 'v', 'S', 'm')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('e', 'i'));
SELECT DISTINCT n.nspname, proname ~ '^refresh_materialized_views' AS main FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'refresh_mv') ORDER BY 1;
-- Whatever belongs to it says what it is.
SELECT i.type, i.identity AS without_comment FROM pg_depend d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'refresh_mv') AND d.deptype = 'e'
    AND d.classid <> 'pg_type'::regclass AND coalesce(obj_description(d.objid, d.classid::regclass::text::name), '') = '';
SELECT extversion, extrelocatable, 'refresh_mv.settings'::regclass = ANY (extconfig) AS settings_dumped
FROM pg_extension WHERE extname = 'refresh_mv';
-- With the objects of another version the library says what to do.
UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'refresh_mv';
SELECT refresh_materialized_views();
SELECT refresh_materialized_views_smart();
SELECT refresh_mv.track();
CALL refresh_mv.run();
UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'refresh_mv';
-- No trace is left.
DROP EXTENSION refresh_mv;
SELECT contents = before AS no_trace FROM contents, before;

-- Likewise after use, in another schema, where the functions then are.
CREATE SCHEMA elsewhere;
CREATE EXTENSION refresh_mv SCHEMA elsewhere;
SELECT n.nspname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname ~ '^refresh_mat' OR p.proname = 'configure' ORDER BY 2;
\set VERBOSITY terse
SELECT * FROM refresh_materialized_views_smart();
\set VERBOSITY default
CREATE TABLE elsewhere.source AS SELECT current_date AS day;
CREATE MATERIALIZED VIEW elsewhere.days AS SELECT * FROM elsewhere.source;
SELECT refresh_mv.configure('elsewhere.days', 'day');
INSERT INTO elsewhere.source VALUES (current_date);
SELECT success, views_refreshed, refresh_type
FROM elsewhere.refresh_materialized_views(incremental => true, views => '{elsewhere.days}');
SELECT count(*) FROM elsewhere.days;
SELECT view_schema, view_name, date_column FROM refresh_mv.settings;
SELECT view::regclass FROM refresh_mv.state;
ALTER EXTENSION refresh_mv SET SCHEMA public;
DROP EXTENSION refresh_mv;
-- The views stay.
SELECT count(*) FROM elsewhere.days;
DROP SCHEMA elsewhere CASCADE;
SELECT contents = before AS no_trace FROM contents, before;

\set SHOW_CONTEXT never
-- It cannot be installed over a schema of somebody else that is called as one of its own.
CREATE SCHEMA refresh_mv;
CREATE EXTENSION refresh_mv SCHEMA public;
ALTER SCHEMA refresh_mv RENAME TO refresh_mv_internal;
CREATE EXTENSION refresh_mv SCHEMA public;
DROP SCHEMA refresh_mv_internal;

-- Users may call these functions, which are documented, and none but these, and may
-- neither read nor write the tables.
CREATE EXTENSION refresh_mv SCHEMA public;
CREATE ROLE refresh_mv_user;
SELECT p.oid::regprocedure AS function
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'refresh_mv')
WHERE has_schema_privilege('refresh_mv_user', p.pronamespace, 'USAGE') AND has_function_privilege('refresh_mv_user', p.oid, 'EXECUTE')
ORDER BY proname, pronargs;
SELECT bool_or(has_table_privilege('refresh_mv_user', c.oid, p.privilege)) AS granted
FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p (privilege)
WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind = 'r';
SELECT bool_or(has_table_privilege('refresh_mv_user', c.oid, p.privilege)) AS granted
FROM pg_class c, unnest('{INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) p (privilege)
WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind = 'v';
SELECT schema, has_schema_privilege('refresh_mv_user', schema, 'USAGE') AS usage,
    has_schema_privilege('refresh_mv_user', schema, 'CREATE') AS "create" FROM unnest('{refresh_mv,refresh_mv_internal}'::text[]) schema;
SET ROLE refresh_mv_user;
INSERT INTO refresh_mv.settings VALUES ('public', 'v', 'day');
DELETE FROM refresh_mv.state;
SELECT count(*) FROM refresh_mv.settings;
RESET ROLE;
DROP EXTENSION refresh_mv;

-- A user with CREATE on the database can install it: the extension is trusted.
-- The tables belong to a superuser, all the same.
SET ROLE refresh_mv_user;
CREATE EXTENSION refresh_mv SCHEMA public;
RESET ROLE;
GRANT CREATE ON DATABASE :"DBNAME" TO refresh_mv_user;
CREATE SCHEMA theirs AUTHORIZATION refresh_mv_user;
SET ROLE refresh_mv_user;
CREATE EXTENSION refresh_mv SCHEMA theirs;
SELECT extowner::regrole FROM pg_extension WHERE extname = 'refresh_mv';
SELECT bool_and(rolsuper) AS of_superusers FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind IN ('r', 'v', 'S');
-- He can restore what a dump holds, and nothing else.
INSERT INTO refresh_mv.settings VALUES ('public', 'v', 'day');
UPDATE refresh_mv.settings SET date_column = 'night';
INSERT INTO refresh_mv.state VALUES (1, now());
CREATE TRIGGER trap AFTER INSERT ON refresh_mv.state EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TABLE theirs.source AS SELECT current_date AS day;
CREATE MATERIALIZED VIEW theirs.days AS SELECT * FROM theirs.source;
SELECT refresh_mv.configure('theirs.days', 'day');
INSERT INTO theirs.source VALUES (current_date);
SELECT success, views_refreshed, refresh_type FROM theirs.refresh_materialized_views_smart();
SELECT count(*) FROM theirs.days;
DROP EXTENSION refresh_mv;
RESET ROLE;
DROP SCHEMA theirs CASCADE;
REVOKE CREATE ON DATABASE :"DBNAME" FROM refresh_mv_user;
DROP ROLE refresh_mv_user;
SELECT contents = before AS no_trace FROM contents, before;
