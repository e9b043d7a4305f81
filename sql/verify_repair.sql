CALL helpers.begin_suite();
-- What refresh_mv.verify() counts is what there is, whatever has changed, and what it
-- repairs is right; verify_all().
\pset format unaligned
\pset footer off
CREATE ROLE refresh_mv_owner;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_owner;

-- Remembers what the view's query returns now.
CREATE FUNCTION remember_query(view regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS expected;
    EXECUTE format('CREATE TEMP TABLE expected AS SELECT _row::text AS line, record_send(_row) AS image FROM (%s) _row', rtrim(pg_get_viewdef(view), ';'));
END $$;

-- Verifies a view; fails unless the numbers are those of the rows that are remembered, and
-- the samples are some of them.
CREATE FUNCTION verified(view regclass, OUT verdict text, OUT missing bigint, OUT extra bigint, OUT samples text, OUT pending bigint, OUT remark text)
LANGUAGE plpgsql AS $$
DECLARE
    found record;
    lacking bigint;
    surplus bigint;
    samples_right boolean;
BEGIN
    SELECT * INTO found FROM refresh_mv.verify(view);
    EXECUTE format('SELECT (SELECT count(*) FROM (SELECT image FROM expected EXCEPT ALL SELECT record_send(_row) FROM %1$s _row) d),
        (SELECT count(*) FROM (SELECT record_send(_row) FROM %1$s _row EXCEPT ALL SELECT image FROM expected) d),
        (SELECT coalesce(bool_and(s IN (SELECT line FROM expected)), true) FROM unnest($1) s)
        AND (SELECT coalesce(bool_and(s IN (SELECT _row::text FROM %1$s _row)), true) FROM unnest($2) s)', view)
    INTO lacking, surplus, samples_right USING found.missing_sample, found.extra_sample;
    ASSERT (found.missing, found.extra) = (lacking, surplus), format('%s missing, %s extra, not %s and %s', lacking, surplus, found.missing, found.extra);
    ASSERT samples_right AND cardinality(found.missing_sample) = least(lacking, 5) AND cardinality(found.extra_sample) = least(surplus, 5),
        format('samples: %s, %s', found.missing_sample, found.extra_sample);
    verdict := found.verdict;
    missing := found.missing;
    extra := found.extra;
    samples := format('%s + %s', cardinality(found.missing_sample), cardinality(found.extra_sample));
    pending := found.pending_changes;
    remark := found.remark;
END $$;

-- ---- rows, whatever their types
CREATE TABLE t (id int PRIMARY KEY, n numeric, f float, j json, p point, s text);
INSERT INTO t SELECT i, i, i, '{"a": 1}', '(1,2)', 's' FROM generate_series(1, 10) i;
CREATE MATERIALIZED VIEW v AS SELECT n, f, j, p, s FROM t;
SELECT remember_query('v');
SELECT * FROM verified('v');
-- equal, and not the same
UPDATE t SET n = 1.0, f = '-0' WHERE id = 1;
UPDATE t SET j = '{"a":1}' WHERE id = 2;
UPDATE t SET p = NULL WHERE id = 3;
UPDATE t SET s = '' WHERE id = 4;
UPDATE t SET s = NULL WHERE id = 5;
SELECT remember_query('v');
SELECT * FROM verified('v');
SELECT verdict, repaired FROM refresh_mv.verify('v', true);
SELECT * FROM verified('v');
-- duplicates and rows of NULLs
INSERT INTO t SELECT i FROM generate_series(11, 30) i;
SELECT remember_query('v');
SELECT * FROM verified('v');
SELECT verdict, repaired, missing, extra FROM refresh_mv.verify('v', true);
DELETE FROM t WHERE id > 13;
SELECT remember_query('v');
SELECT * FROM verified('v');
SELECT verdict, repaired FROM refresh_mv.verify('v', true);
SELECT verdict, repaired FROM refresh_mv.verify('v', true);
SELECT mode, method, reason, rows_inserted, rows_updated, rows_deleted, success, source FROM refresh_mv.journal ORDER BY id;
DROP MATERIALIZED VIEW v;

-- ---- a tracked view: what it should have held when it was refreshed
CREATE TABLE g (id int PRIMARY KEY, name text);
INSERT INTO g SELECT i, 'g' || i FROM generate_series(0, 4) i;
CREATE TABLE m (id int PRIMARY KEY, g int, n int, day date);
INSERT INTO m SELECT i, i % 5, i, date '2020-01-01' + i FROM generate_series(1, 50) i;
CREATE MATERIALIZED VIEW grouped AS SELECT g.name, count(m.id) AS n, sum(m.n) AS total FROM g LEFT JOIN m ON m.g = g.id GROUP BY g.name;
CREATE MATERIALIZED VIEW rows AS SELECT m.id, g.name, m.n FROM m LEFT JOIN g ON g.id = m.g;
CREATE MATERIALIZED VIEW above AS SELECT n, count(*) AS times FROM grouped GROUP BY n;
CREATE MATERIALIZED VIEW latest AS SELECT id, n FROM m ORDER BY id DESC LIMIT 3;
CREATE FUNCTION refresh_all() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM unnest('{grouped,rows,above,latest}'::regclass[]) view, refresh_materialized_views_smart(ARRAY[view]) r WHERE r.success
$$;
SELECT count(*) FROM refresh_mv.track() WHERE tracked;
SELECT refresh_all();
-- Refreshes a view, makes changes, and verifies it: it is what it should have been before.
CREATE FUNCTION changed(view regclass, change text, OUT verdict text, OUT missing bigint, OUT extra bigint, OUT samples text, OUT pending bigint, OUT remark text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refresh_all();
    PERFORM remember_query(view);
    EXECUTE change;
    SELECT v.* INTO verdict, missing, extra, samples, pending, remark FROM verified(view) v;
END $$;
SELECT v.view, c.* FROM unnest('{grouped,rows,latest}'::regclass[]) WITH ORDINALITY v (view, i), changed(v.view, format('UPDATE m SET n = n + 1, id = id + 1000 WHERE id = %s', v.i)) c;
SELECT v.view, c.* FROM unnest('{grouped,rows,latest}'::regclass[]) WITH ORDINALITY v (view, i),
    changed(v.view, format('DELETE FROM m WHERE id = 10 + %s; INSERT INTO m VALUES (100 + %1$s, NULL, 5); UPDATE g SET name = name || ''!'' WHERE id = 1; DELETE FROM g WHERE id = 0; INSERT INTO g VALUES (0, ''new'')', v.i)) c;
SELECT refresh_all();
-- over a materialized view: changes without a key
SELECT * FROM changed('above', 'UPDATE m SET g = 2 WHERE id IN (20, 21); SELECT refresh_materialized_views_smart(''{grouped}'')');
SELECT refresh_all();
-- in the transaction that makes the changes, and in one with an older snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT remember_query('grouped');
INSERT INTO m VALUES (200, 1, 1);
SELECT * FROM verified('grouped');
SAVEPOINT before;
UPDATE m SET n = 0;
SELECT verdict, pending FROM verified('grouped');
ROLLBACK TO before;
SELECT verdict, pending FROM verified('grouped');
SELECT verdict, repaired FROM refresh_mv.verify('grouped', true);
SELECT verdict, pending_changes FROM refresh_mv.verify('grouped');
ROLLBACK;
SELECT verdict, pending_changes FROM refresh_mv.verify('grouped');
-- that triggers were disabled for a while does not go unnoticed, whatever else has changed
SELECT refresh_all();
SELECT remember_query('rows');
ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE;
ALTER TABLE m DISABLE TRIGGER refresh_mv_update;
UPDATE m SET n = n + 1 WHERE id = 30;
ALTER TABLE m ENABLE ALWAYS TRIGGER refresh_mv_update;
ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;
SELECT verdict, missing, extra, missing_sample, extra_sample, pending_changes, unqualified(remark) AS remark FROM refresh_mv.verify('rows');
UPDATE m SET n = 0 WHERE id = 31;
SELECT verdict, missing, extra, missing_sample, extra_sample, pending_changes, unqualified(remark) AS remark FROM refresh_mv.verify('rows');
SELECT verdict, repaired FROM refresh_mv.verify('rows', true);
SELECT verdict, remark FROM refresh_mv.verify('rows');
SELECT method, reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
-- and exact again
UPDATE m SET n = 1 WHERE id = 32;
SELECT refresh_all();
SELECT method FROM refresh_mv.journal WHERE view_name = 'rows' ORDER BY id DESC LIMIT 1;
SELECT verdict FROM refresh_mv.verify('rows');
-- a state that is not what it should be
SELECT format('refresh_mv.group_state_%s', 'grouped'::regclass::oid) AS state \gset
SELECT verdict FROM refresh_mv.verify('grouped');
UPDATE :state SET p1 = p1 + 100;
UPDATE m SET n = n + 1 WHERE id IN (33, 34, 35);
SELECT refresh_all();
SELECT verdict FROM refresh_mv.verify('grouped');
SELECT verdict, repaired FROM refresh_mv.verify('grouped', true);
SELECT verdict FROM refresh_mv.verify('grouped');
-- what is not known
REFRESH MATERIALIZED VIEW grouped;
ALTER TABLE m ADD COLUMN less int;
SELECT verdict, pending_changes, remark FROM refresh_mv.verify('grouped');
UPDATE m SET n = n + 1 WHERE id = 40;
SELECT verdict, missing, extra, pending_changes, remark FROM refresh_mv.verify('grouped');
ALTER TABLE m ADD COLUMN more int;
SELECT verdict, missing, extra, pending_changes, remark FROM refresh_mv.verify('grouped', true);
SELECT verdict, remark FROM refresh_mv.verify('grouped');
DROP MATERIALIZED VIEW grouped, rows, latest CASCADE;

-- ---- a function that lies: the view is wrong, with changes in the log and without
CREATE TABLE hidden (n int);
INSERT INTO hidden VALUES (0);
CREATE FUNCTION liar(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + (SELECT n FROM suite.hidden); END';
CREATE MATERIALIZED VIEW lied AS SELECT id, liar(n) AS n, count(*) OVER (PARTITION BY id) AS rows FROM m WHERE id <= 20;
SELECT tracked FROM refresh_mv.track('lied');
SELECT success FROM refresh_materialized_views_smart('{lied}');
UPDATE hidden SET n = 1;
SELECT remember_query('lied');
SELECT * FROM verified('lied');
UPDATE m SET n = 0 WHERE id = 7;
SELECT * FROM verified('lied');
SELECT success FROM refresh_materialized_views_smart('{lied}');
SELECT remember_query('lied');
SELECT * FROM verified('lied');
SELECT * FROM error_of('CALL refresh_mv.verify_all()');
SELECT verdict, repaired FROM refresh_mv.verify('lied', true);
SELECT verdict, repaired FROM refresh_mv.verify('lied', true);
DROP MATERIALIZED VIEW lied;

-- ---- what keep_before keeps is right as it is, of a tracked view, too
CREATE TABLE events (id int PRIMARY KEY, day date);
INSERT INTO events SELECT i, current_date - i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW daily AS SELECT day, count(*) AS n FROM events GROUP BY day;
SELECT tracked FROM refresh_mv.track('daily');
SELECT refresh_mv.configure('daily', keep_before => '10 days');
SELECT success FROM refresh_materialized_views_smart('{daily}');
DELETE FROM events WHERE day < current_date - 5;
SELECT verdict, missing, extra, pending_changes, remark FROM refresh_mv.verify('daily');
SELECT success FROM refresh_materialized_views_smart('{daily}');
SELECT verdict, missing, extra, pending_changes, remark FROM refresh_mv.verify('daily');
SELECT count(*) FROM daily;
SELECT refresh_mv.configure('daily', keep_before => NULL);
SELECT verdict, missing, extra, remark FROM refresh_mv.verify('daily');
SELECT verdict, repaired FROM refresh_mv.verify('daily', true);
SELECT count(*) FROM daily;
DROP MATERIALIZED VIEW daily;

-- ---- all: whatever it is, one after another
CREATE TABLE notes (view text, xid xid8);
CREATE FUNCTION note(view text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO suite.notes VALUES (view, pg_current_xact_id());
    RETURN view;
END $$;
CREATE MATERIALIZED VIEW first AS SELECT note('first') FROM generate_series(1, 1);
CREATE MATERIALIZED VIEW second AS SELECT note('second') FROM generate_series(1, 1);
CREATE MATERIALIZED VIEW empty AS SELECT id FROM events WITH NO DATA;
CREATE MATERIALIZED VIEW stale AS SELECT id FROM events;
SELECT tracked FROM refresh_mv.track('stale');
SELECT success FROM refresh_materialized_views_smart('{stale}');
DELETE FROM events WHERE id = 2;
TRUNCATE notes;
CALL refresh_mv.verify_all();
SELECT count(DISTINCT xid) FROM notes;
TRUNCATE notes;
BEGIN;
CALL refresh_mv.verify_all();
SELECT count(DISTINCT xid) FROM notes;
COMMIT;
SELECT verdict FROM refresh_mv.verify('empty');
SELECT verdict FROM refresh_mv.verify('stale');
-- what differs, and what fails
CREATE MATERIALIZED VIEW different AS SELECT id FROM events;
CREATE MATERIALIZED VIEW failing AS SELECT 1 / id AS n FROM events;
INSERT INTO events VALUES (0, NULL);
SELECT * FROM error_of('CALL refresh_mv.verify_all()');
SELECT verdict, repaired FROM refresh_mv.verify('different', true);
SELECT * FROM error_of('CALL refresh_mv.verify_all()');
SELECT * FROM error_of('SELECT refresh_mv.verify(''failing'', true)');
DELETE FROM events WHERE id = 0;
SELECT verdict, repaired FROM refresh_mv.verify('different', true);
SELECT * FROM error_of('CALL refresh_mv.verify_all()');
-- only those that the caller may refresh
CREATE MATERIALIZED VIEW theirs AS SELECT id FROM events;
GRANT SELECT ON events TO refresh_mv_owner;
ALTER MATERIALIZED VIEW theirs OWNER TO refresh_mv_owner;
SET ROLE refresh_mv_owner;
SET client_min_messages = notice;
CALL refresh_mv.verify_all();
SET client_min_messages = warning;
RESET ROLE;

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_owner;
