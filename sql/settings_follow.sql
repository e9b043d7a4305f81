CALL helpers.begin_suite();
-- Settings and history follow their view and go with it.
CREATE TABLE source (day date, n int);
INSERT INTO source SELECT current_date - g, g FROM generate_series(0, 9) g;
CREATE MATERIALIZED VIEW v AS SELECT day, sum(n) FROM source GROUP BY day;
CREATE MATERIALIZED VIEW bystander AS SELECT n FROM source;
CREATE SCHEMA suite_2;
CREATE VIEW where_they_are AS
    SELECT 'setting' AS what, view_schema, view_name, window_days AS n FROM refresh_mv.settings
    UNION ALL SELECT 'journal', view_schema, view_name, count(*) FROM refresh_mv.journal GROUP BY 2, 3 ORDER BY 1, 2, 3;
SELECT refresh_mv.configure('v', window_days => 5);
SELECT refresh_mv.configure('bystander', window_days => 6);
SELECT success FROM refresh_materialized_views();
SELECT success FROM refresh_materialized_views(views => '{v}');
TABLE where_they_are;

-- Every command that renames or moves a view.
ALTER MATERIALIZED VIEW v RENAME TO v2;
TABLE where_they_are;
ALTER TABLE v2 RENAME TO v3;
TABLE where_they_are;
ALTER MATERIALIZED VIEW v3 RENAME TO v4;
ALTER MATERIALIZED VIEW v4 SET SCHEMA suite_2;
TABLE where_they_are;
ALTER TABLE suite_2.v4 SET SCHEMA suite;
TABLE where_they_are;
ALTER SCHEMA suite RENAME TO suite_3;
SET search_path = suite_3, helpers, public;
TABLE where_they_are;
-- They are those of the view.
UPDATE source SET n = n + 1;
SELECT name, consecutive_failures, last_method FROM refresh_mv.status ORDER BY name;
SELECT success, refresh_type, check_view('v4', 'day >= current_date - 5'), check_view('v4', 'day < current_date - 5') > 0 AS stale
FROM refresh_materialized_views_smart('{v4}');
SELECT count(*) FROM refresh_mv.history WHERE view = 'suite_3.v4';
ALTER SCHEMA suite_3 RENAME TO suite;
SET search_path = suite, helpers, public;

-- Several in one transaction, swapped names among them, by roles of no rights on
-- the settings, in a function; undone with the transaction.
BEGIN;
ALTER MATERIALIZED VIEW v4 RENAME TO swap;
ALTER MATERIALIZED VIEW bystander RENAME TO v4;
ALTER MATERIALIZED VIEW swap RENAME TO bystander;
TABLE where_they_are;
ROLLBACK;
TABLE where_they_are;
CREATE ROLE refresh_mv_follow_owner;
GRANT ALL ON SCHEMA suite, suite_2 TO refresh_mv_follow_owner;
ALTER MATERIALIZED VIEW v4 OWNER TO refresh_mv_follow_owner;
CREATE FUNCTION moves() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE v4 RENAME TO v; ALTER TABLE v SET SCHEMA suite_2; END $$;
SET ROLE refresh_mv_follow_owner;
SELECT moves();
ALTER TABLE suite_2.v SET SCHEMA suite;
RESET ROLE;
TABLE where_they_are;
ALTER MATERIALIZED VIEW v OWNER TO CURRENT_USER;

-- Other changes leave them alone, as do renames of other things.
ALTER MATERIALIZED VIEW v RENAME sum TO total;
CREATE INDEX v_idx ON v (day);
ALTER INDEX v_idx RENAME TO v_idx2;
ALTER TABLE source RENAME TO source2;
ALTER TABLE source2 ADD COLUMN x int;
CREATE TABLE other (x int);
ALTER TABLE other RENAME TO v2;
CREATE OR REPLACE VIEW ordinary AS TABLE source2;
ALTER VIEW ordinary RENAME TO v3;
TABLE where_they_are;

