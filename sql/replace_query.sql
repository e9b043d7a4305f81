CALL helpers.begin_suite();
-- refresh_mv.replace_query(): another query for a view that stays what it is.
CREATE ROLE refresh_mv_repl_owner;
CREATE ROLE refresh_mv_repl_reader;
CREATE TABLE sale (id int PRIMARY KEY, day date NOT NULL, shop int NOT NULL, n int, note text);
INSERT INTO sale SELECT g, date '2020-01-01' + g % 20, g % 3, g, 'note ' || g FROM generate_series(1, 200) g;
CREATE TABLE shop (shop int PRIMARY KEY, name text);
INSERT INTO shop SELECT g, 'shop ' || g FROM generate_series(0, 2) g;
CREATE MATERIALIZED VIEW v AS SELECT day, sum(n) AS n, count(*) AS sales FROM sale GROUP BY day;
CREATE UNIQUE INDEX v_day ON v (day);
CREATE INDEX v_n ON v (n) WHERE sales > 1;
COMMENT ON MATERIALIZED VIEW v IS 'the view';
COMMENT ON COLUMN v.n IS 'the sum';
GRANT SELECT ON v TO refresh_mv_repl_reader;
GRANT SELECT (day) ON v TO PUBLIC;
ALTER MATERIALIZED VIEW v SET (fillfactor = 80);
ALTER MATERIALIZED VIEW v ALTER COLUMN n SET STATISTICS 500;
CREATE STATISTICS v_stats ON day, sales FROM v;
CREATE VIEW plain AS SELECT day, n, v FROM v;
CREATE MATERIALIZED VIEW above AS SELECT sum(n) AS n, sum(sales) AS sales FROM v;
ANALYZE v;
-- All that hangs on it.
CREATE VIEW belongings AS
SELECT 'dependent' AS what, pg_describe_object(classid, objid, objsubid) AS name
FROM pg_depend WHERE refobjid = 'v'::regclass AND deptype <> 'i' AND objid <> (SELECT oid FROM pg_rewrite WHERE ev_class = 'v'::regclass)
UNION ALL SELECT 'acl', replace(relacl::text, 'wdDxtm', 'wdDxt') FROM pg_class WHERE oid = 'v'::regclass
UNION ALL SELECT 'acl of ' || attname, attacl::text FROM pg_attribute WHERE attrelid = 'v'::regclass AND attacl IS NOT NULL
UNION ALL SELECT 'options', reloptions::text FROM pg_class WHERE oid = 'v'::regclass
UNION ALL SELECT 'comment', description FROM pg_description WHERE objoid = 'v'::regclass
UNION ALL SELECT 'target of n', a.attstattarget::text FROM pg_attribute a WHERE attrelid = 'v'::regclass AND attname = 'n'
UNION ALL SELECT 'statistics', count(*)::text FROM pg_stats WHERE schemaname = 'suite' AND tablename = 'v'
UNION ALL SELECT 'oid', 'v'::regclass::oid::text;
CREATE TABLE before AS SELECT * FROM belongings;
SELECT what, CASE WHEN what <> 'oid' THEN name END AS name FROM before ORDER BY 1, 2;

-- Only rows that differ are written: three days have other sums.
SELECT remember('v');
SELECT * FROM refresh_mv.replace_query('v', $$SELECT day, sum(CASE WHEN day > '2020-01-17' THEN n + 1 ELSE n END) AS n, count(*) AS sales FROM sale GROUP BY day;$$);
SELECT rows_written('v'), rows_gone('v'), check_view('v');
SELECT pg_get_viewdef('v') LIKE '%WHEN %day > ''2020-01-17''::date% THEN %n + 1% ELSE %' AS shown;
SELECT method, mode, reason, rows_updated, success, source FROM refresh_mv.history WHERE view = 'suite.v';
-- The same query: none.
SELECT remember('v');
SELECT * FROM refresh_mv.replace_query('v', $$SELECT day, sum(CASE WHEN day > '2020-01-17' THEN n + 1 ELSE n END) AS n, count(*) AS sales FROM sale GROUP BY day$$);
SELECT rows_written('v'), rows_gone('v'), check_view('v');
-- Columns at the end, of all sorts; rows where they are NULL stay as they are.
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
SELECT remember('v');
SELECT * FROM refresh_mv.replace_query('v', $$
    SELECT day, sum(n) AS n, count(*) AS sales,
           CASE WHEN day < '2020-01-04' THEN string_agg(note, ',' ORDER BY id) END AS notes,
           CASE WHEN day < '2020-01-03' THEN 'x' COLLATE "C" END AS "Odd ""name""",
           CASE WHEN day < '2020-01-03' THEN 1::positive END AS positive,
           CASE WHEN day < '2020-01-03' THEN ARRAY[1.50::numeric(4,2)] END AS list
    FROM sale GROUP BY day$$);
