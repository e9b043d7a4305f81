CALL helpers.begin_suite();
-- Tables with temporal keys (WITHOUT OVERLAPS, from PostgreSQL 18; before, the same
-- columns make ordinary keys), which are keys by the equality of all their columns.
SELECT CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'WITHOUT OVERLAPS' ELSE '' END AS temporal \gset
-- (A range as the first column needs no btree_gist)
CREATE TABLE stay (room int4range, at daterange, guest text, PRIMARY KEY (room, at :temporal));
CREATE TABLE price (kind int4range NOT NULL, at datemultirange NOT NULL, amount numeric(8,2) NOT NULL, UNIQUE (kind, at :temporal));
CREATE TABLE guest (name text PRIMARY KEY, town text);
INSERT INTO stay SELECT int4range(i % 10, i % 10 + 1), daterange('2026-01-01'::date + 10 * i, '2026-01-01'::date + 10 * i + 4), 'g' || i % 7
FROM generate_series(1, 60) i;
INSERT INTO price SELECT '[1,3)', datemultirange(daterange('2026-01-01'::date + i, '2026-01-01'::date + i + 1)), i FROM generate_series(1, 60) i;
INSERT INTO guest SELECT 'g' || i, 't' || i % 3 FROM generate_series(0, 6) i;
CREATE MATERIALIZED VIEW stays AS SELECT s.guest, count(*) AS n, min(lower(s.at)) AS first FROM stay s GROUP BY s.guest;
CREATE MATERIALIZED VIEW towns AS SELECT g.town, s.room, s.at FROM stay s JOIN guest g ON g.name = s.guest;
CREATE MATERIALIZED VIEW prices AS SELECT amount > 30 AS high, sum(amount) AS amount, count(*) AS n FROM price GROUP BY 1;
SELECT name, t.tracked, t.reason FROM unnest('{stays,towns,prices}'::text[]) name, refresh_mv.track(name::regclass) t;
SELECT c.relname, s.key FROM refresh_mv.sources s JOIN pg_class c ON c.oid = s.relation ORDER BY 1;
SELECT message FROM refresh_materialized_views_smart();

-- Refreshes all: how, and how many rows differ.
CREATE FUNCTION smart(OUT view text, OUT method text, OUT reason text, OUT differences bigint) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart();
    RETURN QUERY SELECT h.view_name, h.method, h.reason, check_view(h.view_name::regclass)
        FROM refresh_mv.journal h WHERE h.run = (SELECT max(run) FROM refresh_mv.journal) ORDER BY h.view_name;
END $$;
-- rows that come, go, change, move in time, and take each other's time
INSERT INTO stay VALUES ('[3,4)', '[2025-01-01,2025-02-01)', 'g1');
INSERT INTO stay VALUES ('[13,14)', '[2025-01-01,2025-02-01)', 'g1'), ('[13,14)', '[2025-02-01,)', 'g2');
UPDATE stay SET guest = 'g3' WHERE room = '[1,2)';
INSERT INTO price VALUES ('[1,3)', '{[2025-01-01,2025-01-03), [2025-02-01,2025-02-03)}', 99.5);
SELECT * FROM smart();
UPDATE stay SET at = daterange(lower(at), lower(at) + 2), guest = 'g4' WHERE room = '[13,14)';
DELETE FROM stay WHERE room = '[2,3)' AND lower(at) < '2026-08-01';
DELETE FROM price WHERE amount BETWEEN 10 AND 20;
UPDATE guest SET town = 't0' WHERE name IN ('g4', 'g5');
SELECT * FROM smart();
BEGIN;
DELETE FROM stay WHERE room = '[13,14)' AND lower(at) = '2025-01-01';
UPDATE stay SET at = '[2025-01-01,2025-01-03)' WHERE room = '[13,14)' AND lower(at) = '2025-02-01';
INSERT INTO stay VALUES ('[13,14)', '[2025-02-01,2025-02-03)', 'g6');
COMMIT;
UPDATE price SET at = '{[2024-01-01,2024-01-03)}' WHERE amount = 99.5;
SELECT * FROM smart();
SELECT method, possible FROM refresh_mv.explain('towns', verbose => true) WHERE details LIKE '%stay%' ORDER BY method;

-- A key that is no temporal one and cannot be used: the words are true, and what is proposed works.
CREATE TABLE late (id int PRIMARY KEY DEFERRABLE, n int);
CREATE MATERIALIZED VIEW over_late AS SELECT n, count(*) FROM late GROUP BY n;
SELECT * FROM refresh_mv.track('over_late');
SELECT refresh_mv.remedies('over_late');
ALTER TABLE suite.late ADD UNIQUE (id);
SELECT tracked FROM refresh_mv.track('over_late');
