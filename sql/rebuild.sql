CALL helpers.begin_suite();
-- When a view's file is written anew: where it has none, and where most of
-- many rows change.
CREATE TABLE source (id int, n int, t text, long text, u int);
INSERT INTO source SELECT g, g % 100, 'text ' || g, CASE WHEN g % 1000 = 0 THEN (SELECT string_agg(md5((g * 100 + i)::text), '') FROM generate_series(1, 100) i) END
    FROM generate_series(1, 20000) g;

CREATE TABLE days AS SELECT current_date - n AS day FROM source;

-- A view without data is populated by whichever call, and is then as any other.
CREATE MATERIALIZED VIEW empty AS SELECT n, count(*) FROM source GROUP BY n WITH NO DATA;
CREATE INDEX ON empty (n);
CREATE MATERIALIZED VIEW empty_dated AS SELECT day, count(*) FROM days GROUP BY day WITH NO DATA;
CREATE MATERIALIZED VIEW empty_smart AS SELECT day, count(*) FROM days GROUP BY day WITH NO DATA;
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views(views => '{empty}');
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views(true, 2, '{empty_dated}');
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views_smart('{empty_smart}');
SELECT relname, relispopulated, check_view(oid) FROM pg_class WHERE relname ~ '^empty' AND relkind = 'm' ORDER BY 1;
SELECT check_btrees('empty');
SELECT success, views_refreshed, refresh_type FROM refresh_materialized_views_smart('{empty_smart}');
SELECT check_view('empty_smart');
REFRESH MATERIALIZED VIEW empty WITH NO DATA;
SELECT relispopulated FROM pg_class WHERE oid = 'empty'::regclass;
SELECT success, check_view('empty') FROM refresh_materialized_views(views => '{empty}');
-- One whose query fails stays as it is.
CREATE MATERIALIZED VIEW empty_failing AS SELECT 1 / (n - n) AS x FROM source WITH NO DATA;
SELECT success, refresh_type, message FROM refresh_materialized_views(views => '{empty,empty_failing}');
SELECT relispopulated FROM pg_class WHERE oid = 'empty_failing'::regclass;
DROP MATERIALIZED VIEW empty_failing;
-- Rolled back, it is without data again.
CREATE MATERIALIZED VIEW empty_back AS SELECT * FROM source WITH NO DATA;
BEGIN;
SELECT success FROM refresh_materialized_views(views => '{empty_back}');
SELECT check_view('empty_back');
ROLLBACK;
SELECT relispopulated FROM pg_class WHERE oid = 'empty_back'::regclass;
DROP MATERIALIZED VIEW empty_back;

-- More than half of 20000 rows change: a new file, with all indexes, the same
-- privileges, comments, options and dependent views.
CREATE MATERIALIZED VIEW big WITH (fillfactor = 90, autovacuum_enabled = off) AS SELECT * FROM source;
CREATE UNIQUE INDEX big_id ON big (id);
CREATE INDEX big_n ON big (n) WHERE n > 50;
CREATE INDEX big_t ON big USING hash (t);
CREATE INDEX big_lower ON big (lower(t));
COMMENT ON MATERIALIZED VIEW big IS 'a comment';
COMMENT ON COLUMN big.n IS 'another';
GRANT SELECT ON big TO PUBLIC;
ALTER MATERIALIZED VIEW big ALTER n SET STATISTICS 50;
ALTER MATERIALIZED VIEW big CLUSTER ON big_id;
CREATE VIEW on_big AS SELECT * FROM big;
CREATE MATERIALIZED VIEW on_on_big AS SELECT n, count(*) FROM on_big GROUP BY n;
CREATE VIEW looks AS SELECT relname, relacl IS NOT NULL AS acl, reloptions, relhasindex, relpersistence,
    obj_description(oid) AS comment, col_description(oid, 2) AS col_comment FROM pg_class WHERE oid = 'big'::regclass;
SELECT * FROM looks;
CREATE FUNCTION refresh_file(view regclass, OUT success bool, OUT refresh_type text, OUT wrong bigint, OUT new_file bool)
LANGUAGE plpgsql AS $$
DECLARE
    old_file bigint := pg_relation_filenode(view);
BEGIN
    SELECT r.success, r.refresh_type FROM refresh_materialized_views(views => ARRAY[view]) r INTO success, refresh_type;
    wrong := check_view(view);
    new_file := pg_relation_filenode(view) <> old_file;
    PERFORM check_btrees(view);
