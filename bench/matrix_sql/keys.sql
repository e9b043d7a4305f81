-- Unique indexes on the views, in the first schema of search_path.
--   psql -f keys.sql

\set ON_ERROR_STOP on

CREATE UNIQUE INDEX IF NOT EXISTS scan_key ON scan (id);
CREATE UNIQUE INDEX IF NOT EXISTS filter_key ON filter (id);
CREATE UNIQUE INDEX IF NOT EXISTS aggregate_key ON aggregate (category);
CREATE UNIQUE INDEX IF NOT EXISTS joined_key ON joined (id);
CREATE UNIQUE INDEX IF NOT EXISTS joined_aggregate_key ON joined_aggregate (region);
