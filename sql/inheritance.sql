CALL helpers.begin_suite();
-- Sources in inheritance trees: each member is logged by its own rows, whichever table a statement names.
CREATE TABLE things (id int PRIMARY KEY, kind text, n int);
CREATE TABLE books (pages int, PRIMARY KEY (id)) INHERITS (things);
CREATE TABLE novels (plot text, PRIMARY KEY (id)) INHERITS (books);
CREATE TABLE tools (weight int, n int, gone int, kind text, id int PRIMARY KEY);
ALTER TABLE tools DROP COLUMN gone;
ALTER TABLE tools INHERIT things;
CREATE TABLE kinds (kind text PRIMARY KEY, label text);
INSERT INTO kinds SELECT 'k' || g, 'label ' || g FROM generate_series(0, 3) g;
INSERT INTO things SELECT g, 'k' || g % 5, g FROM generate_series(1, 30) g;
INSERT INTO books SELECT g, 'k' || g % 5, g, g * 10 FROM generate_series(1, 60) g;
INSERT INTO novels SELECT g, 'k' || g % 5, g, g * 10, 'plot' FROM generate_series(20, 90) g;
INSERT INTO tools (id, kind, n, weight) SELECT g, 'k' || g % 5, g, g FROM generate_series(50, 99) g;
ANALYZE things, books, novels, tools, kinds;
CREATE TABLE shapes (no int GENERATED ALWAYS AS IDENTITY, name text, query text);
INSERT INTO shapes (name, query) VALUES
('rows', 'SELECT id, kind, n FROM things WHERE n > 3'),
('groups', 'SELECT kind, count(*) AS k, sum(n) AS n, max(id) AS last FROM things GROUP BY kind'),
('only', 'SELECT kind, count(*) AS k, sum(n) AS n FROM ONLY things GROUP BY kind'),
('between', 'SELECT kind, sum(pages) AS pages FROM books GROUP BY kind'),
('leaf', 'SELECT id, plot, n FROM novels'),
('joined', 'SELECT k.label, count(*) AS k, sum(t.n) AS n FROM things t JOIN kinds k USING (kind) GROUP BY k.label'),
('nullable', 'SELECT k.kind, k.label, t.id, t.n FROM kinds k LEFT JOIN things t ON t.kind = k.kind'),
('exists', 'SELECT kind, label FROM kinds k WHERE EXISTS (SELECT FROM books b WHERE b.kind = k.kind AND b.n > 50)'),
('with itself', 'SELECT t.id, b.pages, t.n FROM things t JOIN books b ON b.id = t.id'),
('listed', 'SELECT kind, string_agg(id::text, '','' ORDER BY id, n) AS ids FROM things GROUP BY kind'),
('running', 'SELECT kind, sum(count(*)) OVER (ORDER BY kind) AS k FROM things GROUP BY kind'),
('first', 'SELECT id, n FROM things ORDER BY n DESC, id LIMIT 5'),
('different', 'SELECT DISTINCT id FROM things'),
('whole rows', 'SELECT id, (t).n FROM things t WHERE t IS NOT NULL');
CREATE FUNCTION same_changes() RETURNS text[] LANGUAGE sql AS $$ SELECT ARRAY[
    -- each by its own name
    'INSERT INTO things VALUES (201, ''k1'', 1); INSERT INTO books VALUES (201, ''k2'', 2, 20); INSERT INTO novels VALUES (201, ''k3'', 3, 30, ''new''); INSERT INTO tools (id, kind, n) VALUES (201, ''k0'', 4)',
    'UPDATE ONLY things SET n = n + 1 WHERE id < 5; UPDATE novels SET n = n * 2 WHERE id BETWEEN 20 AND 25; DELETE FROM tools WHERE id IN (50, 51); INSERT INTO tools (id, kind, n, weight) VALUES (51, ''k1'', 6, 7)',
    -- by the names of those above
    'UPDATE things SET n = n + 1 WHERE id IN (3, 22, 55, 201)',
    'UPDATE books SET pages = pages + 1, kind = ''k4'' WHERE id BETWEEN 24 AND 26; DELETE FROM things WHERE id = 28',
    'DELETE FROM books WHERE id > 85; INSERT INTO books VALUES (28, ''k1'', 28, 280)',
    -- other keys, those of other members among them
    'UPDATE things SET id = id + 300 WHERE id IN (5, 30); UPDATE things SET id = id - 300 WHERE id = 330; UPDATE novels SET id = id + 1000 WHERE id BETWEEN 40 AND 45; UPDATE books SET id = id - 1000 WHERE id BETWEEN 1040 AND 1042',
    'MERGE INTO things USING (VALUES (6), (60), (400)) m (id) ON things.id = m.id WHEN MATCHED AND n % 2 = 0 THEN UPDATE SET n = -n WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (m.id, ''k2'', 9)',
    'INSERT INTO tools (id, kind, n) VALUES (55, ''k1'', 0), (56, ''k1'', 1), (500, ''k1'', 2) ON CONFLICT (id) DO UPDATE SET n = tools.n + 100',
    'UPDATE kinds SET label = label || ''!'' WHERE kind = ''k1''',
    -- several statements at once, one within the other
    'WITH a AS (UPDATE books SET n = n + 1 WHERE id = 29 RETURNING 1), b AS (DELETE FROM ONLY things WHERE id = 9 RETURNING 1), c AS (INSERT INTO novels VALUES (601, ''k1'', 1, 1, ''c'') RETURNING 1) UPDATE things SET n = n + 1 WHERE id IN (8, 70)',
    -- nothing for the view, or nothing at all
    'UPDATE books SET pages = pages + 1 WHERE false; UPDATE tools SET weight = weight + 1; UPDATE things SET n = n'] $$;