END $$;
UPDATE source SET n = n + 1 WHERE id <= 15000;
SELECT * FROM refresh_file('big');
SELECT * FROM looks;
SELECT indexrelid::regclass, indisvalid, indisready, indislive, indisclustered FROM pg_index WHERE indrelid = 'big'::regclass ORDER BY 1;
SELECT same_by_index('big_id', 'SELECT sum(n) FROM big WHERE id BETWEEN 100 AND 110'),
    same_by_index('big_n', 'SELECT sum(id) FROM big WHERE n = 60'),
    same_by_index('big_t', $$SELECT sum(id) FROM big WHERE t = 'text 77'$$),
    same_by_index('big_lower', $$SELECT sum(id) FROM big WHERE lower(t) = 'text 77'$$);
SELECT success, check_view('on_on_big') FROM refresh_materialized_views(views => '{on_on_big}');
-- The counters of the view tell how many rows are in it.
SELECT pg_stat_force_next_flush();
SELECT n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE relname = 'big';
-- Nothing is left of the making.
SELECT count(*) FROM pg_class WHERE relname ~ 'pg_temp_\d+';

-- Up to half of the rows, and few rows, are merged.
UPDATE source SET u = 1 WHERE id <= 9999;
SELECT * FROM refresh_file('big');
UPDATE source SET u = 2 WHERE id <= 10000;
SELECT * FROM refresh_file('big');
UPDATE source SET u = 3 WHERE id <= 10001;
SELECT * FROM refresh_file('big');
CREATE MATERIALIZED VIEW small WITH (autovacuum_enabled = off) AS SELECT * FROM source WHERE id <= 4000;
UPDATE source SET u = 4 WHERE id <= 4000;
SELECT * FROM refresh_file('small');
SELECT * FROM refresh_file('big');

-- Deletes, inserts and updates all count.
DELETE FROM source WHERE id % 10 < 6;
SELECT * FROM refresh_file('big');
INSERT INTO source SELECT g, g % 100, 'again ' || g FROM generate_series(30001, 50000) g;
SELECT * FROM refresh_file('big');
TRUNCATE source;
SELECT * FROM refresh_file('big');
SELECT count(*) FROM big;
INSERT INTO source SELECT g, g % 100, 'again ' || g, repeat(md5(g::text), 100) FROM generate_series(1, 12000) g;
SELECT * FROM refresh_file('big');
SELECT * FROM refresh_file('big');

-- Without an index; with duplicates.
CREATE MATERIALIZED VIEW plain WITH (autovacuum_enabled = off) AS SELECT n % 3 AS n, long FROM source;
UPDATE source SET n = n + 1;
SELECT * FROM refresh_file('plain');
SELECT n, count(*) FROM plain GROUP BY n ORDER BY n;
INSERT INTO source SELECT -id, id % 3, NULL FROM source;
SELECT * FROM refresh_file('plain');

-- A unique index that minds makes it fail and leaves the old file.
INSERT INTO source SELECT 7, n, t FROM source;
SELECT remember('big');
SELECT success, new_file FROM refresh_file('big');
SELECT rows_written('big'), rows_gone('big');
DELETE FROM source WHERE id = 7;
SELECT * FROM refresh_file('big');

-- Twice in one transaction, with a merge after it, and rolled back in part.
BEGIN;
UPDATE source SET n = n + 1;
SELECT * FROM refresh_file('big');
UPDATE source SET n = n + 1 WHERE id BETWEEN 1 AND 100;
SELECT * FROM refresh_file('big');
SAVEPOINT s;
UPDATE source SET n = n + 1;
SELECT * FROM refresh_file('big');
ROLLBACK TO s;
SELECT check_view('big');
SELECT * FROM refresh_file('big');
COMMIT;
SELECT check_view('big');

-- A window is merged, however much changes in it.
CREATE TABLE recent AS SELECT current_date - id % 2 AS day, id, n FROM source;
CREATE MATERIALIZED VIEW dated WITH (autovacuum_enabled = off) AS TABLE recent;
UPDATE recent SET n = n + 1;
SELECT pg_relation_filenode('dated') AS file \gset
SELECT success, refresh_type FROM refresh_materialized_views(true, 1, '{dated}');
SELECT check_view('dated'), pg_relation_filenode('dated') = :file AS same_file;

-- A cursor that is open on a view keeps its file from being swapped: the view
-- cannot be refreshed then, by any method.
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM plain;
FETCH 1 FROM c \g /dev/null
UPDATE source SET n = n + 1;
SELECT success, refresh_type FROM refresh_materialized_views(views => '{plain}');
ROLLBACK;
DROP SCHEMA suite CASCADE;
