CALL helpers.begin_suite();
-- A view that a refresh in chunks has left half done, beside all that may happen to it: whatever it is, the next call ends it,
-- nothing of it is left, and what changes then is known.
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE TABLE source (id int PRIMARY KEY, day date, n int);
INSERT INTO source SELECT g, date '2025-01-01' + g, g % 7 + 1 FROM generate_series(0, 364) g;
CREATE FUNCTION until_stopped(day date, n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF day::text = current_setting('suite.stop_on', true) THEN
        RAISE EXCEPTION 'stopped on %', day;
    END IF;
    RETURN n * 10;
END $$;
CREATE PROCEDURE stop_on(day text) LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('suite.stop_on', day, false); END $$;
CREATE MATERIALIZED VIEW v AS SELECT id, day, until_stopped(day, n) AS x FROM source;
CREATE VIEW last_run AS SELECT view, method, success, reason FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history) ORDER BY view;
CREATE VIEW unfinished AS SELECT view::regclass, chunks, takes_changes FROM refresh_mv.unfinished;

-- Leaves v half done, with changes of all rows and then of some in what is done and in what is not.
\set half_done 'UPDATE source SET n = n % 7 + 1; CALL stop_on(\'2025-04-11\'); CALL refresh_mv.run(\'full\', views => \'{v}\', chunk => \'3 months\'); CALL stop_on(\'never\'); UPDATE source SET n = n + 10 WHERE id % 50 = 1; TABLE unfinished;'
-- Ends it, and takes a change.
\set end_it 'UPDATE source SET n = n + 10 WHERE id % 50 = 2; CALL refresh_mv.run(\'full\', views => \'{v}\', chunk => \'3 months\'); TABLE last_run; TABLE unfinished; SELECT check_view(\'v\') AS wrong; SELECT * FROM smart_after(\'v\');'
CREATE FUNCTION smart_after(view regclass, OUT method text, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE source SET n = n + 1 WHERE id IN (17, 317);
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    method := (SELECT j.method FROM refresh_mv.journal j ORDER BY id DESC LIMIT 1);
    wrong := check_view(view);
END $$;

\echo ==== not tracked
-- Another query.
:half_done
SELECT * FROM refresh_mv.replace_query('v', 'SELECT id, day, until_stopped(day, n) + 1 AS x FROM source');
TABLE unfinished;
SELECT check_view('v');
:half_done
SELECT * FROM refresh_mv.replace_query('v', 'SELECT id, day, until_stopped(day, n) AS x, n AS more FROM source');
:end_it
-- REFRESH by core, and WITH NO DATA.
:half_done
REFRESH MATERIALIZED VIEW v;
:end_it
:half_done
REFRESH MATERIALIZED VIEW v WITH NO DATA;
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
CALL refresh_mv.run('smart', views => '{v}');
TABLE unfinished;
:end_it
-- Tracked from now on.
:half_done
SELECT tracked FROM refresh_mv.track('v');
SELECT * FROM smart_after('v');
TABLE unfinished;
SELECT refresh_mv.untrack('v');
:half_done
SELECT tracked FROM refresh_mv.track('v');
:end_it

\echo ==== tracked
-- Another query.
:half_done
SELECT * FROM refresh_mv.replace_query('v', 'SELECT id, day, until_stopped(day, n) + 2 AS x, n AS more FROM source');
TABLE unfinished;
SELECT * FROM smart_after('v');
:half_done
BEGIN;
SELECT * FROM refresh_mv.replace_query('v', 'SELECT id, day, until_stopped(day, n) + 3 AS x, n AS more FROM source');
ROLLBACK;
TABLE unfinished;
:end_it
-- REFRESH, taken over and by core.
SET refresh_mv.take_over = on;
:half_done
REFRESH MATERIALIZED VIEW v;
TABLE unfinished;
SELECT * FROM smart_after('v');
SET refresh_mv.take_over = cascade;
:half_done
REFRESH MATERIALIZED VIEW v;
TABLE unfinished;
SELECT * FROM smart_after('v');
RESET refresh_mv.take_over;
:half_done
REFRESH MATERIALIZED VIEW v;
TABLE unfinished;
SELECT * FROM smart_after('v');
CREATE UNIQUE INDEX v_id ON v (id);
:half_done
REFRESH MATERIALIZED VIEW CONCURRENTLY v;
:end_it
DROP INDEX v_id;
:half_done
REFRESH MATERIALIZED VIEW v WITH NO DATA;
CALL refresh_mv.run('smart', views => '{v}');
:end_it
-- Rolled back, it goes on.
:half_done
BEGIN;
REFRESH MATERIALIZED VIEW v;
ROLLBACK;
:end_it
-- Other refreshes: of some rows, of the last days, of what verify() finds.
:half_done
SELECT rows_updated FROM refresh_mv.refresh_where('v', 'id < 20');
:end_it
:half_done
SELECT refresh_type FROM refresh_materialized_views(true, 2000, '{v}');
:end_it
:half_done
SELECT missing, extra FROM refresh_mv.verify('v', repair => true);
:end_it
-- Untracked, tracked again.
:half_done
SELECT refresh_mv.untrack('v');
:end_it
SELECT tracked FROM refresh_mv.track('v');
CALL refresh_mv.run('smart', views => '{v}');
:half_done
SELECT refresh_mv.untrack('v');
SELECT tracked FROM refresh_mv.track('v');
:end_it
-- Captured coarsely from now on, and by rows again.
:half_done
SELECT tracked FROM refresh_mv.track('v', capture => 'coarse');
UPDATE source SET n = n + 10 WHERE id % 50 = 3;
:end_it
:half_done
SELECT tracked FROM refresh_mv.track('v', capture => 'rows');
:end_it
SELECT tracked FROM refresh_mv.track('v', capture => 'coarse');
:half_done
SELECT tracked FROM refresh_mv.track('v', capture => 'rows');
:end_it
-- On commit from now on: by the next change.
:half_done
SELECT tracked FROM refresh_mv.track('v', on_commit => true);
TABLE unfinished;
UPDATE source SET n = n + 10 WHERE id = 5;
SELECT check_view('v');
TABLE unfinished;
:half_done
:end_it
SELECT tracked FROM refresh_mv.track('v', on_commit => false);
:half_done
SELECT tracked FROM refresh_mv.track('v', on_commit => true);
SELECT tracked FROM refresh_mv.track('v', on_commit => false);
:end_it
-- Another name, schema and owner.
CREATE SCHEMA half_done_other;
CREATE ROLE half_done_owner;
GRANT CREATE, USAGE ON SCHEMA suite, half_done_other TO half_done_owner;
GRANT SELECT, UPDATE ON source TO half_done_owner;
:half_done
ALTER MATERIALIZED VIEW v RENAME TO w;
ALTER MATERIALIZED VIEW w SET SCHEMA half_done_other;
TABLE unfinished;
ALTER MATERIALIZED VIEW half_done_other.w OWNER TO half_done_owner;
SET ROLE half_done_owner;
CALL refresh_mv.run('full', views => '{half_done_other.w}', chunk => '3 months');
SELECT count(*) FROM refresh_mv.unfinished;
RESET ROLE;
SELECT check_view('half_done_other.w');
SELECT * FROM smart_after('half_done_other.w');
ALTER MATERIALIZED VIEW half_done_other.w OWNER TO CURRENT_USER;
ALTER MATERIALIZED VIEW half_done_other.w SET SCHEMA suite;
ALTER MATERIALIZED VIEW w RENAME TO v;
-- A table that it reads, likewise.
:half_done
ALTER TABLE source RENAME TO other_name;
ALTER TABLE other_name RENAME n TO m;
CALL refresh_mv.run('full', views => '{v}', chunk => '3 months');
ALTER TABLE other_name RENAME m TO n;
ALTER TABLE other_name RENAME TO source;
:end_it
:half_done
ALTER TABLE source ADD added int DEFAULT 3;
:end_it
:half_done
ALTER TABLE source ALTER added TYPE bigint;
:end_it
:half_done
ALTER TABLE source DISABLE TRIGGER ALL;
UPDATE source SET n = n + 10 WHERE id % 50 = 4;
ALTER TABLE source ENABLE TRIGGER ALL;
:end_it
-- Divided otherwise: by another column, by numbers of rows, by another setting.
CREATE UNIQUE INDEX v_id ON v (id);
:half_done
UPDATE source SET n = n + 10 WHERE id % 50 = 2;
CALL refresh_mv.run('full', views => '{v}', chunk => '50 rows');
TABLE last_run;
SELECT check_view('v');
SELECT * FROM smart_after('v');
:half_done
DROP INDEX v_id;
:end_it
:half_done
SELECT refresh_mv.configure('v', keep_before => '1000 years');
:end_it
:half_done
SELECT refresh_mv.configure('v', keep_before => NULL);
:end_it
:half_done
SELECT refresh_mv.configure('v', enabled => false);
CALL refresh_mv.run('full', chunk => '3 months');
TABLE unfinished;
SELECT refresh_mv.configure('v', enabled => true);
:end_it
-- Those that look at it, and views above.
CREATE MATERIALIZED VIEW above AS SELECT date_trunc('month', day) AS month, sum(x) AS x FROM v GROUP BY 1;
SELECT tracked FROM refresh_mv.track('above');
CALL refresh_mv.run('smart', views => '{above}');
:half_done
SELECT * FROM smart_after('above');
SELECT count(*) FROM refresh_mv.live(NULL::v);
SELECT count(*) FROM refresh_mv.live(NULL::v, true);
SELECT length(refresh_mv.report()) > 100 AS reported, refresh_mv.graph() LIKE '%v%' AS drawn;
SELECT statement FROM refresh_mv.remedies('v');
SELECT missing, extra FROM refresh_mv.verify('v');
CALL refresh_mv.run('smart', views => '{above}', one_snapshot => true);
SELECT check_view('above');
:end_it
:half_done
CALL refresh_mv.run('smart', views => '{v,above}', one_snapshot => true);
TABLE last_run;
TABLE unfinished;
SELECT check_view('v'), check_view('above');
:half_done
CALL refresh_mv.run('smart', views => '{v,above}', jobs => 2);
SELECT success FROM last_run;
TABLE unfinished;
SELECT check_view('v'), check_view('above');
DROP MATERIALIZED VIEW above;
-- Gone, and made anew by the same name.
:half_done
DROP MATERIALIZED VIEW v;
SELECT count(*) FROM refresh_mv.chunks;
CREATE MATERIALIZED VIEW v AS SELECT id, day, until_stopped(day, n) AS x FROM source;
TABLE unfinished;
:end_it
:half_done
DROP EXTENSION refresh_mv CASCADE;
CREATE EXTENSION refresh_mv SCHEMA public;
SELECT count(*) FROM refresh_mv.chunks;
DROP SCHEMA half_done_other CASCADE;
DROP OWNED BY half_done_owner;
DROP ROLE half_done_owner;