SELECT s.name, t.* FROM shapes s, told(s.name, same_changes() || ARRAY['DELETE FROM novels WHERE id IN (201, 601); DELETE FROM things WHERE id > 199', 'UPDATE things SET n = id WHERE n IS DISTINCT FROM id']) t
ORDER BY s.no;

-- Row triggers and foreign keys that write to the tree meanwhile.
CREATE TABLE owners (id int PRIMARY KEY);
INSERT INTO owners SELECT generate_series(1, 5);
ALTER TABLE novels ADD owner int REFERENCES owners ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE tools ADD owner int REFERENCES owners ON DELETE CASCADE ON UPDATE CASCADE;
UPDATE novels SET owner = id % 5 + 1;
UPDATE tools SET owner = id % 5 + 1;
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;
    IF NEW.n = 1000 THEN UPDATE things SET n = n + 7 WHERE id = NEW.id + 1; END IF;
    IF NEW.n = 2000 THEN UPDATE novels SET n = n + 7 WHERE id = NEW.id + 2; NEW.kind := 'k0'; END IF;
    IF NEW.n = 3000 THEN RETURN NULL; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON novels FOR EACH ROW EXECUTE FUNCTION meddle();
CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT s.name, t.* FROM shapes s, told(s.name, ARRAY[
    'UPDATE things SET n = 1000 WHERE id IN (10, 61)',
    'UPDATE novels SET n = 2000 WHERE id IN (63, 64)',
    'UPDATE things SET n = 3000 WHERE id IN (11, 66); DELETE FROM novels WHERE id = 701; INSERT INTO novels (id, kind, n) VALUES (700, ''k1'', 3000), (701, ''k1'', 2000)',
    'DELETE FROM owners WHERE id = (SELECT min(id) FROM owners); UPDATE owners SET id = id + 100 WHERE id = (SELECT min(id) FROM owners)',
    'WITH a AS (UPDATE novels SET n = 2000 WHERE id = 67 RETURNING 1) UPDATE things SET n = 1000 WHERE id IN (12, 71)']) t
WHERE s.name IN ('rows', 'groups', 'between', 'leaf', 'listed')
ORDER BY s.no;
DROP TRIGGER meddle ON novels;
DROP TRIGGER meddle ON things;

