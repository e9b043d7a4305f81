-- A database whose views are in every state, some under names that would like to be markup.
\set ON_ERROR_STOP on
SET client_min_messages = error;
CREATE EXTENSION refresh_mv;
CREATE TABLE customers (customer_id integer PRIMARY KEY, region text NOT NULL);
CREATE TABLE products (product_id integer PRIMARY KEY, name text NOT NULL, per_box integer NOT NULL);
CREATE TABLE orders (order_id integer PRIMARY KEY, customer_id integer NOT NULL, order_date date NOT NULL);
CREATE TABLE order_items (order_id integer, line integer, product_id integer NOT NULL, quantity integer NOT NULL, price numeric(10,2) NOT NULL, PRIMARY KEY (order_id, line));
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL, kind text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE events_0 PARTITION OF events FOR VALUES FROM (0) TO (1000000);
CREATE TABLE stock (product_id integer PRIMARY KEY, quantity integer NOT NULL);
CREATE TABLE "<b>notes</b> & ""more""" (id integer, t text);
INSERT INTO customers SELECT i, 'region ' || i % 7 FROM generate_series(1, 500) i;
INSERT INTO products SELECT i, 'product ' || i, 1 + i % 12 FROM generate_series(1, 200) i;
INSERT INTO orders SELECT i, 1 + i % 500, current_date - i % 400 FROM generate_series(1, 20000) i;
INSERT INTO order_items SELECT i, l, 1 + (i * 7 + l) % 200, 1 + l, i % 97 + 0.5 FROM generate_series(1, 20000) i, generate_series(1, 2) l;
INSERT INTO events SELECT i, now() - i * interval '1 min', 'kind ' || i % 4 FROM generate_series(1, 5000) i;
INSERT INTO stock SELECT i, i FROM generate_series(1, 200) i;

CREATE MATERIALIZED VIEW daily_sales AS
SELECT order_date, count(*) AS items, sum(quantity * price) AS sales FROM orders JOIN order_items USING (order_id) GROUP BY order_date;
CREATE MATERIALIZED VIEW monthly_sales AS
SELECT date_trunc('month', order_date)::date AS month, sum(items) AS items, sum(sales) AS sales FROM daily_sales GROUP BY 1;
CREATE MATERIALIZED VIEW product_summary AS
SELECT p.product_id, p.name, sum(i.quantity) AS sold, max(i.price) AS price FROM products p JOIN order_items i USING (product_id) GROUP BY 1, 2;
CREATE MATERIALIZED VIEW top_products AS SELECT product_id, name, sold FROM product_summary ORDER BY sold DESC, product_id LIMIT 20;
CREATE MATERIALIZED VIEW customer_value AS
SELECT c.region, count(DISTINCT o.customer_id) AS customers, sum(i.quantity * i.price) AS value
FROM customers c JOIN orders o USING (customer_id) JOIN order_items i USING (order_id) GROUP BY c.region;
CREATE MATERIALIZED VIEW boxes AS SELECT p.product_id, s.quantity / p.per_box AS boxes FROM products p JOIN stock s USING (product_id);
CREATE MATERIALIZED VIEW event_kinds AS SELECT kind, count(*) AS n, max(at) AS last FROM events GROUP BY kind;
CREATE MATERIALIZED VIEW overview AS
SELECT (SELECT sum(sales) FROM monthly_sales) AS sales, (SELECT count(*) FROM top_products) AS products, (SELECT sum(n) FROM event_kinds) AS events;
CREATE MATERIALIZED VIEW not_filled AS SELECT region, count(*) AS customers FROM customers GROUP BY region WITH NO DATA;
CREATE SCHEMA reporting;
CREATE MATERIALIZED VIEW reporting."<script>alert(1)</script>" AS SELECT count(*) AS n FROM "<b>notes</b> & ""more""";
CREATE MATERIALIZED VIEW reporting."""onload='x' &amp; 'more'" AS SELECT t FROM "<b>notes</b> & ""more""";
CREATE MATERIALIZED VIEW reporting."مبيعات المنتجات اليومية" AS SELECT product_id, sum(quantity) AS n FROM order_items GROUP BY 1;
CREATE MATERIALIZED VIEW reporting."売上集計・日次・地域別の一覧表" AS SELECT count(*) AS n FROM orders;
CREATE MATERIALIZED VIEW reporting."a_name_as_long_as_names_can_be_which_does_not_fit_into_any_box_" AS SELECT count(*) AS n FROM orders;
CREATE MATERIALIZED VIEW reporting."emoji 🚚 and é, and a
new line" AS SELECT count(*) AS n FROM orders;

SELECT count(*) FROM refresh_mv.track();
CALL refresh_mv.run('full');
-- A history: runs of every method, of which the last are real.
UPDATE refresh_mv.journal SET started = started - interval '3 days', id = id - 3 * 86400000000;
INSERT INTO refresh_mv.journal (id, run, view_schema, view_name, mode, method, reason, started, duration, rows_inserted,
    rows_updated, rows_deleted, rows_unchanged, success, role, source, lag)
SELECT min(j.id) OVER () + (i * 1000 + row_number() OVER (ORDER BY n.view_schema, n.view_name)) * 1000000, 1000 + i, n.view_schema, n.view_name, 'smart',
    (ARRAY['delta', 'delta', 'skip', 'keys', 'delta', 'window', 'delta', 'skip', 'full', 'delta'])[1 + (i + length(n.view_name)) % 10],
    i || ' changes in the log', now() - interval '2 days' + i * interval '1 hour',
    make_interval(secs => (CASE (i + length(n.view_name)) % 10 WHEN 8 THEN 2.4 WHEN 2 THEN 0.001 WHEN 7 THEN 0.001 ELSE 0.05 END) * (1 + (i * 37 % 11) / 10.0)),
    (i * 13) % 40, (i * 7) % 90, 0, 100, true, 'postgres', 'procedure', interval '4 s' + i * interval '90 ms'
FROM refresh_mv.names n, generate_series(1, 40) i, (SELECT min(id) AS id FROM refresh_mv.journal) j
WHERE n.view_name <> 'not_filled';
UPDATE orders SET order_date = order_date - 1 WHERE order_id <= 300;
CALL refresh_mv.run();
-- One fails, again and again; others have seen nothing of the last change.
UPDATE products SET per_box = 0 WHERE product_id = 7;
SELECT success FROM refresh_materialized_views_smart('{boxes}');
SELECT success FROM refresh_materialized_views_smart('{boxes}');
SELECT success FROM refresh_materialized_views_smart('{boxes}');
UPDATE products SET name = name || '!' WHERE product_id < 20;
INSERT INTO events VALUES (6000, now(), 'kind 9');
SELECT refresh_mv.configure('event_kinds', max_lag => '1 s');
SELECT refresh_mv.untrack('customer_value');
REFRESH MATERIALIZED VIEW not_filled WITH NO DATA;
ALTER TABLE order_items DISABLE TRIGGER ALL;
ALTER TABLE order_items ENABLE TRIGGER ALL;
GRANT SELECT ON daily_sales, boxes TO visitor;
GRANT USAGE ON SCHEMA reporting TO visitor;
ANALYZE;
