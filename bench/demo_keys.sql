-- Unique indexes on the demo's views, in the first schema of search_path, without which there
-- is no REFRESH CONCURRENTLY.
--   psql -f demo_keys.sql

\set ON_ERROR_STOP on

CREATE UNIQUE INDEX ON mv_daily_sales_summary (order_date, location_id, order_type, source_system);
CREATE UNIQUE INDEX ON mv_product_sales_summary (product_id);
CREATE UNIQUE INDEX ON mv_product_location_sales (product_name, location_id);
CREATE UNIQUE INDEX ON mv_hourly_sales_pattern (order_date, location_id, hour_of_day);
CREATE UNIQUE INDEX ON mv_payment_methods_by_source (source_system, payment_type, card_brand);
CREATE UNIQUE INDEX ON mv_order_type_performance (order_date, order_type, source_system);
CREATE UNIQUE INDEX ON mv_category_sales_summary (category_id);
CREATE UNIQUE INDEX ON mv_location_performance (location_id);
