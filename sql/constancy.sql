CALL helpers.begin_suite();
-- Only views whose result is a function of data and settings can be tracked.
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b date);
CREATE TYPE named AS (a int, r regclass);
CREATE TABLE source (id int PRIMARY KEY, s text, n numeric, f float8, d date, ts timestamp, tz timestamptz, i interval,
    m mood, j jsonb, r regclass, rs regclass[], p pair, c named);
CREATE TABLE other (id int PRIMARY KEY, s text);
CREATE TABLE secured (id int PRIMARY KEY);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE SEQUENCE numbers;
CREATE VIEW recent AS SELECT id FROM source WHERE tz > now() - interval '1 day';
CREATE VIEW shown AS SELECT id, s FROM source;
CREATE FUNCTION constant(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION reading(int) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM suite.source WHERE id < $1';
CREATE FUNCTION any_time(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION since(int, timestamptz DEFAULT now()) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION add_up(int, int) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1 + $2';
CREATE FUNCTION pairs() RETURNS SETOF pair IMMUTABLE LANGUAGE sql AS 'SELECT 1, date ''2024-01-01''';
CREATE FUNCTION nameds() RETURNS SETOF named IMMUTABLE LANGUAGE sql AS 'SELECT 1, NULL::regclass';
CREATE FUNCTION outs(int, OUT a int, OUT b regclass) IMMUTABLE LANGUAGE sql AS 'SELECT 1, NULL::regclass';
CREATE AGGREGATE adding(int) (sfunc = add_up, stype = int, initcond = '0');
CREATE FUNCTION alike(int, int) RETURNS boolean STABLE LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = alike);

-- Tries to track a view; tells what its result depends on.
CREATE FUNCTION tracking(definition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    reason text;
    outcome text := 'ok';
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || definition;
    BEGIN
        PERFORM * FROM refresh_mv.track('tried'::text::regclass);
        PERFORM refresh_mv.untrack('tried'::text::regclass);
    EXCEPTION WHEN feature_not_supported THEN
        GET STACKED DIAGNOSTICS error := MESSAGE_TEXT, reason := PG_EXCEPTION_DETAIL;
        outcome := coalesce(replace(substring(reason FROM '^Its result depends on more than data: (.*)\.$'), 'suite.', ''),
            concat_ws(' ', error, reason));
    END;
    DROP MATERIALIZED VIEW tried;
    RETURN outcome;
END $$;

CREATE TABLE definitions (no int GENERATED ALWAYS AS IDENTITY, definition text, expected text);
INSERT INTO definitions (definition, expected) VALUES
    -- Ordinary queries.
    ('SELECT * FROM source', 'ok'),
    ('SELECT s, count(*), sum(n), avg(f), max(d), string_agg(s, '','' ORDER BY id) FROM source GROUP BY s', 'ok'),
    ('SELECT id, row_number() OVER (PARTITION BY s ORDER BY d) FROM source', 'ok'),
    ('SELECT id FROM source UNION SELECT constant(id) FROM other', 'ok'),
    ('SELECT id, s FROM shown', 'ok'),
    -- Functions, wherever they stand.
    ('SELECT reading(id) FROM source', 'stable function reading(integer)'),
    ('SELECT any_time(id) FROM source', 'volatile function any_time(integer)'),
    ('SELECT id FROM source WHERE any_time(id) > 1', 'volatile function any_time(integer)'),
    ('SELECT count(*) FROM source HAVING any_time(1) > 0', 'volatile function any_time(integer)'),
    ('SELECT id FROM source ORDER BY any_time(id) LIMIT 1', 'volatile function any_time(integer)'),
    ('SELECT a.id FROM source a JOIN other b ON a.id === b.id', 'operator ===(integer,integer), by its stable function alike(integer,integer)'),
    ('SELECT id FROM source WHERE EXISTS (SELECT FROM other WHERE any_time(other.id) = source.id)', 'volatile function any_time(integer)'),
    ('WITH w AS (SELECT any_time(id) AS k FROM source) SELECT k FROM w', 'volatile function any_time(integer)'),
    ('SELECT id, g FROM source, generate_series(1, any_time(3)) g', 'volatile function any_time(integer)'),
    ('SELECT id FROM source UNION ALL SELECT any_time(id) FROM other', 'volatile function any_time(integer)'),
    ('SELECT sum(id) FILTER (WHERE any_time(id) > 1) FROM source', 'volatile function any_time(integer)'),
    ('SELECT sum(id) OVER (ORDER BY id ROWS any_time(1) PRECEDING) FROM source', 'volatile function any_time(integer)'),
    ('SELECT adding(id) FROM source', 'aggregate adding(integer), by its stable function add_up(integer,integer)'),
    ('SELECT since(id) FROM source', 'stable function now()'),
    ('SELECT since(id, tz) FROM source', 'ok'),
    ('SELECT id, random() FROM source', 'volatile function random()'),
    -- The time, the session, the catalogs, what is no data.
    ('SELECT id FROM recent', 'ok'),
    ('SELECT id FROM source WHERE d = current_date', 'ok'),
    ('SELECT id, d = current_date AS today FROM source', 'current_date in its output'),
    ('SELECT id, current_user FROM source', 'current_user'),
    ('SELECT id FROM source WHERE tz::timetz = current_time', 'ok'),
    ('SELECT id FROM source WHERE tz > current_timestamp(0)', 'ok'),
    ('SELECT id FROM source WHERE ts::time < localtime', 'ok'),
    ('SELECT id FROM source WHERE ts < localtimestamp', 'ok'),
    ('SELECT id FROM source WHERE s = current_role', 'current_role'),
    ('SELECT id FROM source WHERE s = user', 'user'),
    ('SELECT id FROM source WHERE s = session_user', 'session_user'),
    ('SELECT id FROM source WHERE s = current_catalog', 'current_catalog'),
    ('SELECT id FROM source WHERE s = current_schema', 'current_schema'),
    ('SELECT id FROM source WHERE any_time(id) = ANY (ARRAY[id, 2])', 'volatile function any_time(integer)'),
    ('SELECT id FROM source WHERE (id, s) < (any_time(id), s)', 'volatile function any_time(integer)'),
    ('SELECT id, current_setting(''TimeZone'') FROM source', 'stable function current_setting(text)'),
    ('SELECT id, age(tz) FROM source', 'age(timestamp with time zone) in its output'),
    ('SELECT id, pg_column_size(s) FROM source', 'stable function pg_column_size("any")'),
    ('SELECT id FROM source, pg_class WHERE pg_class.oid = id', 'system catalog "pg_class"'),
    ('SELECT table_name::text FROM information_schema.tables', 'system catalog "tables"'),
    ('SELECT last_value FROM numbers', 'sequence "numbers"'),
    ('SELECT * FROM secured', 'row-level security of table "secured"'),
    ('SELECT id FROM source WHERE id IN (SELECT id FROM secured)', 'row-level security of table "secured"'),
    ('SELECT id, ctid AS place FROM source', 'system columns of table "source"'),
    ('SELECT id FROM source TABLESAMPLE bernoulli (50) REPEATABLE (1)', 'TABLESAMPLE'),
    -- Dates and times, which depend on settings at most.
    ('SELECT tz::date, date_trunc(''day'', tz), extract(hour FROM tz), tz + i AS later FROM source', 'ok'),
    ('SELECT d::timestamptz, ts::timestamptz FROM source WHERE d < tz OR ts = tz', 'ok'),
    ('SELECT id, tz AT TIME ZONE ''Europe/Paris'', age(tz, tz), to_char(tz, ''YYYY-MM'') FROM source', 'ok'),
    ('SELECT id, to_date(s, ''YYYYMMDD''), to_timestamp(s, ''YYYY''), to_number(s, ''99'') FROM source', 'ok'),
    ('SELECT id, g FROM source, generate_series(tz, tz + i, i) g WHERE (tz, i) OVERLAPS (tz, i)', 'ok'),
    ('SELECT tz FROM source UNION SELECT d FROM source', 'ok'),
    -- Text of values of any type, as good as that of each type within.
    ('SELECT id::text, f::text, d::varchar AS d, tz::text, i::text, m::text, p::text FROM source', 'ok'),
    ('SELECT s || id AS a, concat(s, d), format(''%s'', f), quote_literal(id) FROM source', 'ok'),
    ('SELECT array_to_string(array_agg(tz), '','') FROM source', 'ok'),
    ('SELECT r, rs, c FROM source', 'ok'),
    ('SELECT r::text FROM source', 'cast from regclass to text'),
    ('SELECT rs::text FROM source', 'cast from regclass[] to text: regclass written as text'),
    ('SELECT c::text FROM source', 'cast from named to text: regclass written as text'),
    ('SELECT s || r AS a FROM source', 'regclass written as text'),
    ('SELECT concat_ws('','', s, rs) FROM source', 'regclass written as text'),
    ('SELECT source::text FROM source', 'cast from source to text: regclass written as text'),
    ('SELECT to_jsonb(p), to_json(m), jsonb_build_object(s, n), row_to_json(other) FROM source JOIN other USING (id, s)', 'ok'),
    ('SELECT json_agg(q ORDER BY q.id), jsonb_object_agg(q.id, q.d) FROM (SELECT id, d FROM source) q', 'ok'),
    ('SELECT o.id, (SELECT json_agg(q) FROM (SELECT f FROM source WHERE source.id = o.id) q) FROM other o', 'ok'),
    ('WITH w AS (SELECT id, s FROM source) SELECT json_agg((SELECT x FROM (SELECT w.id, w.s) x)) FROM w', 'ok'),
    ('SELECT to_jsonb(source) FROM source', 'regclass written as text'),
    ('SELECT json_agg(q) FROM (SELECT id, r FROM source) q', 'regclass written as text'),
    ('WITH w AS (SELECT id, r FROM source) SELECT json_agg((SELECT x FROM (SELECT w.id, w.r) x)) FROM w', 'regclass written as text'),
    ('SELECT to_json(q.x) FROM (SELECT ROW(id) AS x FROM source UNION ALL SELECT ROW(r) FROM source) q', 'the columns of an anonymous record'),
    -- Text of records without a name, as good as what their columns come from.
    ('WITH w AS (SELECT id, s FROM source) SELECT to_json(w) FROM w', 'ok'),
    ('WITH w AS (SELECT id, r FROM source) SELECT (SELECT to_json(w) FROM (SELECT 1) one) FROM w', 'regclass written as text'),
    ('SELECT (SELECT to_json(q)) AS j FROM (SELECT id, r FROM source OFFSET 0) q', 'regclass written as text'),
    ('SELECT to_json(q) FROM (VALUES (1, ''a''::text), (2, ''b'')) q(a, b)', 'ok'),
    ('SELECT to_json(q) FROM (VALUES (1, ''source''::regclass), (2, NULL)) q(a, b)', 'regclass written as text'),
    ('SELECT to_json(q) FROM source, jsonb_to_recordset(j) AS q(a int, b text)', 'ok'),
    ('SELECT to_json(q) FROM source, jsonb_to_recordset(j) AS q(a int, b regclass)', 'text read as regclass'),
    ('SELECT to_json(q) FROM source, ROWS FROM (generate_series(1, id), pairs()) AS q', 'ok'),
    ('SELECT to_json(q) FROM source, ROWS FROM (generate_series(1, id), nameds()) AS q', 'regclass written as text'),
    ('SELECT to_json(q) FROM source, ROWS FROM (generate_series(1, id), unnest(rs)) AS q', 'regclass written as text'),
    ('SELECT to_json(nameds()) FROM source', 'regclass written as text'),
    ('SELECT to_json(CASE WHEN id > 1 THEN ROW(id, s) END) FROM source', 'ok'),
    ('SELECT to_json(CASE WHEN id > 1 THEN ROW(id, s) ELSE ROW(id, r) END) FROM source', 'regclass written as text'),
    ('SELECT to_json(CASE WHEN id > 1 THEN ROW(id, r) ELSE ROW(id, s) END) FROM source', 'regclass written as text'),
    ('SELECT to_json(coalesce(NULL::record, ROW(id, r))) FROM source', 'regclass written as text'),
    ('SELECT to_json(ARRAY[ROW(id, s), ROW(id, n)]) FROM source', 'ok'),
    ('SELECT to_json(ARRAY[ROW(id, s), ROW(id, r)]) FROM source', 'regclass written as text'),
    ('SELECT to_json(array_agg(ROW(id, s))) FROM source', 'ok'),
    ('SELECT to_json(array_agg(ROW(id, r) ORDER BY id)) FROM source', 'regclass written as text'),
    ('SELECT to_json(lag(ROW(id, s)) OVER (ORDER BY id)) FROM source', 'ok'),
    ('SELECT to_json(lag(ROW(id, r)) OVER (ORDER BY id)) FROM source', 'regclass written as text'),
    ('SELECT to_json(q.x) FROM (VALUES (ROW(1, ''a''::text))) q(x)', 'ok'),
    ('SELECT to_json(q.x) FROM (VALUES (ROW(1, ''source''::regclass))) q(x)', 'regclass written as text'),
    ('WITH v AS (SELECT 1), w AS (SELECT id, r FROM source) SELECT (SELECT to_json(w) FROM w WHERE id = 1) AS j FROM v', 'regclass written as text'),
    ('SELECT to_json((SELECT ROW(r))) FROM source', 'regclass written as text'),
    ('SELECT to_json(outs(id)) FROM source', 'regclass written as text'),
    ('SELECT to_json(least(ROW(id), ROW(2))) FROM source', 'the columns of an anonymous record'),
    -- Text read as values: 'now' is a date.
    ('SELECT s::int AS a, s::interval AS b, s::mood AS c, s::int[] AS d FROM source', 'ok'),
    ('SELECT s::date FROM source', 'cast from text to date'),
    ('SELECT s::daterange FROM source', 'cast from text to daterange: text read as date'),
    ('SELECT s::datemultirange FROM source', 'cast from text to datemultirange: text read as date'),
    ('SELECT s::pair FROM source', 'cast from text to pair: text read as date'),
    ('SELECT s::regclass FROM source', 'cast from text to regclass'),
    ('SELECT q.* FROM source, jsonb_to_recordset(j) AS q(a int, b text)', 'ok'),
    ('SELECT q.* FROM source, jsonb_to_recordset(j) AS q(a int, b date)', 'text read as date'),
    -- Other expressions.
    ('SELECT greatest(id, 3) AS g, nullif(id, 1) AS n, s IS DISTINCT FROM ''a'' AS d FROM source WHERE (id, s) < (3, ''b'')', 'ok'),
    ('SELECT xmlforest(s, n)::text, xmlelement(name a, s)::text AS e FROM source', 'ok'),
    ('SELECT xmlforest(r)::text FROM source', 'regclass written as text'),
    ('SELECT x.* FROM source, xmltable(''/a'' PASSING xmlelement(name a, s) COLUMNS b int PATH ''b'', c text PATH ''c'') x', 'ok'),
    ('SELECT x.* FROM source, xmltable(''/a'' PASSING xmlelement(name a, s) COLUMNS b date PATH ''b'') x', 'text read as date'),
    ('SELECT to_json(x) FROM source, xmltable(''/a'' PASSING xmlelement(name a, s) COLUMNS b int PATH ''b'') x', 'ok'),
    ('SELECT rs[1]::text FROM source', 'cast from regclass to text'),
    ('SELECT id FROM source WHERE tz IN (d, now())', 'ok'),
    ('SELECT id FROM source WHERE tz IN (d, clock_timestamp())', 'volatile function clock_timestamp()'),
    ('SELECT CASE s WHEN ''a'' THEN any_time(1) END AS c FROM source', 'volatile function any_time(integer)'),
    -- Text search, by the configuration named or the default one.
    ('SELECT to_tsvector(s), to_tsvector(''simple'', s) AS simple FROM source', 'ok');
CREATE TABLE outcomes AS SELECT no, definition, expected, tracking(definition) AS outcome FROM definitions;
SELECT definition, expected, outcome = expected AS as_expected FROM outcomes ORDER BY no;

-- The error in full.
CREATE MATERIALIZED VIEW latest AS SELECT max(d) = current_date AS latest FROM source;
SELECT * FROM refresh_mv.track('latest');

-- What people write, named as they write it, and what to do.
CREATE FUNCTION tidy(town text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN regexp_replace(lower(town), '\s+', ' '); END $$;
CREATE FUNCTION town_of(id int) RETURNS text STABLE LANGUAGE sql AS 'SELECT s FROM suite.other o WHERE o.id = $1';
CREATE FUNCTION first_of(pair) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1.a';
CREATE CAST (pair AS int) WITH FUNCTION first_of(pair);
CREATE FUNCTION refused(definition text, OUT detail text, OUT hint text, OUT remedy text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || definition;
    BEGIN
        PERFORM * FROM refresh_mv.track('tried'::text::regclass);
    EXCEPTION WHEN feature_not_supported THEN
        GET STACKED DIAGNOSTICS detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    END;
    SELECT concat_ws('  -- ', r.statement, nullif(r.reason, '')) INTO remedy FROM refresh_mv.remedies('tried'::text::regclass) r
    WHERE r.statement !~ '^ANALYZE';
    DROP MATERIALIZED VIEW tried;
END $$;
\x on
SELECT r.* FROM unnest(ARRAY['SELECT id, to_tsvector(''simple'', tidy(s)) FROM source',
    'SELECT id, town_of(id), sum(n) FROM source GROUP BY id',
    'SELECT id, max(s)::timestamp AS at FROM source GROUP BY id',
    'SELECT id, s::date AS d, s::time AS t FROM source',
    'SELECT id, s::time AS t FROM source',
    'SELECT id, q.b FROM source, jsonb_to_record(j) AS q(a int, b date)',
    'SELECT adding(id) FROM source',
    'SELECT adding(id) OVER (PARTITION BY id) FROM source',
    'SELECT id FROM source WHERE id === 3',
    'SELECT id FROM source WHERE id === ANY (ARRAY[3, 4])',
    'SELECT p::int AS p FROM source',
    'SELECT r::text FROM source',
    'SELECT id, now() - tz AS ago FROM source WHERE tz > now() - interval ''30 days''',
    'SELECT gen_random_uuid() AS id, s FROM source']) WITH ORDINALITY d(definition, no), refused(definition) r ORDER BY no;
\x off
-- what is proposed helps
CREATE MATERIALIZED VIEW tidied AS SELECT id, tidy(s) FROM source;
SELECT refresh_mv.track('tidied');
ALTER FUNCTION suite.tidy(text) IMMUTABLE;
SELECT tracked FROM refresh_mv.track('tidied');
DROP MATERIALIZED VIEW tidied;

-- A view that reads settings follows them; others do not care.
INSERT INTO source (id, d, m) SELECT g, date '2024-12-31' - g, 'sad' FROM generate_series(1, 3) g;
CREATE MATERIALIZED VIEW by_text AS SELECT id, d::text FROM source;
CREATE MATERIALIZED VIEW by_mood AS SELECT m::text, count(*) FROM source GROUP BY m;
CREATE MATERIALIZED VIEW by_date AS SELECT id, d FROM source;
SELECT count(*) FROM (VALUES ('by_text'::regclass), ('by_mood'), ('by_date')) v(view), refresh_mv.track(v.view);
CREATE FUNCTION refreshed() RETURNS TABLE (view text, refreshed boolean, differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE refresh_mv.journal;
    PERFORM refresh_materialized_views_smart('{by_text,by_mood,by_date}');
    RETURN QUERY SELECT h.view, h.method <> 'skip', check_view(h.view::regclass) FROM refresh_mv.history h ORDER BY h.view;
END $$;
SELECT count(*) FROM refreshed();
SELECT * FROM refreshed();
SET DateStyle = 'SQL, DMY';
SELECT * FROM refreshed();
SELECT d FROM by_text ORDER BY id;
SELECT * FROM refreshed();
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT view, refreshed, differences FROM refreshed() WHERE view <> 'suite.by_text';
SELECT * FROM by_mood;
SET DateStyle = 'ISO, YMD';
SELECT * FROM refreshed();
SELECT d FROM by_text ORDER BY id;

-- Definitions that did not come out as expected.
SELECT definition, expected, outcome FROM outcomes WHERE outcome IS DISTINCT FROM expected ORDER BY no;
DROP SCHEMA suite CASCADE;
