CALL helpers.begin_suite();
-- The procedure refresh_mv.run().
\set SHOW_CONTEXT never
CREATE TABLE source (day date, n int);
INSERT INTO source SELECT current_date - g, g FROM generate_series(0, 50) g;
CREATE MATERIALIZED VIEW by_day AS SELECT day, sum(n) FROM source GROUP BY day;
CREATE MATERIALIZED VIEW total AS SELECT count(*), sum(n) FROM source;

-- What the last run did.
CREATE VIEW last_run AS SELECT view, mode, method, success, sqlstate, source FROM refresh_mv.history
WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view;

-- Each mode; smart is the default.  Incremental reaches 2 days back, or as far
-- as is said.
UPDATE source SET n = n + 1;
CALL refresh_mv.run();
TABLE last_run;
SELECT check_view('by_day', 'day >= current_date - 2'), check_view('by_day') > 0 AS stale_before, check_view('total');
CALL refresh_mv.run('full');
TABLE last_run;
SELECT check_view('by_day'), check_view('total');
UPDATE source SET n = n + 1;
CALL refresh_mv.run('incremental');
TABLE last_run;
SELECT check_view('by_day', 'day >= current_date - 2'), check_view('by_day', 'day < current_date - 2') AS stale_rows;
CALL refresh_mv.run('incremental', 9, '{by_day}');
TABLE last_run;
SELECT check_view('by_day', 'day >= current_date - 9'), check_view('by_day', 'day < current_date - 9') AS stale_rows;
CALL refresh_mv.run(mode => 'smart', date_range_days => 30, views => '{total}', cascade => false, wait => true);
TABLE last_run;

-- Wrong arguments; nothing is refreshed then.
SELECT max(run) AS last FROM refresh_mv.history \gset
CALL refresh_mv.run('quick');
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run('');
CALL refresh_mv.run('SMART');
CALL refresh_mv.run('where');
CALL refresh_mv.run(NULL);
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run('full', NULL);
CALL refresh_mv.run('full', -1);
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run('incremental', 36501);
CALL refresh_mv.run(cascade => NULL);
CALL refresh_mv.run(wait => NULL);
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run(views => '{}');
CALL refresh_mv.run(views => '{by_day,NULL}');
CALL refresh_mv.run(views => '{by_day,source}');
\echo :LAST_ERROR_SQLSTATE
SELECT max(run) = :last AS nothing_run FROM refresh_mv.history;
-- For views, NULL means all.
CALL refresh_mv.run(views => NULL);
SELECT count(*) FROM last_run;

-- It commits, so it is refused wherever that is not possible: before it does
-- anything, with a hint.
SELECT max(run) AS last FROM refresh_mv.history \gset
BEGIN;
CALL refresh_mv.run();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
DO $$ BEGIN CALL refresh_mv.run(); END $$;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
CREATE FUNCTION calls() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL refresh_mv.run(); END $$;
SELECT calls();
\echo :LAST_ERROR_SQLSTATE
CREATE FUNCTION calls_sql() RETURNS void LANGUAGE sql AS 'CALL refresh_mv.run()';
SELECT calls_sql();
\echo :LAST_ERROR_SQLSTATE
-- In a block with an exception handler, which is a subtransaction.
DO $$
BEGIN
    CALL refresh_mv.run();
EXCEPTION WHEN division_by_zero THEN
    RAISE WARNING 'not reached';
END $$;
\echo :LAST_ERROR_SQLSTATE
-- Several statements sent as one are one transaction.
SELECT 1\; CALL refresh_mv.run();
\echo :LAST_ERROR_SQLSTATE
-- A procedure with settings of its own cannot commit either.
CREATE PROCEDURE with_setting() LANGUAGE plpgsql SET work_mem = '8MB' AS $$ BEGIN CALL refresh_mv.run(); END $$;
CALL with_setting();
\echo :LAST_ERROR_SQLSTATE
SELECT max(run) = :last AS nothing_run FROM refresh_mv.history;

-- It works in a DO block and in a procedure, also nested and repeated.
UPDATE source SET n = n + 1;
DO $$ BEGIN CALL refresh_mv.run('full'); END $$;
SELECT check_view('by_day'), check_view('total');
CREATE PROCEDURE inner_p(days int) LANGUAGE plpgsql AS $$
DECLARE
    kept text := 'kept';
