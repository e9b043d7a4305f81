CALL helpers.begin_suite();
-- A merge that does not fit in maintenance_work_mem does the same as one that
-- does.
CREATE TABLE source (id int, n int, t text);
INSERT INTO source SELECT g, g % 1000, 'text ' || g FROM generate_series(1, 80000) g;
-- Some values that are kept apart from their row.
UPDATE source SET t = repeat(md5(id::text), 500) WHERE id % 2000 = 0;
-- With a key; without one, with duplicates.
CREATE MATERIALIZED VIEW keyed AS SELECT * FROM source;
CREATE UNIQUE INDEX ON keyed (id);
CREATE MATERIALIZED VIEW bag AS SELECT n, left(t, 5) AS t, id % 50 = 0 AS b FROM source;
CREATE MATERIALIZED VIEW grouped AS SELECT id / 2 AS half, min(t) AS t, sum(n) FROM source GROUP BY half;
ANALYZE;

-- Refreshes a view in a transaction that is rolled back; what it has written
-- is what comes back.
CREATE FUNCTION trial(view regclass, memory text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result record;
    message text;
BEGIN
    PERFORM set_config('maintenance_work_mem', memory, true);
    SELECT success, refresh_type, check_view(view) AS wrong,
        pg_stat_get_xact_tuples_inserted(view) AS inserted, pg_stat_get_xact_tuples_updated(view) AS updated,
        pg_stat_get_xact_tuples_deleted(view) AS deleted
        FROM refresh_materialized_views(views => ARRAY[view]) INTO result;
    RETURN result::text;
END $$;

-- Few changes of each kind.
UPDATE source SET n = n + 1 WHERE id % 100 = 3;
UPDATE source SET t = t || '!' WHERE id % 2000 = 0;
DELETE FROM source WHERE id % 100 = 4;
INSERT INTO source SELECT 80000 + g, g % 10, 'new ' || g FROM generate_series(1, 1000) g;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('keyed', '1MB');
ROLLBACK;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('keyed', '1GB');
ROLLBACK;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('bag', '1MB');
ROLLBACK;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('bag', '1GB');
ROLLBACK;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('grouped', '1MB');
COMMIT;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('bag', '1MB');
COMMIT;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('keyed', '1MB');
COMMIT;

-- Nothing differs: nothing is written.
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('keyed', '1MB'), trial('bag', '1MB'), trial('grouped', '1MB');
COMMIT;

-- A third of the rows changes.
UPDATE source SET n = n + 1000 WHERE id % 3 = 0;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('keyed', '1MB');
COMMIT;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT trial('bag', '1MB');
COMMIT;
SELECT check_btrees('keyed');

-- From many rows to none, and back; these are many changes, for which a new
-- file is written.
CREATE TABLE kept AS SELECT * FROM source WHERE id % 4 = 0;
TRUNCATE source;
SET maintenance_work_mem = '1MB';
SELECT success, check_view('keyed'), check_view('bag') FROM refresh_materialized_views(views => '{keyed,bag}');
INSERT INTO source TABLE kept;
SELECT success, check_view('keyed'), check_view('bag') FROM refresh_materialized_views(views => '{keyed,bag}');
SELECT count(*) FROM keyed;
SELECT check_btrees('keyed');
DROP SCHEMA suite CASCADE;
