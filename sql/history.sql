CALL helpers.begin_suite();
-- refresh_mv.history: one row per view and run.
CREATE TABLE source (day date, n int);
INSERT INTO source SELECT current_date - g, g FROM generate_series(1, 20) g;
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM source GROUP BY day;
CREATE MATERIALIZED VIEW plain AS SELECT day, n FROM source;
CREATE MATERIALIZED VIEW empty AS SELECT n FROM source WITH NO DATA;
CREATE MATERIALIZED VIEW bad AS SELECT 100 / n AS q FROM source;
CREATE MATERIALIZED VIEW on_bad AS SELECT sum(q) FROM bad;

-- The columns.
SELECT attname, atttypid::regtype FROM pg_attribute
WHERE attrelid = 'refresh_mv.history'::regclass AND attnum > 0 ORDER BY attnum;

-- Every kind of call and method leaves its row; runs group them.  Counts are
-- those of rows written and of rows found to be right.
SELECT success FROM refresh_materialized_views(views => '{by_day}');
INSERT INTO source VALUES (current_date, 7), (current_date - 1, 7);
SELECT success FROM refresh_materialized_views_smart('{by_day}');
DELETE FROM source WHERE day = current_date - 20;
SELECT success FROM refresh_materialized_views(views => '{by_day,empty}');
UPDATE source SET n = n + 1 WHERE day = current_date - 2;
SELECT success FROM refresh_materialized_views(true, 3, '{by_day,plain,empty}');
CALL refresh_mv.run(views => '{by_day}');
CALL refresh_mv.run('incremental', 0, '{empty}');
SELECT * FROM refresh_mv.refresh_where('plain', 'n = 7');
SELECT dense_rank() OVER (ORDER BY run) AS run, view, mode, method, reason,
    rows_inserted AS ins, rows_updated AS upd, rows_deleted AS del, rows_unchanged AS same, source
FROM refresh_mv.history ORDER BY run, view;
-- The rest: who, when, from which snapshot; nothing to complain of.
SELECT bool_and(success) AS success, count(sqlstate) + count(message) AS errors, bool_and(role = current_user) AS role,
    bool_and(started <= clock_timestamp() AND started > clock_timestamp() - interval '10 minutes') AS started,
    bool_and(duration >= '0' AND duration < interval '10 minutes') AS duration,
    bool_and(snapshot_time <= started AND snapshot_time > started - interval '10 minutes') AS snapshot
FROM refresh_mv.history;
-- The views of a function call share a snapshot, those of a procedure do not.
SELECT run, source, count(*) > 1 AS several, count(DISTINCT snapshot_time) = 1 AS one_snapshot
FROM (SELECT dense_rank() OVER (ORDER BY run) AS run, source, snapshot_time FROM refresh_mv.history) h
GROUP BY run, source HAVING count(*) > 1 ORDER BY run;
CALL refresh_mv.run(views => '{by_day,plain}');
SELECT count(*), count(DISTINCT snapshot_time) FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history);

-- Each call has a number of its own, that rises; a call without views has no
-- row, one that is rolled back neither.
SELECT max(run) AS last FROM refresh_mv.history \gset
BEGIN;
SELECT success FROM refresh_materialized_views(views => '{by_day}');
SELECT success FROM refresh_materialized_views(views => '{by_day}');
SELECT count(DISTINCT run), min(run) > :last AS rises FROM refresh_mv.history WHERE run > :last;
ROLLBACK;
SELECT count(*) FROM refresh_mv.history WHERE run > :last;

-- Failures: the row tells the SQLSTATE, the message and why; nothing written.
TRUNCATE refresh_mv.journal;
UPDATE source SET n = 0 WHERE day = current_date - 5;
SELECT success FROM refresh_materialized_views(views => '{by_day,bad}', cascade => true);
CALL refresh_mv.run(views => '{by_day,bad,on_bad}');
SELECT refresh_mv.refresh_where('bad', 'q > 0');
SELECT dense_rank() OVER (ORDER BY run) AS run, view, mode, method, success, sqlstate, message, reason,
    rows_inserted + rows_updated + rows_deleted + rows_unchanged AS rows, source, snapshot_time IS NOT NULL AS snapshot
