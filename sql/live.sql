CALL helpers.begin_suite();
-- A view's rows as of now: live() and views of it.

-- How many rows of live() differ from those of the view's query: by the function, and by the scan that it is planned as,
-- with a condition.
CREATE FUNCTION check_live(view regclass, condition text DEFAULT 'true', OUT differences bigint, OUT by_scan bigint)
LANGUAGE plpgsql AS $$
DECLARE
    source text;
BEGIN
    FOREACH source IN ARRAY ARRAY['(SELECT _row FROM refresh_mv.live(NULL::%1$s) _row) r(_row)',
                                  '(SELECT * FROM refresh_mv.live(NULL::%1$s) WHERE %3$s OFFSET 0) _row'] LOOP
        differences := by_scan;
        EXECUTE format('SELECT coalesce(sum(abs(surplus)), 0) FROM (SELECT sum(side) AS surplus FROM (
                SELECT md5(pg_catalog.record_send(_row)) AS image, 1 AS side FROM ' || source || '
                UNION ALL SELECT md5(pg_catalog.record_send(_row)), -1 FROM (%2$s) _row WHERE %4$s) both_sides
            GROUP BY image) images', view, rtrim(pg_get_viewdef(view), ';'), condition,
            CASE WHEN differences IS NULL THEN 'true' ELSE condition END) INTO by_scan;
    END LOOP;
END $$;
-- How it was found, and how many conditions were taken in.
CREATE FUNCTION way(query text, OUT way text, OUT taken_in int, OUT gone int, OUT anew int) LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || query INTO plan;
    SELECT (regexp_match(plan::text, '"Way": "(\w+)"'))[1], (regexp_match(plan::text, '"Conditions Taken In": (\d+)'))[1],
           (regexp_match(plan::text, '"Rows Gone": (\d+)'))[1], (regexp_match(plan::text, '"Rows Found Anew": (\d+)'))[1]
    INTO way, taken_in, gone, anew;
END $$;
CREATE TABLE customers (id int PRIMARY KEY, region int, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int, day date, amount numeric);
INSERT INTO customers SELECT i, nullif(i % 4, 0), 'c' || i FROM generate_series(1, 12) i;
INSERT INTO orders SELECT i, i % 13, date '2026-01-01' + i % 5, i / 4.0 FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW daily AS SELECT day, count(*) AS n, sum(amount) AS amount FROM orders GROUP BY day;
CREATE MATERIALIZED VIEW regions AS SELECT c.region, max(o.amount) AS most, string_agg(c.name, ',' ORDER BY o.id) AS names
    FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.region;
CREATE MATERIALIZED VIEW joined AS SELECT o.id, c.name, o.amount FROM orders o JOIN customers c ON c.id = o.customer;
CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(amount) AS amount FROM orders;
CREATE MATERIALIZED VIEW cube AS SELECT customer, day, count(*) AS n FROM orders GROUP BY ROLLUP (customer, day);
CREATE MATERIALIZED VIEW first AS SELECT id, amount FROM orders ORDER BY amount DESC, id LIMIT 5;
CREATE MATERIALIZED VIEW above AS SELECT name, sum(amount) AS amount FROM joined GROUP BY name;
CREATE MATERIALIZED VIEW plain AS SELECT id % 3 AS third, amount > 5 AS much FROM orders;

-- What cannot be told: not tracked, not refreshed since.
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::daily)');
SELECT count(*) FROM refresh_mv.live(NULL::daily, fallback => true);
SELECT count(*) FROM refresh_mv.track();
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::daily)');
SELECT way('SELECT * FROM refresh_mv.live(NULL::daily, true)');
SELECT success FROM refresh_materialized_views_smart();
SELECT way('SELECT * FROM refresh_mv.live(NULL::daily)');

