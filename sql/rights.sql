CALL helpers.begin_suite();
-- Who may refresh what, and as whom queries run.
CREATE ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_member IN ROLE refresh_mv_owner;
CREATE ROLE refresh_mv_other;
GRANT ALL ON SCHEMA suite TO refresh_mv_owner, refresh_mv_other;
CREATE TABLE source (day date, n int);
INSERT INTO source VALUES (current_date, 1);
GRANT SELECT ON source TO refresh_mv_owner, refresh_mv_other;
SET ROLE refresh_mv_owner;
CREATE MATERIALIZED VIEW owned AS SELECT * FROM source;
CREATE MATERIALIZED VIEW owned_empty AS SELECT * FROM source WITH NO DATA;
SET ROLE refresh_mv_other;
CREATE MATERIALIZED VIEW others AS SELECT * FROM source;
RESET ROLE;
CREATE MATERIALIZED VIEW superusers AS SELECT * FROM source;
-- Nobody but owners needs to read the source; even callers' rights on the view
-- are not asked for.
CREATE TABLE copy AS TABLE source;
CREATE FUNCTION refresh_as(role text, views regclass[] DEFAULT NULL, OUT success bool, OUT views_refreshed text[], OUT refused bigint)
LANGUAGE plpgsql AS $$
DECLARE
    message text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    SELECT r.success, r.views_refreshed, r.message FROM refresh_materialized_views_smart(views) r INTO success, views_refreshed, message;
    RESET ROLE;
    -- "must be owner of ..." or, from 17 on, "permission denied for ..."
    SELECT count(*) INTO refused FROM regexp_matches(message, '[a-z_]+: (must be owner of|permission denied for) materialized view [a-z_]+', 'g');
END $$;

-- By default what the caller may refresh, and nothing is said of the rest.
SELECT role, r.* FROM unnest('{refresh_mv_owner,refresh_mv_member,refresh_mv_other,postgres}'::text[]) role, refresh_as(role) r;
-- When listed, views of others fail, those of the caller do not.
SET client_min_messages = error;
SELECT role, r.* FROM unnest('{refresh_mv_owner,refresh_mv_member,refresh_mv_other,postgres}'::text[]) role,
    refresh_as(role, '{owned,owned_empty,others,superusers}') r;
-- They are not written, then.
INSERT INTO source VALUES (current_date, 2);
SELECT r.*, check_view('superusers') > 0 AS stale, check_view('others') > 0 AS stale_too, check_view('owned')
FROM refresh_as('refresh_mv_member', '{superusers,owned,others}') r;
SET client_min_messages = warning;