-- What of the changes is logged for which member.
CREATE MATERIALIZED VIEW groups AS SELECT kind, count(*) AS k, sum(n) AS n FROM things GROUP BY kind;
CREATE MATERIALIZED VIEW own AS SELECT id, n FROM ONLY things;
SELECT a.tracked, b.tracked FROM refresh_mv.track('groups') a, refresh_mv.track('own') b;
SELECT relation::regclass, exact, key, columns FROM refresh_mv.sources WHERE relation::regclass IN ('things', 'books', 'novels', 'tools') ORDER BY relation::regclass::text;
SELECT tgrelid::regclass AS member, tgname, tgenabled, pg_get_triggerdef(t.oid) LIKE '%WHEN (refresh_mv.untold_row(%' AS condition FROM pg_trigger t
WHERE tgname IN ('refresh_mv_row', 'refresh_mv_apply') AND tgrelid::regclass IN ('things', 'books', 'novels', 'tools') ORDER BY 1, 2;
-- Refreshes both: how, why if in full, and how many rows are wrong.
CREATE FUNCTION refreshed(change text) RETURNS TABLE (view text, method text, reason text, wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    TRUNCATE refresh_mv.journal;
    PERFORM refresh_materialized_views_smart();
    RETURN QUERY SELECT h.view, h.method, CASE WHEN h.method NOT IN ('delta', 'keys') THEN regexp_replace(replace(h.reason, 'suite.', ''), '^(CREATE|ALTER) TABLE', 'DDL') END, check_view(h.view::regclass)
        FROM refresh_mv.history h ORDER BY h.view;
END $$;
SELECT * FROM refreshed('SELECT');
UPDATE things SET n = n + 1 WHERE id IN (15, 80);
UPDATE tools SET n = n + 1 WHERE id = 81;
SELECT 'things' AS of, c.* FROM refresh_mv.changes('groups', 'things') c UNION ALL SELECT 'books', c.* FROM refresh_mv.changes('groups', 'books') c
UNION ALL SELECT 'novels', c.* FROM refresh_mv.changes('groups', 'novels') c UNION ALL SELECT 'tools', c.* FROM refresh_mv.changes('groups', 'tools') c ORDER BY 1, 2;
SELECT * FROM refreshed('SELECT');
-- In transactions that are rolled back, in part.
SELECT * FROM refreshed($$DO $do$ BEGIN
    UPDATE things SET n = n + 1 WHERE id = 16;
    BEGIN
        UPDATE things SET n = n + 100 WHERE id IN (17, 18, 82);
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    UPDATE things SET n = n + 1 WHERE id = 82;
END $do$ $$);
-- A statement that changes too many rows.
SET refresh_mv.max_logged_rows = 5;
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id BETWEEN 70 AND 75');
RESET refresh_mv.max_logged_rows;
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id BETWEEN 70 AND 75');
-- Members come and go.
SELECT * FROM refreshed('CREATE TABLE toys (PRIMARY KEY (id)) INHERITS (things); INSERT INTO toys VALUES (1, ''k1'', 1), (2, ''k2'', 2)');
SELECT * FROM refreshed('UPDATE toys SET n = 5 WHERE id = 1; UPDATE things SET n = n + 1 WHERE id = 2; INSERT INTO toys VALUES (3, ''k3'', 3)');
SELECT * FROM refreshed('ALTER TABLE toys NO INHERIT things; UPDATE toys SET n = 6');
SELECT * FROM refreshed('UPDATE toys SET n = 7; UPDATE things SET n = n + 1 WHERE id = 2');
SELECT * FROM refreshed('ALTER TABLE toys INHERIT things');
SELECT * FROM refreshed('UPDATE toys SET n = 8 WHERE id = 1; UPDATE things SET n = n + 1 WHERE id = 2');
SELECT * FROM refreshed('TRUNCATE toys');
SELECT * FROM refreshed('INSERT INTO toys VALUES (4, ''k4'', 4)');
SELECT * FROM refreshed('TRUNCATE ONLY things');
SELECT * FROM refreshed('INSERT INTO things VALUES (4, ''k4'', 4); UPDATE things SET n = n + 1 WHERE id = 4');
SELECT * FROM refreshed('DROP TABLE toys');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id = 4');
-- A tree gets another top.
SELECT * FROM refreshed('CREATE TABLE all_there_is (id int, n int); ALTER TABLE all_there_is ADD PRIMARY KEY (id); ALTER TABLE things INHERIT all_there_is');
SELECT * FROM refreshed('UPDATE all_there_is SET n = n + 1 WHERE id IN (4, 83)');
SELECT * FROM refreshed('ALTER TABLE things NO INHERIT all_there_is; UPDATE all_there_is SET n = n + 1 WHERE id IN (4, 83)');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id IN (4, 83)');
-- A table that is no parent yet, and one that is no child any more.
CREATE MATERIALIZED VIEW of_kinds AS SELECT kind, label FROM kinds;
SELECT tracked FROM refresh_mv.track('of_kinds');
SELECT * FROM refreshed('SELECT') WHERE view LIKE '%of_kinds';
SELECT * FROM refreshed('CREATE TABLE subkinds (PRIMARY KEY (kind)) INHERITS (kinds); INSERT INTO subkinds VALUES (''s1'', ''sub 1'')') WHERE view LIKE '%of_kinds';
SELECT * FROM refreshed('UPDATE kinds SET label = label || ''?'' WHERE kind IN (''k2'', ''s1'')') WHERE view LIKE '%of_kinds';
SELECT * FROM refreshed('DROP TABLE subkinds') WHERE view LIKE '%of_kinds';
SELECT * FROM refreshed('UPDATE kinds SET label = label || ''?'' WHERE kind = ''k2''') WHERE view LIKE '%of_kinds';
SELECT tgname FROM pg_trigger WHERE tgrelid = 'kinds'::regclass AND tgname IN ('refresh_mv_row', 'refresh_mv_apply');
DROP MATERIALIZED VIEW of_kinds;
-- A member without a key: its changes are known as such only; those of the others by row.
SELECT * FROM refreshed('CREATE TABLE loose (note text) INHERITS (things); INSERT INTO loose VALUES (1, ''k1'', 1, ''x'')');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id = 84');
SELECT * FROM refreshed('UPDATE loose SET n = n + 1');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id = 84');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id = 1');
SELECT statement, reason FROM refresh_mv.remedies('groups') WHERE statement LIKE '%loose%';
SELECT * FROM refreshed('ALTER TABLE loose ADD PRIMARY KEY (id)');
SELECT * FROM refreshed('UPDATE loose SET n = n + 1');
-- One with two parents, so that a statement on either may change its rows: all of the tree is known as such only.
SELECT view, method, wrong FROM refreshed('CREATE TABLE marked (mark text); CREATE TABLE both_of_them (PRIMARY KEY (id)) INHERITS (things, marked); INSERT INTO both_of_them VALUES (1, ''k1'', 1, ''m'')');
SELECT view, method, reason LIKE '%row by row%' AS as_such, wrong FROM refreshed('UPDATE things SET n = n + 1 WHERE id = 84');
SELECT view, method, wrong FROM refreshed('DROP TABLE both_of_them');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id = 84');
-- Columns come and go.
SELECT view, method, wrong FROM refreshed('ALTER TABLE things ADD COLUMN extra int; UPDATE things SET extra = n');
SELECT * FROM refreshed('UPDATE things SET n = n + 1, extra = 1 WHERE id IN (4, 85)');
SELECT view, method, wrong FROM refreshed('ALTER TABLE things DROP COLUMN extra');
SELECT * FROM refreshed('UPDATE things SET n = n + 1 WHERE id IN (4, 85)');
-- Whoever may read the parent need not have a right on its children.
CREATE ROLE refresh_mv_reader;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_reader;
GRANT SELECT ON things TO refresh_mv_reader;
GRANT TRIGGER ON ALL TABLES IN SCHEMA suite TO refresh_mv_reader;
SET ROLE refresh_mv_reader;
CREATE MATERIALIZED VIEW his AS SELECT kind, count(*) AS k FROM things GROUP BY kind;
SELECT tracked FROM refresh_mv.track('his');
RESET ROLE;
SELECT method, wrong FROM refreshed('SELECT') WHERE view LIKE '%his';
SELECT method, wrong FROM refreshed('UPDATE things SET kind = ''k9'' WHERE id IN (4, 86)') WHERE view LIKE '%his';
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_reader;
