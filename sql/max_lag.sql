CALL helpers.begin_suite();
-- max_lag: run() refreshes a view when its lag would else pass that before the next run, the cheapest first.
CREATE TABLE t (id int PRIMARY KEY, g int NOT NULL, n int);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 30) i;
CREATE TABLE other (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW a AS SELECT g, sum(n) AS n FROM t GROUP BY g;
CREATE VIEW setting AS SELECT view_name AS name, max_lag FROM refresh_mv.settings WHERE view_schema = 'suite' AND max_lag IS NOT NULL;
-- What became of the views in the last run, in order.
CREATE VIEW last_run AS
SELECT j.view_name AS name, j.method, regexp_replace(j.reason, '\d+\.\d', 'N') AS reason
FROM refresh_mv.journal j WHERE j.run = (SELECT max(run) FROM refresh_mv.journal) ORDER BY j.id;
-- Makes what is in the log, or what is in the history of a view, older.
CREATE PROCEDURE make_older(of text, by interval) LANGUAGE plpgsql AS $$
BEGIN
    IF of = 'log' THEN
        ALTER TABLE refresh_mv.log DISABLE TRIGGER guard;
        UPDATE refresh_mv.log SET at = at - by;
        ALTER TABLE refresh_mv.log ENABLE ALWAYS TRIGGER guard;
    ELSE
        UPDATE refresh_mv.journal SET started = started - by WHERE view_name = of;
    END IF;
END $$;
-- The setting.
SELECT refresh_mv.configure('a', max_lag => '1 min');
SELECT refresh_mv.configure('a', window_days => 3);
TABLE setting;
SELECT refresh_mv.configure('a', max_lag => NULL);
TABLE setting;
SELECT state, message, hint FROM error_of($$SELECT refresh_mv.configure('a', max_lag => '-1 min')$$);
\set VERBOSITY terse
CALL refresh_mv.run(every => '0');
CALL refresh_mv.run(every => '-1 min');
\set VERBOSITY default
SELECT refresh_mv.configure('a', max_lag => '1 min');
SELECT tracked FROM refresh_mv.track('a');
-- Without a baseline, and then without changes: as without a target.
CALL refresh_mv.run(every => '1 s');
TABLE last_run;
CALL refresh_mv.run(every => '1 s');
TABLE last_run;
SELECT lag, lag_p50, lag_p99, max_lag, max_lag_possible FROM refresh_mv.status WHERE name = 'a';
-- A change that is young enough to wait for the next run, and one that is not.
UPDATE t SET n = n + 1 WHERE id = 1;
CALL refresh_mv.run(every => '1 s');
TABLE last_run;
CALL refresh_mv.run(every => '2 min');
TABLE last_run;
UPDATE t SET n = n + 1 WHERE id = 1;
CALL make_older('log', '50 s');
UPDATE t SET n = n + 1 WHERE id = 2;
CALL refresh_mv.run(every => '3 s');
TABLE last_run;
SELECT lag BETWEEN '49 s' AND '59 s' AS lag, check_view('a') > 0 AS stale FROM refresh_mv.status WHERE name = 'a';
CALL refresh_mv.run(every => '11 s');
TABLE last_run;
SELECT lag, lag_p50 < lag_p99 AS different, lag_p99 BETWEEN '45 s' AND '59 s' AS p99, check_view('a') FROM refresh_mv.status WHERE name = 'a';
SELECT h.lag BETWEEN '49 s' AND '59 s' AS lag FROM refresh_mv.history h WHERE view = 'suite.a' AND method <> 'none' ORDER BY run DESC LIMIT 1;
-- What a refresh usually takes counts.
UPDATE refresh_mv.journal SET duration = '20 s' WHERE view_name = 'a' AND method NOT IN ('none', 'skip');
UPDATE t SET n = n + 1 WHERE id = 1;
CALL make_older('log', '30 s');
CALL refresh_mv.run(every => '3 s');
TABLE last_run;
CALL make_older('log', '5 s');
UPDATE t SET n = n + 1 WHERE id = 1;
CALL make_older('log', '40 s');
CALL refresh_mv.run(every => '3 s');
TABLE last_run;
-- Changes that are not known row by row are changes.
TRUNCATE other;
SELECT refresh_mv_internal.log_everything('t'::regclass, 'a test');
CALL refresh_mv.run(every => '3 s');
TABLE last_run;
CALL make_older('log', '1 min');
CALL refresh_mv.run(every => '3 s');
TABLE last_run;
-- By name, in full, or by a function it is refreshed whatever its lag is.
UPDATE t SET n = n + 1 WHERE id = 1;
CALL refresh_mv.run(every => '1 s');
TABLE last_run;
CALL refresh_mv.run(views => '{a}', every => '1 s');
TABLE last_run;
UPDATE t SET n = n + 1 WHERE id = 1;
SELECT views_refreshed FROM refresh_materialized_views_smart();
UPDATE t SET n = n + 1 WHERE id = 1;
CALL refresh_mv.run('full', every => '1 s');
TABLE last_run;

-- The snapshot to refresh under is taken after the locks, also where the one to look under would stay.
SET default_transaction_isolation = 'repeatable read';
UPDATE t SET n = n + 1 WHERE id = 1;
CALL refresh_mv.run(every => '1 s');
SELECT method FROM last_run;
CALL refresh_mv.run(every => '2 min');
SELECT method FROM last_run;
RESET default_transaction_isolation;

-- A view that is not tracked lags behind since its last refresh; one that was never refreshed is.
CREATE MATERIALIZED VIEW untracked AS SELECT count(*) FROM other;
SELECT refresh_mv.configure('untracked', max_lag => '1 hour');
CALL refresh_mv.run(every => '1 min');
TABLE last_run;
CALL refresh_mv.run(every => '1 min');
TABLE last_run;
CALL make_older('untracked', '58 min');
SELECT lag BETWEEN '58 min' AND '59 min' AS lag, lag_p50, max_lag FROM refresh_mv.status WHERE name = 'untracked';
CALL refresh_mv.run(every => '1 min');
TABLE last_run;
CALL refresh_mv.run(every => '2 min');
TABLE last_run;
-- One that goes by the time lags behind since the time that it shows.
CREATE TABLE moments (id int PRIMARY KEY, at timestamptz NOT NULL);
CREATE MATERIALIZED VIEW recent AS SELECT count(*) FROM moments WHERE at > now() - interval '1 hour';
SELECT refresh_mv.configure('recent', max_lag => '1 min');
SELECT tracked FROM refresh_mv.track('recent');
CALL refresh_mv.run(views => '{recent}');
CALL refresh_mv.run(every => '1 s');
SELECT method, reason FROM last_run WHERE name = 'recent';
UPDATE refresh_mv.state SET as_of = as_of - interval '1 min' WHERE view = 'recent'::regclass;
SELECT lag BETWEEN '1 min' AND '70 s' AS lag FROM refresh_mv.status WHERE name = 'recent';
CALL refresh_mv.run(every => '1 s');
SELECT method FROM last_run WHERE name = 'recent';
-- Not populated: filled.
CREATE MATERIALIZED VIEW empty AS SELECT count(*) FROM other WITH NO DATA;
SELECT refresh_mv.configure('empty', max_lag => '1 hour');
SELECT lag FROM refresh_mv.status WHERE name = 'empty';
CALL refresh_mv.run(every => '1 s');
SELECT method, reason FROM last_run WHERE name = 'empty';
DROP MATERIALIZED VIEW recent, empty, untracked, a;

-- The time between runs as the history has it, if it is not given: nine of ten were not longer.
TRUNCATE refresh_mv.journal;
CREATE MATERIALIZED VIEW a AS SELECT g, sum(n) AS n FROM t GROUP BY g;
SELECT refresh_mv.configure('a', max_lag => '10 min');
SELECT tracked FROM refresh_mv.track('a');
CREATE PROCEDURE ran(times interval[]) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM refresh_mv.journal;
    INSERT INTO refresh_mv.journal (id, run, view_schema, view_name, mode, method, reason, started, duration, rows_inserted, rows_updated, rows_deleted, rows_unchanged, success, role, source)
    SELECT i, -1000 + i, 'suite', 'a', 'smart', 'skip', '', now() - times[i], '1 s', 0, 0, 0, 0, true, current_user, 'procedure' FROM generate_subscripts(times, 1) i;
END $$;
CALL refresh_mv.run();
TABLE last_run;
SELECT max_lag_possible FROM refresh_mv.status WHERE name = 'a';
CALL ran(ARRAY['3 min', '2 min', '1 min']::interval[]);
SELECT view_name, gap FROM refresh_mv.run_intervals;
SELECT max_lag_possible FROM refresh_mv.status WHERE name = 'a';
UPDATE t SET n = n + 1 WHERE id = 1;
CALL make_older('log', '5 min');
CALL refresh_mv.run();
TABLE last_run;
CALL make_older('log', '4 min');
CALL refresh_mv.run();
TABLE last_run;
SELECT ARRAY(SELECT i * interval '1 min' + CASE WHEN i > 15 THEN interval '1 day' ELSE '0' END FROM generate_series(30, 0, -1) i) AS times \gset
CALL ran(:'times');
SELECT view_name, gap FROM refresh_mv.run_intervals;
CALL ran(ARRAY['1 hour', '30 min', '0']::interval[]);
SELECT max_lag_possible FROM refresh_mv.status WHERE name = 'a';
SELECT tracked FROM refresh_mv.track('a', on_commit => true);
SELECT max_lag_possible FROM refresh_mv.status WHERE name = 'a';
SELECT tracked FROM refresh_mv.track('a', on_commit => false);

-- The cheapest first, but after what it reads; those without a target last.
CREATE MATERIALIZED VIEW without AS SELECT count(*) FROM t;
CREATE MATERIALIZED VIEW dear AS SELECT sum(n) FROM t;
CREATE MATERIALIZED VIEW over AS SELECT * FROM dear;
CREATE MATERIALIZED VIEW cheap AS SELECT max(n) FROM t;
SELECT refresh_mv.configure(v, max_lag => '1 min') FROM unnest('{dear,over,cheap}'::regclass[]) v;
CALL refresh_mv.run();
SELECT name FROM last_run;
UPDATE refresh_mv.journal SET duration = CASE view_name WHEN 'dear' THEN '10 s' WHEN 'over' THEN '1 ms' WHEN 'cheap' THEN '1 s' WHEN 'a' THEN '20 s' ELSE '1 us' END::interval;
UPDATE t SET n = n + 1;
CALL refresh_mv.run(every => '1 day');
SELECT name, method <> 'none' AS refreshed FROM last_run;
SELECT name, check_view(name::regclass) FROM last_run ORDER BY 1;
-- Those left do not keep those above from being refreshed.
SELECT refresh_mv.configure('dear', max_lag => '1 day');
UPDATE t SET n = n + 1;
CALL refresh_mv.run(every => '1 min');
SELECT name, method, reason FROM last_run WHERE name IN ('dear', 'over');

-- The lag is for those who may read the view.
CREATE ROLE refresh_mv_lag_nobody;
SET ROLE refresh_mv_lag_nobody;
SELECT lag, lag_p50, lag_p99, max_lag, max_lag_possible FROM refresh_mv.status WHERE name = 'a';
SELECT state FROM error_of('TABLE refresh_mv.run_intervals');
RESET ROLE;
DROP ROLE refresh_mv_lag_nobody;
SET client_min_messages = error;
DROP SCHEMA suite CASCADE;
