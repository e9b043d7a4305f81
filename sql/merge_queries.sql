CALL helpers.begin_suite();
-- A full refresh is right for whatever query a view can have.
CREATE TABLE source (id int, parent int, kind text, amount numeric, at timestamp);
INSERT INTO source SELECT g, g / 2, 'kind ' || g % 5, g % 13 / 4.0, timestamp '2024-01-01' + g * interval '5 hours'
    FROM generate_series(1, 500) g;
CREATE TABLE names (kind text, label text);
INSERT INTO names SELECT 'kind ' || g, 'label ' || g FROM generate_series(0, 3) g;
CREATE VIEW ordinary AS SELECT kind, amount, at::date AS day FROM source WHERE amount > 0;
CREATE FUNCTION fives(n int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT 5 * g FROM generate_series(1, n) g';

CREATE MATERIALIZED VIEW v_order AS SELECT * FROM source ORDER BY amount, id DESC;
CREATE MATERIALIZED VIEW v_distinct AS SELECT DISTINCT kind, amount FROM source;
CREATE MATERIALIZED VIEW v_distinct_on AS SELECT DISTINCT ON (kind) kind, amount, id FROM source ORDER BY kind, amount DESC, id;
CREATE MATERIALIZED VIEW v_distinct_on_hidden AS SELECT DISTINCT ON (kind, amount) kind, id FROM source ORDER BY kind, amount, id;
CREATE MATERIALIZED VIEW v_union AS SELECT kind FROM source WHERE id < 250 UNION SELECT label FROM names;
CREATE MATERIALIZED VIEW v_union_all AS SELECT kind, id FROM source UNION ALL SELECT kind, 1 FROM source WHERE amount > 1;
CREATE MATERIALIZED VIEW v_except AS SELECT kind, amount FROM source EXCEPT ALL SELECT kind, 1 FROM names;
CREATE MATERIALIZED VIEW v_intersect AS SELECT kind FROM source INTERSECT SELECT kind FROM names ORDER BY 1 LIMIT 3;
CREATE MATERIALIZED VIEW v_sets AS SELECT kind, at::date AS day, sum(amount), grouping(kind, at::date) FROM source
    GROUP BY GROUPING SETS ((kind, at::date), (kind), (at::date), ());
CREATE MATERIALIZED VIEW v_rollup AS SELECT kind, parent % 3 AS p, count(*) FROM source GROUP BY ROLLUP (1, 2);
CREATE MATERIALIZED VIEW v_cube AS SELECT kind, parent % 3 AS p, count(*) FROM source GROUP BY DISTINCT CUBE (1, 2), CUBE (1);
CREATE MATERIALIZED VIEW v_window AS SELECT id, sum(amount) OVER (PARTITION BY kind ORDER BY id) AS running,
    rank() OVER w FROM source WINDOW w AS (ORDER BY amount);
CREATE MATERIALIZED VIEW v_recursive AS WITH RECURSIVE tree AS (
    SELECT id, 0 AS depth, amount FROM source WHERE parent = 0
    UNION ALL SELECT s.id, depth + 1, s.amount FROM tree t JOIN source s ON s.parent = t.id)
    SELECT depth, count(*), sum(amount) FROM tree GROUP BY depth;
CREATE MATERIALIZED VIEW v_limit AS SELECT * FROM source ORDER BY id DESC LIMIT 10 OFFSET 5;
CREATE MATERIALIZED VIEW v_ties AS SELECT amount FROM source ORDER BY amount DESC FETCH FIRST 5 ROWS WITH TIES;
CREATE MATERIALIZED VIEW v_cte AS WITH c AS MATERIALIZED (SELECT kind, sum(amount) AS total FROM source GROUP BY kind)
    SELECT a.kind, a.total, b.total AS other FROM c a LEFT JOIN c b ON b.total > a.total;
CREATE MATERIALIZED VIEW v_joins AS SELECT s.id, n.label, x.n FROM source s FULL JOIN names n USING (kind)
    LEFT JOIN LATERAL (SELECT count(*) AS n FROM source i WHERE i.parent = s.id) x ON true;
CREATE MATERIALIZED VIEW v_sublinks AS SELECT kind, (SELECT label FROM names n WHERE n.kind = s.kind),
    EXISTS (SELECT FROM names n WHERE n.kind = s.kind) AS known, ARRAY(SELECT id FROM source i WHERE i.parent = s.id ORDER BY 1) AS kids
    FROM source s WHERE id IN (SELECT parent FROM source);
CREATE MATERIALIZED VIEW v_having AS SELECT kind, array_agg(id ORDER BY id) FILTER (WHERE amount > 1) AS ids,
    count(DISTINCT amount) FROM source GROUP BY kind HAVING sum(amount) > 10;
CREATE MATERIALIZED VIEW v_group_hidden AS SELECT sum(amount) FROM source GROUP BY kind;
CREATE MATERIALIZED VIEW v_group_twice AS SELECT kind AS a, kind AS b, count(*) FROM source GROUP BY a, b;
CREATE MATERIALIZED VIEW v_aggregate AS SELECT count(*), sum(amount), max(at) FROM source;
CREATE MATERIALIZED VIEW v_srf AS SELECT id, generate_series(1, id % 4) AS n FROM source;
CREATE MATERIALIZED VIEW v_srf_grouped AS SELECT kind, unnest(array_agg(id)) AS id FROM source GROUP BY kind;
CREATE MATERIALIZED VIEW v_function AS SELECT f.* FROM fives(4) WITH ORDINALITY AS f (f, o);
CREATE MATERIALIZED VIEW v_values AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (n, t) JOIN source ON id = n;
CREATE MATERIALIZED VIEW v_constant AS VALUES (1, 'a'), (2, 'b');
CREATE MATERIALIZED VIEW v_sample AS SELECT id FROM source TABLESAMPLE BERNOULLI (100) REPEATABLE (1);
CREATE MATERIALIZED VIEW v_for_update AS SELECT id, amount FROM source WHERE id % 7 = 0 FOR UPDATE;
CREATE MATERIALIZED VIEW v_view AS SELECT day, kind, sum(amount) FROM ordinary GROUP BY day, kind;
CREATE MATERIALIZED VIEW v_catalog AS SELECT relname FROM pg_class WHERE relnamespace = 'suite'::regnamespace AND relkind = 'r';
CREATE MATERIALIZED VIEW v_nothing AS SELECT * FROM source WITH NO DATA;
-- Views on views; the second one reads the first.
CREATE MATERIALIZED VIEW v_second AS SELECT kind, sum(sum) FROM v_view GROUP BY kind;
CREATE MATERIALIZED VIEW v_third AS SELECT s.kind, s.sum, v.b FROM v_second s JOIN v_group_twice v ON v.a = s.kind;

-- All of them, in full; prints those that are not right.
CREATE FUNCTION refresh_all() RETURNS TABLE (refreshed int, wrong text) LANGUAGE plpgsql AS $$
DECLARE
    result record;
BEGIN
    SELECT * FROM refresh_materialized_views() INTO result;
    refreshed := cardinality(result.views_refreshed);
    SELECT coalesce(string_agg(oid::regclass::text, ' ' ORDER BY relname), 'none') INTO wrong
    FROM pg_class WHERE relkind = 'm' AND check_view(oid) > 0;
    RETURN NEXT;
END $$;
SELECT count(*) AS views FROM pg_class WHERE relkind = 'm';
SELECT * FROM refresh_all();
INSERT INTO source SELECT 500 + g, g, 'kind ' || g % 6, 1, timestamp '2024-05-05' FROM generate_series(1, 20) g;
UPDATE source SET amount = amount + 1, parent = parent - 1 WHERE id % 11 = 3;
UPDATE source SET kind = NULL WHERE id % 50 = 2;
DELETE FROM source WHERE id % 17 = 1;
INSERT INTO names VALUES ('kind 5', 'kind 1'), ('kind 9', NULL);
DELETE FROM names WHERE kind = 'kind 3';
CREATE OR REPLACE FUNCTION fives(n int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT 5 * g FROM generate_series(0, n) g WHERE g <> 2';
CREATE TABLE another ();
SELECT * FROM refresh_all();
-- The definition of the ordinary view changes.
CREATE OR REPLACE VIEW ordinary AS SELECT kind, -amount AS amount, at::date + 1 AS day FROM source WHERE amount > 1;
SELECT * FROM refresh_all();
TRUNCATE source;
SELECT * FROM refresh_all();
SELECT * FROM refresh_all();

-- Odd names: of views, of columns, of schemas, as long as they can be.
CREATE SCHEMA "Odd schema";
CREATE TABLE "Odd schema"."source ""quoted""" ("Id" int, "order" date, "a.b" text, "é" numeric);
INSERT INTO "Odd schema"."source ""quoted""" SELECT g, current_date - g % 40, 'v' || g, g FROM generate_series(1, 200) g;
CREATE MATERIALIZED VIEW "Odd schema"."View; DROP TABLE source --" AS
    SELECT "order", sum("é") AS "Sum of é", max("a.b") AS "max' %s" FROM "Odd schema"."source ""quoted""" GROUP BY 1;
CREATE MATERIALIZED VIEW "Odd schema".a2345678901234567890123456789012345678901234567890123456789_63 AS
    SELECT "Id" AS b2345678901234567890123456789012345678901234567890123456789_63, "order" FROM "Odd schema"."source ""quoted""";
CREATE UNIQUE INDEX ON "Odd schema".a2345678901234567890123456789012345678901234567890123456789_63 (b2345678901234567890123456789012345678901234567890123456789_63);
INSERT INTO "Odd schema"."source ""quoted""" VALUES (201, current_date, 'new', 1.5), (202, current_date - 20, 'new', 1.5);
SELECT success, views_refreshed, refresh_type FROM refresh_materialized_views(true, 2,
    ARRAY['"Odd schema"."View; DROP TABLE source --"', '"Odd schema".a2345678901234567890123456789012345678901234567890123456789_63']::regclass[]);
SELECT check_view(oid, '"order" >= current_date - 2'), check_view(oid) > 0 AS stale_before
FROM pg_class WHERE relkind = 'm' AND relnamespace = '"Odd schema"'::regnamespace;
SELECT * FROM refresh_all();
-- Renamed: the view, its columns, its schema, and those of its source; a
-- column of the source goes.
ALTER MATERIALIZED VIEW "Odd schema"."View; DROP TABLE source --" RENAME TO plain;
ALTER MATERIALIZED VIEW "Odd schema".plain RENAME "order" TO "group";
ALTER TABLE "Odd schema"."source ""quoted""" RENAME "order" TO "day";
ALTER TABLE "Odd schema"."source ""quoted""" ADD gone int DEFAULT 1, ADD late text DEFAULT 'x';
ALTER TABLE "Odd schema"."source ""quoted""" DROP gone;
ALTER TABLE "Odd schema"."source ""quoted""" RENAME TO source;
ALTER SCHEMA "Odd schema" RENAME TO odd;
UPDATE odd.source SET "é" = "é" + 1 WHERE "day" = current_date;
SELECT success, views_refreshed, refresh_type FROM refresh_materialized_views_smart('{odd.plain}');
SELECT * FROM refresh_all();
DROP SCHEMA odd CASCADE;

-- Sources that are partitioned or inherited from, with children to come.
CREATE TABLE parted (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE parted_old PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
CREATE TABLE base (n int);
CREATE TABLE child (t text) INHERITS (base);
CREATE MATERIALIZED VIEW v_parted AS SELECT day, sum(n) FROM parted GROUP BY day;
CREATE MATERIALIZED VIEW v_inherited AS SELECT n, tableoid = 'child'::regclass AS of_child FROM base;
CREATE MATERIALIZED VIEW v_only AS SELECT n FROM ONLY base;
INSERT INTO parted SELECT date '2023-12-01' + g, g FROM generate_series(1, 60) g;
INSERT INTO base VALUES (1);
INSERT INTO child VALUES (2, 'two');
SELECT * FROM refresh_all();
CREATE TABLE grandchild () INHERITS (child);
INSERT INTO grandchild VALUES (3, 'three');
ALTER TABLE parted DETACH PARTITION parted_old;
SELECT * FROM refresh_all();
SELECT count(*) FROM v_parted;
ALTER TABLE parted ATTACH PARTITION parted_old FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
TRUNCATE parted_rest;
SELECT * FROM refresh_all();
SELECT count(*) FROM v_parted;

-- A view that was created before the one it reads, by way of an ordinary view,
-- is refreshed after it.
CREATE VIEW between_them AS SELECT 0::bigint AS n;
CREATE MATERIALIZED VIEW v_upper AS SELECT n FROM between_them;
CREATE MATERIALIZED VIEW v_lower AS SELECT count(*) AS n FROM base;
CREATE OR REPLACE VIEW between_them AS SELECT n FROM v_lower;
INSERT INTO base VALUES (4);
SELECT * FROM refresh_all();
DROP SCHEMA suite CASCADE;
