CALL helpers.begin_suite();
-- Every kind of index stays right through merges: what it finds is what is in
-- the view, and all of that.
CREATE TABLE source (id int, n int, t text, tags text[], day date, gone bool, p point, extra int);
INSERT INTO source SELECT g, g % 50, 'text ' || g % 97, ARRAY['a' || g % 7, 'b' || g % 11],
    date '2024-01-01' + g % 300, g % 10 = 0, point(g, g), 0 FROM generate_series(1, 3000) g;
CREATE MATERIALIZED VIEW view AS SELECT * FROM source;
CREATE UNIQUE INDEX view_id ON view (id);
CREATE INDEX view_expression ON view (lower(t), (n + 1));
CREATE INDEX view_partial ON view (n) WHERE gone;
CREATE UNIQUE INDEX view_unique_partial ON view (id) INCLUDE (n) WHERE NOT gone;
CREATE INDEX view_hash ON view USING hash (t);
CREATE INDEX view_brin ON view USING brin (day) WITH (pages_per_range = 2);
CREATE INDEX view_gin ON view USING gin (tags);
CREATE INDEX view_gist ON view USING gist (p);
CREATE INDEX view_spgist ON view USING spgist (p);
CREATE INDEX view_descending ON view (day DESC NULLS LAST, t COLLATE "C" text_pattern_ops);

CREATE FUNCTION check_all() RETURNS TABLE (check_name text, result text) LANGUAGE plpgsql AS $$
DECLARE
    line record;
BEGIN
    PERFORM check_btrees('view');
    check_name := 'rows wrong';
    result := check_view('view');
    RETURN NEXT;
    FOR line IN SELECT * FROM (VALUES
        ('view_id', 'SELECT count(*) || sum(n)::text FROM view WHERE id BETWEEN 1 AND 150'),
        ('view_expression', $q$SELECT count(*) || sum(id)::text FROM view WHERE lower(t) = 'text 13' AND n + 1 > 5$q$),
        ('view_partial', 'SELECT count(*) || sum(id)::text FROM view WHERE n BETWEEN 10 AND 20 AND gone'),
        ('view_hash', $q$SELECT count(*) || sum(id)::text FROM view WHERE t = 'text 14'$q$),
        ('view_brin', $q$SELECT count(*) || sum(id)::text FROM view WHERE day BETWEEN '2024-02-01' AND '2024-02-10'$q$),
        ('view_gin', $q$SELECT count(*) || sum(id)::text FROM view WHERE tags @> '{a3}'$q$),
        ('view_gist', $q$SELECT count(*) || sum(id)::text FROM view WHERE p <@ box '((100,100),(900,900))'$q$),
        ('view_spgist', $q$SELECT count(*) || sum(id)::text FROM view WHERE p >> point(2000, 0)$q$)) v (index_name, query)
    LOOP
        -- Only this index, so that the planner has no choice.
        UPDATE pg_index SET indisvalid = (indexrelid = line.index_name::regclass) WHERE indrelid = 'view'::regclass;
        check_name := line.index_name;
        result := same_by_index(line.index_name, line.query);
        RETURN NEXT;
    END LOOP;
    UPDATE pg_index SET indisvalid = true WHERE indrelid = 'view'::regclass;
END $$;
SELECT * FROM check_all();

-- Columns in no index change.
UPDATE source SET extra = 1 WHERE id % 7 = 0;
SELECT success FROM refresh_materialized_views(views => '{view}');
SELECT * FROM check_all();

-- Each indexed column changes in some rows, alone and with others; predicates
-- become true and false.
UPDATE source SET n = n + 1 WHERE id % 20 = 1;
UPDATE source SET t = 'text 13' WHERE id % 20 = 2;
UPDATE source SET t = upper(t) WHERE id % 20 = 3;
UPDATE source SET tags = tags || ARRAY['a3'] WHERE id % 20 = 4;
UPDATE source SET tags = '{}' WHERE id % 20 = 5;
UPDATE source SET day = day + 30 WHERE id % 20 = 6;
UPDATE source SET gone = NOT gone WHERE id % 20 IN (7, 10);
UPDATE source SET p = point(id + 1000, id) WHERE id % 20 = 8;
UPDATE source SET n = NULL, t = NULL, tags = NULL, day = NULL, gone = NULL, p = NULL WHERE id % 20 = 9;
DELETE FROM source WHERE id % 20 = 11;
INSERT INTO source SELECT id + 5000, n, t, tags, day, gone, p, extra FROM source WHERE id % 20 = 12;
UPDATE source SET id = id + 10000 WHERE id % 20 = 13;
SELECT success FROM refresh_materialized_views(views => '{view}');
SELECT * FROM check_all();

-- The same after many small refreshes and a VACUUM between them, which lets
-- rows take the place of others.
DO $$
BEGIN
    FOR i IN 1..20 LOOP
        UPDATE source SET n = n + i, t = 'text ' || (id + i) % 97, tags = ARRAY['a' || (id + i) % 7],
            p = point(id, i) WHERE id % 20 = i - 1;
        PERFORM refresh_materialized_views(views => '{view}');
    END LOOP;
END $$;
VACUUM view;
UPDATE source SET day = day - 7, n = n - 1 WHERE id % 3 = 0;
SELECT success FROM refresh_materialized_views(views => '{view}');
SELECT * FROM check_all();

-- An index whose build failed is kept right as well.
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'view_id'::regclass;
UPDATE source SET n = n + 1 WHERE id % 5 = 0;
SELECT success FROM refresh_materialized_views(views => '{view}');
UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'view_id'::regclass;
SELECT * FROM check_all();

-- Index expressions and predicates that call functions run as the owner, and
-- one that fails makes the refresh fail.
CREATE FUNCTION picky(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF $1 = 99999 THEN RAISE EXCEPTION 'picky dislikes %', $1; END IF;
    RETURN $1;
END $$;
CREATE INDEX view_picky ON view (picky(id));
UPDATE source SET id = 99999 WHERE id = (SELECT min(id) FROM source WHERE id > 700);
SELECT remember('view');
SELECT success, message FROM refresh_materialized_views(views => '{view}');
SELECT rows_written('view'), rows_gone('view');
DROP INDEX view_picky;
SELECT success FROM refresh_materialized_views(views => '{view}');
SELECT * FROM check_all();

-- The view is clustered, set to another fillfactor and reindexed meanwhile.
CLUSTER view USING view_id;
ALTER MATERIALIZED VIEW view SET (fillfactor = 40);
REINDEX TABLE view;
UPDATE source SET tags = tags || ARRAY['c'] WHERE id % 9 = 0;
SELECT success FROM refresh_materialized_views(views => '{view}');
SELECT * FROM check_all();
DROP SCHEMA suite CASCADE;
