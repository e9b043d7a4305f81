-- ALTER EXTENSION UPDATE from 0.9: what is there then is what CREATE EXTENSION
-- makes, and what was set before is in force.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS refresh_mv;
DROP SCHEMA IF EXISTS suite CASCADE;
CREATE SCHEMA suite;
SET search_path = suite, public;
CREATE TABLE source (day date, other date, n int);
INSERT INTO source SELECT current_date - g, current_date - 30 - g, 1 FROM generate_series(0, 20) g;
CREATE MATERIALIZED VIEW v AS SELECT day, other, sum(n) FROM source GROUP BY day, other;
SELECT name, version, installed FROM pg_available_extension_versions WHERE name = 'refresh_mv' ORDER BY version;
SELECT source, target, path FROM pg_extension_update_paths('refresh_mv') WHERE source = '0.9';

-- The objects of the extension with all that can differ between them.
CREATE VIEW contents AS
    SELECT pg_describe_object(d.classid, d.objid, 0) AS object, d.deptype::text, coalesce(
        CASE d.classid
            WHEN 'pg_proc'::regclass THEN (SELECT concat_ws('|', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), prosrc, probin,
                prosecdef, provolatile, proparallel, proisstrict, proconfig, proacl, obj_description(p.oid, 'pg_proc')) FROM pg_proc p WHERE p.oid = d.objid)
            WHEN 'pg_class'::regclass THEN (SELECT concat_ws('|', c.relkind, c.relacl, c.reloptions, obj_description(c.oid, 'pg_class'),
                CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END,
                (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid),
                                             col_description(attrelid, attnum)), ',' ORDER BY attnum)
                 FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
                (SELECT string_agg(pg_get_indexdef(indexrelid), ',' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid))
                FROM pg_class c WHERE c.oid = d.objid)
            WHEN 'pg_namespace'::regclass THEN (SELECT nspacl::text FROM pg_namespace n WHERE n.oid = d.objid)
            WHEN 'pg_event_trigger'::regclass THEN (SELECT concat_ws('|', evtevent, evtfoid::regproc, evtenabled, evttags) FROM pg_event_trigger t WHERE t.oid = d.objid)
        END, '') AS details
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'refresh_mv'
        AND (d.classid <> 'pg_type'::regclass) -- the row types go with their tables
    UNION ALL
    SELECT 'dumped: ' || c::regclass, '', extcondition[i] FROM pg_extension, unnest(extconfig) WITH ORDINALITY u (c, i) WHERE extname = 'refresh_mv';

CREATE EXTENSION refresh_mv SCHEMA public VERSION '1.0';
CREATE TABLE fresh AS TABLE contents;
SELECT count(*) > 20 AS many FROM fresh;
DROP EXTENSION refresh_mv;

-- With the objects of 0.9 the library says what to do.
CREATE EXTENSION refresh_mv SCHEMA public VERSION '0.9';
SELECT refresh_materialized_views();
SELECT refresh_materialized_views(true, 2, '{v}');
SELECT refresh_materialized_views_smart('{v}');
SELECT refresh_mv.configure('v', 'other');
-- A setting made by 0.9, when its own library was there.
INSERT INTO refresh_mv.settings VALUES ('suite', 'v', 'other');
ALTER EXTENSION refresh_mv UPDATE;
SELECT extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'refresh_mv';
-- No difference.
SELECT 'only when fresh' AS what, * FROM (TABLE fresh EXCEPT ALL TABLE contents) d UNION ALL
SELECT 'only when updated', * FROM (TABLE contents EXCEPT ALL TABLE fresh) d;
-- The setting is kept, with the defaults of those that are new, and in force.
SELECT * FROM refresh_mv.settings;
-- It follows the view at once.
ALTER MATERIALIZED VIEW v RENAME TO v1;
SELECT view_name, date_column FROM refresh_mv.settings;
ALTER MATERIALIZED VIEW v1 RENAME TO v;
UPDATE source SET n = 2;
SELECT success, refresh_type FROM refresh_materialized_views_smart('{v}');
UPDATE source SET n = 3;
SELECT success, views_refreshed, refresh_type FROM refresh_materialized_views(true, 33);
SELECT count(*) FILTER (WHERE sum = 3) AS last_days FROM v;
CALL refresh_mv.run('full', views => '{v}');
SELECT count(*) FROM v WHERE sum <> 3;
SELECT mode, method FROM refresh_mv.history ORDER BY run;
SELECT refresh_mv.configure('v', window_days => 4);
ALTER MATERIALIZED VIEW v RENAME TO v2;
SELECT view_name, date_column, window_days FROM refresh_mv.settings;
DROP MATERIALIZED VIEW v2;
SELECT count(*) FROM refresh_mv.settings;
-- Nothing is left of it after DROP EXTENSION.
DROP EXTENSION refresh_mv;
SELECT count(*) FROM pg_namespace WHERE nspname = 'refresh_mv';
SELECT count(*) FROM pg_event_trigger;

-- In a schema of one's own, too.
CREATE EXTENSION refresh_mv SCHEMA suite VERSION '0.9';
ALTER EXTENSION refresh_mv UPDATE TO '1.0';
SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^refresh_materialized_views' ORDER BY 1;
SELECT success FROM suite.refresh_materialized_views();
DROP EXTENSION refresh_mv;
CREATE EXTENSION refresh_mv SCHEMA public;
DROP SCHEMA suite CASCADE;
