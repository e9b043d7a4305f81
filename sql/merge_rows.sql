CALL helpers.begin_suite();
-- Which rows a full refresh writes, and how.

-- Rows are a multiset: duplicates grow and shrink to the number in the query,
-- without any key or index.
CREATE TABLE source (a int, b text);
INSERT INTO source SELECT 1, 'one' FROM generate_series(1, 10);
INSERT INTO source SELECT NULL, NULL FROM generate_series(1, 5);
INSERT INTO source VALUES (2, NULL), (3, ''), (NULL, 'x');
CREATE MATERIALIZED VIEW bag AS SELECT * FROM source;
CREATE FUNCTION refresh_counts(view regclass, OUT success bool, OUT wrong bigint, OUT written bigint, OUT gone bigint)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM remember(view);
    SELECT r.success FROM refresh_materialized_views(views => ARRAY[view]) r INTO success;
    wrong := check_view(view);
    written := rows_written(view);
    gone := rows_gone(view);
END $$;
INSERT INTO source SELECT 1, 'one' FROM generate_series(1, 7);
INSERT INTO source SELECT NULL, NULL FROM generate_series(1, 2);
SELECT * FROM refresh_counts('bag');
DELETE FROM source WHERE ctid IN (SELECT ctid FROM source WHERE a = 1 LIMIT 14);
DELETE FROM source WHERE ctid IN (SELECT ctid FROM source WHERE a IS NULL AND b IS NULL LIMIT 6);
SELECT * FROM refresh_counts('bag');
SELECT a, b, count(*) FROM bag GROUP BY 1, 2 ORDER BY 1, 2;
-- One of the duplicates changes: one row goes, one comes.
UPDATE source SET b = 'uno' WHERE ctid = (SELECT min(ctid) FROM source WHERE a = 1);
SELECT * FROM refresh_counts('bag');
-- All rows become equal, and then distinct again.
UPDATE source SET a = 7, b = 'same';
SELECT * FROM refresh_counts('bag');
UPDATE source SET a = s.n FROM (SELECT ctid AS tid, row_number() OVER () AS n FROM source) s WHERE source.ctid = tid;
SELECT * FROM refresh_counts('bag');
-- A key that is unique in the view no longer is in the query; there is no
-- index that minds.
CREATE MATERIALIZED VIEW list AS SELECT * FROM source;
INSERT INTO source SELECT * FROM source;
SELECT * FROM refresh_counts('list');
-- A unique index minds: the view fails and stays as it was.
CREATE MATERIALIZED VIEW uniq AS SELECT DISTINCT * FROM source;
CREATE UNIQUE INDEX ON uniq (a);
INSERT INTO source VALUES (1, 'other'), (100, 'good');
SELECT * FROM refresh_counts('uniq');
SELECT message ~ 'uniq: duplicate key value violates unique constraint "uniq_a_idx"' AS told
FROM refresh_materialized_views(views => '{uniq}');
DELETE FROM source WHERE b = 'other';
SELECT * FROM refresh_counts('uniq');
-- Several NULLs are no duplicates of each other for an index.
INSERT INTO source VALUES (NULL, 'n1'), (NULL, 'n2'), (NULL, NULL);
SELECT * FROM refresh_counts('uniq');
UPDATE source SET b = b || '!' WHERE a IS NULL;
SELECT * FROM refresh_counts('uniq');

-- Nothing differs: nothing is written to the view.
SELECT success FROM refresh_materialized_views(views => '{bag,list,uniq}');
SELECT * FROM refresh_counts('uniq');
SELECT pg_relation_size('bag') AS size \gset
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT success, refresh_type FROM refresh_materialized_views(views => '{bag,list,uniq}');
SELECT view, pg_stat_get_xact_tuples_inserted(view) AS inserted, pg_stat_get_xact_tuples_updated(view) AS updated,
    pg_stat_get_xact_tuples_deleted(view) AS deleted FROM unnest('{bag,list,uniq}'::regclass[]) view;
COMMIT;
SELECT pg_relation_size('bag') = :size AS same_size;

-- No rows before, none after, and none at all.
DELETE FROM source;
SELECT * FROM refresh_counts('bag');
SELECT * FROM refresh_counts('bag');
INSERT INTO source VALUES (1, 'back');
SELECT * FROM refresh_counts('bag');

-- A keyed view with wide values: 5 rows change in a short column.  They are
-- updated in place, without new index entries, and their long values, whether
-- compressed or not, are not written again.
CREATE TABLE wide (id int, short int, indexed int, long text, squeezed text);
INSERT INTO wide
    SELECT g, 0, g, (SELECT string_agg(md5((g * 1000 + i)::text), '') FROM generate_series(1, 300) i), repeat('ab', 100000)
    FROM generate_series(1, 30) g;
