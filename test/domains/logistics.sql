-- Parcels on their way: orders, shipments, scans, depots; where everything is, what is late, what stock there is.

CREATE TYPE address AS (street text, town text, postcode text);
CREATE TABLE depots (id integer PRIMARY KEY, name text NOT NULL, at address, region text);
CREATE TABLE products (sku text PRIMARY KEY, title text NOT NULL, grams integer, attributes jsonb NOT NULL DEFAULT '{}');
CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL, ship_to address, placed timestamp NOT NULL, promised date, status text NOT NULL);
CREATE TABLE order_lines (order_id integer NOT NULL, line integer NOT NULL, sku text NOT NULL, quantity integer NOT NULL, price numeric(8,2), PRIMARY KEY (order_id, line));
CREATE TABLE shipments (id integer PRIMARY KEY, order_id integer, depot integer, carrier text);
CREATE TABLE scans (shipment integer NOT NULL, at timestamp NOT NULL, depot integer, event text NOT NULL, PRIMARY KEY (shipment, at));
CREATE TABLE movements (id integer PRIMARY KEY, depot integer NOT NULL, sku text NOT NULL, quantity integer NOT NULL);
CREATE INDEX ON order_lines (sku);
CREATE INDEX ON shipments (order_id);
CREATE INDEX ON scans (depot);
INSERT INTO depots SELECT i, 'Depot ' || i, CASE WHEN i < 6 THEN ROW('Street ' || i, 'Town ' || i % 3, NULL)::address END, (ARRAY['east', 'west', NULL])[i % 3 + 1] FROM generate_series(1, 7) i;
INSERT INTO products SELECT 'S' || i, 'Product ' || i, nullif(i * 50, 250), jsonb_build_object('colour', (ARRAY['red', 'blue'])[i % 2 + 1], 'fragile', i % 5 = 0) FROM generate_series(1, 25) i;
INSERT INTO orders SELECT i, i % 40, CASE WHEN i % 12 > 0 THEN ROW('Road', 'Town ' || i % 4, '1' || i % 7)::address END, timestamp '2024-02-01' + i * interval '3 hours',
    CASE WHEN i % 9 > 0 THEN date '2024-02-06' + i / 8 END, (ARRAY['open', 'sent', 'done', 'cancelled'])[i % 4 + 1] FROM generate_series(1, 200) i;
INSERT INTO order_lines SELECT i, l, 'S' || (i * l % 24 + 1), i % 4 + 1, CASE WHEN i % 15 > 0 THEN i * l % 50 + 0.5 END FROM generate_series(1, 195) i, generate_series(1, 3) l WHERE (i + l) % 3 > 0 OR l = 1;
INSERT INTO shipments SELECT i, i % 180 + 1, nullif(i % 8, 0), (ARRAY['post', 'van', NULL])[i % 3 + 1] FROM generate_series(1, 170) i;
INSERT INTO scans SELECT s, timestamp '2024-02-02' + s * interval '2 hours' + n * interval '9 hours', (s + n) % 7 + 1, (ARRAY['picked', 'in transit', 'at depot', 'delivered'])[n]
    FROM generate_series(1, 160) s, generate_series(1, 4) n WHERE n <= s % 4 + 1;
INSERT INTO movements SELECT i, i % 6 + 1, 'S' || i % 20 + 1, i % 11 - 3 FROM generate_series(1, 260) i;

-- view whereabouts: the last scan of every shipment
-- keys ship rescan rename idle peak; skip order stocktake cancel
SELECT DISTINCT ON (s.shipment) s.shipment, s.at, s.event, d.name AS depot, (d.at).town AS town
FROM scans s LEFT JOIN depots d ON d.id = s.depot ORDER BY s.shipment, s.at DESC;
CREATE UNIQUE INDEX ON whereabouts (shipment);
-- view stock: what each depot should have
-- delta stocktake peak; skip order ship rescan rename cancel idle
SELECT depot, sku, sum(quantity) AS quantity, count(*) AS movements, sum(quantity) < 0 AS impossible FROM movements GROUP BY depot, sku;
-- view shortages: stock against what is open, over a view
-- keys order ship stocktake rename cancel peak; skip rescan idle
SELECT p.sku, p.title, coalesce(s.quantity, 0) AS stock, coalesce(o.quantity, 0) AS ordered
FROM products p LEFT JOIN (SELECT sku, sum(quantity) AS quantity FROM stock GROUP BY sku) s ON s.sku = p.sku
LEFT JOIN (SELECT l.sku, sum(l.quantity) AS quantity FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE o.status = 'open' GROUP BY l.sku) o ON o.sku = p.sku
WHERE coalesce(s.quantity, 0) < coalesce(o.quantity, 0);
-- view order_documents: an order with its lines, for a search engine
-- keys order ship rename cancel peak; skip rescan stocktake idle
SELECT o.id, o.status, (o.ship_to).town, row_to_json(o.ship_to) AS ship_to,
       (SELECT json_agg(json_build_object('sku', l.sku, 'title', p.title, 'quantity', l.quantity) ORDER BY l.line)
        FROM order_lines l JOIN products p ON p.sku = l.sku WHERE l.order_id = o.id) AS lines
