CALL helpers.begin_suite();
-- Functions that are called in one statement see what those before them have done, as in
-- statements of their own.
CREATE TABLE t (id int PRIMARY KEY, day date NOT NULL, k int, n int);
INSERT INTO t SELECT g, current_date - g % 40, g % 5, g FROM generate_series(1, 200) g;
CREATE MATERIALIZED VIEW plain AS SELECT day, k, sum(n) AS n FROM t GROUP BY day, k;
CREATE MATERIALIZED VIEW fresh AS SELECT day, k, sum(n) AS n FROM t GROUP BY day, k;
CREATE MATERIALIZED VIEW stale AS SELECT k, count(*) AS n, max(day) AS day FROM t GROUP BY k;
SELECT count(*) FROM refresh_mv.track('fresh') f, refresh_mv.track('stale') s;
SELECT success FROM refresh_materialized_views_smart('{stale}');
UPDATE t SET n = n + 1, k = 9 WHERE id IN (7, 8);
SELECT success FROM refresh_materialized_views_smart('{fresh}');

CREATE TABLE actions (name text PRIMARY KEY, call text NOT NULL);
INSERT INTO actions VALUES
    ('track', $$(SELECT string_agg(r::text, ' ') FROM refresh_mv.track('%1$s') r)$$),
    ('on commit', $$(SELECT string_agg(r::text, ' ') FROM refresh_mv.track('%1$s', true) r)$$),
    ('untrack', $$refresh_mv.untrack('%1$s')$$),
    ('configure', $$refresh_mv.configure('%1$s', work_mem => '1MB', date_column => 'day', window_days => 0)$$),
    ('smart', $$(SELECT (success, refresh_type)::text FROM refresh_materialized_views_smart('{%1$s}'))$$),
    ('full', $$(SELECT (success, refresh_type)::text FROM refresh_materialized_views(views => '{%1$s}'))$$),
    ('where', $$(SELECT r::text FROM refresh_mv.refresh_where('%1$s', 'k = 9') r)$$),
    ('verify', $$(SELECT v::text FROM refresh_mv.verify('%1$s') v)$$),
    ('explain', $$(SELECT string_agg((method, possible, chosen, masked(reason))::text, ' ') FROM refresh_mv.explain('%1$s'))$$),
    ('changes', $$changes_of('%1$s')$$);
CREATE FUNCTION masked(text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace($1, '\mcosts? \d+', 'cost N', 'g') $$;
CREATE FUNCTION changes_of(view regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT string_agg(c::text, ' ' ORDER BY c::text) FROM refresh_mv.changes(view, 't') c);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;

-- What our tables and the tables of triggers say of a view, and whether it is right.
CREATE FUNCTION state_of(view regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN concat_ws(E'\n', check_view(view),
        (SELECT string_agg(s::text, ' ') FROM refresh_mv.settings s WHERE s.view_name = view::text),
        (SELECT string_agg((t.relation, t.columns, t.on_commit)::text, ' ') FROM refresh_mv.tracked t WHERE t.view = state_of.view),
        (SELECT string_agg((s.exact, s.on_commit, s.columns)::text, ' ') FROM refresh_mv.sources s WHERE s.relation = 't'::regclass),
        (SELECT string_agg((s.snapshot IS NOT NULL)::text, ' ') FROM refresh_mv.state s WHERE s.view = state_of.view),
        (SELECT string_agg(m.relation::text, ' ') FROM refresh_mv.members m
            WHERE m.member = 't'::regclass AND m.fingerprint = refresh_mv_internal.fingerprint(m.member)),
        (SELECT string_agg(g.tgname::text || g.tgenabled::text, ' ' ORDER BY g.tgname) FROM pg_trigger g WHERE g.tgrelid = 't'::regclass));
END $$;

-- Runs two calls, in one statement or not; what the second one has said, what is so
-- afterwards, and what the next refresh does.  Nothing stays.
CREATE FUNCTION in_stable(first text, second text) RETURNS text STABLE LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE format('SELECT %s', first);
    EXECUTE format('SELECT (%s)::text', second) INTO said;
    RETURN said;
END $$;
CREATE FUNCTION outcome(form text, view regclass, first text, second text) RETURNS text LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
    said text;
    state text;
    next text;
BEGIN
    BEGIN
        CASE form
        WHEN 'apart' THEN
            EXECUTE format('SELECT %s', first);
            EXECUTE format('SELECT (%s)::text', second) INTO said;
        WHEN 'list' THEN
            EXECUTE format('SELECT (r[2])::text FROM (SELECT ARRAY[(%s)::text, (%s)::text] AS r) l', first, second) INTO said;
        WHEN 'with' THEN
            EXECUTE format('WITH a AS MATERIALIZED (SELECT (%s)::text AS one), b AS MATERIALIZED (SELECT one, (%s)::text AS two FROM a)'
                ' SELECT two FROM b WHERE one IS NULL OR one <> ''no''', first, second) INTO said;
        WHEN 'stable' THEN
            said := in_stable(first, second);
        END CASE;
    EXCEPTION WHEN OTHERS THEN
        said := SQLSTATE || ' ' || SQLERRM;
    END;
    state := state_of(view);
    INSERT INTO t VALUES (1000, current_date, 9, 1);
    SELECT (r.success, r.refresh_type, check_view(view))::text INTO next FROM refresh_materialized_views_smart(ARRAY[view]) r;
    RAISE EXCEPTION USING errcode = 'QAQAQ', message = concat_ws(E'\n', said, state, next);
EXCEPTION WHEN SQLSTATE 'QAQAQ' THEN
    RETURN SQLERRM;
END $$;

CREATE TABLE outcomes AS
SELECT view, a.name AS first, b.name AS second, form, outcome(form, view, format(a.call, view), format(b.call, view))
FROM unnest('{plain,stale}'::regclass[]) view, actions a, actions b, unnest('{apart,list,with,stable}'::text[]) form
WHERE a.name NOT IN ('verify', 'explain', 'changes') AND (form <> 'with' OR view = 'plain'::regclass); -- these do nothing
SELECT form, count(*), count(*) FILTER (WHERE o.outcome = o.apart) AS same
FROM (SELECT o.*, a.outcome AS apart FROM outcomes o JOIN outcomes a USING (view, first, second) WHERE a.form = 'apart') o GROUP BY form ORDER BY form;
SELECT o.view, o.first, o.second, o.form, o.outcome, a.outcome AS apart
FROM outcomes o JOIN outcomes a USING (view, first, second) WHERE a.form = 'apart' AND o.outcome <> a.outcome
ORDER BY o.view::text, o.first, o.second, o.form LIMIT 3;
-- Of each action that can be done.
SELECT first, count(DISTINCT outcome) > 1 AS different FROM outcomes GROUP BY first ORDER BY first;
SELECT count(*) FROM outcomes WHERE outcome ~ '^(XX|42)' AND outcome !~ '^42501';

-- After a set the server evaluates what stands beside it once more; track() of one view is none.
SELECT refresh_mv.untrack('fresh'), refresh_mv.track('fresh');
SELECT tracked FROM refresh_mv.status WHERE name = 'fresh';
SELECT success, refresh_type FROM refresh_materialized_views_smart('{fresh}');
INSERT INTO t VALUES (2000, current_date, 3, 3);
SELECT success, refresh_type, check_view('fresh') FROM refresh_materialized_views_smart('{fresh}');
SELECT refresh_mv.untrack('fresh'), refresh_mv.untrack('stale');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT count(*) FROM refresh_mv.tracked;
DROP SCHEMA suite CASCADE;
