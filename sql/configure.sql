CALL helpers.begin_suite();
-- refresh_mv.configure(): the settings of a view, and what they do.
SET IntervalStyle = 'postgres';
CREATE TABLE source (day date, other date, n int);
INSERT INTO source SELECT current_date - g, current_date - 2 * g, g FROM generate_series(0, 30) g;
CREATE MATERIALIZED VIEW v AS SELECT day, other, sum(n) FROM source GROUP BY day, other;
CREATE MATERIALIZED VIEW other AS SELECT n FROM source;
CREATE MATERIALIZED VIEW dateless AS SELECT count(*) FROM source;
CREATE VIEW setting AS SELECT view_name AS name, date_column, window_days, keep_before, enabled, statement_timeout, lock_timeout, work_mem
FROM refresh_mv.settings WHERE view_schema = 'suite';

-- One by one; what is not named stays as it is.
SELECT refresh_mv.configure('v', date_column => 'other');
SELECT refresh_mv.configure('v', window_days => 7);
SELECT refresh_mv.configure('v', keep_before => '1 year 2 days');
SELECT refresh_mv.configure('v', enabled => false);
SELECT refresh_mv.configure('v', statement_timeout => '5min');
SELECT refresh_mv.configure('v', lock_timeout => '1500');
SELECT refresh_mv.configure('v', work_mem => '2MB');
TABLE setting;
-- Nothing named, or all that means "not named": nothing changes.
SELECT refresh_mv.configure('v');
SELECT refresh_mv.configure('v', '', -1, '-1 days', NULL, '', '', '');
TABLE setting;
-- Several at once; those of another view are another's.
SELECT refresh_mv.configure('v', 'day', 0, '0', true, '1.5s', '2h', '64kB');
SELECT refresh_mv.configure('dateless', window_days => 36500, work_mem => '1GB');
SELECT * FROM setting ORDER BY name;
-- NULL resets, one by one; a view without settings has no row.
SELECT refresh_mv.configure('v', date_column => NULL);
SELECT refresh_mv.configure('v', window_days => NULL, lock_timeout => NULL);
SELECT * FROM setting ORDER BY name;
SELECT refresh_mv.configure('v', keep_before => NULL, statement_timeout => NULL, work_mem => NULL);
SELECT refresh_mv.configure('dateless', NULL, NULL, NULL, true, NULL, NULL, NULL);
SELECT count(*) FROM setting;
-- It is undone with its transaction.
BEGIN;
SELECT refresh_mv.configure('v', window_days => 3);
ROLLBACK;
SELECT count(*) FROM setting;

-- Wrong values are errors, and then none of the call's values is set.
SELECT refresh_mv.configure('v', window_days => 5, work_mem => '8MB');
\pset format unaligned
SELECT arguments, e.* FROM unnest(ARRAY[
    $$date_column => 'nonexistent'$$, $$date_column => 'sum'$$, $$date_column => 'ctid'$$, $$date_column => 'DAY'$$,
    $$window_days => -2$$, $$window_days => 36501$$, $$window_days => 2147483647$$,
    $$keep_before => 'garbage'$$, $$keep_before => '-2 days'$$, $$keep_before => '-1 months'$$, $$keep_before => '400000 years'$$,
    $$statement_timeout => 'garbage'$$, $$statement_timeout => '5 parsecs'$$, $$statement_timeout => '5MB'$$,
    $$statement_timeout => '-1'$$, $$statement_timeout => '0'$$, $$statement_timeout => ' '$$, $$statement_timeout => '99999999999'$$,
    $$statement_timeout => '5min; DROP TABLE x'$$, $$lock_timeout => '1x'$$, $$lock_timeout => '-5s'$$,
    $$work_mem => '5min'$$, $$work_mem => '63kB'$$, $$work_mem => '9999TB'$$, $$work_mem => '0'$$,
    $$work_mem => '16MB', window_days => 9, date_column => 'sum'$$, $$window_days => 9, work_mem => 'x'$$
    ]) arguments, error_of(format('SELECT refresh_mv.configure(%L, %s)', 'v', arguments)) e;
