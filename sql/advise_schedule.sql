CALL helpers.begin_suite();
-- What refresh_mv.advise() makes of the history, of pg_cron's jobs and of the counters of
-- updates; and of whose views it tells.
\pset format unaligned
\pset footer off
CREATE ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_reader;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_owner, refresh_mv_reader;
CREATE TABLE t (id int PRIMARY KEY, n int);
INSERT INTO t SELECT i, 0 FROM generate_series(1, 3000) i;
CREATE MATERIALIZED VIEW v AS SELECT id, max(n) AS n FROM t GROUP BY id;
CREATE INDEX ON v (id);
ANALYZE t, v;

-- ---- what recomputing cost, by the history
-- Writes the history of a view, one refresh an hour.
CREATE FUNCTION history(name text, methods text[], took interval, source text DEFAULT 'function', every interval DEFAULT '1 hour', mode text DEFAULT 'smart')
RETURNS void LANGUAGE sql AS $$
    INSERT INTO refresh_mv.journal
    SELECT coalesce((SELECT max(id) FROM refresh_mv.journal), 0) + i, i, 'suite', name, mode, method, '', now() - (i - 1) * every, took,
        0, 0, 0, 0, now(), true, NULL, NULL, 'postgres', source
    FROM unnest(methods) WITH ORDINALITY m (method, i)
$$;
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;
SELECT history('v', '{full,window,rebuild,full}', '1234.6 ms');
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;
-- not of failures, nor of what is older than a week
UPDATE refresh_mv.journal SET success = false WHERE id = 1;
UPDATE refresh_mv.journal SET started = started - interval '8 days' WHERE id = 3;
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;
TRUNCATE refresh_mv.journal;
SELECT history('v', '{window,window}', '1 s');
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;
SELECT statement FROM refresh_mv.advise() WHERE view IS NOT NULL \gexec
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;

-- ---- room in the pages of a view, for updates within them
SELECT (refresh_materialized_views_smart('{v}')).success;
UPDATE t SET n = n + 1 WHERE id <= 1400;
SELECT (refresh_materialized_views_smart('{v}')).success;
SELECT method, rows_updated FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
SELECT pg_stat_force_next_flush();
SELECT statement, regexp_replace(reason, '\d{4} of', 'N of') AS reason FROM refresh_mv.advise() WHERE view IS NOT NULL;
SELECT statement FROM refresh_mv.advise() WHERE view IS NOT NULL \gexec
SELECT reloptions FROM pg_class WHERE oid = 'v'::regclass;
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;

-- ---- a schedule, without pg_cron
TRUNCATE refresh_mv.journal;
SELECT view, replace(statement, current_database(), 'DATABASE') AS statement, reason FROM refresh_mv.advise();
-- What is advised after so many scheduled runs, some of which found changes.
CREATE FUNCTION scheduled(runs int, busy int, every interval, took interval) RETURNS TABLE (statement text, reason text) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE refresh_mv.journal;
    PERFORM history('v', array_fill('delta'::text, ARRAY[busy]) || array_fill('skip'::text, ARRAY[runs - busy]), took, 'procedure', every);
    RETURN QUERY SELECT replace(a.statement, current_database(), 'DATABASE'), a.reason FROM refresh_mv.advise() a WHERE a.view IS NULL;
END $$;
SELECT s.runs, s.busy, s.every, s.took, a.* FROM (VALUES (19, 19, '15 min'::interval, '1 s'::interval), (20, 10, '15 min', '1 s'), (20, 20, '15 min', '1 s'),
    (20, 19, '15 min', '50 s'), (20, 1, '15 min', '1 s'), (20, 10, '15 min', '8 min'), (20, 20, '1 min', '0.1 s'), (20, 20, '1 min', '40 s'),
    (20, 10, '1 day', '1 s'), (100, 0, '1 h', '1 s'), (20, 20, '5 min', '0')) s (runs, busy, every, took)
LEFT JOIN LATERAL scheduled(runs, busy, every, took) a ON true;
-- runs by hand, or of other modes, say nothing
TRUNCATE refresh_mv.journal;
SELECT history('v', array_fill('delta'::text, ARRAY[50]), '1 s', 'function', '1 min'), history('v', array_fill('full'::text, ARRAY[50]), '1 s', 'procedure', '1 min', 'full');
SELECT reason FROM refresh_mv.advise() WHERE view IS NULL;