SELECT count(*) AS written, check_view('v') FROM v WHERE NOT EXISTS (SELECT FROM remembered r WHERE (r.tid, r.xid) = (v.ctid, v.xmin::text));
SELECT attname, format_type(atttypid, atttypmod), attcollation::regcollation, attnum, attislocal, attnotnull, attndims
FROM pg_attribute WHERE attrelid = 'v'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM v ORDER BY day LIMIT 4;
SELECT * FROM plain ORDER BY day LIMIT 1;
SELECT reltoastrelid <> 0 AS has_toast FROM pg_class WHERE oid = 'v'::regclass;
-- What hung on it hangs on it.
SELECT * FROM before EXCEPT SELECT * FROM belongings;
SELECT * FROM belongings EXCEPT SELECT * FROM before;
-- New columns can be indexed, commented, granted and refreshed as any.
CREATE INDEX v_notes ON v (notes);
COMMENT ON COLUMN v.notes IS 'all notes';
UPDATE sale SET n = n + 1, note = repeat('long ', 2000) || id WHERE id = 1;
SELECT success, refresh_type FROM refresh_materialized_views(views => '{v}');
SELECT check_view('v'), check_btrees('v'), same_by_index('v_notes', $$SELECT count(*) FROM v WHERE notes > 'm'$$);
REFRESH MATERIALIZED VIEW v;
REFRESH MATERIALIZED VIEW CONCURRENTLY v;
SELECT check_view('v');
ANALYZE v;

-- The catalog says what it says of a view that is made with that query.
CREATE FUNCTION rule_of(view regclass) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(ev_action::text, ':(location|stmt_location|stmt_len|list_start|list_end) -?\d+', '', 'g'),
                          '\m' || view::oid || '\M', 'OID', 'g')
    FROM pg_rewrite WHERE ev_class = view
$$;
CREATE FUNCTION depends(view regclass) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT replace(concat_ws(' ', replace(pg_describe_object(classid, objid, objsubid), view::text, 'V'), deptype,
                   replace(pg_describe_object(refclassid, refobjid, refobjsubid), view::text, 'V')), 'suite.', '')
    FROM pg_depend WHERE objid = view OR objid = (SELECT oid FROM pg_rewrite WHERE ev_class = view)
$$;
CREATE MATERIALIZED VIEW replaced AS SELECT 1 AS one;
SELECT * FROM refresh_mv.replace_query('replaced', $$SELECT s.shop AS one, h.name, h.name COLLATE "C" AS c, '{}'::positive[] AS p FROM sale s JOIN shop h USING (shop), plain$$);
CREATE MATERIALIZED VIEW made AS SELECT s.shop AS one, h.name, h.name COLLATE "C" AS c, '{}'::positive[] AS p FROM sale s JOIN shop h USING (shop), plain;
SELECT rule_of('replaced') = rule_of('made') AS same_rule;
(SELECT * FROM depends('replaced') EXCEPT SELECT * FROM depends('made')) UNION ALL (SELECT * FROM depends('made') EXCEPT SELECT * FROM depends('replaced'));
SELECT a.attnum, a.atttypid = b.atttypid AS type, a.attlen = b.attlen AS len, a.attalign = b.attalign AS align, a.attstorage = b.attstorage AS storage,
       a.attcompression = b.attcompression AS compression, a.attndims = b.attndims AS ndims, a.attinhcount = b.attinhcount AS inh
