CALL helpers.begin_suite();
-- refresh_mv.schedule() and unschedule() in a database without pg_cron: an error
-- that says what to do.  The name of this database is masked.
SELECT count(*) AS cron FROM pg_extension WHERE extname = 'pg_cron';
\pset format unaligned
SELECT call, state, replace(message, current_database(), 'DATABASE') AS message, detail, replace(hint, current_database(), 'DATABASE') AS hint
FROM unnest(ARRAY['schedule()', 'unschedule()', $$schedule('* * * * *')$$, $$schedule(smart => NULL, "full" => NULL)$$,
    $$schedule("full" => 'garbage')$$]) call, error_of('SELECT refresh_mv.' || call) e;
\pset format aligned
-- The same for a role without rights.
CREATE ROLE refresh_mv_cron_user;
GRANT USAGE ON SCHEMA suite TO refresh_mv_cron_user;
SET ROLE refresh_mv_cron_user;
SELECT state, e.message LIKE 'pg_cron is not installed%' AS not_installed FROM error_of('SELECT refresh_mv.schedule()') e;
RESET ROLE;
-- An object of the caller's that is called as pg_cron's is not taken for it.
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid bigint, jobname text, username text, database text);
CREATE FUNCTION cron.schedule(text, text, text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
SELECT state FROM error_of('SELECT refresh_mv.schedule()');
DROP SCHEMA cron CASCADE;
-- The arguments: two schedules, each with a default.
SELECT pg_get_function_arguments(p.oid), pg_get_function_result(p.oid) FROM pg_proc p
WHERE pronamespace = 'refresh_mv'::regnamespace AND proname IN ('schedule', 'unschedule') ORDER BY 1 DESC;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_cron_user;
