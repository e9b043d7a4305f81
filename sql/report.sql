CALL helpers.begin_suite();
-- refresh_mv.report(): the page is well-formed, has what it should, and nothing in it is markup that was not meant to be.
CREATE FUNCTION found(page text, path text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT x::text FROM unnest(xpath(path, xmlparse(DOCUMENT page), '{{h,http://www.w3.org/1999/xhtml}}'::text[])) x
$$;
-- How many elements there are of each kind; nothing is beyond ASCII, whatever names say.
CREATE FUNCTION shape(page text, OUT articles bigint, OUT boxes bigint, OUT cans bigint, OUT edges bigint, OUT runs bigint, OUT scripts bigint,
                      OUT ascii boolean) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM found(page, '//h:article')), (SELECT count(*) FROM found(page, '//h:a[starts-with(@class, "node ")]')),
           (SELECT count(*) FROM found(page, '//h:path[@class="can"]')), (SELECT count(*) FROM found(page, '//h:svg/h:path[@class="edge"]')),
           (SELECT count(*) FROM found(page, '//h:svg[starts-with(@class, "runs")]/h:path[h:title]')),
           (SELECT count(*) FROM found(page, '//h:script|//h:img|//h:iframe|//*[@onload or @onerror or @onclick]')),
           page !~ '[^\x01-\x7e]'
$$;

-- Nothing: the first steps.
SELECT (shape(refresh_mv.report())).*;
SELECT found(refresh_mv.report(), '//h:h2/text()');
SELECT found(refresh_mv.report(), '//h:pre/h:code/text()');

CREATE TABLE base (id int PRIMARY KEY, d date NOT NULL, n int NOT NULL);
CREATE TABLE parted (x int) PARTITION BY LIST (x);
INSERT INTO base SELECT i, current_date - i, i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW low AS SELECT d, sum(n) AS n FROM base GROUP BY d;
CREATE MATERIALIZED VIEW high AS SELECT sum(n) AS n FROM low;
CREATE MATERIALIZED VIEW far AS SELECT (SELECT n FROM high) AS n, (SELECT count(*) FROM base) AS m, (SELECT count(*) FROM parted) AS p;
CREATE MATERIALIZED VIEW of_nothing AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW empty AS SELECT n FROM base WITH NO DATA;
-- Views, but nothing done with them: the other steps.
SELECT found(refresh_mv.report(NULL), '//h:h2/text()');
SELECT found(refresh_mv.report(NULL), '//h:ol/h:li/h:pre/h:code/text()');
-- far is four columns to the right of base: the edge passes those between.
SELECT (shape(refresh_mv.report(NULL))).*;
SELECT replace(view::text, 'suite.', '') AS view, depends_on FROM refresh_mv.dependencies ORDER BY view::text, depends_on::text;

