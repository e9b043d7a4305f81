-- A data warehouse that is loaded every night: a star of facts in partitions and slowly changing dimensions; MERGE, upserts,
-- reloads after TRUNCATE, partitions that are attached and detached, migrations of columns.

CREATE TABLE dim_product (product_key integer PRIMARY KEY, sku text NOT NULL, category text, brand text, valid_from date NOT NULL, valid_to date, current boolean NOT NULL);
CREATE TABLE dim_store (store_key integer PRIMARY KEY, city text, state char(2), size numeric(8,1), open_to tsrange);
CREATE TABLE dim_date (day date PRIMARY KEY, week integer NOT NULL, quarter text NOT NULL, holiday text);
CREATE TABLE fact_sales (day date NOT NULL, store_key integer NOT NULL, product_key integer NOT NULL, ticket integer NOT NULL, quantity integer, amount numeric(12,2), cost numeric(12,4),
                         PRIMARY KEY (day, store_key, product_key, ticket)) PARTITION BY RANGE (day);
CREATE TABLE fact_sales_q1 PARTITION OF fact_sales FOR VALUES FROM ('2024-01-01') TO ('2024-04-01');
CREATE TABLE fact_sales_q2 PARTITION OF fact_sales FOR VALUES FROM ('2024-04-01') TO ('2024-07-01');
CREATE TABLE fact_sales_q3 (LIKE fact_sales INCLUDING ALL);
CREATE TABLE fact_stock (day date, store_key integer, product_key integer, on_hand integer, PRIMARY KEY (day, store_key, product_key));
CREATE TABLE staging_sales (line integer PRIMARY KEY, day date, store text, sku text, quantity integer, amount numeric);
CREATE TABLE budgets (store_key integer, quarter text, target numeric(14,2), PRIMARY KEY (store_key, quarter));
INSERT INTO dim_product SELECT i, 'SKU' || i % 20, (ARRAY['food', 'drinks', NULL])[i % 3 + 1], 'Brand ' || i % 4, date '2023-01-01' + i, CASE WHEN i <= 20 THEN date '2024-02-01' END, i > 20 FROM generate_series(1, 40) i;
INSERT INTO dim_store SELECT i, 'City ' || i % 4, (ARRAY['CA', 'NY', NULL])[i % 3 + 1], i * 100, CASE WHEN i % 4 > 0 THEN tsrange('2020-01-01', NULL) END FROM generate_series(1, 9) i;
INSERT INTO dim_date SELECT d, extract(week FROM d)::integer, '2024Q' || extract(quarter FROM d), CASE WHEN extract(day FROM d) = 1 THEN 'First' END FROM generate_series(timestamp '2024-01-01', '2024-09-30', '1 day') d;
INSERT INTO fact_sales SELECT date '2024-01-01' + i * 7 % 170, i % 8 + 1, i * 3 % 39 + 1, i, nullif(i % 6, 0), (i * 31 % 400) / 4.0, CASE WHEN i % 7 > 0 THEN (i * 17 % 300) / 8.0 END FROM generate_series(1, 500) i;
INSERT INTO fact_sales_q3 SELECT date '2024-07-01' + i, i % 8 + 1, i % 39 + 1, i, 2, i, i FROM generate_series(1, 60) i;
INSERT INTO fact_stock SELECT date '2024-01-31' + d * 30, s, p, s * p * (d + 1) % 25 - 2 FROM generate_series(0, 3) d, generate_series(1, 8) s, generate_series(1, 12) p WHERE (d + s + p) % 5 > 0;
INSERT INTO staging_sales SELECT i, date '2024-06-20', 'City ' || i % 5, 'SKU' || i % 22, i, i * 1.10 FROM generate_series(1, 20) i;
INSERT INTO budgets SELECT s, q, s * 500 FROM generate_series(1, 8) s, unnest(ARRAY['2024Q1', '2024Q2']) q WHERE s <> 5;

-- view sales_cube: by quarter, state and category, with all totals
-- delta load version correct plan after_attach after_migrate; full migrate (ALTER TABLE (dim_store)); full attach archive (ALTER TABLE (fact_sales));
-- skip upsert reload idle
SELECT d.quarter, s.state, p.category, grouping(d.quarter, s.state, p.category) AS level, sum(f.quantity) AS quantity, sum(f.amount) AS amount, sum(f.amount - f.cost) AS margin, count(DISTINCT f.ticket) AS tickets
FROM fact_sales f JOIN dim_date d USING (day) JOIN dim_store s USING (store_key) JOIN dim_product p USING (product_key) GROUP BY ROLLUP (d.quarter, s.state), ROLLUP (p.category);
-- view monthly: a plain aggregate over the facts alone, with a moving average over it
-- delta load correct after_attach after_migrate; full attach migrate archive (ALTER TABLE (fact_sales)); skip upsert version plan reload idle
SELECT month, amount, avg(amount) OVER (ORDER BY month ROWS 2 PRECEDING) AS smooth, amount - first_value(amount) OVER (ORDER BY month) AS since_start FROM (
    SELECT date_trunc('month', day)::date AS month, sum(amount) AS amount FROM fact_sales GROUP BY 1) m;
