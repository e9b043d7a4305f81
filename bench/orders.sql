-- Insert :count orders, numbered from :first on, with 3 items and 1 payment each.
-- They are spread evenly over :days days, the last of which is :until.
-- All values derive from the numbers by hashing: no two runs differ.

CREATE OR REPLACE FUNCTION pg_temp.pick(number bigint, salt bigint, choices integer) RETURNS integer
LANGUAGE sql IMMUTABLE AS
'SELECT ((hashint8extended(number, salt) & 2147483647) % choices)::integer';

-- Items have numbers too: those of order n are 3n - 2, 3n - 1 and 3n.
CREATE OR REPLACE FUNCTION pg_temp.product(item bigint) RETURNS integer
LANGUAGE sql IMMUTABLE AS
'SELECT 1 + pg_temp.pick(item, 1, 500)';

CREATE OR REPLACE FUNCTION pg_temp.quantity(item bigint) RETURNS integer
LANGUAGE sql IMMUTABLE AS
'SELECT 1 + pg_temp.pick(item, 2, 3)';

CREATE OR REPLACE FUNCTION pg_temp.price(item bigint) RETURNS integer
LANGUAGE sql IMMUTABLE AS
'SELECT 300 + pg_temp.pick(pg_temp.product(item), 3, 2000) + 50 * pg_temp.pick(item, 4, 3)';

CREATE OR REPLACE FUNCTION pg_temp.total(item bigint) RETURNS integer
LANGUAGE sql IMMUTABLE AS
'SELECT pg_temp.quantity(item) * pg_temp.price(item)';

BEGIN;

INSERT INTO unified_orders (
    order_id, source_system, external_order_id, order_type, location_id, order_date,
    order_timestamp, voided, subtotal_cents, tax_cents, tip_cents, total_cents,
    service_fee_cents, delivery_fee_cents, commission_cents, merchant_payout_cents)
SELECT
    n, source, 'B-' || n, type, 1 + pg_temp.pick(n, 5, 40), day,
    (day + make_interval(hours => 10, secs => second)) AT TIME ZONE 'UTC',
    pg_temp.pick(n, 6, 50) = 0, subtotal, tax, tip, subtotal + tax + tip + service + delivery,
    service, delivery,
    CASE WHEN source = 'doordash' THEN subtotal / 5 END,
    CASE WHEN source = 'doordash' THEN subtotal - subtotal / 5 + tax END
FROM generate_series(:first::bigint, :first + :count - 1) n
CROSS JOIN LATERAL (SELECT
    (n - :first) * :days AS place,
    (ARRAY['toast', 'doordash', 'square'])[1 + pg_temp.pick(n, 7, 3)] AS source,
    pg_temp.total(3 * n - 2) + pg_temp.total(3 * n - 1) + pg_temp.total(3 * n) AS subtotal) a
CROSS JOIN LATERAL (SELECT
    date :'until' - :days + 1 + (place / :count)::integer AS day,
    place % :count * 43200 / :count AS second,
    (ARRAY['delivery', 'pickup', 'dine_in'])
        [1 + pg_temp.pick(n, 8, CASE WHEN source = 'doordash' THEN 2 ELSE 3 END)] AS type,
    subtotal * 8 / 100 AS tax,
    subtotal * 5 * pg_temp.pick(n, 9, 5) / 100 AS tip) b
CROSS JOIN LATERAL (SELECT
    CASE WHEN source = 'doordash' THEN subtotal / 10 ELSE 0 END AS service,
    CASE WHEN type = 'delivery' THEN 299 ELSE 0 END AS delivery) c;

INSERT INTO unified_order_items (
    order_id, product_id, quantity, unit_price_cents, total_price_cents)
SELECT (n + 2) / 3, pg_temp.product(n), pg_temp.quantity(n), pg_temp.price(n), pg_temp.total(n)
FROM generate_series(3 * :first::bigint - 2, 3 * (:first + :count - 1)) n;

INSERT INTO unified_payments (order_id, payment_type, card_brand, amount_cents, tip_cents)
SELECT
    order_id,
    CASE source_system WHEN 'doordash' THEN 'doordash' ELSE kind[1] END,
    CASE source_system WHEN 'doordash' THEN NULL ELSE kind[2] END,
    total_cents - tip_cents,
    tip_cents
FROM unified_orders
CROSS JOIN LATERAL (SELECT CASE pg_temp.pick(order_id, 10, 5)
    WHEN 0 THEN ARRAY['cash', NULL]
    WHEN 1 THEN ARRAY['card', 'AMEX']
    WHEN 2 THEN ARRAY['card', 'MASTERCARD']
    WHEN 3 THEN ARRAY['card', NULL]
    ELSE ARRAY['card', 'VISA'] END AS kind) k
WHERE order_id >= :first;

SELECT setval(pg_get_serial_sequence('unified_orders', 'order_id'), :first + :count - 1)
    AS last_order_id;

COMMIT;