FROM refresh_mv.history ORDER BY run, view;

-- Limits: after so many failures in a row a warning, for each view; a success
-- starts anew.  Other views do not matter.
\set VERBOSITY terse
TRUNCATE refresh_mv.journal;
SET refresh_mv.failure_limit = 2;
SELECT success FROM refresh_materialized_views(views => '{bad}');
SELECT success FROM refresh_materialized_views(views => '{by_day}');
SELECT success FROM refresh_materialized_views(views => '{bad}');
CALL refresh_mv.run(views => '{bad}');
SELECT name, consecutive_failures FROM refresh_mv.status WHERE consecutive_failures > 0;
UPDATE source SET n = 1 WHERE n = 0;
SELECT success FROM refresh_materialized_views(views => '{bad}');
UPDATE source SET n = 0 WHERE day = current_date - 5;
SELECT success FROM refresh_materialized_views(views => '{bad}');
SELECT name, consecutive_failures FROM refresh_mv.status WHERE consecutive_failures > 0;
SELECT success FROM refresh_materialized_views(views => '{bad}');
-- At 0 it never warns, and 1 is the first.
SET refresh_mv.failure_limit = 0;
SELECT success FROM refresh_materialized_views(views => '{bad}');
TRUNCATE refresh_mv.journal;
SET refresh_mv.failure_limit = 1;
SELECT success FROM refresh_materialized_views(views => '{bad}');
RESET refresh_mv.failure_limit;
SHOW refresh_mv.failure_limit;
SET refresh_mv.failure_limit = -1;

-- A view that takes longer than refresh_mv.warn_after: a warning, but no
-- failure.  Its text has a time in it, so that only its SQLSTATE is shown.
CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN 1; END $$;
CREATE MATERIALIZED VIEW slow AS SELECT n, slow() FROM source WHERE n = 7 AND day = current_date;
\set VERBOSITY sqlstate
SET refresh_mv.warn_after = '20ms';
SELECT success FROM refresh_materialized_views(views => '{slow}');
CALL refresh_mv.run(views => '{slow}');
SELECT refresh_mv.refresh_where('slow', 'n = 7');
SET refresh_mv.warn_after = '10s';
SELECT success FROM refresh_materialized_views(views => '{slow}');
SET refresh_mv.warn_after = 0;
SELECT success FROM refresh_materialized_views(views => '{slow}');
RESET refresh_mv.warn_after;
SHOW refresh_mv.warn_after;
\set VERBOSITY default

-- Rows of a view older than refresh_mv.history_days are removed by its next
-- refresh, be it a success or, so that they do not pile up, a failure.
TRUNCATE refresh_mv.journal;
SELECT success FROM refresh_materialized_views(views => '{by_day}');
INSERT INTO refresh_mv.journal (id, run, view_schema, view_name, mode, method, reason, started, duration, rows_inserted,
    rows_updated, rows_deleted, rows_unchanged, success, role, source)
SELECT row_number() OVER (), -days, 'suite', v, 'full', 'full', '', now() - make_interval(days => days) + make_interval(hours => 1), '0', 0, 0, 0, 0, true, 'postgres', 'function'
FROM unnest('{31,32,7,8,400}'::int[]) days, unnest('{by_day,plain,bad}'::text[]) v;
CREATE VIEW old AS SELECT view, array_agg(-run ORDER BY -run) AS days FROM refresh_mv.history WHERE run < 0 GROUP BY view ORDER BY view;
SELECT success FROM refresh_materialized_views(views => '{by_day}');
TABLE old;
SET refresh_mv.history_days = 7;
CALL refresh_mv.run(views => '{plain}');
TABLE old;
SELECT success FROM refresh_materialized_views(views => '{bad}');
TABLE old;
SET refresh_mv.history_days = 0;
RESET refresh_mv.history_days;
SHOW refresh_mv.history_days;

-- The history of a view goes with it.
SELECT count(*) > 0 AS there FROM refresh_mv.history WHERE view = 'suite.by_day';
DROP MATERIALIZED VIEW by_day;
SELECT count(*) FROM refresh_mv.history WHERE view = 'suite.by_day';
DROP SCHEMA suite CASCADE;