-- What has changed since is there, and in the views themselves it is not.
INSERT INTO orders VALUES (101, 3, '2026-01-02', 7.50), (102, NULL, NULL, NULL), (103, 4, '2026-03-01', 1000);
UPDATE orders SET day = '2026-01-04' WHERE id = 1;
UPDATE customers SET name = 'renamed', region = 3 WHERE id = 4;
DELETE FROM orders WHERE customer = 7;
SELECT v, check_live(v), check_view(v) > 0 AS stale
FROM unnest('{daily,regions,joined,total,cube,first,plain}'::regclass[]) v;
SELECT * FROM refresh_mv.live(NULL::daily) ORDER BY day;
SELECT v, way(format('SELECT * FROM refresh_mv.live(NULL::%s)', v))
FROM unnest('{daily,regions,joined,total,cube,first,plain,above}'::regclass[]) v;
-- Of a view over views: what its query returns, which reads these as they are.
SELECT check_live('above');

-- Conditions are taken into what is read; all of them count.
SELECT check_live('daily', $$day = '2026-01-02'$$), check_live('regions', 'region IS NULL'), check_live('regions', 'region IN (2, 3) AND most > 3'),
       check_live('joined', 'id > 100 OR name = ''renamed'''), check_live('plain', 'much'), check_live('first', 'id = 103');
SELECT c, way(format('SELECT * FROM refresh_mv.live(NULL::daily) WHERE %s', c)) FROM unnest(ARRAY[
    'day = ''2026-01-02''', 'day BETWEEN ''2026-01-02'' AND date ''2026-01-01'' + 2', 'day IS NULL OR n > 3', 'n % 2 = 0',
    'day = (SELECT max(day) FROM orders)', 'random() >= 0', 'day = ''2026-01-02'' AND n % 2 = 0', 'day = current_date', 'l.daily IS NOT NULL']) c
    WHERE c NOT LIKE 'l.%';
EXPLAIN (COSTS OFF) SELECT n FROM refresh_mv.live(NULL::daily) WHERE day = '2026-01-02' AND n % 7 = 0;
PREPARE of_day (date) AS SELECT * FROM refresh_mv.live(NULL::daily) WHERE day = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE of_day ('2026-01-02');
EXECUTE of_day ('2026-03-01');
EXECUTE of_day (NULL);
RESET plan_cache_mode;
-- Read more than once: values of other rows, and the same again.
SELECT d, (SELECT n FROM refresh_mv.live(NULL::daily) l WHERE l.day = d) FROM unnest('{2026-01-01,2026-03-01,2026-04-01}'::date[]) d;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT count(*), sum(n) FROM generate_series(1, 3), refresh_mv.live(NULL::daily);
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
SELECT l FROM refresh_mv.live(NULL::daily) l WHERE day = '2026-03-01';
SELECT refresh_mv.live(NULL::total);
SELECT n FROM ROWS FROM (refresh_mv.live(NULL::total), generate_series(1, 2)) WITH ORDINALITY l (n, amount, i, o);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT n FROM refresh_mv.live(NULL::daily) ORDER BY day;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
DECLARE d CURSOR FOR SELECT count(*), sum(n) FROM refresh_mv.live(NULL::daily);
DELETE FROM orders;
FETCH d; -- as of when it was declared
ROLLBACK;

-- In the transaction that writes, also while a savepoint lasts.
BEGIN;
UPDATE orders SET amount = amount + 1 WHERE id < 20;
SELECT v, check_live(v) FROM unnest('{daily,regions,joined,first}'::regclass[]) v;
SAVEPOINT s;
DELETE FROM orders WHERE id < 50;
SELECT v, check_live(v) FROM unnest('{daily,regions,joined,total}'::regclass[]) v;
ROLLBACK TO s;
SELECT v, check_live(v) FROM unnest('{daily,regions,joined,total}'::regclass[]) v;
SELECT success FROM refresh_materialized_views_smart('{daily,joined}');
SELECT v, way(format('SELECT * FROM refresh_mv.live(NULL::%s)', v)) FROM unnest('{daily,joined}'::regclass[]) v;
UPDATE orders SET day = '2026-05-01' WHERE id = 9;
SELECT v, check_live(v) FROM unnest('{daily,joined}'::regclass[]) v;
ROLLBACK;
SELECT v, check_live(v) FROM unnest('{daily,joined}'::regclass[]) v;
-- While a statement is changing a table, it has not been logged.
CREATE FUNCTION peek() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = (SELECT e.message || e.detail FROM error_of('SELECT * FROM refresh_mv.live(NULL::joined)') e);
END $$;
CREATE TRIGGER peek AFTER INSERT ON orders FOR EACH ROW WHEN (NEW.id = 500) EXECUTE FUNCTION peek();
INSERT INTO orders VALUES (500);
-- Nor can it be refreshed then: the entry that comes after it would be taken in once more.
CREATE OR REPLACE FUNCTION peek() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = (SELECT r.message FROM refresh_materialized_views(views => '{joined}') r);
END $$;
INSERT INTO orders VALUES (500);
DROP TRIGGER peek ON orders;

