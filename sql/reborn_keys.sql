CALL helpers.begin_suite();
-- Keys whose rows are deleted and made again, in one statement or transaction, in all ways: the log says of a key
-- that its row was deleted last, and a refresh does not look for that row then.
CREATE TABLE t (id int PRIMARY KEY, g int, x int);
CREATE TABLE s (k int, a int, x int);
INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 50) i;
CREATE MATERIALIZED VIEW v AS SELECT g, count(*) AS n, sum(x) AS s FROM t GROUP BY g;
CREATE MATERIALIZED VIEW w AS SELECT id, g, x FROM t;
SELECT refresh_mv.track('v'), refresh_mv.track('w');
SELECT success FROM refresh_materialized_views_smart('{v,w}');
-- Refreshes both views; returns their methods, and in how many rows they differ from their queries.
CREATE FUNCTION refreshed() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart('{v,w}');
    RETURN (SELECT string_agg(method, ', ' ORDER BY view) FROM refresh_mv.history
            WHERE run = (SELECT max(run) FROM refresh_mv.history)) || ': ' || check_view('v') + check_view('w');
END $$;

-- One statement with actions of both kinds.
INSERT INTO s VALUES (7, 7, 700), (-1, 7, 701);
MERGE INTO t USING (SELECT * FROM s ORDER BY k DESC) s ON t.id = s.k
    WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.a, 1, s.x);
SELECT refreshed(), x FROM t WHERE id = 7;
WITH d AS (DELETE FROM t WHERE id = 8 RETURNING *) INSERT INTO t SELECT id, g + 1, x + 1000 FROM d;
SELECT refreshed(), x FROM t WHERE id = 8;

-- A transaction, and a part of it that is taken back.
BEGIN;
DELETE FROM t WHERE id = 9;
INSERT INTO t VALUES (9, 3, 99);
SAVEPOINT a;
DELETE FROM t WHERE id = 9;
ROLLBACK TO a;
COMMIT;
SELECT refreshed(), x FROM t WHERE id = 9;
BEGIN;
DELETE FROM t WHERE id = 9;
SAVEPOINT a;
INSERT INTO t VALUES (9, 3, 999);
ROLLBACK TO a;
COMMIT;
SELECT refreshed(), count(*) FROM t WHERE id = 9;

-- Triggers that bring rows back: after each row, at commit, and after the statement, before and after ours.
CREATE FUNCTION bring_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        INSERT INTO suite.t VALUES (OLD.id, 2, OLD.x + 5);
    ELSE
        INSERT INTO suite.t SELECT id, 4, x + 7 FROM old_rows;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER back AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION bring_back();
DELETE FROM t WHERE id IN (10, 11);
SELECT refreshed(), x FROM t WHERE id = 10;
DROP TRIGGER back ON t;
CREATE CONSTRAINT TRIGGER back AFTER DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bring_back();
DELETE FROM t WHERE id IN (12, 13);
SELECT refreshed(), x FROM t WHERE id = 12;
DROP TRIGGER back ON t;
CREATE TRIGGER aaa AFTER DELETE ON t REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION bring_back();
DELETE FROM t WHERE id IN (14, 15);
SELECT refreshed(), x FROM t WHERE id = 14;
DROP TRIGGER aaa ON t;
CREATE TRIGGER zzz AFTER DELETE ON t REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION bring_back();
DELETE FROM t WHERE id IN (16, 17);
SELECT refreshed(), x FROM t WHERE id = 16;
DROP TRIGGER zzz ON t;

-- A trigger and a function that delete what is about to be inserted.
CREATE FUNCTION make_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM suite.t WHERE id = NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER room BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION make_room();
INSERT INTO t VALUES (18, 1, 1800), (19, 1, 1900);
SELECT refreshed(), x FROM t WHERE id = 18;
DROP TRIGGER room ON t;
CREATE FUNCTION free() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM suite.t WHERE id = 20;
    RETURN 20;
END $$;
INSERT INTO t SELECT free(), 3, 2000;
SELECT refreshed(), x FROM t WHERE id = 20;

-- A key that another row takes, and one that goes for good.
BEGIN;
DELETE FROM t WHERE id = 21;
UPDATE t SET id = 21 WHERE id = 22;
COMMIT;
SELECT refreshed(), x FROM t WHERE id = 21;
DELETE FROM t WHERE id = 23;
SELECT refreshed(), count(*) FROM t WHERE id = 23;
