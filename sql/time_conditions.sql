CALL helpers.begin_suite();
-- Views that go by the time in conditions on what they join: rows enter and leave as time passes.  Nothing waits here:
-- for a time to pass, all dates are moved back behind the back of the views, and so is the time of the last refresh.
\pset format unaligned
\pset footer off

CREATE TABLE views (no serial, name text PRIMARY KEY);
CREATE TABLE done (no serial, change text, view text, what text, differences bigint, verdict text);

-- Creates a tracked view of a query, and refreshes it.
CREATE FUNCTION make(view text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE MATERIALIZED VIEW %I AS %s', view, query);
    ASSERT (SELECT tracked FROM refresh_mv.track(format('%I', view)::regclass)), view;
    PERFORM refresh_materialized_views_smart(ARRAY[format('%I', view)::regclass]);
    ASSERT check_view(format('%I', view)::regclass) = 0, view;
    INSERT INTO views (name) VALUES (view);
END $$;

-- Refreshes a view, and tells by what method, or why it was full.
CREATE FUNCTION refreshed(view regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    PERFORM refresh_materialized_views_smart(ARRAY[view]);
    SELECT j.method, regexp_replace(j.reason, '^(\d+ changes? in the log|time has passed since the last refresh)(, but )?', '') AS reason
    INTO done FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
    RETURN CASE WHEN done.method = 'full' THEN concat_ws(': ', 'full', done.reason) ELSE done.method END;
END $$;

-- Lets time pass, or go back: moves all dates, as if they had been there all the time, and all baselines, which have seen that.
CREATE PROCEDURE pass(by interval) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sale SET at = at - by, local = local - by, day = (day - by)::date;
    UPDATE visit SET at = at - by;
    UPDATE epoch SET at = at - by;
    COMMIT;
    UPDATE refresh_mv.state SET as_of = as_of - by, as_of_statement = as_of_statement - by, snapshot = pg_current_snapshot()
    WHERE snapshot IS NOT NULL;
    COMMIT;
END $$;

-- Refreshes all views; notes how, how many rows differ then, and what verify() said before.
CREATE PROCEDURE refresh_all(change text) LANGUAGE plpgsql AS $$
DECLARE
    view text;
    verdict text;
BEGIN
    FOR view IN SELECT v.name FROM views v ORDER BY v.no LOOP
        verdict := (SELECT v.verdict FROM refresh_mv.verify(format('%I', view)::regclass) v);
        INSERT INTO done (change, view, what, differences, verdict)
        VALUES (change, view, refreshed(format('%I', view)::regclass), check_view(format('%I', view)::regclass), verdict);
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE change_all(VARIADIC changes text[]) LANGUAGE plpgsql AS $$
DECLARE
    change text;
BEGIN
    DELETE FROM done;
    FOREACH change IN ARRAY changes LOOP
        IF change LIKE 'pass %' THEN
            CALL pass(substring(change FROM 'pass ([^;]*)')::interval);
        END IF;
        EXECUTE regexp_replace(change, '^pass [^;]*;?', '');
        COMMIT;
        CALL refresh_all(change);
    END LOOP;
END $$;
CREATE VIEW outcome AS
SELECT d.view, string_agg(d.what, ', ' ORDER BY d.no) AS done, sum(d.differences) AS differences,
    string_agg(DISTINCT d.verdict, ', ' ORDER BY d.verdict) AS before
FROM done d JOIN views v ON v.name = d.view GROUP BY v.no, d.view ORDER BY v.no;

CREATE TABLE sale (id int PRIMARY KEY, sid int, at timestamptz, local timestamp, day date, amount numeric);
CREATE TABLE shop (sid int PRIMARY KEY, town text, keep interval);
CREATE TABLE visit (id int PRIMARY KEY, sid int, at timestamptz);
CREATE TABLE epoch (at timestamptz PRIMARY KEY);
CREATE INDEX ON sale (at);
INSERT INTO epoch VALUES (now());
INSERT INTO shop SELECT i, 't' || i % 4, make_interval(days => i) FROM generate_series(1, 10) i;
-- one an hour for fifty days, so that there are always some to enter and to leave; some never
INSERT INTO sale SELECT i, i % 10 + 1, a, a AT TIME ZONE 'UTC', (a AT TIME ZONE 'UTC')::date, i / 7::numeric
FROM generate_series(1, 1200) i, LATERAL (SELECT CASE WHEN i % 50 > 0 THEN now() + interval '10 days' - i * interval '1 hour' END) s (a);
INSERT INTO visit SELECT i, i % 12, now() - i * interval '1 hour 10 minutes' FROM generate_series(-50, 300) i;
ANALYZE sale, shop, visit, epoch;

-- ---- the shapes of dashboards
SELECT make('rolling', 'SELECT sid, sum(amount) AS total, count(*) AS n FROM sale WHERE at > now() - interval ''20 days'' GROUP BY sid');
SELECT make('last_rows', 'SELECT s.id, s.amount, s.at - e.at AS since FROM sale s, epoch e WHERE s.at >= current_timestamp - interval ''3 days'' AND s.at <= now()');
SELECT make('extremes', 'SELECT sid, min(amount), max(amount), count(DISTINCT id % 5) AS kinds FROM sale WHERE at BETWEEN now() - interval ''7 days'' AND now() GROUP BY sid');
SELECT make('total', 'SELECT count(*), sum(amount) FROM sale WHERE transaction_timestamp() - interval ''10 days'' < at');
SELECT make('by_age', 'SELECT sid, count(*) FROM sale WHERE now() - at < interval ''5 days'' AND now() >= at GROUP BY sid');
SELECT make('statement', 'SELECT sid, count(*) FROM sale WHERE at > statement_timestamp() - interval ''5 days'' GROUP BY sid');
SELECT make('of_days', 'SELECT sid, count(*) FROM sale WHERE day > current_date - 9 GROUP BY sid');
SELECT make('day_ages', 'SELECT sid, count(*) FROM sale WHERE current_date - day BETWEEN 2 AND 5 GROUP BY sid');
SELECT make('today', 'SELECT id, amount FROM sale WHERE day = current_date');
SELECT make('local_times', 'SELECT sid, count(*) FROM sale WHERE local > localtimestamp - interval ''36 hours'' GROUP BY sid');
SELECT make('zones', 'SELECT sid, count(*) FROM sale WHERE local > now() - interval ''36 hours'' AND day <= now() GROUP BY sid');
SELECT make('buckets', 'SELECT sid, count(*) FROM sale WHERE date_trunc(''day'', at) = date_trunc(''day'', now()) GROUP BY sid');
SELECT make('joined', 'SELECT p.town, sum(s.amount) FROM sale s JOIN shop p ON p.sid = s.sid AND s.at > now() - interval ''12 days'' GROUP BY p.town');
SELECT make('kept', 'SELECT p.town, s.id FROM sale s JOIN shop p ON p.sid = s.sid WHERE s.at > now() - p.keep AND s.at < now()');
SELECT make('twice', 'SELECT a.sid, count(*) FROM sale a JOIN sale b ON b.sid = a.sid AND b.id <> a.id WHERE a.at > now() - interval ''4 days'' AND b.at < now() - interval ''38 days'' GROUP BY a.sid');
SELECT make('outer_side', 'SELECT s.id, p.town FROM sale s LEFT JOIN (shop p CROSS JOIN (SELECT 1) one) ON p.sid = s.sid WHERE s.at > now() - interval ''2 days''');
SELECT make('arms', 'SELECT u.sid, count(*) AS n, sum(u.v) AS v FROM (SELECT sid, amount AS v FROM sale WHERE at > now() - interval ''6 days'' UNION ALL SELECT sid, 1 FROM visit WHERE at > now() - interval ''8 days'') u GROUP BY u.sid');
SELECT make('by_cte', 'WITH recent AS (SELECT * FROM sale WHERE at > now() - interval ''6 days'') SELECT p.town, count(*) FROM recent r JOIN shop p ON p.sid = r.sid GROUP BY p.town');
SELECT make('either', 'SELECT id FROM sale WHERE at > now() - interval ''1 day'' OR (sid = 3 AND at < now() - interval ''20 days'')');
SELECT make('never', 'SELECT id FROM sale WHERE at IS NULL OR NOT at < now() + interval ''9 days''');
SELECT make('asked', 'SELECT p.sid, p.town FROM shop p WHERE EXISTS (SELECT FROM visit v WHERE v.sid = p.sid AND v.at BETWEEN now() - interval ''3 hours'' AND now())');
SELECT make('ages', 'SELECT id FROM sale WHERE age(at) < interval ''2 days''');
CREATE VIEW lately AS SELECT sid, amount FROM sale WHERE at > now() - interval '15 days' AND amount > 3;
SELECT make('by_view', 'SELECT sid, count(*) FROM lately GROUP BY sid');

-- time alone: days, more than any window, none, and back
CALL change_all('pass 1 day', 'pass 2 days', 'pass 0', 'pass -3 days', 'pass 25 days', 'pass -26 days');
SELECT * FROM outcome;

-- rows alone
CALL change_all('INSERT INTO sale SELECT 2000 + i, i % 12, now() - i * interval ''7 hours'', localtimestamp - i * interval ''7 hours'', current_date - i / 3, i FROM generate_series(-10, 90) i',
    'DELETE FROM sale WHERE id % 7 = 0', 'UPDATE sale SET at = at - interval ''15 days'', day = day + 3, amount = amount + 1 WHERE id % 9 = 0',
    'UPDATE sale SET at = CASE WHEN at IS NULL THEN now() - interval ''1 hour'' END WHERE id % 25 = 0', 'UPDATE shop SET town = ''t9'', keep = keep * 2 WHERE sid = 4');
SELECT * FROM outcome;

-- both: what changes meanwhile, in the rows that enter and leave and in others
CALL change_all('pass 2 days; UPDATE sale SET amount = amount + 1 WHERE id % 5 = 0; INSERT INTO visit SELECT 1000 + i, i % 10, now() - i * interval ''1 hour'' FROM generate_series(1, 20) i',
    'pass -4 days; DELETE FROM sale WHERE id % 11 = 0; UPDATE shop SET town = town || ''x'' WHERE sid < 4',
    'pass 1 day; UPDATE sale SET at = at + interval ''2 days'', sid = sid % 10 + 1 WHERE id % 4 = 1; DELETE FROM visit WHERE id % 6 = 0',
    'pass 30 days; INSERT INTO sale SELECT 3000 + i, i % 12, now() - i * interval ''7 hours'', localtimestamp - i * interval ''7 hours'', current_date - i / 3, i FROM generate_series(-10, 90) i',
    'UPDATE sale SET at = at - interval ''40 days'' WHERE id % 3 = 0');
SELECT * FROM outcome;

-- ---- buckets that are not all of a length: a month, from the one before last
CREATE TABLE bill (id int PRIMARY KEY, sid int, at timestamptz);
INSERT INTO bill SELECT i, i % 4, date_trunc('month', now()) + (i % 90 - 30) * interval '1 day' FROM generate_series(1, 300) i;
CREATE MATERIALIZED VIEW month AS SELECT sid, count(*) FROM bill
WHERE at >= date_trunc('month', now()) AND at < date_trunc('month', now()) + interval '1 month' GROUP BY sid;
SELECT tracked FROM refresh_mv.track('month');
SELECT refreshed('month');
SELECT refreshed('month'), check_view('month');
CREATE PROCEDURE to_month(back interval) LANGUAGE plpgsql AS $$
DECLARE
    this timestamptz := date_trunc('month', now());
    other timestamptz := date_trunc('month', now() + back);
BEGIN
    UPDATE bill SET at = CASE WHEN at >= this AND at < this + interval '1 month' THEN other + id % 28 * interval '1 day'
                              ELSE this + id % 20 * interval '1 day' END;
    COMMIT;
    UPDATE refresh_mv.state SET as_of = other + interval '20 days', snapshot = pg_current_snapshot() WHERE view = 'month'::regclass;
END $$;
CALL to_month('-2 months');
SELECT verdict, remark FROM refresh_mv.verify('month');
SELECT refreshed('month'), check_view('month');
SELECT sum(count) > 50 AS some FROM month;
CALL to_month('1 month');
INSERT INTO bill SELECT i, i % 5, date_trunc('month', now()) + i % 50 * interval '1 day' FROM generate_series(1000, 1030) i;
DELETE FROM bill WHERE id % 6 = 1;
SELECT refreshed('month'), check_view('month');
SELECT sum(count) > 50 AS some FROM month;

-- ---- changes that are taken by parts: possible while no row of the tables as they are comes or goes by the time alone
CREATE TABLE note (id int PRIMARY KEY, sid int, at timestamptz);
INSERT INTO note VALUES (1, 1, now() - interval '20 days'), (2, 2, now() - interval '5 days'), (3, 3, now() - interval '40 days');
CREATE MATERIALIZED VIEW noted AS SELECT n.id, p.town FROM note n LEFT JOIN (shop p CROSS JOIN (SELECT 1) one) ON p.sid = n.sid WHERE n.at > now() - interval '21 days';
SELECT tracked FROM refresh_mv.track('noted');
SELECT refreshed('noted');
CREATE MATERIALIZED VIEW noted_by AS SELECT p.town, count(*) AS n, count(DISTINCT n.sid) AS sids, max(n.id) AS last FROM note n LEFT JOIN (shop p CROSS JOIN (SELECT 1) one) ON p.sid = n.sid
WHERE n.at > now() - interval '21 days' GROUP BY p.town;
SELECT tracked FROM refresh_mv.track('noted_by');
SELECT refreshed('noted_by');
UPDATE note SET at = at - interval '2 days';
UPDATE refresh_mv.state SET as_of = as_of - interval '2 days', snapshot = pg_current_snapshot() WHERE view IN ('noted'::regclass, 'noted_by'::regclass);
SELECT verdict FROM refresh_mv.verify('noted');
DELETE FROM note WHERE id = 1;
UPDATE shop SET town = 'new' WHERE sid = 2;
SELECT refreshed('noted'), check_view('noted'), refreshed('noted_by'), check_view('noted_by');
SELECT * FROM noted ORDER BY id;
INSERT INTO note VALUES (4, 4, now() - interval '20 days');
SELECT refreshed('noted'), check_view('noted'), refreshed('noted_by'), check_view('noted_by');
UPDATE note SET at = at - interval '2 days';
UPDATE refresh_mv.state SET as_of = as_of - interval '2 days', snapshot = pg_current_snapshot() WHERE view IN ('noted'::regclass, 'noted_by'::regclass);
UPDATE shop SET town = 'newer' WHERE sid = 2;
SELECT refreshed('noted'), check_view('noted'), refreshed('noted_by'), check_view('noted_by');

-- ---- a materialized view as a source, with and without rows of the same look
CREATE MATERIALIZED VIEW daily AS SELECT date_trunc('day', at) AS at, sid FROM sale WHERE at IS NOT NULL;
SELECT tracked FROM refresh_mv.track('daily');
SELECT refreshed('daily');
CREATE MATERIALIZED VIEW of_daily AS SELECT sid, count(*) FROM daily WHERE at > now() - interval '30 days' AND at < now() GROUP BY sid;
SELECT tracked FROM refresh_mv.track('of_daily');
SELECT refreshed('of_daily');
UPDATE sale SET at = at - interval '3 days' WHERE id % 3 = 0;
SELECT refreshed('daily'), refreshed('of_daily'), check_view('of_daily');

-- ---- the time zone is one of the settings
SELECT refreshed('local_times'), refreshed('zones'), refreshed('rolling');
SET TimeZone = 'Asia/Tokyo';
SELECT refreshed('local_times'), check_view('local_times'), refreshed('zones'), check_view('zones');
SET TimeZone = 'UTC';
SELECT refreshed('local_times'), check_view('local_times'), refreshed('zones'), check_view('zones');

-- ---- what is told
CREATE FUNCTION said(view regclass) RETURNS TABLE (method text, reason text) LANGUAGE sql AS $$
    SELECT e.method, e.reason FROM refresh_mv.explain(view) e WHERE e.chosen
$$;
SELECT s.name, s.tracked, s.pending_changes, s.stale, s.unknown_reason FROM refresh_mv.status s WHERE s.name IN ('rolling', 'of_days') ORDER BY s.name;
SELECT verdict, remark FROM refresh_mv.verify('rolling');
SELECT * FROM said('rolling');
CALL pass('2 days');
SELECT s.name, s.pending_changes, s.stale FROM refresh_mv.status s WHERE s.name = 'rolling';
SELECT verdict, missing, extra, remark FROM refresh_mv.verify('rolling');
SELECT * FROM said('rolling');
SELECT * FROM said('last_rows');
UPDATE sale SET amount = amount + 1 WHERE id = 5;
SELECT s.name, s.pending_changes, s.stale FROM refresh_mv.status s WHERE s.name = 'rolling';
SELECT verdict, missing, extra, remark FROM refresh_mv.verify('rolling');
SELECT * FROM said('rolling');
SELECT refreshed('rolling'), check_view('rolling');
SELECT j.method, j.reason FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
BEGIN;
SELECT refresh_type FROM refresh_materialized_views_smart('{rolling}');
SELECT s.stale, (SELECT v.remark FROM refresh_mv.verify('rolling') v) FROM refresh_mv.status s WHERE s.name = 'rolling';
SELECT refresh_type FROM refresh_materialized_views_smart('{rolling}');
SELECT j.method, j.reason FROM refresh_mv.journal j ORDER BY j.id DESC LIMIT 1;
COMMIT;
-- what is wrong is found, whatever the time
UPDATE sale SET amount = amount + 1 WHERE id = (SELECT max(id) FROM sale WHERE at BETWEEN now() - interval '15 days' AND now());
UPDATE refresh_mv.state SET snapshot = pg_current_snapshot();
SELECT verdict, missing, extra FROM refresh_mv.verify('rolling');
SELECT verdict, repaired FROM refresh_mv.verify('rolling', repair => true);
SELECT verdict FROM refresh_mv.verify('rolling');

CREATE MATERIALIZED VIEW at_days AS SELECT day, count(*) FROM sale WHERE day > current_date - 10 GROUP BY day;
SELECT tracked FROM refresh_mv.track('at_days');
SELECT refreshed('at_days');

-- ---- parts of a view as of another time, and the server's own REFRESH
CALL pass('3 days');
SELECT r.rows_inserted + r.rows_updated + r.rows_deleted > 0 AS some FROM refresh_mv.refresh_where('rolling', 'sid = 3') r;
SELECT refreshed('rolling'), check_view('rolling');
-- the same while no changes are waiting
CALL pass('5 days');
ALTER TABLE refresh_mv.log DISABLE TRIGGER guard;
DELETE FROM refresh_mv.log;
ALTER TABLE refresh_mv.log ENABLE ALWAYS TRIGGER guard;
SELECT r.rows_inserted + r.rows_updated + r.rows_deleted > 0 AS some FROM refresh_mv.refresh_where('rolling', 'sid < 8') r;
SELECT refreshed('rolling'), check_view('rolling');
REFRESH MATERIALIZED VIEW rolling;
SELECT refreshed('rolling'), check_view('rolling');
-- rows that keep_before keeps
SELECT refresh_mv.configure('at_days', date_column => 'day', keep_before => '5 days');
SELECT refreshed('at_days'), check_view('at_days', 'day >= current_date - 5');
DELETE FROM sale WHERE day BETWEEN current_date - 7 AND current_date - 2;
SELECT refreshed('at_days'), check_view('at_days', 'day >= current_date - 5');
SELECT count(*) FROM at_days WHERE day BETWEEN current_date - 7 AND current_date - 6;
SELECT refreshed('rolling'), check_view('rolling');
-- a refresh that rolls back, and one in a transaction that began earlier
CALL pass('1 day');
BEGIN;
SELECT refreshed('rolling'), check_view('rolling');
ROLLBACK;
SELECT verdict FROM refresh_mv.verify('rolling');
SELECT refreshed('rolling'), check_view('rolling');

-- ---- an index that finds what comes and goes
CREATE TABLE big (id int PRIMARY KEY, sid int, at timestamptz);
INSERT INTO big SELECT i, i % 10, now() - i * interval '10 minutes' FROM generate_series(1, 20000) i;
ANALYZE big;
CREATE MATERIALIZED VIEW of_big AS SELECT sid, count(*) FROM big WHERE now() - at < interval '30 days' GROUP BY sid;
SELECT tracked FROM refresh_mv.track('of_big');
SELECT refreshed('of_big');
SELECT statement FROM refresh_mv.remedies('of_big') WHERE statement LIKE 'CREATE INDEX%';
CREATE INDEX ON big (at);
-- what is compared may be made of the column
CREATE FUNCTION finds_by_index(condition text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    query text;
    line text;
BEGIN
    EXECUTE format('CREATE MATERIALIZED VIEW tried AS SELECT id FROM big WHERE %s', condition);
    PERFORM refresh_mv.track('tried'::text::regclass), refresh_materialized_views_smart(ARRAY['tried'::text::regclass]);
    UPDATE refresh_mv.state SET as_of = as_of - interval '1 day' WHERE view = 'tried'::text::regclass;
    query := (SELECT substring(e.details FROM '-- rows that come or go by the time alone\n([^;]*);') FROM refresh_mv.explain('tried'::text::regclass, true) e
              WHERE e.method = 'keys');
    DROP MATERIALIZED VIEW tried;
    IF query IS NULL THEN
        RETURN NULL;
    END IF;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line LIKE '%Index Cond%' THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
SELECT c.condition, finds_by_index(c.condition) FROM unnest(ARRAY['at > now() - interval ''30 days''', 'at BETWEEN now() - interval ''1 day'' AND now()',
    'now() - interval ''30 days'' < at', 'now() - at < interval ''30 days''', 'interval ''1 mon'' >= now() - at', 'at::date > current_date - 30',
    'current_date - at::date < 30', 'date_trunc(''day'', at) = date_trunc(''day'', now() - interval ''1 week'')', 'date_trunc(''hour'', at - interval ''1 week'') >= date_trunc(''day'', now() - interval ''3 weeks'')',
    'date_trunc(''day'', at AT TIME ZONE ''Europe/Paris'') > localtimestamp - interval ''9 days''', 'at + interval ''1 month'' > now()', 'at + interval ''2 days'' <= now()',
    'age(now(), at) < interval ''30 days''', 'extract(epoch FROM now() - at) < 3600', 'at > now() - interval ''30 days'' OR sid = 3', 'NOT at < now() - interval ''30 days'''])
    WITH ORDINALITY c (condition, no) ORDER BY c.no;
-- bounds leave out no row for which a condition differs, whatever clocks do: all that differ are found with them
CREATE TABLE times (id int PRIMARY KEY, at timestamptz, local timestamp);
INSERT INTO times SELECT i, now() - i * interval '67 minutes', now()::timestamp - i * interval '67 minutes' FROM generate_series(-2000, 9000) i;
ANALYZE times;
CREATE FUNCTION wrong_bounds(zone text, condition text, agos interval[], OUT checked int, OUT wrong int, OUT bounded int) LANGUAGE plpgsql AS $$
DECLARE
    ago interval;
    before timestamptz;
    query text;
    found bigint;
    differ bigint;
BEGIN
    checked := 0;
    wrong := 0;
    bounded := 0;
    PERFORM set_config('TimeZone', zone, false);
    EXECUTE format('CREATE MATERIALIZED VIEW tried AS SELECT id FROM times WHERE %s', condition);
    PERFORM refresh_mv.track('tried'::text::regclass), refresh_materialized_views_smart(ARRAY['tried'::text::regclass]);
    FOREACH ago IN ARRAY agos LOOP
        before := now() - ago;
        UPDATE refresh_mv.state SET as_of = before WHERE view = 'tried'::text::regclass;
        query := (SELECT substring(e.details FROM '-- rows that come or go by the time alone\n([^;]*);') FROM refresh_mv.explain('tried'::text::regclass, true) e
                  WHERE e.method = 'keys');
        found := 0;
        IF query LIKE '%IS TRUE%' THEN
            bounded := bounded + (query ~ '(at|local) >=')::int;
            EXECUTE 'SELECT count(*) FROM (' || replace(query, 'LIMIT 1', '') || ') q' INTO found;
        END IF;
        EXECUTE format('SELECT count(*) FROM times WHERE ((%s) IS TRUE) <> ((%s) IS TRUE)', condition,
            replace(replace(condition, 'now()', quote_literal(before) || '::timestamptz'), 'current_date', quote_literal(before::date) || '::date')) INTO differ;
        checked := checked + 1;
        wrong := wrong + (found <> differ)::int;
    END LOOP;
    DROP MATERIALIZED VIEW tried;
    PERFORM set_config('TimeZone', 'UTC', false);
END $$;
SELECT c.condition, sum(w.checked) AS checked, sum(w.wrong) AS wrong, sum(w.bounded) > 5 AS bounded
FROM unnest(ARRAY['America/New_York', 'Australia/Lord_Howe']) z(zone),
    unnest(ARRAY['at::date > current_date - 30', 'local::date = current_date - 40', 'date_trunc(''month'', at) >= date_trunc(''month'', now())',
        'date_trunc(''day'', local) = date_trunc(''day'', now()::timestamp - interval ''50 days'')', 'date_trunc(''day'', at AT TIME ZONE ''Pacific/Apia'') > now()::timestamp - interval ''9 days''',
        'at - interval ''7 months'' > now() - interval ''1 year''', '(local AT TIME ZONE ''America/New_York'')::date >= current_date - 3', 'now() - at < interval ''1 mon 2 days 3 hours'''])
        WITH ORDINALITY c(condition, no),
    wrong_bounds(z.zone, c.condition, ARRAY['1 day', '33 days', '95 days', '210 days', '-40 days']::interval[]) w
GROUP BY c.no, c.condition ORDER BY c.no;
SELECT statement FROM refresh_mv.remedies('of_big') WHERE statement LIKE 'CREATE INDEX%';
SELECT refreshed('of_big'), check_view('of_big');

-- ---- refused: where the time is anything but a condition on what is joined
CREATE FUNCTION since(interval) RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now() - $1';
CREATE FUNCTION later(timestamptz, timestamptz DEFAULT now()) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > $2';
CREATE FUNCTION refused(definition text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE MATERIALIZED VIEW tried AS ' || definition;
    BEGIN
        PERFORM * FROM refresh_mv.track('tried'::text::regclass);
    EXCEPTION WHEN feature_not_supported THEN
        GET STACKED DIAGNOSTICS detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    END;
    DROP MATERIALIZED VIEW tried;
END $$;
\x on
SELECT r.* FROM unnest(ARRAY['SELECT sid, now() - max(at) AS ago FROM sale GROUP BY sid',
    'SELECT sid, count(*) FILTER (WHERE at > now() - interval ''1 day'') FROM sale GROUP BY sid',
    'SELECT sid, count(*) FROM sale GROUP BY sid HAVING max(at) > current_timestamp - interval ''1 day''',
    'SELECT s.id, v.id AS visit FROM sale s LEFT JOIN visit v ON v.sid = s.sid AND v.at > now()',
    'SELECT p.sid, v.id FROM shop p LEFT JOIN (SELECT * FROM visit WHERE at > localtimestamp) v ON v.sid = p.sid',
    'SELECT p.sid, v.n FROM shop p JOIN (SELECT sid, count(*) AS n FROM visit WHERE at::date > current_date GROUP BY sid) v ON v.sid = p.sid',
    'SELECT at > now() AS future, count(*) FROM sale GROUP BY 1',
    'SELECT g, count(s.id) FROM generate_series(now() - interval ''3 days'', now(), interval ''1 day'') g, sale s WHERE s.at > g GROUP BY g',
    'SELECT id FROM sale WHERE at > since(interval ''1 day'')',
    'SELECT id FROM sale WHERE later(at)',
    'SELECT id FROM sale WHERE at > clock_timestamp()',
    'SELECT id FROM sale WHERE at > now() - random() * interval ''1 day''',
    'SELECT id FROM sale WHERE at > now() AND local::time < (''now''::text)::time']) WITH ORDINALITY d(definition, no), refused(definition) r ORDER BY no;
\x off
DROP SCHEMA suite CASCADE;
