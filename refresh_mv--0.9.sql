-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION refresh_mv" to load this file. \quit

-- Operators and functions in the objects below must not be found in a schema
-- that somebody else can write to.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA refresh_mv;
GRANT USAGE ON SCHEMA refresh_mv TO PUBLIC;

-- Settings of a view, by name, so that a dump can restore them before the
-- view exists.
CREATE TABLE refresh_mv.settings (
    view_schema text NOT NULL,
    view_name   text NOT NULL,
    date_column text,
    PRIMARY KEY (view_schema, view_name)
);
SELECT pg_catalog.pg_extension_config_dump('refresh_mv.settings', '');

-- The last merge into a view; its row is what keeps two transactions under
-- REPEATABLE READ from merging over each other.
CREATE TABLE refresh_mv.state (
    view      oid PRIMARY KEY,
    merged_at timestamptz NOT NULL
);

CREATE FUNCTION @extschema@.refresh_materialized_views_smart(
    views regclass[] DEFAULT NULL,
    OUT success boolean, OUT views_refreshed text[], OUT duration_seconds double precision,
    OUT refresh_type text, OUT message text)
AS 'MODULE_PATHNAME', 'refresh_mv_smart' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.refresh_materialized_views_smart(regclass[]) IS
    'refreshes materialized views by the cheapest sound method';

CREATE FUNCTION @extschema@.refresh_materialized_views(
    incremental boolean DEFAULT false, date_range_days integer DEFAULT 2,
    views regclass[] DEFAULT NULL,
    OUT success boolean, OUT views_refreshed text[], OUT duration_seconds double precision,
    OUT refresh_type text, OUT message text)
AS 'MODULE_PATHNAME', 'refresh_mv_refresh' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.refresh_materialized_views(boolean, integer, regclass[]) IS
    'refreshes materialized views in full, or the rows of the last days';

CREATE FUNCTION refresh_mv.configure(view regclass, date_column text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_configure' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.configure(regclass, text) IS
    'sets or resets the date column by which a view is refreshed incrementally';
