-- A register of places, without PostGIS: points on a grid, areas in a hierarchy, streets, votes by area.

CREATE TABLE areas (id integer PRIMARY KEY, parent integer, level smallint NOT NULL, name text NOT NULL, names jsonb);
CREATE TABLE places (id integer PRIMARY KEY, area integer, kind text, name text, x numeric(9,4), y numeric(9,4),
                     cell text GENERATED ALWAYS AS (floor(x)::integer || ':' || floor(y)::integer) STORED, tags jsonb);
CREATE TABLE edges (id integer PRIMARY KEY, a integer NOT NULL, b integer NOT NULL, metres integer NOT NULL, oneway boolean NOT NULL DEFAULT false);
CREATE TABLE votes (area integer, party text, year smallint, votes integer, PRIMARY KEY (area, party, year)) PARTITION BY LIST (year);
CREATE TABLE votes_2020 PARTITION OF votes FOR VALUES IN (2020);
CREATE TABLE votes_2024 PARTITION OF votes FOR VALUES IN (2024) PARTITION BY HASH (area);
CREATE TABLE votes_2024_0 PARTITION OF votes_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE votes_2024_1 PARTITION OF votes_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON places (area);
CREATE INDEX ON places (cell);
INSERT INTO areas SELECT i, CASE WHEN i > 1 THEN i / 3 + CASE WHEN i < 3 THEN 1 ELSE 0 END END, CASE WHEN i = 1 THEN 0 WHEN i < 6 THEN 1 WHEN i < 18 THEN 2 ELSE 3 END, 'Area ' || i,
    CASE WHEN i % 3 > 0 THEN jsonb_build_object('en', 'Area ' || i, 'fr', 'Zone ' || i) END FROM generate_series(1, 30) i;
INSERT INTO places (id, area, kind, name, x, y, tags) SELECT i, CASE WHEN i % 16 > 0 THEN i % 28 + 1 END, (ARRAY['shop', 'school', 'park', NULL])[i % 4 + 1], CASE WHEN i % 10 > 0 THEN 'Place ' || i END,
    (i * 37 % 100) / 8.0, (i * 53 % 90) / 8.0, CASE WHEN i % 3 > 0 THEN jsonb_build_object('stars', i % 6, 'wheelchair', i % 2 = 0) END FROM generate_series(1, 260) i;
INSERT INTO edges SELECT i, i % 60 + 1, i * 7 % 60 + 1, i * 13 % 500 + 1, i % 5 = 0 FROM generate_series(1, 120) i;
INSERT INTO votes SELECT a, p, y, a * length(p) * 7 % 300 FROM generate_series(6, 17) a, unnest(ARRAY['left', 'right', 'other party']) p, unnest(ARRAY[2020, 2024]) y WHERE (a + y) % 11 > 0;

CREATE VIEW area_paths AS WITH RECURSIVE up AS (
    SELECT id, id AS above, 0 AS steps FROM areas UNION ALL SELECT u.id, a.parent, u.steps + 1 FROM up u JOIN areas a ON a.id = u.above WHERE a.parent IS NOT NULL)
    SELECT * FROM up;

-- view cells: places on a grid, for maps
-- delta survey census; skip annex build far count recount idle
SELECT cell, kind, count(*) AS n, avg(x) AS x, avg(y) AS y, min(name) AS example FROM places GROUP BY cell, kind;
CREATE INDEX ON cells (cell);
-- view in_areas: places in areas and all above, over a recursive view
-- delta survey; full annex census (areas has changed, which the recursive query up reads); skip build far count recount idle
SELECT u.above AS area, count(p.id) AS places, count(*) FILTER (WHERE p.kind = 'shop') AS shops FROM area_paths u JOIN places p ON p.area = u.id GROUP BY u.above;
-- view addresses: the name of a place with those of its areas
-- keys survey annex census; skip build far count recount idle
SELECT p.id, coalesce(p.name, 'unnamed') || ', ' || coalesce(a.names ->> 'fr', a.name, 'nowhere') || coalesce(', ' || b.name, '') AS address, p.tags -> 'stars' AS stars
FROM places p LEFT JOIN areas a ON a.id = p.area LEFT JOIN areas b ON b.id = a.parent;
-- view degrees: how many streets meet at each place
-- delta build far census; skip survey annex count recount idle
SELECT node, count(*) AS streets, sum(metres) AS metres FROM (
    SELECT a AS node, metres FROM edges UNION ALL SELECT b, metres FROM edges WHERE NOT oneway) e GROUP BY node;
