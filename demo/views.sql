-- The dashboards' materialized views: ordinary ones, without unique indexes.
-- All amounts are dollars.

-- Orders without items count too, hence the LEFT JOIN.  It repeats an order for
-- each of its items, so sums are taken over the items, and of the order's own
-- amounts only the smallest and the largest.
CREATE MATERIALIZED VIEW mv_daily_sales_summary AS
SELECT
    o.order_date,
    l.location_id,
    l.code AS location_code,
    l.name AS location_name,
    o.order_type,
    o.source_system,
    COUNT(DISTINCT o.order_id) AS order_count,
    COUNT(DISTINCT i.item_id) AS item_count,
    SUM(COALESCE(i.quantity, 0)) AS units_sold,
    SUM(COALESCE(i.total_price_cents, 0)) / 100.0 AS item_sales,
    SUM(COALESCE(i.total_price_cents, 0)) / 100.0 / COUNT(DISTINCT o.order_id) AS sales_per_order,
    AVG(COALESCE(i.total_price_cents, 0) / 100.0) AS avg_item_sales,
    MIN(o.total_cents) / 100.0 AS smallest_order,
    MAX(o.total_cents) / 100.0 AS largest_order
FROM unified_orders o
JOIN unified_locations l ON l.location_id = o.location_id
LEFT JOIN unified_order_items i ON i.order_id = o.order_id
WHERE NOT o.voided
GROUP BY o.order_date, l.location_id, l.code, l.name, o.order_type, o.source_system;

CREATE INDEX ON mv_daily_sales_summary (order_date);
CREATE INDEX ON mv_daily_sales_summary (location_id, order_date);
CREATE INDEX ON mv_daily_sales_summary (source_system);

CREATE MATERIALIZED VIEW mv_product_sales_summary AS
SELECT
    p.product_id,
    p.name AS product_name,
    p.source_system,
    c.name AS category_name,
    COUNT(DISTINCT o.order_id) AS order_count,
    COUNT(DISTINCT o.location_id) AS location_count,
    SUM(i.quantity) AS units_sold,
    SUM(i.total_price_cents) / 100.0 AS sales,
    AVG(i.unit_price_cents) / 100.0 AS avg_price,
    MIN(i.unit_price_cents) / 100.0 AS min_price,
    MAX(i.unit_price_cents) / 100.0 AS max_price
FROM unified_order_items i
JOIN unified_products p ON p.product_id = i.product_id
LEFT JOIN unified_categories c ON c.category_id = p.category_id
JOIN unified_orders o ON o.order_id = i.order_id
WHERE NOT o.voided
GROUP BY p.product_id, p.name, p.source_system, c.name;

CREATE INDEX ON mv_product_sales_summary (product_id);
CREATE INDEX ON mv_product_sales_summary (category_name);
CREATE INDEX ON mv_product_sales_summary (sales DESC);

-- The sources spell one product in several ways.
CREATE MATERIALIZED VIEW mv_product_location_sales AS
SELECT
    UPPER(TRIM(p.name)) AS product_name,
    l.location_id,
    l.code AS location_code,
    l.name AS location_name,
    COUNT(DISTINCT o.order_id) AS order_count,
    SUM(i.quantity) AS units_sold,
    SUM(i.total_price_cents) / 100.0 AS sales,
    AVG(i.unit_price_cents / 100.0) AS avg_price
FROM unified_order_items i
JOIN unified_products p ON p.product_id = i.product_id
JOIN unified_orders o ON o.order_id = i.order_id
JOIN unified_locations l ON l.location_id = o.location_id
WHERE NOT o.voided
GROUP BY UPPER(TRIM(p.name)), l.location_id, l.code, l.name;

CREATE INDEX ON mv_product_location_sales (product_name);
CREATE INDEX ON mv_product_location_sales (location_id);

CREATE MATERIALIZED VIEW mv_hourly_sales_pattern AS
SELECT
    o.order_date,
    l.location_id,
    l.code AS location_code,
    EXTRACT(dow FROM o.order_date) AS day_of_week,
    EXTRACT(hour FROM o.order_timestamp) AS hour_of_day,
    COUNT(*) AS order_count,
    SUM(o.total_cents) / 100.0 AS sales,
    AVG(o.total_cents / 100.0) AS avg_order
