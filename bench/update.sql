-- Raise the tip of :n orders, spread over all days, by a dollar; repeatable.
--   psql -v n=1000 -f update.sql

\set ON_ERROR_STOP on
\if :{?n} \else
    \set n 1000
\endif

UPDATE unified_orders
SET tip_cents = tip_cents + 100, total_cents = total_cents + 100
FROM (SELECT min(order_id) AS first, max(order_id) AS last FROM unified_orders) ids
CROSS JOIN generate_series(0, :n - 1) k
WHERE order_id = first + k * (last - first) / greatest(:n - 1, 1);
