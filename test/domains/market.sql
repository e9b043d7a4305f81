-- A market place: sellers, listings with variants, bids, ratings, price history, carts; what real queries do that textbooks do not.

CREATE TYPE money_of AS (amount numeric(10,2), currency char(3));
CREATE DOMAIN stars AS smallint CHECK (VALUE BETWEEN 1 AND 5);

CREATE TABLE sellers (id integer PRIMARY KEY, name text NOT NULL, referrer integer, vacation tstzrange, langs text[] NOT NULL DEFAULT '{}');
CREATE TABLE listings (id integer PRIMARY KEY, seller integer REFERENCES sellers ON DELETE CASCADE, title text NOT NULL, price money_of, state text NOT NULL,
                       category text, options jsonb);
CREATE TABLE variants (listing integer, code text, stock integer, extra numeric(6,2) DEFAULT 0, PRIMARY KEY (listing, code));
CREATE TABLE bids (listing integer NOT NULL, bidder integer NOT NULL, at timestamp NOT NULL, amount numeric(10,2) NOT NULL, PRIMARY KEY (listing, bidder, at));
CREATE TABLE ratings (id integer PRIMARY KEY, listing integer, stars stars, text text, helpful smallint[]);
CREATE TABLE prices (listing integer, since date, amount numeric(10,2), PRIMARY KEY (listing, since));
CREATE TABLE carts (buyer integer, listing integer, quantity integer NOT NULL, added timestamp, PRIMARY KEY (buyer, listing));
CREATE TABLE banned (word text PRIMARY KEY);
CREATE INDEX ON listings (seller);
CREATE INDEX ON ratings (listing);
CREATE INDEX ON carts (listing);
INSERT INTO sellers SELECT i, 'Seller ' || i, nullif(i / 4, 0), CASE WHEN i % 5 = 0 THEN tstzrange('2024-07-01 00:00+00', '2024-08-01 00:00+00') END,
    CASE WHEN i % 3 > 0 THEN ARRAY['en', (ARRAY['de', 'fr'])[i % 2 + 1]] ELSE '{}' END FROM generate_series(1, 30) i;
INSERT INTO listings SELECT i, CASE WHEN i % 14 > 0 THEN i % 29 + 1 END, (ARRAY['Old', 'New', 'old', 'Rare'])[i % 4 + 1] || ' thing ' || i % 40, CASE WHEN i % 9 > 0 THEN ROW(i * 1.5, CASE WHEN i % 2 = 0 THEN 'EUR' ELSE 'USD' END)::money_of END,
    (ARRAY['open', 'sold', 'draft'])[i % 3 + 1], (ARRAY['home.garden', 'home.kitchen', 'toys', 'toys.old.tin', NULL])[i % 5 + 1],
    CASE WHEN i % 4 > 0 THEN jsonb_build_object('sizes', jsonb_build_array(jsonb_build_object('name', 'S', 'fee', i % 7), jsonb_build_object('name', 'L', 'fee', NULL)), 'gift', i % 8 = 1) END
    FROM generate_series(1, 150) i;
INSERT INTO variants SELECT l, c, nullif(l * length(c) % 6, 0), l % 3 FROM generate_series(1, 120) l, unnest(ARRAY['red', 'blue', 'x']) c WHERE (l + length(c)) % 3 > 0;
INSERT INTO bids SELECT i % 100 + 1, i % 17, timestamp '2024-05-01' + i * interval '90 minutes', (i * 13 % 90) + 0.5 FROM generate_series(1, 300) i;
INSERT INTO ratings SELECT i, i % 140 + 1, nullif(i % 6, 0), CASE WHEN i % 5 > 0 THEN 'Text ' || i END, CASE WHEN i % 3 > 0 THEN ARRAY[i % 4, i % 2]::smallint[] END FROM generate_series(1, 260) i;
INSERT INTO prices SELECT l, date '2024-01-01' + l % 9 * 3 + n * 20, l + n * (l % 5 - 2) FROM generate_series(1, 110) l, generate_series(0, l % 4) n;
INSERT INTO carts SELECT b, (b * 7 + n * 11) % 150 + 1, n, CASE WHEN n > 1 THEN timestamp '2024-06-01' + b * interval '1 hour' END FROM generate_series(1, 40) b, generate_series(1, 4) n ON CONFLICT DO NOTHING;
INSERT INTO banned VALUES ('rare'), ('never');

