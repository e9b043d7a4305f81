CALL helpers.begin_suite();
-- Names are names, whatever they say: of schemas, tables, columns, views, indexes and
-- roles, with all methods.
SET client_min_messages = error;
CREATE TABLE x AS SELECT 1;
-- Truncated as the server does it, where they are too long.
CREATE TABLE names AS SELECT no::int - 1 AS no, n::name::text AS name FROM unnest(ARRAY[
    'plain', 'Mixed Case', 'select', 'user', '''; DROP TABLE suite.x; --', '"; DROP TABLE suite.x; --', '"', '""', '''', 'it''s $1 $$ $q$', E'back\\slash\\', E'\\''; --', E'two\nlines', E'two\r\n; DROP TABLE suite.x; --', E'tab\there',
    '%', '%s%s%s%n', '%I %1$L', '{a,b}', '(1,2)', 'a,b', 'a.b', '"a"."b"', '-- comment', '/* comment */', ' spaces ', '0', '-1', 'NULL', 'true', '*', '?existed?', '?column?',
    'k1', 'c1', 'p1', 'n', 'h', 't', 'g', 's', 'd', 'f', 'q', 'part', 'place', 'step', 'side', 'redo', 'existed', 'oid', 'text', 'numeric', 'int4',
    'group_state_123', 'refresh_mv_parts_now', 'refresh_mv_groups', 'refresh_mv_changes_0', 'refresh_mv_rows', '........pg.dropped.9........', '........dropped.0', 'log',
    repeat('x', 63), repeat('"', 63), repeat('''', 62) || 'y', repeat(E'\u00fc', 31) || 'x', repeat(E'\u8a9e', 21), repeat(E'\u00fc', 50), 'x' || repeat(E'\u8a9e', 30), repeat(E'\U0001F418', 20), E'\u00dcn\u00efc\u00f6d\u00e9 \u2603', E'\u202eltr', E'e\u0301', E'\u200b'
    ]) WITH ORDINALITY a (n, no);
SELECT count(*) - count(DISTINCT name) AS the_same, max(octet_length(name)) AS longest FROM names;
-- One name in all places that are names of relations or columns, with those that follow it.
CREATE FUNCTION pick(i int) RETURNS text LANGUAGE sql AS 'SELECT name FROM suite.names WHERE no = i % (SELECT count(*) FROM suite.names)';
-- The role of a schema; from 19 on its name has no line ends.
CREATE FUNCTION role_of(i int) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN current_setting('server_version_num')::int < 190000 THEN suite.pick(i) ELSE translate(suite.pick(i), E'\r\n', '__') END
$$;
CREATE FUNCTION methods(schema text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(method || CASE WHEN success THEN '' ELSE ': ' || message END, ' ' ORDER BY started)
    FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history WHERE starts_with(view, quote_ident(schema) || '.'))
$$;
GRANT USAGE ON SCHEMA suite TO PUBLIC;
GRANT SELECT ON names TO PUBLIC;
-- Makes a schema of such names and changes what is in it: what was done by which methods
-- of three views (delta, keys, window), and the rows that were wrong.
CREATE FUNCTION exercise(i int, OUT name text, OUT first text, OUT second text, OUT wrong bigint, OUT others text) LANGUAGE plpgsql AS $$
DECLARE
    s text := quote_ident(suite.pick(i));
    owner text := quote_ident(suite.role_of(i));
    k text := quote_ident(suite.pick(i));
    g text := quote_ident(suite.pick(i + 1));
    n text := quote_ident(suite.pick(i + 2));
    d text := quote_ident(suite.pick(i + 3));
    source text := s || '.' || quote_ident(suite.pick(i));
    grouped text := s || '.' || quote_ident(suite.pick(i + 1));
    keyed text := s || '.' || quote_ident(suite.pick(i + 2));
    dated text := s || '.' || quote_ident(suite.pick(i + 3));
    below text := s || '.' || quote_ident(suite.pick(i + 4));
    failed text;
BEGIN
    name := left(regexp_replace(suite.pick(i), '[^ -~]', '.', 'g'), 28);
    EXECUTE format('CREATE ROLE %s; CREATE SCHEMA %s AUTHORIZATION %1$s', owner, s);
    EXECUTE 'SET LOCAL ROLE ' || owner;
    EXECUTE format('CREATE TABLE %s (gone int, %s int, %s text, %s numeric, %s date, CONSTRAINT %s PRIMARY KEY (%2$s)); ALTER TABLE %1$s DROP gone', source, k, g, n, d, quote_ident(suite.pick(i + 5)));
    EXECUTE format('INSERT INTO %s SELECT no, ''g'' || no %% 3, no / 2.0, current_date - no %% 4 FROM generate_series(1, 20) no', source);
    EXECUTE format('CREATE VIEW %s AS SELECT * FROM %s', below, source);
    EXECUTE format('CREATE MATERIALIZED VIEW %s AS SELECT %s, sum(%s) AS %s, max(%3$s) AS %3$s, count(DISTINCT %5$s %% 2) AS %5$s FROM %6$s GROUP BY %2$s', grouped, g, n, d, k, source);
    EXECUTE format('CREATE MATERIALIZED VIEW %s AS SELECT a.%s, a.%s, b.%s AS %s FROM %s a LEFT JOIN %s b USING (%2$s)', keyed, k, g, n, n, source, below);
    EXECUTE format('CREATE MATERIALIZED VIEW %s AS SELECT %s, count(*) AS %s FROM %s GROUP BY %2$s', dated, d, k, source);
    EXECUTE format('CREATE UNIQUE INDEX %s ON %s (%s)', quote_ident(suite.pick(i + 6)), keyed, k);
    PERFORM refresh_mv.track(grouped::regclass), refresh_mv.track(keyed::regclass);
    PERFORM public.refresh_materialized_views_smart(ARRAY[grouped, keyed, dated]::regclass[]);
    first := suite.methods(suite.pick(i));
    EXECUTE format('INSERT INTO %s VALUES (21, ''g9'', 1.25, current_date); UPDATE %1$s SET %s = %2$s + 1 WHERE %s IN (1, 2); DELETE FROM %1$s WHERE %3$s = 3; UPDATE %1$s SET %3$s = 30 WHERE %3$s = 4', source, n, k);
    EXECUTE format('SELECT count(*) FROM refresh_mv.changes(%L, %L)', keyed, source) INTO others;
    others := others || ' changes';
    PERFORM public.refresh_materialized_views_smart(ARRAY[grouped, keyed, dated]::regclass[]);
    second := suite.methods(suite.pick(i));
    wrong := helpers.check_view(grouped::regclass) + helpers.check_view(keyed::regclass);

    -- whatever else takes or gives names
    IF (SELECT count(*) FROM refresh_mv.status st WHERE st.schema = suite.pick(i) AND format('%I.%I', st.schema, st.name) IN (grouped, keyed, dated) AND st.owner = suite.role_of(i)) <> 3
       OR (SELECT count(*) FROM refresh_mv.history h WHERE h.view IN (grouped, keyed, dated) AND h.role = suite.role_of(i)) <> 6
       OR (SELECT count(*) FROM refresh_mv.freshness f WHERE f.view_name IN (grouped::regclass::text, keyed::regclass::text, dated::regclass::text)) <> 3
       OR (SELECT count(*) FROM refresh_mv.dependencies WHERE depends_on = source::regclass) <> 3 THEN
        others := others || ', not to be seen';
    END IF;
    PERFORM refresh_mv.configure(dated::regclass, date_column => suite.pick(i + 3), keep_before => '200 years');
    PERFORM refresh_mv.refresh_where(grouped::regclass, format('%s = ''g1''', g)), refresh_mv.refresh_where(keyed::regclass, format('%s > 5', k)), refresh_mv.refresh_where(dated::regclass, format('%s > ''2000-01-01''', d));
    PERFORM refresh_mv.explain(v::regclass, true) FROM unnest(ARRAY[grouped, keyed, dated]) v;
    others := others || ', ' || (SELECT string_agg((refresh_mv.verify(v::regclass)).verdict, ' ') FROM unnest(ARRAY[grouped, keyed, dated]) v);
    -- settings follow a view that is renamed
    EXECUTE format('ALTER MATERIALIZED VIEW %s RENAME TO %I', dated, suite.pick(i + 7));
    EXECUTE format('ALTER MATERIALIZED VIEW %s RENAME TO %I', grouped, suite.pick(i + 8));
    IF (SELECT keep_before FROM refresh_mv.status st WHERE (st.schema, st.name) = (suite.pick(i), suite.pick(i + 7))) IS DISTINCT FROM '200 years' THEN
        others := others || ', settings lost';
    END IF;
    EXECUTE format('INSERT INTO %s VALUES (22, ''g9'', 1.25, NULL)', source);
    EXECUTE format('SELECT success::text FROM public.refresh_materialized_views(true, 3, %L)', ARRAY[s || '.' || quote_ident(suite.pick(i + 7))]) INTO failed;
    others := others || ', ' || suite.methods(suite.pick(i));
    EXECUTE format('SELECT success::text FROM public.refresh_materialized_views_smart(%L)', ARRAY[s || '.' || quote_ident(suite.pick(i + 8)), keyed]) INTO failed;
    others := others || ' ' || suite.methods(suite.pick(i));
    RESET ROLE;
    -- advice can be run
    FOR failed IN EXECUTE format('SELECT r.statement FROM unnest(%L::regclass[]) v, refresh_mv.remedies(v) r WHERE r.statement !~ ''^--''', ARRAY[s || '.' || quote_ident(suite.pick(i + 7)), keyed]) LOOP
        EXECUTE failed;
    END LOOP;
    EXECUTE format('DROP SCHEMA %s CASCADE; DROP ROLE %s', s, owner);
EXCEPTION WHEN OTHERS THEN
    others := concat_ws(', ', others, SQLERRM);
END $$;
SELECT e.* FROM generate_series(0, (SELECT max(no) FROM names), 4) i, exercise(i) e;
SELECT count(*) FROM x;
-- Each as the name of a schema, a view and a column, refreshed on commit, and by the
-- procedure.
CREATE TABLE "x " (id int PRIMARY KEY);
DO $$
DECLARE
    n text;
BEGIN
    FOR n IN SELECT name FROM suite.names ORDER BY no LOOP
        EXECUTE format('CREATE SCHEMA %I; CREATE MATERIALIZED VIEW %1$I.%1$I AS SELECT id AS %1$I, count(*) FROM suite."x " GROUP BY id', n);
    END LOOP;
END $$;
SELECT count(*) FILTER (WHERE tracked) AS tracked, count(*) FROM refresh_mv.track(on_commit => true);
SELECT success, cardinality(views_refreshed) AS refreshed FROM refresh_materialized_views_smart();
INSERT INTO "x " VALUES (1);
SELECT method, success, count(*) FROM refresh_mv.history h JOIN names ON h.view = format('%I.%1$I', name) WHERE source = 'on commit' GROUP BY 1, 2;
SET refresh_mv.skip_refresh = on;
INSERT INTO "x " VALUES (2);
RESET refresh_mv.skip_refresh;
CALL refresh_mv.run();
SELECT method, success, count(*) FROM refresh_mv.history h JOIN names ON h.view = format('%I.%1$I', name) WHERE source = 'procedure' GROUP BY 1, 2;
CALL refresh_mv.verify_all();
SELECT count(*) FROM names WHERE position('["' || replace(format('%I.%1$I', name), '"', '#quot;') || '<br/>delta"]' IN refresh_mv.graph()) > 0;
-- Calls by name.
SELECT success, count(*) FROM (SELECT * FROM names WHERE no % 12 = 6) n, refresh_materialized_views(views => ARRAY[format('%I.%1$I', name)::regclass], cascade => true) GROUP BY 1;
SELECT refresh_mv.untrack();
SET client_min_messages = warning;
DO $$
DECLARE
    n text;
BEGIN
    FOR n IN SELECT name FROM suite.names LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', n);
    END LOOP;
END $$;
DROP SCHEMA suite CASCADE;