-- view store_days: by store and day, which others are made of
-- delta load correct after_attach after_migrate; full attach migrate archive (ALTER TABLE (fact_sales)); skip upsert version plan reload idle
SELECT f.store_key, f.day, sum(f.amount) AS amount, count(*) AS lines, count(DISTINCT f.product_key) AS products FROM fact_sales f GROUP BY f.store_key, f.day;
CREATE UNIQUE INDEX ON store_days (store_key, day);
-- view store_quarters: over that, against the budget
-- delta load correct plan attach after_attach after_migrate archive; skip upsert version reload migrate idle
SELECT x.store_key, d.quarter, sum(x.amount) AS amount, max(b.target) AS target, round(100 * sum(x.amount) / nullif(max(b.target), 0), 1) AS percent, count(*) AS days
FROM store_days x JOIN dim_date d USING (day) LEFT JOIN budgets b ON b.store_key = x.store_key AND b.quarter = d.quarter GROUP BY x.store_key, d.quarter;
-- view best_days: over that, the best two days of each store
-- keys load correct plan attach after_attach after_migrate archive; skip upsert version reload migrate idle
SELECT store_key, day, amount, holiday FROM (SELECT x.*, d.holiday, row_number() OVER (PARTITION BY x.store_key ORDER BY x.amount DESC, x.day) AS place FROM store_days x JOIN dim_date d USING (day)) r WHERE place <= 2;
-- view current_products: by the version that is valid now, and that of the day of sale
-- delta load version correct after_attach; full attach migrate archive (ALTER TABLE (fact_sales)); skip upsert plan reload after_migrate idle
SELECT c.sku, c.brand, sum(f.quantity) AS quantity, count(*) FILTER (WHERE f.day BETWEEN p.valid_from AND coalesce(p.valid_to, 'infinity')) AS in_time
FROM dim_product c JOIN dim_product p ON p.sku = c.sku JOIN fact_sales f ON f.product_key = p.product_key WHERE c.current GROUP BY c.sku, c.brand;
-- view last_stock: the newest stock of each product in each store
-- keys upsert; skip load version correct plan reload attach after_attach migrate after_migrate idle archive
SELECT DISTINCT ON (store_key, product_key) store_key, product_key, day, on_hand FROM fact_stock ORDER BY store_key, product_key, day DESC;
-- view days_of_stock: stock against what is sold a day
-- full attach migrate archive (ALTER TABLE (fact_sales)); keys load upsert correct after_attach; skip version plan reload after_migrate idle
WITH pace AS (SELECT store_key, product_key, sum(quantity) AS sold, max(day) - min(day) + 1 AS days FROM fact_sales GROUP BY store_key, product_key)
SELECT k.store_key, k.product_key, k.on_hand, p.sold, CASE WHEN p.sold > 0 THEN k.on_hand * p.days / p.sold END AS lasts FROM last_stock k LEFT JOIN pace p USING (store_key, product_key);
-- view unmatched: what is in staging and fits nothing
-- full migrate (ALTER TABLE (dim_store)); full reload (TRUNCATE (staging_sales)); keys version plan after_migrate; skip load upsert correct attach
-- after_attach idle archive
SELECT g.line, g.sku, g.store, EXISTS (SELECT FROM dim_product p WHERE p.sku = g.sku AND p.current) AS known_product FROM staging_sales g
WHERE NOT EXISTS (SELECT FROM dim_store s WHERE s.city = g.store) OR NOT EXISTS (SELECT FROM dim_product p WHERE p.sku = g.sku AND p.current);
-- view abc: products in classes by their share of all sales
-- delta load correct after_attach after_migrate; full attach migrate archive (ALTER TABLE (fact_sales)); skip upsert version plan reload idle
SELECT product_key, amount, CASE WHEN running <= 0.5 * total THEN 'A' WHEN running <= 0.8 * total THEN 'B' ELSE 'C' END AS class FROM (
    SELECT product_key, sum(amount) AS amount, sum(sum(amount)) OVER (ORDER BY sum(amount) DESC, product_key) AS running, sum(sum(amount)) OVER () AS total FROM fact_sales GROUP BY product_key) a;
