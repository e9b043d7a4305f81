CALL helpers.begin_suite();
-- MERGE that moves rows between partitions is logged by row, whatever else it does.
CREATE TABLE p (id int, region text, day int, n int, note text, PRIMARY KEY (id, region, day)) PARTITION BY LIST (region);
CREATE TABLE p_north (note text, n int, day int NOT NULL, region text NOT NULL, id int NOT NULL);
ALTER TABLE p ATTACH PARTITION p_north FOR VALUES IN ('north');
CREATE TABLE p_south PARTITION OF p FOR VALUES IN ('south') PARTITION BY RANGE (day);
CREATE TABLE p_south_1 PARTITION OF p_south FOR VALUES FROM (0) TO (10);
CREATE TABLE p_south_2 PARTITION OF p_south FOR VALUES FROM (10) TO (20);
CREATE TABLE p_rest PARTITION OF p DEFAULT PARTITION BY HASH (id);
CREATE TABLE p_rest_0 PARTITION OF p_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p_rest_1 PARTITION OF p_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO p SELECT g, (ARRAY['north', 'south', 'west'])[1 + g % 3], g % 20, g, 'note ' || g FROM generate_series(1, 60) g;
ANALYZE p;
CREATE MATERIALIZED VIEW sums AS SELECT region, count(*) AS k, sum(n) AS n, max(day) AS day FROM p GROUP BY region;
CREATE MATERIALIZED VIEW of_south AS SELECT id, day, n FROM p_south;
SELECT a.tracked, b.tracked FROM refresh_mv.track('sums') a, refresh_mv.track('of_south') b;
SELECT success FROM refresh_materialized_views_smart();
-- Runs a statement and refreshes: the entries that tell of it ("everything" has none), how the views were refreshed, and
-- how many rows are wrong.
CREATE FUNCTION told(change text, OUT entries text, OUT methods text, OUT differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE refresh_mv.journal;
    EXECUTE change;
    entries := (SELECT string_agg(DISTINCT coalesce(l.reason, CASE WHEN l.nested THEN 'nested' ELSE 'plain' END), ', ')
                FROM refresh_mv.unread l WHERE l.is_new AND l.view = 'sums'::regclass);
    PERFORM refresh_materialized_views_smart();
    methods := (SELECT string_agg(h.method, ' ' ORDER BY h.view) FROM refresh_mv.history h);
    differences := check_view('sums') + check_view('of_south');
END $$;

-- Moved by an UPDATE alone, of one row and of many; within the subtree; to and from each kind of partition.
SELECT * FROM told($$MERGE INTO p USING (VALUES (3)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south'$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (1, 'west'), (4, 'north'), (6, 'east'), (2, 'north')) m (id, region) ON p.id = m.id
    WHEN MATCHED THEN UPDATE SET region = m.region, n = n + 1000$$);
SELECT * FROM told($$MERGE INTO p_south USING generate_series(1, 60) m (id) ON p_south.id = m.id WHEN MATCHED THEN UPDATE SET day = (day + 10) % 20$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (9), (12)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET id = p.id + 101, region = 'west'$$);
-- Rows that stay beside rows that go, and rows that go and leave their places to others.
SELECT * FROM told($$MERGE INTO p USING generate_series(13, 40) m (id) ON p.id = m.id
    WHEN MATCHED AND p.id % 4 = 0 THEN DO NOTHING WHEN MATCHED THEN UPDATE SET region = CASE WHEN p.id % 2 = 0 THEN 'north' ELSE p.region END, n = 7$$);
SELECT * FROM told($$INSERT INTO p VALUES (200, 'north', 1, 1), (200, 'south', 1, 2), (200, 'west', 1, 3)$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (200)) m (id) ON p.id = m.id AND region IN ('west', 'south')
    WHEN MATCHED THEN UPDATE SET region = CASE region WHEN 'west' THEN 'east' ELSE 'centre' END$$);
-- With the other kinds of actions.
SELECT * FROM told($$MERGE INTO p USING (VALUES (5), (300)) m (id) ON p.id = m.id
    WHEN MATCHED THEN UPDATE SET region = 'north' WHEN NOT MATCHED THEN INSERT VALUES (m.id, 'south', 3, 1)$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (7, true), (8, true), (10, false)) m (id, goes) ON p.id = m.id
    WHEN MATCHED AND m.goes THEN DELETE WHEN MATCHED THEN UPDATE SET region = 'south'$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (11, true), (14, true), (15, false), (301, false)) m (id, goes) ON p.id = m.id
    WHEN MATCHED AND m.goes THEN DELETE WHEN MATCHED THEN UPDATE SET region = 'middle' WHEN NOT MATCHED THEN INSERT VALUES (m.id, 'south', 11, 1)$$);