-- Names of any kind: quotes, SQL, upper case, UTF-8, 63 bytes.
CREATE FUNCTION long_name(n int) RETURNS text LANGUAGE sql AS $$ SELECT rpad('v' || n, 63, 'long') $$;
CREATE TABLE names AS SELECT * FROM unnest(ARRAY['with "quotes" and ''more''', '$1; DROP TABLE suite.source2; --', 'Über Größe λ 数据',
    long_name(1), '%s %I', 'back\slash', ' ', 'CamelCase', 'select', 'a.b', E'new\nline', '{1,2}']) WITH ORDINALITY AS names (name, i);
CREATE FUNCTION try_name(name text, i bigint) RETURNS TABLE (kept int, rows bigint, stale bigint, shown bigint, gone int) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER MATERIALIZED VIEW v RENAME TO %I', name);
    SELECT s.window_days INTO kept FROM refresh_mv.settings s WHERE s.view_name = name;
    SELECT count(*) INTO rows FROM refresh_mv.history h WHERE h.view = format('suite.%I', name);
    PERFORM refresh_materialized_views(views => ARRAY[format('%I', name)::regclass]);
    PERFORM refresh_mv.configure(format('%I', name)::regclass, window_days => i::int);
    stale := check_view(format('%I', name)::regclass);
    SELECT count(*) INTO shown FROM refresh_mv.status s WHERE s.name = try_name.name AND last_method = 'full';
    EXECUTE format('ALTER MATERIALIZED VIEW %I RENAME TO v', name);
    SELECT count(*)::int INTO gone FROM refresh_mv.settings s WHERE s.view_name = name;
    RETURN NEXT;
END $$;
SELECT i, t.* FROM names, try_name(name, i) t ORDER BY i;
TABLE where_they_are;

-- With the view they vanish, and a view of the same name made later has none.
DROP MATERIALIZED VIEW v;
TABLE where_they_are;
CREATE MATERIALIZED VIEW v AS SELECT day FROM source2;
SELECT window_days FROM refresh_mv.settings WHERE view_name = 'v';
SELECT success FROM refresh_materialized_views(views => '{v}');
TABLE where_they_are;
SELECT count(*) FROM refresh_mv.state s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.view);
-- Undone with the transaction.
BEGIN;
DROP MATERIALIZED VIEW v;
TABLE where_they_are;
ROLLBACK;
TABLE where_they_are;
-- Dropped with its source, its schema or its owner.
SELECT refresh_mv.configure('v', window_days => 1);
BEGIN;
DROP TABLE source2 CASCADE;
TABLE where_they_are;
ROLLBACK;
CREATE MATERIALIZED VIEW suite_2."Quoted ""v""" AS SELECT day FROM source2;
SELECT refresh_mv.configure('suite_2."Quoted ""v"""', window_days => 2);
ALTER MATERIALIZED VIEW v OWNER TO refresh_mv_follow_owner;
DROP OWNED BY refresh_mv_follow_owner;
TABLE where_they_are;
DROP SCHEMA suite_2 CASCADE;
TABLE where_they_are;
-- The DROP of another thing of that name takes nothing.
DROP TABLE v2;
CREATE TABLE suite.v2 (x int);
TABLE where_they_are;

-- A setting that is left over, such as that of a view which a dump did not have,
-- is no obstacle: the view's own settings count, and the history is the view's.
CREATE MATERIALIZED VIEW w AS SELECT day FROM source2;
SELECT refresh_mv.configure('w', window_days => 3);
SELECT success FROM refresh_materialized_views(views => '{w}');
INSERT INTO refresh_mv.settings (view_schema, view_name, window_days) VALUES ('suite', 'leftover', 77);
ALTER MATERIALIZED VIEW w RENAME TO leftover;
TABLE where_they_are;
DROP MATERIALIZED VIEW IF EXISTS w, leftover;
DELETE FROM refresh_mv.settings WHERE view_name = 'leftover';

-- ALTER INDEX renames views, too.
CREATE MATERIALIZED VIEW w AS SELECT day FROM source2;
SELECT refresh_mv.configure('w', window_days => 3);
ALTER INDEX w RENAME TO w2;
TABLE where_they_are;
DELETE FROM refresh_mv.settings WHERE view_name = 'w';
DROP SCHEMA suite CASCADE;
SELECT count(*) FROM refresh_mv.settings;
DROP ROLE refresh_mv_follow_owner;
