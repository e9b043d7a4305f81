CALL helpers.begin_suite();
-- min() and max() of views that are refreshed by delta: when an extreme has gone the next one is known, and no
-- row of the base table is read.
SET refresh_mv.exact_cost_limit = 1e9;

-- Creates a tracked view of a query, and refreshes it.
CREATE FUNCTION make(name text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE MATERIALIZED VIEW %I AS %s', name, query);
    PERFORM refresh_mv.track(format('%I', name)::regclass);
    PERFORM refresh_materialized_views_smart(ARRAY[format('%I', name)::regclass]);
END $$;

-- How many rows of t this transaction has read so far, but for single ones by their key, as for what is new of changed rows.
CREATE FUNCTION rows_read() RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN RETURN pg_stat_get_xact_tuples_returned(''t''::regclass) + pg_stat_get_xact_tuples_returned(''t_g_idx''::regclass); END';

-- Refreshes a view: the method, whether rows of t were read for it, how many rows differ.
CREATE FUNCTION refreshed(view regclass, OUT method text, OUT has_read boolean, OUT differences bigint) LANGUAGE plpgsql AS $$
DECLARE
    before bigint := rows_read();
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    has_read := rows_read() > before;
    SELECT h.method INTO method FROM refresh_mv.journal h ORDER BY h.id DESC LIMIT 1;
    differences := check_view(view);
END $$;

-- What all views come to after a change: by which method, with or without reading t, and what is wrong.
CREATE FUNCTION after(change text) RETURNS TABLE (method text, has_read boolean, views text, differences numeric) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    RETURN QUERY SELECT r.method, r.has_read, string_agg(v.matviewname::text, ' ' ORDER BY v.matviewname COLLATE "C"), sum(r.differences)
        FROM pg_matviews v, refreshed(format('%I', v.matviewname)::regclass) r WHERE v.schemaname = 'suite'
        GROUP BY r.method, r.has_read ORDER BY r.method COLLATE "C", r.has_read;
END $$;

-- Values of many types. Rows are found by a key, groups have a thousand rows each, and one of them has three.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'fine', 'good', 'happy', 'glad', 'merry', 'jolly', 'elated', 'ecstatic');
CREATE DOMAIN amount AS numeric(12,2);
CREATE TABLE t (id int PRIMARY KEY, g int, i int, l bigint, s smallint, n numeric, n2 numeric(12,2), a amount, f float8, r real,
    x text, c char(20), b varchar(20), d date, ts timestamp, tz timestamptz, ti time, iv interval, m money, o oid, ip inet, e mood, w text);
INSERT INTO t SELECT i, CASE WHEN i <= 3 THEN 9 ELSE i % 2 END, i, i, i % 3000, i / 8.0, i / 8.0, i, i / 4.0, i / 4.0, 'text ' || lpad(i::text, 5, '0'),
    'c' || lpad(i::text, 5, '0'), 'v' || lpad(i::text, 5, '0'), date '2000-01-01' + i, timestamp '2000-01-01' + i * interval '1 min',
    timestamptz '2000-01-01 00:00+00' + i * interval '1 min', time '00:00' + i * interval '1 second', i * interval '1 hour', i::money, i,
    '10.0.0.0'::inet + i, (enum_range(NULL::mood))[i % 10 + 1], repeat(i::text, 400) FROM generate_series(1, 2003) i;