SELECT call, e.* FROM unnest(ARRAY[
    $$configure(NULL)$$, $$configure('source', window_days => 1)$$, $$configure('setting', window_days => 1)$$,
    $$configure(4294967295, window_days => 1)$$, $$configure('v', keep_before => '-1 day', window_days => -7)$$,
    $$configure('dateless', date_column => 'count')$$, $$configure('dateless', keep_before => '1 year')$$
    ]) call, error_of('SELECT refresh_mv.' || call) e;
\pset format aligned
TABLE setting;
SELECT refresh_mv.configure('v', window_days => NULL, work_mem => NULL);

-- Only the view's owner, members of the owning role and superusers may.
CREATE ROLE refresh_mv_conf_owner;
CREATE ROLE refresh_mv_conf_member IN ROLE refresh_mv_conf_owner;
CREATE ROLE refresh_mv_conf_other;
GRANT USAGE ON SCHEMA suite TO refresh_mv_conf_owner, refresh_mv_conf_other;
ALTER MATERIALIZED VIEW other OWNER TO refresh_mv_conf_owner;
GRANT SELECT ON other TO refresh_mv_conf_other;
SET ROLE refresh_mv_conf_other;
SELECT state FROM error_of($$SELECT refresh_mv.configure('suite.other', window_days => 1)$$);
SELECT state FROM error_of($$SELECT refresh_mv.configure('suite.other')$$);
SELECT state FROM error_of($$SELECT refresh_mv.configure('suite.v', enabled => false)$$);
SET ROLE refresh_mv_conf_member;
SELECT refresh_mv.configure('suite.other', window_days => 1);
SET ROLE refresh_mv_conf_owner;
SELECT refresh_mv.configure('suite.other', work_mem => '1MB');
RESET ROLE;
SELECT name, window_days, work_mem FROM setting;
SELECT refresh_mv.configure('other', window_days => NULL, work_mem => NULL);
ALTER MATERIALIZED VIEW other OWNER TO CURRENT_USER;

-- enabled => false: left out where no views are named, by every way to call,
-- not where it is named.  NULL leaves it as it is.
SELECT refresh_mv.configure('v', enabled => false);
INSERT INTO source VALUES (current_date, current_date, 1);
SELECT success, views_refreshed FROM refresh_materialized_views();
SELECT success, views_refreshed FROM refresh_materialized_views_smart();
CALL refresh_mv.run();
SELECT check_view('v') > 0 AS stale, check_view('other');
SELECT success, views_refreshed FROM refresh_materialized_views(views => '{v}');
SELECT check_view('v');
SELECT refresh_mv.configure('v', enabled => NULL, window_days => 3);
SELECT success, views_refreshed FROM refresh_materialized_views();
SELECT refresh_mv.configure('v', enabled => true);
SELECT success, views_refreshed FROM refresh_materialized_views();

-- window_days is the reach of smart, and of nothing else; 0 is one day.
UPDATE source SET n = n + 1;
SELECT refresh_type, check_view('v', 'day >= current_date - 3'), check_view('v', 'day < current_date - 3') > 0 AS stale FROM refresh_materialized_views_smart('{v}');
SELECT refresh_mv.configure('v', window_days => 10);
SELECT refresh_type, check_view('v', 'day >= current_date - 10'), check_view('v', 'day < current_date - 10') > 0 AS stale FROM refresh_materialized_views_smart('{v}');
UPDATE source SET n = n + 1;
SELECT refresh_mv.configure('v', window_days => 0);
SELECT refresh_type, check_view('v', 'day >= current_date'), check_view('v', 'day < current_date') > 0 AS stale FROM refresh_materialized_views_smart('{v}');
SELECT refresh_type, check_view('v', 'day >= current_date - 5'), check_view('v', 'day < current_date - 5') > 0 AS stale FROM refresh_materialized_views(true, 5, '{v}');
-- date_column is the one it goes by.
SELECT refresh_mv.configure('v', window_days => 4, date_column => 'other');
UPDATE source SET n = n + 1;
SELECT refresh_type, check_view('v', 'other >= current_date - 4'), check_view('v', 'other < current_date - 4') > 0 AS stale FROM refresh_materialized_views_smart('{v}');
SELECT refresh_mv.configure('v', window_days => NULL, date_column => NULL);
SELECT count(*) FROM setting;
DROP SCHEMA suite CASCADE;
DROP ROLE refresh_mv_conf_owner, refresh_mv_conf_member, refresh_mv_conf_other;
