CALL helpers.begin_suite();
-- refresh_mv.verify() and refresh_mv.verify_all(): each verdict.
CREATE ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_other;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_owner;
CREATE FUNCTION verified(view regclass, repair boolean DEFAULT false)
RETURNS TABLE (verdict text, missing bigint, extra bigint, missing_sample text[], extra_sample text[], pending bigint, repaired boolean, remark text)
LANGUAGE sql AS $$
    SELECT v.verdict, v.missing, v.extra, (SELECT array_agg(m ORDER BY m) FROM unnest(v.missing_sample) m),
        (SELECT array_agg(m ORDER BY m) FROM unnest(v.extra_sample) m), v.pending_changes, v.repaired, v.remark
    FROM refresh_mv.verify(view, repair) v
$$;

-- ---- a view that is not tracked
CREATE TABLE t (id int PRIMARY KEY, g int, v numeric);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;
CREATE MATERIALIZED VIEW plain AS SELECT g, v FROM t WITH NO DATA;
SELECT * FROM verified('plain');
SELECT * FROM verified('plain', true);
SELECT * FROM verified('plain');
INSERT INTO t VALUES (10, NULL, NULL), (11, NULL, NULL), (12, 1, 1.0);
UPDATE t SET v = 1.00 WHERE id = 1;
DELETE FROM t WHERE id = 9;
SELECT * FROM verified('plain');
SELECT count(*) FROM refresh_mv.history WHERE view = 'suite.plain';
SELECT * FROM verified('plain', true);
SELECT * FROM verified('plain', true);
SELECT mode, method, source FROM refresh_mv.history WHERE view = 'suite.plain' ORDER BY started;
-- duplicates count, and at most five rows are shown
INSERT INTO t SELECT i, NULL, NULL FROM generate_series(101, 120) i;
SELECT verdict, missing, extra, missing_sample, extra_sample FROM verified('plain');

-- ---- a tracked view
CREATE MATERIALIZED VIEW grouped AS SELECT g, count(*) AS n, sum(v) AS v FROM t GROUP BY g;
SELECT tracked FROM refresh_mv.track('grouped');
SELECT verdict, pending, remark FROM verified('grouped');
SELECT refresh_type FROM refresh_materialized_views_smart('{grouped}');
SELECT * FROM verified('grouped');
INSERT INTO t VALUES (200, 1, 1), (201, 2, 1);
DELETE FROM t WHERE g IS NULL;
UPDATE t SET v = v + 1, id = id + 1000 WHERE id < 4;
SELECT * FROM verified('grouped');
SELECT * FROM verified('grouped', true);
SELECT * FROM verified('grouped');
-- what is known to have changed, but not row by row
TRUNCATE t;
SELECT * FROM verified('grouped');
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;
SELECT verdict, remark FROM verified('grouped', true);
REFRESH MATERIALIZED VIEW grouped;
SELECT * FROM verified('grouped');
-- over another view, one without an anchor, one with an ordinary view below
CREATE MATERIALIZED VIEW above AS SELECT n, count(*) AS groups FROM grouped GROUP BY n;
CREATE MATERIALIZED VIEW unanchored AS SELECT max(id) AS id FROM (SELECT id FROM t ORDER BY id LIMIT 4) first;
CREATE VIEW odd AS SELECT * FROM t WHERE id % 2 = 1;
CREATE MATERIALIZED VIEW odd_ones AS SELECT g, id FROM odd WHERE g NOT IN (SELECT g FROM t WHERE id = 2);
SELECT count(*) FROM refresh_mv.track() WHERE tracked;
SELECT success FROM refresh_materialized_views_smart();
UPDATE t SET g = g + 1 WHERE id IN (2, 3);
SELECT view, (verified(view)).verdict, (verified(view)).pending FROM unnest('{grouped,above,unanchored,odd_ones}'::regclass[]) view;
SELECT success FROM refresh_materialized_views_smart('{grouped}');
SELECT view, (verified(view)).verdict, (verified(view)).pending FROM unnest('{grouped,above,unanchored,odd_ones}'::regclass[]) view;
SELECT success FROM refresh_materialized_views_smart();
SELECT view, (verified(view)).verdict, (verified(view)).pending FROM unnest('{grouped,above,unanchored,odd_ones}'::regclass[]) view;
-- a part of a partitioned table cannot be told as it was
CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
INSERT INTO parted VALUES (1, 1);
CREATE MATERIALIZED VIEW of_part AS SELECT id, n FROM parted_1;
SELECT tracked FROM refresh_mv.track('of_part');
SELECT success FROM refresh_materialized_views_smart('{of_part}');
UPDATE parted SET n = 2;
SELECT * FROM verified('of_part');

