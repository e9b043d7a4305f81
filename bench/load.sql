-- Fill an empty database: the demo's tables with many orders, without its views.
--   psql -v orders=3000000 -v days=730 -f load.sql

\set ON_ERROR_STOP on
\if :{?orders} \else
    \set orders 3000000
\endif
\if :{?days} \else
    \set days 730
\endif

SET maintenance_work_mem = '512MB';
SET client_min_messages = warning;

\ir ../demo/schema.sql

INSERT INTO unified_locations (code, name, city, timezone)
SELECT to_char(n, '"LOC-"FM00'), 'Location ' || n, 'City ' || n % 7, 'UTC'
FROM generate_series(1, 40) n;

INSERT INTO unified_categories (name)
SELECT 'Category ' || n
FROM generate_series(1, 12) n;

-- Two products share a name, in two spellings; every 25th has no category.
INSERT INTO unified_products (source_system, external_product_id, name, category_id)
SELECT
    (ARRAY['toast', 'doordash', 'square'])[1 + n % 3], 'BP-' || n,
    CASE n % 2 WHEN 0 THEN 'Dish ' || n / 2 ELSE ' DISH ' || (n + 1) / 2 || ' ' END,
    CASE WHEN n % 25 > 0 THEN 1 + n % 12 END
FROM generate_series(1, 500) n;

\set first 1
\set count :orders
SELECT current_date AS until \gset
\ir orders.sql

\ir ../demo/indexes.sql

VACUUM ANALYZE;