CREATE INDEX ON t (g);
VACUUM ANALYZE t;
SELECT make('v_' || name, format('SELECT g, min(%1$s) AS low, max(%1$s) AS high FROM t GROUP BY g', name))
FROM unnest('{i,l,s,n,n2,a,f,r,x,c,b,d,ts,tz,ti,iv,m,o,ip,e}'::text[]) name;
SELECT make('filtered', 'SELECT g, max(i) FILTER (WHERE i % 3 = 0) AS three, min(i) FILTER (WHERE i > 5000) AS none FROM t GROUP BY g'),
    make('expression', 'SELECT g, max(-i * 2) AS negative, max(x || b) AS together, min(CASE WHEN i % 2 = 0 THEN i END) AS even FROM t GROUP BY g'),
    make('collated', 'SELECT g, max(x COLLATE "C") AS c, min(x) AS least FROM t GROUP BY g'),
    make('distinct_values', 'SELECT g, max(DISTINCT i) AS i, min(DISTINCT x) AS x FROM t GROUP BY g'),
    make('having', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING max(i) > 1990 AND min(i) < 1000'),
    make('ordered', 'SELECT g, max(i) - min(i) AS range FROM t GROUP BY g ORDER BY max(i)'),
    make('single', 'SELECT min(i) AS low, max(n) AS high, count(*) AS n FROM t');

-- The least and the greatest of each group go, four times, and no row is read.
SELECT a.* FROM generate_series(1, 4) i, after('DELETE FROM t WHERE id IN (SELECT min(id) FROM t GROUP BY g UNION SELECT max(id) FROM t GROUP BY g)') a;
-- They change.
SELECT a.* FROM generate_series(1, 2) i, after('UPDATE t SET i = 1000, l = 1000, n = 100.50, x = ''text 01000'', d = ''2002-09-27'' WHERE id IN (SELECT min(id) FROM t GROUP BY g UNION SELECT max(id) FROM t GROUP BY g)') a;
-- What comes beyond them, and between them, is kept; and goes again.
SELECT * FROM after('INSERT INTO t (id, g, i, n, x) VALUES (5000, 0, 5000, 5000, ''zz''), (5001, 0, -7, -7, ''''), (5002, 1, 1980, 1980, ''text 01980'')');
SELECT * FROM after('DELETE FROM t WHERE id >= 5000');
-- A group comes, and goes.
SELECT * FROM after('INSERT INTO t (id, g, i) VALUES (6000, 77, 1), (6001, 77, NULL), (6002, 78, NULL)');
SELECT * FROM after('DELETE FROM t WHERE id IN (6000, 6002)');
SELECT * FROM after('DELETE FROM t WHERE id = 6001');
-- When all that was kept has gone, groups are computed anew; without a key, there is but one.
SELECT * FROM after('DELETE FROM t WHERE id IN (SELECT id FROM (SELECT id, rank() OVER (PARTITION BY g ORDER BY id), rank() OVER (PARTITION BY g ORDER BY id DESC) AS last FROM t) r WHERE rank <= 20 OR last <= 20)');
SELECT * FROM after('DELETE FROM t WHERE id IN (SELECT min(id) FROM t GROUP BY g UNION SELECT max(id) FROM t GROUP BY g)');
SELECT * FROM after('DELETE FROM t WHERE g = 0');
SELECT * FROM after('DELETE FROM t');
SELECT * FROM after('INSERT INTO t (id, g, i, n, x) VALUES (1, 0, 1, 1, ''one''), (2, 0, 2, 2, ''two'')');

-- Clears the views and the table.
CREATE PROCEDURE clear() LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT matviewname FROM pg_matviews WHERE schemaname = 'suite' LOOP
        EXECUTE format('DROP MATERIALIZED VIEW %I', name);
    END LOOP;
    TRUNCATE t;
END $$;
CALL clear();

-- Eight values are known: when the last of them has gone, with all of its rows, the group is computed anew.
INSERT INTO t (id, g, i) SELECT i, 1, i / 2 FROM generate_series(1, 200) i;
SELECT make('v', 'SELECT g, max(i) AS high, min(i) AS low, count(*) AS n FROM t GROUP BY g');
DO $$
DECLARE
    redone text := '';
    seen record;
BEGIN
    FOR step IN 1..60 LOOP
        DELETE FROM t WHERE id = (SELECT max(id) FROM t);
        SELECT * INTO seen FROM refreshed('v');
        ASSERT seen.method = 'delta' AND seen.differences = 0;
        redone := redone || CASE WHEN seen.has_read THEN ' ' || step ELSE '' END;
    END LOOP;
    RAISE WARNING 'computed anew:%', redone;
END $$;
-- It is computed anew by the index on its key, if there is one.
CALL clear();
INSERT INTO t (id, g, i) SELECT i, i % 100, i FROM generate_series(1, 5000) i;
ANALYZE t;
SELECT make('v', 'SELECT g, max(i) AS high, min(i) AS low, count(*) AS n FROM t GROUP BY g');
DELETE FROM t WHERE g = 5 AND id > 2500;
BEGIN;
SELECT rows_read() AS before \gset
SELECT refresh_type FROM refresh_materialized_views_smart(ARRAY['v'::regclass]);
SELECT rows_read() - :before BETWEEN 25 AND 100 AS few;
COMMIT;
SELECT check_view('v');
-- Rows that come and go at the extremes leave the list as it is: it reaches as far as it did.
CALL clear();
INSERT INTO t (id, g, i) SELECT i, 1, i FROM generate_series(1, 200) i;
SELECT make('v', 'SELECT g, max(i) AS high, min(i) AS low, count(*) AS n FROM t GROUP BY g');
DO $$
DECLARE
    redone int := 0;
    seen record;
BEGIN
    FOR step IN 1..60 LOOP
        UPDATE t SET i = i + 1 WHERE id = (SELECT id FROM t ORDER BY t.i DESC, id LIMIT 1);
        SELECT * INTO seen FROM refreshed('v');
        ASSERT seen.method = 'delta' AND seen.differences = 0;
        redone := redone + seen.has_read::int;
    END LOOP;
    ASSERT redone = 0, redone;
END $$;
CALL clear();

-- Of values that are equal and look different it is one that is there.
INSERT INTO t (id, g, n, f, iv, c) VALUES (1, 1, 1.0, '0', '1 month', 'a'), (2, 1, 1.00, '-0', '30 days', 'a'), (3, 1, 1.000, '-1', '720 hours', 'a');
SELECT make('v', 'SELECT g, max(n) AS n, max(f) AS f, max(iv) AS iv FROM t GROUP BY g');
CREATE FUNCTION is_there() RETURNS boolean LANGUAGE sql AS $$
    SELECT bool_and(v.n::text IN (SELECT n::text FROM t) AND v.f::text IN (SELECT f::text FROM t) AND v.iv::text IN (SELECT iv::text FROM t)) FROM v
$$;
DELETE FROM t WHERE id = 1;
SELECT method, has_read, is_there() FROM refreshed('v');
UPDATE t SET n = 1.0000, iv = '1 month', f = 0 WHERE id = 2;
SELECT method, has_read, is_there() FROM refreshed('v');
INSERT INTO t (id, g, n, f, iv) VALUES (4, 1, 1, 0, '30 days'), (5, 1, 'NaN', 'NaN', '-1 day');
DELETE FROM t WHERE id = 2;
SELECT method, has_read, is_there() FROM refreshed('v');
DELETE FROM t WHERE id IN (4, 5);
SELECT method, has_read, is_there(), differences FROM refreshed('v');
-- Where such values come out of groups, which of them came and which goes cannot be told: they are kept as they were.
SELECT make('of_groups', 'SELECT q.g % 2 AS h, max(q.n) AS n, max(q.x) AS x FROM (SELECT g, min(n) AS n, max(x) AS x FROM t GROUP BY g) q GROUP BY 1'),
    make('of_columns', 'SELECT q.g % 2 AS h, max(q.n + 1) AS n FROM (SELECT g, n FROM t UNION ALL SELECT g, n FROM t) q GROUP BY 1');
SELECT v AS view, regexp_replace(details, '^.*(state: [^\n]*).*$', '\1') AS state FROM unnest('{v,of_groups,of_columns}'::regclass[]) v, refresh_mv.explain(v, true) WHERE method = 'delta';
CALL clear();

-- Values that are long are few, in the end one; and the state's rows stay short.
INSERT INTO t (id, g, i, x, w) SELECT i, i % 2, i, repeat(md5(i::text), 2), repeat(md5(i::text), 400) FROM generate_series(1, 400) i;
SELECT make('long_ones', 'SELECT g, max(w) AS w FROM t GROUP BY g'), make('rather_long', 'SELECT g, max(x) AS x, min(x) AS y FROM t GROUP BY g'),
    make('many', (SELECT 'SELECT g, ' || string_agg(format('max(i + %s) AS m%1$s', i), ', ') || ' FROM t GROUP BY g' FROM generate_series(1, 300) i));
CREATE FUNCTION lists(view regclass) RETURNS TABLE (most_bytes int) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT max(octet_length(s.p1)) FROM refresh_mv.group_state_%s s', view::oid);
END $$;
SELECT most_bytes < 13000 FROM lists('long_ones');
SELECT most_bytes BETWEEN 200 AND 300 FROM lists('rather_long');
SELECT most_bytes < 16 FROM lists('many');
SELECT a.* FROM generate_series(1, 3) i, after('DELETE FROM t WHERE x IN (SELECT max(x) FROM t GROUP BY g UNION SELECT min(x) FROM t GROUP BY g) OR w IN (SELECT max(w) FROM t GROUP BY g)') a;
CALL clear();

-- Several tables that change at once: rows that have been in neither state come with both signs.
CREATE TABLE u (id int PRIMARY KEY, k int, y int);
INSERT INTO t (id, g, i) SELECT i, i % 20, i FROM generate_series(1, 400) i;
INSERT INTO u SELECT i, i % 3, i FROM generate_series(0, 19) i;
SELECT make('joined', 'SELECT u.k, max(t.i) AS high, min(t.i + u.y) AS low, max(u.y) AS y FROM t JOIN u ON u.id = t.g GROUP BY u.k'),
    make('itself', 'SELECT a.k, max(a.y + b.y) AS high, min(b.y) AS low FROM u a JOIN u b ON b.k = a.k GROUP BY a.k'),
    make('beside', 'SELECT u.k, max(t.i) AS high, min(t.i) AS low, max(u.y) AS y FROM u LEFT JOIN t ON t.g = u.id GROUP BY u.k');
CREATE PROCEDURE churn() LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint := 0;
    methods text[];
BEGIN
    FOR step IN 1..40 LOOP
        DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY t.i DESC LIMIT step % 4);
        UPDATE t SET i = t.i + (hashint4(id + step) % 50), g = abs(hashint4(id * step) % 22) WHERE hashint4(id + step) % 40 = 0 OR t.i = (SELECT min(q.i) FROM t q);
        UPDATE u SET k = abs(hashint4(id + step) % 3), y = abs(hashint4(y + step) % 90) WHERE (id + step) % 9 = 0 OR y = (SELECT max(q.y) FROM u q);
        INSERT INTO t (id, g, i) SELECT 1000 + 10 * step + j, j, 300 + abs(hashint4(step + j) % 200) FROM generate_series(1, step % 5) j;
        IF step % 7 = 0 THEN
            DELETE FROM u WHERE id = step % 20;
        ELSIF step % 7 = 3 THEN
            INSERT INTO u VALUES ((step - 3) % 20, step % 3, step) ON CONFLICT DO NOTHING;
        END IF;
        PERFORM refresh_materialized_views_smart();
        wrong := wrong + check_view('joined') + check_view('itself') + check_view('beside');
    END LOOP;
    SELECT array_agg(DISTINCT method) INTO methods FROM refresh_mv.journal WHERE view_name IN ('joined', 'itself', 'beside')
        AND reason NOT LIKE '%since it is tracked%';
    ASSERT wrong = 0 AND methods = '{delta}', format('%s rows differ, by %s', wrong, methods);
END $$;
CALL churn();

-- A state that is laid out in another way is not read.
CALL clear();
DROP TABLE u;
INSERT INTO t (id, g, i) SELECT i, 1, i FROM generate_series(1, 100) i;
SELECT make('v', 'SELECT g, max(i) AS high FROM t GROUP BY g');
DO $$ BEGIN EXECUTE format('UPDATE refresh_mv.group_state_%s SET p1 = set_byte(p1, 0, 32)', 'v'::regclass::oid); END $$;
DELETE FROM t WHERE id = 100;
SELECT method, differences FROM refreshed('v');
SELECT reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
DELETE FROM t WHERE id = 99;
SELECT * FROM refreshed('v');
UPDATE refresh_mv.state SET groups = md5('another state') WHERE view = 'v'::regclass;
DELETE FROM t WHERE id = 98;
SELECT method, differences FROM refreshed('v');
SELECT reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
DELETE FROM t WHERE id = 97;
SELECT * FROM refreshed('v');

-- Lists against what they stand for: what is there, what comes, what goes, and rows that do both. Lists of a few bytes
-- do not reach far; where nothing is known, they are made anew. Values 0 to 39, of which ten are equal to others.
CREATE TABLE held (id int, v numeric);
CREATE FUNCTION a_value(seed int) RETURNS numeric LANGUAGE sql AS
    $$ SELECT CASE WHEN k % 4 = 0 THEN (k - 1)::numeric(9,2) ELSE k::numeric END FROM (SELECT abs(hashint4(seed) % 40) AS k) q $$;
CREATE FUNCTION try_lists(room int, largest boolean, OUT wrong int, OUT unknown int, OUT steps int) LANGUAGE plpgsql AS $$
DECLARE
    list bytea;
    seen numeric;
    gone int[];
    bounds record;
BEGIN
    wrong := 0; unknown := 0; steps := 0;
    TRUNCATE held;
    FOR i IN 1..400 LOOP
        gone := ARRAY(SELECT id FROM held WHERE hashint4(i + id) % 5 = 0 OR v = (SELECT max(h.v) FROM held h) OR v = (SELECT min(h.v) FROM held h) ORDER BY hashint4(id) LIMIT i % 4);
        WITH come AS (SELECT a_value(i * 100 + j) AS v FROM generate_series(1, (i * 7) % 5) j),
            both_ways AS (SELECT a_value(i * 1000 + j) AS v FROM generate_series(1, i % 3) j),
            plus AS (SELECT v FROM come UNION ALL SELECT v FROM both_ways),
            minus AS (SELECT v FROM held WHERE id = ANY (gone) UNION ALL SELECT v FROM both_ways)
        SELECT CASE WHEN largest THEN refresh_mv_internal.extremes_add(list, (SELECT refresh_mv_internal.largest(v) FROM plus), (SELECT refresh_mv_internal.largest(v) FROM minus), room)
            ELSE refresh_mv_internal.extremes_add(list, (SELECT refresh_mv_internal.smallest(v) FROM plus), (SELECT refresh_mv_internal.smallest(v) FROM minus), room) END INTO list;
        DELETE FROM held WHERE id = ANY (gone);
        INSERT INTO held SELECT i * 100 + j, a_value(i * 100 + j) FROM generate_series(1, (i * 7) % 5) j;
        steps := steps + 1;
        IF list IS NULL THEN
            unknown := unknown + 1;
            SELECT refresh_mv_internal.extremes_add(CASE WHEN largest THEN refresh_mv_internal.largest(v) ELSE refresh_mv_internal.smallest(v) END, NULL, NULL, room)
            FROM held INTO list;
        END IF;
        seen := refresh_mv_internal.outermost(list, NULL::numeric);
        SELECT CASE WHEN largest THEN max(v) ELSE min(v) END AS v, count(*) AS n FROM held INTO bounds;
        IF seen IS DISTINCT FROM bounds.v OR bounds.n > 0 AND NOT EXISTS (SELECT FROM held WHERE v::text = seen::text) THEN
            wrong := wrong + 1;
        END IF;
        IF i % 97 = 0 THEN
            TRUNCATE held;
            list := NULL;
        END IF;
    END LOOP;
END $$;
SELECT room, l.*, s.* FROM unnest('{1,12,30,1000}'::int[]) room, try_lists(room, true) l, try_lists(room, false) s ORDER BY room;

-- Parallel workers make the same lists.
CREATE TABLE p AS SELECT i AS id, abs(hashint4(i) % 1000) AS v, md5((i % 700)::text) AS x FROM generate_series(1, 20000) i;
ANALYZE p;
SELECT md5(refresh_mv_internal.smallest(v)::text || refresh_mv_internal.largest(x)::text) AS serial FROM p \gset
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
ALTER TABLE p SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT refresh_mv_internal.smallest(v), refresh_mv_internal.largest(x) FROM p;
SELECT md5(refresh_mv_internal.smallest(v)::text || refresh_mv_internal.largest(x)::text) = :'serial' AS same FROM p;
SELECT refresh_mv_internal.outermost(refresh_mv_internal.smallest(v), NULL::int) FROM p WHERE v > 1000;
COMMIT;

DROP SCHEMA suite CASCADE;
