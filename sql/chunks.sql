CALL helpers.begin_suite();
-- CALL refresh_mv.run('full', chunk => ...): full refreshes in chunks that commit.
\set SHOW_CONTEXT never
\set VERBOSITY default

-- Rows of a year by day; a refresh of v is interrupted on a day that is set.
CREATE TABLE source (id int PRIMARY KEY, day date, n int);
INSERT INTO source SELECT g, date '2025-01-01' + g, g % 7 + 1 FROM generate_series(0, 364) g;
CREATE FUNCTION until_stopped(day date, n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF day::text = current_setting('suite.stop_on', true) THEN
        RAISE EXCEPTION 'stopped on %', day;
    END IF;
    RETURN n * 10;
END $$;
CREATE PROCEDURE stop_on(day text) LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('suite.stop_on', day, false); END $$;
CREATE MATERIALIZED VIEW v AS SELECT id, day, until_stopped(day, n) AS x FROM source;
CREATE MATERIALIZED VIEW by_day AS SELECT day, count(*) AS rows, sum(n) AS n FROM source GROUP BY day;

-- What the last run did; and how far those have come that have not ended.
CREATE VIEW last_run AS SELECT view, mode, method, success, reason, rows_inserted AS ins, rows_updated AS upd, rows_deleted AS del
FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view;
CREATE VIEW unfinished AS SELECT view::regclass, chunk, chunks, done_from, only_nulls_left AS nulls, takes_changes FROM refresh_mv.unfinished;

-- ---- a view that is not tracked
UPDATE source SET n = n + 1;
CALL refresh_mv.run('full', views => '{v}', chunk => '1 month');
TABLE last_run;
SELECT check_view('v');
TABLE unfinished;
-- What is right already is not written.
CALL refresh_mv.run('full', views => '{v}', chunk => '100');
TABLE last_run;

-- Rows come and go: newer than all that the view holds, older, in a gap of years, and outside of what there is now.
DELETE FROM source WHERE day > '2025-12-20' OR day < '2025-01-10';
INSERT INTO source VALUES (1000, '2026-03-05', 5), (1001, '2019-07-07', 5), (1002, '1999-07-07', 5), (1003, '2019-07-08', 5);
CALL refresh_mv.run('full', views => '{v,by_day}', chunk => '1 month');
TABLE last_run;
SELECT check_view('v'), check_view('by_day');
DELETE FROM source WHERE id > 999;
CALL refresh_mv.run('full', views => '{v,by_day}', chunk => '90 days');
TABLE last_run;
SELECT check_view('v'), check_view('by_day');

-- An interrupted one: what was committed stays, and the next call goes on there.
UPDATE source SET n = n + 1;
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
TABLE last_run;
TABLE unfinished;
CALL stop_on('never');
SELECT check_view('v', $$day >= '2025-06-01'$$), check_view('v', $$day < '2025-06-01'$$) > 0 AS rest_is_old;
CALL refresh_mv.run('full', views => '{v}', chunk => '1 month');
TABLE last_run;
TABLE unfinished;
SELECT check_view('v');
-- What was done before is as of then: changes of it are not taken in, since the view is not tracked.
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CALL stop_on('never');
UPDATE source SET n = 99 WHERE id = 340;
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
SELECT check_view('v'), check_view('v', 'id <> 340');
-- Unless it shall not go on.
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CALL stop_on('never');
UPDATE source SET n = 98 WHERE id = 340;
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months', resume => false);
TABLE last_run;
SELECT check_view('v');
-- A refresh of the whole view ends it.
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CALL stop_on('never');
CALL refresh_mv.run('full', views => '{v}');
TABLE unfinished;
SELECT check_view('v');

-- ---- a tracked view: the end is exact, whatever changes meanwhile
SELECT refresh_mv.track('v'), refresh_mv.track('by_day');
CALL refresh_mv.run('full', views => '{v,by_day}', chunk => '1 month');
TABLE last_run;
SELECT check_view('v'), check_view('by_day');
-- Its baseline is as good as that of any full refresh, and the states are there.
UPDATE source SET n = n + 1 WHERE id IN (11, 301);
SELECT * FROM smart('v');
SELECT * FROM smart('by_day');

-- Interrupted, with changes of what is done, of what is not, from one to the other, and back.
UPDATE source SET n = n + 1;
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
TABLE unfinished;
UPDATE source SET n = n + 1 WHERE id IN (20, 300, 320);
UPDATE source SET day = '2025-02-02' WHERE id = 310;
UPDATE source SET day = '2025-11-11' WHERE id = 30;
DELETE FROM source WHERE id IN (40, 330);
INSERT INTO source VALUES (1000, '2026-05-05', 5), (1001, '2019-05-05', 5), (1002, '2025-10-10', 5);
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
UPDATE source SET n = n - 1 WHERE id IN (20, 300, 320);
CALL stop_on('never');
CALL refresh_mv.run('full', views => '{v}', chunk => '1 month');
TABLE last_run;
SELECT check_view('v');
UPDATE source SET n = 6 WHERE id = 340;
SELECT * FROM smart('v');

-- The same with a unique index: rows that move have an old version in what is not done.
CREATE UNIQUE INDEX ON v (id);
UPDATE source SET n = n + 1;
CALL stop_on('2025-04-11');
UPDATE source SET day = '2025-12-12' WHERE id = 31;
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
TABLE last_run;
UPDATE source SET day = '2025-12-13' WHERE id = 32;
UPDATE source SET day = '2025-01-13' WHERE id = 311;
CALL stop_on('never');
CALL refresh_mv.run('full', views => '{v}', chunk => '2 months');
TABLE last_run;
SELECT check_view('v');

-- Half done, it is nothing that others can build on: smart refreshes it as a whole, and is told so before.
UPDATE source SET n = n + 1;
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CALL stop_on('never');
SELECT stale, pending_changes, unknown_reason FROM refresh_mv.status WHERE name = 'v';
SELECT reason FROM refresh_mv.explain('v') WHERE method = 'full';
SELECT * FROM smart('v');
SELECT check_view('v');
TABLE unfinished;

-- What is not known of the changes makes it begin anew: the log was given up, say.
UPDATE source SET n = n + 1;
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CREATE TABLE copy AS TABLE source;
TRUNCATE source;
INSERT INTO source SELECT id, day, n + 1 FROM copy;
CALL stop_on('never');
CALL refresh_mv.run('full', views => '{v}', chunk => '6 months');
TABLE last_run;
SELECT check_view('v');
-- So does another meaning of its query.
UPDATE source SET n = n + 1;
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CREATE OR REPLACE FUNCTION until_stopped(day date, n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF day::text = current_setting('suite.stop_on', true) THEN
        RAISE EXCEPTION 'stopped on %', day;
    END IF;
    RETURN n * 10 + 1;
END $$;
CALL stop_on('never');
CALL refresh_mv.run('full', views => '{v}', chunk => '6 months');
TABLE last_run;
SELECT check_view('v');
-- Views above it are told of every chunk.
CREATE MATERIALIZED VIEW above AS SELECT date_trunc('month', day) AS month, sum(x) AS x FROM v GROUP BY 1;
SELECT refresh_mv.track('above');
CALL refresh_mv.run('smart', views => '{above}');
UPDATE source SET n = n + 2 WHERE id % 3 = 0;
CALL refresh_mv.run('full', views => '{v}', chunk => '1 month');
SELECT * FROM smart('above');

-- ---- what is divided, and by what
-- Rows without a date are a chunk of their own, infinite dates are in the first and the last one, and time zones turn.
CREATE TABLE events (id int PRIMARY KEY, at timestamptz, n int);
INSERT INTO events SELECT g, timestamptz '2025-01-01 00:30+00' + g * interval '5 hours', g FROM generate_series(0, 999) g;
INSERT INTO events VALUES (2000, NULL, 1), (2001, NULL, 2), (2002, 'infinity', 3), (2003, '-infinity', 4), (2004, '0044-03-15 BC', 5);
CREATE MATERIALIZED VIEW hours AS SELECT date_trunc('hour', at) AS hour, sum(n) AS n, count(*) FROM events GROUP BY 1;
SET TimeZone = 'America/New_York';
UPDATE events SET n = n + 1;
CALL refresh_mv.run('full', views => '{hours}', chunk => '1 week');
TABLE last_run;
SELECT check_view('hours');
SET TimeZone = 'UTC';
DELETE FROM events WHERE at IS NULL OR NOT isfinite(at);
CALL refresh_mv.run('full', views => '{hours}', chunk => '1000 years');
TABLE last_run;
SELECT check_view('hours');
CALL refresh_mv.run('full', views => '{hours}', chunk => '250');
TABLE last_run;

-- An empty view is filled in chunks: what the query returns says where they begin.
CREATE TABLE filled (LIKE events);
CREATE MATERIALIZED VIEW of_filled AS SELECT * FROM filled;
CALL refresh_mv.run('full', views => '{of_filled}', chunk => '1 month');
TABLE last_run;
INSERT INTO filled SELECT g, timestamptz '2025-01-01' + g * interval '1 day', g FROM generate_series(0, 364) g;
CALL refresh_mv.run('full', views => '{of_filled}', chunk => '1 month');
TABLE last_run;
SELECT check_view('of_filled');
TRUNCATE filled;
CALL refresh_mv.run('full', views => '{of_filled}', chunk => '1 month');
SELECT count(*) FROM of_filled;
-- One that has not been populated would be taken for whole.
CREATE MATERIALIZED VIEW unpopulated AS SELECT * FROM filled WITH NO DATA;
CALL refresh_mv.run('full', views => '{unpopulated}', chunk => '1 month');
\echo :LAST_ERROR_SQLSTATE

-- Without dates: by a unique index, and a number of rows; by text as its collation has it.
CREATE TABLE things ("the ""key" text COLLATE "C" PRIMARY KEY, n int);
INSERT INTO things SELECT 'k' || g, g FROM generate_series(0, 999) g;
CREATE MATERIALIZED VIEW "odd ""view" AS SELECT * FROM things;
CALL refresh_mv.run('full', views => '{"\"odd \"\"view\""}', chunk => '1 month');
CALL refresh_mv.run('full', views => '{"\"odd \"\"view\""}', chunk => '100');
CREATE UNIQUE INDEX ON "odd ""view" ("the ""key");
UPDATE things SET n = n + 1 WHERE n % 2 = 0;
DELETE FROM things WHERE n % 5 = 0;
INSERT INTO things VALUES ('zzz', 1), ('', 2);
CALL refresh_mv.run('full', views => '{"\"odd \"\"view\""}', chunk => '100 rows');
TABLE last_run;
SELECT check_view('"odd ""view"');
-- Neither: there is no way.
CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM things;
CALL refresh_mv.run('full', views => '{total}', chunk => '1 day');
CALL refresh_mv.run('full', views => '{total}', chunk => '1');

-- Partitions; and a bound of keep_before, which no chunk goes beyond.
CREATE TABLE parts (day date NOT NULL, n int) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2025-07-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2025-07-01') TO (MAXVALUE);
INSERT INTO parts SELECT current_date - g, g FROM generate_series(0, 200) g;
CREATE MATERIALIZED VIEW of_parts AS SELECT day, n FROM parts;
SELECT refresh_mv.configure('of_parts', keep_before => '100 days');
UPDATE parts SET n = n + 1;
CALL refresh_mv.run('full', views => '{of_parts}', chunk => '30 days');
SELECT method, success, ins, upd, del FROM last_run;
SELECT check_view('of_parts', 'day >= current_date - 100'), check_view('of_parts', 'day < current_date - 100') AS kept;

-- A view that cannot be refreshed by what changed: the rest goes on, each chunk as of its own time, and that is said; there
-- is no baseline then.
CREATE MATERIALIZED VIEW with_total AS SELECT id, day, until_stopped(day, n) AS x, (SELECT count(*) FROM things) AS total FROM source;
SELECT refresh_mv.track('with_total');
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{with_total}', chunk => '3 months');
INSERT INTO things VALUES ('one more', 1);
CALL stop_on('never');
CALL refresh_mv.run('full', views => '{with_total}', chunk => '3 months');
SELECT reason FROM last_run;
SELECT total, count(*) FROM with_total GROUP BY 1 ORDER BY 1;
SELECT * FROM smart('with_total');
SELECT check_view('with_total');
DROP MATERIALIZED VIEW with_total;

-- ---- what cannot be
CALL refresh_mv.run('smart', chunk => '1 month');
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run('incremental', chunk => '1 month');
CALL refresh_mv.run('full', chunk => '0');
CALL refresh_mv.run('full', chunk => '-1 month');
CALL refresh_mv.run('full', chunk => 'a month');
CALL refresh_mv.run('full', chunk => '');
CALL refresh_mv.run('full', chunk => ' 100');
CALL refresh_mv.run('full', views => '{hours}', chunk => '1.5 rows');
CALL refresh_mv.run('full', chunk => '1 month', resume => NULL);
CALL refresh_mv.run('full', max_wal_rate => '20 MB');
CALL refresh_mv.run('full', chunk => '1 month', max_wal_rate => 'fast');
CALL refresh_mv.run('full', chunk => '1 month', max_wal_rate => '-1 MB');
CALL refresh_mv.run('full', chunk => '1 month', pause_if_replica_lag => '0');
CALL refresh_mv.run('full', chunk => '1 month', jobs => 2);
-- Who cannot see how replicas lag behind, cannot wait for them.
CREATE ROLE chunks_owner;
GRANT CREATE, USAGE ON SCHEMA suite TO chunks_owner;
GRANT SELECT ON source TO chunks_owner;
GRANT SELECT ON last_run TO chunks_owner;
SET ROLE chunks_owner;
CREATE MATERIALIZED VIEW his AS SELECT id, day, n FROM source;
CALL refresh_mv.run('full', views => '{his}', chunk => '1 month', pause_if_replica_lag => '64 MB');
\echo :LAST_ERROR_SQLSTATE
CALL refresh_mv.run('full', views => '{his}', chunk => '1 month', max_wal_rate => '64 MB');
SELECT view, method, success FROM last_run;
-- Nor is a view of others his to refresh; and he does not see how far those have come.
\set VERBOSITY terse
CALL refresh_mv.run('full', views => '{v}', chunk => '1 month');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM refresh_mv.chunks;
RESET ROLE;
CALL stop_on('2025-04-11');
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
SELECT count(*) FROM refresh_mv.unfinished;
SET ROLE chunks_owner;
SELECT count(*) FROM refresh_mv.unfinished;
RESET ROLE;
-- What is dropped is forgotten.
DROP MATERIALIZED VIEW v CASCADE;
CALL refresh_mv.run('full', views => '{hours}', chunk => '1 year', max_wal_rate => '1 GB', pause_if_replica_lag => '64 MB');
SELECT count(*) FROM refresh_mv.chunks;
DROP OWNED BY chunks_owner;
DROP ROLE chunks_owner;