-- ---- what is told of views
SELECT view_name, tracked FROM refresh_mv.track('low');
SELECT success FROM refresh_materialized_views(views => '{low}');
SELECT success FROM refresh_materialized_views_smart('{low}');
INSERT INTO base VALUES (21, current_date, 5);
CREATE FUNCTION article(view text, explain_for interval DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(x, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00', 'TIME', 'g'), '(under )?\m[0-9.]+ (ms|s|kB)\M', 'SIZE', 'g')
    FROM found(refresh_mv.report(explain_for), format('//h:article[h:div/h:h3/h:bdi[last()]/text()="%s"]//text()', view)) x
$$;
SELECT article('low', '1 min');
SELECT article('of_nothing');
-- What may lag no longer than it does; what is not known, and why.
SELECT refresh_mv.configure('low', max_lag => '1 microsecond');
SELECT regexp_replace(x, 'SIZE|[0-9.]+ m?s', 'N') AS text FROM found(refresh_mv.report(NULL), '//h:section[@aria-labelledby="attention"]//h:li[2]//text()') x;
SELECT refresh_mv.configure('low', max_lag => NULL);
ALTER TABLE base ADD COLUMN more int;
SELECT found(refresh_mv.report(NULL), '//h:section[@aria-labelledby="attention"]//h:li[2]//text()');
SELECT found(refresh_mv.report(NULL), '//h:ul[@aria-label="Summary"]//text()[not(contains(., "s") and contains(., " "))]') AS summary;

-- ---- failures, with their texts and what to do, for whom they are for
CREATE FUNCTION fails(x int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF x > 0 THEN RAISE EXCEPTION USING MESSAGE = '<img src="x" onerror=''alert(1)''> & "more"' || E'\u0001\u202e', ERRCODE = '22012'; END IF;
    RETURN x;
END $$;
CREATE MATERIALIZED VIEW failing AS SELECT fails(n - 1000) AS x FROM base;
UPDATE base SET n = n + 2000;
SET client_min_messages = error;
SELECT success FROM refresh_materialized_views(views => '{failing}');
SET client_min_messages = warning;
SELECT regexp_replace(x, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00', 'TIME') AS text
FROM found(refresh_mv.report(NULL), '//h:section[@aria-labelledby="attention"]//h:li[1]//text()') x;
CREATE ROLE refresh_mv_report_other;
GRANT USAGE ON SCHEMA suite, helpers TO refresh_mv_report_other;
GRANT SELECT ON failing TO refresh_mv_report_other;
SET ROLE refresh_mv_report_other;
SELECT regexp_replace(x, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00', 'TIME') AS text
FROM found(refresh_mv.report('1 min'), '//h:section[@aria-labelledby="attention"]//h:li[1]//text()') x;
SELECT refresh_mv.report('1 min') ~ 'onerror' AS text_seen;
SELECT article('low', '1 min');
SELECT view::text, count(*), bool_or(message IS NOT NULL) AS message FROM refresh_mv.last_runs GROUP BY 1;
-- Who may see no view has no first steps to take.
RESET ROLE;
REVOKE SELECT ON failing FROM refresh_mv_report_other;
SET ROLE refresh_mv_report_other;
SELECT found(refresh_mv.report(), '//h:h2/text()');
SELECT DISTINCT found(refresh_mv.report(), '//h:a/h:text[@class="sub"]/text()') AS told;
RESET ROLE;
SELECT replace(view::text, 'suite.', '') AS view, number, method, rows_written, success, sqlstate, message IS NOT NULL AS message FROM refresh_mv.last_runs ORDER BY 1, 2;

-- ---- each sqlstate has its remedy
CREATE FUNCTION cure(state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE refresh_mv.journal SET sqlstate = state WHERE NOT success;
    RETURN (SELECT string_agg(x, ' ') FROM (SELECT x FROM found(refresh_mv.report(NULL),
        '//h:section[@aria-labelledby="attention"]//h:li[1]//h:pre[1]/following-sibling::*//text()') x) t);
END $$;
SELECT state, cure(state) FROM unnest('{57014,55P03,55000,42501,23505,22P02,42P01,53100,40001,08006,XX000}'::text[]) state;

-- ---- names that would like to be markup, or to break out of it
DROP MATERIALIZED VIEW failing, far, high, low, empty, of_nothing;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '&lt;b&gt;', ''' onload=''x', ']]>', '<!-- -->',
        E'new\nline\ttab\rreturn', E'\u0001\u007f\u0085', E'\u202eover\u202c', E'\u0645\u0628\u064a\u0639\u0627\u062a', E'\u58f2\u4e0a\u96c6\u8a08',
        E'\U0001F69A', E'\uffff', '${x}', '%s%n', 'a' || repeat('b', 62)] LOOP
        EXECUTE format('CREATE MATERIALIZED VIEW %I AS SELECT id FROM base', name);
    END LOOP;
END $$;
SELECT (shape(refresh_mv.report('1 min'))).*;
-- Each name is what it was, but for characters that cannot stand in XML.
SELECT encode(convert_to(c.relname, 'UTF8'), 'hex') AS lost FROM pg_class c WHERE c.relkind = 'm' AND c.relnamespace = 'suite'::regnamespace
    AND NOT EXISTS (SELECT FROM found(refresh_mv.report(NULL), '//h:article//h:h3/h:bdi[last()]/text()') x
                    WHERE replace(replace(replace(replace(replace(x, '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&#39;', ''''), '&amp;', '&') = c.relname)
    ORDER BY 1;
-- Where it may be called, and with what.
BEGIN READ ONLY;
SELECT length(refresh_mv.report()) > 1000 AS page;
COMMIT;
SELECT (SELECT count(*) FROM found(refresh_mv.report(v), '//h:h2[@id="advice"]')) AS advice FROM unnest('{1 min,0,-1 min,NULL}'::interval[]) v;
CREATE MATERIALIZED VIEW of_a_page AS SELECT refresh_mv.report();
DROP OWNED BY refresh_mv_report_other;
DROP ROLE refresh_mv_report_other;
DROP SCHEMA suite CASCADE;
