CALL helpers.begin_suite();
-- The timeouts and the memory that are set for a view hold for its refresh, and
-- for nothing else.
\set SHOW_CONTEXT never
SET refresh_mv.failure_limit = 0;
CREATE TABLE source (k int, n int);
INSERT INTO source VALUES (1, 1);
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF n > 1 THEN PERFORM pg_sleep(10); END IF;
    RETURN n;
END $$;
CREATE MATERIALIZED VIEW a AS SELECT k, n FROM source;
CREATE MATERIALIZED VIEW b_slow AS SELECT k, slow(n) FROM source;
CREATE MATERIALIZED VIEW c AS SELECT sum(n) FROM source;
CREATE MATERIALIZED VIEW d_on_slow AS SELECT sum(slow) FROM b_slow;

-- statement_timeout ends the refresh of that view only, and it is a failure like
-- others.
SELECT refresh_mv.configure('b_slow', statement_timeout => '400ms');
UPDATE source SET n = 2;
SELECT remember('b_slow');
SELECT success, views_refreshed, message FROM refresh_materialized_views() \g (format=unaligned)
SELECT check_view('a'), check_view('c'), rows_written('b_slow'), rows_gone('b_slow');
UPDATE source SET n = 3;
CALL refresh_mv.run('full');
SELECT check_view('a'), check_view('c'), rows_written('b_slow');
SELECT view, sqlstate, message FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history) AND NOT success ORDER BY view;
-- By a condition as well, where it is raised.
SELECT refresh_mv.refresh_where('b_slow', 'k = 1');
\echo :LAST_ERROR_SQLSTATE
-- Nothing of the clock is left to run on: neither after a timeout,
SELECT success FROM refresh_materialized_views(views => '{b_slow}');
SELECT pg_sleep(0.6);
-- nor after a success, nor after another error, each within the same statement.
UPDATE source SET n = 1;
SELECT success, pg_sleep(0.6) FROM refresh_materialized_views(views => '{b_slow}');
CREATE MATERIALIZED VIEW e_fails AS SELECT k, 1 / n AS q FROM source;
SELECT refresh_mv.configure('e_fails', statement_timeout => '400ms');
UPDATE source SET n = 0;
SELECT success, pg_sleep(0.6) FROM refresh_materialized_views(views => '{e_fails}');
DO $$
BEGIN
    BEGIN
        PERFORM refresh_mv.refresh_where('e_fails', 'k = 1');
    EXCEPTION WHEN division_by_zero THEN
        RAISE WARNING 'division by zero';
    END;
    PERFORM pg_sleep(0.6);
    RAISE WARNING 'not cancelled';
END $$;
UPDATE source SET n = 1;
-- The session's own timeout is not hidden by it: it ends the call.
SELECT refresh_mv.configure('b_slow', statement_timeout => '10s');
UPDATE source SET n = 2;
SET statement_timeout = '300ms';
SELECT success FROM refresh_materialized_views(views => '{b_slow}');
RESET statement_timeout;
UPDATE source SET n = 1;
SELECT success FROM refresh_materialized_views();
SHOW statement_timeout;
-- The first fill of a view is a refresh, too.
CREATE FUNCTION always_slow() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN 1; END $$;
CREATE MATERIALIZED VIEW empty AS SELECT always_slow() WITH NO DATA;
SELECT refresh_mv.configure('empty', statement_timeout => '300ms');
SELECT success, message FROM refresh_materialized_views(views => '{empty}') \g (format=unaligned)
SELECT populated FROM refresh_mv.status WHERE name = 'empty';
DROP MATERIALIZED VIEW empty, e_fails;

-- work_mem and the timeouts are those set while the query runs, and the
-- session's own again afterwards.
CREATE FUNCTION seen() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('work_mem') || ' ' || current_setting('lock_timeout') $$;
CREATE MATERIALIZED VIEW f_seen AS SELECT k, seen() FROM source;
SELECT refresh_mv.configure('f_seen', work_mem => '2345kB', lock_timeout => '12s');
SET work_mem = '3MB';
SELECT success FROM refresh_materialized_views(views => '{f_seen}');
SELECT seen FROM f_seen;
SELECT seen();
SELECT refresh_mv.configure('f_seen', work_mem => NULL, lock_timeout => '13s');
CALL refresh_mv.run(views => '{f_seen}');
SELECT seen FROM f_seen;
SELECT seen();
SELECT refresh_mv.configure('f_seen', work_mem => '1234kB');
SELECT * FROM refresh_mv.refresh_where('f_seen', 'k = 1');
SELECT seen FROM f_seen;
SELECT seen();
-- Also for the first fill; and after a failure.
CREATE MATERIALIZED VIEW g_seen AS SELECT seen() WITH NO DATA;
SELECT refresh_mv.configure('g_seen', work_mem => '2345kB');
SELECT success FROM refresh_materialized_views(views => '{g_seen}');
SELECT seen FROM g_seen;
SELECT refresh_mv.configure('b_slow', statement_timeout => '300ms', work_mem => '2345kB');
UPDATE source SET n = 2;
SELECT success FROM refresh_materialized_views(views => '{b_slow}');
SELECT seen();
DROP SCHEMA suite CASCADE;