BEGIN
    UPDATE suite.source SET n = n + 1 WHERE day > current_date - days;
    CALL refresh_mv.run('full');
    IF kept <> 'kept' THEN RAISE EXCEPTION 'lost'; END IF;
    UPDATE suite.source SET n = n + 1;
    CALL refresh_mv.run('incremental', days);
END $$;
CREATE PROCEDURE outer_p() LANGUAGE plpgsql AS $$ BEGIN CALL suite.inner_p(3); CALL suite.inner_p(5); END $$;
CALL outer_p();
SELECT check_view('by_day', 'day >= current_date - 5'), check_view('by_day', 'day < current_date - 5') AS stale_rows, check_view('total');
-- Also within a loop over a query.
DO $$
DECLARE
    v record;
BEGIN
    FOR v IN SELECT unnest('{by_day,total}'::regclass[]) AS oid LOOP
        CALL refresh_mv.run('full', views => ARRAY[v.oid]);
    END LOOP;
END $$;
SELECT check_view('by_day'), check_view('total');

-- Failures: the others are refreshed, all of it is committed and in the
-- history; at the end the procedure fails, with the SQLSTATE of the first.
CREATE FUNCTION complain(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF n > 1000 THEN RAISE EXCEPTION 'n is 100%% too "large"' USING ERRCODE = 'XX123'; END IF;
    RETURN n;
END $$;
CREATE MATERIALIZED VIEW bad_1 AS SELECT complain(n) FROM source;
CREATE MATERIALIZED VIEW bad_2 AS SELECT 1 / (n - 2000) FROM source;
CREATE MATERIALIZED VIEW last AS SELECT max(n) FROM source;
SELECT count(*) AS before FROM by_day \gset
INSERT INTO source VALUES (current_date + 1, 2000);
CALL refresh_mv.run('full');
\echo :LAST_ERROR_SQLSTATE
TABLE last_run;
SELECT count(*) - :before AS added FROM by_day;
SELECT * FROM last;
SELECT check_view('by_day'), check_view('total'), check_view('last');
CALL refresh_mv.run(views => '{bad_2}');
\echo :LAST_ERROR_SQLSTATE
-- It recovers.
DELETE FROM source WHERE n = 2000;
CALL refresh_mv.run('full');
SELECT bool_and(success) FROM last_run;

-- A name is given as regclass does.
CREATE MATERIALIZED VIEW "Bad ""name""" AS SELECT 1 / n FROM source WITH NO DATA;
INSERT INTO source VALUES (current_date, 0);
SET search_path = public;
CALL refresh_mv.run('full', views => ARRAY['suite.total', 'suite."Bad ""name"""']::regclass[]);
SET search_path = suite, helpers, public;
DELETE FROM source WHERE n = 0;

-- refresh_mv.skip_refresh: success at once; nothing happens.
SELECT max(run) AS last FROM refresh_mv.history \gset
UPDATE source SET n = n + 1;
SET refresh_mv.skip_refresh = on;
SET client_min_messages = notice;
CALL refresh_mv.run();
SET client_min_messages = warning;
RESET refresh_mv.skip_refresh;
SELECT max(run) = :last AS nothing_run, check_view('total') > 0 AS stale FROM refresh_mv.history;

-- In a database without views there is nothing to do.
DROP MATERIALIZED VIEW by_day, total, bad_1, bad_2, last, "Bad ""name""";
CALL refresh_mv.run();

-- It cannot run read-only.
SET default_transaction_read_only = on;
CALL refresh_mv.run();
\echo :LAST_ERROR_SQLSTATE
RESET default_transaction_read_only;
-- Under REPEATABLE READ each view has a snapshot of its own, as ever.
CREATE MATERIALIZED VIEW again AS SELECT count(*) FROM source;
DELETE FROM source WHERE n < 10;
SET default_transaction_isolation = 'repeatable read';
CALL refresh_mv.run();
SELECT check_view('again');
RESET default_transaction_isolation;
DROP SCHEMA suite CASCADE;
