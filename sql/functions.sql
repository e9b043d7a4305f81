CALL helpers.begin_suite();
-- The functions' rows, defaults and argument checks.

-- Arguments and columns: names, types and their order.
SELECT proname, n, proargnames[n] AS name, proargmodes[n] AS mode, proallargtypes[n]::regtype AS type
FROM pg_proc, generate_subscripts(proallargtypes, 1) n
WHERE proname ~ '^refresh_materialized_views' AND proargmodes[n] = 'i'
    AND n <= CASE proname WHEN 'refresh_materialized_views' THEN 3 ELSE 1 END
ORDER BY proname, n;
SELECT proname, row_number() OVER (PARTITION BY proname ORDER BY n), proargnames[n] AS name, proallargtypes[n]::regtype AS type
FROM pg_proc, generate_subscripts(proallargtypes, 1) n
WHERE proname ~ '^refresh_materialized_views' AND proargmodes[n] = 'o' ORDER BY 1, 2;

-- Without materialized views there is nothing to do, which is no failure.
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views();
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views(true, 7);
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views_smart();

CREATE TABLE sales (day date, shop int, amount numeric);
INSERT INTO sales SELECT current_date - d, s, d * s FROM generate_series(0, 60) d, generate_series(1, 3) s;
CREATE MATERIALIZED VIEW per_day AS SELECT day, sum(amount) FROM sales GROUP BY day;
CREATE MATERIALIZED VIEW per_shop AS SELECT shop, sum(amount) FROM sales GROUP BY shop;
CREATE MATERIALIZED VIEW "Odd ""name""" AS SELECT count(*) FROM sales;
CREATE VIEW ordinary AS TABLE sales;

-- One row, as a composite and as columns; the time is not negative.
SELECT success, views_refreshed, duration_seconds >= 0 AS timed, refresh_type, message
FROM refresh_materialized_views(views => '{per_day}');
SELECT pg_typeof(r), (r).success, (r).refresh_type
FROM (SELECT refresh_materialized_views_smart('{per_day}') OFFSET 0) s (r);

-- All views are the default, in full; the row tells which.
INSERT INTO sales VALUES (current_date, 1, 1), (current_date - 30, 2, 2);
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views();
SELECT check_view('per_day'), check_view('per_shop'), check_view('"Odd ""name"""');

-- incremental, where every view has a window.
INSERT INTO sales VALUES (current_date, 1, 1);
SELECT success, views_refreshed, refresh_type, message
FROM refresh_materialized_views(true, views => '{per_day}');
SELECT check_view('per_day');

-- mixed, where some have none.
INSERT INTO sales VALUES (current_date, 1, 1);
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views(incremental => true);
SELECT check_view('per_day'), check_view('per_shop'), check_view('"Odd ""name"""');
INSERT INTO sales VALUES (current_date, 1, 1);
SELECT success, views_refreshed, refresh_type, message FROM refresh_materialized_views_smart();
SELECT check_view('per_day'), check_view('per_shop'), check_view('"Odd ""name"""');

-- A longer reach.
UPDATE sales SET amount = amount + 1 WHERE day = current_date - 9;
SELECT success, refresh_type FROM refresh_materialized_views(true, 8, '{per_day}');
SELECT check_view('per_day'), check_view('per_day', 'day >= current_date - 8');
SELECT success, refresh_type FROM refresh_materialized_views(true, 9, '{per_day}');
SELECT check_view('per_day');

-- A view listed several times is refreshed once.
INSERT INTO sales VALUES (current_date, 1, 1);
SELECT success, views_refreshed, refresh_type, message
FROM refresh_materialized_views(views => '{per_shop,per_day,per_shop,suite.per_shop}');
SELECT check_view('per_day'), check_view('per_shop');
SELECT success, views_refreshed, refresh_type, message
FROM refresh_materialized_views_smart(ARRAY[['per_shop', 'per_shop'], ['per_day', 'per_day']]::regclass[]);

-- Names are given as regclass does: qualified where need be.
SET search_path = public;
SELECT views_refreshed FROM refresh_materialized_views(views => ARRAY['suite.per_day', 'suite."Odd ""name"""']::regclass[]);
SET search_path = suite, helpers, public;

