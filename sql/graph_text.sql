CALL helpers.begin_suite();
-- refresh_mv.dependencies and refresh_mv.graph(): all of what they show.

-- Nothing: no rows, and a graph without nodes.
SELECT * FROM refresh_mv.dependencies;
SELECT refresh_mv.graph() \g (format=unaligned)

CREATE TABLE plain (x int, d date);
CREATE TABLE parted (x int) PARTITION BY LIST (x);
CREATE TABLE part_1 PARTITION OF parted FOR VALUES IN (1);
CREATE VIEW ordinary AS SELECT plain.x FROM plain JOIN parted USING (x);
CREATE MATERIALIZED VIEW bottom AS SELECT x, count(*) FROM ordinary GROUP BY x;
CREATE MATERIALIZED VIEW "Top ""x""" AS SELECT sum(count) FROM bottom;
CREATE MATERIALIZED VIEW empty AS SELECT d, sum(x) FROM plain GROUP BY d WITH NO DATA;
CREATE MATERIALIZED VIEW of_nothing AS SELECT 1 AS one;
CREATE SCHEMA suite_2;
CREATE MATERIALIZED VIEW suite_2.bottom AS SELECT "Top ""x""".sum, plain.x FROM "Top ""x""", plain;

-- One row per pair, through ordinary views, up to the next materialized view;
-- a view without sources has none.
SELECT view, depends_on, kind FROM refresh_mv.dependencies ORDER BY view::text COLLATE "C", depends_on::text COLLATE "C";
DROP MATERIALIZED VIEW of_nothing;

-- Each node has its name in full, whatever the search_path; a view also how it
-- was refreshed last, or that it never was.
SELECT refresh_mv.graph() \g (format=unaligned)
SET search_path = suite_2, suite, helpers, public;
SELECT refresh_mv.graph() \g (format=unaligned)
SET search_path = suite, helpers, public;

-- What is wrong with a view shows: failures in a row, disabled.
INSERT INTO plain VALUES (1, current_date);
INSERT INTO parted VALUES (1);
CREATE FUNCTION fails(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / (x - 1); END $$;
CREATE MATERIALIZED VIEW failing AS SELECT fails(x) FROM plain WITH NO DATA;
SET client_min_messages = error;
SELECT success FROM refresh_materialized_views(true, views => '{bottom,failing,empty}');
SELECT success FROM refresh_materialized_views(true, views => ARRAY['"Top ""x"""', 'failing', 'empty']::regclass[]);
SET client_min_messages = warning;
SELECT refresh_mv.configure('empty', enabled => false);
SELECT refresh_mv.graph() \g (format=unaligned)

-- Everybody may look: names are no secret, failures of views that one may not
-- read are.
CREATE ROLE refresh_mv_graph_other;
SET ROLE refresh_mv_graph_other;
SELECT count(*) FROM refresh_mv.dependencies;
SELECT line FROM regexp_split_to_table(refresh_mv.graph(), E'\n') line WHERE line ~ 'failing|n1.+bottom';
RESET ROLE;
DROP ROLE refresh_mv_graph_other;
DROP SCHEMA suite_2 CASCADE;

-- ---- many views in as many schemas, of which the planner knows nothing: no work for
-- each pair of them.  (It took the square of their number: 27 s for 3,000.)
CREATE TABLE many (id int);
DO $$
BEGIN
    FOR i IN 1..1000 LOOP
        EXECUTE format('CREATE SCHEMA refresh_mv_many_%s', i);
        EXECUTE format('CREATE MATERIALIZED VIEW refresh_mv_many_%s.v AS SELECT id FROM suite.many', i);
    END LOOP;
END $$;
-- The shortest of three times, in milliseconds.
CREATE FUNCTION shortest(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz;
    result float8 := 'infinity';
BEGIN
    FOR i IN 1..3 LOOP
        start := clock_timestamp();
        EXECUTE query;
        result := least(result, extract(epoch FROM clock_timestamp() - start) * 1000);
    END LOOP;
    RETURN result;
END $$;
SELECT regexp_count(refresh_mv.graph(), 'refresh_mv_many_\d+\.v<br/>') AS views;
SELECT graph, reading AS much_less FROM shortest('SELECT refresh_mv.graph()') graph,
    shortest('SELECT count(*) FROM refresh_mv.dependencies') reading WHERE graph > 3 * reading + 20;
DO $$
BEGIN
    FOR i IN 1..1000 LOOP
        EXECUTE format('DROP SCHEMA refresh_mv_many_%s CASCADE', i);
    END LOOP;
END $$;
DROP SCHEMA suite CASCADE;
