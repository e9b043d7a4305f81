CALL helpers.begin_suite();
-- A view that fails does not keep others from being refreshed; a cancelled
-- statement is not taken for such a failure.
CREATE TABLE source (id int, n int);
INSERT INTO source SELECT g, g FROM generate_series(1, 20) g;
CREATE MATERIALIZED VIEW a_good AS SELECT id, n FROM source;
CREATE MATERIALIZED VIEW b_divides AS SELECT id, 100 / n AS quotient FROM source;
CREATE MATERIALIZED VIEW c_good AS SELECT count(*), sum(n) FROM source;
CREATE MATERIALIZED VIEW d_on_bad AS SELECT sum(quotient) FROM b_divides;

-- Division by zero: it fails, with a warning, and is as it was; the others are
-- right; the message names it.
UPDATE source SET n = n - 5;
SELECT remember('b_divides');
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views();
SELECT check_view('a_good'), check_view('c_good'), check_view('d_on_bad'), rows_written('b_divides'), rows_gone('b_divides');
-- All of them fail.
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views(views => '{b_divides}');
-- It recovers.
UPDATE source SET n = n + 100;
SELECT success, message FROM refresh_materialized_views();
SELECT check_view('a_good'), check_view('b_divides'), check_view('c_good'), check_view('d_on_bad');

-- Detail and hint come with the warning, and messages are taken as they are.
CREATE FUNCTION complain(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF n > 100 THEN
        RAISE EXCEPTION 'n is % (100%% is the "most", %%s)', n USING detail = 'A detail, 5%.', hint = 'A hint, %s.', errcode = 'XX001';
    END IF;
    RETURN n;
END $$;
CREATE MATERIALIZED VIEW complains AS SELECT complain(n - 100) FROM source;
UPDATE source SET n = 250 WHERE id = 1;
SELECT success, message FROM refresh_materialized_views(views => '{a_good,complains}') \g (format=unaligned)
DROP MATERIALIZED VIEW complains;

-- Errors of functions, of every kind, and of nested exception blocks.
CREATE FUNCTION nested(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        RETURN n;
    END;
END $$;
CREATE MATERIALIZED VIEW nests AS SELECT nested(n) FROM source;
UPDATE source SET n = n + 1;
SELECT success, check_view('nests') FROM refresh_materialized_views(views => '{nests}');
CREATE OR REPLACE FUNCTION nested(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nn FROM suite.source;
END $$;
SELECT success, message FROM refresh_materialized_views(views => '{nests,a_good}');
CREATE OR REPLACE FUNCTION nested(n int) RETURNS int LANGUAGE sql AS 'SELECT $1';
SELECT success, check_view('nests') FROM refresh_materialized_views(views => '{nests}');
-- One that refreshes, or changes, what is being refreshed.
CREATE OR REPLACE FUNCTION nested(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    result record;
BEGIN
    SELECT success, message FROM public.refresh_materialized_views(views => '{suite.nests}') INTO result;
    IF NOT result.success THEN RAISE EXCEPTION 'inner failure'; END IF;
    RETURN 1;
END $$;
SET client_min_messages = error;
SELECT success, message FROM refresh_materialized_views(views => '{nests}');
SET client_min_messages = warning;
DROP MATERIALIZED VIEW nests;

-- Timeouts and cancels are raised, and nothing of the call stays.
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(10);
    RETURN n;
END $$;
CREATE MATERIALIZED VIEW z_slow AS SELECT slow(n) FROM source WHERE id > 20;
INSERT INTO source VALUES (21, 21);
SELECT remember('a_good');
SET statement_timeout = '200ms';
SELECT success FROM refresh_materialized_views(views => '{a_good,z_slow}');
RESET statement_timeout;
SELECT rows_written('a_good'), rows_gone('a_good');
-- Likewise in a block that handles errors.
CREATE FUNCTION cancelled() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views(views => '{a_good,z_slow}');
    RETURN 'not cancelled';
EXCEPTION WHEN query_canceled THEN
    RETURN 'cancelled';
END $$;
SET statement_timeout = '200ms';
SELECT cancelled();
RESET statement_timeout;
SELECT rows_written('a_good'), rows_gone('a_good');
DROP MATERIALIZED VIEW z_slow;

-- Called inside an exception block, the whole call is undone with it.
CREATE FUNCTION undone() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views(views => '{a_good}');
    RAISE EXCEPTION 'after the refresh';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END $$;
SELECT undone(), rows_written('a_good'), rows_gone('a_good');
-- A failing view inside a block: others stay refreshed.
CREATE FUNCTION partly() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    UPDATE source SET n = 0 WHERE id = 3;
    SELECT message FROM refresh_materialized_views(views => '{a_good,b_divides}') INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN 'raised: ' || sqlerrm;
END $$;
SELECT partly(), check_view('a_good');
UPDATE source SET n = 1 WHERE id = 3;
SELECT success FROM refresh_materialized_views();

-- Inside a query that reads the view, or a loop over it, it cannot be refreshed.
INSERT INTO source VALUES (30, 30);
SELECT DISTINCT success, message FROM a_good, LATERAL (SELECT * FROM refresh_materialized_views(views => '{a_good,c_good}') LIMIT 1) r;
SELECT check_view('a_good') > 0 AS stale, check_view('c_good');
DO $$
DECLARE
    row record;
    result record;
BEGIN
    FOR row IN SELECT * FROM a_good LOOP
        SELECT success, message FROM refresh_materialized_views(views => '{a_good}') INTO result;
        EXIT;
    END LOOP;
    RAISE WARNING '%', result;
    -- After the loop it can.
    SELECT success, message FROM refresh_materialized_views(views => '{a_good}') INTO result;
    RAISE WARNING '%', result;
END $$;
SELECT check_view('a_good');
-- A loop over the source is none of its business.
DO $$
DECLARE
    row record;
BEGIN
    FOR row IN SELECT * FROM source WHERE id <= 3 ORDER BY id LOOP
        UPDATE source SET n = n + 7 WHERE id = row.id;
        PERFORM refresh_materialized_views(views => '{a_good}');
        IF check_view('a_good') > 0 THEN RAISE WARNING 'wrong in the loop'; END IF;
    END LOOP;
END $$;
SELECT check_view('a_good');

-- Many failures in one transaction leave nothing behind.
UPDATE source SET n = 0 WHERE id = 4;
BEGIN;
DO $$
BEGIN
    SET LOCAL client_min_messages = error;
    FOR i IN 1..200 LOOP
        PERFORM refresh_materialized_views(views => '{b_divides}');
    END LOOP;
END $$;
SELECT success, message FROM refresh_materialized_views(views => '{a_good}');
SELECT current_user = session_user AS same_user, current_setting('search_path') AS search_path;
COMMIT;
SELECT check_view('a_good');
DROP SCHEMA suite CASCADE;