-- Argument errors.
CREATE FUNCTION error_of(call text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    message := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state := RETURNED_SQLSTATE, message := MESSAGE_TEXT,
        detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
\pset format unaligned
SELECT call, e.* FROM unnest(ARRAY[
    $$SELECT refresh_materialized_views(NULL)$$,
    $$SELECT refresh_materialized_views(true, NULL)$$,
    $$SELECT refresh_materialized_views(true, -1)$$,
    $$SELECT refresh_materialized_views(false, -1)$$,
    $$SELECT refresh_materialized_views(true, 36501)$$,
    $$SELECT refresh_materialized_views(true, 2147483647)$$,
    $$SELECT refresh_materialized_views(views => '{}')$$,
    $$SELECT refresh_materialized_views(views => '{per_day,NULL}')$$,
    $$SELECT refresh_materialized_views(views => '{per_day,sales}')$$,
    $$SELECT refresh_materialized_views(views => '{ordinary}')$$,
    $$SELECT refresh_materialized_views(views => '{pg_class_oid_index}')$$,
    $$SELECT refresh_materialized_views(views => '{nonexistent}')$$,
    $$SELECT refresh_materialized_views(views => '{4294967295}')$$,
    $$SELECT refresh_materialized_views(views => '{0}')$$,
    $$SELECT refresh_materialized_views_smart('{}')$$,
    $$SELECT refresh_materialized_views_smart('{NULL}')$$,
    $$SELECT refresh_materialized_views_smart('{sales}')$$,
    $$SELECT refresh_mv.configure(NULL)$$,
    $$SELECT refresh_mv.configure('sales', 'day')$$,
    $$SELECT refresh_mv.configure('per_day', 'nonexistent')$$,
    $$SELECT refresh_mv.configure('per_day', 'sum')$$,
    $$SELECT refresh_mv.configure('per_day', '')$$,
    $$SELECT refresh_mv.configure('per_day', 'ctid')$$
    ]) call, error_of(call) e;
\pset format aligned
-- Nothing was refreshed by any of them.
INSERT INTO sales VALUES (current_date, 1, 1);
SELECT e.state FROM error_of($$SELECT refresh_materialized_views(views => '{per_day,sales}')$$) e;
SELECT check_view('per_day') > 0 AS stale;
-- The extremes of the reach are no errors.
SELECT success, refresh_type FROM refresh_materialized_views(true, 0, '{per_day}');
SELECT success, refresh_type FROM refresh_materialized_views(true, 36500, '{per_day}');
SELECT check_view('per_day');

-- A read-only transaction cannot refresh.
BEGIN READ ONLY;
SELECT refresh_materialized_views();
ROLLBACK;
BEGIN READ ONLY;
SELECT refresh_materialized_views_smart('{per_day}');
ROLLBACK;

-- refresh_mv.skip_refresh makes calls return at once.
INSERT INTO sales VALUES (current_date, 1, 1);
SET refresh_mv.skip_refresh = on;
SELECT success, views_refreshed, duration_seconds, refresh_type, message FROM refresh_materialized_views();
SELECT success, views_refreshed, duration_seconds, refresh_type, message FROM refresh_materialized_views_smart('{per_day}');
SELECT check_view('per_day') > 0 AS stale;
RESET refresh_mv.skip_refresh;
SELECT success, views_refreshed, refresh_type FROM refresh_materialized_views_smart('{per_day}');
SELECT check_view('per_day');
SET refresh_mv.no_such_setting = 1;

-- Under EXPLAIN the function does not run.
INSERT INTO sales VALUES (current_date, 1, 1);
EXPLAIN (COSTS OFF) SELECT * FROM refresh_materialized_views(views => '{per_day}');
SELECT check_view('per_day') > 0 AS stale;

-- A refresh that is rolled back leaves everything as it was.
SELECT remember('per_day');
BEGIN;
SELECT success FROM refresh_materialized_views(views => '{per_day}');
SELECT check_view('per_day');
ROLLBACK;
SELECT check_view('per_day') > 0 AS stale, rows_written('per_day'), rows_gone('per_day');

-- Several times in one transaction; each sees what the transaction has done.
BEGIN;
SELECT success FROM refresh_materialized_views(views => '{per_day}');
UPDATE sales SET amount = amount + 1;
SELECT success FROM refresh_materialized_views(true, views => '{per_day}');
SELECT check_view('per_day', 'day >= current_date - 2');
SAVEPOINT s;
DELETE FROM sales;
SELECT success FROM refresh_materialized_views(views => '{per_day}');
SELECT check_view('per_day'), count(*) FROM per_day;
ROLLBACK TO s;
SELECT success FROM refresh_materialized_views(views => '{per_day}');
SELECT check_view('per_day'), count(*) FROM per_day;
COMMIT;
SELECT check_view('per_day');
DROP SCHEMA suite CASCADE;
