\set ECHO none
-- What all suites share, made once: each begins with CALL helpers.begin_suite().
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS helpers CASCADE;
CREATE SCHEMA helpers;
GRANT USAGE ON SCHEMA helpers TO PUBLIC;
SET search_path = helpers;

-- An empty schema for a suite, an extension that knows of no view, and fixed settings.
CREATE PROCEDURE begin_suite() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config(name, value, false) FROM (VALUES
        ('client_min_messages', 'warning'), ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'), ('jit', 'off'),
        -- Small tables are cheaper to read whole; the exact methods are to be tested.
        ('refresh_mv.exact_cost_limit', '1e9')) AS settings (name, value);
    DROP SCHEMA IF EXISTS suite CASCADE;
    CREATE SCHEMA suite;
    CREATE EXTENSION IF NOT EXISTS refresh_mv SCHEMA public;
    TRUNCATE refresh_mv.journal, refresh_mv.settings, refresh_mv.names;
    PERFORM set_config('search_path', 'suite, helpers, public', false);
END $$;

-- The number of rows that the view lacks plus those that it has too many,
-- among the rows that meet the condition.  Rows are compared by what they send
-- to a client in binary, which tells 1.0 from 1.00 and -0 from 0 and exists for
-- types without equality too.
CREATE FUNCTION check_view(view regclass, condition text DEFAULT 'true') RETURNS bigint
LANGUAGE plpgsql SET work_mem = '64MB' AS $$
DECLARE
    differences bigint;
BEGIN
    EXECUTE format($q$
        SELECT coalesce(sum(abs(surplus)), 0) FROM (
            SELECT sum(side) AS surplus FROM (
                SELECT md5(pg_catalog.record_send(_row)) AS image, 1 AS side FROM %1$s _row WHERE %3$s
                UNION ALL
                SELECT md5(pg_catalog.record_send(_row)), -1 FROM (%2$s) _row WHERE %3$s) both_sides
            GROUP BY image) images
        $q$, view, rtrim(pg_get_viewdef(view), ';'), condition) INTO differences;
    RETURN differences;
END $$;

