CALL helpers.begin_suite();
-- What cannot be done, and what is done instead; rare shapes of tables and indexes.
CREATE TABLE t (id int NOT NULL, day date NOT NULL, n int);
INSERT INTO t SELECT i, current_date - i, i FROM generate_series(1, 20) i;
CREATE FUNCTION how(view regclass) RETURNS text LANGUAGE sql AS $$
    SELECT method || ': ' || reason FROM refresh_mv.history WHERE refresh_mv.history.view = format('%s.%s', 'suite', how.view)
    ORDER BY started DESC LIMIT 1
$$;

-- ---- a row that moves into the window, with the unique key that it had before
CREATE MATERIALIZED VIEW v AS SELECT id, day, n FROM t;
CREATE UNIQUE INDEX ON v (id);
UPDATE t SET day = current_date WHERE id = 15;
SELECT success, message FROM refresh_materialized_views(true, 3, '{v}');
SELECT how('v'), check_view('v');
-- so it is with a condition
UPDATE t SET day = current_date + 1 WHERE id = 16;
SELECT refresh_mv.refresh_where('v', 'day > current_date');
SELECT how('v'), check_view('v');

-- ---- a row that is kept, with the unique key of a newer one
SELECT refresh_mv.configure('v', date_column => 'day', keep_before => '10 days');
DELETE FROM t WHERE id = 18;
INSERT INTO t VALUES (18, current_date, 0);
SELECT success, message FROM refresh_materialized_views(false, views => '{v}');
SELECT how('v'), check_view('v') AS differences;
DROP INDEX v_id_idx;
SELECT success, message FROM refresh_materialized_views(false, views => '{v}');
SELECT day < current_date AS kept, n FROM v WHERE id = 18 ORDER BY 1;
SELECT refresh_mv.configure('v', keep_before => NULL);

-- ---- an index on whole rows: nothing is updated in place
CREATE INDEX ON v ((v IS NOT NULL));
UPDATE t SET n = n + 1 WHERE id <= 3;
SELECT success, message FROM refresh_materialized_views(false, views => '{v}');
SELECT how('v'), check_view('v');
SELECT same_by_index('v_expr_idx', 'SELECT count(*) FROM v WHERE v IS NOT NULL');

-- ---- somebody else's trigger of the name
ALTER TABLE t ADD PRIMARY KEY (id, day);
CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER refresh_mv_insert AFTER INSERT ON t EXECUTE FUNCTION theirs();
SELECT * FROM refresh_mv.track('v');
SELECT count(*) FROM refresh_mv.tracked;
SELECT tgname, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 't'::regclass;
ALTER TRIGGER refresh_mv_insert ON t RENAME TO theirs;
SELECT * FROM refresh_mv.track('v');
SELECT refresh_mv.untrack('v');

-- ---- a foreign partition
CREATE FOREIGN DATA WRAPPER refresh_mv_nothing;
CREATE SERVER refresh_mv_nowhere FOREIGN DATA WRAPPER refresh_mv_nothing;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE far PARTITION OF parted FOR VALUES FROM (10) TO (20) SERVER refresh_mv_nowhere;
CREATE MATERIALIZED VIEW over_far AS SELECT count(*) FROM parted WITH NO DATA;
SELECT * FROM refresh_mv.track('over_far');
SELECT success, message FROM refresh_materialized_views_smart('{over_far}');
DROP SERVER refresh_mv_nowhere CASCADE;
DROP FOREIGN DATA WRAPPER refresh_mv_nothing;
DROP SCHEMA suite CASCADE;