-- ---- wrong: a function that lies
CREATE TABLE hidden (n int);
INSERT INTO hidden VALUES (1);
CREATE FUNCTION liar(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + (SELECT n FROM suite.hidden); END';
CREATE MATERIALIZED VIEW lied AS SELECT id, liar(id) AS v FROM t WHERE id < 4;
SELECT tracked FROM refresh_mv.track('lied');
SELECT success FROM refresh_materialized_views_smart('{lied}');
UPDATE hidden SET n = 2;
SELECT * FROM verified('lied');
UPDATE t SET g = 0 WHERE id = 1;
DELETE FROM t WHERE id = 2;
SELECT * FROM verified('lied');
SELECT verdict, repaired FROM verified('lied', true);
SELECT * FROM verified('lied');
-- of several right answers this may be another one
CREATE TABLE many (id int PRIMARY KEY, n int);
INSERT INTO many SELECT i, i FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW several AS SELECT id FROM many LIMIT 50;
SELECT tracked FROM refresh_mv.track('several');
SELECT success FROM refresh_materialized_views_smart('{several}');
UPDATE many SET n = n + 1 WHERE id = 3;
SELECT verdict, missing > 0 AS missing, extra > 0 AS extra, remark FROM verified('several');

-- ---- what keep_before keeps is not compared
CREATE TABLE events (id int PRIMARY KEY, day date);
INSERT INTO events SELECT i, current_date - i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW daily AS SELECT day, count(*) AS n FROM events GROUP BY day;
SELECT refresh_mv.configure('daily', keep_before => '10 days');
DELETE FROM events WHERE day < current_date - 10;
SELECT verdict, missing, extra FROM verified('daily');
DELETE FROM events WHERE id = 1;
SELECT verdict, missing, extra FROM verified('daily');

-- ---- transactions
BEGIN READ ONLY;
SELECT verdict FROM verified('grouped');
SELECT verdict FROM verified('daily', true);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT verdict FROM verified('grouped');
ROLLBACK;

-- ---- rights
ALTER MATERIALIZED VIEW plain OWNER TO refresh_mv_owner;
GRANT SELECT ON t TO refresh_mv_owner;
REVOKE SELECT ON plain FROM refresh_mv_owner;
GRANT SELECT ON plain TO refresh_mv_other;
GRANT USAGE ON SCHEMA suite TO refresh_mv_other;
SET ROLE refresh_mv_other;
\set VERBOSITY sqlstate
SELECT verdict FROM refresh_mv.verify('plain');
\set VERBOSITY default
SET ROLE refresh_mv_owner;
SELECT verdict, missing > 0 AS missing, missing_sample, extra_sample FROM refresh_mv.verify('plain');
RESET ROLE;
SELECT verdict FROM refresh_mv.verify('t');
SELECT verdict FROM refresh_mv.verify(NULL);
SELECT verdict FROM refresh_mv.verify('plain', NULL);

-- ---- all of them
SET client_min_messages = notice;
CALL refresh_mv.verify_all();
SET client_min_messages = warning;
SELECT success FROM refresh_materialized_views();
CALL refresh_mv.verify_all();
-- stale is no reason to complain
INSERT INTO t VALUES (300, 1, 1);
SELECT (refresh_mv.verify('plain', true)).verdict;
CALL refresh_mv.verify_all();
BEGIN;
CALL refresh_mv.verify_all();
COMMIT;
-- what cannot be verified is told from what is wrong
CREATE TABLE divisor (n int);
INSERT INTO divisor VALUES (1);
CREATE MATERIALIZED VIEW divided AS SELECT 1 / n AS n FROM divisor;
UPDATE divisor SET n = 0;
CALL refresh_mv.verify_all();
SET ROLE refresh_mv_other;
CALL refresh_mv.verify_all();
RESET ROLE;

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_owner, refresh_mv_other;