-- view neighbours: the two nearest places of the same kind in the same cell
-- keys survey census; skip annex build far count recount idle
SELECT p.id, n.other, n.distance FROM places p CROSS JOIN LATERAL (
    SELECT q.id AS other, abs(q.x - p.x) + abs(q.y - p.y) AS distance FROM places q WHERE q.cell = p.cell AND q.kind = p.kind AND q.id <> p.id ORDER BY distance, q.id LIMIT 2) n
WHERE p.kind = 'school';
-- view reachable: from the first place, in a few steps
-- full build far census (edges has changed, which the recursive query walk reads); skip survey annex count recount idle
WITH RECURSIVE walk AS (
    SELECT b AS node, 1 AS steps FROM edges WHERE a = 1 UNION SELECT e.b, w.steps + 1 FROM walk w JOIN edges e ON e.a = w.node WHERE w.steps < 4)
SELECT node, min(steps) AS steps FROM walk GROUP BY node;
-- view winners: the strongest party in each area and year
-- keys annex count recount census; skip survey build far idle
SELECT DISTINCT ON (v.area, v.year) v.area, v.year, a.name, v.party, v.votes FROM votes v JOIN areas a ON a.id = v.area ORDER BY v.area, v.year, v.votes DESC, v.party;
-- view swing: from one election to the next, from partitions
-- keys count recount census; skip survey annex build far idle
SELECT coalesce(n.area, o.area) AS area, coalesce(n.party, o.party) AS party, n.votes - o.votes AS more, n.votes IS NULL AS gone
FROM votes_2024 n FULL JOIN votes_2020 o ON o.area = n.area AND o.party = n.party;
-- view shares: percentages within the area above
-- delta annex count recount census; skip survey build far idle
SELECT a.parent, v.year, v.party, sum(v.votes) AS votes, round(100.0 * sum(v.votes) / nullif(sum(sum(v.votes)) OVER (PARTITION BY a.parent, v.year), 0), 2) AS percent
FROM votes v JOIN areas a ON a.id = v.area GROUP BY a.parent, v.year, v.party;
-- view turnout: of years side by side
-- delta annex count recount census; skip survey build far idle
SELECT (SELECT sum(votes) FROM votes WHERE year = 2020) AS old, (SELECT sum(votes) FROM votes WHERE year = 2024) AS new, (SELECT count(*) FROM areas WHERE level = 2) AS areas;
-- view latest_year: only of the last election
-- delta count recount census; skip survey annex build far idle
SELECT party, sum(votes) AS votes FROM votes WHERE year = (SELECT max(year) FROM votes) GROUP BY party;

-- changes survey: places come, move, go
INSERT INTO places (id, area, kind, name, x, y) SELECT i, i % 30 + 1, 'school', 'New ' || i, i % 12, i % 11 FROM generate_series(261, 280) i;
UPDATE places SET x = x + 1.25 WHERE id % 50 = 3;
UPDATE places SET kind = 'park', tags = '{"stars": 5}' WHERE id % 60 = 1;
UPDATE places SET area = NULL WHERE id = 44;
DELETE FROM places WHERE id % 45 = 2;
-- changes annex: areas
UPDATE areas SET parent = 2 WHERE id = 15;
UPDATE areas SET names = '{"fr": "Ville"}' WHERE id = 4;
UPDATE areas SET name = 'Area zwei' WHERE id = 2;
INSERT INTO areas VALUES (31, 5, 2, 'Area 31', NULL);
-- changes build: streets
INSERT INTO edges VALUES (121, 1, 59, 3, false), (122, 61, 1, 4, true);
UPDATE edges SET oneway = NOT oneway WHERE id % 30 = 0;
DELETE FROM edges WHERE id = 7;
-- changes far: a street that leads nowhere
INSERT INTO edges VALUES (130, 900, 901, 1);
-- changes count: votes of 2024
UPDATE votes SET votes = votes + 40 WHERE year = 2024 AND party = 'left' AND area < 10;
INSERT INTO votes VALUES (6, 'new party', 2024, 999), (18, 'left', 2024, NULL);
DELETE FROM votes_2024 WHERE area = 12;
-- changes recount: votes of 2020
UPDATE votes_2020 SET votes = votes - 1 WHERE area = 8;
UPDATE votes SET year = 2020, party = 'late' WHERE area = 9 AND party = 'right' AND year = 2024;
-- changes idle: nothing that matters
UPDATE areas SET level = level WHERE id < 5;
UPDATE edges SET metres = metres;
-- changes census: all of it
INSERT INTO votes SELECT a, 'left', 2024, 5 FROM generate_series(19, 25) a;
UPDATE votes SET votes = NULL WHERE party = 'other party' AND area = 7;
UPDATE places SET y = y / 2 WHERE kind = 'shop' AND id < 60;
DELETE FROM areas WHERE id = 30;
DELETE FROM edges WHERE metres > 450;
INSERT INTO places (id, area, name) VALUES (300, 31, NULL);
