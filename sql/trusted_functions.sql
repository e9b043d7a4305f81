CALL helpers.begin_suite();
-- Functions that are not declared immutable, and that somebody vouches for.
CREATE ROLE refresh_mv_writer;   -- of the functions
CREATE ROLE refresh_mv_analyst;  -- who owns views
CREATE ROLE refresh_mv_deputy IN ROLE refresh_mv_analyst;
CREATE ROLE refresh_mv_other;    -- who owns another view
CREATE ROLE refresh_mv_stranger;
CREATE ROLE refresh_mv_admin SUPERUSER;
GRANT USAGE, CREATE ON SCHEMA suite TO refresh_mv_writer, refresh_mv_analyst, refresh_mv_other, refresh_mv_stranger;
GRANT USAGE ON SCHEMA suite TO refresh_mv_admin;
CREATE TABLE shop (sid int PRIMARY KEY, town text, zone int);
CREATE TABLE town (sid int PRIMARY KEY, name text);
INSERT INTO shop SELECT g, 'New  Town ' || g, g % 7 FROM generate_series(1, 100) g;
INSERT INTO town SELECT g, 'T' || g FROM generate_series(1, 100) g;
ANALYZE shop, town;
GRANT SELECT, TRIGGER ON shop, town TO refresh_mv_analyst, refresh_mv_other, refresh_mv_writer;
SET ROLE refresh_mv_writer;
CREATE FUNCTION tidy(town text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN regexp_replace(lower(town), '\s+', ' '); END $$;
CREATE FUNCTION town_of(id int) RETURNS text STABLE LANGUAGE sql AS 'SELECT name FROM suite.town t WHERE t.sid = $1';
CREATE FUNCTION add_up(int, int) RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + $2; END';
CREATE AGGREGATE adding(int) (sfunc = add_up, stype = int, initcond = '0');
CREATE FUNCTION alike(int, int) RETURNS boolean STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 = $2; END';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = alike);
CREATE FUNCTION sure(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE PROCEDURE proceed(int) LANGUAGE sql AS 'SELECT $1';
SET ROLE refresh_mv_analyst;
CREATE MATERIALIZED VIEW tidied AS SELECT sid, to_tsvector('simple', tidy(town)) AS words FROM shop;
CREATE MATERIALIZED VIEW lookups AS SELECT zone, town_of(max(sid)) AS last, count(*) AS n FROM shop GROUP BY zone;
CREATE MATERIALIZED VIEW added AS SELECT zone, adding(sid) AS s FROM shop GROUP BY zone;
CREATE MATERIALIZED VIEW equal AS SELECT s.sid, t.name FROM shop s JOIN town t ON t.sid === s.sid;
SET ROLE refresh_mv_other;
CREATE MATERIALIZED VIEW others AS SELECT sid, tidy(town) AS town FROM shop;
RESET ROLE;
GRANT SELECT ON tidied TO PUBLIC;

-- What somebody does, as a role; the outcome.
CREATE FUNCTION attempt(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text := 'ok';
    detail text;
BEGIN
    EXECUTE format('SET LOCAL ROLE refresh_mv_%I', role);
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        outcome := concat_ws(' ', SQLSTATE, SQLERRM, detail);
    END;
    RESET ROLE;
    RETURN outcome;
END $$;
GRANT EXECUTE ON FUNCTION attempt TO PUBLIC;

-- Refreshes views and says how each was, and whether it is right.
CREATE FUNCTION refreshed(views regclass[]) RETURNS TABLE (view text, method text, differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE refresh_mv.journal;
    PERFORM refresh_materialized_views_smart(views);
    RETURN QUERY SELECT h.view, h.method, check_view(h.view::regclass) FROM refresh_mv.history h ORDER BY h.view;
END $$;
CREATE VIEW trusts AS SELECT function, trusted_by FROM refresh_mv.trusted_functions ORDER BY 1, 2;
CREATE VIEW states AS SELECT name, trusted_functions, unknown_reason FROM refresh_mv.status WHERE schema = 'suite' AND tracked ORDER BY name;

-- What is refused, and what to do.
\x on
SELECT v, attempt('analyst', format('SELECT refresh_mv.track(%L)', v)), r.statement, r.reason
FROM unnest(ARRAY['tidied', 'lookups', 'added', 'equal']) WITH ORDINALITY o(v, no), refresh_mv.remedies(v::regclass) r ORDER BY no, r.statement;
\x off

-- Who may trust what.
SELECT role, function, attempt(role, format('SELECT refresh_mv.trust(%L)', function))
FROM (VALUES ('stranger', 'tidy(text)'), ('other', 'town_of(int)'), ('analyst', 'tidy(text)'), ('deputy', 'adding(int)'), ('analyst', 'alike(int,int)'),
    ('analyst', 'sure(int)'), ('writer', 'sure(int)'), ('writer', 'proceed(int)'), ('admin', 'now()'), ('admin', 'random()'), ('admin', 'town_of(int)'),
    ('analyst', 'tidy(text)')) a (role, function);
SELECT attempt('analyst', 'SELECT refresh_mv.trust(NULL)'), attempt('analyst', 'SELECT refresh_mv.trust(''tidy(text)'', NULL)'),
    attempt('admin', 'SELECT refresh_mv.trust(1::oid)');
TABLE trusts;
SET client_min_messages = notice;
SELECT refresh_mv.trust('town_of(int)');
SELECT refresh_mv.trust('sure(int)');
SELECT refresh_mv.trust('sure(int)', false);
SELECT refresh_mv.trust('alike(int,int)', false);
SELECT refresh_mv.trust('alike(int,int)', false);
SET client_min_messages = warning;
SET ROLE refresh_mv_analyst;
SELECT refresh_mv.trust('alike(int,int)');
RESET ROLE;
TABLE trusts;

-- It counts for the views of who has given it, and for all if it is the function's owner.
SELECT v, attempt(role, format('SELECT refresh_mv.track(%L)', v))
FROM (VALUES ('analyst', 'tidied'), ('analyst', 'lookups'), ('analyst', 'added'), ('analyst', 'equal'), ('other', 'others'), ('admin', 'others')) a (role, v);
SELECT * FROM refreshed('{tidied,lookups,added,equal,others}');
INSERT INTO shop SELECT g, 'Old   Town ' || g, g % 7 FROM generate_series(101, 102) g;
INSERT INTO town VALUES (101, 'T101'), (102, 'T102');
UPDATE shop SET town = 'Port  ' || sid WHERE sid = 3;
DELETE FROM shop WHERE sid = 4;
SELECT * FROM refreshed('{tidied,lookups,added,equal}');
TABLE states;
SELECT trusted_functions FROM refresh_mv.status WHERE name = 'others';
-- who may not know of the view is not told
SET ROLE refresh_mv_stranger;
SELECT name, trusted_functions FROM refresh_mv.status WHERE name IN ('tidied', 'added') ORDER BY name;
RESET ROLE;

-- What a trusted function reads is not noticed, as was said.
UPDATE town SET name = 'X' WHERE sid = 98;
SELECT * FROM refreshed('{lookups}');
SELECT success FROM refresh_materialized_views(views => '{lookups}');
SELECT check_view('lookups');

-- The functions' owner: others' views too.
SELECT attempt('writer', 'SELECT refresh_mv.trust(''tidy(text)'')'), attempt('other', 'SELECT refresh_mv.track(''others'')');
SELECT count(*) FROM refreshed('{others}');
SELECT trusted_functions, unknown_reason FROM refresh_mv.status WHERE name = 'others';
-- A function that is replaced is another one, and trusted still.
CREATE OR REPLACE FUNCTION tidy(town text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN regexp_replace(upper(town), '\s+', ' '); END $$;
SELECT unknown_reason FROM refresh_mv.status WHERE name = 'others';
SELECT * FROM refreshed('{tidied,others}');
SELECT * FROM refreshed('{tidied,others}');

-- Taken back: only by whoever has the rights of who gave it.
SELECT role, attempt(role, 'SELECT refresh_mv.trust(''tidy(text)'', false)') FROM unnest(ARRAY['stranger', 'other', 'writer']) role;
TABLE trusts;
TABLE states;
INSERT INTO shop VALUES (103, 'A  B', 1);
SELECT * FROM refreshed('{tidied,others}');
SELECT attempt('other', 'SELECT refresh_mv.track(''others'')');
TABLE states;
-- changed and changed back, while nothing could be noted
UPDATE shop SET town = 'C  D' WHERE sid = 103;
SELECT * FROM refreshed('{others}');
UPDATE shop SET town = 'A  B' WHERE sid = 103;
SELECT attempt('writer', 'SELECT refresh_mv.trust(''tidy(text)'')');
SELECT * FROM refreshed('{others}');
SELECT * FROM refreshed('{others}');
-- the same where it counts no longer without anybody taking it back
SELECT attempt('writer', 'SELECT refresh_mv.trust(''tidy(text)'', false)'), attempt('admin', 'SELECT refresh_mv.trust(''tidy(text)'')');
SELECT * FROM refreshed('{others}');
ALTER ROLE refresh_mv_admin NOSUPERUSER;
SELECT trusted_functions FROM refresh_mv.status WHERE name = 'others';
UPDATE shop SET town = 'C  D' WHERE sid = 103;
SELECT * FROM refreshed('{others}');
SELECT * FROM refreshed('{others}');
UPDATE shop SET town = 'A  B' WHERE sid = 103;
ALTER ROLE refresh_mv_admin SUPERUSER;
SELECT * FROM refreshed('{others}');
SELECT * FROM refreshed('{others}');
-- and where a view or a function has another owner
SELECT attempt('analyst', 'SELECT refresh_mv.trust(''tidy(text)'')'), attempt('admin', 'SELECT refresh_mv.trust(''tidy(text)'', false)');
TABLE trusts;
SELECT attempt('analyst', 'SELECT refresh_mv.trust(''tidy(text)'')'), count(*) FROM refreshed('{tidied}');
ALTER MATERIALIZED VIEW tidied OWNER TO refresh_mv_other;
SELECT method, differences FROM refreshed('{tidied}');
SELECT unknown_reason, trusted_functions FROM refresh_mv.status WHERE name = 'tidied';
ALTER FUNCTION tidy(text) OWNER TO refresh_mv_analyst;
SELECT count(*) FROM refreshed('{tidied}');
SELECT unknown_reason, trusted_functions FROM refresh_mv.status WHERE name = 'tidied';

-- A trust goes by the name, and with the function.
ALTER FUNCTION tidy(text) RENAME TO tidy_up;
TABLE trusts;
SELECT method, differences FROM refreshed('{tidied}');
SELECT unknown_reason FROM refresh_mv.status WHERE name = 'tidied';
DROP AGGREGATE adding(int) CASCADE;
DROP FUNCTION alike(int, int) CASCADE;
TABLE trusts;

-- Nobody writes it by hand, nor trusts in the name of others.
SELECT role, attempt(role, 'INSERT INTO refresh_mv.trusted VALUES (''suite.sure(integer)'', ''refresh_mv_writer'')') FROM unnest(ARRAY['stranger', 'admin']) role;
DELETE FROM refresh_mv.trusted WHERE trusted_by = 'refresh_mv_writer';
GRANT INSERT ON refresh_mv.trusted TO refresh_mv_analyst;
SET ROLE refresh_mv_analyst;
INSERT INTO refresh_mv.trusted VALUES ('suite.tidy_up(pg_catalog.text)', 'refresh_mv_writer'), ('suite.tidy_up(pg_catalog.text)', 'nobody there'), ('suite.tidy_up(pg_catalog.text)', 'refresh_mv_analyst');
RESET ROLE;
REVOKE INSERT ON refresh_mv.trusted FROM refresh_mv_analyst;
TABLE trusts;
DROP SCHEMA suite CASCADE;
SELECT count(*) FROM refresh_mv.trusted;
DROP ROLE refresh_mv_deputy, refresh_mv_writer, refresh_mv_analyst, refresh_mv_other, refresh_mv_stranger, refresh_mv_admin;