FROM pg_attribute a JOIN pg_attribute b USING (attnum) WHERE a.attrelid = 'replaced'::regclass AND b.attrelid = 'made'::regclass AND attnum > 0 ORDER BY 1;
DROP MATERIALIZED VIEW replaced, made;
-- A type goes no more than the view that has a column of it.
SELECT state FROM error_of('DROP TYPE suite.positive');
SELECT state FROM error_of('ALTER TABLE suite.sale DROP COLUMN note');

-- Refused, with the reason; nothing is changed.
\pset format unaligned
SELECT query, e.* FROM unnest(ARRAY[
    $$SELECT day, sum(n) AS n FROM sale GROUP BY day$$,
    $$SELECT day, sum(n) AS total, count(*) AS sales FROM sale GROUP BY day$$,
    $$SELECT count(*) AS sales, day, sum(n) AS n FROM sale GROUP BY day$$,
    $$SELECT day, sum(n)::int AS n, count(*) AS sales FROM sale GROUP BY day$$,
    $$SELECT day, sum(n) AS n, count(*) AS sales, NULL::text AS notes, NULL::text AS "Odd ""name""", NULL::int AS positive, NULL::numeric[] AS list FROM sale GROUP BY day$$,
    $$SELECT day, sum(n) AS n, count(*) AS sales, NULL::text AS notes, NULL::text COLLATE "C" AS "Odd ""name""", NULL::numeric(5, 2) AS positive, NULL::numeric[] AS list FROM sale GROUP BY day$$,
    $$SELECT day, sum(n) AS n, count(*) AS sales, NULL::text AS notes, NULL::text COLLATE "C" AS "Odd ""name""", NULL::int AS positive, NULL::numeric(5, 2)[] AS list FROM sale GROUP BY day$$
    ]) query, error_of(format('SELECT refresh_mv.replace_query(%L, %L)', 'v', query)) e;
\pset format aligned
CREATE MATERIALIZED VIEW small AS SELECT 1 AS one;
CREATE VIEW small_above AS SELECT * FROM small;
CREATE MATERIALIZED VIEW small_further AS SELECT * FROM small_above;
CREATE FUNCTION reads_small() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT one FROM small_further; END;
CREATE TEMP TABLE temporary (one int);
\pset format unaligned
SELECT query, e.state, CASE WHEN query NOT LIKE '%temporary%' THEN e.message END AS message, CASE WHEN query NOT LIKE '%temporary%' THEN e.detail END AS detail, e.hint FROM unnest(ARRAY[
    $$$$, $$;$$, $$SELECT$$, $$SELECT 1; SELECT 2$$, $$DELETE FROM sale$$, $$CREATE TABLE x (y int)$$, $$EXPLAIN SELECT 1$$, $$EXECUTE x$$,
    $$SELEC 1$$, $$SELECT 1 AS one INTO x$$, $$SELECT nothing AS one$$, $$SELECT $1 AS one$$, $$WITH d AS (DELETE FROM sale RETURNING 1 AS one) SELECT one FROM d$$,
    $$SELECT 1 AS one, 2 AS one$$, $$SELECT 1 AS one, 2 AS a, 3 AS a$$, $$SELECT 1 AS one, 2 AS ctid$$, $$SELECT 1 AS one, ROW(1)$$, $$SELECT 1 AS one, NULL::small$$,
    $$SELECT 1 AS one, NULL::small[]$$, $$SELECT 1 AS one, a || b AS c FROM (SELECT 'x' COLLATE "C" AS a, 'y' COLLATE "POSIX" AS b) s$$,
    $$SELECT 1.0 AS one$$, $$SELECT one FROM temporary$$,
    $$SELECT one FROM small$$, $$SELECT one FROM small_above$$, $$SELECT one FROM small_further$$, $$SELECT (SELECT count(*)::int FROM small) AS one$$,
    $$WITH s AS (TABLE small) SELECT one FROM s$$, $$SELECT reads_small() AS one$$, $$SELECT count(NULL::small)::int AS one$$,
    $$SELECT 1 / 0 AS one$$
    ]) query, error_of(format('SELECT refresh_mv.replace_query(%L, %L)', 'small', query)) e;
