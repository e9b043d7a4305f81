CALL helpers.begin_suite();
-- Joined rows that are kept for what cannot be followed row by row (LIMIT, windows, ...), and columns that depend on
-- a key: sizes, settings, advice.
\pset format unaligned
\pset footer off
SET refresh_mv.exact_cost_limit = 1e9;
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, credit numeric, extra json);
CREATE TABLE sales (id int PRIMARY KEY, person int, amount numeric, at date);
INSERT INTO people SELECT i, 'person ' || i, i / 10.0, '{"a": 1}' FROM generate_series(1, 20) i;
INSERT INTO sales SELECT i, i % 20 + 1, i, date '2024-01-01' + i FROM generate_series(1, 200) i;
ANALYZE people, sales;

-- Refreshes a view, and tells by what method, or why it was full.
CREATE FUNCTION refreshed(view regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method, regexp_replace(j.reason, '^\d+ changes? in the log, but ', '') AS reason INTO done
    FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    RETURN CASE WHEN done.method = 'full' THEN concat_ws(': ', 'full', done.reason) ELSE done.method END
        || CASE WHEN check_view(view) = 0 THEN '' ELSE ', wrong' END;
END $$;
-- The states of a view: nodes and their numbers of rows, less the mark of each.
CREATE FUNCTION states(view regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state record;
    n bigint;
    list text;
BEGIN
    FOR state IN SELECT c.oid::regclass AS name, coalesce(substring(c.relname FROM 'group_state_\d+_(\d+)'), '0') AS node
                 FROM pg_class c WHERE c.relname ~ format('^group_state_%s(_|$)', view::oid) AND c.relkind = 'r' ORDER BY 2 LOOP
        EXECUTE format('SELECT count(*) - 1 FROM %s', state.name) INTO n;
        list := concat_ws(', ', list, state.node || ': ' || n);
    END LOOP;
    RETURN list;
END $$;

-- ---- a LIMIT over a join, a window, and groups that are told by a column that can look different

CREATE MATERIALIZED VIEW first AS
SELECT s.id, p.name, p.credit, p.extra FROM sales s JOIN people p ON p.id = s.person ORDER BY s.at DESC, s.id LIMIT 5;
CREATE MATERIALIZED VIEW running AS
SELECT s.id, sum(p.credit) OVER (ORDER BY s.at) AS credit FROM sales s LEFT JOIN people p ON p.id = s.person;
CREATE MATERIALIZED VIEW by_person AS
SELECT p.id, p.credit, count(*) AS n FROM people p JOIN sales s ON s.person = p.id GROUP BY p.id, p.credit;
CREATE MATERIALIZED VIEW part AS
SELECT p.id, count(*) AS n FROM people p JOIN (SELECT s.person FROM sales s ORDER BY s.id DESC LIMIT 30) s ON s.person = p.id GROUP BY p.id;
SELECT view_name, tracked FROM refresh_mv.track() ORDER BY 1;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
-- Equal, and not the same.
UPDATE people SET credit = credit * 1.00, extra = '{"a":  1}' WHERE id <= 5;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
-- Sales come and go, at both ends; a person moves.
INSERT INTO sales VALUES (201, 3, 1.50, '2025-01-01'), (202, NULL, 2.5, '2023-01-01');
DELETE FROM sales WHERE id IN (1, 200);
UPDATE people SET id = 30 WHERE id = 7;
UPDATE sales SET person = 30 WHERE id = 190;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
-- What the limit leaves out makes no difference to the rows, but to those below.
UPDATE sales SET at = '2022-01-01' WHERE id = 10;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;

-- ---- the setting

-- It goes by when the states are made: with all rows.
SET refresh_mv.node_size_limit = 0;
DELETE FROM sales WHERE id = 20;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
SELECT count(*) FROM refresh_materialized_views(views => ARRAY['first', 'running', 'by_person', 'part']::regclass[]);
SELECT v, states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
RESET refresh_mv.node_size_limit;
DELETE FROM sales WHERE id = 21;
SELECT v, method, possible, reason FROM unnest(ARRAY['first', 'running', 'part']::regclass[]) v, refresh_mv.explain(v) WHERE method IN ('delta', 'keys');
SELECT refreshed(v), states(v) FROM unnest(ARRAY['by_person']::regclass[]) v;
-- Changes that do not concern these rows are followed in any case.
SET refresh_mv.node_size_limit = 0;
SELECT refreshed('part');
UPDATE people SET id = 31 WHERE id = 8;
SELECT refreshed('part'), states('part');
UPDATE people SET id = 32 WHERE id = 9;
SELECT refreshed('part'), states('part');
DELETE FROM sales WHERE id = 22;
SELECT refreshed('part'), states('part');
RESET refresh_mv.node_size_limit;
-- Once it is allowed, the next full refresh makes them.
DELETE FROM sales WHERE id = 23;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
DELETE FROM sales WHERE id = 24;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['first', 'running', 'by_person', 'part']::regclass[]) v;
-- More rows than expected.
ALTER TABLE sales SET (autovacuum_enabled = off);
INSERT INTO sales SELECT i, i % 20 + 1, i, date '2024-01-01' + i FROM generate_series(1001, 30000) i;
SET refresh_mv.node_size_limit = '1MB';
SELECT count(*) FROM refresh_materialized_views(views => ARRAY['first']::regclass[]);
SELECT states('first');
RESET refresh_mv.node_size_limit;
-- To read them would take longer than to find the first by an index.
CREATE INDEX ON sales (at);
CREATE INDEX ON sales (person);
ANALYZE sales;
CREATE MATERIALIZED VIEW newest AS SELECT s.id, p.name FROM sales s JOIN people p ON p.id = s.person ORDER BY s.at LIMIT 3;
SELECT view_name, tracked FROM refresh_mv.track('newest');
RESET refresh_mv.exact_cost_limit;
SELECT refreshed('newest'), states('newest');
DELETE FROM sales WHERE id = 30;
SELECT refreshed('newest'), states('newest');

-- ---- one table

-- The first rows of it are found by those that the view held, as long as none has to come up from behind.
CREATE MATERIALIZED VIEW dearest AS SELECT id, amount FROM sales ORDER BY amount DESC, id DESC LIMIT 3;
CREATE MATERIALIZED VIEW cheapest AS SELECT amount, at FROM sales WHERE person < 6 ORDER BY amount FETCH FIRST 3 ROWS WITH TIES;
SELECT t.view_name, t.tracked FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v, refresh_mv.track(v) t;
SELECT refreshed(v), states(v) FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v;
SELECT v, method, possible, reason FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v, refresh_mv.explain(v) WHERE method IN ('delta', 'keys');
-- One comes, one goes; one moves up; numbers that are equal and look different; more ties.
INSERT INTO sales VALUES (40000, 1, 99999.5, '2025-01-02'), (40001, 1, 0.5, '2025-01-02'), (40002, 2, 0.5, '2025-01-02');
DELETE FROM sales WHERE id = 29999;
SELECT refreshed(v) FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v;
SELECT * FROM dearest ORDER BY amount, id;
UPDATE sales SET amount = 99999.50 WHERE id = 30000;
UPDATE sales SET amount = 0.50 WHERE id IN (40001, 50, 70);
SELECT refreshed(v) FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v;
SELECT * FROM dearest ORDER BY amount, id;
-- What comes behind them changes nothing.
UPDATE sales SET amount = amount + 0.1 WHERE id BETWEEN 100 AND 110;
SELECT refreshed(v) FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v;
-- One has to come up.
DELETE FROM sales WHERE id = 40000;
SELECT refreshed('dearest');
SELECT * FROM dearest ORDER BY amount, id;
-- An index finds it.
SELECT v, regexp_replace(advice, '[0-9]+', 'N', 'g') AS advice FROM unnest(ARRAY['dearest', 'cheapest']::regclass[]) v, refresh_mv.explain(v) WHERE method = 'full';
CREATE INDEX ON sales (amount, id);
SELECT advice FROM refresh_mv.explain('dearest') WHERE method = 'full';
-- An order that is not shown.
CREATE MATERIALIZED VIEW hidden AS SELECT at FROM sales ORDER BY amount, id LIMIT 3;
SELECT view_name, tracked FROM refresh_mv.track('hidden');
SELECT refreshed('hidden');
INSERT INTO sales VALUES (40003, 1, 0, '2025-01-02');
SELECT refreshed('hidden');

SET client_min_messages = error;
DROP SCHEMA suite CASCADE;
