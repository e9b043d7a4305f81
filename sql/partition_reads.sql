CALL helpers.begin_suite();
-- Views of partitions by their own names, whose changes are logged for the whole tree.
CREATE TABLE ev (id int, day date, kind text, n int, gone int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE ev_old PARTITION OF ev FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE ev_24 (n int, old text, kind text NOT NULL, day date NOT NULL, id int NOT NULL, gone int);
ALTER TABLE ev_24 DROP COLUMN old;
ALTER TABLE ev ATTACH PARTITION ev_24 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE ev_25 PARTITION OF ev FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (id);
CREATE TABLE ev_25_few PARTITION OF ev_25 FOR VALUES IN (1, 2, 3, 4, 5, 6, 7, 8, 9);
CREATE TABLE ev_25_rest PARTITION OF ev_25 DEFAULT;
ALTER TABLE ev DROP COLUMN gone;
CREATE TABLE kinds (kind text PRIMARY KEY, label text);
CREATE TABLE hashed (id int PRIMARY KEY, n int) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO ev SELECT g, date '2023-07-01' + g * 3, 'k' || g % 5, g FROM generate_series(1, 300) g;
INSERT INTO ev SELECT g, date '2025-03-01', 'k1', g FROM generate_series(1, 9) g;
INSERT INTO kinds SELECT 'k' || g, 'label ' || g FROM generate_series(0, 3) g;
INSERT INTO hashed SELECT g, g FROM generate_series(1, 50) g;
ANALYZE ev, kinds, hashed;
CREATE TABLE deep (k int, id int, n int, note text, PRIMARY KEY (id, k)) PARTITION BY HASH (id);
CREATE TABLE deep_0 PARTITION OF deep FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE deep_1 (note text, gone int, n int, id int NOT NULL, k int NOT NULL) PARTITION BY LIST (k);
ALTER TABLE deep_1 DROP COLUMN gone;
ALTER TABLE deep ATTACH PARTITION deep_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE deep_1_1 PARTITION OF deep_1 FOR VALUES IN (1);
CREATE TABLE deep_1_rest (n int, k int NOT NULL, note text, id int NOT NULL);
ALTER TABLE deep_1 ATTACH PARTITION deep_1_rest DEFAULT;
INSERT INTO deep SELECT g % 4, g, g, 'k' || g % 5 FROM generate_series(1, 60) g;
ANALYZE deep;
CREATE TABLE shapes (no int GENERATED ALWAYS AS IDENTITY, name text, query text);
INSERT INTO shapes (name, query) VALUES
('rows', 'SELECT id, day, n FROM ev_24'),
('groups', 'SELECT kind, count(*) AS k, sum(n) AS n FROM ev_24 GROUP BY kind'),
('joined', 'SELECT k.label, count(*) AS k, max(e.day) AS last FROM ev_24 e JOIN kinds k USING (kind) GROUP BY k.label'),
('nullable', 'SELECT k.kind, k.label, e.id, e.day FROM kinds k LEFT JOIN ev_24 e ON e.kind = k.kind'),
('only', 'SELECT kind, sum(n) AS n FROM ONLY ev_24 GROUP BY kind'),
('partitioned', 'SELECT kind, count(*) AS k FROM ev_25 GROUP BY kind'),
('below', 'SELECT id, day, kind FROM ev_25_few WHERE n > 3'),
('two', 'SELECT kind, count(*) AS k FROM (SELECT kind FROM ev_old UNION ALL SELECT kind FROM ev_24) e GROUP BY kind'),
('beside the tree', 'SELECT e.id, e.day, f.n FROM ev e JOIN ev_24 f ON f.id = e.id AND f.day = e.day'),
('exists', 'SELECT kind, label FROM kinds k WHERE EXISTS (SELECT FROM ev_24 e WHERE e.kind = k.kind AND e.n > 100)'),
('default', 'SELECT kind, count(*) AS k FROM ev_25_rest GROUP BY kind'),
('hashed', 'SELECT n % 3 AS rest, count(*) AS k FROM hashed_0 GROUP BY 1'),
('hashed rows', 'SELECT id, n FROM hashed_1 WHERE n > 3'),
('hashed and joined', 'SELECT k.label, count(*) AS k, sum(d.n) AS n FROM deep_1 d JOIN kinds k ON k.kind = d.note GROUP BY k.label'),
('hashed and nullable', 'SELECT k.kind, d.id, d.n FROM kinds k LEFT JOIN deep_0 d ON d.note = k.kind'),
('default below hashed', 'SELECT id, k, n, note FROM deep_1_rest'),
('beside its default', 'SELECT d.id, d.n, e.n AS m FROM deep_1_rest d LEFT JOIN deep_1_1 e ON e.id = d.id + 4'),
('not in default', 'SELECT kind, label FROM kinds k WHERE NOT EXISTS (SELECT FROM deep_1_rest d WHERE d.note = k.kind AND d.n > 20)'),
('default groups compared', 'SELECT kind, count(*) AS k FROM ev_25_rest GROUP BY kind HAVING count(*) > (SELECT min(c) FROM (SELECT count(*) AS c FROM ev_25_rest GROUP BY kind) t)'),
('only partitioned', 'SELECT kind, count(*) AS k FROM ONLY ev_25 GROUP BY kind'),
('whole rows', 'SELECT id, day, e IS NULL AS none, (e).n FROM ev_24 e');
SELECT s.name, t.* FROM shapes s, told(s.name, ARRAY[
    'INSERT INTO ev SELECT g, date ''2024-05-01'', ''k2'', g FROM generate_series(400, 404) g; INSERT INTO ev_25 SELECT g, date ''2025-05-01'', ''k2'', g FROM generate_series(400, 404) g; INSERT INTO hashed VALUES (400, 1), (401, 2)',
    -- into the partition and out of it, within it and elsewhere
    'UPDATE ev SET day = ''2023-01-01'' WHERE id = 400 AND day < ''2025-01-01''; UPDATE ev SET day = ''2024-06-01'' WHERE id IN (5, 6) AND day < ''2024-01-01''; UPDATE ev SET n = n + 1, kind = ''k0'' WHERE id IN (70, 280); UPDATE ev SET n = 0 WHERE id = 7',
    'UPDATE ev_24 SET n = n * 2 WHERE kind = ''k1''; UPDATE hashed SET n = n + 1 WHERE id % 7 = 0',
    'DELETE FROM ev_24 WHERE id BETWEEN 80 AND 90; DELETE FROM ev WHERE day >= ''2025-05-01''; DELETE FROM hashed WHERE id > 45',
    'UPDATE deep SET n = n + 1 WHERE id % 3 = 0; DELETE FROM deep WHERE id > 100; UPDATE deep_1 SET k = (k + 1) % 4 WHERE id % 5 = 0; INSERT INTO deep SELECT g % 4, g, g, ''k1'' FROM generate_series(101, 110) g ON CONFLICT (id, k) DO UPDATE SET n = deep.n + 5',
    'UPDATE deep SET id = id + 1000 - 2000 * (id / 1000) WHERE id < 20 OR id BETWEEN 1000 AND 1010; DELETE FROM deep_0 WHERE n % 4 = 0; UPDATE deep_1_rest SET n = -n WHERE id % 7 = 1',
    'UPDATE kinds SET label = label || ''!'' WHERE kind = ''k3''; INSERT INTO kinds VALUES (''k4'', ''label 4'')',
    'DELETE FROM kinds WHERE kind = ''k4''; UPDATE kinds SET label = ''label 3'' WHERE kind = ''k3''; DELETE FROM ev; INSERT INTO ev SELECT g, date ''2023-07-01'' + g * 3, ''k'' || g % 5, g FROM generate_series(1, 300) g; INSERT INTO ev SELECT g, date ''2025-03-01'', ''k1'', g FROM generate_series(1, 9) g']) t
ORDER BY s.no;
-- Other bounds are other rows.
CREATE MATERIALIZED VIEW moved AS SELECT kind, count(*) AS k FROM ev_24 GROUP BY kind;
SELECT tracked FROM refresh_mv.track('moved');
SELECT success FROM refresh_materialized_views_smart('{moved}');
BEGIN;
ALTER TABLE ev DETACH PARTITION ev_24;
DELETE FROM ev_24 WHERE day >= '2024-07-01';
ALTER TABLE ev ATTACH PARTITION ev_24 FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
COMMIT;
CREATE TABLE ev_24b PARTITION OF ev FOR VALUES FROM ('2024-07-01') TO ('2025-01-01');
INSERT INTO ev VALUES (500, '2024-08-01', 'k1', 1), (501, '2024-03-01', 'k1', 1);
TRUNCATE refresh_mv.journal;
SELECT success FROM refresh_materialized_views_smart('{moved}');
INSERT INTO ev VALUES (502, '2024-08-01', 'k1', 1), (503, '2024-03-01', 'k1', 1);
SELECT success FROM refresh_materialized_views_smart('{moved}');
SELECT method, reason FROM refresh_mv.history ORDER BY run;
SELECT check_view('moved');
-- A new partition beside a default one: what has left that before is not found by its bounds any more.
CREATE MATERIALIZED VIEW of_rest AS SELECT id, n FROM ev_25_rest;
CREATE MATERIALIZED VIEW of_few AS SELECT id, n FROM ev_25_few;
SELECT a.tracked, b.tracked FROM refresh_mv.track('of_rest') a, refresh_mv.track('of_few') b;
INSERT INTO ev SELECT g, date '2025-07-01', 'k1', g FROM generate_series(20, 24) g;
SELECT success FROM refresh_materialized_views_smart('{of_rest,of_few}');
DELETE FROM ev WHERE id = 20 AND day = '2025-07-01';
UPDATE ev SET n = 0 WHERE id = 21 AND day = '2025-07-01';
CREATE TABLE ev_25_20 PARTITION OF ev_25 FOR VALUES IN (20);
INSERT INTO ev VALUES (20, '2025-07-01', 'k1', 1);
TRUNCATE refresh_mv.journal;
SELECT method, reason FROM refresh_mv.explain('of_rest') WHERE chosen;
SELECT success FROM refresh_materialized_views_smart('{of_rest,of_few}');
SELECT view, method, reason FROM refresh_mv.history ORDER BY view;
SELECT check_view('of_rest'), check_view('of_few');
UPDATE ev SET n = n + 1 WHERE id IN (1, 20, 22);
TRUNCATE refresh_mv.journal;
SELECT success FROM refresh_materialized_views_smart('{of_rest,of_few}');
SELECT view, method FROM refresh_mv.history ORDER BY view;
SELECT check_view('of_rest'), check_view('of_few');
-- One that goes
ALTER TABLE ev_25 DETACH PARTITION ev_25_20;
INSERT INTO ev VALUES (20, '2025-07-01', 'k1', 7);
TRUNCATE refresh_mv.journal;
SELECT success FROM refresh_materialized_views_smart('{of_rest}');
SELECT method FROM refresh_mv.history;
SELECT check_view('of_rest');
UPDATE ev SET n = n + 1 WHERE id IN (20, 22);
TRUNCATE refresh_mv.journal;
SELECT success FROM refresh_materialized_views_smart('{of_rest}');
SELECT method FROM refresh_mv.history;
SELECT check_view('of_rest');
-- The planner is shown the partition, not its tree.
CREATE MATERIALIZED VIEW of_hashed AS SELECT k.label, count(*) AS k FROM deep_0 d JOIN kinds k ON k.kind = d.note GROUP BY k.label;
SELECT tracked FROM refresh_mv.track('of_hashed');
SELECT success FROM refresh_materialized_views_smart('{of_hashed}');
UPDATE kinds SET label = label || '!';
SELECT details ~ 'FROM (suite\.)?deep_0' AS partition, details ~ 'FROM (suite\.)?deep t' AS tree, details ~ 'satisfies_hash_partition' AS bounds
FROM refresh_mv.explain('of_hashed', verbose => true) WHERE method = 'delta';
UPDATE deep SET n = n + 1, note = 'k0' WHERE id < 50;
SELECT details ~ 'satisfies_hash_partition' AS bounds FROM refresh_mv.explain('of_hashed', verbose => true) WHERE method = 'delta';
-- Whoever may read the partition alone may do so, and no more.
CREATE ROLE refresh_mv_reader;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_reader;
GRANT SELECT ON ev_24 TO refresh_mv_reader;
GRANT TRIGGER ON ALL TABLES IN SCHEMA suite TO refresh_mv_reader;
SET ROLE refresh_mv_reader;
CREATE MATERIALIZED VIEW his AS SELECT kind, count(*) AS k FROM ev_24 GROUP BY kind;
SELECT tracked FROM refresh_mv.track('his');
SELECT success FROM refresh_materialized_views_smart('{his}');
RESET ROLE;
TRUNCATE refresh_mv.journal;
UPDATE ev SET kind = 'k9' WHERE id = 503;
SELECT success FROM refresh_materialized_views_smart('{his}');
SELECT method FROM refresh_mv.history;
SELECT check_view('his');
REVOKE SELECT ON ev_24 FROM refresh_mv_reader;
UPDATE ev SET kind = 'k8' WHERE id = 503;
SELECT success FROM refresh_materialized_views_smart('{his}');
SELECT success FROM refresh_materialized_views(views => '{his}');
SELECT success, message FROM refresh_mv.history ORDER BY run OFFSET 1;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_reader;
