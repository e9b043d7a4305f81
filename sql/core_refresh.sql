CALL helpers.begin_suite();
\set SHOW_CONTEXT never
-- A REFRESH by core of a tracked view, and what the next smart refresh can still go by.
CREATE TABLE t (id int PRIMARY KEY, part int, n numeric, at timestamptz DEFAULT now());
CREATE TABLE u (id int PRIMARY KEY, name text);
INSERT INTO t SELECT i, i % 10, i FROM generate_series(1, 200) i;
INSERT INTO u SELECT i, 'name ' || i FROM generate_series(0, 9) i;
CREATE MATERIALIZED VIEW sums AS SELECT part, count(*), sum(n) FROM t GROUP BY part;
CREATE MATERIALIZED VIEW extremes AS SELECT u.name, max(t.n), count(DISTINCT t.n) FROM t JOIN u ON u.id = t.part GROUP BY u.name;
CREATE MATERIALIZED VIEW total AS SELECT count(*), sum(n) FROM t;
CREATE MATERIALIZED VIEW groups AS SELECT part, string_agg(n::text, ',' ORDER BY id) FROM t GROUP BY part;
CREATE MATERIALIZED VIEW joined AS SELECT t.id, t.n, u.name FROM t JOIN u ON u.id = t.part;
CREATE MATERIALIZED VIEW doubles AS SELECT t.part, u.name FROM t LEFT JOIN u ON u.id = t.part;
CREATE MATERIALIZED VIEW ranked AS SELECT part, n, rank() OVER (ORDER BY sum DESC) FROM (SELECT part, sum(n) AS sum, count(*) AS n FROM t GROUP BY part) g;
CREATE MATERIALIZED VIEW first_rows AS SELECT id, part, n FROM t ORDER BY n DESC, id LIMIT 20;
CREATE MATERIALIZED VIEW recent AS SELECT part, count(*) FROM t WHERE at > now() - interval '1 day' GROUP BY part;
CREATE UNIQUE INDEX ON joined (id);
CREATE UNIQUE INDEX ON sums (part);
CREATE VIEW tracked AS SELECT name, pending_changes AS pending, stale, unknown_reason FROM refresh_mv.status WHERE tracked;
SELECT bool_and(tracked) FROM refresh_mv.track();
SELECT success FROM refresh_materialized_views_smart();
SELECT view_name, method FROM refresh_mv.journal ORDER BY 1;

