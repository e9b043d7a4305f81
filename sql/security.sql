CALL helpers.begin_suite();
-- A malicious owner of views and tables gains nothing from what others do with them.
CREATE ROLE refresh_mv_sec_attacker;
CREATE ROLE refresh_mv_sec_victim;
CREATE ROLE refresh_mv_sec_monitor IN ROLE pg_monitor;
CREATE ROLE refresh_mv_sec_reader;
CREATE SCHEMA att AUTHORIZATION refresh_mv_sec_attacker;
GRANT USAGE ON SCHEMA suite TO PUBLIC;
SELECT session_user AS superuser \gset
CREATE TABLE secret (id int PRIMARY KEY, secret text);
INSERT INTO secret VALUES (1, 'Rosebud');
-- What he can have called: in the queries of views and below them, and in indexes,
-- which are evaluated where rows are written, or planned.  Each place notes as whom it
-- is called, and tries to leave something behind in the session.
SET ROLE refresh_mv_sec_attacker;
GRANT USAGE ON SCHEMA att TO PUBLIC;
CREATE TABLE att.seen (place text, who name, PRIMARY KEY (place, who));
CREATE SEQUENCE att.wrong;
CREATE SEQUENCE att.escaped;
GRANT ALL ON att.seen, att.wrong, att.escaped TO PUBLIC;
CREATE FUNCTION att.note(place text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_user <> 'refresh_mv_sec_attacker' THEN
        PERFORM nextval('att.wrong');
    END IF;
    INSERT INTO att.seen VALUES (place, current_user) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        CREATE TEMP TABLE left_behind ();
        DROP TABLE pg_temp.left_behind;
        PERFORM nextval('att.escaped');
    END IF;
EXCEPTION WHEN insufficient_privilege OR feature_not_supported THEN
    INSERT INTO att.seen VALUES (place, current_user) ON CONFLICT DO NOTHING;
END $$;
-- Whatever it says, it does something.
CREATE FUNCTION att.spy(place text, n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM att.note(place); RETURN n; END $$;
CREATE FUNCTION att.spy(place text, s text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM att.note(place); RETURN s; END $$;
CREATE FUNCTION att.is_even(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM att.note('domain'); RETURN true; END $$;
CREATE DOMAIN att.checked AS text CHECK (att.is_even(value));
CREATE TYPE att.mood AS ENUM ('sad', 'happy');
CREATE FUNCTION att.number_of(att.mood) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM att.note('cast'); RETURN CASE WHEN $1::text = 'sad' THEN 0 ELSE 1 END; END $$;
CREATE CAST (att.mood AS int) WITH FUNCTION att.number_of(att.mood) AS IMPLICIT;
CREATE FUNCTION att.plus(att.mood, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM att.note('operator'); RETURN $2; END $$;
CREATE OPERATOR att.+ (FUNCTION = att.plus, LEFTARG = att.mood, RIGHTARG = int);
CREATE FUNCTION att.step(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM att.note('aggregate'); RETURN $1 + $2; END $$;
CREATE AGGREGATE att.total(int) (SFUNC = att.step, STYPE = int, INITCOND = 0);
CREATE FUNCTION att.distance(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF current_user <> 'refresh_mv_sec_attacker' THEN PERFORM nextval('att.wrong'); END IF; RETURN $2 - $1; END $$;
CREATE TYPE att.span AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = att.distance);
CREATE TABLE att.t (id int PRIMARY KEY, day date, g text, n int, mood att.mood, checked att.checked, span att.span);
GRANT SELECT, INSERT, UPDATE, DELETE ON att.t TO refresh_mv_sec_victim;
INSERT INTO att.t SELECT i, current_date - i % 5, 'g' || i % 3, i, 'sad', 'x', att.span(i, i + 2) FROM generate_series(1, 400) i;
CREATE VIEW att.below AS SELECT id, day, att.spy('ordinary view', g) AS g, n, mood, checked, span FROM att.t;
CREATE MATERIALIZED VIEW att.delta AS SELECT att.spy('key', g) AS g, sum(att.spy('argument', n)) AS n, count(*) FILTER (WHERE att.spy('filter', n) > 5) AS many, max(g) AS g2, (1 + min(n))::text::att.checked AS c
    FROM att.below WHERE mood OPERATOR(att.+) 1 = 1 AND att.spy('where', n) > 0 GROUP BY 1 HAVING att.spy('having', max(n)) > 0;
CREATE MATERIALIZED VIEW att.moods AS SELECT mood, checked, count(*) AS n, count(DISTINCT n % 3) AS ns, min(n), max(checked) FROM att.t GROUP BY mood, checked;
CREATE MATERIALIZED VIEW att.keys AS SELECT id, g, n, span, mood::int + n AS cast, g::att.checked AS c FROM att.below;
CREATE MATERIALIZED VIEW att.aggregated AS SELECT g, att.total(n) AS total FROM att.t GROUP BY g;
CREATE MATERIALIZED VIEW att.dated AS SELECT day, count(*), max(att.spy('argument', n)) AS n FROM att.t WHERE att.spy('where', n) > 0 GROUP BY day;
CREATE INDEX ON att.delta (att.spy('index', g)) WHERE att.spy('predicate', g) > '';
CREATE INDEX ON att.keys USING gist (span);
CREATE INDEX ON att.keys (att.spy('index', n)) WHERE att.spy('predicate', n) > 0;
-- An autovacuum would call these functions too, now and then.
ALTER MATERIALIZED VIEW att.delta SET (autovacuum_enabled = off);
ALTER MATERIALIZED VIEW att.keys SET (autovacuum_enabled = off);
CREATE INDEX ON att.dated ((n + att.spy('constant in an index', 1))) WHERE att.spy('constant in a predicate', 1) > 0;
GRANT SELECT ON ALL TABLES IN SCHEMA att TO PUBLIC;
-- What has been called since the last time, and by whom.
CREATE FUNCTION att.calls(OUT places text, OUT roles text, OUT wrong boolean, OUT escaped boolean) LANGUAGE plpgsql AS $$
BEGIN
    SELECT string_agg(DISTINCT place, ', ' ORDER BY place), string_agg(DISTINCT who, ', ' ORDER BY who) FROM att.seen INTO places, roles;
    wrong := (SELECT is_called FROM att.wrong);
    escaped := (SELECT is_called FROM att.escaped);
    DELETE FROM att.seen;
    PERFORM setval('att.wrong', 1, false), setval('att.escaped', 1, false);
END $$;
RESET ROLE;
-- What he writes is his own business, and the spies see when they are called as
-- somebody else, who is not in a refresh.
SELECT * FROM att.calls();
SELECT att.spy('somebody''s own call', 1);
SELECT * FROM att.calls();

SET client_min_messages = error;
SELECT refresh_mv.track(v) FROM unnest('{att.delta,att.moods,att.keys,att.aggregated}'::regclass[]) v;
SELECT * FROM att.calls();
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM att.calls();
SELECT view, method FROM refresh_mv.history ORDER BY view COLLATE "C";
-- The exact methods evaluate parts of the query over what the log and the extension's
-- own tables hold.
SET ROLE refresh_mv_sec_attacker;
INSERT INTO att.t SELECT i, current_date, 'g' || i % 3, i, 'sad', 'y', att.span(i, i + 2) FROM generate_series(401, 500) i;
UPDATE att.t SET n = n + 1, mood = 'happy', g = 'g4' WHERE id % 50 = 0;
DELETE FROM att.t WHERE id % 40 = 1;
SELECT * FROM att.calls();
RESET ROLE;
SELECT success FROM refresh_materialized_views_smart('{att.delta,att.moods}');
SELECT * FROM att.calls();
SELECT success FROM refresh_materialized_views_smart('{att.keys}');
SELECT * FROM att.calls();
SELECT success FROM refresh_materialized_views_smart('{att.aggregated}');
SELECT * FROM att.calls();
SELECT success FROM refresh_materialized_views_smart('{att.dated}');
SELECT * FROM att.calls();
SELECT view, method, reason FROM refresh_mv.history WHERE run > (SELECT min(run) FROM refresh_mv.history) ORDER BY run, view COLLATE "C";
SELECT v, check_view(v) FROM unnest('{att.delta,att.moods,att.keys,att.aggregated}'::regclass[]) v;
SELECT * FROM att.calls();
-- The other ways to refresh; the superuser's own condition calls one of his functions.
SELECT success FROM refresh_materialized_views();
SELECT * FROM att.calls();
SELECT success FROM refresh_materialized_views(true, 3, '{att.dated}');
SELECT * FROM att.calls();
SELECT * FROM refresh_mv.refresh_where('att.aggregated', $$att.spy('condition', g) <> 'g1'$$);
SELECT * FROM att.calls();
CALL refresh_mv.run('full', views => '{att.delta,att.keys}');
SELECT * FROM att.calls();
UPDATE att.t SET n = n + 1000;
SELECT * FROM att.calls();
CALL refresh_mv.run('full', views => '{att.keys}');
SELECT * FROM att.calls();
REFRESH MATERIALIZED VIEW att.keys WITH NO DATA;
SELECT success FROM refresh_materialized_views(views => '{att.keys}');
SELECT * FROM att.calls();
SELECT view, method FROM refresh_mv.history ORDER BY run DESC LIMIT 2;
-- Who only looks does not call anything as himself either.
SELECT count(data_through) FROM refresh_mv.status;
SELECT count(last_data_date) FROM refresh_mv.freshness;
SELECT refresh_mv.data_through('att.dated') IS NOT NULL AS dated, (SELECT total_bytes FROM refresh_mv.status WHERE schema = 'att' AND name = 'dated') > 0 AS sized, refresh_mv.graph() <> '' AS graph;
SELECT count(*) FROM refresh_mv.dependencies;
SELECT count(*) FROM refresh_mv.changes('att.delta', 'att.t');
SELECT * FROM att.calls();
SELECT count(*) > 0 AS explained FROM unnest('{att.delta,att.keys,att.dated}'::regclass[]) v, refresh_mv.explain(v, true);
SELECT count(*) > 0 AS advised FROM refresh_mv.advise();
SELECT * FROM att.calls();
SELECT v.verdict FROM unnest('{att.delta,att.keys,att.moods}'::regclass[]) view, refresh_mv.verify(view) v;
SELECT * FROM att.calls();
SELECT refresh_mv.configure('att.dated', date_column => 'day', window_days => 1, keep_before => '10 years');
SELECT success FROM refresh_materialized_views_smart('{att.dated}');
SELECT refresh_mv.configure('att.dated', date_column => NULL, window_days => NULL, keep_before => NULL);
SELECT * FROM att.calls();

-- At the commit of somebody else the views are refreshed as their owner, too.
SELECT refresh_mv.track('att.delta', on_commit => true), refresh_mv.track('att.keys', on_commit => true);
SELECT success FROM refresh_materialized_views_smart();
SELECT FROM att.calls();
UPDATE att.t SET n = n + 1 WHERE id = 2;
SELECT * FROM att.calls();
SET ROLE refresh_mv_sec_victim;
UPDATE att.t SET n = n + 1 WHERE id = 2;
RESET ROLE;
SELECT * FROM att.calls();
SELECT view, method, role, success, message FROM refresh_mv.history WHERE source = 'on commit' ORDER BY started;

-- What a function may do then, besides: whatever its owner may, but not leave the
-- owner's role, nor leave anything for the session to do later.
SET ROLE refresh_mv_sec_attacker;
CREATE TABLE att.todo (no int PRIMARY KEY, statement text);
CREATE TABLE att.done (context text, no int, result text);
CREATE TABLE att.later (n int);
CREATE FUNCTION att.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('att.escaped'); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON att.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION att.fire();
CREATE TABLE att.own (id int PRIMARY KEY, g int);
INSERT INTO att.own VALUES (1, 1);
CREATE FUNCTION att.attack() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_in text := current_setting('suite.context', true);
    attempt record;
BEGIN
    IF now_in <> '' AND NOT EXISTS (SELECT FROM att.done WHERE context = now_in) THEN
        INSERT INTO att.done VALUES (now_in, 0, '');
        FOR attempt IN SELECT * FROM att.todo ORDER BY no LOOP
            BEGIN
                EXECUTE attempt.statement;
                INSERT INTO att.done VALUES (now_in, attempt.no, 'done');
            EXCEPTION WHEN OTHERS THEN
                INSERT INTO att.done VALUES (now_in, attempt.no, SQLSTATE);
            END;
        END LOOP;
    END IF;
END $$;
CREATE FUNCTION att.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM att.attack(); RETURN $1; END $$;
INSERT INTO att.todo (statement, no) SELECT * FROM unnest(ARRAY[
    'INSERT INTO att.later VALUES (1)', 'NOTIFY att',
    'SET ROLE postgres', 'SET ROLE NONE', 'RESET ROLE', $$SELECT set_config('role', 'none', true)$$, 'SET SESSION AUTHORIZATION DEFAULT', 'SET session_replication_role = replica',
    'CREATE TEMP TABLE mine ()', 'CREATE TEMP VIEW mine AS SELECT 1', 'LISTEN att', 'UNLISTEN *',
    'PREPARE mine AS SELECT 1', 'DEALLOCATE ALL', 'DECLARE mine CURSOR WITH HOLD FOR SELECT 1', 'DISCARD ALL', 'COMMIT', 'ALTER ROLE refresh_mv_sec_attacker SUPERUSER',
    'SELECT * FROM suite.secret', 'DELETE FROM refresh_mv.log', 'UPDATE refresh_mv.state SET groups = NULL', $$INSERT INTO refresh_mv.settings (view_schema, view_name) VALUES ('att', 'delta')$$,
    $$SELECT refresh_mv_internal.log_everything('att.t'::regclass, '')$$, $$SELECT refresh_mv_internal.drop_groups('att.delta'::regclass)$$, 'ALTER EXTENSION refresh_mv UPDATE',
    $$SELECT public.refresh_materialized_views_smart('{att.dated}')$$, $$SELECT public.refresh_materialized_views(views => '{att.dated}')$$, 'CALL refresh_mv.run()',
    $$SELECT refresh_mv.refresh_where('att.dated', 'day IS NULL')$$, $$SELECT refresh_mv.configure('att.dated')$$, $$SELECT refresh_mv.track('att.dated')$$, $$SELECT refresh_mv.untrack('att.delta')$$,
    $$SELECT refresh_mv.verify('att.dated')$$, $$SELECT refresh_mv.verify('att.dated', true)$$, 'CALL refresh_mv.verify_all()', $$SELECT refresh_mv.explain('att.dated')$$,
    $$SELECT refresh_mv.remedies('att.dated')$$,
    $$SELECT 1 / (query = '<insufficient privilege>')::int FROM pg_stat_activity WHERE pid = pg_backend_pid()$$,
    'SET search_path = att', 'SET refresh_mv.skip_refresh = on', 'SET statement_timeout = 1', 'SET row_security = off', $$SELECT set_config('refresh_mv.exact_cost_limit', '0', false)$$]) WITH ORDINALITY a (statement, no);
CREATE MATERIALIZED VIEW att.trap AS SELECT g, sum(att.trap(id)) FROM att.own GROUP BY g;
CREATE MATERIALIZED VIEW att.trap_of_keys AS SELECT id, att.trap(g) FROM att.own;
CREATE MATERIALIZED VIEW att.trap_in_plan AS SELECT id FROM att.own WHERE att.trap(1) = 1;
RESET ROLE;
SELECT refresh_mv.track('att.trap'), refresh_mv.track('att.trap_of_keys');
SET suite.context = 'full';
SELECT success FROM refresh_materialized_views_smart('{att.trap,att.trap_of_keys}');
INSERT INTO att.own VALUES (2, 2);
SET suite.context = 'delta';
SELECT success FROM refresh_materialized_views_smart('{att.trap}');
SET suite.context = 'keys';
SELECT success FROM refresh_materialized_views_smart('{att.trap_of_keys}');
SET suite.context = 'where';
SELECT * FROM refresh_mv.refresh_where('att.trap', 'g = 2');
SET suite.context = 'verify';
SELECT verdict FROM refresh_mv.verify('att.trap');
SET suite.context = 'explain';
SELECT count(*) FROM refresh_mv.explain('att.trap_in_plan');
SET suite.context = '';
SELECT refresh_mv.track('att.trap', on_commit => true);
SELECT success FROM refresh_materialized_views_smart('{att.trap}');
SET suite.context = 'commit';
INSERT INTO att.own VALUES (3, 3);
SET suite.context = '';
SELECT statement, context, result, array_position('{full,delta,keys,where,verify,explain,commit}', context) AS place FROM att.done JOIN att.todo USING (no) ORDER BY no, place \crosstabview statement context result place
SELECT is_called AS fired FROM att.escaped;
SELECT view, method, success, message FROM refresh_mv.history WHERE view LIKE 'att.trap%' ORDER BY started;
-- The session is what it was.
SELECT current_user = session_user AS same_role, current_setting('search_path') AS path, current_setting('refresh_mv.skip_refresh') AS skip, current_setting('statement_timeout') AS timeout, current_setting('row_security') AS row_security, current_setting('refresh_mv.exact_cost_limit') AS cost_limit,
    (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors, (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine') AS prepared, (SELECT count(*) FROM pg_listening_channels()) AS channels;
-- A function that cancels stops its own view, not those of others.
SET ROLE refresh_mv_sec_attacker;
CREATE FUNCTION att.cancel() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_setting('suite.cancel', true) = 'on' THEN RAISE SQLSTATE '57014' USING MESSAGE = 'cancelled by a function'; END IF; RETURN 1; END $$;
CREATE MATERIALIZED VIEW att.aaa AS SELECT att.cancel();
RESET ROLE;
CREATE MATERIALIZED VIEW zzz AS SELECT 1;
SET suite.cancel = on;
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{att.aaa,zzz}');
CALL refresh_mv.run('full', views => '{att.aaa,zzz}');
SELECT count(*) > 0 AS advised FROM refresh_mv.advise();
DROP MATERIALIZED VIEW att.trap, att.trap_of_keys, att.trap_in_plan, att.delta, att.moods, att.keys, att.aggregated, att.dated;
CALL refresh_mv.verify_all();
RESET suite.cancel;
DROP MATERIALIZED VIEW zzz, att.aaa;

-- A superuser's view of the attacker's table: what the extension adds to the query calls
-- nothing of what comes with the types of columns.
CREATE MATERIALIZED VIEW groups AS SELECT g, sum(n) AS n, count(*) FROM att.t GROUP BY g;
CREATE MATERIALIZED VIEW outer_join AS SELECT a.id, a.n, b.g FROM att.t a LEFT JOIN (SELECT id, g FROM att.t) b ON b.id = a.n;
CREATE MATERIALIZED VIEW by_type AS SELECT checked, span, max(n), count(DISTINCT checked) FROM att.t GROUP BY checked, span;
CREATE MATERIALIZED VIEW by_type_keys AS SELECT checked, span, array_agg(n ORDER BY n, id) FROM att.t GROUP BY checked, span;
CREATE MATERIALIZED VIEW of_matview AS SELECT count(*), g FROM groups GROUP BY g;
SET ROLE refresh_mv_sec_attacker;
ALTER DOMAIN att.checked SET NOT NULL;
RESET ROLE;
SELECT refresh_mv.track(v) FROM unnest('{groups,outer_join,by_type,by_type_keys,of_matview}'::regclass[]) v;
SELECT success FROM refresh_materialized_views_smart('{groups,outer_join,by_type,by_type_keys,of_matview}');
SET ROLE refresh_mv_sec_attacker;
INSERT INTO att.t VALUES (1001, NULL, 'g7', 3, 'sad', 'z', att.span(1, 2)), (1002, NULL, 'g0', 1001, 'sad', 'z', att.span(1, 2));
UPDATE att.t SET n = n + 1, checked = 'w' WHERE id % 100 = 3;
DELETE FROM att.t WHERE id % 90 = 4;
SELECT FROM att.calls();
RESET ROLE;
SELECT success FROM refresh_materialized_views_smart('{groups,outer_join,by_type,by_type_keys,of_matview}');
SELECT v.verdict, v.remark FROM unnest('{groups,outer_join,by_type,by_type_keys,of_matview}'::regclass[]) view, refresh_mv.verify(view) v;
SELECT count(*) > 0 AS explained FROM unnest('{groups,outer_join,by_type,by_type_keys,of_matview}'::regclass[]) v, refresh_mv.explain(v, true);
SELECT * FROM att.calls();
SELECT view, method, reason FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view COLLATE "C";
-- Nor does the log, when somebody else writes, but for the checks of what is written.
SET ROLE refresh_mv_sec_victim;
UPDATE att.t SET n = n + 1 WHERE id < 10;
DELETE FROM att.t WHERE id = 5;
RESET ROLE;
SELECT * FROM att.calls();
SELECT count(*) FROM refresh_mv.changes('by_type', 'att.t');
SELECT * FROM att.calls();
DROP MATERIALIZED VIEW groups, outer_join, by_type, by_type_keys CASCADE;

-- Advice is text that somebody runs, perhaps all of it: names are quoted, and none ends
-- a comment.  Somebody's schema "cron" is not that of pg_cron.
SET client_min_messages = warning;
GRANT CREATE ON DATABASE :"DBNAME" TO refresh_mv_sec_attacker;
SET ROLE refresh_mv_sec_attacker;
CREATE SCHEMA cron;
CREATE VIEW cron.job AS SELECT att.spy('cron.job', '') AS schedule, 'refresh_mv smart' AS jobname, true AS active, att.spy('cron.job', current_user) AS username, current_database() AS database;
CREATE TABLE att."n
; DROP TABLE suite.secret; --" (id int, n int) PARTITION BY RANGE (id);
CREATE FUNCTION att."f
; DROP TABLE suite.secret; --'$$"() RETURNS int STABLE LANGUAGE sql RETURN 1;
CREATE FUNCTION att."v
; DROP TABLE suite.secret; --"() RETURNS int LANGUAGE sql RETURN 1;
CREATE MATERIALIZED VIEW att."of n
; DROP TABLE suite.secret; --" AS SELECT id FROM att."n
; DROP TABLE suite.secret; --";
CREATE MATERIALIZED VIEW att.of_f AS SELECT id, att."f
; DROP TABLE suite.secret; --'$$"() FROM att.own;
CREATE MATERIALIZED VIEW att.of_v AS SELECT id, att."v
; DROP TABLE suite.secret; --"() FROM att.own;
CREATE TABLE att."u
; DROP TABLE suite.secret; --" (id int, "i
; DROP TABLE suite.secret; --" int);
INSERT INTO att."u
; DROP TABLE suite.secret; --" SELECT g, g FROM generate_series(1, 20000) g;
CREATE MATERIALIZED VIEW att.of_u AS SELECT u.*, o.g FROM att."u
; DROP TABLE suite.secret; --" u JOIN att.own o ON o.id = "i
; DROP TABLE suite.secret; --";
RESET ROLE;
SELECT FROM att.calls();
SET client_min_messages = error;
\set ECHO none
SELECT statement FROM refresh_mv.advise() \gexec
SELECT refresh_mv.explain(oid, true) FROM pg_class WHERE relkind = 'm' \g /dev/null
SELECT r.advice FROM pg_class c, refresh_mv.explain(c.oid) r WHERE c.relkind = 'm' AND r.advice <> '' ORDER BY c.oid \gexec
\set ECHO all
SELECT * FROM att.calls();
SELECT count(*) AS secrets FROM secret;
DROP SCHEMA cron CASCADE;
DROP TABLE att."n
; DROP TABLE suite.secret; --", att."u
; DROP TABLE suite.secret; --" CASCADE;
DROP MATERIALIZED VIEW att.of_f, att.of_v;

-- Row-level security: a view shows what its owner sees, and is refreshed in full; it
-- cannot be tracked, for its result would depend on policies.
CREATE TABLE rls (id int PRIMARY KEY, who name, n int);
INSERT INTO rls VALUES (1, 'refresh_mv_sec_attacker', 1), (2, 'refresh_mv_sec_victim', 2), (3, :'superuser', 3);
GRANT SELECT, TRIGGER ON rls TO refresh_mv_sec_attacker;
ALTER TABLE rls OWNER TO refresh_mv_sec_victim;
GRANT CREATE ON SCHEMA suite TO refresh_mv_sec_attacker, refresh_mv_sec_victim;
SET ROLE refresh_mv_sec_attacker;
CREATE MATERIALIZED VIEW rls_groups AS SELECT who, sum(n) AS n FROM rls GROUP BY who;
CREATE MATERIALIZED VIEW rls_rows AS SELECT * FROM rls;
SELECT refresh_mv.track('rls_groups'), refresh_mv.track('rls_rows');
SELECT success FROM refresh_materialized_views_smart();
RESET ROLE;
CREATE FUNCTION seen(OUT view text, OUT rows text, OUT method text, OUT reason text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    view := 'rls_groups';
    SELECT string_agg(who || ' ' || n, ', ' ORDER BY who) FROM suite.rls_groups INTO rows;
    SELECT h.method, h.reason FROM refresh_mv.history h WHERE h.view = 'suite.rls_groups' ORDER BY h.started DESC LIMIT 1 INTO method, reason;
    RETURN NEXT;
    view := 'rls_rows';
    SELECT string_agg(id || ' ' || n, ', ' ORDER BY id) FROM suite.rls_rows INTO rows;
    SELECT h.method, h.reason FROM refresh_mv.history h WHERE h.view = 'suite.rls_rows' ORDER BY h.started DESC LIMIT 1 INTO method, reason;
    RETURN NEXT;
END $$;
SELECT * FROM seen();
SET ROLE refresh_mv_sec_victim;
UPDATE rls SET n = n + 10;
-- Nothing of what was logged is shown to who may not see the rows any more.
ALTER TABLE rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON rls USING (who = current_user);
SET ROLE refresh_mv_sec_attacker;
SELECT * FROM refresh_mv.changes('rls_rows', 'rls');
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM refresh_mv.changes('rls_rows', 'rls');
RESET ROLE;
SELECT * FROM seen();
UPDATE rls SET n = n + 100;
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM seen();
SELECT name, tracked, pending_changes, stale, unknown_reason FROM refresh_mv.status WHERE name LIKE 'rls%' ORDER BY name;
SET ROLE refresh_mv_sec_attacker;
SELECT * FROM refresh_mv.track() ORDER BY view_name::text;
SELECT missing_sample, extra_sample FROM refresh_mv.verify('rls_rows');
RESET ROLE;
SELECT * FROM refresh_mv.track() ORDER BY view_name::text;
-- The table's owner is above his policies, unless they are forced on him.
SET ROLE refresh_mv_sec_victim;
CREATE MATERIALIZED VIEW rls_own AS SELECT id, n FROM rls;
UPDATE rls SET n = n + 1000;
SELECT success FROM refresh_materialized_views_smart();
SELECT string_agg(id || ' ' || n, ', ' ORDER BY id) FROM rls_own;
ALTER TABLE rls FORCE ROW LEVEL SECURITY;
RESET ROLE;
SELECT success, views_refreshed FROM refresh_materialized_views();
SELECT string_agg(id || ' ' || n, ', ' ORDER BY id) FROM rls_own;
SELECT * FROM seen();
SELECT refresh_mv.track('rls_own');
-- Without them everything is as before.
ALTER TABLE rls NO FORCE ROW LEVEL SECURITY;
ALTER TABLE rls DISABLE ROW LEVEL SECURITY;
SELECT success FROM refresh_materialized_views_smart();
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM seen();
UPDATE rls SET n = n + 1 WHERE id = 1;
SELECT success FROM refresh_materialized_views_smart();
SELECT * FROM seen();
DROP TABLE rls CASCADE;

-- Errors quote data: their texts are for the view's owner.  Neither a writer whose commit
-- refreshes the view is told, nor a reader of the view, nor who watches over the server.
CREATE TABLE written (id int PRIMARY KEY, g int);
GRANT SELECT, INSERT, DELETE ON written TO refresh_mv_sec_victim;
CREATE SEQUENCE failures;
CREATE FUNCTION fail(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    -- an error that is met only once, as one on old rows, or of a disk that is full
    IF current_setting('suite.fail', true) = 'once' AND nextval('suite.failures') = 1 OR current_setting('suite.fail', true) = 'on' THEN
        RETURN $1::int;
    END IF;
    RETURN $1;
END $$;
SET suite.fail = 'off';
CREATE MATERIALIZED VIEW leaks AS SELECT g, max(fail(secret)) AS secret FROM written, secret GROUP BY g;
CREATE MATERIALIZED VIEW leaks_key AS SELECT secret FROM written, secret;
CREATE UNIQUE INDEX ON leaks_key (secret);
GRANT SELECT ON leaks, leaks_key TO refresh_mv_sec_reader;
SELECT refresh_mv.track(v, on_commit => true) FROM unnest('{leaks,leaks_key}'::regclass[]) v;
SELECT success FROM refresh_materialized_views_smart('{leaks,leaks_key}');
SELECT success FROM refresh_materialized_views_smart('{leaks,leaks_key}');
SET client_min_messages = warning;
SET ROLE refresh_mv_sec_victim;
INSERT INTO written VALUES (1, 1);
INSERT INTO written VALUES (2, 2);
SET suite.fail = 'on';
INSERT INTO written VALUES (3, 3);
SET suite.fail = 'off';
DELETE FROM written WHERE id = 2;
SET suite.fail = 'once';
INSERT INTO written VALUES (4, 4);
SET suite.fail = 'off';
RESET ROLE;
-- The owner himself is told.
SET suite.fail = 'on';
INSERT INTO written VALUES (5, 5);
SELECT success, message FROM refresh_materialized_views_smart('{leaks,leaks_key}');
SET suite.fail = 'off';
CREATE FUNCTION as_role(role text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE refresh_mv_sec_%I', role);
    RETURN QUERY EXECUTE query;
    RESET ROLE;
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT SQLSTATE;
END $$;
SELECT view, method, success, sqlstate, reason ~ 'Rosebud' AS in_reason, message ~ 'Rosebud' AS in_message, source FROM refresh_mv.history WHERE view LIKE 'suite.leak%' ORDER BY started, view COLLATE "C";
SELECT role, result AS leaked FROM unnest('{victim,attacker,reader,monitor}'::text[]) role, unnest(ARRAY['SELECT h::text FROM refresh_mv.history h', 'SELECT s::text FROM refresh_mv.status s', 'SELECT f::text FROM refresh_mv.freshness f',
    'SELECT refresh_mv.graph()', 'SELECT d::text FROM refresh_mv.dependencies d', 'SELECT e::text FROM refresh_mv.explain(''leaks'', true) e', 'SELECT e::text FROM refresh_mv.explain(''leaks_key'', true) e',
    'SELECT a::text FROM refresh_mv.advise() a']) query, as_role(role, query) result WHERE result ~ 'Rosebud';
-- What may be seen without a right on the view is that it is there; of its tables'
-- changes, nothing.
SELECT role, result FROM unnest('{victim,reader,monitor}'::text[]) role, unnest(ARRAY['history', 'status WHERE tracked', 'explain(''leaks'')', 'changes(''leaks'', ''written'')', 'verify(''leaks'')']) what,
    as_role(role, format('SELECT %L || '': '' || count(*) FROM refresh_mv.%s', what, what)) result;

DROP SCHEMA suite CASCADE;
DROP SCHEMA att CASCADE;
REVOKE ALL ON DATABASE :"DBNAME" FROM refresh_mv_sec_attacker;
DROP ROLE refresh_mv_sec_attacker, refresh_mv_sec_victim, refresh_mv_sec_monitor, refresh_mv_sec_reader;