FROM unified_orders o
JOIN unified_locations l ON l.location_id = o.location_id
WHERE NOT o.voided
GROUP BY o.order_date, l.location_id, l.code,
    EXTRACT(dow FROM o.order_date), EXTRACT(hour FROM o.order_timestamp);

CREATE INDEX ON mv_hourly_sales_pattern (order_date);
CREATE INDEX ON mv_hourly_sales_pattern (location_id, order_date);
CREATE INDEX ON mv_hourly_sales_pattern (day_of_week, hour_of_day);

CREATE MATERIALIZED VIEW mv_payment_methods_by_source AS
SELECT
    o.source_system,
    p.payment_type,
    p.card_brand,
    COUNT(*) AS payment_count,
    SUM(p.amount_cents) / 100.0 AS amount,
    SUM(p.tip_cents) / 100.0 AS tips,
    MIN(p.amount_cents) / 100.0 AS min_amount,
    MAX(p.amount_cents) / 100.0 AS max_amount,
    MIN(o.order_date) AS first_date,
    MAX(o.order_date) AS last_date
FROM unified_payments p
JOIN unified_orders o ON o.order_id = p.order_id
WHERE NOT o.voided
GROUP BY o.source_system, p.payment_type, p.card_brand;

CREATE INDEX ON mv_payment_methods_by_source (source_system, payment_type);

CREATE MATERIALIZED VIEW mv_order_type_performance AS
SELECT
    order_date,
    order_type,
    source_system,
    COUNT(*) AS order_count,
    SUM(total_cents) / 100.0 AS sales,
    AVG(total_cents) / 100.0 AS avg_order,
    SUM(tip_cents) / 100.0 AS tips,
    SUM(service_fee_cents + delivery_fee_cents) / 100.0 AS fees,
    SUM(COALESCE(commission_cents, 0)) / 100.0 AS commission,
    SUM(COALESCE(merchant_payout_cents, total_cents)) / 100.0 AS payout
FROM unified_orders
WHERE NOT voided
GROUP BY order_date, order_type, source_system;

CREATE INDEX ON mv_order_type_performance (order_date);
CREATE INDEX ON mv_order_type_performance (order_type, source_system);

CREATE MATERIALIZED VIEW mv_category_sales_summary AS
SELECT
    c.category_id,
    COALESCE(c.name, 'Uncategorized') AS category_name,
    COUNT(DISTINCT o.order_id) AS order_count,
    COUNT(DISTINCT p.product_id) AS product_count,
    COUNT(DISTINCT o.location_id) AS location_count,
    SUM(i.quantity) AS units_sold,
    SUM(i.total_price_cents) / 100.0 AS sales,
    AVG(i.total_price_cents) / 100.0 AS avg_item_sales
FROM unified_order_items i
JOIN unified_orders o ON o.order_id = i.order_id
JOIN unified_products p ON p.product_id = i.product_id
LEFT JOIN unified_categories c ON c.category_id = p.category_id
WHERE NOT o.voided
GROUP BY c.category_id, COALESCE(c.name, 'Uncategorized');

CREATE INDEX ON mv_category_sales_summary (category_name);

CREATE MATERIALIZED VIEW mv_location_performance AS
SELECT
    l.location_id,
    l.code AS location_code,
    l.name AS location_name,
    COUNT(DISTINCT o.order_date) AS days_open,
    COUNT(DISTINCT o.order_id) FILTER (WHERE NOT o.voided) AS order_count,
    COUNT(DISTINCT o.order_id) FILTER (WHERE o.voided) AS voided_count,
    SUM(o.total_cents) FILTER (WHERE NOT o.voided) / 100.0 AS sales,
    SUM(o.total_cents) FILTER (WHERE NOT o.voided AND o.order_type = 'delivery') / 100.0
        AS delivery_sales,
    SUM(o.tip_cents) FILTER (WHERE NOT o.voided) / 100.0 AS tips,
    SUM(COALESCE(o.commission_cents, 0)) FILTER (WHERE NOT o.voided) / 100.0 AS commission,
    AVG(o.total_cents / 100.0) FILTER (WHERE NOT o.voided) AS avg_order
FROM unified_orders o
JOIN unified_locations l ON l.location_id = o.location_id
GROUP BY l.location_id, l.code, l.name;

CREATE INDEX ON mv_location_performance (location_code);
CREATE INDEX ON mv_location_performance (sales DESC);