SELECT call, e.* FROM unnest(ARRAY[
    $$(NULL, 'SELECT 1')$$, $$('small', NULL)$$, $$('sale', 'SELECT 1')$$, $$('plain', 'SELECT 1')$$, $$(4294967295, 'SELECT 1')$$
    ]) call, error_of('SELECT refresh_mv.replace_query' || call) e;
-- An error is shown in its query.
SELECT refresh_mv.replace_query('small', 'SELECT one, nothing FROM sale');
\pset format aligned
SELECT pg_get_viewdef('small'), count(*) FROM pg_attribute WHERE attrelid = 'small'::regclass AND attnum > 0;
-- Those of CREATE MATERIALIZED VIEW are the same.
SELECT c.query, c.created, c.replaced FROM (
    SELECT query, (error_of('CREATE MATERIALIZED VIEW suite.x AS ' || query)).message AS created,
           (error_of(format('SELECT refresh_mv.replace_query(%L, %L)', 'small', query))).message AS replaced
    FROM unnest(ARRAY[$$SELECT nothing AS one$$, $$SELECT $1 AS one$$, $$SELECT one FROM temporary$$, $$SELECT 1 AS one, 2 AS one$$, $$SELECT 1 AS one, 2 AS ctid$$,
        $$SELECT 1 AS one, ROW(1)$$, $$WITH d AS (DELETE FROM sale RETURNING 1 AS one) SELECT one FROM d$$, $$SELECT 1 AS one INTO x$$,
        $$SELECT 1 AS one, a || b AS c FROM (SELECT 'x' COLLATE "C" AS a, 'y' COLLATE "POSIX" AS b) s$$, $$SELECT 1 / 0 AS one$$]) query) c
WHERE c.created IS DISTINCT FROM c.replaced;

-- Not while it is being read in this session; undone with its transaction.
BEGIN;
DECLARE reading CURSOR FOR SELECT * FROM small;
FETCH reading;
SELECT refresh_mv.replace_query('small', 'SELECT 2 AS one');
ROLLBACK;
BEGIN;
SELECT * FROM refresh_mv.replace_query('small', 'SELECT g AS one, g AS two FROM generate_series(1, 3) g');
SELECT * FROM small;
SAVEPOINT s;
SELECT * FROM refresh_mv.replace_query('small', 'SELECT g AS one, g AS two, g AS three FROM generate_series(2, 4) g');
SELECT * FROM small;
ROLLBACK TO s;
SELECT * FROM small;
ROLLBACK;
SELECT * FROM small;
-- Twice in one statement; with refreshing switched off; by name of columns that were given or renamed.
SET refresh_mv.skip_refresh = on;
SELECT refresh_mv.replace_query('small', 'SELECT 2 AS one'), refresh_mv.replace_query('small', 'SELECT 3 AS one');
RESET refresh_mv.skip_refresh;
SELECT * FROM small;
ALTER MATERIALIZED VIEW small RENAME COLUMN one TO uno;
SELECT message, hint FROM error_of($$SELECT refresh_mv.replace_query('small', 'SELECT 4 AS one')$$);
SELECT * FROM refresh_mv.replace_query('small', 'SELECT 4 AS uno');
SELECT * FROM small_above;
-- A cached plan notices.
PREPARE reader AS SELECT uno FROM small;
EXECUTE reader;
SELECT * FROM refresh_mv.replace_query('small', 'SELECT 5 AS uno, 6 AS dos');
EXECUTE reader;