-- view quality: of the facts, one row
-- delta load correct after_attach after_migrate; full migrate (ALTER TABLE (dim_store)); full attach archive (ALTER TABLE (fact_sales)); skip upsert
-- version plan reload idle
SELECT count(*) AS rows, count(*) FILTER (WHERE cost IS NULL) AS without_cost, count(*) FILTER (WHERE quantity IS NULL) AS without_quantity, min(day) AS first, max(day) AS last,
       (SELECT count(*) FROM dim_store s WHERE NOT EXISTS (SELECT FROM fact_sales f WHERE f.store_key = s.store_key)) AS idle_stores FROM fact_sales;

-- changes load: staging is merged into the facts
MERGE INTO fact_sales f USING (SELECT g.line, g.day, s.store_key, p.product_key, g.quantity, g.amount FROM staging_sales g JOIN dim_store s ON s.store_key = g.line % 8 + 1 JOIN dim_product p ON p.sku = g.sku AND p.current) g
    ON f.day = g.day AND f.store_key = g.store_key AND f.product_key = g.product_key AND f.ticket = g.line
    WHEN MATCHED THEN UPDATE SET quantity = g.quantity, amount = g.amount WHEN NOT MATCHED THEN INSERT VALUES (g.day, g.store_key, g.product_key, g.line, g.quantity, g.amount, NULL);
-- changes upsert: stock of a new day and corrected stock
INSERT INTO fact_stock SELECT date '2024-05-30', s, p, s + p FROM generate_series(1, 8) s, generate_series(1, 4) p ON CONFLICT (day, store_key, product_key) DO UPDATE SET on_hand = excluded.on_hand;
INSERT INTO fact_stock SELECT date '2024-03-31', s, p, 1 FROM generate_series(1, 8) s, generate_series(1, 3) p ON CONFLICT (day, store_key, product_key) DO UPDATE SET on_hand = fact_stock.on_hand + 1;
-- changes version: of a product: the old one ends, a new one begins
UPDATE dim_product SET valid_to = '2024-06-01', current = false WHERE product_key IN (21, 22);
INSERT INTO dim_product VALUES (41, 'SKU1', 'food', 'Brand 9', '2024-06-01', NULL, true), (42, 'SKU2', NULL, NULL, '2024-06-01', NULL, true);
-- changes correct: facts, some of which move to another quarter
UPDATE fact_sales SET amount = amount + 1 WHERE day = '2024-01-15';
UPDATE fact_sales SET day = day + 91 WHERE day BETWEEN '2024-02-01' AND '2024-02-05';
DELETE FROM fact_sales WHERE ticket BETWEEN 100 AND 110;
-- changes plan: budgets, holidays and stores
INSERT INTO budgets VALUES (5, '2024Q1', 100), (9, '2024Q3', 5) ON CONFLICT DO NOTHING;
UPDATE budgets SET target = 0 WHERE store_key = 2;
UPDATE dim_date SET holiday = 'Labour day' WHERE day = '2024-05-01';
UPDATE dim_store SET state = 'TX' WHERE store_key = 3;
UPDATE dim_store SET city = 'Moved' WHERE store_key = 4;
-- changes reload: staging is emptied and filled anew
TRUNCATE staging_sales;
INSERT INTO staging_sales SELECT i, date '2024-06-21', 'City ' || i % 6, 'SKU' || i % 25, i, i FROM generate_series(1, 30) i;
-- changes attach: the next quarter, with its rows
ALTER TABLE fact_sales ATTACH PARTITION fact_sales_q3 FOR VALUES FROM ('2024-07-01') TO ('2024-10-01');
-- changes after_attach: the new partition is written to, as any
INSERT INTO fact_sales SELECT date '2024-09-01', s, 1, 9000 + s, 1, 10, 9 FROM generate_series(1, 5) s;
UPDATE fact_sales_q3 SET amount = 0 WHERE ticket < 5;
-- changes migrate: columns are added, dropped and renamed
ALTER TABLE fact_sales ADD COLUMN discount numeric(6,2) DEFAULT 0;
ALTER TABLE dim_store RENAME COLUMN size TO square_metres;
ALTER TABLE dim_store DROP COLUMN IF EXISTS open_to;
UPDATE fact_sales SET discount = 1 WHERE ticket < 20;
-- changes after_migrate: once more as any
UPDATE fact_sales SET amount = amount + 0.25 WHERE ticket BETWEEN 30 AND 40;
INSERT INTO dim_store (store_key, city) VALUES (10, 'City 0') ON CONFLICT DO NOTHING;
-- changes idle: what is not read
UPDATE dim_store SET square_metres = 1;
UPDATE fact_sales SET discount = 2 WHERE ticket < 30;
-- changes archive: the oldest quarter goes
ALTER TABLE fact_sales DETACH PARTITION fact_sales_q1;
UPDATE fact_sales SET quantity = 1 WHERE quantity IS NULL AND ticket < 200;
