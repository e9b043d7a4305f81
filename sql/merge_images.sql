CALL helpers.begin_suite();
-- Rows are compared by image: whatever is not the same bytes is written, and
-- what is the same bytes is not.

-- A view of every kind of column, over a table with one row for each case; the
-- cases are the updates below.
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE source (
    id int, n numeric, f8 float8, f4 float4, t text, c char(8), ch "char", nm name, j json, jb jsonb,
    pt point, bx box, poly polygon, arr int[], tarr text[], comp pair, comps pair[], rng numrange,
    mr int4multirange, e mood, dom positive, o oid, i8 int8, i2 int2, b bool, by bytea, iv interval,
    ts timestamp, tz timestamptz, ttz timetz, inet inet, mac macaddr, u uuid, tsv tsvector, bits varbit,
    m money, lsn pg_lsn, x xid, ci circle, pth path);
INSERT INTO source SELECT g,
    1.0, 0, 0, 'a', 'a', 'a', 'a', '{"a": 1}', '{"a": 1.0}', '(1,2)', '(1,1),(0,0)', '((0,0),(1,1))',
    '{1,2}', '{a,b}', '(1,a)', '{"(1,a)"}', '[1.0,2.0]', '{[1,2)}', 'ok', 1, 1, 1, 1, true, '\x00',
    '1 day', '2024-01-01', '2024-01-01', '12:00+00', '10.0.0.1', '08:00:2b:01:02:03',
    '00000000-0000-0000-0000-000000000001', 'a b', '101', 1, '0/1', '1', '<(0,0),1>', '((0,0),(1,1))'
FROM generate_series(1, 100) g;
CREATE MATERIALIZED VIEW keyed AS SELECT * FROM source;
CREATE UNIQUE INDEX ON keyed (id);
CREATE MATERIALIZED VIEW keyless AS SELECT * FROM source;

-- Nothing differs: nothing is written.
SELECT remember('keyed');
SELECT success, message FROM refresh_materialized_views(views => '{keyed}');
SELECT check_view('keyed'), rows_written('keyed'), rows_gone('keyed');