-- Notes place, transaction and image of every row of the view.
CREATE FUNCTION remember(view regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS remembered;
    EXECUTE format('CREATE TEMP TABLE remembered AS
        SELECT _row.ctid AS tid, _row.xmin::text AS xid, pg_catalog.record_send(_row) AS image FROM %s _row',
        view);
END $$;

-- The number of rows of the view that are not where they were, as they were.
CREATE FUNCTION rows_written(view regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    written bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (
        SELECT _row.ctid, _row.xmin::text, pg_catalog.record_send(_row) FROM %s _row
        EXCEPT ALL SELECT * FROM remembered) d', view) INTO written;
    RETURN written;
END $$;

-- The number of remembered rows that are gone from their place.
CREATE FUNCTION rows_gone(view regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM (SELECT * FROM remembered
        EXCEPT ALL SELECT _row.ctid, _row.xmin::text, pg_catalog.record_send(_row) FROM %s _row) d', view)
        INTO gone;
    RETURN gone;
END $$;

-- Whether a query of one value gives the same by the index named and by a
-- sequential scan.
CREATE FUNCTION same_by_index(index_name text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    used boolean := false;
    by_index text;
    by_table text;
BEGIN
    PERFORM set_config('enable_indexscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
        set_config('enable_indexonlyscan', 'off', true), set_config('enable_seqscan', 'on', true);
    EXECUTE query INTO by_table;
    PERFORM set_config('enable_indexscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
        set_config('enable_indexonlyscan', 'on', true), set_config('enable_seqscan', 'off', true);
    EXECUTE query INTO by_index;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        used := used OR position(index_name IN line) > 0;
    END LOOP;
    PERFORM set_config('enable_seqscan', 'on', true);
    RETURN CASE WHEN NOT used THEN 'index not used'
                WHEN by_index IS DISTINCT FROM by_table THEN 'index ' || by_index || ', table ' || by_table
                ELSE 'same' END;
END $$;

-- What a refresh says of tables, without the schema: from 17 on a refresh has a
-- search_path of its own.  Objects of commands ("CREATE VIEW of suite.v") always have it.
CREATE FUNCTION unqualified(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace($1, '(?<![A-Z] of )\m(suite|fixture)\.', '', 'g')
$$;

-- Checks every B-tree of a view with amcheck, where that is installed: each
-- row must be in the index.
CREATE FUNCTION check_btrees(view regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    btree regclass;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck') THEN
        RETURN;
    END IF;
    CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA suite;
    FOR btree IN SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                 JOIN pg_am a ON a.oid = c.relam WHERE i.indrelid = view AND i.indisvalid AND a.amname = 'btree' LOOP
        PERFORM bt_index_check(btree, true);
    END LOOP;
END $$;

-- Runs a statement in a block that undoes it; tells the error that it raised.
CREATE FUNCTION error_of(call text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    message := 'no error';
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS state := RETURNED_SQLSTATE, message := MESSAGE_TEXT,
        detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
END $$;

-- ---- what suites about refresh_mv.explain() check it with

-- Text without the planner's estimates.
CREATE FUNCTION masked(text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace($1, '\m(costs?) \d+', '\1 N', 'g'), '(instead of) \d+', '\1 N', 'g')
$$;

-- A digest of all that the extension's tables hold.
CREATE FUNCTION digest() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    name text;
    rows text;
    all_rows text := '';
BEGIN
    FOR name IN SELECT c.oid::regclass FROM pg_class c
                WHERE c.relnamespace = 'refresh_mv'::regnamespace AND c.relkind = 'r' ORDER BY c.relname LOOP
        EXECUTE format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM %s t', name) INTO rows;
        all_rows := all_rows || name || coalesce(rows, '-');
    END LOOP;
    RETURN md5(all_rows);
END $$;

-- Fails unless what is explained of a view is complete, and consistent, and changes nothing.
CREATE FUNCTION check_explained(view regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    before text := digest();
    problem text;
BEGIN
    WITH e AS MATERIALIZED (SELECT * FROM refresh_mv.explain(view)),
    v AS MATERIALIZED (SELECT * FROM refresh_mv.explain(view, true)),
    -- the same advice, statement by statement
    r AS MATERIALIZED (
        SELECT CASE WHEN statement LIKE '--%' THEN concat_ws(': ', statement, nullif(reason, ''))
                    ELSE concat_ws('  -- ', statement || ';', nullif(reason, '')) END AS line
        FROM refresh_mv.remedies(view))
    SELECT CASE
        WHEN (SELECT string_agg(method, ' ') FROM e) <> 'skip delta keys window full rebuild' THEN 'not all methods'
        WHEN (SELECT count(*) FROM e WHERE chosen AND possible) <> 1 THEN 'no method is chosen, or several are'
        WHEN EXISTS (SELECT FROM e WHERE chosen AND NOT possible) THEN 'what is chosen is not possible'
        WHEN EXISTS (SELECT FROM e WHERE possible AND cost IS NULL OR cost < 0) THEN 'the cost is missing'
        WHEN EXISTS (SELECT FROM e WHERE reason = '' OR details IS NOT NULL) THEN 'a reason is missing'
        WHEN EXISTS (SELECT FROM e JOIN v USING (method)
                     WHERE (e.possible, e.chosen, e.reason, masked(e.advice)) IS DISTINCT FROM (v.possible, v.chosen, v.reason, masked(v.advice)))
            THEN 'verbose is different'
        WHEN (SELECT array_agg(DISTINCT masked(line) ORDER BY masked(line)) FROM e, string_to_table(advice, E'\n') line)
             IS DISTINCT FROM (SELECT array_agg(DISTINCT masked(line) ORDER BY masked(line)) FROM r)
            THEN 'remedies() are other ones'
        END INTO problem;
    ASSERT problem IS NULL, problem;
    ASSERT digest() = before, 'explain() has changed something';
END $$;

-- Explains a view, refreshes it by smart and tells what was done; fails unless that is what
-- was explained, for the reason that was explained, and right.
CREATE FUNCTION smart(view regclass, OUT method text, OUT reason text) LANGUAGE plpgsql AS $$
DECLARE
    done record;
    why text;
    differences bigint;
BEGIN
    PERFORM check_explained(view);
    SELECT e.method, e.reason INTO smart.method, why FROM refresh_mv.explain(view) e WHERE e.chosen;
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method, j.reason, j.success INTO done FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    differences := check_view(view);
    ASSERT done.success AND done.method = smart.method,
        format('%s was explained (%s), %s was done (%s)', smart.method, why, done.method, done.reason);
    ASSERT replace(replace(why, '; older data are trusted', ''), ', which come to nothing', '') = done.reason,
        format('%s was explained, %s was given', why, done.reason);
    ASSERT differences = 0 OR smart.method = 'window', format('%s rows differ', differences);
    reason := done.reason;
END $$;

-- Makes the view of a name in the suite's table shapes, tracks it, and refreshes it after each of the changes: the
-- methods, the wrong rows, and the reasons of full refreshes.
CREATE FUNCTION told(shape text, changes text[], OUT methods text, OUT differences bigint, OUT reasons text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shown AS ' || (SELECT s.query FROM shapes s WHERE s.name = shape);
    PERFORM refresh_mv.track('shown'::text::regclass);
    TRUNCATE refresh_mv.journal;
    EXECUTE 'SELECT refresh_materialized_views_smart(''{shown}'')';
    differences := check_view('shown'::text::regclass);
    FOREACH statement IN ARRAY changes LOOP
        EXECUTE statement;
        EXECUTE 'SELECT refresh_materialized_views_smart(''{shown}'')';
        differences := differences + check_view('shown'::text::regclass);
    END LOOP;
    SELECT string_agg(h.method, ' ' ORDER BY h.run), string_agg(DISTINCT substring(h.reason FROM ', but (.*)'), '; ') INTO methods, reasons FROM refresh_mv.history h;
    DROP MATERIALIZED VIEW shown;
END $$;

CALL begin_suite();
\set ECHO all
SELECT current_schemas(false);