-- Nothing is written, and nothing locked but as by any query.
SELECT digest() AS before \gset
BEGIN READ ONLY;
SELECT v, (check_live(v)).* FROM unnest('{daily,regions,joined,total,cube,first,plain}'::regclass[]) v;
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid,
       (SELECT string_agg(DISTINCT format('%s %s', locktype, mode), ', ') FROM pg_locks
        WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid') AS locks;
COMMIT;
SELECT digest() = :'before' AS same;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT check_live('daily');
COMMIT;

-- The reasons not to tell, and its query instead.
SET refresh_mv.exact_cost_limit = 0;
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::daily)');
SELECT count(*) FROM refresh_mv.live(NULL::daily, true);
SET refresh_mv.exact_cost_limit = 1e9;
SELECT refresh_mv.configure('daily', date_column => 'day', keep_before => '1 day');
SELECT success FROM refresh_materialized_views_smart('{daily}');
SELECT way('SELECT * FROM refresh_mv.live(NULL::daily)');
DELETE FROM orders WHERE id = 10;
SELECT (error_of('SELECT * FROM refresh_mv.live(NULL::daily)')).detail;
SELECT refresh_mv.configure('daily', date_column => NULL, keep_before => NULL);
SELECT success FROM refresh_materialized_views_smart('{daily}');
INSERT INTO orders VALUES (110, 3, '2026-01-02', 7.50);
CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA;
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::empty)');
SELECT * FROM refresh_mv.live(NULL::empty, true);
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::orders)');
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::int)');
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::daily, NULL)');
BEGIN;
TRUNCATE orders;
SELECT (error_of('SELECT * FROM refresh_mv.live(NULL::daily)')).*;
SELECT count(*) FROM refresh_mv.live(NULL::daily, true);
ROLLBACK;
SET TimeZone = 'America/New_York'; -- daily does not depend on it
SELECT check_live('daily');
RESET TimeZone;
-- An error that only rows meet which are not there any more.
CREATE TABLE a (id int PRIMARY KEY, x int);
CREATE TABLE b (id int PRIMARY KEY, x int);
INSERT INTO a VALUES (1, 1);
INSERT INTO b VALUES (1, 1);
CREATE MATERIALIZED VIEW divided AS SELECT b.id, a.x / b.x AS x FROM b JOIN a USING (id);
SELECT count(*) FROM refresh_mv.track('divided');
SELECT success FROM refresh_materialized_views_smart('{divided}');
UPDATE b SET x = 0;
DELETE FROM a;
SELECT error_of('SELECT * FROM refresh_mv.live(NULL::divided)');
SELECT way('SELECT * FROM refresh_mv.live(NULL::divided, true)');

-- Rights: SELECT on the view; what it computes runs as its owner.
CREATE ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_reader;
GRANT ALL ON SCHEMA suite TO refresh_mv_owner;
GRANT USAGE ON SCHEMA suite TO refresh_mv_reader;
CREATE FUNCTION pg_temp.spy(x int) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
    RAISE WARNING '% sees %', current_user, x;
    RETURN true;
END $$;
CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    ASSERT current_user = 'refresh_mv_reader';
    RETURN -1;
