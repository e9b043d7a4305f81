CALL helpers.begin_suite();
SET client_min_messages = warning;
-- track(..., capture => 'coarse'): that a table was written to is known, and not what of it.
CREATE TABLE t (id int PRIMARY KEY, g int NOT NULL, n int);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 30) i;
CREATE TABLE other (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW a AS SELECT g, sum(n) AS n FROM t GROUP BY g;
CREATE MATERIALIZED VIEW b AS SELECT g, count(*) AS n FROM t GROUP BY g;
CREATE VIEW entries AS SELECT relation::regclass, data IS NULL AS coarse, records, reason FROM refresh_mv.unread
    WHERE is_new AND view = 'a'::regclass ORDER BY seq;
CREATE VIEW captured AS SELECT name, tracked, capture, stale, pending_changes, unknown_reason FROM refresh_mv.status
    WHERE schema = 'suite' ORDER BY name;
CREATE VIEW our_triggers AS
SELECT tgrelid::regclass AS "table", tgname, tgoldtable, tgnewtable, encode(tgargs, 'escape') AS arguments
FROM pg_trigger WHERE tgname LIKE 'refresh_mv%' AND tgparentid = 0 ORDER BY tgrelid::regclass::text, tgname;
SELECT state, message, hint FROM error_of($$SELECT refresh_mv.track('a', capture => 'fine')$$);
SELECT * FROM refresh_mv.track('a', capture => 'coarse');
TABLE our_triggers;
SELECT * FROM smart('a');
TABLE captured;
-- Nothing written: a skip.  One entry for a transaction, whatever it does.
SELECT * FROM smart('a');
BEGIN;
INSERT INTO t VALUES (31, 1, 31);
UPDATE t SET n = n + 1;
DELETE FROM t WHERE id = 5;
COMMIT;
TABLE entries;
TABLE captured;
SELECT method, reason FROM refresh_mv.explain('a');
SELECT * FROM smart('a');
SELECT check_view('a');
-- What is rolled back to a savepoint takes its entry along, and what comes after has one.
BEGIN;
SAVEPOINT s;
DELETE FROM t WHERE id = 6;
ROLLBACK TO s;
DELETE FROM t WHERE id = 7;
SAVEPOINT s2;
DELETE FROM t WHERE id = 8;
ROLLBACK TO s2;
COMMIT;
TABLE entries;
SELECT * FROM smart('a');
SELECT check_view('a');
BEGIN;
SAVEPOINT s;
DELETE FROM t WHERE id = 9;
RELEASE s;
DELETE FROM t WHERE id = 10;
COMMIT;
SELECT * FROM smart('a');
SELECT check_view('a');
-- A refresh in the transaction has seen what was before it, and not what comes after.
BEGIN;
DELETE FROM t WHERE id = 11;
SELECT * FROM smart('a');
DELETE FROM t WHERE id = 12;
COMMIT;
SELECT * FROM smart('a');
SELECT check_view('a');
-- TRUNCATE, COPY, MERGE and ON CONFLICT.
BEGIN;
TRUNCATE t;
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 30) i;
COMMIT;
SELECT * FROM smart('a');
COPY t FROM stdin;
40	1	40
\.
SELECT * FROM smart('a');
INSERT INTO t VALUES (40, 2, 41) ON CONFLICT (id) DO UPDATE SET n = 42;
SELECT * FROM smart('a');
MERGE INTO t USING (VALUES (40)) v (id) ON t.id = v.id WHEN MATCHED THEN DELETE;
SELECT * FROM smart('a');
SELECT check_view('a');
-- Another view that needs rows has them logged: both know them.
SELECT tracked FROM refresh_mv.track('b');
TABLE our_triggers;
SELECT * FROM smart('b');
SELECT * FROM smart('a');
UPDATE t SET n = n + 1, g = (g + 1) % 3 WHERE id < 3;
TABLE entries;
TABLE captured;
SELECT refresh_type FROM refresh_materialized_views_smart('{a,b}');
SELECT check_view('a'), check_view('b');
-- Without it, and with what it has left in the log, no row is needed any more.
UPDATE t SET n = n + 1 WHERE id < 3;
SELECT refresh_mv.untrack('b');
TABLE our_triggers;
UPDATE t SET n = n + 1 WHERE id < 3;
SELECT * FROM smart('a');
SELECT check_view('a');
SELECT * FROM smart('a');
-- From coarse to rows and back.
UPDATE t SET n = n + 1 WHERE id < 3;
SELECT tracked FROM refresh_mv.track('a', capture => 'rows');
TABLE captured;
SELECT * FROM smart('a');
UPDATE t SET n = n + 1 WHERE id < 3;
SELECT pending_changes, unknown_reason FROM captured WHERE name = 'a';
SELECT tracked FROM refresh_mv.track('a', capture => 'coarse');
SELECT * FROM smart('a');
SELECT check_view('a');
SELECT tracked FROM refresh_mv.track('a'); -- stays
SELECT capture FROM captured WHERE name = 'a';
-- On commit.
SELECT tracked FROM refresh_mv.track('a', on_commit => true);
UPDATE t SET n = n + 1 WHERE id < 3;
SELECT check_view('a');
SELECT * FROM smart('a');
SELECT tracked FROM refresh_mv.track('a', on_commit => false);
-- Triggers that are gone are noticed.
ALTER TABLE t DISABLE TRIGGER refresh_mv_update;
UPDATE t SET n = n + 1 WHERE id < 3;
ALTER TABLE t ENABLE ALWAYS TRIGGER refresh_mv_update;
SELECT * FROM smart('a');
SELECT check_view('a');
SELECT refresh_mv.untrack('a');
TABLE our_triggers;
-- Partitions, by the names of all levels, and a row that moves.
CREATE TABLE p (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i, i FROM generate_series(1, 15) i;
CREATE MATERIALIZED VIEW of_p AS SELECT sum(id) AS ids, sum(n) AS n FROM p;
SELECT tracked FROM refresh_mv.track('of_p', capture => 'coarse');
TABLE our_triggers;
SELECT * FROM smart('of_p');
UPDATE p1 SET n = n + 1;
SELECT * FROM smart('of_p');
UPDATE p SET id = 19 WHERE id = 1;
SELECT * FROM smart('of_p');
DELETE FROM p2 WHERE id = 19;
SELECT * FROM smart('of_p');
SELECT check_view('of_p');
SELECT tracked FROM refresh_mv.track('of_p', capture => 'rows');
UPDATE p SET n = n + 1 WHERE id = 3;
SELECT * FROM smart('of_p');
UPDATE p SET id = 18 WHERE id = 2;
SELECT * FROM smart('of_p');
SELECT check_view('of_p');
-- An inheritance tree.
CREATE TABLE parent (id int PRIMARY KEY, n int);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
INSERT INTO parent VALUES (1, 1);
INSERT INTO child VALUES (2, 2);
CREATE MATERIALIZED VIEW of_parent AS SELECT sum(n) AS n FROM parent;
SELECT tracked FROM refresh_mv.track('of_parent', capture => 'coarse');
SELECT * FROM smart('of_parent');
UPDATE parent SET n = n + 1;
SELECT * FROM smart('of_parent');
UPDATE child SET n = n + 1;
SELECT * FROM smart('of_parent');
DELETE FROM parent WHERE id = 2;
SELECT * FROM smart('of_parent');
SELECT check_view('of_parent');
-- A view over a view: its rows are logged by the refresh of that one, as ever.
CREATE MATERIALIZED VIEW low AS SELECT id, n FROM t;
CREATE MATERIALIZED VIEW high AS SELECT count(*) AS n FROM low;
SELECT tracked FROM refresh_mv.track('low', capture => 'coarse');
SELECT tracked FROM refresh_mv.track('high', capture => 'coarse');
SELECT success FROM refresh_materialized_views_smart('{low,high}');
INSERT INTO t VALUES (50, 1, 1);
SELECT refresh_type FROM refresh_materialized_views_smart('{low,high}');
SELECT check_view('low'), check_view('high');
