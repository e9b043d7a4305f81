CALL helpers.begin_suite();
-- From track() to untrack(): what is logged for which views, and what cannot be.
-- refresh_mv.run() sweeps away what dropped views have left.
CREATE MATERIALIZED VIEW nothing AS SELECT now();
CALL refresh_mv.run(views => '{nothing}');

-- Refreshes views; tells of each whether it was skipped, and how far it is from
-- its query then.
CREATE FUNCTION refreshed(VARIADIC views regclass[]) RETURNS TABLE (view text, skipped boolean, wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE refresh_mv.journal;
    PERFORM refresh_materialized_views_smart(views);
    RETURN QUERY SELECT h.view, h.success AND h.method = 'skip', check_view(h.view::regclass) FROM refresh_mv.history h ORDER BY h.view COLLATE "C";
END $$;
-- What is logged, and for which views.
CREATE VIEW logged AS
SELECT s.relation::regclass, s.exact, s.key, s.columns, s.on_commit,
       (SELECT array_agg(m.member::regclass::text ORDER BY m.member::regclass::text COLLATE "C") FROM refresh_mv.members m WHERE m.relation = s.relation) AS members,
       (SELECT array_agg(t.view::regclass::text ORDER BY t.view::regclass::text COLLATE "C") FROM refresh_mv.tracked t WHERE t.relation = s.relation) AS views
FROM refresh_mv.sources s ORDER BY s.relation::regclass::text COLLATE "C";
CREATE VIEW entries AS
SELECT l.relation::regclass, l.nested, l.records, l.reason FROM refresh_mv.log l ORDER BY l.relation::regclass::text COLLATE "C", l.seq;
CREATE VIEW triggers AS
SELECT t.tgrelid::regclass AS relation, t.tgname, t.tgenabled FROM pg_trigger t
WHERE t.tgfoid = 'refresh_mv.log_change'::regproc ORDER BY t.tgrelid::regclass::text COLLATE "C", t.tgname;
CREATE VIEW tracked AS
SELECT s.name, s.tracked, s.tracked_since IS NOT NULL AS since, s.pending_changes, s.stale, s.unknown_reason
FROM refresh_mv.status s WHERE s.schema = 'suite' AND s.name <> 'nothing' ORDER BY s.name COLLATE "C";

-- By name.  The table has its triggers then, which fire always; the first refresh
-- is a full one, the next is none at all.
CREATE TABLE items (id int PRIMARY KEY, name text, price numeric, note text);
INSERT INTO items SELECT g, 'item ' || g, g, 'a note' FROM generate_series(1, 5) g;
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM items;
TABLE tracked;
SELECT * FROM refresh_mv.track('names');
TABLE triggers;
TABLE logged;
TABLE tracked;
SELECT * FROM refreshed('names');
TABLE tracked;
SELECT * FROM refreshed('names');
INSERT INTO items VALUES (6, 'item 6', 6, NULL), (7, 'item 7', 7, NULL);
TABLE tracked;
SELECT * FROM refresh_mv.changes('names', 'items') ORDER BY key;
SELECT * FROM refreshed('names');
SELECT * FROM refreshed('names');
-- What the view does not use is no change.
UPDATE items SET note = 'another', price = price + 1;
TABLE tracked;
SELECT * FROM refreshed('names');
-- The triggers depend on the extension, but do not belong to it: they are dumped.
SELECT DISTINCT d.deptype, e.extname FROM pg_trigger t JOIN pg_depend d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid WHERE t.tgrelid = 'items'::regclass;

-- A second call changes nothing: neither the triggers nor what is known.
CREATE VIEW all_of_it AS
SELECT 'trigger' AS what, md5(string_agg(concat(t.oid, ' ', t.xmin), ',' ORDER BY t.oid)) AS image FROM pg_trigger t WHERE t.tgfoid = 'refresh_mv.log_change'::regproc
UNION ALL SELECT 'state', md5(string_agg(concat(s.ctid, s.xmin, s), ',' ORDER BY s.view)) FROM refresh_mv.state s
UNION ALL SELECT 'source', md5(string_agg(concat(s.ctid, s.xmin, s), ',' ORDER BY s.relation)) FROM refresh_mv.sources s
UNION ALL SELECT 'member', md5(string_agg(concat(m.ctid, m.xmin, m), ',' ORDER BY m.member)) FROM refresh_mv.members m
UNION ALL SELECT 'tracked', md5(string_agg(concat(t.ctid, t.xmin, t), ',' ORDER BY t.view, t.relation)) FROM refresh_mv.tracked t
UNION ALL SELECT 'setting', md5(string_agg(concat(s.ctid, s.xmin, s), ',' ORDER BY s.view_name)) FROM refresh_mv.settings s
UNION ALL SELECT 'entry', md5(string_agg(concat(l.ctid, l.xmin, l), ',' ORDER BY l.relation, l.seq)) FROM refresh_mv.log l;
CREATE TEMP TABLE before AS TABLE all_of_it;
SELECT * FROM refresh_mv.track('names');
SELECT * FROM refresh_mv.track() WHERE view_name <> 'nothing'::regclass;
SELECT what, image IS NOT DISTINCT FROM (SELECT b.image FROM before b WHERE b.what = a.what) AS same FROM all_of_it a;
SELECT * FROM refreshed('names');

-- on_commit stays as it is unless it is given; nothing is lost when it changes.
INSERT INTO items VALUES (8, 'item 8', 8, NULL);
SELECT refresh_mv.track('names', on_commit => true);
SELECT relation, on_commit FROM logged;
TABLE tracked;
SELECT refresh_mv.track('names');
SELECT relation, on_commit FROM logged;
DELETE FROM items WHERE id = 1;
SELECT check_view('names');
SELECT method <> 'skip' AS refreshed, source FROM refresh_mv.history ORDER BY started DESC, run DESC LIMIT 1;
SELECT refresh_mv.track('names', false);
SELECT relation, on_commit FROM logged;
DELETE FROM items WHERE id = 2;
SELECT check_view('names');
SELECT * FROM refreshed('names');

-- A second view that uses another column: both columns are logged from then
-- on.  What was pending leads to a full refresh of the first view, at most.
UPDATE items SET name = upper(name) WHERE id = 3;
CREATE MATERIALIZED VIEW prices AS SELECT id, price FROM items;
SELECT refresh_mv.track('prices');
TABLE logged;
UPDATE items SET price = 0 WHERE id = 4;
TABLE tracked;
SELECT * FROM refreshed('names', 'prices');
SELECT * FROM refreshed('names', 'prices');
-- One that uses nothing new is added without touching a trigger.
TRUNCATE before;
INSERT INTO before TABLE all_of_it;
CREATE MATERIALIZED VIEW total AS SELECT sum(price) AS total FROM items;
CREATE MATERIALIZED VIEW untracked AS SELECT sum(price) AS total FROM items;
SELECT refresh_mv.track('total');
SELECT what, image IS NOT DISTINCT FROM (SELECT b.image FROM before b WHERE b.what = a.what) AS same FROM all_of_it a WHERE what IN ('trigger', 'member');
SELECT * FROM refreshed('names', 'prices', 'total', 'untracked');
-- A statement writes one entry, however many views there are, and each view
-- takes from it what it has not seen.
CREATE TEMP TABLE last_entry AS SELECT max(seq) AS seq FROM refresh_mv.log;
UPDATE items SET price = price + 1, name = lower(name) WHERE id > 3;
SELECT relation::regclass, nested, records, reason FROM refresh_mv.log WHERE seq > (SELECT coalesce(max(seq), 0) FROM last_entry);
SELECT name, tracked, pending_changes, stale FROM tracked;
SELECT * FROM refreshed('prices');
INSERT INTO items VALUES (9, 'item 9', 9, NULL);
SELECT name, tracked, pending_changes, stale FROM tracked;
SELECT * FROM refresh_mv.changes('names', 'items') ORDER BY key;
SELECT * FROM refresh_mv.changes('prices', 'items') ORDER BY key;
SELECT * FROM refreshed('names', 'prices', 'total', 'untracked');
SELECT * FROM refreshed('names', 'prices', 'total', 'untracked');

-- untrack() of one leaves the triggers to the others.
SELECT refresh_mv.untrack('names');
SELECT relation, columns, views FROM logged;
SELECT count(*) FROM triggers;
DELETE FROM items WHERE id = 5;
TABLE tracked;
SELECT * FROM refreshed('names', 'prices', 'total', 'untracked');
-- A second time it does nothing.
SELECT refresh_mv.untrack('names');
SELECT refresh_mv.untrack('untracked');
SELECT refresh_mv.untrack('total');
SELECT count(*) FROM triggers;
-- With the last one everything goes, also entries that nobody has read.
DELETE FROM items WHERE id = 6;
SELECT refresh_mv.untrack('prices');
TABLE logged;
TABLE triggers;
SELECT (SELECT count(*) FROM refresh_mv.sources) AS sources, (SELECT count(*) FROM refresh_mv.members) AS members,
       (SELECT count(*) FROM refresh_mv.tracked) AS tracked, (SELECT count(*) FROM refresh_mv.uses) AS uses, (SELECT count(*) FROM refresh_mv.log) AS entries;
TABLE tracked;
-- Tracked again it starts anew.
SELECT refresh_mv.track('prices');
TABLE tracked;
SELECT * FROM refreshed('prices');
SELECT * FROM refreshed('prices');
DROP MATERIALIZED VIEW names, prices, total, untracked;

-- Through ordinary views, one over another, and wherever else in the query a
-- table may stand; only once each.
CREATE TABLE kinds (id int, part int, label text, UNIQUE (part, id), PRIMARY KEY (id, part));
CREATE TABLE marks (code text NOT NULL UNIQUE, item int);
INSERT INTO kinds SELECT g, g % 2, 'kind ' || g FROM generate_series(1, 3) g;
INSERT INTO marks VALUES ('a', 7), ('b', NULL);
CREATE VIEW shown AS SELECT id FROM items;
CREATE VIEW shown_again AS SELECT s.id, k.label FROM shown s LEFT JOIN kinds k ON k.id = s.id - 6;
CREATE MATERIALIZED VIEW through AS
WITH marked AS (SELECT item FROM marks WHERE item IS NOT NULL)
SELECT id, label, (SELECT max(price) FROM items) AS most FROM shown_again WHERE id IN (TABLE marked) OR EXISTS (SELECT FROM kinds k WHERE k.part = id)
UNION ALL SELECT 0, label, 0 FROM shown_again WHERE label IS NULL;
SELECT refresh_mv.track('through');
SELECT relation, key, columns, views FROM logged;
SELECT * FROM refreshed('through');
UPDATE items SET name = upper(name);
SELECT * FROM refreshed('through');
DELETE FROM items WHERE id = 3;
SELECT * FROM refreshed('through');
UPDATE kinds SET label = upper(label) WHERE id = 1;
SELECT * FROM refreshed('through');
INSERT INTO marks VALUES ('c', 8);
SELECT * FROM refreshed('through');
SELECT * FROM refreshed('through');
-- An ordinary view that gets another query makes the changes unknown, though it
-- is not logged itself.
CREATE OR REPLACE VIEW shown AS SELECT id + 1 AS id FROM items;
SELECT name, stale, unknown_reason FROM tracked;
SELECT * FROM refreshed('through');
SELECT * FROM refreshed('through');
-- Where it reads another table then, that is logged from the next refresh on.
CREATE TABLE texts (id int PRIMARY KEY, label text);
INSERT INTO texts SELECT g, 'text ' || g FROM generate_series(1, 9) g;
CREATE OR REPLACE VIEW shown_again AS SELECT s.id, t.label FROM shown s LEFT JOIN texts t ON t.id = s.id;
SELECT name, stale, unknown_reason FROM tracked;
UPDATE texts SET label = upper(label) WHERE id > 7;
SELECT * FROM refresh_mv.changes('through', 'texts');
SELECT * FROM refreshed('through');
SELECT relation, columns, views FROM logged;
UPDATE texts SET label = lower(label) WHERE id > 8;
SELECT * FROM refreshed('through');
UPDATE texts SET label = lower(label) WHERE id = 8;
SELECT * FROM refresh_mv.changes('through', 'texts');
SELECT * FROM refreshed('through');
SELECT * FROM refreshed('through');
-- A function that is called is replaced; a type that is used is altered.
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION doubled(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE MATERIALIZED VIEW called AS SELECT id, doubled(id), 'sad'::mood AS mood FROM items;
SELECT refresh_mv.track('called');
SELECT * FROM refreshed('called');
CREATE OR REPLACE FUNCTION doubled(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 3';
SELECT name, stale, unknown_reason FROM tracked WHERE name = 'called';
SELECT * FROM refreshed('called', 'through');
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT name, stale, unknown_reason FROM tracked WHERE name = 'called';
SELECT * FROM refreshed('called', 'through');
DROP MATERIALIZED VIEW through, called;
CALL refresh_mv.run(views => '{nothing}');

-- A view over a materialized view.  What a merge changes in the lower one is
-- logged by image, since it has no key; nothing is where nothing is merged.
CREATE MATERIALIZED VIEW lower_view AS SELECT id % 3 AS rest, count(*) AS n FROM items GROUP BY 1;
CREATE MATERIALIZED VIEW upper_view AS SELECT n, count(*) FROM lower_view GROUP BY n;
SELECT refresh_mv.track('upper_view');
TABLE logged;
TABLE triggers;
SELECT * FROM refreshed('lower_view', 'upper_view');
SELECT * FROM refreshed('upper_view');
INSERT INTO items VALUES (20, 'item 20', 20, NULL);
SELECT * FROM refreshed('upper_view');
SELECT * FROM refreshed('lower_view');
SELECT name, tracked, pending_changes FROM tracked;
SELECT * FROM refresh_mv.changes('upper_view', 'lower_view');
SELECT * FROM refreshed('upper_view');
SELECT * FROM refreshed('lower_view', 'upper_view');
-- Both tracked.
SELECT refresh_mv.track('lower_view');
SELECT relation, key, columns, views FROM logged;
SELECT * FROM refreshed('lower_view', 'upper_view');
SELECT * FROM refreshed('lower_view', 'upper_view');
DELETE FROM items WHERE id = 20;
SELECT * FROM refreshed('lower_view', 'upper_view');
UPDATE items SET name = lower(name);
SELECT * FROM refreshed('lower_view', 'upper_view');
-- A REFRESH by hand may have changed anything for those that read the view.
REFRESH MATERIALIZED VIEW lower_view;
SELECT name, pending_changes, stale, unknown_reason FROM tracked;
SELECT * FROM refresh_mv.changes('upper_view', 'lower_view');
SELECT * FROM refreshed('lower_view', 'upper_view');
SELECT * FROM refreshed('lower_view', 'upper_view');
CREATE UNIQUE INDEX ON upper_view (n);
REFRESH MATERIALIZED VIEW CONCURRENTLY upper_view;
SELECT name, pending_changes, stale, unknown_reason FROM tracked;
SELECT * FROM refreshed('lower_view', 'upper_view');
-- Emptied and filled.
REFRESH MATERIALIZED VIEW lower_view WITH NO DATA;
SELECT * FROM refreshed('lower_view', 'upper_view');
SELECT * FROM refreshed('lower_view', 'upper_view');
REFRESH MATERIALIZED VIEW upper_view WITH NO DATA;
SELECT name, pending_changes, stale, unknown_reason FROM tracked;
SELECT * FROM refreshed('upper_view');
SELECT * FROM refreshed('upper_view');
DROP MATERIALIZED VIEW lower_view CASCADE;
CALL refresh_mv.run(views => '{nothing}');
TABLE logged;

-- A view that is dropped leaves the triggers of its tables to the next sweep: to
-- drop a view locks no table.
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM items;
CREATE MATERIALIZED VIEW marked AS SELECT i.id, m.code FROM items i JOIN marks m ON m.item = i.id;
SELECT refresh_mv.track('names'), refresh_mv.track('marked');
SELECT * FROM refreshed('names', 'marked');
INSERT INTO items VALUES (30, 'item 30', 30, NULL);
INSERT INTO marks VALUES ('e', 30);
SELECT relation, views FROM logged;
DROP MATERIALIZED VIEW marked;
INSERT INTO marks VALUES ('f', 7);
SELECT relation, views FROM logged;
CALL refresh_mv.run(views => '{nothing}');
SELECT relation, views FROM logged;
SELECT DISTINCT relation::text COLLATE "C" AS relation FROM triggers ORDER BY 1;
SELECT name, pending_changes FROM tracked;
SELECT * FROM refreshed('names');
BEGIN;
DROP MATERIALIZED VIEW names;
ROLLBACK;
INSERT INTO items VALUES (31, 'item 31', 31, NULL);
SELECT * FROM refreshed('names');
DROP MATERIALIZED VIEW names;
INSERT INTO items VALUES (32, 'item 32', 32, NULL);
CALL refresh_mv.run(views => '{nothing}');
CREATE VIEW leftovers AS
SELECT (SELECT count(*) FROM refresh_mv.sources) AS sources, (SELECT count(*) FROM refresh_mv.members) AS members,
       (SELECT count(*) FROM refresh_mv.tracked) AS tracked, (SELECT count(*) FROM refresh_mv.uses) AS uses,
       (SELECT count(*) FROM refresh_mv.log) AS entries, (SELECT count(*) FROM triggers) AS triggers,
       (SELECT count(*) FROM refresh_mv.settings) AS settings, (SELECT count(snapshot) FROM refresh_mv.state) AS baselines;
TABLE leftovers;
-- One of the same name is not tracked.
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM items;
TABLE tracked;
-- Tables that are dropped with the views that read them, alone or all at once.
CREATE TABLE gone (id int PRIMARY KEY);
CREATE TABLE gone_too (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW joined AS SELECT id FROM gone JOIN gone_too USING (id);
CREATE MATERIALIZED VIEW only_too AS SELECT id FROM gone_too;
SELECT refresh_mv.track('joined'), refresh_mv.track('only_too');
INSERT INTO gone VALUES (1);
INSERT INTO gone_too VALUES (1);
DROP TABLE gone;
SET client_min_messages = error;
DROP TABLE gone CASCADE;
CALL refresh_mv.run(views => '{nothing}');
TABLE logged;
DROP TABLE gone_too CASCADE;
CALL refresh_mv.run(views => '{nothing}');
TABLE leftovers;
CREATE SCHEMA outer_schema;
CREATE TABLE outer_schema.one (id int PRIMARY KEY);
CREATE TABLE outer_schema.two (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE outer_schema.two_1 PARTITION OF outer_schema.two FOR VALUES FROM (0) TO (10);
CREATE MATERIALIZED VIEW outer_schema.joined AS SELECT id FROM outer_schema.one JOIN outer_schema.two USING (id);
CREATE MATERIALIZED VIEW inside AS SELECT id FROM outer_schema.two;
CREATE MATERIALIZED VIEW above AS SELECT id FROM outer_schema.joined;
SELECT view_name, tracked FROM refresh_mv.track() WHERE view_name <> 'nothing'::regclass ORDER BY view_name::text COLLATE "C";
SELECT relation, members, views FROM logged;
DROP SCHEMA outer_schema CASCADE;
SET client_min_messages = warning;
CALL refresh_mv.run(views => '{nothing}');
SELECT relation, members, views FROM logged;
-- untrack() sweeps too.
DROP MATERIALIZED VIEW names;
CREATE MATERIALIZED VIEW others AS SELECT code FROM marks;
SELECT refresh_mv.track('others');
SELECT relation, members, views FROM logged;
SELECT refresh_mv.untrack('others');
DROP MATERIALIZED VIEW others;
TABLE leftovers;

-- Why a table cannot be logged row by row, and what helps.
CREATE TABLE keyless (id int, n int);
CREATE MATERIALIZED VIEW on_keyless AS SELECT id FROM keyless;
SELECT * FROM refresh_mv.track('on_keyless');
\echo :LAST_ERROR_SQLSTATE
-- A key that is only checked at the end, one that may be null, one of some rows
-- only, one of expressions.
CREATE TABLE deferrable_key (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE null_key (id int UNIQUE, n int NOT NULL, UNIQUE (n, id));
CREATE TABLE partial_key (id int NOT NULL);
CREATE UNIQUE INDEX ON partial_key (id) WHERE id > 0;
CREATE TABLE expression_key (id int NOT NULL);
CREATE UNIQUE INDEX ON expression_key ((id + 1));
CREATE TABLE no_index (id int NOT NULL, EXCLUDE USING btree (id WITH =));
-- One that will do, beside one that will not.
CREATE TABLE two_keys (id int PRIMARY KEY DEFERRABLE, a int NOT NULL, b int NOT NULL, c int NOT NULL UNIQUE, UNIQUE (a, b));
-- A crash would empty these without a trace.
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE TABLE partitioned (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE logged_part PARTITION OF partitioned FOR VALUES FROM (0) TO (10);
CREATE UNLOGGED TABLE unlogged_part PARTITION OF partitioned FOR VALUES FROM (10) TO (20);
-- A foreign table is changed by others.
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE foreign_table (id int NOT NULL) SERVER nowhere;
CREATE TABLE mixed (id int NOT NULL) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE foreign_part PARTITION OF mixed FOR VALUES FROM (0) TO (10) SERVER nowhere;
-- Keys of a partition are not keys of the whole.
CREATE TABLE part_keys (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE part_keys_1 PARTITION OF part_keys (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (10);
CREATE MATERIALIZED VIEW on_deferrable_key AS SELECT id FROM deferrable_key;
CREATE MATERIALIZED VIEW on_null_key AS SELECT id FROM null_key;
CREATE MATERIALIZED VIEW on_partial_key AS SELECT id FROM partial_key;
CREATE MATERIALIZED VIEW on_expression_key AS SELECT id FROM expression_key;
CREATE MATERIALIZED VIEW on_no_index AS SELECT id FROM no_index;
CREATE MATERIALIZED VIEW on_two_keys AS SELECT id FROM two_keys;
CREATE MATERIALIZED VIEW on_unlogged AS SELECT id FROM unlogged;
CREATE MATERIALIZED VIEW on_foreign AS SELECT id FROM foreign_table WITH NO DATA;
CREATE MATERIALIZED VIEW on_mixed AS SELECT id FROM mixed WITH NO DATA;
CREATE MATERIALIZED VIEW on_partitioned AS SELECT id FROM partitioned;
CREATE MATERIALIZED VIEW on_part AS SELECT id FROM logged_part;
CREATE MATERIALIZED VIEW on_part_key AS SELECT id FROM part_keys_1;
-- Results that depend on more than data; sql/constancy.sql has many more.
CREATE TABLE secured (id int PRIMARY KEY);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE SEQUENCE numbers;
CREATE MATERIALIZED VIEW by_now AS SELECT id, now() FROM items;
CREATE MATERIALIZED VIEW by_random AS SELECT id FROM items WHERE random() < 2;
CREATE MATERIALIZED VIEW by_user AS SELECT id, current_user FROM items;
CREATE MATERIALIZED VIEW by_policy AS SELECT id FROM secured;
CREATE MATERIALIZED VIEW by_place AS SELECT id, ctid AS place FROM items;
CREATE MATERIALIZED VIEW by_sample AS SELECT id FROM items TABLESAMPLE system (50);
CREATE MATERIALIZED VIEW by_catalog AS SELECT relname FROM pg_class;
CREATE MATERIALIZED VIEW by_sequence AS SELECT last_value FROM numbers;
SELECT refresh_mv.track('on_deferrable_key');
SELECT refresh_mv.track('on_null_key');
SELECT refresh_mv.track('on_partial_key');
SELECT refresh_mv.track('on_expression_key');
SELECT refresh_mv.track('on_no_index');
SELECT refresh_mv.track('on_unlogged');
SELECT refresh_mv.track('on_foreign');
SELECT refresh_mv.track('on_mixed');
SELECT refresh_mv.track('on_partitioned');
SELECT refresh_mv.track('on_part');
SELECT refresh_mv.track('on_part_key');
SELECT refresh_mv.track('by_now');
SELECT refresh_mv.track('by_random');
SELECT refresh_mv.track('by_user');
SELECT refresh_mv.track('by_policy');
SELECT refresh_mv.track('by_place');
SELECT refresh_mv.track('by_sample');
SELECT refresh_mv.track('by_catalog');
SELECT refresh_mv.track('by_sequence');
TABLE leftovers;
-- Without tables there is nothing to log.
CREATE MATERIALIZED VIEW constant AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW empty AS SELECT id FROM items WITH NO DATA;
-- All views at once: those that can be, with reasons for the others.
SELECT * FROM refresh_mv.track() WHERE view_name <> 'nothing'::regclass ORDER BY view_name::text COLLATE "C";
TABLE logged;
SELECT * FROM refreshed('constant', 'on_two_keys', 'empty');
SELECT * FROM refreshed('constant', 'on_two_keys', 'empty');
UPDATE two_keys SET id = id;
SELECT key, columns FROM logged WHERE relation = 'two_keys'::regclass;
-- With the hint followed.
ALTER TABLE keyless ADD PRIMARY KEY (id);
ALTER TABLE unlogged_part SET LOGGED;
SELECT refresh_mv.track('on_keyless'), refresh_mv.track('on_part');
SELECT relation, key, members, views FROM logged WHERE relation IN ('keyless'::regclass, 'partitioned'::regclass);
SELECT * FROM refreshed('on_keyless', 'on_part');
-- A tracked view whose table can no longer be logged is refreshed in full, until
-- it can be again.
ALTER TABLE keyless DROP CONSTRAINT keyless_pkey;
SELECT stale, unknown_reason FROM tracked WHERE name = 'on_keyless';
INSERT INTO keyless VALUES (1, 1);
SELECT * FROM refreshed('on_keyless');
INSERT INTO keyless VALUES (2, 2);
SELECT * FROM refreshed('on_keyless');
SELECT * FROM refreshed('on_keyless');
SELECT refresh_mv.track('on_keyless');
ALTER TABLE keyless ADD UNIQUE (n), ALTER n SET NOT NULL;
INSERT INTO keyless VALUES (3, 3);
SELECT * FROM refreshed('on_keyless');
INSERT INTO keyless VALUES (4, 4);
SELECT * FROM refresh_mv.changes('on_keyless', 'keyless');
SELECT * FROM refreshed('on_keyless');
SELECT * FROM refreshed('on_keyless');
-- untrack() of all.
SELECT refresh_mv.untrack();
TABLE leftovers;
DROP MATERIALIZED VIEW on_keyless, on_deferrable_key, on_null_key, on_partial_key, on_expression_key, on_no_index, on_two_keys, on_unlogged,
    on_foreign, on_mixed, on_partitioned, on_part, on_part_key, by_now, by_random, by_user, by_policy, by_place, by_sample, by_catalog, by_sequence, constant, empty;
DROP FOREIGN DATA WRAPPER nothing CASCADE;

-- A tree of tables that inherit: a parent and its child may have rows of the same key, and are
-- logged apart; of a member without a key nothing is known but that something has changed.
CREATE TABLE parent (id int PRIMARY KEY, n int);
CREATE TABLE child (more int, PRIMARY KEY (id)) INHERITS (parent);
CREATE TABLE grandchild () INHERITS (child);
CREATE MATERIALIZED VIEW all_of_them AS SELECT id, n FROM parent;
CREATE MATERIALIZED VIEW parents_only AS SELECT id, n FROM ONLY parent;
SELECT refresh_mv.track('all_of_them'), refresh_mv.track('parents_only');
TABLE logged;
SELECT * FROM refreshed('all_of_them', 'parents_only');
SELECT * FROM refreshed('all_of_them', 'parents_only');
INSERT INTO parent VALUES (1, 1);
SELECT * FROM refresh_mv.changes('all_of_them', 'parent');
SELECT * FROM refreshed('all_of_them', 'parents_only');
INSERT INTO child VALUES (1, 2, 3);
SELECT name, pending_changes, stale, unknown_reason FROM tracked;
SELECT * FROM refreshed('all_of_them', 'parents_only');
INSERT INTO grandchild VALUES (1, 3, 4);
SELECT * FROM refreshed('all_of_them', 'parents_only');
UPDATE parent SET n = n + 1 WHERE n = 3;
SELECT * FROM refreshed('all_of_them', 'parents_only');
DELETE FROM parent WHERE n = 4;
SELECT * FROM refreshed('all_of_them', 'parents_only');
UPDATE parent SET n = 0 WHERE false;
SELECT * FROM refreshed('all_of_them', 'parents_only');
TRUNCATE child;
SELECT * FROM refreshed('all_of_them', 'parents_only');
SELECT * FROM refreshed('all_of_them', 'parents_only');
-- A further child; one that leaves.
CREATE TABLE late () INHERITS (parent);
INSERT INTO late VALUES (2, 2);
SELECT * FROM refreshed('all_of_them', 'parents_only');
SELECT relation, exact, members FROM logged;
INSERT INTO late VALUES (3, 3);
SELECT * FROM refreshed('all_of_them', 'parents_only');
INSERT INTO late VALUES (4, 4);
SELECT * FROM refreshed('all_of_them', 'parents_only');
ALTER TABLE late NO INHERIT parent;
SELECT * FROM refreshed('all_of_them', 'parents_only');
SELECT * FROM refreshed('all_of_them', 'parents_only');
SELECT * FROM refreshed('all_of_them', 'parents_only');
-- A view of a child knows of the tree too.
CREATE MATERIALIZED VIEW of_child AS SELECT more FROM ONLY child;
SELECT refresh_mv.track('of_child');
INSERT INTO child VALUES (5, 5, 5);
SELECT * FROM refreshed('of_child');
SELECT * FROM refreshed('of_child');
DELETE FROM parent WHERE id = 5;
SELECT * FROM refreshed('of_child');
-- A table that becomes a parent, and is none any more.
CREATE TABLE alone (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW of_alone AS SELECT id FROM alone;
SELECT refresh_mv.track('of_alone');
SELECT * FROM refreshed('of_alone');
CREATE TABLE heir () INHERITS (alone);
INSERT INTO heir VALUES (1);
SELECT * FROM refreshed('of_alone');
INSERT INTO heir VALUES (2);
SELECT * FROM refreshed('of_alone');
INSERT INTO heir VALUES (3);
SELECT * FROM refreshed('of_alone');
SELECT * FROM refreshed('of_alone');
DROP TABLE heir;
SELECT * FROM refreshed('of_alone');
INSERT INTO alone VALUES (4);
SELECT * FROM refreshed('of_alone');
INSERT INTO alone VALUES (5);
SELECT * FROM refreshed('of_alone');
SELECT * FROM refreshed('of_alone');
SET client_min_messages = error;
DROP TABLE parent, alone, late CASCADE;
SET client_min_messages = warning;
CALL refresh_mv.run(views => '{nothing}');
TABLE leftovers;

-- Wrong arguments.
SELECT refresh_mv.track('items');
\echo :LAST_ERROR_SQLSTATE
SELECT refresh_mv.track('shown');
SELECT refresh_mv.track('no_such_view');
SELECT refresh_mv.track(0);
SELECT refresh_mv.untrack('items');
\echo :LAST_ERROR_SQLSTATE
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM items;
SELECT refresh_mv.changes('names', 'items');
\echo :LAST_ERROR_SQLSTATE
SELECT refresh_mv.changes('items', 'items');
SELECT refresh_mv.changes(NULL, 'items');
SELECT refresh_mv.changes('names', NULL);
SELECT refresh_mv.changes('names', 0);
SELECT refresh_mv.track('names');
SELECT refresh_mv.changes('names', 'items');
SELECT * FROM refreshed('names');
SELECT refresh_mv.changes('names', 'marks');
SELECT refresh_mv.changes('names', 'names');
SELECT refresh_mv.changes('names', 'shown');
-- A read-only transaction.
BEGIN READ ONLY;
SELECT refresh_mv.track('names');
ROLLBACK;
BEGIN READ ONLY;
SELECT refresh_mv.untrack('names');
ROLLBACK;
INSERT INTO items VALUES (40, 'item 40', 40, NULL);
BEGIN READ ONLY;
SELECT * FROM refresh_mv.changes('names', 'items');
COMMIT;
-- Nobody else's view; sql/track_rights.sql has more.
CREATE ROLE refresh_mv_stranger;
GRANT USAGE ON SCHEMA suite TO refresh_mv_stranger;
SET ROLE refresh_mv_stranger;
SELECT refresh_mv.track('names');
\echo :LAST_ERROR_SQLSTATE
SELECT refresh_mv.untrack('names');
SELECT refresh_mv.changes('names', 'items');
SELECT * FROM refresh_mv.track();
SELECT refresh_mv.untrack();
RESET ROLE;
SELECT relation, views FROM logged;
-- With a savepoint rolled back nothing of it stays.
SELECT refresh_mv.untrack('names');
BEGIN;
SAVEPOINT s;
SELECT refresh_mv.track('names');
ROLLBACK TO s;
INSERT INTO items VALUES (41, 'item 41', 41, NULL);
COMMIT;
TABLE leftovers;

-- DROP EXTENSION takes all triggers along and asks for no CASCADE; tables go on
-- as they were.
CREATE MATERIALIZED VIEW on_part AS SELECT id FROM logged_part;
SELECT refresh_mv.track('names'), refresh_mv.track('on_part', true);
SELECT DISTINCT relation::text COLLATE "C" AS relation FROM triggers ORDER BY 1;
INSERT INTO items VALUES (42, 'item 42', 42, NULL);
SET client_min_messages = notice;
DROP VIEW logged, entries, triggers, tracked, leftovers, all_of_it;
DROP EXTENSION refresh_mv;
SET client_min_messages = warning;
SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal;
SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'refresh\_mv%';
INSERT INTO items VALUES (43, 'item 43', 43, NULL);
UPDATE items SET name = lower(name);
INSERT INTO partitioned VALUES (1), (11);
TRUNCATE partitioned;
-- Created anew it knows of nothing.
CREATE EXTENSION refresh_mv SCHEMA public;
SELECT count(*) FROM refresh_mv.tracked;
SELECT refresh_mv.track('names');
SELECT * FROM refreshed('names');
INSERT INTO items VALUES (44, 'item 44', 44, NULL);
SELECT * FROM refresh_mv.changes('names', 'items');
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_stranger;