END $$;
CREATE TABLE secrets (id int PRIMARY KEY, x int);
INSERT INTO secrets SELECT i, i FROM generate_series(1, 9) i;
GRANT SELECT, TRIGGER ON secrets TO refresh_mv_owner;
CREATE FUNCTION whose(x int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    BEGIN
        PERFORM set_config('role', 'none', true);
    EXCEPTION WHEN insufficient_privilege THEN
        RETURN current_user || ', restricted';
    END;
    RETURN current_user;
END $$;
REVOKE EXECUTE ON FUNCTION whose FROM PUBLIC;
GRANT EXECUTE ON FUNCTION whose TO refresh_mv_owner;
SET ROLE refresh_mv_owner;
CREATE MATERIALIZED VIEW shown AS SELECT id, whose(x) AS whose FROM secrets WHERE x < 5;
SELECT count(*) FROM refresh_mv.track('shown');
GRANT SELECT ON shown TO refresh_mv_reader;
SELECT refresh_mv.create_live_view('shown', 'live_shown');
RESET ROLE;
SELECT success FROM refresh_materialized_views_smart('{shown}');
INSERT INTO secrets VALUES (-1, -1);
SET ROLE refresh_mv_reader;
SELECT * FROM refresh_mv.live(NULL::shown) WHERE id < 2 ORDER BY id;
SELECT * FROM live_shown WHERE id < 2 ORDER BY id;
SELECT * FROM refresh_mv.live(NULL::shown, true) WHERE id < 0;
SELECT (error_of('SELECT * FROM refresh_mv.live(NULL::daily)')).*;
SELECT (error_of('SELECT id FROM refresh_mv.live(NULL::joined) l WHERE id = 3')).*;
-- No function of the reader's is called as the owner, or on rows that the view does not show.
SELECT * FROM refresh_mv.live(NULL::shown) WHERE pg_temp.spy(id) AND id < 1;
SELECT * FROM refresh_mv.live(NULL::shown) WHERE id = pg_temp.mine();
RESET ROLE;
REVOKE EXECUTE ON FUNCTION refresh_mv.live FROM PUBLIC;
SET ROLE refresh_mv_reader;
SELECT (error_of('SELECT * FROM refresh_mv.live(NULL::shown)')).*;
SELECT (error_of('SELECT id FROM refresh_mv.live(NULL::shown) OFFSET 0')).*;
RESET ROLE;
GRANT EXECUTE ON FUNCTION refresh_mv.live TO PUBLIC;
-- Row security is the owner's.
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON secrets USING (id > 2);
SET ROLE refresh_mv_reader;
SELECT (error_of('SELECT * FROM refresh_mv.live(NULL::shown)')).*;
SELECT count(*) FROM refresh_mv.live(NULL::shown, true);
RESET ROLE;

-- Views of it.
SELECT refresh_mv.create_live_view('daily', '"daily now"');
SELECT substring(pg_get_viewdef('"daily now"') FROM 'FROM.*') AS reads, obj_description('"daily now"'::regclass);
SELECT * FROM "daily now" WHERE day = '2026-03-01';
SELECT way($$SELECT * FROM "daily now" WHERE day = '2026-03-01'$$);
SELECT refresh_mv.create_live_view('total', 'suite.total_now', fallback => true);
SELECT substring(pg_get_viewdef('total_now') FROM 'FROM.*') AS reads;
SELECT has_table_privilege('refresh_mv_reader', 'live_shown', 'SELECT') AS granted;
SELECT error_of($$SELECT refresh_mv.create_live_view('daily', 'daily')$$);
SELECT error_of($$SELECT refresh_mv.create_live_view('orders', 'live_orders')$$);
SELECT error_of($$SELECT refresh_mv.create_live_view('daily', 'a.b.c')$$);
SELECT (error_of($$DROP MATERIALIZED VIEW daily$$)).state;

DROP SCHEMA suite CASCADE;
DROP FUNCTION pg_temp.spy, pg_temp.mine;
DROP ROLE refresh_mv_owner, refresh_mv_reader;
