CALL helpers.begin_suite();
-- refresh_mv.explain(): each reason for each method, and that smart does what was explained.
-- Costs are the planner's, so that only their order is shown.
\pset format unaligned
\pset footer off

CREATE ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_reader;
CREATE ROLE refresh_mv_stats IN ROLE pg_read_all_stats;
CREATE ROLE refresh_mv_other;
GRANT USAGE, CREATE ON SCHEMA suite TO PUBLIC;

-- Makes a view of a query, tracks and refreshes it, changes something and tells what is
-- explained of the exact methods, then what is done.
CREATE FUNCTION shape(query text, change text, OUT delta text, OUT keys text, OUT smart text) LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shaped AS ' || query;
    PERFORM refresh_mv.track(to_regclass('shaped'));
    PERFORM smart(to_regclass('shaped'));
    EXECUTE change;
    SELECT CASE WHEN NOT e.possible THEN 'no: ' ELSE '' END || e.reason INTO delta FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'delta';
    SELECT CASE WHEN NOT e.possible THEN 'no: ' ELSE '' END || e.reason INTO keys FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'keys';
    SELECT * INTO done FROM smart(to_regclass('shaped'));
    smart := format('%s: %s', done.method, done.reason);
    DROP MATERIALIZED VIEW shaped;
END $$;