-- ---- with pg_cron, as far as this needs it
BEGIN;
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid serial, jobname text, schedule text, command text, username text DEFAULT current_user, database text DEFAULT current_database(),
    active boolean DEFAULT true, UNIQUE (jobname, username));
CREATE FUNCTION cron.schedule(name text, schedule text, command text) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO cron.job (jobname, schedule, command) VALUES ($1, $2, $3)
    ON CONFLICT (jobname, username) DO UPDATE SET schedule = $2, command = $3 RETURNING jobid
$$;
CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'DELETE FROM cron.job WHERE jobid = $1 RETURNING true';
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT oid, 'pg_cron', 10, 'cron'::regnamespace, false, '1.4' FROM (SELECT max(oid::bigint) + 1000000 FROM pg_extension) o (oid);
TRUNCATE refresh_mv.journal;
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NULL;
SELECT statement FROM refresh_mv.advise() WHERE view IS NULL \gexec
SELECT jobname, schedule, command FROM cron.job ORDER BY 1;
SELECT statement, reason FROM refresh_mv.advise() WHERE view IS NULL;
-- as it is found to suit, or not; a schedule that was chosen stays as long as little is known
SELECT statement FROM scheduled(20, 10, '15 min', '1 s');
SELECT statement FROM scheduled(20, 20, '15 min', '1 s');
UPDATE cron.job SET schedule = '0 3 * * *';
SELECT statement FROM scheduled(20, 20, '1 day', '1 s');
UPDATE cron.job SET schedule = '*/10 * * * *';
SELECT statement FROM scheduled(20, 10, '10 min', '1 s');
UPDATE cron.job SET schedule = '*/5 * * * *';
SELECT statement FROM scheduled(20, 20, '5 min', '1 s');
-- views that are not tracked are in need of a nightly refresh, too
SELECT refresh_mv.untrack('v');
SELECT statement FROM scheduled(20, 20, '5 min', '1 s');
SELECT statement FROM refresh_mv.advise() WHERE view IS NULL \gexec
SELECT jobname, schedule, command FROM cron.job ORDER BY 1;
SELECT statement FROM scheduled(20, 20, '5 min', '1 s');
-- jobs of others, of other databases, and those that are switched off do not count
UPDATE cron.job SET active = false;
SELECT statement FROM scheduled(20, 20, '5 min', '1 s');
UPDATE cron.job SET active = true, username = 'another';
SELECT statement FROM scheduled(20, 20, '5 min', '1 s');
UPDATE cron.job SET username = current_user, database = 'another';
SELECT statement FROM scheduled(20, 20, '5 min', '1 s');
ROLLBACK;

-- ---- whose views
TRUNCATE refresh_mv.journal;
CREATE MATERIALIZED VIEW theirs AS SELECT n, count(*) FROM t GROUP BY n;
ALTER MATERIALIZED VIEW theirs OWNER TO refresh_mv_owner;
GRANT SELECT ON theirs, v TO refresh_mv_reader;
GRANT SELECT, TRIGGER ON t TO refresh_mv_owner;
-- What is advised to a role, which runs all of it.
CREATE FUNCTION advised_to(role name) RETURNS TABLE (advised regclass, statement text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    FOR advised, statement IN SELECT a.view, a.statement FROM refresh_mv.advise() a WHERE a.view IS NOT NULL LOOP
        EXECUTE statement;
        RETURN NEXT;
    END LOOP;
    RESET ROLE;
END $$;
GRANT ALL ON FUNCTION advised_to TO PUBLIC;
SELECT * FROM advised_to('refresh_mv_reader');
SELECT * FROM advised_to('refresh_mv_owner');
SELECT * FROM advised_to('refresh_mv_owner');
SELECT name, tracked FROM refresh_mv.status WHERE schema = 'suite' ORDER BY 1;
-- one that cannot be refreshed is a line among the others
CREATE MATERIALIZED VIEW another AS SELECT n FROM t;
ALTER MATERIALIZED VIEW another OWNER TO refresh_mv_owner;
REVOKE ALL ON t FROM refresh_mv_owner;
SELECT view, statement, reason FROM refresh_mv.advise() WHERE view IN ('theirs'::regclass, 'another'::regclass);
SET ROLE refresh_mv_owner;
SELECT view, statement, reason FROM refresh_mv.advise() WHERE view IS NOT NULL;
RESET ROLE;
SELECT refresh_mv.configure('another', enabled => false), refresh_mv.configure('theirs', enabled => false), refresh_mv.configure('v', enabled => false);
SELECT * FROM refresh_mv.advise();

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_owner, refresh_mv_reader;
