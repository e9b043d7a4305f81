CALL helpers.begin_suite();
-- keep_before of tracked views: rows from the bound on are refreshed exactly, and older ones stay as they are.
SET TimeZone = 'UTC';
CREATE TABLE sales (id int PRIMARY KEY, day date, at timestamptz, product int, n int);
CREATE TABLE products (product int PRIMARY KEY, name text);
INSERT INTO products SELECT g, 'p' || g FROM generate_series(1, 6) g;
INSERT INTO sales SELECT g, current_date - g % 40, (current_date - g % 40)::timestamptz + interval '5 hours', g % 7, g FROM generate_series(1, 400) g;
INSERT INTO sales VALUES (1001, NULL, NULL, 1, 1), (1002, NULL, NULL, 2, 2);
ANALYZE sales, products;
CREATE TABLE shapes (no int GENERATED ALWAYS AS IDENTITY, name text, query text);
INSERT INTO shapes (name, query) VALUES
('groups', 'SELECT day, count(*) AS k, sum(n) AS n, max(n) AS most FROM sales GROUP BY day'),
('rows', 'SELECT id, day, product, n FROM sales WHERE n > 10'),
('joined', 'SELECT s.day, p.name, count(*) AS k, sum(s.n) AS n FROM sales s JOIN products p USING (product) GROUP BY s.day, p.name'),
('left', 'SELECT s.id, s.day, p.name FROM sales s LEFT JOIN products p USING (product)'),
('listed', 'SELECT day, string_agg(n::text, '','' ORDER BY n) AS list FROM sales GROUP BY day'),
('hours', 'SELECT date_trunc(''hour'', at) AS day, count(*) AS k, sum(n) AS n FROM sales GROUP BY 1'),
('of the greatest', 'SELECT day, sum(n) AS n FROM sales GROUP BY day HAVING sum(n) * 3 > (SELECT max(total) FROM (SELECT sum(n) AS total FROM sales GROUP BY day) t)'),
('ranks', 'SELECT id, day, n, rank() OVER (PARTITION BY day ORDER BY n DESC) AS rank FROM sales'),
('different', 'SELECT DISTINCT day, product FROM sales'),
('union', 'SELECT day, n FROM sales WHERE product = 1 UNION ALL SELECT day, -n FROM sales WHERE product = 2'),
('recent', 'SELECT day, count(*) AS k FROM sales WHERE day > CURRENT_DATE - 30 GROUP BY day');
-- Runs a change and a refresh: how that was done; how many rows from the bound on are not those of the query, and how many
-- of those that are kept are not as they were.
CREATE FUNCTION refreshed(change text, OUT method text, OUT reason text, OUT wrong bigint, OUT lost bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    DROP TABLE IF EXISTS old_rows;
    CREATE TEMP TABLE old_rows AS SELECT v::text AS image FROM shown v WHERE day < current_date - 10;
    TRUNCATE refresh_mv.journal;
    EXECUTE 'SELECT refresh_materialized_views_smart(''{shown}'')';
    SELECT h.method, h.reason INTO method, reason FROM refresh_mv.history h;
    wrong := check_view('shown'::text::regclass, 'day >= current_date - 10 OR day IS NULL');
    lost := (SELECT count(*) FROM (
        (SELECT image FROM old_rows EXCEPT ALL SELECT v::text FROM shown v WHERE day < current_date - 10)
        UNION ALL (SELECT v::text FROM shown v WHERE day < current_date - 10 EXCEPT ALL SELECT image FROM old_rows)) d);
END $$;
CREATE FUNCTION told(shape text, changes text[], OUT methods text, OUT wrong bigint, OUT lost bigint, OUT reasons text) LANGUAGE plpgsql AS $$
DECLARE
    change text;
    r record;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shown AS ' || (SELECT s.query FROM shapes s WHERE s.name = shape);
    PERFORM refresh_mv.track('shown'::text::regclass), refresh_mv.configure('shown'::text::regclass, date_column => 'day', keep_before => '10 days');
    wrong := 0;
    lost := 0;
    FOREACH change IN ARRAY changes LOOP
        SELECT * INTO r FROM refreshed(change);
        methods := concat_ws(' ', methods, r.method);
        wrong := wrong + r.wrong;
        lost := lost + r.lost;
        IF r.reason LIKE '%, but %' THEN reasons := concat_ws('; ', reasons, substring(r.reason FROM ', but (.*)')); END IF;
    END LOOP;
    DROP MATERIALIZED VIEW shown;
END $$;
SELECT s.name, t.* FROM shapes s, told(s.name, ARRAY[
    'SELECT',
    -- new rows, of today, of long ago, and of no day
    'INSERT INTO sales SELECT g, current_date - g % 20, (current_date - g % 20)::timestamptz, g % 7, g FROM generate_series(2001, 2020) g; INSERT INTO sales VALUES (2100, NULL, NULL, 1, 100)',
    -- what is old is purged, and changed before that
    'UPDATE sales SET n = n + 1 WHERE day < current_date - 20; DELETE FROM sales WHERE day < current_date - 25',
    -- changes on both sides
    'UPDATE sales SET n = n + 1 WHERE product = 3; DELETE FROM sales WHERE product = 5',
    -- rows move over the bound, in both directions
    'UPDATE sales SET day = day - 15, at = at - interval ''15 days'' WHERE id % 40 < 4; UPDATE sales SET day = day + 15, at = at + interval ''15 days'' WHERE id % 40 BETWEEN 18 AND 22',
    -- of another table, for all days
    'UPDATE products SET name = name || ''!'' WHERE product = 2; DELETE FROM products WHERE product = 4',
    'SELECT',
    'INSERT INTO products VALUES (4, ''p4''); DELETE FROM sales WHERE id > 2000; UPDATE sales SET n = 5 WHERE id = 7']) t
ORDER BY s.no;
-- Changes by chance.
CREATE FUNCTION one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION some_change() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT one_of(
        format('INSERT INTO sales SELECT coalesce(max(id), 0) + 1, current_date - %s, current_date - %1$s, %s, %s FROM sales', floor(random() * 20), floor(random() * 8), floor(random() * 50)),
        format('UPDATE sales SET n = n + 1 WHERE id %% 17 = %s', floor(random() * 17)),
        format('UPDATE sales SET day = current_date - %s, at = current_date - %1$s WHERE id %% 29 = %s', floor(random() * 20), floor(random() * 29)),
        format('UPDATE sales SET day = NULL, at = NULL WHERE id %% 97 = %s', floor(random() * 97)),
        format('DELETE FROM sales WHERE id %% 37 = %s', floor(random() * 37)),
        format('UPDATE products SET name = name || ''?'' WHERE product = %s', floor(random() * 7)),
        'DELETE FROM sales WHERE day < current_date - 15',
        format('DELETE FROM sales WHERE day = current_date - %s', floor(random() * 14)))
$$;
CREATE FUNCTION by_chance(shape text, times int, OUT full_ones bigint, OUT wrong bigint, OUT lost bigint) LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shown AS ' || (SELECT s.query FROM shapes s WHERE s.name = shape);
    PERFORM refresh_mv.track('shown'::text::regclass), refresh_mv.configure('shown'::text::regclass, date_column => 'day', keep_before => '10 days');
    PERFORM refreshed('SELECT');
    full_ones := 0;
    wrong := 0;
    lost := 0;
    FOR i IN 1..times LOOP
        SELECT * INTO r FROM refreshed(some_change() || '; ' || some_change());
        full_ones := full_ones + (r.method = 'full')::int;
        wrong := wrong + r.wrong;
        lost := lost + r.lost;
    END LOOP;
    DROP MATERIALIZED VIEW shown;
END $$;
SELECT setseed(0.25);
SET refresh_mv.exact_cost_limit = 1000;
SELECT s.name, t.* FROM shapes s, by_chance(s.name, 25) t ORDER BY s.no;
RESET refresh_mv.exact_cost_limit;

-- The bound moves with the days, and so with the time zone of the session: what is kept from now on stays as it is.
CREATE MATERIALIZED VIEW shown AS SELECT day, count(*) AS k, sum(n) AS n FROM sales GROUP BY day;
CREATE UNIQUE INDEX ON shown (day);
SELECT tracked FROM refresh_mv.track('shown');
SELECT refresh_mv.configure('shown', date_column => 'day', keep_before => '10 days');
SET TimeZone = 'Etc/GMT+12';
SELECT * FROM refreshed('INSERT INTO sales SELECT g, current_date - g % 20, now(), 1, g FROM generate_series(3001, 3040) g');
SELECT * FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SET TimeZone = 'Etc/GMT-14';
SELECT * FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SELECT * FROM refreshed('SELECT');
-- It goes back: rows are not kept any more that were.
SET TimeZone = 'Etc/GMT+12';
SELECT verdict, remark FROM refresh_mv.verify('shown');
SELECT method, chosen, reason FROM refresh_mv.explain('shown') WHERE chosen;
SELECT * FROM refreshed('SELECT');
SELECT * FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SET TimeZone = 'UTC';
-- Other settings are other bounds.
SELECT refresh_mv.configure('shown', keep_before => '11 days');
SELECT method, reason FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SELECT refresh_mv.configure('shown', keep_before => NULL);
SELECT method, reason FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SELECT check_view('shown');
SELECT refresh_mv.configure('shown', keep_before => '10 days');
SELECT * FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SELECT * FROM refreshed('UPDATE sales SET n = n + 1 WHERE id > 3000');
SELECT method, possible, chosen, reason FROM refresh_mv.explain('shown') WHERE method IN ('skip', 'delta');
-- A kept row has the unique key of one that is new.
CREATE MATERIALIZED VIEW keyed AS SELECT id, day, n FROM sales;
CREATE UNIQUE INDEX ON keyed (id);
SELECT tracked FROM refresh_mv.track('keyed');
SELECT refresh_mv.configure('keyed', date_column => 'day', keep_before => '10 days');
INSERT INTO sales VALUES (4001, current_date - 12, now(), 1, 1), (4002, current_date, now(), 1, 1);
SELECT success FROM refresh_materialized_views_smart('{keyed}');
REFRESH MATERIALIZED VIEW keyed;
SELECT success FROM refresh_materialized_views_smart('{keyed}');
UPDATE sales SET n = 2 WHERE id = 4002;
SELECT success FROM refresh_materialized_views_smart('{keyed}');
SELECT method FROM refresh_mv.history ORDER BY run DESC LIMIT 1;
DELETE FROM sales WHERE id = 4001;
INSERT INTO sales VALUES (4001, current_date, now(), 1, 9);
SELECT success FROM refresh_materialized_views_smart('{keyed}');
SELECT message FROM refresh_mv.history ORDER BY run DESC LIMIT 1;
DELETE FROM sales WHERE id = 4001;
SELECT success FROM refresh_materialized_views_smart('{keyed}');
SELECT current_date - day AS days, n FROM keyed WHERE id = 4001;
-- Views above take in what has changed, and no more.
CREATE MATERIALIZED VIEW above AS SELECT count(*) AS k, sum(n) AS n FROM keyed;
SELECT tracked FROM refresh_mv.track('above');
SELECT success FROM refresh_materialized_views_smart();
UPDATE sales SET n = n + 1 WHERE id = 4002;
TRUNCATE refresh_mv.journal;
SELECT success FROM refresh_materialized_views_smart();
SELECT view, method FROM refresh_mv.history WHERE view LIKE '%above' OR view LIKE '%keyed' ORDER BY view;
SELECT check_view('above');
DROP SCHEMA suite CASCADE;