CREATE TYPE pair AS (a int, b int);
CREATE TABLE a (id int PRIMARY KEY, g int, h int, n numeric, f float, t text, js json, p pair, day date);
INSERT INTO a SELECT i, i % 7, i % 3, i, i, 't' || i % 5, '{}', (i, i)::pair, '2020-01-01'::date + i FROM generate_series(1, 60) i;
CREATE TABLE b (id int PRIMARY KEY, g int, x int);
INSERT INTO b SELECT i, i, i FROM generate_series(1, 9) i;
CREATE TABLE part (id int PRIMARY KEY, g int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
INSERT INTO part SELECT i, i % 3 FROM generate_series(1, 20) i;
CREATE TABLE parent (id int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT i FROM generate_series(1, 5) i;
ANALYZE a, b, part, parent, child;

-- ---- what the shape of the query has to do with it
SELECT left(query, 100) AS query, s.* FROM unnest(ARRAY[
    -- both ways, or one of them
    'SELECT g, count(*), sum(n), avg(h), min(t), bool_or(h = 1) FROM a GROUP BY g',
    'SELECT count(*) FROM a',
    'SELECT id, t FROM a',
    -- no delta
    'SELECT t, string_agg(t, '','' ORDER BY id) AS s FROM a GROUP BY t',
    'SELECT g, sum(f) FROM a GROUP BY g',
    'SELECT g, array_agg(id) FILTER (WHERE id = g) FROM a GROUP BY g',
    'SELECT g, count(DISTINCT (h, t)) FROM a GROUP BY g',
    'SELECT g, count(DISTINCT n) FROM a GROUP BY g',
    'SELECT g, regr_slope(id, h) FROM a GROUP BY g',
    'SELECT id FROM a UNION SELECT id FROM b',
    'SELECT g, rank() OVER (PARTITION BY g ORDER BY id) FROM a',
    'SELECT n, count(*) FROM a GROUP BY n',
    'SELECT id, js, count(*) FROM a GROUP BY id',
    'SELECT a AS row, count(*) FROM a GROUP BY id',
    'SELECT g, count(*), generate_series(1, 2) AS i FROM a GROUP BY g',
    'SELECT g, count(*), (SELECT max(x) FROM b WHERE b.id = a.g) FROM a GROUP BY g',
    'SELECT g, count(*) FROM a GROUP BY g ORDER BY g LIMIT (SELECT 3)',
    -- neither
    'SELECT g, h, count(*) FROM a GROUP BY ROLLUP (g, h)',
    'SELECT g FROM a UNION ALL SELECT g FROM b',
    'SELECT g FROM a UNION SELECT g FROM b ORDER BY g LIMIT 5',
    'SELECT id, t FROM a ORDER BY id LIMIT 5',
    'SELECT id % 2 AS odd, rank() OVER (ORDER BY id) FROM a',
    'SELECT rank() OVER (ORDER BY id) AS place FROM a',
    'SELECT 1 AS one FROM a',
    'SELECT count(*) FROM (SELECT id FROM a ORDER BY id LIMIT 5) first',
    'SELECT count(*) FROM (SELECT row_number() OVER () AS i FROM a) x',
    'SELECT b.g, count(*) FROM b WHERE x < (SELECT max(g) FROM a) GROUP BY b.g']) query,
    shape(query, 'UPDATE a SET id = -id, t = ''new'', h = h + 1 WHERE abs(id) = 7') s;

DO $$
BEGIN
    EXECUTE (SELECT format('CREATE MATERIALIZED VIEW wide AS SELECT g, %s FROM a GROUP BY g WITH NO DATA', string_agg(format('max(h + %s) AS c%1$s', i), ', '))
        FROM generate_series(1, 401) i);
END $$;
SELECT method, reason FROM refresh_mv.explain('wide') WHERE method IN ('delta', 'keys');

-- ---- what is read, and what has changed of it
CREATE TABLE c (id int PRIMARY KEY, x int, y int);
INSERT INTO c VALUES (1, 3, 3), (2, 4, 4);
ANALYZE c;
SELECT left(query, 100) AS query, s.* FROM (VALUES
    ('SELECT g, count(*) FROM part GROUP BY g', 'UPDATE part SET g = 9 WHERE id = 2'),
    ('SELECT g, count(*) FROM part_1 GROUP BY g', 'UPDATE part SET g = 9 WHERE id = 3'),
    ('SELECT id, count(*) FROM parent GROUP BY id', 'UPDATE child SET id = 9 WHERE id = 3'),
    ('SELECT count(*) FROM generate_series(1, 3)', 'UPDATE b SET x = 0 WHERE id = 1'),
    ('SELECT count(*) FROM a WHERE EXISTS (SELECT FROM b WHERE b.g > a.g)', 'UPDATE b SET g = 5 WHERE id = 2'),
    ('SELECT a.g, count(*) FROM (SELECT coalesce(c.x, 0) AS x FROM b LEFT JOIN c ON c.id = b.x) q JOIN a ON a.g = q.x GROUP BY a.g',
     'INSERT INTO c VALUES (3, 5, 5)'),
    ('SELECT a.id, coalesce(q.x, -1) AS x FROM a LEFT JOIN (SELECT id, coalesce(x, 0) AS x FROM c) q ON q.id = a.h WHERE coalesce(q.x, 5) <> 6', 'UPDATE c SET x = 7 WHERE id = 1'),
    ('SELECT a.id, b.id AS b FROM a LEFT JOIN b ON b.x = a.id WHERE a.id NOT IN (SELECT y FROM c)', 'INSERT INTO c VALUES (4, 5, NULL)'),
    -- nothing that matters
    ('WITH unused AS (SELECT * FROM b) SELECT g, count(*) FROM a GROUP BY g', 'UPDATE b SET x = 7 WHERE id = 1'),
    ('SELECT g, count(*) FROM a GROUP BY g', 'INSERT INTO a (id) VALUES (0); DELETE FROM a WHERE id = 0'),
    ('SELECT g, count(*) FROM a GROUP BY g', 'UPDATE a SET t = ''other'''),
    ('SELECT id, g FROM a ORDER BY id LIMIT 5', 'UPDATE a SET t = ''another'''),
    ('SELECT 1 AS one FROM a', 'UPDATE a SET g = 0'),
    ('SELECT a.g, count(b.id) FROM a LEFT JOIN b ON b.id = a.g GROUP BY a.g', 'UPDATE b SET x = 9 WHERE id = 1'),
    ('SELECT g, count(*) FROM a GROUP BY g', 'UPDATE b SET x = 8 WHERE id = 1')) v (query, change),
    shape(query, change) s;
-- new rows of one table meet old ones of another, and fail: seen when the parts are looked up, or
-- else when it is tried
CREATE TABLE num (id int PRIMARY KEY, k int, g int, n int);
CREATE TABLE kind (id int PRIMARY KEY, name text);
CREATE TABLE den (id int PRIMARY KEY, g int, n int);
INSERT INTO num VALUES (1, 1, 1, 1);
INSERT INTO kind VALUES (1, 'one');
INSERT INTO den VALUES (1, 1, 2);
CREATE MATERIALIZED VIEW quotients AS SELECT kind.name, count(*) FROM num JOIN kind ON kind.id = num.k JOIN den ON den.g = num.g WHERE 10 / (num.n - den.n) <> 3 GROUP BY kind.name;
SELECT tracked FROM refresh_mv.track('quotients');
SELECT * FROM smart('quotients');
UPDATE num SET n = 2;
UPDATE den SET n = 1;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('quotients') WHERE method IN ('delta', 'keys', 'full');
SELECT success FROM refresh_materialized_views_smart('{quotients}');
SELECT method, reason, message FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
DROP MATERIALIZED VIEW quotients;
CREATE MATERIALIZED VIEW quotients AS SELECT kind.name, count(*) FROM num JOIN kind ON kind.id = num.k LEFT JOIN (den CROSS JOIN (SELECT 1) one) ON den.g = num.g + 0 WHERE 10 / (num.n - den.n) <> 3 GROUP BY kind.name;
SELECT tracked FROM refresh_mv.track('quotients');
SELECT * FROM smart('quotients');
UPDATE num SET n = 1;
UPDATE den SET n = 2;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('quotients') WHERE method IN ('delta', 'keys', 'full');
SELECT success FROM refresh_materialized_views_smart('{quotients}');
SELECT method, reason, message FROM refresh_mv.journal ORDER BY id DESC LIMIT 1;
DROP MATERIALIZED VIEW quotients;

-- ---- how much has changed
CREATE TABLE big (id int PRIMARY KEY, g int, k int, n int, pad text);
INSERT INTO big SELECT i, i % 100, i % 500, i, repeat('x', 100) FROM generate_series(1, 10000) i;
CREATE TABLE dim (id int PRIMARY KEY, name text);
INSERT INTO dim SELECT i, 'name ' || i FROM generate_series(0, 499) i;
CREATE MATERIALIZED VIEW summed AS SELECT g, sum(n) AS n FROM big GROUP BY g;
CREATE MATERIALIZED VIEW joined AS SELECT d.name, big.g, sum(n) AS n FROM big JOIN dim d ON d.id = big.k GROUP BY d.name, big.g;
CREATE INDEX ON big (g);
VACUUM ANALYZE big, dim, summed, joined;
SELECT view_name, tracked FROM refresh_mv.track() WHERE view_name IN ('summed'::regclass, 'joined'::regclass) ORDER BY view_name::text;
SELECT s.* FROM unnest('{summed,joined}'::regclass[]) v, smart(v) s;

-- Sets what refreshes of a view have taken, so that what is decided by that is the same each time: an
-- exact one may cost 10,000 units of the planner's costs, times the limit.
CREATE FUNCTION remember_times(view regclass) RETURNS void LANGUAGE sql AS $$
    UPDATE refresh_mv.state s SET full_ms = 100, exact_ms = 20, exact_rate = 0.01 WHERE s.view = remember_times.view
$$;

-- Explains an exact method of a view that may cost so many units; fails unless smart does what was
-- explained.
CREATE FUNCTION limited(view regclass, wanted text, units float, OUT reason text, OUT smart text)
LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    PERFORM remember_times(view), set_config('refresh_mv.exact_cost_limit', (units / 10000)::text, true);
    SELECT regexp_replace(e.reason, '[0-9.e-]+ times', 'N times') INTO limited.reason FROM refresh_mv.explain(view) e WHERE e.method = wanted;
    SELECT * INTO done FROM smart(view);
    smart := format('%s: %s', done.method, done.reason);
END $$;
-- imagined
SELECT * FROM limited('summed', 'delta', 10000);
SELECT * FROM limited('summed', 'delta', 1);
SELECT * FROM limited('summed', 'delta', 0);
SELECT * FROM limited('joined', 'delta', 10);
-- real
UPDATE big SET n = n + 1 WHERE id = 5;
SELECT * FROM limited('summed', 'delta', 10000);
UPDATE big SET n = n + 1 WHERE id <= 5;
SELECT * FROM limited('summed', 'delta', 10);
UPDATE big SET n = n + 1 WHERE id <= 50;
SELECT * FROM limited('summed', 'delta', 60);
UPDATE big SET n = n + 1 WHERE id <= 5;
SELECT * FROM limited('summed', 'delta', 4);
CREATE TABLE other (id int PRIMARY KEY, g int);
INSERT INTO other SELECT i, i FROM generate_series(0, 99) i;
CREATE MATERIALIZED VIEW through AS SELECT d.name, count(o.id) FROM big JOIN dim d ON d.id = big.k LEFT JOIN (other o CROSS JOIN (SELECT 1) one) ON o.g = big.g + 0 GROUP BY d.name;
VACUUM ANALYZE other, through;
SELECT tracked FROM refresh_mv.track('through');
SELECT * FROM smart('through');
UPDATE other SET g = 5 WHERE id = 6;
SELECT * FROM limited('through', 'delta', 50);
UPDATE other SET g = 5 WHERE id = 7;
SELECT * FROM limited('through', 'delta', 10000);
-- by what refreshes have taken: a slow exact one is refused, but not for good
SET refresh_mv.exact_cost_limit = 1;
UPDATE refresh_mv.state SET full_ms = 20, exact_rate = 10 WHERE view = 'summed'::regclass;
SELECT method, possible, chosen, reason, expected_ms > 20 AS slow FROM refresh_mv.explain('summed') WHERE method = 'delta';
UPDATE big SET n = n + 1 WHERE id <= 50;
UPDATE refresh_mv.state SET full_ms = 20, exact_rate = 0.25 WHERE view = 'summed'::regclass;
SELECT method, possible, chosen, reason, expected_ms > 20 AS slow FROM refresh_mv.explain('summed') WHERE method = 'delta';
SELECT * FROM smart('summed');
SELECT exact_rate FROM refresh_mv.state WHERE view = 'summed'::regclass;
UPDATE big SET n = n + 1 WHERE id <= 50;
UPDATE refresh_mv.state SET full_ms = 20, exact_rate = 0.005 WHERE view = 'summed'::regclass;
SELECT method, possible, chosen, reason, expected_ms < 20 AS fast FROM refresh_mv.explain('summed') WHERE method = 'delta';
SELECT * FROM smart('summed');
-- what they have taken, and are expected to
SELECT remember_times('summed');
SELECT method, expected_ms > 0 AS expected, last_ms FROM refresh_mv.explain('summed');
SET refresh_mv.exact_cost_limit = 1e9;
-- changes that come to nothing, of a materialized view
CREATE MATERIALIZED VIEW upper AS SELECT n, count(*) FROM summed GROUP BY n;
SELECT tracked FROM refresh_mv.track('upper');
SELECT * FROM smart('upper');
UPDATE big SET n = n + 1 WHERE id = 5;
SELECT * FROM smart('summed');
UPDATE big SET n = n - 1 WHERE id = 5;
SELECT * FROM smart('summed');
SELECT method, possible, chosen, reason FROM refresh_mv.explain('upper') WHERE method IN ('skip', 'delta', 'full');
SELECT * FROM smart('upper');
-- the state of its groups is gone
SELECT refresh_mv_internal.drop_groups('summed'::regclass);
SELECT method, possible, chosen, reason FROM refresh_mv.explain('summed') WHERE method IN ('skip', 'delta', 'keys', 'full');
UPDATE big SET n = n - 1 WHERE id = 5;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('summed') WHERE method IN ('skip', 'delta', 'keys', 'full');
SELECT * FROM smart('summed');
DROP MATERIALIZED VIEW upper, summed, joined, through;

-- ---- what is not known of the changes
CREATE TABLE t (id int PRIMARY KEY, g int, n int, at timestamptz);
INSERT INTO t SELECT i, i % 3, i, '2020-01-01' FROM generate_series(1, 30) i;
CREATE TABLE p (id int PRIMARY KEY, g int) PARTITION BY RANGE (id);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i, i % 3 FROM generate_series(1, 15) i;
CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2 * $1';
CREATE VIEW lower_view AS SELECT id, g, twice(n) AS n, at FROM t;
CREATE MATERIALIZED VIEW v AS SELECT g, sum(n) AS n, max(at::date) AS latest FROM lower_view GROUP BY g;
CREATE MATERIALIZED VIEW parts AS SELECT g, count(*) FROM p GROUP BY g;
CREATE MATERIALIZED VIEW tree AS SELECT count(*) FROM parent;
SELECT * FROM smart('v');
SELECT view_name, tracked FROM refresh_mv.track() WHERE view_name IN ('v'::regclass, 'parts'::regclass, 'tree'::regclass) ORDER BY view_name::text;
SELECT smart('v'), smart('parts'), smart('tree');
-- Changes something, and tells what is explained of a view, and what is done then.
CREATE FUNCTION after(change text, name text, OUT skip text, OUT delta text, OUT smart text) LANGUAGE plpgsql AS $$
DECLARE
    view regclass;
    done record;
BEGIN
    EXECUTE change;
    view := name::regclass;
    SELECT unqualified(e.reason) INTO skip FROM refresh_mv.explain(view) e WHERE e.method = 'skip';
    SELECT unqualified(e.reason) INTO delta FROM refresh_mv.explain(view) e WHERE e.method = 'delta';
    SELECT * INTO done FROM smart(view);
    smart := format('%s: %s', done.method, unqualified(done.reason));
END $$;
SELECT smart('v');
SELECT a.* FROM unnest(ARRAY['TRUNCATE t', 'INSERT INTO t SELECT i, i % 3, i, ''2020-01-01'' FROM generate_series(1, 30) i',
    'ALTER TABLE t ADD COLUMN note text', 'ALTER TABLE t DROP COLUMN note',
    'CREATE OR REPLACE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT 2 + $1''',
    'CREATE FUNCTION any_function() RETURNS int LANGUAGE sql AS ''SELECT 1''',
    'CREATE OR REPLACE VIEW lower_view AS SELECT id, g, twice(n + 1) AS n, at FROM t',
    'SET TimeZone = ''Asia/Tokyo''', 'SET TimeZone = ''UTC''',
    'SET client_min_messages = error; SET refresh_mv.max_logged_rows = 5; UPDATE t SET n = n + 1; RESET refresh_mv.max_logged_rows; SET client_min_messages = warning',
    'INSERT INTO t VALUES (200, 1, 1); DELETE FROM refresh_mv.log',
    'INSERT INTO t VALUES (201, 1, 1); UPDATE t SET g = 2 WHERE id = 3; SELECT refresh_mv.refresh_where(''v'', ''g = 2'')',
    'REFRESH MATERIALIZED VIEW v', 'REFRESH MATERIALIZED VIEW v WITH NO DATA',
    'ALTER TABLE t DISABLE TRIGGER refresh_mv_insert', 'ALTER TABLE t ENABLE TRIGGER refresh_mv_insert', 'SELECT refresh_mv.track(''v'')',
    'DROP TRIGGER refresh_mv_insert ON t',
    'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_key PRIMARY KEY (id, g)',
    'ALTER TABLE t DROP CONSTRAINT t_key', 'ALTER TABLE t ADD PRIMARY KEY (id)',
    'CREATE OR REPLACE VIEW lower_view AS SELECT id, g, twice(n + id) AS n, at FROM t WHERE at IS NULL',
    'CREATE TABLE t2 (id int PRIMARY KEY); CREATE OR REPLACE VIEW lower_view AS SELECT id, g, n + (SELECT count(*) FROM t2)::int AS n, at FROM t',
    'CREATE OR REPLACE VIEW lower_view AS SELECT id, g, n, at FROM t WHERE at < clock_timestamp()',
    'CREATE OR REPLACE VIEW lower_view AS SELECT id, g, n, at FROM t']) change,
    after(change, 'v') a;
SELECT a.* FROM (VALUES ('parts', 'ALTER TABLE p DETACH PARTITION p_2'), ('parts', 'ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES FROM (10) TO (20)'),
    ('parts', 'DROP TABLE p_2'), ('parts', 'CREATE TABLE p_3 PARTITION OF p FOR VALUES FROM (20) TO (30)'),
    ('tree', 'INSERT INTO child VALUES (1)'), ('tree', 'CREATE TABLE child_2 () INHERITS (parent)'), ('tree', 'SELECT'), ('tree', 'DROP TABLE child_2'), ('tree', 'SELECT')) x (name, change),
    after(change, name) a;
-- what the event triggers would have noted, had they not been disabled
CREATE TABLE u (id int NOT NULL, other int NOT NULL, n int);
CREATE UNIQUE INDEX u_id ON u (id);
CREATE UNIQUE INDEX u_other ON u (other);
CREATE VIEW of_u AS SELECT id, n FROM u;
CREATE MATERIALIZED VIEW uu AS SELECT n, count(*) FROM of_u GROUP BY n;
SELECT tracked FROM refresh_mv.track('uu');
SELECT * FROM smart('uu');
ALTER EVENT TRIGGER refresh_mv_note_ddl DISABLE;
SELECT * FROM after('DROP INDEX u_id', 'uu');
SELECT * FROM after('SELECT', 'uu');
SELECT * FROM after('CREATE OR REPLACE VIEW of_u AS SELECT other AS id, n FROM u', 'uu');
SELECT * FROM after('CREATE OR REPLACE VIEW of_u AS SELECT id, g AS n FROM t', 'uu');
SELECT * FROM after('SELECT', 'uu');
ALTER TABLE t ADD COLUMN later int;
SELECT * FROM after('CREATE OR REPLACE VIEW of_u AS SELECT id, later AS n FROM t', 'uu');
SELECT * FROM after('ALTER TABLE p DETACH PARTITION p_3', 'parts');
ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;
-- other columns are logged for another view
SELECT * FROM after('SELECT', 'v');
INSERT INTO t VALUES (301, 1, 1);
CREATE MATERIALIZED VIEW w AS SELECT id, n, at IS NULL AS never, g FROM t;
ALTER TABLE t ADD COLUMN more int;
SELECT * FROM after('SELECT', 'v');
CREATE MATERIALIZED VIEW w2 AS SELECT id, more FROM t;
INSERT INTO t VALUES (302, 1, 1);
SELECT * FROM after('SELECT refresh_mv.track(''w2'')', 'v');
DROP MATERIALIZED VIEW v, w, w2, parts, tree, uu;

-- ---- windows
CREATE FUNCTION fails_in_the_past(date) RETURNS date IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF $1 < current_date THEN
        RAISE EXCEPTION 'in the past';
    END IF;
    RETURN $1;
END $$;
CREATE TABLE days (id int PRIMARY KEY, day date, n int);
INSERT INTO days VALUES (1, current_date, current_date - date '2000-01-01');
-- Refreshes a view, and tells why it can be refreshed by window, or why not.
CREATE FUNCTION windowed(query text, before text DEFAULT 'SELECT', OUT possible boolean, OUT reason text, OUT advice text, OUT smart text) LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shaped AS ' || query;
    EXECUTE before;
    SELECT e.possible, e.reason, e.advice INTO windowed.possible, windowed.reason, windowed.advice
    FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'window';
    SELECT * INTO done FROM smart(to_regclass('shaped'));
    smart := format('%s: %s', done.method, done.reason);
    DROP MATERIALIZED VIEW shaped;
END $$;
SELECT query, before, w.* FROM (VALUES
    ('SELECT day, count(*) FROM days GROUP BY day', 'SELECT'),
    ('SELECT day, count(*) FROM days GROUP BY day WITH NO DATA', 'SELECT'),
    ('SELECT day, count(*) FROM days GROUP BY day', 'SELECT refresh_mv.track(''shaped'')'),
    ('SELECT day - 1 AS day, count(*) FROM days GROUP BY 1', 'SELECT'),
    ('SELECT day - 2 AS day, count(*) FROM days GROUP BY 1', 'SELECT'),
    ('SELECT day, count(*) FROM days WHERE n = 0 GROUP BY day', 'SELECT'),
    ('SELECT n, count(*) FROM days GROUP BY n', 'SELECT'),
    ('SELECT date ''2000-01-01'' + n AS day FROM days GROUP BY 1', 'SELECT'),
    ('SELECT fails_in_the_past(day) AS day FROM days GROUP BY 1', 'SELECT'),
    ('SELECT day, max(day) AS newest FROM days GROUP BY day', 'SELECT refresh_mv.configure(''shaped'', date_column => ''day''); ALTER MATERIALIZED VIEW shaped RENAME COLUMN day TO date'),
    -- settings as a dump may restore them
    ('SELECT day, max(day) AS newest FROM days GROUP BY day', 'INSERT INTO refresh_mv.settings (view_schema, view_name, date_column) VALUES (''suite'', ''shaped'', ''newest'')'),
    ('SELECT day, n FROM days', 'INSERT INTO refresh_mv.settings (view_schema, view_name, date_column) VALUES (''suite'', ''shaped'', ''n'')')) v (query, before),
    windowed(query, before) w;

-- ---- what keeps a view from being tracked
CREATE EXTENSION file_fdw SCHEMA suite;
CREATE SERVER refresh_mv_files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE far (id int) SERVER refresh_mv_files OPTIONS (program 'echo 1');
CREATE TABLE keyless (a int, b numeric, id int);
INSERT INTO keyless VALUES (1, 1, 1), (1, 2, 2);
CREATE TABLE nullable (a int UNIQUE);
CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY);
CREATE TABLE restricted (a int PRIMARY KEY);
ALTER TABLE restricted ENABLE ROW LEVEL SECURITY;
CREATE SEQUENCE counter;
CREATE FUNCTION volatile_one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION stable_one(int, text) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
ANALYZE t, keyless, nullable, unlogged, restricted, refresh_mv.journal;
CREATE FUNCTION untrackable(query text, OUT reason text, OUT advice text, OUT smart text) LANGUAGE plpgsql AS $$
DECLARE
    problem text;
BEGIN
    EXECUTE format('CREATE MATERIALIZED VIEW shaped AS %s WITH NO DATA', query);
    PERFORM check_explained(to_regclass('shaped'));
    SELECT e.reason, e.advice INTO untrackable.reason, untrackable.advice FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'skip';
    -- the same for all methods that go by the log, perhaps with an ANALYZE at the end
    SELECT string_agg(e.method, ' ') INTO problem FROM refresh_mv.explain(to_regclass('shaped')) e
    WHERE e.method IN ('delta', 'keys') AND (e.reason <> untrackable.reason OR NOT starts_with(e.advice, untrackable.advice));
    ASSERT problem IS NULL, format('%s: %s', query, problem);
    REFRESH MATERIALIZED VIEW shaped;
    SELECT e.reason INTO untrackable.reason FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'skip';
    SELECT e.method INTO problem FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.chosen;
    PERFORM refresh_materialized_views_smart(ARRAY[to_regclass('shaped')]);
    SELECT j.method INTO untrackable.smart FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    ASSERT problem = untrackable.smart, format('%s: %s was explained, %s was done', query, problem, untrackable.smart);
    DROP MATERIALIZED VIEW shaped;
END $$;
SELECT query, u.* FROM unnest(ARRAY[
    'SELECT volatile_one() FROM t', 'SELECT stable_one(id, NULL) FROM t', 'SELECT random() FROM t', 'SELECT age(at) FROM t',
    'SELECT now() AS at FROM t', 'SELECT count(*) FROM t HAVING max(at) > current_date', 'SELECT current_user AS me FROM t',
    'SELECT id FROM t TABLESAMPLE SYSTEM (50)', 'SELECT xmin::text AS x FROM t', 'SELECT count(*) FROM pg_class', 'SELECT last_value FROM counter',
    'SELECT a FROM restricted', 'SELECT to_json(q.x) FROM (SELECT ROW(id) AS x FROM t UNION ALL SELECT ROW(r) FROM t r) q', 'SELECT id FROM far',
    'SELECT a FROM keyless', 'SELECT a FROM nullable', 'SELECT a FROM unlogged', 'SELECT count(*) FROM refresh_mv.journal', 'SELECT count(*) FROM refresh_mv.history',
    'SELECT count(*) FROM keyless, nullable, unlogged']) query, untrackable(query) u;
-- by statistics a column may serve as a key
CREATE TABLE guessed (a int, b int) WITH (autovacuum_enabled = off);
INSERT INTO guessed SELECT i, i % 3 FROM generate_series(1, 100) i;
CREATE TABLE keyless_parts (a int) PARTITION BY LIST (a);
SELECT * FROM untrackable('SELECT a FROM guessed');
ANALYZE guessed;
SELECT * FROM untrackable('SELECT a FROM guessed');
SELECT * FROM untrackable('SELECT a FROM keyless_parts');
-- advice can be taken as it is
CREATE FUNCTION volatile_two(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE MATERIALIZED VIEW v1 AS SELECT a FROM guessed;
CREATE MATERIALIZED VIEW v2 AS SELECT a FROM nullable;
CREATE MATERIALIZED VIEW v3 AS SELECT a FROM unlogged;
CREATE MATERIALIZED VIEW v4 AS SELECT volatile_two(id) FROM t;
SELECT string_agg(r.statement, '; ' ORDER BY v.view) AS statements
FROM unnest('{v1,v2,v3,v4}'::regclass[]) v (view), refresh_mv.remedies(v.view) r WHERE r.statement LIKE 'ALTER%' \gset
:statements;
SELECT view_name, tracked FROM unnest('{v1,v2,v3,v4}'::regclass[]) v (view), refresh_mv.track(v.view) ORDER BY 1;
DROP MATERIALIZED VIEW v1, v2, v3, v4;

-- ---- a view whose query cannot be planned, and whose owner has lost a right
CREATE MATERIALIZED VIEW broken AS SELECT g, count(*) AS n FROM a GROUP BY g;
ALTER MATERIALIZED VIEW broken OWNER TO refresh_mv_owner;
GRANT SELECT ON broken TO refresh_mv_reader;
CREATE FUNCTION explained_as(role name, view text, OUT state text, OUT methods bigint, OUT chosen text, OUT reasons text, OUT advice text, OUT details bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    SELECT count(*), string_agg(e.method, ' ') FILTER (WHERE e.chosen), string_agg(DISTINCT e.reason, ' / '), string_agg(DISTINCT e.advice, ' / '), count(e.details)
    INTO methods, chosen, reasons, advice, details FROM refresh_mv.explain(view::regclass, true) e;
    RESET ROLE;
EXCEPTION WHEN OTHERS THEN
    state := sqlstate;
END $$;
SELECT role, e.* FROM unnest('{refresh_mv_owner,refresh_mv_reader,refresh_mv_stats,refresh_mv_other,postgres}'::name[]) role, explained_as(role, 'broken') e;
-- a right that only tracking is in need of
GRANT SELECT ON a TO refresh_mv_owner;
SELECT method, reason, advice FROM refresh_mv.explain('broken') WHERE method IN ('skip', 'delta', 'full');
-- as a reader, an owner, and those who may see all statistics see it
SELECT role, e.state, e.methods, e.chosen, e.details FROM unnest('{refresh_mv_owner,refresh_mv_reader,refresh_mv_stats,refresh_mv_other}'::name[]) role, explained_as(role, 'broken') e;
SET ROLE refresh_mv_other;
SELECT * FROM refresh_mv.explain('broken');
SELECT * FROM refresh_mv.remedies('broken');
SET ROLE refresh_mv_reader;
SELECT method, possible, chosen FROM refresh_mv.explain('broken', verbose => true);
RESET ROLE;
-- no materialized view
SELECT * FROM refresh_mv.explain('a');
SELECT * FROM refresh_mv.explain('lower_view');
SELECT * FROM refresh_mv.explain(NULL);
SELECT * FROM refresh_mv.explain('broken', NULL);
SELECT * FROM refresh_mv.remedies('a');

-- ---- transactions and locks: all relations that this takes a lock on
CREATE MATERIALIZED VIEW upper AS SELECT n, count(*) FROM broken GROUP BY n;
CREATE MATERIALIZED VIEW of_parts AS SELECT p.g, count(*) FROM p JOIN a ON a.id = p.id GROUP BY p.g;
CREATE MATERIALIZED VIEW by_day AS SELECT day, count(*) FROM a GROUP BY day;
GRANT TRIGGER ON a TO refresh_mv_owner;
SELECT tracked FROM refresh_mv.track('broken') UNION ALL SELECT tracked FROM refresh_mv.track('upper') UNION ALL SELECT tracked FROM refresh_mv.track('of_parts');
SELECT smart('broken'), smart('upper'), smart('of_parts'), smart('by_day');
UPDATE a SET g = g + 1, id = -id WHERE id < 4;
SELECT digest() AS before \gset
BEGIN READ ONLY;
SELECT name, count(*) FROM unnest('{broken,upper,of_parts,by_day}'::regclass[]) name, refresh_mv.explain(name, true) GROUP BY name ORDER BY name::text;
SELECT l.mode, string_agg(DISTINCT n.nspname, ' ') FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND n.nspname IN ('suite', 'refresh_mv') GROUP BY l.mode;
SELECT locktype, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype NOT IN ('relation', 'virtualxid');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('broken') WHERE method IN ('skip', 'delta', 'keys', 'full');
COMMIT;
SELECT digest() = :'before' AS unchanged;
SELECT smart('broken'), smart('upper'), smart('of_parts'), smart('by_day');
-- the details: what the methods go by, and their queries, of which the view's own can be run
SELECT v, e.method, line FROM unnest('{broken,of_parts,by_day}'::regclass[]) WITH ORDINALITY v (v, i), refresh_mv.explain(v, true) WITH ORDINALITY e,
    string_to_table(unqualified(masked(e.details)), E'\n') WITH ORDINALITY l (line, n) WHERE line ~ '^[^ ]' ORDER BY i, e.ordinality, n;
SELECT substring(details FROM E'^-- the view''s query\n(.*);\n$') AS query FROM refresh_mv.explain('by_day', true) WHERE method = 'full' \gset
SELECT count(*) FROM (:query EXCEPT ALL SELECT * FROM by_day) d;
SELECT DISTINCT details FROM refresh_mv.explain('by_day', false);
DROP MATERIALIZED VIEW broken, upper, of_parts, by_day;
DROP TABLE days;

-- What is explained, with estimates replaced by N, and whether exact methods are cheaper
-- than a full refresh.
CREATE FUNCTION explained(view regclass) RETURNS TABLE (method text, possible boolean, chosen boolean, cost text, reason text, advice text)
LANGUAGE sql AS $$
    WITH e AS (SELECT * FROM refresh_mv.explain(view))
    SELECT e.method, e.possible, e.chosen,
           CASE WHEN e.cost = f.cost THEN 'full' WHEN e.cost < f.cost THEN 'less' WHEN e.cost > f.cost THEN 'more' END,
           e.reason, regexp_replace(e.advice, 'costs \d+ instead of \d+', 'costs N instead of N', 'g')
    FROM e, (SELECT cost FROM e WHERE e.method = 'full') f
$$;

-- ---- a view that is not tracked, by its dates
CREATE TABLE sales (id int PRIMARY KEY, day date NOT NULL, product int NOT NULL, amount numeric NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO sales SELECT i, current_date - i / 100, i % 50, i FROM generate_series(1, 20000) i;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO products SELECT i, 'p' || i FROM generate_series(0, 49) i;
ANALYZE sales, products;
CREATE MATERIALIZED VIEW daily AS SELECT day, sum(amount) AS amount FROM sales GROUP BY day WITH NO DATA;
SELECT * FROM explained('daily');
SELECT * FROM smart('daily');
ANALYZE daily;
SELECT * FROM explained('daily');
SELECT * FROM smart('daily');
DELETE FROM sales WHERE day > current_date - 3;
SELECT refresh_type FROM refresh_materialized_views();
SELECT method, chosen, reason FROM refresh_mv.explain('daily') WHERE method IN ('window', 'full');
SELECT * FROM smart('daily');
DELETE FROM sales;
SELECT refresh_type FROM refresh_materialized_views();
SELECT * FROM smart('daily');
-- the index that a window would use
INSERT INTO sales SELECT i, current_date - i / 100, i % 50, i FROM generate_series(1, 20000) i;
ANALYZE sales;
SELECT refresh_type FROM refresh_materialized_views();
SELECT e.advice FROM explained('daily') e WHERE e.method = 'window';
CREATE INDEX ON suite.sales (day);
SELECT e.advice FROM explained('daily') e WHERE e.method = 'window';
-- its settings
SELECT refresh_mv.configure('daily', date_column => 'amount');
SELECT method, possible, reason, advice FROM refresh_mv.explain('daily') WHERE method = 'window';
SELECT * FROM smart('daily');
SELECT refresh_mv.configure('daily', date_column => NULL, window_days => 7);
SELECT method, chosen, reason FROM refresh_mv.explain('daily') WHERE method = 'window';
SELECT * FROM smart('daily');
SELECT refresh_mv.configure('daily', window_days => NULL);
CREATE MATERIALIZED VIEW undated AS SELECT product, sum(amount) AS amount FROM sales GROUP BY product;
SELECT method, possible, chosen, reason, advice FROM refresh_mv.explain('undated') WHERE method = 'window';
SELECT * FROM smart('undated');
DROP MATERIALIZED VIEW undated;

-- ---- a tracked view
SELECT tracked FROM refresh_mv.track('daily');
SELECT method, possible, chosen, reason, advice FROM refresh_mv.explain('daily');
SELECT * FROM smart('daily');
SELECT * FROM explained('daily');
SELECT * FROM smart('daily');
INSERT INTO sales VALUES (30001, current_date, 1, 1.5);
SELECT * FROM explained('daily');
SELECT * FROM smart('daily');
-- changes of another view that come to nothing here
CREATE MATERIALIZED VIEW dates AS SELECT day FROM daily;
SELECT tracked FROM refresh_mv.track('dates');
SELECT * FROM smart('dates');
UPDATE sales SET amount = amount + 1 WHERE id = 30001;
SELECT * FROM smart('daily');
SELECT method, possible, chosen, reason FROM refresh_mv.explain('dates');
SELECT * FROM smart('dates');
DROP MATERIALIZED VIEW dates;
-- too many, seen before or after they are read
SET refresh_mv.exact_cost_limit = 0.026;
UPDATE sales SET amount = amount + 1 WHERE id % 4 = 0;
SELECT remember_times('daily');
SELECT regexp_replace(reason, '^\d+', 'N') AS reason, method FROM smart('daily');
UPDATE sales SET amount = amount + 1 WHERE id % 80 = 0;
SELECT remember_times('daily');
SELECT method, possible, chosen, regexp_replace(reason, '^\d+', 'N') AS reason FROM refresh_mv.explain('daily') WHERE method IN ('delta', 'full');
SELECT regexp_replace(reason, '^\d+', 'N') AS reason, method FROM smart('daily');
SET refresh_mv.exact_cost_limit = 1e9;
-- changes that are not known
TRUNCATE products;
SELECT * FROM smart('daily');
TRUNCATE sales;
SELECT method, possible, chosen, reason FROM refresh_mv.explain('daily');
SELECT * FROM smart('daily');
INSERT INTO sales SELECT i, current_date - i / 100, i % 50, i FROM generate_series(1, 20000) i;
INSERT INTO products SELECT i, 'p' || i FROM generate_series(0, 49) i;
REFRESH MATERIALIZED VIEW daily;
SELECT * FROM smart('daily');
ALTER TABLE sales ADD COLUMN note text;
SELECT * FROM smart('daily');
ALTER TABLE sales DISABLE TRIGGER refresh_mv_insert;
SELECT method, unqualified(reason) AS reason, advice FROM refresh_mv.explain('daily') WHERE method IN ('skip', 'full');
SELECT tracked FROM refresh_mv.track('daily');
SELECT * FROM smart('daily');
SELECT refresh_mv.configure('daily', keep_before => '1 year');
INSERT INTO sales VALUES (30003, current_date, 1, 1.5);
SELECT method, possible, reason, advice FROM refresh_mv.explain('daily') WHERE method = 'delta';
SELECT * FROM smart('daily');
INSERT INTO sales VALUES (30005, current_date, 1, 1.5);
SELECT * FROM smart('daily');
SELECT refresh_mv.configure('daily', keep_before => NULL);
SELECT * FROM smart('daily');
-- a refresh that has lost its state
SELECT refresh_mv_internal.drop_groups('daily'::regclass);
INSERT INTO sales VALUES (30004, current_date, 1, 1.5);
SELECT * FROM smart('daily');

-- ---- the index of which a change of another table is in need; from 19 on the full query
-- costs less (it groups before it joins)
CREATE MATERIALIZED VIEW by_name AS SELECT p.name, s.day, sum(s.amount) AS amount FROM sales s JOIN products p ON p.id = s.product GROUP BY 1, 2;
INSERT INTO sales SELECT i, current_date - i / 100, i % 5000, i FROM generate_series(100001, 180000) i;
INSERT INTO products SELECT i, 'p' || i FROM generate_series(50, 4999) i;
SELECT refresh_type FROM refresh_materialized_views(views => '{by_name}');
ANALYZE sales, products, by_name;
SELECT refresh_mv.track('by_name');
SELECT * FROM smart('by_name');
UPDATE products SET name = 'new name' WHERE id = 4711;
SELECT * FROM smart('by_name');
SELECT e.method, e.advice FROM explained('by_name') e WHERE e.advice IS NOT NULL;
-- refused for its costs, it needs the index most
SET refresh_mv.exact_cost_limit = 0.001;
SELECT remember_times('by_name');
UPDATE products SET name = 'another name' WHERE id = 4712;
SELECT method, possible, reason, advice LIKE '%CREATE INDEX ON suite.sales (product)%' AS advised
FROM refresh_mv.explain('by_name') WHERE method = 'delta';
SET refresh_mv.exact_cost_limit = 1e9;
SELECT string_agg(r.statement, '; ') AS statements FROM refresh_mv.remedies('by_name') r WHERE r.statement LIKE 'CREATE INDEX%' \gset
:statements;
SELECT e.method, e.advice FROM explained('by_name') e WHERE e.advice IS NOT NULL;
UPDATE products SET name = 'newer name' WHERE id = 4711;
SELECT * FROM explained('by_name');
SELECT * FROM smart('by_name');
SELECT check_view('by_name');

-- ---- details: anchor, state, queries
CREATE MATERIALIZED VIEW small AS
SELECT p.name, count(*) AS n, sum(s.amount) AS amount, max(s.amount) AS most, count(DISTINCT s.day) AS days
FROM sales s JOIN products p ON p.id = s.product GROUP BY p.name;
SELECT refresh_mv.track('small');
SELECT refresh_type FROM refresh_materialized_views_smart('{small}');
UPDATE sales SET amount = amount WHERE id = 1;
UPDATE sales SET amount = amount + 1 WHERE id = 1;
SELECT method, unqualified(regexp_replace(details, 'cost \d+', 'cost N', 'g')) AS details FROM refresh_mv.explain('small', verbose => true)
WHERE method IN ('skip', 'delta', 'full');
SELECT method, details FROM refresh_mv.explain('daily', verbose => true) WHERE method = 'rebuild';
-- a reader sees no queries
GRANT SELECT ON small TO refresh_mv_reader;
SET ROLE refresh_mv_reader;
SELECT count(*) FROM refresh_mv.explain('small', true);
SELECT method, details LIKE '%-- refresh_mv_net%' AS with_queries, details LIKE '%anchor: %' AS with_anchor
FROM refresh_mv.explain('small', true) WHERE method = 'delta';
RESET ROLE;

-- ---- several right answers
CREATE FUNCTION ambiguity(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW shaped AS ' || query || ' WITH NO DATA';
    SELECT e.advice INTO found FROM refresh_mv.explain(to_regclass('shaped')) e WHERE e.method = 'full';
    DROP MATERIALIZED VIEW shaped;
    RETURN substr(found, strpos(found, 'another: ') + 9);
END $$;
SELECT query, ambiguity(query) FROM unnest(ARRAY[
    'SELECT sum(id::float) FROM sales', 'SELECT max(id::float) FROM sales', 'SELECT array_agg(id) FROM sales',
    'SELECT array_agg(id ORDER BY id) FROM sales', 'SELECT id FROM sales LIMIT 3',
    'SELECT product, count(*) FROM sales GROUP BY product ORDER BY product LIMIT 3',
    'SELECT DISTINCT ON (product) product, id FROM sales', 'SELECT DISTINCT amount FROM sales', 'SELECT amount FROM sales GROUP BY amount',
    'SELECT row_number() OVER (ORDER BY product) FROM sales', 'SELECT product, sum(amount) FROM sales GROUP BY product']) query;

DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_owner, refresh_mv_reader, refresh_mv_stats, refresh_mv_other;
