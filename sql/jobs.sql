CALL helpers.begin_suite();
-- CALL refresh_mv.run(jobs => ...): several processes do what one does.
\set SHOW_CONTEXT never
CREATE TABLE t (id int PRIMARY KEY, g int NOT NULL, n int);
INSERT INTO t SELECT i, i % 7, i FROM generate_series(1, 500) i;
CREATE FUNCTION is_fine() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (SELECT bool_and(n >= 0) FROM suite.t) THEN
        RAISE EXCEPTION 'numbers must not be negative' USING ERRCODE = 'P0777', DETAIL = 'one is', HINT = 'Change it.';
    END IF;
    RETURN 1;
END $$;
CREATE MATERIALIZED VIEW a AS SELECT g, sum(n) AS n FROM t GROUP BY g;
CREATE MATERIALIZED VIEW b AS SELECT g, n * 2 AS n FROM a;
CREATE MATERIALIZED VIEW "c d" AS SELECT sum(a.n) AS n, count(*) FROM a, b;
CREATE MATERIALIZED VIEW lone AS SELECT count(*), max(n) FROM t;
CREATE MATERIALIZED VIEW fine AS SELECT count(*), is_fine() FROM t;
CREATE MATERIALIZED VIEW over_fine AS SELECT * FROM fine;
CREATE MATERIALIZED VIEW empty AS SELECT g FROM t WITH NO DATA;
CREATE VIEW wrong_views AS
SELECT v::regclass AS view, check_view(v::regclass) FROM unnest('{a,b,"\"c d\"",lone,fine,over_fine}'::text[]) v WHERE check_view(v::regclass) > 0;
SELECT count(*) FROM refresh_mv.track('a') UNION ALL SELECT count(*) FROM refresh_mv.track('b') UNION ALL SELECT count(*) FROM refresh_mv.track('"c d"');
CREATE VIEW last_run AS
SELECT view, mode, method, reason, rows_inserted AS i, rows_updated AS u, rows_deleted AS d, success, sqlstate, message, role = current_user AS own, source
FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view;
CREATE TEMP TABLE by_one AS TABLE last_run WITH NO DATA;
-- How the last run differs from one that was kept.
CREATE VIEW difference AS (SELECT 'one' AS by, * FROM (TABLE pg_temp.by_one EXCEPT ALL TABLE last_run) a)
UNION ALL (SELECT 'several', * FROM (TABLE last_run EXCEPT ALL TABLE pg_temp.by_one) b);
-- The change of a row.
CREATE PROCEDURE change() LANGUAGE sql BEGIN ATOMIC UPDATE t SET n = n + 1 WHERE id % 100 = 3; END;

-- Full and smart, with changes and without, as by one process.
CALL refresh_mv.run('full');
INSERT INTO by_one TABLE last_run;
TABLE by_one;
CALL refresh_mv.run('full', jobs => 3);
TABLE difference; -- "empty" is filled by now
SELECT count(*) FROM wrong_views;
CALL change();
CALL refresh_mv.run();
TRUNCATE by_one; INSERT INTO by_one TABLE last_run;
SELECT view, method, reason FROM by_one;
CALL change();
CALL refresh_mv.run(jobs => 4);
TABLE difference;
SELECT count(*) FROM wrong_views;
CALL refresh_mv.run();
TRUNCATE by_one; INSERT INTO by_one TABLE last_run;
CALL refresh_mv.run(jobs => 2);
TABLE difference;
CALL change();
CALL refresh_mv.run(jobs => 2, one_snapshot => true);
CALL refresh_mv.run(jobs => 2, one_snapshot => true);
TABLE difference;
SELECT count(*) FROM wrong_views;

-- A row for each view, each after those that it reads.
SELECT count(*), count(DISTINCT view) FROM last_run;
SELECT j.view_name, k.view_name FROM refresh_mv.journal j JOIN refresh_mv.journal k USING (run)
WHERE (j.view_name, k.view_name) IN (('b', 'a'), ('c d', 'a'), ('c d', 'b'), ('over_fine', 'fine')) AND j.started < k.started + k.duration
ORDER BY 1, 2;