-- A view that is not populated stays so.
CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA;
SELECT * FROM refresh_mv.replace_query('empty', 'SELECT 2 AS one, 3 AS two');
SELECT relispopulated FROM pg_class WHERE oid = 'empty'::regclass;
SELECT success FROM refresh_materialized_views_smart('{empty}');
SELECT * FROM empty;
-- Settings go on: what keep_before keeps has no values in new columns.
CREATE MATERIALIZED VIEW kept AS SELECT day, sum(n) AS n FROM sale GROUP BY day;
SELECT refresh_mv.configure('kept', keep_before => '1 year');
SELECT * FROM refresh_mv.replace_query('kept', 'SELECT day, sum(n) + 1 AS n, 1 AS one FROM sale GROUP BY day');
SELECT count(*) FILTER (WHERE one IS NULL), count(*) FROM kept;
SELECT state, message, detail FROM error_of($$SELECT refresh_mv.replace_query('kept', 'SELECT max(day) AS day, sum(n) AS n, 1 AS one FROM sale')$$);

-- Tracking goes on, by the new query.
CREATE VIEW logged AS
SELECT t.view::regclass, t.relation::regclass, t.columns, (SELECT count(*) > 0 FROM pg_trigger g WHERE g.tgrelid = t.relation AND g.tgname LIKE 'refresh_mv_%') AS triggers
FROM refresh_mv.tracked t;
CREATE VIEW has_triggers AS
SELECT DISTINCT tgrelid::regclass AS name FROM pg_trigger WHERE tgname LIKE 'refresh_mv_%';
CREATE MATERIALIZED VIEW tracked AS SELECT shop, sum(n) AS n FROM sale GROUP BY shop;
SELECT tracked FROM refresh_mv.track('tracked');
SELECT success FROM refresh_materialized_views_smart('{tracked}');
SELECT * FROM logged;
SELECT * FROM has_triggers;
-- Another column is logged; the state of its groups is made anew, and the baseline taken.
SELECT * FROM refresh_mv.replace_query('tracked', 'SELECT shop, sum(n) AS n, max(day) AS last FROM sale GROUP BY shop');
SELECT * FROM logged;
SELECT pending_changes, stale, unknown_reason FROM refresh_mv.status WHERE name = 'tracked';
SELECT * FROM smart('tracked');
UPDATE sale SET day = '2021-01-01' WHERE id = 1;
SELECT * FROM smart('tracked');
SELECT * FROM tracked ORDER BY shop;
-- Another table: that one is logged, and the first no more.
SELECT * FROM refresh_mv.replace_query('tracked', $$SELECT shop, 0::bigint AS n, '2022-02-02'::date AS last, name FROM shop$$);
SELECT * FROM logged;
SELECT * FROM has_triggers;
UPDATE sale SET n = n + 1 WHERE id = 2;
SELECT * FROM smart('tracked');
UPDATE shop SET name = name || '!' WHERE shop = 1;
SELECT * FROM smart('tracked');
-- Both.
SELECT * FROM refresh_mv.replace_query('tracked', 'SELECT h.shop, sum(s.n) AS n, max(s.day) AS last, h.name, count(*) AS sales FROM sale s JOIN shop h USING (shop) GROUP BY h.shop');
SELECT * FROM logged ORDER BY relation::text;
UPDATE shop SET name = name || '!' WHERE shop = 2;
DELETE FROM sale WHERE id BETWEEN 3 AND 5;
SELECT * FROM smart('tracked');
-- Changes that were waiting are in it.
DELETE FROM sale WHERE id BETWEEN 6 AND 8;
SELECT * FROM refresh_mv.replace_query('tracked', 'SELECT h.shop, sum(s.n) AS n, max(s.day) AS last, h.name, count(*) AS sales FROM sale s LEFT JOIN shop h USING (shop) GROUP BY h.shop');
SELECT check_view('tracked');
SELECT * FROM smart('tracked');
INSERT INTO sale VALUES (301, '2020-02-02', 9, 1, NULL);
SELECT * FROM smart('tracked');
-- In one transaction with changes before and after it.
BEGIN;
INSERT INTO sale VALUES (302, '2020-02-02', 9, 1, NULL);
SELECT * FROM refresh_mv.replace_query('tracked', 'SELECT h.shop, sum(s.n) AS n, max(s.day) AS last, h.name, count(*) AS sales FROM sale s LEFT JOIN shop h USING (shop) WHERE s.n > 0 GROUP BY h.shop');
INSERT INTO sale VALUES (303, '2020-02-02', 9, 1, NULL);
COMMIT;
SELECT * FROM smart('tracked');
-- What cannot be tracked is refused; untracked it is not.
SELECT * FROM error_of($$SELECT refresh_mv.replace_query('tracked', 'SELECT shop, 0::bigint AS n, NULL::date AS last, random()::text AS name, 0::bigint AS sales FROM shop')$$);
SELECT * FROM logged ORDER BY relation::text;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT state FROM error_of($$SELECT refresh_mv.replace_query('tracked', 'SELECT shop, 0::bigint AS n, NULL::date AS last, name, 0::bigint AS sales FROM shop')$$);
COMMIT;
SELECT refresh_mv.untrack('tracked');
SELECT rows_updated > 0 AS written FROM refresh_mv.replace_query('tracked', 'SELECT shop, 0::bigint AS n, NULL::date AS last, random()::text AS name, 0::bigint AS sales FROM shop');
SELECT * FROM has_triggers;
-- On commit, with a tracked view above.
CREATE MATERIALIZED VIEW lower AS SELECT shop, sum(n) AS n FROM sale GROUP BY shop;
CREATE MATERIALIZED VIEW upper AS SELECT count(*) AS shops, sum(n) AS n FROM lower;
SELECT tracked FROM refresh_mv.track('lower', on_commit => true);
SELECT tracked FROM refresh_mv.track('upper', on_commit => true);
CALL refresh_mv.run(views => '{lower,upper}');
SELECT * FROM refresh_mv.replace_query('lower', 'SELECT shop, sum(n) * 2 AS n, max(note) AS note FROM sale GROUP BY shop');
SELECT check_view('lower'), check_view('upper');
UPDATE sale SET n = n + 1, note = 'zzz' WHERE id = 20;
SELECT check_view('lower'), check_view('upper');
SELECT * FROM smart('upper');
SELECT method, reason FROM refresh_mv.history WHERE view = 'suite.lower' ORDER BY started DESC LIMIT 2;

