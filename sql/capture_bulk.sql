CALL helpers.begin_suite();
-- What statements change in bulk: packed by columns, and deletes without a transition table.
SET client_min_messages = warning;
SET refresh_mv.exact_cost_limit = 1000;
CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t ON DELETE CASCADE, small smallint, big bigint, flag boolean, x float8,
    exact numeric, name text, tag name, uuid uuid, doc jsonb, day date);
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
INSERT INTO t SELECT i, NULL, i % 7, (i - 500) * 10000000000, i % 3 = 0, i / 7.0, (i % 50) / 10.0,
    CASE WHEN i % 5 = 0 THEN NULL WHEN i % 97 = 0 THEN repeat(md5(i::text), 100) ELSE 'name number ' || i END,
    'tag' || i % 4, md5(i::text)::uuid, CASE WHEN i % 2 = 0 THEN jsonb_build_object('i', i % 10) END, date '2024-01-01' + i % 400
FROM generate_series(first, last) i
$$;
SELECT fill(1, 1000);
CREATE MATERIALIZED VIEW whole AS SELECT * FROM t;
CREATE UNIQUE INDEX ON whole (id);
CREATE MATERIALIZED VIEW sums AS SELECT small, count(*) AS n, sum(big) AS big, sum(exact) AS exact, max(name) AS name FROM t GROUP BY small;
SELECT count(*) FROM refresh_mv.track();
SELECT success FROM refresh_materialized_views_smart();
-- Runs a statement and refreshes: how many changes were waiting, how the views were refreshed, how many rows are wrong.
CREATE FUNCTION after(change text, OUT changes bigint, OUT methods text, OUT differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE refresh_mv.journal;
    EXECUTE change;
    changes := (SELECT pending_changes FROM refresh_mv.status WHERE name = 'whole');
    PERFORM refresh_materialized_views_smart();
    methods := (SELECT string_agg(h.method, ' ' ORDER BY h.view) FROM refresh_mv.history h);
    differences := check_view('sums') + check_view('whole');
END $$;
SELECT * FROM after('UPDATE t SET big = -big, exact = exact + 0.001, name = upper(name) WHERE id <= 600');
SELECT * FROM after('UPDATE t SET small = NULL, big = NULL, flag = NULL, x = NULL, exact = NULL, tag = NULL, day = NULL WHERE id % 4 = 0');
SELECT * FROM after($$UPDATE t SET big = 9223372036854775807 - id, small = -32768 + id, x = '-0', day = '-infinity' WHERE id % 5 = 0$$);
SELECT * FROM after($$UPDATE t SET big = -9223372036854775808 + id, x = 'NaN', exact = 'NaN' WHERE id % 10 = 0$$);
SELECT * FROM after('UPDATE t SET id = id + 10000 WHERE id > 900');
SELECT * FROM after('DELETE FROM t WHERE id > 10000');
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 401 AND 500');
SELECT * FROM after('SELECT fill(401, 500)');
-- Few rows, and none.
SELECT * FROM after('DELETE FROM t WHERE id = 401');
SELECT * FROM after('DELETE FROM t WHERE id = 401');
-- By other plans.
SELECT * FROM after('DELETE FROM t USING generate_series(402, 450) i (i), generate_series(1, 2) j WHERE t.id = i.i');
SELECT * FROM after('SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; DELETE FROM t WHERE id BETWEEN 451 AND 460; RESET enable_seqscan; RESET enable_indexscan');
SELECT * FROM after('DELETE FROM t WHERE ctid = ANY (ARRAY(SELECT ctid FROM t WHERE id BETWEEN 461 AND 470))');
SELECT * FROM after('WITH gone AS (DELETE FROM t WHERE id BETWEEN 471 AND 480 RETURNING *) SELECT * FROM gone');
SELECT * FROM after('EXPLAIN (ANALYZE, COSTS off) DELETE FROM t WHERE id BETWEEN 481 AND 490');
SELECT * FROM after('EXPLAIN DELETE FROM t');
PREPARE gone AS DELETE FROM t WHERE id BETWEEN $1 AND $2;
SELECT * FROM after('EXECUTE gone(491, 495); EXECUTE gone(496, 500)');
SELECT * FROM after('SELECT fill(401, 500)');
-- One by one, inside of subtransactions, what is rolled back left out.
SELECT * FROM after($sql$DO $do$
DECLARE
    r record;
BEGIN
    FOR r IN DELETE FROM t WHERE id BETWEEN 401 AND 440 RETURNING id LOOP
        NULL;
    END LOOP;
    BEGIN
        DELETE FROM t WHERE id BETWEEN 441 AND 480;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        DELETE FROM t WHERE id BETWEEN 451 AND 490;
    END;
END $do$$sql$);
SELECT * FROM after($sql$DO $do$
DECLARE
    c CURSOR FOR SELECT * FROM t WHERE id BETWEEN 441 AND 445 FOR UPDATE;
BEGIN
    FOR r IN c LOOP
        DELETE FROM t WHERE CURRENT OF c;
    END LOOP;
END $do$$sql$);
-- Rows of the same transaction, changed before.
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 401 AND 500; SELECT fill(401, 450); UPDATE t SET big = 1 WHERE id BETWEEN 401 AND 450; DELETE FROM t WHERE id BETWEEN 420 AND 450');
-- A cascade to the table itself.
SELECT * FROM after('UPDATE t SET up = id - 1 WHERE id BETWEEN 302 AND 380');
SELECT * FROM after('DELETE FROM t WHERE id = 301');
SELECT * FROM after('UPDATE t SET up = id / 2 WHERE id BETWEEN 20 AND 80');
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 10 AND 30');
-- A column that rows do not have.
ALTER TABLE t ADD more text DEFAULT 'more';
DROP MATERIALIZED VIEW whole;
CREATE MATERIALIZED VIEW whole AS SELECT * FROM t;
CREATE UNIQUE INDEX ON whole (id);
SELECT tracked FROM refresh_mv.track('whole');
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 100 AND 150');
SELECT * FROM after($$UPDATE t SET more = 'less' WHERE id BETWEEN 151 AND 250$$);
-- Triggers that keep rows, that delete others, and that ask for the transition table.
CREATE FUNCTION keep_odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN OLD.id % 2 = 0 THEN OLD END; END $$;
CREATE TRIGGER keep_odd BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION keep_odd();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 151 AND 160');
CREATE FUNCTION delete_others() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE id BETWEEN 800 + OLD.id % 10 * 4 AND 803 + OLD.id % 10 * 4; RETURN NULL; END $$;
CREATE TRIGGER delete_others AFTER DELETE ON t FOR EACH ROW WHEN (OLD.id < 800) EXECUTE FUNCTION delete_others();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 161 AND 190');
CREATE TABLE seen (n bigint);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen SELECT count(*) FROM gone; RETURN NULL; END $$;
CREATE TRIGGER see AFTER DELETE ON t REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION see();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 600 AND 619');
TABLE seen;
DROP TRIGGER see ON t;
DROP TRIGGER keep_odd ON t;
DROP TRIGGER delete_others ON t;
-- A trigger that deletes others and takes that back: what the statement itself has deleted stays told.
CREATE FUNCTION delete_in_vain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM t WHERE id = 700;
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    RETURN NULL;
END $$;
CREATE TRIGGER delete_in_vain AFTER DELETE ON t FOR EACH ROW WHEN (OLD.id <> 700) EXECUTE FUNCTION delete_in_vain();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 621 AND 623');
DROP TRIGGER delete_in_vain ON t;
-- Somebody else's trigger of the same name gets its transition table.
CREATE TABLE elsewhere AS SELECT id FROM t;
CREATE TRIGGER refresh_mv_delete AFTER DELETE ON elsewhere REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION see();
ALTER TABLE elsewhere ENABLE ALWAYS TRIGGER refresh_mv_delete;
TRUNCATE seen;
DELETE FROM elsewhere WHERE id BETWEEN 501 AND 600;
TABLE seen;
-- What is too much.
SET refresh_mv.max_logged_rows = 20;
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 620 AND 650');
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 651 AND 665');
-- A limit that is raised and lowered while a statement is under way.
CREATE FUNCTION set_limit(of_row int, at int, rows int) RETURNS boolean LANGUAGE sql AS $$
SELECT CASE WHEN of_row = at THEN set_config('refresh_mv.max_logged_rows', rows::text, false) END IS DISTINCT FROM ''
$$;
SELECT fill(2001, 3000);
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 2001 AND 3000 AND set_limit(id, 2990, 100000)');
SELECT fill(2001, 3000);
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM after('DELETE FROM t WHERE id BETWEEN 2001 AND 3000 AND set_limit(id, 2500, 20)');
RESET refresh_mv.max_logged_rows;
-- Keys of several columns, and inserted ones that are no integers.
CREATE TABLE k (a text COLLATE "C", b uuid, n int, PRIMARY KEY (a, b));
DROP MATERIALIZED VIEW sums;
CREATE MATERIALIZED VIEW sums AS SELECT a, count(*) AS k, sum(n) AS n FROM k GROUP BY a;
SELECT tracked FROM refresh_mv.track('sums');
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM after($$INSERT INTO k SELECT 'key ' || i % 3, md5(i::text)::uuid, i FROM generate_series(1, 500) i$$);
SELECT * FROM after('UPDATE k SET n = -n WHERE n % 2 = 0');
SELECT * FROM after('DELETE FROM k WHERE n % 3 = 0');
UPDATE k SET n = n + 1 WHERE n % 2 = 0;
SELECT count(*), count(old_row), min(old_row), max(old_row) FROM refresh_mv.changes('sums', 'k');
DROP SCHEMA suite CASCADE;