CREATE FUNCTION euros(price money_of) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT CASE (price).currency WHEN 'EUR' THEN (price).amount ELSE round((price).amount * 0.9, 2) END $$;
CREATE FUNCTION longest(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN length($2) > coalesce(length($1), -1) THEN $2 ELSE $1 END $$;
CREATE AGGREGATE longest_of (text) (sfunc = longest, stype = text);
CREATE VIEW shown WITH (security_barrier) AS SELECT l.*, s.name AS seller_name, s.langs FROM listings l JOIN sellers s ON s.id = l.seller
    WHERE l.state <> 'draft' AND NOT EXISTS (SELECT FROM banned b WHERE lower(l.title) LIKE '%' || b.word || '%');

-- view offers: what may be shown, with the price in euros, over a view
-- full ban idle sale (banned has changed, which the query reads as a whole); keys list edit register; skip bid rate reprice shop
SELECT id, title, seller_name, euros(price) AS euros, (price).currency, langs && ARRAY['de'] AS german FROM shown;
-- view categories: of dotted paths, every level
-- delta list edit register sale; skip bid rate reprice shop ban idle
SELECT array_to_string((string_to_array(l.category, '.'))[1:n.n], '.') AS path, count(*) AS listings, count(*) FILTER (WHERE l.state = 'open') AS open, sum(euros(l.price)) AS euros
FROM listings l CROSS JOIN LATERAL generate_series(1, cardinality(string_to_array(l.category, '.'))) AS n(n) GROUP BY 1;
-- view sizes: of objects in JSON
-- delta list edit register sale; skip bid rate reprice shop ban idle
SELECT x.name, count(*) AS n, sum(x.fee) AS fees, count(DISTINCT l.seller) AS sellers
FROM listings l CROSS JOIN LATERAL jsonb_to_recordset(l.options -> 'sizes') AS x(name text, fee integer) GROUP BY x.name;
-- view gifts: by a JSON path
-- keys list edit register sale; skip bid rate reprice shop ban idle
SELECT id, title FROM listings WHERE options @? '$.sizes[*] ? (@.fee > 3)' AND jsonb_path_exists(options, '$.gift ? (@ == true)') OR options IS NULL AND state = 'sold';
-- view auctions: the state of each auction: the highest bid, who, and how far behind the second one was
-- keys bid sale; skip list edit rate reprice shop ban register idle
SELECT listing, bidder, amount, amount - lead(amount) OVER w AS ahead, first_value(at) OVER (PARTITION BY listing ORDER BY at) AS began, count(*) OVER (PARTITION BY listing) AS bids,
       row_number() OVER w AS place FROM bids WINDOW w AS (PARTITION BY listing ORDER BY amount DESC, at, bidder);
-- view bid_pace: bids within a day before each, by a frame of time
-- keys bid sale; skip list edit rate reprice shop ban register idle
SELECT listing, bidder, at, count(*) OVER (PARTITION BY listing ORDER BY at RANGE BETWEEN interval '1 day' PRECEDING AND CURRENT ROW) AS day,
       max(amount) OVER (PARTITION BY listing ORDER BY at GROUPS BETWEEN 2 PRECEDING AND 1 PRECEDING EXCLUDE TIES) AS before,
       nth_value(bidder, 2) OVER (PARTITION BY listing ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS second FROM bids;
-- view scores: stars by seller, with all kinds of aggregates
-- keys list edit rate register sale; skip bid reprice shop ban idle
SELECT l.seller, count(r.stars) AS n, avg(r.stars) AS mean, bit_or(r.stars::integer) AS bits, jsonb_object_agg(r.id, r.stars ORDER BY r.id) FILTER (WHERE r.stars IS NOT NULL) AS each,
       longest_of(r.text ORDER BY r.id) AS longest, rank(3::smallint) WITHIN GROUP (ORDER BY r.stars::smallint) AS rank_of_three
FROM listings l JOIN ratings r ON r.listing = l.id GROUP BY l.seller;
-- view helpfulness: arrays with their positions
-- delta rate sale; skip list edit bid reprice shop ban register idle
SELECT h.place, h.value, count(*) AS n, min(r.id) AS example FROM ratings r, unnest(r.helpful) WITH ORDINALITY AS h(value, place) WHERE r.stars >= 2 GROUP BY 1, 2;
-- view price_spans: from when until when a price held
-- keys list reprice sale; skip edit bid rate shop ban register idle
SELECT listing, since, amount, daterange(since, lead(since) OVER (PARTITION BY listing ORDER BY since)) AS held, amount < lag(amount) OVER (PARTITION BY listing ORDER BY since) AS reduced FROM prices;
-- view cart_values: of what is in carts at the price of that day
-- delta list reprice shop sale; skip edit bid rate ban register idle
SELECT c.buyer, count(*) AS items, sum(c.quantity * p.amount) AS value, count(*) FILTER (WHERE p.amount IS NULL) AS unpriced
FROM carts c LEFT JOIN LATERAL (SELECT amount FROM prices p WHERE p.listing = c.listing AND p.since <= c.added::date ORDER BY since DESC LIMIT 1) p ON true GROUP BY c.buyer;
-- view abandoned: carts whose listings are all sold, or worth more than any bid
-- delta list edit shop register sale; skip bid rate reprice ban idle
SELECT c.buyer FROM carts c GROUP BY c.buyer
HAVING bool_and(c.listing IN (SELECT id FROM listings WHERE state = 'sold' AND id IS NOT NULL)) OR sum(c.quantity) > ALL (SELECT quantity * 3 FROM carts WHERE added IS NULL);
-- view stock: of variants by name, and which are out
-- keys list edit shop register sale; skip bid rate reprice ban idle
SELECT l.id, l.title, sum(coalesce(v.stock, 0)) AS stock, max(euros(l.price) + v.extra) AS dearest, array_agg(v.code ORDER BY v.code) FILTER (WHERE v.stock IS NULL) AS out
FROM listings l NATURAL JOIN (SELECT listing AS id, code, stock, extra FROM variants) v GROUP BY l.id;
-- view recruited: sellers, who brought them, and what these have earned
-- full register sale (sellers has changed, which the query reads as a whole); keys list edit; skip bid rate reprice shop ban idle
SELECT s.id, s.name, r.name AS by, (SELECT count(*) FROM sellers t WHERE t.referrer = s.id) AS brought,
       (SELECT sum(euros(l.price)) FROM listings l WHERE l.seller IN (SELECT t.id FROM sellers t WHERE t.referrer = s.id) AND l.state = 'sold') AS their_sales
FROM sellers s LEFT JOIN sellers r ON r.id = s.referrer;
-- view everything_of: a seller as one document
-- keys list edit rate register sale; skip bid reprice shop ban idle
SELECT to_jsonb(s) || jsonb_build_object('listings', coalesce(jsonb_agg(jsonb_build_object('listing', to_jsonb(l), 'ratings', (SELECT jsonb_agg(r.stars ORDER BY r.id) FROM ratings r WHERE r.listing = l.id)) ORDER BY l.id)
       FILTER (WHERE l.id IS NOT NULL), '[]')) AS document, s.id FROM sellers s LEFT JOIN listings l ON l.seller = s.id GROUP BY s.id;
-- view loyal: buyers who bid on all listings of some seller that they have in the cart
-- delta list edit bid shop register sale; skip rate reprice ban idle
SELECT DISTINCT c.buyer, l.seller FROM carts c JOIN listings l ON l.id = c.listing
WHERE NOT EXISTS (SELECT FROM carts d JOIN listings m ON m.id = d.listing WHERE d.buyer = c.buyer AND m.seller = l.seller AND NOT EXISTS (SELECT FROM bids b WHERE b.listing = d.listing AND b.bidder = d.buyer));
-- view compared: each listing with those of its category
-- delta list edit register sale; skip bid rate reprice shop ban idle
SELECT l.id, count(o.id) AS others, avg(euros(o.price)) AS usual, euros(l.price) > avg(euros(o.price)) AS dear
FROM listings l LEFT JOIN listings o ON o.category IS NOT DISTINCT FROM l.category AND o.id <> l.id AND o.state = 'open' GROUP BY l.id;
-- view statistics: in rows of names and values
-- delta list edit register sale; skip bid rate reprice shop ban idle
SELECT v.name, v.value FROM (SELECT count(*) AS listings, count(DISTINCT seller) AS sellers, max((price).amount) AS dearest FROM listings) t
CROSS JOIN LATERAL (VALUES ('listings', t.listings::numeric), ('sellers', t.sellers), ('dearest', t.dearest)) AS v(name, value);
-- view top_sellers: the best three of the year, of groups of groups
-- delta list edit register sale; skip bid rate reprice shop ban idle
SELECT seller, sold, rank() OVER (ORDER BY sold DESC, seller) AS place FROM (
    SELECT seller, sum(n) AS sold FROM (SELECT l.seller, l.category, count(*) AS n FROM listings l WHERE l.state = 'sold' AND l.seller IS NOT NULL GROUP BY l.seller, l.category HAVING count(*) >= 1) c GROUP BY seller) t
ORDER BY sold DESC, seller LIMIT 3;

-- changes list: new listings with variants and prices
INSERT INTO listings SELECT i, i % 29 + 1, 'New thing ' || i, ROW(i, 'EUR')::money_of, 'open', 'toys.new', '{"sizes": [{"name": "M", "fee": 9}], "gift": true}' FROM generate_series(151, 158) i;
INSERT INTO variants SELECT i, 'green', 5, 1 FROM generate_series(151, 158) i;
INSERT INTO prices SELECT i, '2024-09-01', i FROM generate_series(151, 158) i;
-- changes edit: titles, prices, states, options
UPDATE listings SET title = 'RARE ' || title WHERE id IN (3, 5);
UPDATE listings SET price.amount = 999 WHERE id IN (7, 8, 9);
UPDATE listings SET state = 'sold' WHERE id % 30 = 3;
UPDATE listings SET options = jsonb_set(options, '{sizes,0,fee}', '5') WHERE id % 25 = 2;
UPDATE listings SET category = 'home', seller = 30 WHERE id = 11;
DELETE FROM listings WHERE id IN (20, 21);
-- changes bid: and withdraw
INSERT INTO bids SELECT l, 20, '2024-06-01', 95 FROM generate_series(1, 10) l;
UPDATE bids SET amount = amount + 50 WHERE bidder = 5 AND listing < 30;
UPDATE bids SET bidder = 21 WHERE listing = 40 AND at = (SELECT min(at) FROM bids WHERE listing = 40);
DELETE FROM bids WHERE listing IN (50, 51);
-- changes rate: ratings come, are corrected, and go
INSERT INTO ratings VALUES (261, 3, 5, 'The longest text of all ratings', '{9}'), (262, NULL, 1, NULL, NULL);
UPDATE ratings SET stars = 1 WHERE id % 50 = 4;
UPDATE ratings SET helpful = '{}' WHERE id % 60 = 1;
UPDATE ratings SET listing = listing + 1 WHERE id = 33;
DELETE FROM ratings WHERE listing = 44;
-- changes reprice: in the past
INSERT INTO prices VALUES (5, '2024-01-02', 1), (6, '2024-12-31', 2);
UPDATE prices SET amount = amount - 1 WHERE listing = 7;
UPDATE prices SET since = since + 100 WHERE listing = 8 AND since < '2024-02-01';
DELETE FROM prices WHERE listing = 9;
-- changes shop: carts and stocks
INSERT INTO carts VALUES (41, 1, 1, '2024-06-10 00:00'), (41, 2, 50, NULL);
UPDATE carts SET quantity = quantity + 1 WHERE buyer = 3;
UPDATE carts SET listing = 149 WHERE buyer = 4 AND listing = (SELECT min(listing) FROM carts WHERE buyer = 4);
DELETE FROM carts WHERE buyer = 5;
UPDATE variants SET stock = stock - 1 WHERE code = 'red' AND listing < 20;
-- changes ban: a word, and no longer another
INSERT INTO banned VALUES ('new');
DELETE FROM banned WHERE word = 'rare';
-- changes register: sellers
INSERT INTO sellers VALUES (31, 'Seller 31', 3, NULL, '{de}');
UPDATE sellers SET referrer = 1 WHERE id = 30;
UPDATE sellers SET name = 'Renamed' WHERE id = 2;
DELETE FROM sellers WHERE id = 4;
-- changes idle: of no consequence
UPDATE sellers SET langs = langs;
DELETE FROM banned WHERE word = 'never';
UPDATE carts SET quantity = quantity + 1 WHERE buyer = 6;
UPDATE carts SET quantity = quantity - 1 WHERE buyer = 6;
-- changes sale: all of it
UPDATE listings SET price.amount = (price).amount / 2 WHERE state = 'open' AND id % 2 = 0;
INSERT INTO bids SELECT l, 22, '2024-06-02', 96 FROM generate_series(60, 70) l;
INSERT INTO ratings SELECT i, i - 200, 4, NULL, '{1,2,3}' FROM generate_series(300, 310) i;
DELETE FROM carts WHERE added IS NULL AND quantity > 1;
UPDATE variants SET stock = NULL WHERE listing = 30;
UPDATE prices SET amount = 0 WHERE listing > 100;
DELETE FROM sellers WHERE id = 9;
INSERT INTO banned VALUES ('old');