FROM orders o;
-- view late: what was promised and not delivered, by region and carrier
-- delta order ship rescan rename cancel peak; skip stocktake idle
SELECT d.region, h.carrier, count(*) AS shipments, count(*) FILTER (WHERE w.at::date > o.promised) AS late, max(w.at::date - o.promised) AS worst
FROM shipments h JOIN orders o ON o.id = h.order_id JOIN whereabouts w ON w.shipment = h.id LEFT JOIN depots d ON d.id = h.depot
WHERE o.status <> 'cancelled' GROUP BY GROUPING SETS ((d.region, h.carrier), (d.region), ());
-- view stages: how long shipments take from stage to stage, pivoted
-- keys ship rescan peak; skip order stocktake rename cancel idle
SELECT shipment, min(at) FILTER (WHERE event = 'picked') AS picked, max(at) FILTER (WHERE event = 'delivered') AS delivered,
       max(at) FILTER (WHERE event = 'delivered') - min(at) FILTER (WHERE event = 'picked') AS took, array_agg(event ORDER BY at) AS events,
       count(DISTINCT depot) AS depots FROM scans GROUP BY shipment;
-- view best_sellers: the ten most sold, with their share
-- delta order ship rename cancel peak; skip rescan stocktake idle
SELECT l.sku, p.title, sum(l.quantity) AS sold, sum(l.quantity * l.price) AS revenue, count(DISTINCT o.customer) AS customers
FROM order_lines l JOIN orders o ON o.id = l.order_id JOIN products p ON p.sku = l.sku WHERE o.status IN ('sent', 'done')
GROUP BY l.sku, p.title ORDER BY sold DESC, l.sku LIMIT 10;
-- view colours: of jsonb attributes
-- delta order rename cancel peak; skip ship rescan stocktake idle
SELECT p.attributes ->> 'colour' AS colour, (p.attributes ->> 'fragile')::boolean AS fragile, count(*) AS lines, sum(l.quantity * p.grams) AS grams
FROM order_lines l JOIN products p USING (sku) GROUP BY 1, 2;
-- view bought_together: pairs of products
-- delta order cancel peak; skip ship rescan stocktake rename idle
SELECT a.sku, b.sku AS other, count(*) AS orders FROM order_lines a JOIN order_lines b ON b.order_id = a.order_id AND b.sku > a.sku GROUP BY 1, 2 HAVING count(*) > 2;
-- view log: everything that happened, of three kinds
-- keys order ship rescan stocktake cancel peak; skip rename idle
SELECT 'order' AS kind, id, placed AS at, status AS what FROM orders
UNION ALL SELECT 'scan', shipment, at, event FROM scans
UNION ALL SELECT 'stock', id, NULL, sku FROM movements WHERE quantity > 5;

-- changes order: with lines
INSERT INTO orders SELECT i, i % 7, ROW(NULL, 'Town 9', '99')::address, '2024-03-01', '2024-03-05', 'open' FROM generate_series(201, 210) i;
INSERT INTO order_lines SELECT i, l, 'S' || l, 5, 9.99 FROM generate_series(201, 210) i, generate_series(1, 2) l;
-- changes ship: shipments and scans come in
INSERT INTO shipments SELECT i, i + 30, i % 7 + 1, 'drone' FROM generate_series(171, 178) i;
INSERT INTO scans SELECT i, '2024-03-02 10:00', i % 7 + 1, 'picked' FROM generate_series(171, 178) i;
INSERT INTO scans SELECT i, '2024-03-03 10:00', 1, 'delivered' FROM generate_series(10, 18) i;
UPDATE orders SET status = 'sent' WHERE id IN (201, 202);
-- changes rescan: scans are corrected, moved, deleted
UPDATE scans SET event = 'lost' WHERE shipment = 20 AND event = 'in transit';
UPDATE scans SET at = at + interval '100 hours', depot = NULL WHERE shipment IN (21, 22);
DELETE FROM scans WHERE shipment = 23;
DELETE FROM scans WHERE event = 'delivered' AND shipment < 10;
-- changes stocktake: movements
INSERT INTO movements SELECT i, 7, 'S' || i % 25 + 1, 40 FROM generate_series(261, 275) i;
UPDATE movements SET quantity = -quantity WHERE id % 30 = 4;
UPDATE movements SET depot = 2 WHERE id = 9;
DELETE FROM movements WHERE sku = 'S7';
-- changes rename: depots and products
UPDATE depots SET name = 'Hub', region = 'north' WHERE id = 3;
UPDATE depots SET at.town = 'Elsewhere' WHERE id = 1;
UPDATE products SET title = 'New title' WHERE sku = 'S3';
UPDATE products SET attributes = '{}' WHERE sku = 'S4';
INSERT INTO products VALUES ('S26', 'Unsold', NULL, '{}');
-- changes cancel: orders, lines
UPDATE orders SET status = 'cancelled' WHERE id % 50 = 1;
DELETE FROM order_lines WHERE order_id = 8;
DELETE FROM orders WHERE id = 9;
UPDATE order_lines SET sku = 'S1', price = NULL WHERE order_id = 12 AND line = 1;
UPDATE shipments SET carrier = 'post', order_id = NULL WHERE id = 5;
-- changes idle: nothing that is read
UPDATE shipments SET carrier = carrier;
UPDATE depots SET at.street = 'Unread street' WHERE id = 2;
-- changes peak: all of it
INSERT INTO orders SELECT i, i % 40, NULL, '2024-03-10', '2024-03-10', 'done' FROM generate_series(300, 340) i;
INSERT INTO order_lines SELECT i, 1, 'S' || i % 25 + 1, 1, 1 FROM generate_series(300, 340) i;
INSERT INTO shipments SELECT i, i, NULL, NULL FROM generate_series(300, 340) i;
INSERT INTO scans SELECT i, '2024-03-12', 2, 'delivered' FROM generate_series(300, 335) i;
UPDATE movements SET quantity = quantity + 1 WHERE depot = 1;
DELETE FROM products WHERE sku = 'S11';
DELETE FROM depots WHERE id = 6;
