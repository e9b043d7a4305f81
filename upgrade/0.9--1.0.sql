-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION refresh_mv UPDATE" to load this file. \quit

-- Operators and functions in the objects below must not be found in a schema
-- that somebody else can write to.
SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE refresh_mv.settings
    ADD COLUMN window_days integer,
    ADD COLUMN keep_before interval,
    ADD COLUMN enabled boolean NOT NULL DEFAULT true,
    ADD COLUMN statement_timeout integer,
    ADD COLUMN lock_timeout integer,
    ADD COLUMN work_mem integer;

DROP FUNCTION @extschema@.refresh_materialized_views_smart(regclass[]);
DROP FUNCTION @extschema@.refresh_materialized_views(boolean, integer, regclass[]);
DROP FUNCTION refresh_mv.configure(regclass, text);

