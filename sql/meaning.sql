CALL helpers.begin_suite();
-- What a query's meaning depends on besides data (see src/meaning.cpp): when it
-- changes, the next smart refresh is full, and those after it are exact again;
-- whether event triggers have noted the command or not.
SET client_min_messages = error;
CREATE TABLE cases (no int GENERATED ALWAYS AS IDENTITY, query text, cause text);
CREATE TABLE shown (no int GENERATED ALWAYS AS IDENTITY, line text);

CREATE PROCEDURE make_fixture() LANGUAGE plpgsql AS $body$
DECLARE
    type text;
    op text[];
BEGIN
    DROP SCHEMA IF EXISTS fixture CASCADE;
    CREATE SCHEMA fixture;
    -- Types.
    CREATE TYPE pair AS (a int, b int);
    CREATE TYPE nest AS (x int, inside pair);
    CREATE DOMAIN checked_pair AS pair;
    CREATE TYPE pair_range AS RANGE (subtype = pair, multirange_type_name = pair_ranges);
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TYPE temper AS ENUM ('sad', 'glad');
    CREATE DOMAIN small AS int CHECK (VALUE < 1000);
    CREATE DOMAIN smaller AS small;
    CREATE TABLE shape (a int, b int);
    CREATE VIEW shape_view AS SELECT 1 AS a, 2 AS b;
    -- Functions.
    CREATE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
    CREATE FUNCTION in_plpgsql(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN fixture.called($1); END';
    CREATE FUNCTION in_sql(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT fixture.called($1)';
    CREATE FUNCTION in_body(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN called($1);
    CREATE FUNCTION by_default(int, int DEFAULT called(0)) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + $2;
    CREATE FUNCTION hidden_type(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN jsonb_populate_record(NULL::fixture.pair, jsonb_build_object(''a'', $1))::text; END';
    CREATE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + $2;
    CREATE AGGREGATE adding(int) (sfunc = plus, stype = int, initcond = '0');
    CREATE FUNCTION near(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN abs($1 - $2) < 2;
    CREATE OPERATOR ~~~ (LEFTARG = int, RIGHTARG = int, FUNCTION = near);
    CREATE FUNCTION mood_json(mood) RETURNS json IMMUTABLE LANGUAGE sql RETURN '{"mood": true}'::json;
    CREATE FUNCTION as_mood(temper) RETURNS mood IMMUTABLE LANGUAGE sql RETURN 'sad'::mood;
    CREATE FUNCTION as_other_mood(temper) RETURNS mood IMMUTABLE LANGUAGE sql RETURN 'glad'::mood;
    CREATE CAST (temper AS mood) WITH FUNCTION as_mood(temper) AS IMPLICIT;
    -- Rows that can be compared by b alone.
    CREATE TYPE coded AS (a int, b int);
    CREATE TYPE plain AS (a int, b int);
    FOREACH type IN ARRAY ARRAY['coded', 'plain'] LOOP
        EXECUTE format('CREATE FUNCTION cmp(%1$s, %1$s) RETURNS int IMMUTABLE LANGUAGE sql RETURN sign(($1).b - ($2).b)::int', type);
        FOREACH op SLICE 1 IN ARRAY ARRAY[['lt', '<'], ['le', '<='], ['eq', '='], ['ge', '>='], ['gt', '>']] LOOP
            EXECUTE format('CREATE FUNCTION %2$s(%1$s, %1$s) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN cmp($1, $2) %3$s 0', type, op[1], op[2]);
            EXECUTE format('CREATE OPERATOR #%3$s (LEFTARG = %1$s, RIGHTARG = %1$s, FUNCTION = %2$s)', type, op[1], op[2]);
        END LOOP;
    END LOOP;
    CREATE OPERATOR CLASS coded_ops DEFAULT FOR TYPE coded USING btree AS OPERATOR 1 #<, OPERATOR 2 #<=, OPERATOR 3 #=,
        OPERATOR 4 #>=, OPERATOR 5 #>, FUNCTION 1 cmp(coded, coded);
    -- Texts.
    CREATE COLLATION sorted (provider = icu, locale = 'en', version = '0');
    CREATE TEXT SEARCH DICTIONARY stops (TEMPLATE = simple);
    CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
    ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword WITH stops;
    -- Tables.
    CREATE TABLE t (id int PRIMARY KEY, n int, s text, p pair, ps pair[], deep nest, cp checked_pair, r pair_range,
                    mr pair_ranges, m mood, f temper, d smaller, c coded, j jsonb);
    INSERT INTO t SELECT i, i, 'The stem ' || i, row(i, i % 2)::pair, ARRAY[row(i, 5 - i)::pair], row(i, row(i, i % 2)::pair)::nest,
        row(i, i % 2)::pair, pair_range(row(i, 0)::pair, row(i, 1)::pair),
        pair_ranges(pair_range(row(i, 0)::pair, row(i, 1)::pair)), 'sad', 'glad', i, row(i, i % 3)::coded, '{"a": 1, "b": 2, "c": 3}'
        FROM generate_series(1, 5) i;
    CREATE TABLE k (id int PRIMARY KEY, p pair, cfg regconfig);
    INSERT INTO k SELECT i, row(i, i)::pair, 'words' FROM generate_series(1, 5) i;
    CREATE VIEW named AS SELECT id, in_body(n) AS n FROM t;
    CREATE VIEW upper_named AS SELECT id, n FROM named;
    CREATE VIEW pairs AS SELECT id, p FROM t;
END $body$;

-- Refreshes a view; tells the method and the reason.
CREATE FUNCTION refreshed(view text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view::regclass]);
    SELECT concat(j.method, ': ' || regexp_replace(j.reason, '\mfixture\.t\M', 't')) FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1 INTO told;
    RETURN told;
END $$;

-- Tries a cause, a statement a line, each in a transaction of its own, with or without
-- event triggers.  Tells the refresh after it, and what is not as it should be.
CREATE PROCEDURE try(query text, cause text, noted boolean, INOUT told text, INOUT wrong text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    after text;
BEGIN
    CALL make_fixture();
    EXECUTE 'CREATE MATERIALIZED VIEW fixture.v AS ' || query;
    PERFORM refresh_mv.track('fixture.v');
    COMMIT;
    PERFORM refreshed('v');
    COMMIT;
    IF refreshed('v') !~ '^skip' THEN wrong := wrong || ' no skip before;'; END IF;
    IF NOT noted THEN ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE; END IF;
    COMMIT;
    FOREACH statement IN ARRAY string_to_array(cause, E'\n') LOOP
        EXECUTE statement;
        COMMIT;
    END LOOP;
    ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;
    COMMIT;
    told := refreshed('v');
    COMMIT;
    IF check_view('v') <> 0 THEN wrong := wrong || ' wrong rows;'; END IF;
    IF told !~ '^full' THEN wrong := wrong || ' not full;'; END IF;
    -- Triggers that lack a column have been mended after that.
    IF told ~ 'not all columns|logged is gone' THEN
        told := told || '; then ' || refreshed('v');
        COMMIT;
    END IF;
    INSERT INTO fixture.t (id, n, s, p, ps, m, f, d) SELECT 100, n, s, p, ps, m, f, d FROM fixture.t WHERE id = 2;
    after := refreshed('v');
    IF after !~ ': 1 change in the log' THEN wrong := wrong || ' then ' || after || ';'; END IF;
    IF check_view('v') <> 0 THEN wrong := wrong || ' wrong rows then;'; END IF;
    DELETE FROM fixture.t WHERE id = 1;
    UPDATE fixture.t SET n = 7, p = NULL WHERE id = 100;
    after := refreshed('v');
    IF after !~ ': [12] changes? in the log' THEN wrong := wrong || ' at last ' || after || ';'; END IF;
    IF check_view('v') <> 0 THEN wrong := wrong || ' wrong rows at last;'; END IF;
    COMMIT;
    IF refreshed('v') !~ '^skip' THEN wrong := wrong || ' no skip at last;'; END IF;
END $$;

CREATE PROCEDURE show_all() LANGUAGE plpgsql AS $$
DECLARE
    all_cases cases[] := ARRAY(SELECT c FROM cases c ORDER BY no);
    tried cases;
    told text;
    wrong text;
    noted boolean;
BEGIN
    FOREACH tried IN ARRAY all_cases LOOP
        INSERT INTO shown (line) VALUES (tried.query), ('  ' || replace(tried.cause, E'\n', E';\n  '));
        FOREACH noted IN ARRAY ARRAY[true, false] LOOP
            wrong := '';
            BEGIN
                CALL try(tried.query, tried.cause, noted, told, wrong);
            END;
            INSERT INTO shown (line) VALUES (concat(CASE WHEN noted THEN '    noted: ' ELSE '    not noted: ' END, told)),
                ('    WRONG:' || nullif(wrong, ''));
        END LOOP;
    END LOOP;
END $$;
SET search_path = fixture, suite, helpers, public;
\pset format unaligned
\pset tuples_only on

-- Composite types: attributes, down to the bottom.
INSERT INTO cases (query, cause) VALUES
    ('SELECT id, p::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, to_jsonb(p) AS x FROM t', 'ALTER TYPE pair RENAME ATTRIBUTE a TO first'),
    ('SELECT id, row_to_json(p)::text AS x FROM t', 'ALTER TYPE pair DROP ATTRIBUTE b'),
    ('SELECT p, count(*) FROM t GROUP BY p', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT n % 2 AS g, count(DISTINCT p) FROM t GROUP BY 1', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT DISTINCT p FROM t', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT t.id, k.id AS other FROM t JOIN k ON t.p = k.p', 'ALTER TYPE pair DROP ATTRIBUTE b'),
    ('SELECT id FROM t WHERE p IN (SELECT p FROM k)', 'ALTER TYPE pair DROP ATTRIBUTE b'),
    ('SELECT id, p AS x FROM t UNION SELECT 0, p FROM k', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT id, p FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, ps::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT ps, count(*) FROM t GROUP BY ps', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT id, deep::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT deep, count(*) FROM t GROUP BY deep', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT id, cp::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, to_jsonb(cp) AS x FROM t', 'ALTER TYPE pair RENAME ATTRIBUTE a TO first'),
    ('SELECT id, r::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, mr::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, array_agg(p)::text AS x FROM t GROUP BY id', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, row(n, n)::pair::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, row(n, n)::pair AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, jsonb_populate_record(NULL::pair, j)::text AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT t.id, x.* FROM t, jsonb_to_record(j) AS x (a int, inside pair)', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, p::text AS x FROM pairs', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, (SELECT q::text FROM (SELECT p, n) q) AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int'),
    ('SELECT id, p::text AS x FROM t', E'ALTER TYPE pair ADD ATTRIBUTE c int\nALTER TYPE pair DROP ATTRIBUTE c\nALTER TYPE pair ADD ATTRIBUTE c int'),
    -- Row types of tables and views.
    ('SELECT id, t::text AS x FROM t', 'ALTER TABLE t ADD COLUMN more int DEFAULT 1'),
    ('SELECT id, to_jsonb(t) AS x FROM t', 'ALTER TABLE t RENAME COLUMN j TO words'),
    ('SELECT id, to_jsonb(t) AS x FROM t', 'ALTER TABLE t DROP COLUMN j'),
    ('SELECT count(*) FROM (SELECT n % 2 AS n, p FROM t) t GROUP BY t', 'ALTER TYPE pair DROP ATTRIBUTE a'),
    ('SELECT id, jsonb_populate_record(NULL::shape, j)::text AS x FROM t', 'ALTER TABLE shape ADD COLUMN c int'),
    ('SELECT id, to_jsonb(row(n, n)::shape) AS x FROM t', 'ALTER TABLE shape RENAME COLUMN a TO first'),
    ('SELECT id, jsonb_populate_record(NULL::shape_view, j)::text AS x FROM t', 'CREATE OR REPLACE VIEW shape_view AS SELECT 1 AS a, 2 AS b, 3 AS c'),
    -- Other types.
    ('SELECT id, m::text AS x FROM t', 'ALTER TYPE mood RENAME VALUE ''sad'' TO ''blue'''),
    ('SELECT id, m < ''glad'' AS x FROM t', 'ALTER TYPE mood ADD VALUE ''calm'' BEFORE ''glad'''),
    ('SELECT id, n::smaller AS x FROM t', 'ALTER DOMAIN small ADD CHECK (VALUE < 900)'),
    ('SELECT id, d AS x FROM t', 'ALTER DOMAIN smaller SET NOT NULL'),
    -- How values of a type are compared where no operator is named.
    ('SELECT id, ARRAY[row(n, -n)::plain] < ARRAY[row(3, -3)::plain] AS x FROM t',
     'CREATE OPERATOR CLASS by_b DEFAULT FOR TYPE plain USING btree AS OPERATOR 1 #<, OPERATOR 2 #<=, OPERATOR 3 #=, OPERATOR 4 #>=, OPERATOR 5 #>, FUNCTION 1 cmp(plain, plain)'),
    ('SELECT id, ARRAY[c] < ARRAY[row(3, 1)::coded] AS x FROM t', 'DROP OPERATOR CLASS coded_ops USING btree'),
    ('SELECT id, ARRAY[c] < ARRAY[row(3, 1)::coded] AS x FROM t', 'CREATE OR REPLACE FUNCTION cmp(coded, coded) RETURNS int IMMUTABLE LANGUAGE sql RETURN sign(($2).a - ($1).a)::int'),
    ('SELECT id, greatest(c, row(3, 1)::coded) AS x FROM t', 'CREATE OR REPLACE FUNCTION cmp(coded, coded) RETURNS int IMMUTABLE LANGUAGE sql RETURN sign(($2).a - ($1).a)::int'),
    ('SELECT id, (SELECT y FROM (VALUES (t.c), (row(3, 1)::coded)) v (y) ORDER BY y USING OPERATOR(fixture.#<) LIMIT 1) AS x FROM t', 'CREATE OR REPLACE FUNCTION cmp(coded, coded) RETURNS int IMMUTABLE LANGUAGE sql RETURN sign(($2).a - ($1).a)::int'),
    -- Functions, operators, aggregates, casts.
    ('SELECT id, in_plpgsql(n) AS x FROM t', 'CREATE OR REPLACE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + 2'''),
    ('SELECT id, in_sql(n) AS x FROM t', 'CREATE OR REPLACE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + 2'''),
    ('SELECT id, in_body(n) AS x FROM t', 'CREATE OR REPLACE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + 2'''),
    ('SELECT id, by_default(n) AS x FROM t', 'CREATE OR REPLACE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + 2'''),
    ('SELECT id, by_default(n) AS x FROM t', 'CREATE OR REPLACE FUNCTION by_default(int, int DEFAULT 7) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + $2'),
    ('SELECT id, n ~~~ 3 AS x FROM t', 'CREATE OR REPLACE FUNCTION near(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN abs($1 - $2) < 3'),
    ('SELECT id, n ~~~ ANY (ARRAY[3]) AS x FROM t', 'CREATE OR REPLACE FUNCTION near(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN abs($1 - $2) < 3'),
    ('SELECT n % 2 AS g, adding(n) FROM t GROUP BY 1', 'CREATE OR REPLACE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + $2 + 1'),
    ('SELECT n % 2 AS g, adding(n) FROM t GROUP BY 1', 'CREATE OR REPLACE AGGREGATE adding(int) (sfunc = plus, stype = int, initcond = ''10'')'),
    ('SELECT id, to_json(m)::text AS x FROM t', 'CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood)'),
    ('SELECT id, m FROM t UNION ALL SELECT -id, f FROM t', E'DROP CAST (temper AS mood)\nCREATE CAST (temper AS mood) WITH FUNCTION as_other_mood(temper) AS IMPLICIT'),
    -- Texts.
    ('SELECT id, s < ''b'' COLLATE sorted AS x FROM t', 'ALTER COLLATION sorted REFRESH VERSION'),
    ('SELECT id, to_tsvector(''words'', s)::text AS x FROM t', 'ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword WITH english_stem'),
    ('SELECT id, to_tsvector(''words'', s)::text AS x FROM t', 'ALTER TEXT SEARCH DICTIONARY stops (STOPWORDS = english)'),
    ('SELECT t.id, to_tsvector(cfg, s)::text AS x FROM t, k WHERE k.id = 1', 'ALTER TEXT SEARCH DICTIONARY stops (STOPWORDS = english)'),
    ('SELECT id, ts_lexize(''stops'', lower(left(s, 3)))::text AS x FROM t', 'ALTER TEXT SEARCH DICTIONARY stops (STOPWORDS = english)'),
    -- Ordinary views.
    ('SELECT id, n FROM named', 'CREATE OR REPLACE VIEW named AS SELECT id, n + 5 AS n FROM t'),
    ('SELECT id, n FROM upper_named', 'CREATE OR REPLACE VIEW named AS SELECT id, n + 5 AS n FROM t'),
    ('SELECT id, n FROM upper_named', 'CREATE OR REPLACE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + 2''');
CALL show_all();
SELECT line FROM shown WHERE line IS NOT NULL ORDER BY no;


-- What is used in the body of a function can only be told by event triggers.
INSERT INTO cases (query, cause) VALUES
    ('SELECT id, hidden_type(n) AS x FROM t', 'ALTER TYPE pair ADD ATTRIBUTE c int');
DO $$ BEGIN TRUNCATE suite.shown; DELETE FROM suite.cases WHERE query !~ 'hidden_type'; END $$;
CALL show_all();
SELECT line FROM shown WHERE line IS NOT NULL AND line !~ 'not noted' ORDER BY no LIMIT 3;

\pset format aligned
\pset tuples_only off
CALL make_fixture();
SET client_min_messages = warning;

-- A view is replaced, and then what only its new query uses.
CREATE MATERIALIZED VIEW v AS SELECT id, n FROM upper_named;
SELECT * FROM refresh_mv.track('v');
SELECT refreshed('v');
SELECT refreshed('v');
CREATE OR REPLACE VIEW named AS SELECT id, plus(n, id) AS n FROM t;
SELECT refreshed('v'), check_view('v');
CREATE OR REPLACE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + 2 * $2;
SELECT refreshed('v'), check_view('v');
SELECT refreshed('v');

-- Twice in one transaction, and rolled back.
ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE;
BEGIN;
CREATE OR REPLACE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + 3 * $2;
SELECT refreshed('v'), check_view('v');
CREATE OR REPLACE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + 4 * $2;
COMMIT;
SELECT refreshed('v'), check_view('v');
BEGIN;
SAVEPOINT s;
CREATE OR REPLACE FUNCTION plus(int, int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1 + 5 * $2;
SELECT refreshed('v');
ROLLBACK TO s;
SELECT refreshed('v');
COMMIT;
SELECT refreshed('v'), check_view('v');
ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;

-- Housekeeping changes no meaning; nor does what the query does not use.
CREATE MATERIALIZED VIEW w AS SELECT deep, m, d, in_plpgsql(n) AS x, s COLLATE sorted AS s, to_tsvector('words', s)::text AS y, count(*)
    FROM t GROUP BY 1, 2, 3, 4, 5, 6;
SELECT * FROM refresh_mv.track('w');
SELECT refreshed('w');
SELECT refreshed('w');
VACUUM FULL pg_type;
VACUUM FULL pg_proc;
VACUUM FULL pg_attribute;
VACUUM FULL pg_enum;
VACUUM FULL pg_rewrite;
VACUUM FULL pg_ts_dict;
VACUUM FREEZE pg_type, pg_proc, pg_attribute, pg_constraint, pg_rewrite;
ANALYZE t;
SET client_min_messages = error;
SELECT refreshed('w'), check_view('w');
\c -
SET client_min_messages = error;
SET search_path = fixture, suite, helpers, public;
SET refresh_mv.exact_cost_limit = 1e9;
SELECT refreshed('w'), check_view('w');
SET client_min_messages = warning;
DROP MATERIALIZED VIEW w;
CREATE MATERIALIZED VIEW w AS SELECT deep, m, d, plus(n, 1) AS x FROM t;
SELECT * FROM refresh_mv.track('w');
SELECT refreshed('w');
CREATE FUNCTION unrelated() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER TYPE coded ADD ATTRIBUTE c int;
ALTER TABLE shape ADD COLUMN c int;
SELECT refreshed('w'), check_view('w');

-- Views that are refreshed on commit, and views over views.
CREATE MATERIALIZED VIEW lower AS SELECT p, count(*) FROM pairs GROUP BY p;
CREATE MATERIALIZED VIEW upper AS SELECT p::text AS x, count FROM lower;
CREATE MATERIALIZED VIEW numbers AS SELECT id, in_body(n) AS x FROM t;
SELECT * FROM refresh_mv.track('lower', on_commit => true);
SELECT * FROM refresh_mv.track('upper');
SELECT * FROM refresh_mv.track('numbers', on_commit => true);
SELECT success, views_refreshed FROM refresh_materialized_views_smart('{lower, upper, numbers}');
SELECT refreshed('lower'), refreshed('upper'), refreshed('numbers');
ALTER TYPE pair DROP ATTRIBUTE a;
SELECT check_view('lower'), refreshed('upper'), check_view('upper');
CREATE OR REPLACE FUNCTION called(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 3';
SELECT check_view('numbers'), refreshed('numbers');
INSERT INTO t (id, n, p) VALUES (10, 10, row(1)::pair);
SELECT check_view('lower'), check_view('numbers'), refreshed('upper'), check_view('upper');
ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE;
ALTER TYPE pair ADD ATTRIBUTE c int;
ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;
SELECT verdict FROM refresh_mv.verify('upper');
UPDATE t SET p = row(1, 2)::pair WHERE id = 1;
SELECT check_view('lower'), refreshed('upper'), check_view('upper');
DELETE FROM t WHERE id = 2;
SELECT check_view('lower'), check_view('numbers'), refreshed('upper'), check_view('upper');

-- The default text search configuration.
CREATE MATERIALIZED VIEW words AS SELECT id, to_tsvector(s)::text AS x FROM t;
SET default_text_search_config = 'fixture.words';
SELECT * FROM refresh_mv.track('words');
SELECT refreshed('words');
SELECT refreshed('words');
ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE;
ALTER TEXT SEARCH DICTIONARY stops (STOPWORDS = english);
ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;
SELECT refreshed('words'), check_view('words');
SET default_text_search_config = 'pg_catalog.simple';
SELECT refreshed('words'), check_view('words');
SELECT refreshed('words');
CREATE MATERIALIZED VIEW vectors AS SELECT id, to_tsvector('simple', s) AS x FROM t;
SELECT * FROM refresh_mv.track('vectors');
SELECT refreshed('vectors');
SET default_text_search_config = 'fixture.words';
SELECT refreshed('vectors');

SET client_min_messages = warning;
DROP SCHEMA fixture CASCADE;
DROP SCHEMA suite CASCADE;