-- For owners, with the rights of the view's owner and the caller's search_path.
GRANT USAGE ON SCHEMA suite TO refresh_mv_repl_owner, refresh_mv_repl_reader;
ALTER MATERIALIZED VIEW small OWNER TO refresh_mv_repl_owner;
SET ROLE refresh_mv_repl_reader;
SELECT state, message FROM error_of($$SELECT refresh_mv.replace_query('suite.small', 'SELECT 7 AS uno, 8 AS dos')$$);
SELECT state, message FROM error_of($$SELECT refresh_mv.replace_query('suite.v', 'SELECT 7 AS uno, 8 AS dos')$$);
SET ROLE refresh_mv_repl_owner;
SELECT state, message FROM error_of($$SELECT refresh_mv.replace_query('suite.small', 'SELECT shop AS uno, 8 AS dos FROM suite.shop')$$);
SELECT * FROM refresh_mv.replace_query('suite.small', 'SELECT 7 AS uno, 8 AS dos');
RESET ROLE;
SELECT state, message FROM error_of($$SELECT refresh_mv.replace_query('suite.small', 'SELECT shop AS uno, 8 AS dos FROM shop')$$);
GRANT SELECT ON shop TO refresh_mv_repl_owner;
SELECT * FROM refresh_mv.replace_query('suite.small', 'SELECT shop AS uno, 8 AS dos FROM shop');
SELECT * FROM small ORDER BY uno;
BEGIN READ ONLY;
SELECT state FROM error_of($$SELECT refresh_mv.replace_query('suite.small', 'SELECT 7 AS uno, 8 AS dos')$$);
COMMIT;
SET client_min_messages = error;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_repl_owner, refresh_mv_repl_reader;