-- Nothing is moved, or nothing at all is done.
SELECT * FROM told($$MERGE INTO p USING (VALUES (16), (17)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET n = -1$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (1016)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south'$$);
-- UPDATE moves rows as well.
SELECT * FROM told($$UPDATE p SET region = 'south' WHERE id IN (20, 21, 22)$$);
-- From 17 on: rows without a source, RETURNING, and a part of another statement.
CREATE FUNCTION from_17(change text, instead text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN current_setting('server_version_num')::int >= 170000 THEN change ELSE instead END $$;
SELECT * FROM told(from_17($$MERGE INTO p USING (VALUES (23)) m (id) ON p.id = m.id WHEN MATCHED THEN DO NOTHING
    WHEN NOT MATCHED BY SOURCE AND p.id BETWEEN 22 AND 26 THEN UPDATE SET region = 'far'$$,
    $$MERGE INTO p USING (VALUES (22), (24), (25), (26)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'far'$$));
SELECT * FROM told(from_17($$WITH moved AS (MERGE INTO p USING (VALUES (27), (28)) m (id) ON p.id = m.id
    WHEN MATCHED THEN UPDATE SET region = 'south' RETURNING p.id) SELECT count(*) FROM moved$$,
    $$MERGE INTO p USING (VALUES (27), (28)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south'$$));
SELECT * FROM told(from_17($$MERGE INTO p USING (VALUES (29), (30)) m (id) ON p.id = m.id WHEN NOT MATCHED BY SOURCE AND p.id = 31 THEN DELETE
    WHEN MATCHED THEN UPDATE SET region = 'south', day = 2 RETURNING merge_action(), p.id$$,
    $$MERGE INTO p USING (VALUES (29), (30), (31)) m (id) ON p.id = m.id WHEN MATCHED AND p.id = 31 THEN DELETE WHEN MATCHED THEN UPDATE SET region = 'south', day = 2$$));
-- Beside another statement on the same table it is not told by row, unless that is one; the views are right all the same.
SELECT differences FROM told($$WITH u AS (UPDATE p SET n = n + 1 WHERE id IN (32, 33) RETURNING id)
    MERGE INTO p USING (VALUES (34), (35)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north'$$);
SELECT differences FROM told($$WITH d AS (DELETE FROM p WHERE id IN (36, 37) RETURNING id)
    MERGE INTO p USING (VALUES (38), (39)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north'$$);
SELECT differences FROM told($$WITH u AS (UPDATE p SET region = 'west' WHERE id IN (32, 33) RETURNING id)
    MERGE INTO p USING (VALUES (34), (35)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south'$$);
-- Several in a transaction, one that is rolled back, one in EXPLAIN, and one that is repeated.
SELECT * FROM told($told$DO $do$ BEGIN
    MERGE INTO p USING (VALUES (40)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north';
    BEGIN
        MERGE INTO p USING (VALUES (41)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north';
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    EXECUTE 'EXPLAIN (ANALYZE, COSTS off) MERGE INTO p USING (VALUES (42)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = ''north''';
    EXECUTE 'EXPLAIN MERGE INTO p USING (VALUES (43)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = ''north''';
    MERGE INTO p USING (VALUES (40)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'south';
    MERGE INTO p USING (VALUES (40)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north';
    END $do$ $told$);
PREPARE moves (int, text) AS MERGE INTO p USING (VALUES ($1)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = $2;
SELECT * FROM told($$EXECUTE moves (45, 'west')$$);
SELECT * FROM told($$EXECUTE moves (45, 'south')$$);

-- Triggers of others on rows: that refuse a row before it goes, or where it goes to; that send it elsewhere, or give it another key.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_OP || COALESCE(CASE WHEN TG_OP <> 'DELETE' THEN NEW.note END, '')
    WHEN 'UPDATErefused', 'INSERTlost' THEN RETURN NULL;
    WHEN 'UPDATEsent' THEN NEW.region := 'south';
    WHEN 'INSERTrenamed' THEN NEW.id := NEW.id + 500;
    WHEN 'INSERTcounted' THEN UPDATE p SET n = n + 1 WHERE id = 1;
    ELSE NULL;
    END CASE;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER zz_meddle BEFORE INSERT OR UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT * FROM told($$MERGE INTO p USING (VALUES (46, 'refused'), (47, 'moved'), (48, 'refused')) m (id, note) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north', note = m.note$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (46, 'lost'), (49, 'moved'), (48, 'refused')) m (id, note) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'north', note = m.note$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (47, 'sent'), (51, 'moved')) m (id, note) ON p.id = m.id WHEN MATCHED THEN UPDATE SET note = m.note$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (50, 'renamed'), (52, 'counted')) m (id, note) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = CASE p.id WHEN 50 THEN 'south' ELSE 'north' END, note = m.note$$);
DROP TRIGGER zz_meddle ON p;
-- Triggers of others on statements are fired as ever.
CREATE TABLE fired (what text);
CREATE FUNCTION note_fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (TG_WHEN || ' ' || TG_OP); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON p FOR EACH STATEMENT EXECUTE FUNCTION note_fired();
CREATE TRIGGER noted_before BEFORE INSERT OR UPDATE OR DELETE ON p FOR EACH STATEMENT EXECUTE FUNCTION note_fired();
SELECT * FROM told($$MERGE INTO p USING (VALUES (53), (54)) m (id) ON p.id = m.id WHEN MATCHED THEN UPDATE SET region = 'there'$$);
SELECT * FROM fired ORDER BY what;
-- Rows that are updated in their place after others were inserted, which the server remembers too long.
TRUNCATE fired;
SELECT * FROM told($$MERGE INTO p USING (VALUES (400, 'north'), (18, ''), (401, 'south'), (19, ''), (402, 'west')) m (id, region) ON p.id = m.id
    WHEN NOT MATCHED THEN INSERT VALUES (m.id, m.region, 1, m.id, 'new') WHEN MATCHED THEN UPDATE SET id = p.id + 1000$$);
SELECT * FROM told($$MERGE INTO p USING (VALUES (403, 'north'), (20, ''), (404, 'south'), (21, ''), (22, 'x')) m (id, region) ON p.id = m.id
    WHEN NOT MATCHED THEN INSERT VALUES (m.id, m.region, 1, m.id, 'new') WHEN MATCHED AND m.region = 'x' THEN DELETE
    WHEN MATCHED THEN UPDATE SET n = p.n + 1000$$);
-- A table without triggers of ours.
CREATE TABLE other (id int, k int) PARTITION BY LIST (k);
CREATE TABLE other_1 PARTITION OF other FOR VALUES IN (1);
CREATE TABLE other_2 PARTITION OF other FOR VALUES IN (2);
CREATE TRIGGER refresh_mv_insert AFTER INSERT ON other FOR EACH STATEMENT EXECUTE FUNCTION note_fired();
INSERT INTO other VALUES (1, 1);
TRUNCATE fired;
SELECT * FROM told($$MERGE INTO other USING (VALUES (1)) m (id) ON other.id = m.id WHEN MATCHED THEN UPDATE SET k = 2$$);
SELECT * FROM fired;

-- Generated columns matter if a view uses them: what is moved comes without them.
CREATE TABLE g (id int, k int, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE g_1 PARTITION OF g FOR VALUES IN (1);
CREATE TABLE g_2 PARTITION OF g FOR VALUES IN (2);
INSERT INTO g (id, k, n) SELECT i, 1 + i % 2, i FROM generate_series(1, 20) i;
DROP MATERIALIZED VIEW sums, of_south;
CREATE MATERIALIZED VIEW sums AS SELECT k, sum(n) AS n FROM g GROUP BY k;
CREATE MATERIALIZED VIEW of_south AS SELECT id, n FROM g_2;
SELECT a.tracked, b.tracked FROM refresh_mv.track('sums') a, refresh_mv.track('of_south') b;
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM told($$MERGE INTO g USING (VALUES (1), (2)) m (id) ON g.id = m.id WHEN MATCHED THEN UPDATE SET k = 3 - k$$);
SELECT * FROM told($$UPDATE g SET k = 3 - k WHERE id IN (3, 4)$$);
DROP MATERIALIZED VIEW sums;
CREATE MATERIALIZED VIEW sums AS SELECT k, sum(twice) AS n FROM g GROUP BY k;
SELECT tracked FROM refresh_mv.track('sums');
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM told($$MERGE INTO g USING (VALUES (1), (2)) m (id) ON g.id = m.id WHEN MATCHED THEN UPDATE SET k = 3 - k$$);
DROP SCHEMA suite CASCADE;