-- A failure is that of one view and of those that read it, and is told with all that belongs to it.
UPDATE t SET n = -1 WHERE id = 8;
CALL refresh_mv.run('full', jobs => 1);
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run('full', jobs => 1);
TRUNCATE by_one; INSERT INTO by_one TABLE last_run;
SELECT view, method, success, sqlstate, message FROM by_one WHERE NOT success;
SET refresh_mv.failure_limit = 0; -- that warning and those of other processes come in any order
CALL refresh_mv.run('full', jobs => 3);
\echo :LAST_ERROR_SQLSTATE
TABLE difference;
CALL refresh_mv.run('full', jobs => 3, one_snapshot => true);
\echo :LAST_ERROR_SQLSTATE
TABLE difference;
UPDATE t SET n = 8 WHERE id = 8;

-- The views are refreshed at once: each of these waits for the other.
CREATE SEQUENCE arrived;
CREATE FUNCTION meet(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('suite.arrived');
    WHILE (SELECT last_value FROM suite.arrived) < 2 LOOP
        IF clock_timestamp() > statement_timestamp() + interval '60 s' THEN RETURN 'waits in vain'; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN $1 || ' has met the other';
END $$;
CREATE MATERIALIZED VIEW left_one AS SELECT meet(x) FROM (VALUES ('left')) x (x) WITH NO DATA;
CREATE MATERIALIZED VIEW right_one AS SELECT meet(x) FROM (VALUES ('right')) x (x) WITH NO DATA;
CALL refresh_mv.run('full', views => '{left_one,right_one}', jobs => 2);
TABLE left_one UNION ALL TABLE right_one;
SELECT setval('arrived', 1, false);
CALL refresh_mv.run('full', views => '{left_one,right_one}', jobs => 2, one_snapshot => true);
TABLE left_one UNION ALL TABLE right_one;
DROP MATERIALIZED VIEW left_one, right_one;

-- As the user of the session, with its settings. By workers alone, where there is one snapshot.
CREATE ROLE jobs_login LOGIN; -- and a role that cannot log in
CREATE ROLE jobs_caller;
GRANT jobs_caller TO jobs_login;
GRANT pg_read_all_stats TO jobs_caller;
GRANT CREATE, USAGE ON SCHEMA suite TO jobs_caller;
GRANT USAGE ON SCHEMA helpers TO jobs_caller;
GRANT SELECT ON t TO jobs_caller;
CREATE FUNCTION told(x int) RETURNS text LANGUAGE sql STABLE AS $$
SELECT concat_ws(' ', current_setting('refresh_mv.warn_after'), current_setting('jobs.custom', true), current_setting('TimeZone'),
    current_setting('maintenance_work_mem'), current_setting('application_name'), current_setting('role'),
    session_user, current_user, current_setting('client_encoding') <> '', current_setting('transaction_isolation'),
    current_setting('is_superuser'), (SELECT a.backend_type FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())) $$;
SET SESSION AUTHORIZATION jobs_login;
SET ROLE jobs_caller;
CREATE MATERIALIZED VIEW mine AS SELECT suite.told(1) WITH NO DATA;
CREATE MATERIALIZED VIEW mine_too AS SELECT suite.told(2) WITH NO DATA;
SET refresh_mv.warn_after = '77s';
SET jobs.custom = 'of ''mine''';
SET TimeZone = 'Asia/Tokyo';
SET maintenance_work_mem = '7MB';
SET application_name = 'the suite';
CALL refresh_mv.run('full', views => '{mine,mine_too}');
TABLE mine UNION ALL TABLE mine_too;
CALL refresh_mv.run('full', views => '{mine,mine_too}', jobs => 2, one_snapshot => true);
TABLE mine UNION ALL TABLE mine_too;
-- Rights are checked: of what is named, and of what is not.
\set VERBOSITY terse
CALL refresh_mv.run('full', views => '{mine,a,mine_too}', jobs => 3);
CALL refresh_mv.run('full', views => '{mine,a,mine_too}', jobs => 3, one_snapshot => true);
\set VERBOSITY default
CALL refresh_mv.run('full', jobs => 3);
SELECT view, method, success, role, source FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view;
RESET ROLE;
RESET SESSION AUTHORIZATION;
RESET refresh_mv.warn_after;
RESET jobs.custom;
RESET maintenance_work_mem;
RESET application_name;
SET TimeZone = 'UTC';
DROP OWNED BY jobs_caller, jobs_login;
DROP ROLE jobs_caller, jobs_login;
-- The search_path is the caller's: names are told as he would write them.
SET search_path = helpers, public;
CALL refresh_mv.run('full', views => '{suite.lone,suite.a}', jobs => 2);
UPDATE suite.t SET n = -1 WHERE id = 8;
CALL refresh_mv.run('full', views => '{suite.fine,suite.a}', jobs => 2);
UPDATE suite.t SET n = 8 WHERE id = 8;
SET search_path = suite, helpers, public;

-- One snapshot: all is as of one moment, whatever is written meanwhile, and a view shows what it reads as this run has refreshed it.
CALL change();
CALL refresh_mv.run('full', jobs => 3, one_snapshot => true);
SELECT count(DISTINCT snapshot_time), count(*) FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history);
SELECT count(*) FROM wrong_views;
CALL change();
CALL refresh_mv.run(jobs => 1, one_snapshot => true);
SELECT view, method FROM last_run;
SELECT count(DISTINCT snapshot_time), count(*) FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history);
-- By delta, the baseline is that snapshot: what comes after it is not lost.
CALL change();
CALL refresh_mv.run(jobs => 2, one_snapshot => true);
SELECT view, method, reason FROM last_run WHERE view IN ('suite.a', 'suite.b', 'suite."c d"');
CALL change();
CALL refresh_mv.run(jobs => 2);
SELECT view, method, reason FROM last_run WHERE view IN ('suite.a', 'suite.b', 'suite."c d"');
SELECT count(*) FROM wrong_views;