-- One value of each column changes to one that is equal by its type, or has no
-- equality, or is the nearest to it: one row each is written.
CREATE FUNCTION change(assignment text) RETURNS TABLE (refreshed bool, keyed_wrong bigint,
    keyed_written bigint, keyless_wrong bigint, keyless_written bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE source SET ' || assignment || ' WHERE id = 50';
    PERFORM remember('keyed');
    SELECT success FROM refresh_materialized_views(views => '{keyed}') INTO refreshed;
    keyed_wrong := check_view('keyed');
    keyed_written := rows_written('keyed');
    PERFORM remember('keyless');
    SELECT success AND refreshed FROM refresh_materialized_views(views => '{keyless}') INTO refreshed;
    keyless_wrong := check_view('keyless');
    keyless_written := rows_written('keyless');
    RETURN NEXT;
END $$;
SELECT assignment, c.* FROM unnest(ARRAY[
    'n = 1.00', $$n = 'NaN'$$, 'n = 1', $$f8 = '-0'$$, $$f8 = 'NaN'$$, $$f4 = '-0'$$, $$t = 'A'$$, $$t = 'a '$$, $$t = ''$$,
    $$c = 'a b'$$, $$ch = ''$$, $$ch = '\377'$$, $$nm = 'A'$$, $$j = '{"a":1}'$$, $$j = '{"a": 1, "a": 1}'$$,
    $$jb = '{"a": 1.00}'$$, $$pt = '(1,2.0000000001)'$$, $$pt = '(-0,2)'$$, $$bx = '(1,1),(0,0.5)'$$,
    $$poly = '((0,0),(1,2))'$$, $$arr = '[0:1]={1,2}'$$, $$arr = '{1,2,NULL}'$$, $$tarr = '{a,B}'$$,
    $$comp = '(1,)'$$, $$comp = '(,)'$$, $$comps = '{"(1,A)"}'$$, $$rng = '[1.0,2.00]'$$, $$mr = '{}'$$,
    $$e = 'happy'$$, 'dom = 2', 'o = 4294967295', 'o = 2147483648', 'i8 = -1', 'i2 = -1', 'b = false',
    $$by = '\x0000'$$, $$iv = '24 hours'$$, $$iv = '1 mon -29 days'$$, $$ts = 'infinity'$$,
    $$tz = '2024-01-01 00:00:00.000001'$$, $$ttz = '13:00+01'$$, $$inet = '10.0.0.1/31'$$,
    $$mac = '08:00:2b:01:02:04'$$, $$u = NULL$$, $$tsv = 'a:1 b'$$, $$bits = '1010'$$, $$m = 2$$,
    $$lsn = '0/2'$$, $$x = '4294967295'$$, $$ci = '<(0,0),2>'$$, $$pth = '[(0,0),(1,1)]'$$]) assignment, change(assignment) c;
SELECT n, f8, f4, c, ch, j, jb, arr, o, iv, ttz, x FROM keyed WHERE id = 50;
-- All of them NULL.
UPDATE source SET n = NULL, f8 = NULL, f4 = NULL, t = NULL, c = NULL, ch = NULL, nm = NULL, j = NULL, jb = NULL,
    pt = NULL, bx = NULL, poly = NULL, arr = NULL, tarr = NULL, comp = NULL, comps = NULL, o = NULL,
    iv = NULL, tsv = NULL, x = NULL WHERE id IN (7, 70);
SELECT success, check_view('keyed'), check_view('keyless') FROM refresh_materialized_views(views => '{keyed,keyless}');
UPDATE source SET id = NULL WHERE id IN (7, 8, 9);
SELECT success, check_view('keyed'), check_view('keyless') FROM refresh_materialized_views(views => '{keyed,keyless}');
SELECT remember('keyless');
SELECT success, rows_written('keyless') FROM refresh_materialized_views(views => '{keyed,keyless}');

-- Values that the query computes have the same image as those stored: integers
-- with the high bit set, short and packed values, composites, arrays.
CREATE TABLE one AS SELECT 1 AS a, 'b'::text AS b;
CREATE MATERIALIZED VIEW computed AS
    SELECT g, (4294967000 + g)::oid AS big, (-g)::int2 AS small, (g % 256 - 128)::"char" AS high,
        CASE WHEN g % 2 = 0 THEN chr(65 + g % 26)::"char" END AS ch, repeat('x', g) AS packed,
        ROW(g, repeat('y', g))::pair AS comp, ARRAY[ROW(g, NULL)::pair] AS comps, array_agg(g) AS agg,
        ARRAY[g, NULL, g] AS holes, jsonb_build_object('a', g, 'b', g / 3.0) AS jb, g::text::name AS nm,
        s AS whole, (g % 3)::bit(3) AS bits, make_interval(days => g) AS iv, avg(g) AS mean, -0.0::float8 AS zero
    FROM generate_series(1, 200) g CROSS JOIN one s GROUP BY g, s;
SELECT remember('computed');
SELECT success, rows_written('computed'), rows_gone('computed'), check_view('computed')
FROM refresh_materialized_views(views => '{computed}');
-- Expanded arrays out of PL/pgSQL.
CREATE FUNCTION grown(n int) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    result int[] := '{}';
BEGIN
    FOR i IN 1..n LOOP result[i] := i; END LOOP;
    RETURN result;
END $$;
CREATE MATERIALIZED VIEW expanded AS SELECT id, grown(id) AS numbers FROM source WHERE id IS NOT NULL;
SELECT remember('expanded');
SELECT success, rows_written('expanded'), check_view('expanded') FROM refresh_materialized_views(views => '{expanded}');
UPDATE source SET id = id + 1000 WHERE id = 20;
SELECT success, rows_written('expanded'), check_view('expanded') FROM refresh_materialized_views(views => '{expanded}');

-- A collation that calls 'a' and 'A' equal, where there is one, makes no
-- difference; neither does a domain over text.
DO $$
BEGIN
    CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN OTHERS THEN
    CREATE COLLATION blind FROM "C";
END $$;
CREATE TABLE words (id int, word text COLLATE blind);
INSERT INTO words SELECT g, 'word' || g FROM generate_series(1, 10) g;
CREATE MATERIALIZED VIEW word AS SELECT * FROM words;
CREATE UNIQUE INDEX ON word (word);
UPDATE words SET word = upper(word) WHERE id <= 3;
SELECT success, check_view('word') FROM refresh_materialized_views(views => '{word}');
SELECT string_agg(word, ' ' ORDER BY id) FROM word;
SELECT check_btrees('word');

-- xml, where it is built in.
DO $$
BEGIN
    PERFORM '<a/>'::xml;
    CREATE TABLE document AS SELECT g AS id, ('<a b="' || g || '"/>')::xml AS x FROM generate_series(1, 5) g;
EXCEPTION WHEN feature_not_supported THEN
    CREATE TABLE document AS SELECT g AS id, ('<a b="' || g || '"/>')::text AS x FROM generate_series(1, 5) g;
END $$;
CREATE MATERIALIZED VIEW documents AS SELECT * FROM document;
UPDATE document SET x = '<a b="3"></a>' WHERE id = 3;
SELECT remember('documents');
SELECT success, check_view('documents'), rows_written('documents') FROM refresh_materialized_views(views => '{documents}');
DROP SCHEMA suite CASCADE;