CREATE MATERIALIZED VIEW widest WITH (fillfactor = 50) AS SELECT * FROM wide;
CREATE UNIQUE INDEX ON widest (id);
CREATE INDEX ON widest (indexed);
SELECT reltoastrelid AS toast, pg_relation_size(reltoastrelid) AS toast_size FROM pg_class WHERE oid = 'widest'::regclass \gset
SELECT :toast_size > 0 AS toasted;
CREATE VIEW counters AS SELECT pg_stat_get_xact_tuples_inserted('widest'::regclass) AS inserted,
    pg_stat_get_xact_tuples_updated('widest'::regclass) AS updated,
    pg_stat_get_xact_tuples_hot_updated('widest'::regclass) AS hot_updated,
    pg_stat_get_xact_tuples_deleted('widest'::regclass) AS deleted;
SELECT * FROM refresh_counts('widest');
UPDATE wide SET short = 1 WHERE id <= 5;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT success FROM refresh_materialized_views(views => '{widest}');
SELECT * FROM counters;
COMMIT;
SELECT check_view('widest'), pg_relation_size(:toast) = :toast_size AS toast_as_before;
-- An indexed column changes: deleted and inserted.
UPDATE wide SET indexed = -indexed WHERE id IN (10, 11, 12);
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT success FROM refresh_materialized_views(views => '{widest}');
SELECT * FROM counters;
COMMIT;
SELECT check_view('widest'), check_btrees('widest');
-- A long value changes in its last byte.
UPDATE wide SET long = left(long, -1) || '!', squeezed = squeezed || '!' WHERE id = 20;
SELECT * FROM refresh_counts('widest');
-- It turns from long to short and NULL and back.
UPDATE wide SET long = 's', squeezed = NULL WHERE id = 21;
SELECT * FROM refresh_counts('widest');
UPDATE wide SET long = repeat(md5('x'), 2000), squeezed = repeat('z', 100000) WHERE id = 21;
SELECT * FROM refresh_counts('widest');
-- The same bytes stored in another way are no change.
ALTER TABLE wide ALTER long SET STORAGE EXTERNAL, ALTER squeezed SET STORAGE EXTERNAL;
UPDATE wide SET long = long || '', squeezed = squeezed || '';
SELECT * FROM refresh_counts('widest');
-- New and vanished rows.
DELETE FROM wide WHERE id = 29;
INSERT INTO wide VALUES (51, 0, 51, 'new', 'new');
SELECT * FROM refresh_counts('widest');

-- Two values of a unique index are swapped, and shifted.
CREATE TABLE seats (seat int, guest text);
INSERT INTO seats SELECT g, 'guest ' || g FROM generate_series(1, 20) g;
CREATE MATERIALIZED VIEW seating AS SELECT * FROM seats;
CREATE UNIQUE INDEX ON seating (seat);
CREATE UNIQUE INDEX ON seating (guest);
UPDATE seats SET seat = 3 - seat WHERE seat IN (1, 2);
SELECT * FROM refresh_counts('seating');
UPDATE seats SET seat = seat + 1;
SELECT * FROM refresh_counts('seating');
UPDATE seats SET guest = 'guest ' || 21 - seat;
SELECT * FROM refresh_counts('seating');
SELECT check_btrees('seating');

-- A unique index over some columns, with more of them included, pairs rows;
-- so does GROUP BY, where the key's image may change without its value.
CREATE TABLE item (k numeric, v int);
INSERT INTO item SELECT g / 2.0, g FROM generate_series(1, 100) g;
CREATE MATERIALIZED VIEW grouped AS SELECT k, sum(v) FROM item GROUP BY k;
UPDATE item SET v = v + 1 WHERE k = 5;
SELECT * FROM refresh_counts('grouped');
UPDATE item SET k = 5.00 WHERE k = 5;
SELECT * FROM refresh_counts('grouped');
CREATE MATERIALIZED VIEW covered AS SELECT k, v FROM item;
CREATE UNIQUE INDEX ON covered (k) INCLUDE (v);
UPDATE item SET v = v + 1 WHERE k < 5;
SELECT * FROM refresh_counts('covered');
SELECT check_btrees('covered');

-- Views without columns and with 200 of them.
CREATE MATERIALIZED VIEW no_columns AS SELECT FROM item WHERE v > 20;
DELETE FROM item WHERE v BETWEEN 50 AND 59;
SELECT * FROM refresh_counts('no_columns');
SELECT count(*) FROM no_columns;
DO $$
BEGIN
    EXECUTE (SELECT format('CREATE MATERIALIZED VIEW columns200 AS SELECT %s FROM item',
        string_agg(format('nullif(v, %s) AS c%s', g, g), ',')) FROM generate_series(1, 200) g);
END $$;
UPDATE item SET v = v + 1 WHERE v IN (1, 70, 100);
SELECT * FROM refresh_counts('columns200');
DROP SCHEMA suite CASCADE;
