-- Add :n orders to the last day; each run adds new ones.
--   psql -v n=10000 -f ingest.sql

\set ON_ERROR_STOP on
\if :{?n} \else
    \set n 10000
\endif

SELECT max(order_id) + 1 AS first, max(order_date) AS until FROM unified_orders \gset
\set count :n
\set days 1
\ir orders.sql