-- What its max_lag lets be left is left, and what reads it is refreshed all the same.
SELECT refresh_mv.configure('lone', max_lag => '1 day'), refresh_mv.configure('a', max_lag => '1 day');
CALL change();
CALL refresh_mv.run(jobs => 3, every => '1 min');
SELECT view, method, left(reason, 24) AS reason FROM last_run;
CALL refresh_mv.run(jobs => 3, every => '1 min', one_snapshot => true);
SELECT view, method, left(reason, 24) AS reason FROM last_run;
SELECT refresh_mv.configure('lone', max_lag => NULL), refresh_mv.configure('a', max_lag => NULL);

-- A circle that functions make: it ends.
CREATE FUNCTION read_y() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT 1::bigint; END;
CREATE MATERIALIZED VIEW x AS SELECT suite.read_y() AS n;
CREATE MATERIALIZED VIEW y AS SELECT n FROM suite.x;
CREATE OR REPLACE FUNCTION read_y() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM suite.y; END;
CALL refresh_mv.run('full', views => '{x,y}', jobs => 2);
CALL refresh_mv.run('full', views => '{x,y}', jobs => 2, one_snapshot => true);
SELECT view, success FROM last_run;
DROP MATERIALIZED VIEW x, y CASCADE;

-- More processes than views, one view, none.
CALL refresh_mv.run('full', views => '{a}', jobs => 1000);
CALL refresh_mv.run('full', views => '{a}', jobs => 1000, one_snapshot => true);
SELECT view, method, success FROM last_run;
CALL refresh_mv.run(views => '{b}', cascade => true, jobs => 2);
SELECT view, method, success FROM last_run;
SET refresh_mv.skip_refresh = on;
CALL refresh_mv.run(jobs => 2);
RESET refresh_mv.skip_refresh;
-- Nothing of it is left.
SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'refresh_mv%';

-- Arguments.
CALL refresh_mv.run(jobs => 0);
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run(jobs => 1025);
CALL refresh_mv.run(jobs => NULL);
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run(one_snapshot => NULL);
BEGIN; CALL refresh_mv.run(jobs => 2); ROLLBACK;
DROP SCHEMA suite CASCADE;