-- Refreshes a view by core, and then by smart: how, and fails if it is wrong.
CREATE FUNCTION then_smart(view text, manner text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('REFRESH MATERIALIZED VIEW %s %I', manner, view);
    RETURN (SELECT s.method FROM smart(view::regclass) s);
END $$;
-- The same for all views, with changes before and after.
CREATE FUNCTION after_core(before text, after text, OUT view text, OUT at_once text, OUT later text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    views text[] := ARRAY(SELECT name FROM tracked ORDER BY name);
    methods jsonb := '{}';
BEGIN
    PERFORM refresh_materialized_views_smart();
    EXECUTE before;
    FOREACH view IN ARRAY views LOOP
        EXECUTE format('REFRESH MATERIALIZED VIEW %I', view);
        methods := methods || jsonb_build_object(view, (SELECT e.method FROM refresh_mv.explain(view::regclass) e WHERE e.chosen));
    END LOOP;
    EXECUTE after;
    FOREACH view IN ARRAY views LOOP
        at_once := methods ->> view;
        PERFORM refresh_materialized_views_smart(ARRAY[view::regclass]);
        later := (SELECT j.method FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1);
        ASSERT check_view(view::regclass) = 0, format('%s is wrong', view);
        RETURN NEXT;
    END LOOP;
END $$;
-- Nothing has changed.
SELECT * FROM after_core('', '');
-- What has changed before is in the view, what changes then is not.
SELECT * FROM after_core('UPDATE t SET n = n + 1 WHERE id < 5', 'DELETE FROM t WHERE id = 6');
-- Rows that came before, and go again: they are no net change, and they are in the view.
SELECT * FROM after_core('INSERT INTO t VALUES (1000, 1, 1000)', 'DELETE FROM t WHERE id = 1000');
SELECT * FROM after_core('UPDATE t SET n = n * 2, part = 9 - part WHERE id IN (3, 4)', 'UPDATE t SET n = n / 2, part = 9 - part WHERE id IN (3, 4)');
SELECT * FROM after_core('DELETE FROM t WHERE id > 195', 'INSERT INTO t SELECT i, i % 10, i FROM generate_series(196, 200) i');
SELECT * FROM after_core('UPDATE u SET name = upper(name) WHERE id < 3', 'UPDATE u SET name = lower(name) WHERE id < 3');
SELECT * FROM after_core('TRUNCATE t', 'INSERT INTO t SELECT i, i % 10, i FROM generate_series(1, 200) i');
SELECT * FROM after_core('INSERT INTO t SELECT i, 3, i FROM generate_series(2001, 2010) i', 'UPDATE t SET part = 4 WHERE id > 2000');
-- Each of many times.
SELECT then_smart('sums'), then_smart('sums', 'CONCURRENTLY'), then_smart('joined'), then_smart('joined', 'CONCURRENTLY');
UPDATE t SET n = n + 1 WHERE id = 17;
SELECT then_smart('sums', 'CONCURRENTLY'), then_smart('joined', 'CONCURRENTLY');
SELECT * FROM tracked WHERE name IN ('joined', 'sums') ORDER BY name;
UPDATE t SET n = n + 1 WHERE id = 17;
SELECT method FROM smart('sums');
SELECT method FROM smart('joined');

-- Within a transaction, and undone.
SELECT success FROM refresh_materialized_views_smart();
BEGIN;
INSERT INTO t VALUES (1000, 1, 1000);
REFRESH MATERIALIZED VIEW sums;
REFRESH MATERIALIZED VIEW joined;
DELETE FROM t WHERE id = 1000;
SELECT method FROM smart('sums');
SELECT method FROM smart('joined');
SAVEPOINT s;
UPDATE t SET n = 0 WHERE id = 1;
REFRESH MATERIALIZED VIEW sums;
REFRESH MATERIALIZED VIEW joined;
ROLLBACK TO s;
UPDATE t SET n = 5 WHERE id = 1;
SELECT method FROM smart('sums');
SELECT method FROM smart('joined');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE t SET n = 6 WHERE id = 1;
REFRESH MATERIALIZED VIEW sums;
REFRESH MATERIALIZED VIEW joined;
COMMIT;
SELECT method FROM smart('sums');
SELECT method FROM smart('joined');
SELECT check_view('sums'), check_view('joined');

-- Views that read one that was refreshed so: anything may have changed for them.
CREATE MATERIALIZED VIEW upper AS SELECT max(sum) FROM sums;
SELECT tracked FROM refresh_mv.track('upper');
SELECT method FROM smart('upper');
UPDATE t SET n = n + 1 WHERE id = 18;
REFRESH MATERIALIZED VIEW sums;
SELECT * FROM smart('sums');
SELECT * FROM smart('upper');
UPDATE t SET n = n + 1 WHERE id = 18;
SELECT method FROM smart('sums');
SELECT method FROM smart('upper');
DROP MATERIALIZED VIEW upper;
SELECT check_view('sums');

-- Where it cannot be proved, the next refresh is full: amidst a statement whose changes are not logged yet,
CREATE FUNCTION refresh_joined() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN REFRESH MATERIALIZED VIEW joined; REFRESH MATERIALIZED VIEW sums; RETURN NULL; END';
CREATE TRIGGER "A" AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION refresh_joined();
UPDATE t SET n = n + 1 WHERE id = 19;
DROP TRIGGER "A" ON t;
SELECT * FROM smart('joined');
SELECT * FROM smart('sums');
-- where somebody is told of the command before we are, and changes tables,
CREATE FUNCTION meddle() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN UPDATE suite.t SET n = n + 1 WHERE id = 20; END';
CREATE EVENT TRIGGER a_refresh_mv_test ON ddl_command_end WHEN TAG IN ('REFRESH MATERIALIZED VIEW') EXECUTE FUNCTION meddle();
REFRESH MATERIALIZED VIEW joined;
REFRESH MATERIALIZED VIEW sums;
DROP EVENT TRIGGER a_refresh_mv_test;
SELECT * FROM smart('joined');
SELECT * FROM smart('sums');
-- where a function of the view's does,
CREATE FUNCTION meddling(int) RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN IF current_setting(''suite.meddle'', true) = ''on'' THEN UPDATE suite.t SET n = n + 1 WHERE id = 21; END IF; RETURN $1; END';
SELECT refresh_mv.trust('meddling(int)');
CREATE MATERIALIZED VIEW meddled AS SELECT meddling(id) AS id, n FROM t WHERE id IN (20, 21);
SELECT tracked FROM refresh_mv.track('meddled');
SELECT success FROM refresh_materialized_views_smart('{meddled}');
SET suite.meddle = on;
REFRESH MATERIALIZED VIEW meddled;
RESET suite.meddle;
SELECT * FROM smart('meddled');
-- where the state of the groups would take too long to follow,
SET refresh_mv.exact_cost_limit = 0;
UPDATE t SET n = n + 1 WHERE id = 22;
REFRESH MATERIALIZED VIEW sums;
REFRESH MATERIALIZED VIEW joined;
SET refresh_mv.exact_cost_limit = 1e9;
SELECT * FROM smart('sums');
SELECT * FROM smart('joined');
-- where tracking is not whole, or the view is emptied.
DROP TRIGGER refresh_mv_update ON t;
UPDATE t SET n = n + 1 WHERE id = 23;
REFRESH MATERIALIZED VIEW joined;
SELECT unknown_reason FROM tracked WHERE name = 'joined';
SELECT method FROM smart('joined');
SELECT success FROM refresh_materialized_views_smart();
REFRESH MATERIALIZED VIEW joined WITH NO DATA;
SELECT stale, unknown_reason FROM tracked WHERE name = 'joined';
REFRESH MATERIALIZED VIEW joined;
SELECT * FROM smart('joined');
-- The settings that it was made under are noted.
CREATE MATERIALIZED VIEW zoned AS SELECT at::date AS day, count(*) FROM t GROUP BY 1;
SELECT tracked FROM refresh_mv.track('zoned');
SELECT success FROM refresh_materialized_views_smart('{zoned}');
SET TimeZone = 'Pacific/Kiritimati';
REFRESH MATERIALIZED VIEW zoned;
SELECT method FROM smart('zoned');
SET TimeZone = 'UTC';
SELECT * FROM smart('zoned');
SELECT method FROM smart('zoned');
SELECT refresh_mv.untrack();
