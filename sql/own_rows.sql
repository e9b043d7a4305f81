CALL helpers.begin_suite();
-- What a call reads straight from the extension's tables is what they hold at that moment: in the
-- same transaction, after what was rolled back, and without their indexes.
CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, n int NOT NULL);
INSERT INTO t SELECT g, g % 5, g FROM generate_series(1, 100) g;
CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS c, sum(n) AS n, min(n) AS least FROM t GROUP BY k;
CREATE MATERIALIZED VIEW w AS SELECT id, n FROM t;
CREATE MATERIALIZED VIEW over_v AS SELECT max(n) AS n FROM v;
SELECT count(*) FROM refresh_mv.track();
SELECT success, message FROM refresh_materialized_views_smart();
-- The changes that refresh_mv.status counts, for each view those that its refresh finds.
CREATE FUNCTION refreshed(VARIADIC views regclass[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    pending text = (SELECT string_agg(coalesce(s.pending_changes::text, '?'), ' ' ORDER BY s.name)
                    FROM refresh_mv.status s WHERE format('%I.%I', s.schema, s.name)::regclass = ANY (views));
    result record;
BEGIN
    SELECT success, message INTO result FROM refresh_materialized_views_smart(views);
    RETURN format('%s; %s, %s; %s; %s', pending, result.success, result.message,
                  (SELECT string_agg(format('%s %s: %s', h.view, h.method, h.reason), ', ' ORDER BY h.view)
                   FROM refresh_mv.history h WHERE h.run = (SELECT max(run) FROM refresh_mv.history)),
                  (SELECT sum(check_view(u.view)) FROM unnest(views) u (view)));
END $$;

UPDATE t SET n = n + 1 WHERE id <= 3;
SELECT refreshed('v');
DELETE FROM t WHERE id = 3;
SELECT refreshed('v', 'w');
SELECT refreshed('v', 'w');
-- In one transaction, with a part rolled back.
BEGIN;
UPDATE t SET n = n + 1 WHERE id = 4;
SELECT refreshed('v');
SAVEPOINT s;
UPDATE t SET n = n + 1 WHERE id IN (5, 6);
SELECT refreshed('v');
ROLLBACK TO s;
SELECT refreshed('v', 'w');
INSERT INTO t VALUES (200, 1, 1);
SELECT refreshed('v', 'w');
COMMIT;
SELECT refreshed('v', 'w');
SELECT refreshed('over_v');

-- Settings, as they are in this transaction.
BEGIN;
SAVEPOINT s;
SELECT refresh_mv.configure('v', statement_timeout => '1ms', date_column => NULL);
SELECT statement_timeout FROM refresh_mv.settings WHERE view_name = 'v';
ROLLBACK TO s;
SELECT refreshed('v');
SELECT refresh_mv.configure('v', enabled => false);
SELECT views_refreshed FROM refresh_materialized_views();
ROLLBACK;
SELECT views_refreshed FROM refresh_materialized_views();
-- A view that is tracked, or not any more, in the same transaction.
BEGIN;
SELECT refresh_mv.untrack('w');
UPDATE t SET n = n + 1 WHERE id = 7;
SELECT success, message FROM refresh_materialized_views_smart('{w,v}');
SELECT sum(check_view(u.view)) FROM unnest('{v,w}'::regclass[]) u (view);
ROLLBACK;
SELECT refreshed('v', 'w');

-- The order of a call, and what it cascades to, is that of the views as they are in this
-- transaction: below functions that call each other, too.
CREATE VIEW between_them AS SELECT 0::bigint AS n;
CREATE FUNCTION f() RETURNS bigint STABLE BEGIN ATOMIC SELECT 1::bigint; END;
CREATE FUNCTION g() RETURNS bigint STABLE BEGIN ATOMIC SELECT f(); END;
CREATE MATERIALIZED VIEW a AS SELECT n, g() AS g FROM between_them;
SELECT views_refreshed FROM refresh_materialized_views(views => '{a,v}', cascade => true);
BEGIN;
CREATE OR REPLACE FUNCTION f() RETURNS bigint STABLE BEGIN ATOMIC
    SELECT CASE WHEN n IS NULL THEN g() ELSE n END FROM over_v; END;
SELECT views_refreshed FROM refresh_materialized_views(views => '{a,v}', cascade => true);
SELECT (SELECT array_agg((view, depends_on)::text ORDER BY view::text, depends_on::text)
        FROM refresh_mv.dependencies WHERE view = 'a'::regclass);
ROLLBACK;
SELECT views_refreshed FROM refresh_materialized_views(views => '{a,v}', cascade => true);
CREATE OR REPLACE VIEW between_them AS SELECT n FROM over_v;
SELECT views_refreshed FROM refresh_materialized_views(views => '{a,v}', cascade => true);
SELECT views_refreshed FROM refresh_materialized_views(views => '{a,v}');
SELECT views_refreshed FROM refresh_materialized_views(views => '{a,a}');

-- Entries are taken in their order without an index that has it: the first image of a row counts.
SELECT refreshed('v', 'w', 'over_v');
UPDATE t SET n = 1000 WHERE id = 10;
UPDATE t SET n = 2000, k = 3 WHERE id = 10;
DELETE FROM t WHERE id = 10;
INSERT INTO t VALUES (10, 4, 1);
UPDATE t SET n = 3000 WHERE id BETWEEN 10 AND 12;
CREATE INDEX backwards ON refresh_mv.log (seq DESC);
CLUSTER refresh_mv.log USING backwards;
DROP INDEX refresh_mv.backwards, refresh_mv.log_idx;
SELECT refreshed('v');
SELECT refreshed('w', 'over_v');
CREATE INDEX log_idx ON refresh_mv.log (relation, seq);
-- Without any index of the others.
SET allow_system_table_mods = on;
UPDATE pg_index SET indisvalid = false WHERE indrelid::regclass::text LIKE 'refresh_mv.%' AND NOT indisreplident
    AND indrelid::regclass::text ~ '(settings|state|names|sources|members|tracked|journal|log)$';
UPDATE t SET n = n + 1 WHERE id <= 2;
SELECT refreshed('v');
SELECT refreshed('v', 'w');
UPDATE pg_index SET indisvalid = true WHERE indrelid::regclass::text LIKE 'refresh_mv.%';
RESET allow_system_table_mods;
SELECT refreshed('v', 'w', 'over_v');

-- What no view needs any more is gone, as refresh_mv.run() would have it, and nothing else.
UPDATE t SET n = n + 1 WHERE id = 1;
SELECT refreshed('v');
SELECT count(*) > 0 AS waiting FROM refresh_mv.log WHERE relation = 't'::regclass;
SELECT refreshed('w');
SELECT refreshed('v');
UPDATE t SET n = n + 1 WHERE id = 1;
SELECT refreshed('v', 'w', 'over_v');
UPDATE t SET n = n + 1 WHERE id = 1;
SELECT refreshed('v', 'w', 'over_v');
SELECT count(*) < 3 AS purged FROM refresh_mv.log WHERE relation = 't'::regclass;
