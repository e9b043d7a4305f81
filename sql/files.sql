CALL helpers.begin_suite();
-- What replaces the contents of a table as a whole without a trigger or an event to tell of
-- it: the table has another file then, and the next refresh is full.
DROP SCHEMA IF EXISTS f CASCADE;
CREATE SCHEMA f;
CREATE TABLE f.t (id int PRIMARY KEY, n int);
INSERT INTO f.t SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE f.l (id int PRIMARY KEY, long text);
INSERT INTO f.l SELECT i, repeat('x', i) FROM generate_series(1, 100) i;
CREATE TABLE f.p (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE f.p1 PARTITION OF f.p FOR VALUES FROM (1) TO (101);
CREATE TABLE f.p2 PARTITION OF f.p FOR VALUES FROM (101) TO (201);
INSERT INTO f.p SELECT i, i FROM generate_series(1, 200) i;
CREATE MATERIALIZED VIEW f.of_t AS SELECT n % 7 AS g, count(*) AS c, sum(n) AS s FROM f.t GROUP BY 1;
CREATE MATERIALIZED VIEW f.of_p AS SELECT n % 7 AS g, count(*) AS c, sum(n) AS s FROM f.p GROUP BY 1;
CREATE MATERIALIZED VIEW f.of_l AS SELECT long, count(*) AS c FROM f.l GROUP BY 1;
SELECT tracked FROM refresh_mv.track('f.of_t') UNION ALL SELECT tracked FROM refresh_mv.track('f.of_p')
UNION ALL SELECT tracked FROM refresh_mv.track('f.of_l');

-- Refreshes a view; returns the method, the reason and the rows that are wrong afterwards.
CREATE FUNCTION refreshed(view regclass, OUT method text, OUT reason text, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method, j.reason FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1 INTO method, reason;
    wrong := check_view(view);
END $$;
SELECT (refreshed('f.of_t')).method, (refreshed('f.of_p')).method, (refreshed('f.of_l')).method;
SELECT (refreshed('f.of_t')).method, (refreshed('f.of_p')).method, (refreshed('f.of_l')).method;

-- Contents that are others: the file of another table, as extensions in C exchange them.
CREATE FUNCTION exchange(a regclass, b regclass) RETURNS void LANGUAGE sql AS $$
    LOCK TABLE f.t, f.p, f.other;
    UPDATE pg_class c SET relfilenode = o.relfilenode FROM pg_class o
    WHERE (c.oid, o.oid) IN ((a, b), (b, a),
        ((SELECT indexrelid FROM pg_index WHERE indrelid = a), (SELECT indexrelid FROM pg_index WHERE indrelid = b)),
        ((SELECT indexrelid FROM pg_index WHERE indrelid = b), (SELECT indexrelid FROM pg_index WHERE indrelid = a)));
$$;
CREATE TABLE f.other (id int PRIMARY KEY, n int);
INSERT INTO f.other SELECT i, i FROM generate_series(101, 150) i;
SELECT exchange('f.t', 'f.other');
SELECT count(*), min(n), max(n) FROM f.t;
SELECT * FROM refreshed('f.of_t');
SELECT * FROM refreshed('f.of_t');
UPDATE f.t SET n = 0 WHERE id = 101;
SELECT * FROM refreshed('f.of_t');
SELECT exchange('f.p2', 'f.other');
SELECT * FROM refreshed('f.of_p');
SELECT * FROM refreshed('f.of_p');

-- With changes before and after it: those in the log are no help.
INSERT INTO f.t VALUES (501, 5);
SELECT exchange('f.t', 'f.other');
INSERT INTO f.t VALUES (502, 5);
SELECT method, reason FROM refresh_mv.explain('f.of_t') WHERE chosen;
SELECT verdict, remark FROM refresh_mv.verify('f.of_t');
SELECT * FROM refreshed('f.of_t');

-- In the transaction that does it: before a refresh, after it, and undone.
BEGIN;
SELECT exchange('f.t', 'f.other');
SELECT * FROM refreshed('f.of_t');
SELECT * FROM refreshed('f.of_t');
SELECT exchange('f.t', 'f.other');
UPDATE f.t SET n = n + 1 WHERE id = 130;
COMMIT;
SELECT * FROM refreshed('f.of_t');
BEGIN;
SAVEPOINT s;
SELECT exchange('f.t', 'f.other');
SELECT * FROM refreshed('f.of_t');
ROLLBACK TO s;
UPDATE f.t SET n = n + 1 WHERE id = 131;
SELECT * FROM refreshed('f.of_t');
COMMIT;
BEGIN;
UPDATE f.t SET n = n + 1 WHERE id = 132;
SELECT * FROM refreshed('f.of_t');
SAVEPOINT s;
SELECT exchange('f.t', 'f.other');
ROLLBACK TO s;
SELECT * FROM refreshed('f.of_t');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT exchange('f.t', 'f.other');
SELECT * FROM refreshed('f.of_t');
COMMIT;
SELECT * FROM refreshed('f.of_t');


-- Rewritten with the same contents: nobody can tell that from the file.
VACUUM FULL f.t;
SELECT * FROM refreshed('f.of_t');
CLUSTER f.t USING t_pkey;
SELECT * FROM refreshed('f.of_t');
VACUUM FULL f.p1;
SELECT * FROM refreshed('f.of_p');
-- the TOAST table alone
SELECT format('VACUUM FULL %s', reltoastrelid::regclass) AS statement FROM pg_class WHERE oid = 'f.l'::regclass \gset
\set ECHO none
:statement;
\set ECHO all
SELECT * FROM refreshed('f.of_l');
SELECT * FROM refreshed('f.of_l');
-- not an index
REINDEX TABLE f.t;
VACUUM f.t;
SELECT * FROM refreshed('f.of_t');

-- TRUNCATE is told of by its trigger.
TRUNCATE f.p1;
SELECT * FROM refreshed('f.of_p');
SELECT * FROM refreshed('f.of_p');

-- A new, empty partition is nothing new; what happens to it afterwards is.
CREATE TABLE f.p3 PARTITION OF f.p FOR VALUES FROM (201) TO (301);
SELECT * FROM refreshed('f.of_p');
INSERT INTO f.p VALUES (201, 1);
SELECT * FROM refreshed('f.of_p');
CREATE TABLE f.p4 PARTITION OF f.p FOR VALUES FROM (301) TO (401);
INSERT INTO f.p4 SELECT i, i FROM generate_series(301, 310) i;
SELECT * FROM refreshed('f.of_p');
CREATE TABLE f.p5 PARTITION OF f.p FOR VALUES FROM (401) TO (501);
SELECT * FROM refreshed('f.of_p');
VACUUM FULL f.p5;
SELECT * FROM refreshed('f.of_p');
DROP TABLE f.p5;
SELECT * FROM refreshed('f.of_p');

-- A view over a view: what a rebuild of the lower one writes to its new file is logged.
CREATE TABLE f.big (id int PRIMARY KEY, n int);
INSERT INTO f.big SELECT i, i FROM generate_series(1, 20000) i;
CREATE MATERIALIZED VIEW f.lower AS SELECT id, n FROM f.big;
CREATE MATERIALIZED VIEW f.upper AS SELECT n % 7 AS g, count(*) AS c FROM f.lower GROUP BY 1;
SELECT tracked FROM refresh_mv.track('f.lower') UNION ALL SELECT tracked FROM refresh_mv.track('f.upper');
SELECT (refreshed('f.lower')).method, (refreshed('f.upper')).method;
SELECT pg_relation_filenode('f.lower') AS file \gset
UPDATE f.big SET n = n + 1;
SELECT (refresh_materialized_views(views => '{f.lower}')).success;
SELECT pg_relation_filenode('f.lower') <> :file AS rebuilt;
SELECT * FROM refreshed('f.upper');
SELECT * FROM refreshed('f.upper');
VACUUM FULL f.lower;
SELECT * FROM refreshed('f.lower');
SELECT * FROM refreshed('f.upper');
-- rewritten by others first: the baseline does not follow
VACUUM FULL f.lower;
UPDATE f.big SET n = n + 1;
SELECT (refresh_materialized_views(views => '{f.lower}')).success;
SELECT * FROM refreshed('f.upper');

SELECT refresh_mv.untrack();
DROP SCHEMA f CASCADE;
DROP SCHEMA suite CASCADE;
