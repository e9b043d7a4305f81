-- The five views, not populated yet, in the first schema of search_path, with their
-- unique indexes if :indexes.
--   psql -v indexes=true -f views.sql

\set ON_ERROR_STOP on

CREATE MATERIALIZED VIEW scan AS
SELECT * FROM sales
WITH NO DATA;

CREATE MATERIALIZED VIEW filter AS
SELECT id, customer_id, day, amount FROM sales WHERE status = 'open'
WITH NO DATA;

CREATE MATERIALIZED VIEW aggregate AS
SELECT category, count(*) AS sales, sum(quantity) AS quantity, sum(amount) AS amount, avg(amount) AS average
FROM sales
GROUP BY category
WITH NO DATA;

CREATE MATERIALIZED VIEW joined AS
SELECT s.id, s.day, s.quantity, s.amount, c.name, c.region
FROM sales s JOIN customers c ON c.id = s.customer_id
WITH NO DATA;

CREATE MATERIALIZED VIEW joined_aggregate AS
SELECT c.region, count(*) AS sales, sum(s.quantity) AS quantity, sum(s.amount) AS amount
FROM sales s JOIN customers c ON c.id = s.customer_id
GROUP BY c.region
WITH NO DATA;

\if :indexes
    \ir keys.sql
\endif