-- configure() asks for the same right.
SET ROLE refresh_mv_member;
SELECT refresh_mv.configure('owned', 'day');
RESET ROLE;
CREATE FUNCTION sqlstate_of(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate;
END $$;
GRANT EXECUTE ON FUNCTION sqlstate_of TO PUBLIC;
SET ROLE refresh_mv_other;
SELECT sqlstate_of($$SELECT refresh_mv.configure('owned', NULL)$$), sqlstate_of($$SELECT refresh_mv.configure('owned', 'day')$$);
RESET ROLE;
SELECT view_name, date_column FROM refresh_mv.settings;
SELECT refresh_mv.configure('owned');

-- The query runs with the owner's rights, whoever calls: a member of the
-- owning role with no right on the source, and a superuser if the owner has
-- lost his.
CREATE FUNCTION whoami() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_user::text';
SET ROLE refresh_mv_owner;
CREATE MATERIALIZED VIEW who AS SELECT whoami() AS who, n FROM source;
RESET ROLE;
SELECT success, (refresh_as('refresh_mv_member', '{who}')).success AS member FROM refresh_materialized_views(views => '{who}');
SELECT DISTINCT who FROM who;
SET ROLE refresh_mv_owner;
REVOKE SELECT ON owned FROM refresh_mv_owner;
SELECT count(*) FROM owned;
RESET ROLE;
INSERT INTO source VALUES (current_date, 3), (current_date - 20, 4);
SELECT r.success, r.refused, check_view('owned', 'day >= current_date - 2') FROM refresh_as('refresh_mv_owner', '{owned}') r;
SET ROLE refresh_mv_owner;
SELECT success, refresh_type FROM refresh_materialized_views(views => '{owned}');
RESET ROLE;
SELECT check_view('owned');
REVOKE SELECT ON source FROM refresh_mv_owner;
INSERT INTO source VALUES (current_date, 5);
SELECT success, views_refreshed, message FROM refresh_materialized_views(views => '{owned,superusers}');
SELECT check_view('owned') > 0 AS stale, check_view('superusers');
GRANT SELECT ON source TO refresh_mv_owner;
-- Through an ordinary view its owner's rights count.
CREATE TABLE hidden AS SELECT 1 AS secret;
CREATE VIEW shown AS SELECT secret + 1 AS shown FROM hidden;
GRANT SELECT ON shown TO refresh_mv_owner;
SET ROLE refresh_mv_owner;
CREATE MATERIALIZED VIEW showing AS SELECT * FROM shown;
RESET ROLE;
INSERT INTO hidden VALUES (7);
SELECT r.success, check_view('showing') FROM refresh_as('refresh_mv_member', '{showing}') r;
-- Row-level security of the source is that of the view's owner.
CREATE TABLE secured (role name, n int);
INSERT INTO secured VALUES ('refresh_mv_owner', 1), ('refresh_mv_other', 2), ('postgres', 3);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secured USING (role = current_user);
GRANT SELECT ON secured TO PUBLIC;
SET ROLE refresh_mv_owner;
CREATE MATERIALIZED VIEW from_secured AS SELECT * FROM secured;
RESET ROLE;
INSERT INTO secured SELECT role, n + 10 FROM secured;
SELECT success FROM refresh_materialized_views(views => '{from_secured}');
SELECT * FROM from_secured ORDER BY n;

-- A malicious owner's function gains nothing from a superuser's call.
CREATE FUNCTION evil(what text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.current_setting('suite.evil', true) = 'on' THEN EXECUTE what; END IF;
    RETURN 1;
END $$;
CREATE FUNCTION try_evil(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result record;
BEGIN
    PERFORM set_config('suite.evil', 'off', true);
    SET LOCAL ROLE refresh_mv_owner;
    EXECUTE format('CREATE MATERIALIZED VIEW trap AS SELECT suite.evil(%L)', what);
    RESET ROLE;
    PERFORM set_config('suite.evil', 'on', true);
    SELECT success, message FROM refresh_materialized_views(views => ARRAY['trap'::text::regclass]) INTO result;
    DROP MATERIALIZED VIEW trap;
    RETURN CASE WHEN result.success THEN 'done by ' || current_user ELSE regexp_replace(result.message, '.*trap: ', '') END;
END $$;
SET client_min_messages = error;
SELECT what, try_evil(what) FROM unnest(ARRAY['SELECT 1', 'SET ROLE postgres', 'SET ROLE NONE', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres',
    'CREATE TEMP TABLE t ()', 'SELECT * FROM suite.hidden',
    'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'CREATE TRIGGER t AFTER INSERT ON suite.copy EXECUTE FUNCTION x()',
    'PREPARE p AS SELECT 1', 'INSERT INTO refresh_mv.settings VALUES (''a'', ''b'', ''c'')']) what;
SET client_min_messages = warning;

-- Objects of the caller's search_path are not taken for those of pg_catalog.
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET ROLE refresh_mv_other;
CREATE FUNCTION evil.report() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fake called as %', current_user; END $$;
CREATE FUNCTION evil.eq(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.report(); RETURN true; END $$;
CREATE FUNCTION evil.ge(date, date) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.report(); RETURN true; END $$;
CREATE FUNCTION evil.max(date) RETURNS date LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.report(); RETURN $1; END $$;
CREATE FUNCTION evil.isfinite(date) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.report(); RETURN true; END $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.report(); RETURN pg_catalog.now(); END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.>= (FUNCTION = evil.ge, LEFTARG = date, RIGHTARG = date);
CREATE TABLE evil.settings AS SELECT 1;
CREATE TABLE evil.pg_class AS SELECT 1;
CREATE DOMAIN evil.text AS int;
RESET ROLE;
INSERT INTO source VALUES (current_date, 6);
SET search_path = evil, pg_catalog, suite, helpers, public;
SELECT success, views_refreshed, message FROM refresh_materialized_views_smart('{owned,others,superusers}');
SELECT refresh_mv.configure('superusers', 'day');
SELECT success, message FROM refresh_materialized_views(true, 1, '{superusers}');
SELECT refresh_mv.configure('superusers', NULL);
SET search_path = suite, helpers, public;
SELECT check_view('owned', 'day >= current_date - 2'), check_view('superusers', 'day >= current_date - 2');

-- The caller's identity and settings are his own again, also after an error.
SELECT sqlstate_of($$SELECT refresh_materialized_views(views => '{owned}'), 1 / 0$$);
SELECT current_user = session_user AS same, current_setting('role'), current_setting('search_path');

-- Inside a SECURITY DEFINER function the caller is its owner.
CREATE FUNCTION definer() RETURNS text[] LANGUAGE sql SECURITY DEFINER SET search_path = suite, helpers, public
    AS 'SELECT views_refreshed FROM refresh_materialized_views()';
ALTER FUNCTION definer OWNER TO refresh_mv_other;
SELECT definer();
-- A view that is given away is the new owner's.
ALTER MATERIALIZED VIEW owned OWNER TO refresh_mv_other;
SELECT (refresh_as('refresh_mv_other')).views_refreshed;
DROP SCHEMA evil CASCADE;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_member, refresh_mv_owner, refresh_mv_other;
