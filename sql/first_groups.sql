CALL helpers.begin_suite();
-- Views of the first of many groups: what they held and the touched groups tell which are the first now, unless some
-- have to come up from behind.
SET refresh_mv.exact_cost_limit = 1e9;

CREATE TABLE sales (id int PRIMARY KEY, customer int, region text, amount numeric(8,2) NOT NULL);
INSERT INTO sales
SELECT i, nullif(i % 2000, 0), nullif('r' || i % 7, 'r3'), (i * 37 % 1000) / 10.0 FROM generate_series(1, 6000) i;

CREATE MATERIALIZED VIEW best AS
SELECT customer, sum(amount) AS total, max(amount) AS top FROM sales GROUP BY customer
ORDER BY total DESC, customer NULLS FIRST LIMIT 5;
CREATE MATERIALIZED VIEW least AS
SELECT customer, region, count(*) + 0 AS n, sum(amount) AS total FROM sales GROUP BY customer, region HAVING sum(amount) > 10
ORDER BY n, 4, customer DESC NULLS LAST, region NULLS FIRST FETCH FIRST 4 ROWS ONLY;
CREATE MATERIALIZED VIEW ties AS
SELECT customer, round(sum(amount)) AS total FROM sales GROUP BY customer ORDER BY 2 DESC FETCH FIRST 3 ROWS WITH TIES;
CREATE MATERIALIZED VIEW few AS
SELECT region, sum(amount) AS total FROM sales GROUP BY region ORDER BY total DESC, region LIMIT 20;
CREATE MATERIALIZED VIEW none AS
SELECT region, count(*) AS n FROM sales GROUP BY region ORDER BY n, region LIMIT 0;

ANALYZE sales;
SELECT view_name, tracked, reason FROM refresh_mv.track() ORDER BY view_name::text;
SELECT message FROM refresh_materialized_views_smart();
SELECT message FROM refresh_materialized_views(); -- makes the states

-- Refreshes a view; tells the method, how many groups of its state were read, and how many rows are wrong.
CREATE FUNCTION refreshed(view regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state oid := (SELECT c.oid FROM pg_class c WHERE c.relname = 'group_state_' || view::oid);
    before bigint;
    done text;
BEGIN
    before := pg_stat_get_xact_tuples_returned(state) + pg_stat_get_xact_tuples_fetched(state);
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method INTO done FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    RETURN format('%s: %s, %s, %s wrong', view, done, CASE
        WHEN pg_stat_get_xact_tuples_returned(state) + pg_stat_get_xact_tuples_fetched(state) - before < 1000
        THEN 'few groups read' ELSE 'all groups read' END, check_view(view));
END $$;

-- A group that is none of the first becomes one.
INSERT INTO sales VALUES (6001, 77, 'r1', 999);
SELECT refreshed(v) FROM unnest('{best,ties}'::regclass[]) v;
-- One of the first changes its place.
INSERT INTO sales VALUES (6002, 77, 'r1', 0.5);
SELECT refreshed(v) FROM unnest('{best,ties}'::regclass[]) v;
-- Groups that are far behind change.
UPDATE sales SET amount = amount + 0.01 WHERE id BETWEEN 1001 AND 1003;
SELECT refreshed(v) FROM unnest('{best,ties}'::regclass[]) v;
-- One of the first falls back: others come up from behind, but for a group that rises at the same time.
DELETE FROM sales WHERE id = 6001;
SELECT refreshed(v) FROM unnest('{best,ties}'::regclass[]) v;
INSERT INTO sales VALUES (6001, 78, 'r1', 999);
SELECT refreshed(v) FROM unnest('{best,ties}'::regclass[]) v;
DELETE FROM sales WHERE id = 6001;
INSERT INTO sales VALUES (6003, NULL, 'r1', 999), (6004, 79, 'r1', 997), (6005, 80, 'r1', 997);
SELECT refreshed(v) FROM unnest('{best,ties}'::regclass[]) v;
-- Groups of nulls, and a condition on groups.
INSERT INTO sales VALUES (6006, NULL, NULL, 10.01), (6007, 9999, 'r1', 10.02), (6008, 9998, 'r1', 10);
SELECT refreshed('least');
UPDATE sales SET amount = 10.01 WHERE id = 6008;
SELECT refreshed('least');
UPDATE sales SET amount = 9 WHERE id = 6007;
SELECT refreshed('least');
SELECT refreshed('few'), refreshed('none');
DELETE FROM sales WHERE region = 'r5';
INSERT INTO sales VALUES (6009, 1, 'new', 50);
SELECT refreshed('few'), refreshed('none');

-- Whatever changes, they are right.
DO $$
DECLARE
    v regclass;
    done text;
BEGIN
    PERFORM setseed(0.4);
    FOR i IN 1 .. 120 LOOP
        CASE floor(random() * 4)
        WHEN 0 THEN
            INSERT INTO sales SELECT 10000 + i * 10 + k, nullif(floor(random() * 30)::int * 60, 0), nullif('r' || floor(random() * 8), 'r3'),
                round((random() * 300)::numeric, floor(random() * 2)::int) FROM generate_series(1, 1 + floor(random() * 4)::int) k;
        WHEN 1 THEN DELETE FROM sales WHERE id IN (SELECT id FROM sales ORDER BY amount DESC, id LIMIT floor(random() * 4)::int);
        WHEN 2 THEN UPDATE sales SET amount = amount * round(random()::numeric * 2, 2), region = nullif('r' || id % 5, 'r3') WHERE id % 997 = i;
        ELSE
            DELETE FROM sales WHERE customer IN (SELECT customer FROM best LIMIT 1);
            UPDATE sales SET customer = nullif(floor(random() * 2000)::int, 0) WHERE id % 1499 = i;
        END CASE;
        FOREACH v IN ARRAY '{best,least,ties,few,none}'::regclass[] LOOP
            done := refreshed(v);
            IF done !~ '(delta|skip), .* 0 wrong' THEN
                RAISE EXCEPTION 'after change %: %', i, done;
            END IF;
        END LOOP;
    END LOOP;
END $$;

SET client_min_messages = error;
DROP SCHEMA suite CASCADE;
