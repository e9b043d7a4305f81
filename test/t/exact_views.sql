-- The catalogue of exact.py: tables, ordinary views, and materialized views with the
-- method that a smart refresh should use once some of their rows have changed.
--
-- A view is a line "-- NAME: METHOD[|METHOD] [from17(METHOD)] [whole(TABLE ...)]: what is
-- special", and a query. From PostgreSQL 17 on, where sums of intervals count infinite
-- ones apart, the method is that of from17(). If a table named by whole() has changed, the
-- refresh is a full one. More than one method stands where either is right. A view has one right answer: no float
-- sums that depend on their order, no ties under LIMIT, no labels or extremes that are
-- equal and look different.

CREATE TYPE tier AS ENUM ('low', 'mid', 'high');
CREATE TABLE regions (id integer PRIMARY KEY, name text NOT NULL, zone text);
CREATE TABLE rates (currency text PRIMARY KEY, rate numeric(8,4), label varchar(12));
CREATE TABLE customers (
    id integer PRIMARY KEY, name text NOT NULL, region integer, tier tier, since date,
    credit numeric, vip boolean, code varchar(6));
CREATE TABLE products (
    sku text PRIMARY KEY, title text, price numeric(8,2), category smallint,
    weight double precision, span interval);
CREATE TABLE orders (
    id bigint PRIMARY KEY, customer integer, placed timestamp, day date, status text,
    currency text, total numeric, paid boolean, channel smallint);
CREATE TABLE items (
    order_id bigint, line integer,
    sku text REFERENCES products ON UPDATE CASCADE ON DELETE SET NULL,
    qty integer, amount numeric, weight double precision, wait interval, fee money, note text,
    PRIMARY KEY (order_id, line));
CREATE INDEX ON items (sku);
CREATE TABLE tags (order_id bigint NOT NULL, tag text NOT NULL, points integer);
CREATE UNIQUE INDEX ON tags (tag, order_id); -- a key, but no primary one
CREATE TABLE shipments (order_id bigint PRIMARY KEY, carrier text, shipped date, cost numeric);
CREATE TABLE events (
    id integer, customer integer, kind text, happened timestamptz, part smallint, volume bigint,
    PRIMARY KEY (part, id)) PARTITION BY LIST (part);
CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
CREATE TABLE events_2 (volume bigint, part smallint NOT NULL, kind text, id integer NOT NULL,
    customer integer, happened timestamptz);
ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES IN (2);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE devices (serial uuid PRIMARY KEY, owner integer, label varchar(10), seen date, grade char(3));
CREATE TABLE staff (id integer PRIMARY KEY, manager integer, dept integer NOT NULL, salary integer, name text);
CREATE TABLE keyless (a integer, b text);
CREATE TABLE nullable_key (a integer UNIQUE, b text);
CREATE TABLE ledger (id integer PRIMARY KEY, amount integer);
CREATE TABLE ledger_old (PRIMARY KEY (id)) INHERITS (ledger);
CREATE TABLE steps (n integer PRIMARY KEY, label text); -- never changes
INSERT INTO steps SELECT i, 'step ' || i FROM generate_series(0, 8) AS i;

CREATE VIEW order_lines AS
    SELECT o.id, o.customer, o.status, o.day, i.line, i.sku, i.qty, i.amount
    FROM orders o JOIN items i ON i.order_id = o.id;
CREATE VIEW named_lines AS
    SELECT l.*, c.name, c.region FROM order_lines l LEFT JOIN customers c ON c.id = l.customer;
CREATE VIEW people AS
    SELECT id, name AS label FROM customers WHERE vip UNION ALL SELECT owner, label FROM devices;
CREATE VIEW order_totals AS
    SELECT order_id, sum(amount) AS amount, count(*) AS n FROM items GROUP BY order_id;
CREATE AGGREGATE xor_all (integer) (sfunc = int4xor, stype = integer, initcond = '0');

-- Views

-- d_count: delta: NULL is a group
SELECT status, count(*) AS n FROM orders GROUP BY status;
-- d_count_column: delta: nulls are not counted
SELECT customer, count(*) AS n, count(total) AS totals, count(paid) AS paid, count(day) AS days FROM orders GROUP BY customer;
-- d_sums: delta from17(keys): a group is two keys of many
SELECT order_id, sum(qty) AS qty, sum(amount) AS amount, sum(wait) AS wait, sum(fee) AS fee FROM items GROUP BY order_id;
-- d_avg: delta: avg of numeric of mixed scales
SELECT customer, avg(total) AS total, avg(channel) AS channel, avg(id) AS id FROM orders GROUP BY customer;
-- d_scale: delta: 2.20 goes, 2.2 stays
SELECT currency, sum(total) AS total, avg(total) AS mean, sum(-total) AS minus FROM orders GROUP BY currency;
-- d_scale_item: delta: as above, in small groups
SELECT sku, sum(amount) AS amount, avg(amount) AS mean, sum(amount * qty) AS product FROM items GROUP BY sku;
-- d_overflow: delta: sums past bigint, over partitions
SELECT kind, sum(volume) AS volume, avg(volume) AS mean, sum(part) AS part, avg(part) AS part_mean FROM events GROUP BY kind;
-- d_extremes: delta: an extreme is deleted
SELECT customer, min(id) AS min_id, max(id) AS max_id, min(day) AS first, max(placed) AS last,
       min(status) AS min_status, max(currency) AS max_currency, min(channel) AS channel FROM orders GROUP BY customer;
-- d_extremes_other: delta: extremes of numeric of one scale, float, interval
SELECT category, min(price) AS low, max(price) AS high, min(weight) AS light, max(weight) AS heavy,
       max(span) AS span, max(title) AS title FROM products GROUP BY category;
-- d_extremes_all: delta|full: extremes of the whole table, to be read again when one has gone
SELECT min(happened) AS first, max(happened) AS last, min(volume) AS low, max(volume) AS high FROM events;
-- d_bool: delta: booleans by counting
SELECT customer, bool_and(paid) AS b_and, bool_or(paid) AS b_or, every(paid OR channel > 2) AS b_every FROM orders GROUP BY customer;
-- d_distinct_count: delta: of what is no anchor
SELECT status, count(DISTINCT customer) AS customers FROM orders GROUP BY status;
-- d_distinct_key: delta: of the key
SELECT status, count(DISTINCT id) AS ids, count(*) AS n FROM orders GROUP BY status;
-- d_distinct_text: delta: of text, with FILTER
SELECT customer, count(DISTINCT currency) FILTER (WHERE paid) AS paid, count(DISTINCT status) AS states,
       count(DISTINCT upper(currency)) AS currencies FROM orders GROUP BY customer;
-- d_distinct_numeric: delta|keys: 1.0 and 1.00 count once
SELECT status, count(DISTINCT total) AS totals FROM orders GROUP BY status;
-- d_distinct_all: delta: without groups
SELECT count(DISTINCT sku) AS skus, count(DISTINCT order_id) AS orders FROM items;
-- d_filter: delta: FILTER on each
SELECT customer, count(*) FILTER (WHERE paid) AS paid, sum(total) FILTER (WHERE NOT paid) AS due,
       max(day) FILTER (WHERE status = 'new') AS newest, avg(channel) FILTER (WHERE channel > 1) AS channel
FROM orders GROUP BY customer;
-- d_around: delta: expressions around aggregates
SELECT status || '!' AS state, 100.0 * count(*) FILTER (WHERE paid) / nullif(count(total), 0) AS percent,
       coalesce(sum(channel), -1) + 1 AS channels, CASE WHEN bool_or(paid) THEN max(day) - min(day) END AS days
FROM orders GROUP BY status;
-- d_inside: delta from17(keys): expressions inside aggregates
SELECT order_id, sum(qty * amount) AS value, sum(CASE WHEN note LIKE 'a%' THEN qty ELSE 0 END) AS a,
       max(coalesce(note, '?')) AS note, count(nullif(qty, 1)) AS n, sum(wait * 2) AS wait FROM items GROUP BY order_id;
-- d_month: delta: group by an expression
SELECT date_trunc('month', placed) AS month, count(*) AS n, sum(channel) AS channels FROM orders GROUP BY 1;
-- d_extract: delta: numeric labels of one look
SELECT extract(dow FROM day) AS dow, extract(hour FROM placed) AS hour, count(*) AS n FROM orders GROUP BY 1, 2;
-- d_zone: delta: days that depend on the time zone
SELECT happened::date AS day, count(*) AS n, sum(volume) AS volume FROM events GROUP BY 1;
-- d_two_keys: delta: nulls in two keys
SELECT customer, currency, count(*) AS n, sum(total) AS total FROM orders GROUP BY customer, currency;
-- d_enum: delta: group by enum and boolean
SELECT tier, vip, count(*) AS n, min(since) AS since FROM customers GROUP BY tier, vip;
-- d_uuid: delta: each row is a group, by uuid
SELECT serial, owner, count(*) AS n, max(seen) AS seen FROM devices GROUP BY serial, owner;
-- d_varchar: delta: group by varchar and date
SELECT label, seen, count(*) AS n, count(DISTINCT owner) AS owners FROM devices GROUP BY label, seen;
-- d_having: delta: the threshold is crossed both ways
SELECT customer, count(*) AS n FROM orders GROUP BY customer HAVING count(*) > 2;
-- d_having_other: delta: by aggregates that are not shown
SELECT sku FROM items GROUP BY sku HAVING sum(qty) > 6 AND bool_or(qty > 2) AND count(DISTINCT order_id) < 30;
-- d_having_key: delta: HAVING on a key
SELECT status, count(*) AS n FROM orders GROUP BY status HAVING status <> 'new' OR max(channel) > 3;
-- d_total: delta from17(full): without groups
SELECT count(*) AS n, sum(qty) AS qty, avg(amount) AS amount, sum(wait) AS wait, sum(fee) AS fee FROM items;
-- d_total_empty: delta: the only row stays when nothing is left
SELECT count(*) AS n, sum(total) AS total, avg(channel) AS channel, bool_and(paid) AS paid FROM orders WHERE status = 'rare';
-- d_total_having: delta: the only row comes and goes
SELECT count(*) AS n, sum(channel) AS channels FROM orders HAVING count(*) % 2 = 0;
-- d_hidden_key: delta: groups that cannot be told apart
SELECT count(*) AS n, max(channel) AS channel FROM orders GROUP BY customer;
-- d_hidden_of_two: delta: one of two keys is shown
SELECT status, count(*) AS n FROM orders GROUP BY status, paid, channel;
-- d_distinct: delta: DISTINCT
SELECT DISTINCT customer, status FROM orders;
-- d_distinct_expression: delta: DISTINCT of expressions over a join
SELECT DISTINCT c.region, o.day, o.channel % 2 AS odd FROM orders o JOIN customers c ON c.id = o.customer;
-- d_limit: delta: LIMIT over groups
SELECT customer, count(*) AS n FROM orders GROUP BY customer ORDER BY count(*) DESC, customer LIMIT 5;
-- d_limit_offset: delta: LIMIT and OFFSET, by what is not shown
SELECT sku, max(line) AS line FROM items GROUP BY sku ORDER BY sum(qty) NULLS FIRST, sku OFFSET 2 LIMIT 4;
-- d_order: delta: ORDER BY
SELECT channel, count(*) AS n FROM orders GROUP BY channel ORDER BY n DESC;
-- d_dependent: delta: columns that depend on the key
SELECT c.id, c.name, c.tier, c.credit, count(o.id) AS orders, sum(o.total) AS total
FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id;
-- d_carried: delta: columns that depend on the key, and can be equal and look different
SELECT c.id, c.credit, o.status, count(*) AS n, max(o.channel) AS channel FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id, c.credit, o.status;
-- d_carried_float: delta: float and interval, and expressions over them, on the nullable side
SELECT p.sku, p.weight, p.weight * 2 AS twice, p.span, coalesce(p.weight, -0.0) AS filled, count(*) AS n, sum(i.qty) AS qty
FROM items i LEFT JOIN products p ON p.sku = i.sku GROUP BY p.sku, p.weight, p.weight * 2, p.span, coalesce(p.weight, -0.0);
-- d_carried_hidden: delta: one that is not shown, and one key that is not, too
SELECT c.tier, count(*) AS n, sum(o.channel) AS channels FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id, c.tier, c.credit;
-- d_carried_unseen: delta: one that is not shown
SELECT c.id, count(*) AS n FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id, c.credit HAVING c.credit > 1;
-- d_carried_json: delta: jsonb of one row, over two keys
SELECT i.order_id, i.line, to_jsonb(i.amount) AS amount, count(t.tag) AS tags FROM items i LEFT JOIN tags t ON t.order_id = i.order_id GROUP BY i.order_id, i.line, to_jsonb(i.amount);
-- d_where: delta: filters that are not shown
SELECT status, count(*) AS n, sum(id) AS ids FROM orders WHERE channel > 1 AND day > date '2024-01-10' GROUP BY status;
-- d_where_null: delta: three-valued filter
SELECT customer, count(*) AS n FROM orders WHERE (total > 1) IS NOT TRUE AND (paid OR channel = 1) IS DISTINCT FROM false GROUP BY customer;
-- d_same_label: delta: groups merged by an expression
SELECT upper(left(coalesce(note, sku), 1)) AS letter, count(*) AS n, sum(amount) AS amount FROM items GROUP BY 1;

-- d_join: delta: two tables
SELECT c.region, count(*) AS n, sum(o.total) AS total FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region;
-- d_join_three: delta: both sides change, and the middle
SELECT c.id, c.name, sum(i.amount) AS amount, count(DISTINCT i.sku) AS skus, count(DISTINCT o.id) AS orders
FROM items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer GROUP BY c.id, c.name;
-- d_join_five: delta: up to a dimension that is renamed
SELECT r.name AS region, p.category, sum(i.qty) AS qty, sum(i.qty * p.price) AS value, count(*) AS n
FROM items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer
JOIN regions r ON r.id = c.region JOIN products p ON p.sku = i.sku GROUP BY r.name, p.category;
-- d_join_where: delta: equalities in WHERE
SELECT o.status, sum(i.qty) AS qty, count(*) AS n FROM orders o, items i WHERE i.order_id = o.id AND i.qty > 1 GROUP BY o.status;
-- d_join_using: delta: many to many
SELECT t.tag, count(*) AS n, sum(i.qty) AS qty, sum(t.points) AS points, count(DISTINCT order_id) AS orders
FROM items i JOIN tags t USING (order_id) GROUP BY t.tag;
-- d_join_renamed: delta: a text key that is renamed
SELECT r.label, count(*) AS n, sum(o.total * r.rate) AS value FROM orders o JOIN rates r ON r.currency = o.currency GROUP BY r.label;
-- d_join_range: delta: no equality
SELECT r.currency, count(*) AS n, max(o.day) AS day FROM orders o JOIN rates r ON o.total > r.rate GROUP BY r.currency;
-- d_join_expression: delta: by an expression
SELECT r.currency, count(*) AS n FROM orders o JOIN rates r ON lower(o.currency) = lower(r.currency) GROUP BY r.currency;
-- d_join_or: delta: by one or the other
SELECT c.tier, count(*) AS n FROM orders o JOIN customers c ON o.customer = c.id OR (o.customer IS NULL AND c.id = o.channel) GROUP BY c.tier;
-- d_cross: delta: all with all
SELECT r.currency, o.status, count(*) AS n, sum(o.channel) AS channels FROM orders o CROSS JOIN rates r GROUP BY 1, 2;
-- d_left: delta: a group of what has no partner
SELECT c.tier, count(*) AS n, count(c.id) AS known, sum(o.total) AS total FROM orders o LEFT JOIN customers c ON c.id = o.customer GROUP BY c.tier;
-- d_left_anti: delta: anti join
SELECT c.region, count(*) AS n FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE o.id IS NULL GROUP BY c.region;
-- d_left_anti_dimension: delta: anti join to a dimension
SELECT o.status, count(*) AS n FROM orders o LEFT JOIN rates r ON r.currency = o.currency WHERE r.currency IS NULL GROUP BY o.status;
-- d_left_coalesce: delta: COALESCE over the nullable side
SELECT coalesce(o.status, 'none') AS status, coalesce(o.channel, -1) AS channel, count(*) AS n
FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY 1, 2;
-- d_left_condition: delta: a further condition of the join
SELECT c.vip, count(*) AS n, count(o.id) AS paid FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.paid GROUP BY c.vip;
-- d_left_preserved: delta: a condition on the preserved side
SELECT c.tier, count(*) AS n, count(o.id) AS orders FROM customers c LEFT JOIN orders o ON o.customer = c.id AND c.vip GROUP BY c.tier;
-- d_left_where: delta: WHERE on the nullable side, not strict
SELECT c.id, count(*) AS n, max(o.channel) AS channel FROM customers c LEFT JOIN orders o ON o.customer = c.id
WHERE coalesce(o.channel, 0) < 3 GROUP BY c.id;
-- d_left_chain: delta: two left joins in a row
SELECT r.zone, r.name, count(*) AS n, sum(o.channel) AS channels FROM orders o LEFT JOIN customers c ON c.id = o.customer
LEFT JOIN regions r ON r.id = c.region GROUP BY r.zone, r.name;
-- d_left_nested: delta: a join on the nullable side
SELECT o.status, count(*) AS n, count(p.sku) AS products, sum(p.price) AS price
FROM orders o LEFT JOIN (items i JOIN products p ON p.sku = i.sku) ON i.order_id = o.id GROUP BY o.status;
-- d_left_fan: delta: two left joins that multiply
SELECT o.id, count(*) AS n, count(DISTINCT i.line) AS lines, count(DISTINCT t.tag) AS tags, sum(i.qty) AS qty
FROM orders o LEFT JOIN items i ON i.order_id = o.id LEFT JOIN tags t ON t.order_id = o.id GROUP BY o.id;
-- d_left_range: delta: no equality
SELECT c.tier, r.zone, count(*) AS n FROM customers c LEFT JOIN regions r ON r.id > c.region GROUP BY 1, 2;
-- d_right: delta: right join
SELECT c.tier, count(*) AS n, min(o.day) AS day FROM orders o RIGHT JOIN customers c ON c.id = o.customer GROUP BY c.tier;
-- d_full: delta|keys: full join on keys
SELECT o.status, s.carrier, count(*) AS n, count(o.id) AS orders, count(s.order_id) AS shipments
FROM orders o FULL JOIN shipments s ON s.order_id = o.id GROUP BY 1, 2;
-- d_one_to_one: delta: two keys
SELECT s.carrier, count(*) AS n, sum(s.cost) AS cost, sum(o.total) AS total FROM orders o JOIN shipments s ON s.order_id = o.id GROUP BY s.carrier;
-- d_self: delta: self join
SELECT m.dept, count(*) AS n, sum(s.salary - m.salary) AS more FROM staff s JOIN staff m ON m.id = s.manager GROUP BY m.dept;
-- d_self_left: delta: self left join
SELECT m.name, m.dept, count(*) AS n, max(s.salary) AS salary FROM staff s LEFT JOIN staff m ON m.id = s.manager GROUP BY 1, 2;
-- d_self_pairs: delta: pairs of one group
SELECT a.status, b.status AS other, count(*) AS n FROM orders a JOIN orders b ON b.customer = a.customer AND b.id > a.id GROUP BY 1, 2;
-- d_partitioned: delta: a partitioned table on the nullable side
SELECT c.tier, e.kind, count(*) AS n, sum(e.volume) AS volume FROM customers c LEFT JOIN events e ON e.customer = c.id GROUP BY 1, 2;
-- d_uuid_join: delta: devices and their owners
SELECT c.region, count(*) AS n, max(d.seen) AS seen, count(DISTINCT d.label) AS labels FROM devices d JOIN customers c ON c.id = d.owner GROUP BY c.region;

-- d_exists: delta: EXISTS
SELECT status, count(*) AS n FROM orders o WHERE EXISTS (SELECT FROM tags t WHERE t.order_id = o.id) GROUP BY status;
-- d_exists_more: delta: EXISTS with further conditions on both
SELECT status, sum(total) AS total FROM orders o
WHERE EXISTS (SELECT FROM items i WHERE i.order_id = o.id AND i.qty > o.channel) GROUP BY status;
-- d_exists_or: delta: two EXISTS under OR
SELECT customer, count(*) AS n FROM orders o
WHERE EXISTS (SELECT FROM tags t WHERE t.order_id = o.id AND t.points > 2) OR NOT EXISTS (SELECT FROM items i WHERE i.order_id = o.id)
GROUP BY customer;
-- d_exists_join: delta: EXISTS over a join
SELECT status, count(*) AS n FROM orders o
WHERE EXISTS (SELECT FROM items i JOIN products p ON p.sku = i.sku WHERE i.order_id = o.id AND p.price > 4) GROUP BY status;
-- d_exists_whole: delta: EXISTS without an equality
SELECT status, count(*) AS n FROM orders o WHERE EXISTS (SELECT FROM rates r WHERE r.rate > o.total) GROUP BY status;
-- d_not_exists: delta: NOT EXISTS
SELECT customer, count(*) AS n, max(day) AS day FROM orders o WHERE NOT EXISTS (SELECT FROM items i WHERE i.order_id = o.id) GROUP BY customer;
-- d_orphans: delta: NOT EXISTS by a nullable column
SELECT currency, count(*) AS n FROM orders o WHERE NOT EXISTS (SELECT FROM customers c WHERE c.id = o.customer) GROUP BY currency;
-- d_in: delta: IN
SELECT status, count(*) AS n FROM orders WHERE id IN (SELECT order_id FROM tags WHERE tag < 'c') GROUP BY status;
-- d_in_text: delta: IN by a text key
SELECT customer, count(*) AS n FROM orders WHERE currency IN (SELECT currency FROM rates WHERE rate > 1) GROUP BY customer;
-- d_in_or: delta|full: IN under OR
SELECT status, count(*) AS n FROM orders WHERE paid OR id IN (SELECT order_id FROM tags) GROUP BY status;
-- d_not_in: delta|full: NOT IN over a column that is NOT NULL
SELECT status, count(*) AS n FROM orders WHERE id NOT IN (SELECT order_id FROM tags) GROUP BY status;
-- d_not_in_null: delta|full: NOT IN over a nullable column
SELECT tier, count(*) AS n FROM customers WHERE id NOT IN (SELECT customer FROM orders WHERE status = 'rare') GROUP BY tier;
-- d_scalar: delta: a correlated subquery within an aggregate
SELECT status, sum((SELECT count(*) FROM items i WHERE i.order_id = o.id)) AS lines FROM orders o GROUP BY status;
-- d_scalar_where: delta: a correlated subquery in WHERE
SELECT customer, count(*) AS n FROM orders o WHERE (SELECT sum(i.qty) FROM items i WHERE i.order_id = o.id) > 3 GROUP BY customer;
-- d_scalar_key: delta|keys|full: a correlated subquery beside aggregates
SELECT c.region, (SELECT r.name FROM regions r WHERE r.id = c.region) AS name, count(*) AS n FROM customers c GROUP BY c.region;
-- d_scalar_whole: delta|full: a subquery of its own, with which all rows are compared
SELECT status, count(*) AS n FROM orders WHERE total > (SELECT avg(rate) FROM rates) GROUP BY status;
-- d_having_whole: delta: a subquery in HAVING
SELECT customer, count(*) AS n FROM orders GROUP BY customer HAVING count(*) > (SELECT count(*) / 2 FROM rates);
-- d_cross_whole: delta: a total of another table beside
SELECT o.status, q.n AS customers, count(*) AS n FROM orders o CROSS JOIN (SELECT count(*) AS n FROM customers) q GROUP BY 1, 2;

-- d_subquery: delta: subqueries that filter and rename
SELECT q.state, sum(q.amount) AS amount, count(*) AS n
FROM (SELECT o.status AS state, i.amount FROM orders o JOIN items i ON i.order_id = o.id WHERE i.amount > 1) q GROUP BY q.state;
-- d_subqueries: delta: subqueries that are joined
SELECT c.tier, count(*) AS n, sum(o.total) AS total FROM (SELECT * FROM orders WHERE paid) o
JOIN (SELECT id AS no, tier FROM (SELECT * FROM customers WHERE vip) v) c ON c.no = o.customer GROUP BY c.tier;
-- d_cte: delta: a CTE
WITH big AS (SELECT order_id, qty FROM items WHERE qty > 1)
SELECT o.status, sum(b.qty) AS qty, count(*) AS n FROM orders o JOIN big b ON b.order_id = o.id GROUP BY o.status;
-- d_cte_twice: delta: a CTE that is used twice
WITH s AS (SELECT * FROM staff WHERE salary IS NOT NULL)
SELECT m.dept, count(*) AS n, sum(e.salary) AS salary FROM s e JOIN s m ON m.id = e.manager GROUP BY m.dept;
-- d_cte_materialized: delta: a CTE that is a fence for the planner
WITH paid AS MATERIALIZED (SELECT * FROM orders WHERE paid) SELECT customer, count(*) AS n FROM paid GROUP BY customer;
-- d_cte_recursive: delta: a recursive CTE over what never changes
WITH RECURSIVE r AS (SELECT n, label FROM steps WHERE n = 0 UNION ALL SELECT s.n, s.label FROM r JOIN steps s ON s.n = r.n + 1)
SELECT r.label, count(*) AS n, sum(o.total) AS total FROM orders o JOIN r ON r.n = o.channel GROUP BY r.label;
-- d_view: delta: an ordinary view
SELECT status, sum(amount) AS amount, count(*) AS n FROM order_lines GROUP BY status;
-- d_view_nested: delta: an ordinary view over a view
SELECT region, name, count(*) AS n, sum(qty) AS qty FROM named_lines GROUP BY region, name;
-- d_view_joined: delta: an ordinary view in a join
SELECT p.category, l.day, count(*) AS n, sum(l.qty * p.price) AS value FROM order_lines l JOIN products p ON p.sku = l.sku GROUP BY 1, 2;
-- d_union: delta: UNION ALL below
SELECT u.source, u.customer, count(*) AS n FROM (SELECT 'o' AS source, customer FROM orders UNION ALL SELECT 'e', customer FROM events) u GROUP BY 1, 2;
-- d_union_joined: delta: UNION ALL in a join
SELECT c.tier, count(*) AS n FROM (SELECT customer AS id FROM orders UNION ALL SELECT owner FROM devices) u JOIN customers c ON c.id = u.id GROUP BY c.tier;
-- d_union_arms: delta: arms that are joins
SELECT u.label, count(*) AS n, sum(u.x) AS x FROM (
    SELECT o.id, o.status AS label, i.qty AS x FROM orders o JOIN items i ON i.order_id = o.id
    UNION ALL SELECT t.order_id, t.tag, t.points FROM tags t JOIN shipments s ON s.order_id = t.order_id) u GROUP BY u.label;
-- d_union_same: delta: one table in two arms
SELECT k, count(*) AS n FROM (SELECT id, status AS k FROM orders WHERE paid UNION ALL SELECT id, currency FROM orders) u GROUP BY k;
-- d_union_view: delta: an ordinary view that is a UNION ALL
SELECT p.label, count(*) AS n, count(DISTINCT p.id) AS ids FROM people p GROUP BY p.label;
-- d_lateral: delta: LATERAL with LIMIT
SELECT o.status, count(*) AS n, sum(q.qty) AS qty
FROM orders o, LATERAL (SELECT i.qty FROM items i WHERE i.order_id = o.id ORDER BY i.line LIMIT 2) q GROUP BY o.status;
-- d_lateral_left: delta: LEFT JOIN LATERAL of an aggregate
SELECT c.tier, count(*) AS n, max(q.n) AS most FROM customers c
LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.customer = c.id) q ON true GROUP BY c.tier;
-- d_lateral_values: delta: columns made rows
SELECT v.name, count(*) AS n, sum(v.x) AS x FROM items i CROSS JOIN LATERAL (VALUES ('qty', i.qty), ('line', i.line)) v (name, x) GROUP BY v.name;
-- d_words: delta: a function in FROM
SELECT w, count(*) AS n FROM items i, regexp_split_to_table(i.note, ' ') w GROUP BY w;
-- d_series: delta: a function and VALUES in a join
SELECT g, v.label, count(*) AS n FROM generate_series(0, 3) g JOIN orders o ON o.channel = g
JOIN (VALUES ('new', 'N'), ('rare', 'R')) v (status, label) ON v.status = o.status GROUP BY 1, 2;
-- d_grouped: delta|keys: a grouped subquery in a join
SELECT o.status, sum(q.amount) AS amount, max(q.n) AS n FROM orders o JOIN order_totals q ON q.order_id = o.id GROUP BY o.status;
-- d_histogram: delta|keys: groups of groups
SELECT n, count(*) AS customers FROM (SELECT customer, count(*) AS n FROM orders GROUP BY customer) q GROUP BY n;
-- d_distinct_grouped: delta|keys|full: DISTINCT over groups
SELECT DISTINCT status, count(*) AS n FROM orders GROUP BY status, customer;

-- k_float: keys: float sums
SELECT order_id, sum(weight) AS weight, avg(weight) AS mean FROM items GROUP BY order_id;
-- k_float_join: keys: float sums over a join
SELECT p.category, sum(i.weight + p.weight) AS weight, count(*) AS n FROM items i JOIN products p ON p.sku = i.sku GROUP BY p.category;
-- k_string_agg: keys: string_agg
SELECT order_id, string_agg(coalesce(note, '-'), ',' ORDER BY line) AS notes, count(*) AS n FROM items GROUP BY order_id;
-- k_array_agg: keys: array_agg with nulls and FILTER
SELECT customer, array_agg(total ORDER BY id) AS totals, array_agg(id ORDER BY id DESC) FILTER (WHERE paid) AS paid FROM orders GROUP BY customer;
-- k_json: keys: json
SELECT order_id, json_agg(amount ORDER BY line) AS list, jsonb_object_agg(line, wait) AS object FROM items GROUP BY order_id;
-- k_percentile: keys: ordered sets
SELECT customer, percentile_cont(0.5) WITHIN GROUP (ORDER BY channel) AS median,
       percentile_disc(0.3) WITHIN GROUP (ORDER BY day) AS day, mode() WITHIN GROUP (ORDER BY status) AS status,
       rank(2) WITHIN GROUP (ORDER BY channel) AS rank FROM orders GROUP BY customer;
-- k_stddev: keys: spread
SELECT sku, stddev(qty) AS qty, var_pop(line) AS line FROM items GROUP BY sku;
-- k_distinct_sum: keys: DISTINCT other than in count
SELECT sku, sum(DISTINCT qty) AS qty, avg(DISTINCT line) AS line, string_agg(DISTINCT note, ',') AS notes FROM items GROUP BY sku;
-- k_bits: keys: bits
SELECT customer, bit_or(channel) AS b_or, bit_and(id) AS b_and FROM orders GROUP BY customer;
-- k_own: keys: an aggregate of one's own
SELECT dept, xor_all(salary) AS x FROM staff GROUP BY dept;
-- k_extremes: keys: extremes of enum and array
SELECT region, min(tier) AS low, max(tier) AS high, max(ARRAY[id, region]) AS list FROM customers GROUP BY region;
-- d_numeric_key: delta: numeric labels of a declared scale
SELECT price, count(*) AS n FROM products GROUP BY price;
-- d_numeric_round: delta: numeric labels of one scale, with NaN
SELECT round(total, 1) AS total, count(*) AS n FROM orders GROUP BY 1;
-- k_float_key: keys: float labels
SELECT weight, count(*) AS n, sum(qty) AS qty FROM items GROUP BY weight;
-- k_interval_key: keys: interval labels
SELECT span, category, count(*) AS n FROM products GROUP BY span, category;
-- d_bpchar_key: delta: char(n) labels
SELECT grade, count(*) AS n, max(seen) AS seen FROM devices GROUP BY grade;
-- k_jsonb_key: keys: jsonb labels
SELECT to_jsonb(status) AS status, count(*) AS n FROM orders GROUP BY 1;
-- d_distinct_declared: delta: DISTINCT of numeric of a declared scale
SELECT DISTINCT price, category FROM products;
-- k_join: keys: over a join with dimensions
SELECT r.name, count(*) AS n, string_agg(c.name, ',' ORDER BY c.id, o.id) AS names
FROM orders o JOIN customers c ON c.id = o.customer LEFT JOIN regions r ON r.id = c.region GROUP BY r.name;
-- k_left: keys: over a left join
SELECT c.id, c.code, array_agg(o.id ORDER BY o.id) AS ids FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id;
-- k_having: keys: HAVING
SELECT o.status, o.customer, string_agg(i.sku, ',' ORDER BY i.order_id, i.line) AS skus
FROM orders o JOIN items i ON i.order_id = o.id GROUP BY 1, 2 HAVING count(*) > 1 AND stddev(i.qty) > 0;
-- k_exists: keys: EXISTS below
SELECT status, array_agg(id ORDER BY id) AS ids FROM orders o WHERE EXISTS (SELECT FROM tags t WHERE t.order_id = o.id) GROUP BY status;
-- k_whole: delta|full: a subquery of its own, which all rows show
SELECT status, array_agg(id ORDER BY id) AS ids, (SELECT max(rate) FROM rates) AS rate FROM orders GROUP BY status;

-- s_orders: keys: a copy
SELECT * FROM orders;
-- s_items: keys: a copy
SELECT * FROM items;
-- s_customers: keys: a copy
SELECT * FROM customers;
-- s_products: keys: a copy
SELECT * FROM products;
-- s_events: keys: a copy of a partitioned table
SELECT * FROM events;
-- s_devices: keys: a copy
SELECT * FROM devices;
-- s_staff: keys: a copy
SELECT * FROM staff;
-- s_tags: keys: a copy
SELECT * FROM tags;
-- s_shipments: keys: a copy
SELECT * FROM shipments;
-- s_regions: keys: a copy
SELECT * FROM regions;
-- s_rates: keys: a copy
SELECT * FROM rates;
-- s_filter: keys: rows move across a predicate that is not shown
SELECT id, total FROM orders WHERE paid AND channel > 1;
-- s_duplicates: keys: no key is shown
SELECT status, paid FROM orders;
-- s_expressions: keys: expressions, ORDER BY
SELECT id * 2 AS twice, coalesce(total, 0) AS total, CASE WHEN paid THEN 'paid' ELSE status END AS state, day + 1 AS next FROM orders ORDER BY total, id;
-- s_join: keys: the key is not shown
SELECT c.name, o.total, o.status FROM orders o JOIN customers c ON c.id = o.customer;
-- s_join_four: keys: dimensions are renamed
SELECT i.order_id, i.line, c.name, r.name AS region, p.title, i.qty * p.price AS value
FROM items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer
LEFT JOIN regions r ON r.id = c.region LEFT JOIN products p ON p.sku = i.sku;
-- s_join_many: keys: many to many
SELECT i.line, i.qty, t.tag, t.points FROM items i JOIN tags t ON t.order_id = i.order_id;
-- s_join_range: keys: no equality
SELECT o.id, r.label FROM orders o JOIN rates r ON o.total > r.rate AND o.channel = 1;
-- s_left: keys: left join
SELECT o.id, o.customer, c.name, coalesce(c.code, '?') AS code FROM orders o LEFT JOIN customers c ON c.id = o.customer;
-- s_left_condition: keys: further conditions of the join
SELECT c.id, o.id AS order_id, o.total FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.paid AND c.vip;
-- s_left_chain: keys: left joins in a row
SELECT i.line, o.status, c.name, r.zone FROM items i LEFT JOIN orders o ON o.id = i.order_id
LEFT JOIN customers c ON c.id = o.customer LEFT JOIN regions r ON r.id = c.region;
-- s_anti: keys: anti join
SELECT c.id, c.name FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE o.id IS NULL;
-- s_right: keys: right join
SELECT c.name, d.label, d.grade FROM devices d RIGHT JOIN customers c ON c.id = d.owner;
-- s_full: keys: full join on keys
SELECT o.id, o.status, s.order_id, s.carrier, s.cost FROM orders o FULL JOIN shipments s ON s.order_id = o.id;
-- s_self: keys: self join
SELECT s.name, m.name AS manager, m.dept FROM staff s LEFT JOIN staff m ON m.id = s.manager;
-- s_self_thrice: keys: up two levels
SELECT s.id, m.name AS manager, g.name AS above FROM staff s JOIN staff m ON m.id = s.manager JOIN staff g ON g.id = m.manager;
-- s_exists: keys: EXISTS
SELECT o.id, o.status FROM orders o WHERE EXISTS (SELECT FROM items i WHERE i.order_id = o.id AND i.sku IS NULL);
-- s_not_exists: keys: NOT EXISTS
SELECT o.id, o.total FROM orders o WHERE NOT EXISTS (SELECT FROM shipments s WHERE s.order_id = o.id);
-- s_in: keys: IN
SELECT customer, day FROM orders WHERE id IN (SELECT order_id FROM items WHERE qty > 2);
-- s_not_in: keys|full: NOT IN over a nullable column
SELECT id, name FROM customers WHERE id NOT IN (SELECT customer FROM events WHERE kind = 'rare');
-- s_scalar: keys: correlated subqueries
SELECT o.id, (SELECT sum(i.amount) FROM items i WHERE i.order_id = o.id) AS amount,
       (SELECT max(t.tag) FROM tags t WHERE t.order_id = o.id AND t.points > 1) AS tag FROM orders o;
-- s_scalar_where: keys: a correlated subquery in WHERE
SELECT c.id, c.name FROM customers c WHERE (SELECT count(*) FROM orders o WHERE o.customer = c.id) > 2;
-- s_scalar_whole: delta|full: a subquery of its own, which all rows show
SELECT id, (SELECT count(*) FROM regions) AS regions FROM customers;
-- s_lateral: keys: LATERAL with LIMIT
SELECT o.id, q.line, q.amount FROM orders o, LATERAL (SELECT i.line, i.amount FROM items i WHERE i.order_id = o.id ORDER BY i.qty DESC, i.line LIMIT 2) q;
-- s_lateral_left: keys: LEFT JOIN LATERAL with LIMIT
SELECT c.id, c.name, q.id AS newest FROM customers c
LEFT JOIN LATERAL (SELECT o.id FROM orders o WHERE o.customer = c.id ORDER BY o.day DESC NULLS LAST, o.id DESC LIMIT 1) q ON true;
-- s_subquery: keys: subqueries
SELECT a.id, b.name FROM (SELECT id, customer FROM orders WHERE paid) a JOIN (SELECT id, upper(name) AS name FROM customers) b ON b.id = a.customer;
-- s_cte: keys: a CTE
WITH late AS (SELECT * FROM shipments WHERE shipped > date '2024-01-15') SELECT o.id, l.carrier FROM orders o JOIN late l ON l.order_id = o.id;
-- s_cte_twice: keys: a CTE that is used twice
WITH e AS (SELECT * FROM events WHERE volume IS NOT NULL) SELECT a.id, a.kind, b.kind AS other FROM e a JOIN e b ON b.customer = a.customer AND b.id < a.id;
-- s_view: keys: an ordinary view
SELECT id, line, amount FROM order_lines WHERE qty > 1;
-- s_view_nested: keys: an ordinary view over a view
SELECT n.name, n.line, r.name AS region FROM named_lines n JOIN regions r ON r.id = n.region;
-- s_view_twice: keys: an ordinary view with itself
SELECT a.line, b.line AS other FROM order_lines a JOIN order_lines b ON b.id = a.id AND b.line > a.line;
-- s_union: keys: UNION ALL in a join
SELECT u.id, u.source, c.name FROM (SELECT customer AS id, 'o' AS source FROM orders UNION ALL SELECT owner, 'd' FROM devices) u LEFT JOIN customers c ON c.id = u.id;
-- s_grouped: keys: a grouped subquery in a join
SELECT o.id, o.status, q.amount, q.n FROM orders o JOIN (SELECT order_id, sum(amount) AS amount, count(*) AS n FROM items GROUP BY order_id) q ON q.order_id = o.id;
-- s_grouped_left: keys: a grouped view on the nullable side
SELECT o.id, coalesce(q.n, 0) AS lines FROM orders o LEFT JOIN order_totals q ON q.order_id = o.id;

-- w_number: keys: row_number
SELECT customer, id, row_number() OVER (PARTITION BY customer ORDER BY id) AS no FROM orders;
-- w_running: keys: running sums and neighbours
SELECT order_id, line, sum(qty) OVER w AS running, lag(amount) OVER w AS before, lead(note) OVER w AS after
FROM items WINDOW w AS (PARTITION BY order_id ORDER BY line);
-- w_share: keys: two windows of one partition
SELECT region, id, rank() OVER (PARTITION BY region ORDER BY since, id) AS rank, count(*) OVER (PARTITION BY region) AS n FROM customers;
-- w_common: keys: partitions that have one key in common
SELECT customer, status, id, count(*) OVER (PARTITION BY customer) AS n, count(*) OVER (PARTITION BY status, customer) AS same FROM orders;
-- w_join: keys: over a join
SELECT c.region, o.id, dense_rank() OVER (PARTITION BY c.region ORDER BY o.day, o.id) AS rank FROM orders o JOIN customers c ON c.id = o.customer;
-- w_groups: delta: over groups
SELECT customer, status, count(*) AS n, rank() OVER (PARTITION BY customer ORDER BY count(*) DESC, status) AS rank FROM orders GROUP BY customer, status;
-- w_below: keys: the first of each partition
SELECT q.id, q.customer, q.total FROM (SELECT o.*, row_number() OVER (PARTITION BY o.customer ORDER BY o.id) AS no FROM orders o) q WHERE q.no <= 2;
-- w_distinct_on: keys: DISTINCT ON
SELECT DISTINCT ON (customer) customer, id, total FROM orders ORDER BY customer, id DESC;
-- w_distinct_on_join: keys: DISTINCT ON over a join
SELECT DISTINCT ON (c.region, o.status) c.region, o.status, o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer ORDER BY c.region, o.status, o.id;

-- u_union_all: keys: UNION ALL
SELECT id, status AS label FROM orders UNION ALL SELECT order_id, tag FROM tags;
-- u_union: delta: UNION
SELECT customer AS id, 'active' AS what FROM orders UNION SELECT customer, 'active' FROM events WHERE kind <> 'rare';
-- u_union_text: delta: UNION over text
SELECT currency FROM orders UNION SELECT currency FROM rates;
-- u_intersect: delta: INTERSECT
SELECT customer AS id FROM orders INTERSECT SELECT id FROM customers WHERE vip;
-- u_except: delta: EXCEPT
SELECT id FROM customers EXCEPT SELECT customer FROM orders;
-- u_except_all: delta: EXCEPT ALL
SELECT order_id FROM items EXCEPT ALL SELECT order_id FROM tags;
-- u_three: delta: three arms, one a join
SELECT o.id, i.sku FROM orders o JOIN items i ON i.order_id = o.id UNION ALL (SELECT order_id, carrier FROM shipments EXCEPT SELECT order_id, tag FROM tags);

-- m_lines: keys: to be read by others
SELECT o.id, i.line, o.customer, o.status, i.qty, i.amount FROM orders o JOIN items i ON i.order_id = o.id;
-- m_days: delta: to be read by others
SELECT day, customer, count(*) AS n, sum(total) AS total FROM orders GROUP BY day, customer;
-- m_by_status: delta: over a plain one
SELECT status, count(*) AS n, sum(amount) AS amount, max(qty) AS qty FROM m_lines GROUP BY status;
-- m_by_customer: delta: over a grouped one
SELECT customer, count(*) AS days, sum(n) AS n, sum(total) AS total FROM m_days GROUP BY customer;
-- m_joined: delta: with a table
SELECT c.tier, count(*) AS n, sum(m.amount) AS amount FROM m_lines m JOIN customers c ON c.id = m.customer GROUP BY c.tier;
-- m_both: delta: two materialized views
SELECT l.status, count(*) AS n, sum(d.n) AS days FROM m_lines l LEFT JOIN m_by_customer d ON d.customer = l.customer GROUP BY l.status;
-- m_third: delta: the third level
SELECT n > 3 AS many, count(*) AS states, sum(amount) AS amount FROM m_by_status GROUP BY 1;
-- m_list: keys: another aggregate
SELECT customer, string_agg(day || ':' || n, ',' ORDER BY day) AS days FROM m_days GROUP BY customer;
-- m_plain: keys|full: rows of a materialized view
SELECT id, line, qty FROM m_lines WHERE qty > 1;
-- m_plain_join: keys: joined to a table
SELECT c.name, m.day, m.n FROM m_days m JOIN customers c ON c.id = m.customer;

-- n_beside: keys: a correlated subquery over two tables
SELECT c.id, (SELECT count(*) FROM orders o, items i WHERE o.customer = c.id AND i.order_id = o.id) AS items FROM customers c;
-- n_beside_left: keys: the same with a left join, and EXISTS over three tables
SELECT c.id, (SELECT string_agg(coalesce(r.label, '-'), ',' ORDER BY o.id) FROM orders o LEFT JOIN rates r ON r.currency = o.currency WHERE o.customer = c.id) AS labels FROM customers c
WHERE EXISTS (SELECT FROM orders o JOIN items i ON i.order_id = o.id JOIN products p ON p.sku = i.sku WHERE o.customer = c.id AND p.price > 1);
-- n_beside_groups: keys|delta: a join below groups, with a name from a subquery
SELECT * FROM (SELECT o.customer, count(i.line) AS n, (SELECT name FROM customers c WHERE c.id = o.customer) AS name FROM orders o LEFT JOIN items i ON i.order_id = o.id GROUP BY o.customer) q;
-- n_beside_not: keys|full|delta: NOT EXISTS and NOT IN over two tables
SELECT c.id FROM customers c WHERE NOT EXISTS (SELECT FROM orders o JOIN tags t ON t.order_id = o.id WHERE o.customer = c.id) AND c.id NOT IN (SELECT o.customer FROM orders o JOIN rates r ON r.currency = o.currency WHERE r.rate > 2);
-- n_across: keys: a correlated subquery by inequality
SELECT c.id, (SELECT count(*) FROM orders o WHERE o.total > c.credit) AS dearer FROM customers c;
-- n_across_exists: delta|keys: EXISTS and NOT EXISTS by expressions and inequality
SELECT c.tier, count(*) AS n FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.channel + 1 = c.region) AND NOT EXISTS (SELECT FROM products p WHERE p.category > c.region AND p.price < c.credit) GROUP BY c.tier;
-- n_across_joined: keys: the same over a join, with an outer join inside
SELECT c.id, r.name, ARRAY(SELECT coalesce(p.title, i.sku) FROM items i LEFT JOIN products p ON p.sku = i.sku WHERE i.qty < c.region ORDER BY 1) AS titles FROM customers c LEFT JOIN regions r ON r.id = c.region;
-- n_full_groups: delta|keys: a full join of groups
SELECT coalesce(a.customer, b.id) AS id, a.n, b.m FROM (SELECT customer, count(*) AS n FROM orders GROUP BY customer) a FULL JOIN (SELECT c.id, count(*) AS m FROM customers c JOIN regions r ON r.id = c.region GROUP BY c.id) b ON b.id = a.customer;
-- n_coalesced: delta|keys: a left join of a subquery with coalesce
SELECT o.id, s.label FROM orders o LEFT JOIN (SELECT r.currency, coalesce(r.label, r.currency) AS label FROM rates r WHERE r.rate > 1) s ON s.currency = o.currency;
-- n_rank: delta: ranks of groups, joined to a table
SELECT rank() OVER (ORDER BY z.n DESC, z.customer) AS place, c.name FROM (SELECT customer, count(*) AS n FROM orders GROUP BY customer) z JOIN customers c ON c.id = z.customer;
-- n_cte_twice: delta: groups read twice, of which the largest are wanted
WITH sums AS (SELECT customer, sum(total) AS total FROM orders GROUP BY customer)
SELECT c.name, s.total FROM sums s JOIN customers c ON c.id = s.customer WHERE s.total = (SELECT max(total) FROM sums);
-- n_share: delta: groups against a part of the total
SELECT status, sum(channel) AS n FROM orders GROUP BY status HAVING sum(channel) > (SELECT sum(channel) * 0.1 FROM orders);
-- n_totals: delta: totals side by side
WITH a AS (SELECT count(*) AS n FROM customers), b AS (SELECT count(*) AS n, sum(qty) AS qty FROM items) SELECT a.n AS customers, b.n AS items, b.qty FROM a, b;
-- n_newest: delta|full: the rows of the newest day
SELECT id, status FROM orders WHERE day = (SELECT max(day) FROM orders);
-- n_left_groups: delta|keys: a left join of groups of a join
SELECT c.id, y.n FROM customers c LEFT JOIN (SELECT o.customer, count(*) AS n FROM orders o JOIN rates r ON r.currency = o.currency WHERE r.rate > 1 GROUP BY o.customer) y ON y.customer = c.id;
-- n_group_of_groups: delta: how many groups have so many rows
SELECT q.n, count(*) AS customers FROM (SELECT o.customer, count(r.currency) AS n FROM orders o LEFT JOIN rates r ON r.currency = o.currency AND r.rate > 1 GROUP BY o.customer) q GROUP BY q.n;
-- n_in_groups: delta|keys: IN over groups with HAVING
SELECT id, name FROM customers WHERE id IN (SELECT customer FROM orders GROUP BY customer HAVING sum(channel) > 5);
-- n_in_deep: delta: IN over a subquery with one of its own
SELECT c.region, count(*) AS n FROM customers c WHERE c.id IN (SELECT o.customer FROM orders o WHERE o.channel < (SELECT sum(i.qty) FROM items i WHERE i.order_id = o.id)) GROUP BY c.region;
-- n_two_groups: delta|keys: two grouped subqueries joined
SELECT a.status, a.n, b.m FROM (SELECT status, count(*) AS n FROM orders GROUP BY status) a JOIN (SELECT o.status, count(*) AS m FROM items i JOIN orders o ON o.id = i.order_id GROUP BY o.status) b ON b.status = a.status;
-- n_top_groups: delta: the first of the groups, below
SELECT q.status, q.n + 1 AS n FROM (SELECT status, customer, count(*) AS n FROM orders GROUP BY status, customer ORDER BY count(*) DESC, status, customer LIMIT 3) q;
-- n_distinct_below: delta: distinct values below a window
SELECT q.status, row_number() OVER (ORDER BY q.status) AS no FROM (SELECT DISTINCT status FROM orders) q;
-- n_not_in_null: delta|full: NOT IN over values of which some are null
SELECT id FROM customers WHERE region NOT IN (SELECT channel FROM orders WHERE paid);
-- n_running: delta: a running total over groups
SELECT day, sum(n) OVER (ORDER BY day) AS running FROM (SELECT day, count(*) AS n FROM orders GROUP BY day) q;
-- n_intersect_all: delta: INTERSECT ALL
SELECT channel AS c FROM orders INTERSECT ALL SELECT region FROM customers;
-- n_except_groups: delta|keys: EXCEPT of groups
SELECT status, count(*) AS n FROM orders GROUP BY status EXCEPT SELECT status, count(*) FROM orders WHERE paid GROUP BY status;
-- n_union_below: delta: UNION below groups
SELECT q.region, count(*) AS n FROM (SELECT region FROM customers UNION SELECT channel FROM orders) q GROUP BY q.region;
-- n_grouping: delta: GROUPING() of a join
SELECT o.status, c.tier, grouping(o.status, c.tier) AS level, count(*) AS n, sum(o.channel) AS channels FROM orders o JOIN customers c ON c.id = o.customer GROUP BY ROLLUP (o.status, c.tier) HAVING count(*) > 1;
-- n_union_limit: delta: the first of a union
SELECT name FROM customers UNION SELECT title FROM products ORDER BY 1 DESC NULLS LAST LIMIT 6;

-- f_limit: keys|full: the first rows of a table, of which some are lost
SELECT id, total FROM orders ORDER BY id LIMIT 20;
-- f_limit_below: delta: LIMIT below groups
SELECT status, count(*) AS n FROM (SELECT * FROM orders ORDER BY id LIMIT 50) q GROUP BY status;
-- f_window: delta: a window without partitions
SELECT id, sum(channel) OVER (ORDER BY id) AS running FROM orders;
-- f_window_hidden: delta: partitions that are not shown
SELECT id, row_number() OVER (PARTITION BY status, customer ORDER BY id) AS no FROM orders;
-- f_window_two: delta: partitions with nothing in common
SELECT id, status, customer, count(*) OVER (PARTITION BY status) AS n, count(*) OVER (PARTITION BY customer) AS m FROM orders;
-- f_distinct_on: delta: what DISTINCT ON is about is not shown
SELECT DISTINCT ON (customer) id, total FROM orders ORDER BY customer, id;
-- l_latest: keys|full: the first by what is not unique, and all like the last
SELECT status, day FROM orders ORDER BY day DESC NULLS LAST FETCH FIRST 6 ROWS WITH TIES;
-- l_numeric: keys|full: numbers that look different, and another key to sort by
SELECT total, id, paid FROM orders WHERE channel > 1 ORDER BY total NULLS FIRST, id LIMIT 12;
-- l_few: keys|full: fewer rows than wanted, now and then
SELECT id, total FROM orders WHERE status = 'rare' ORDER BY id DESC LIMIT 5;
-- l_expression: keys|full: the first by an expression, NULL among them
SELECT id % 7 AS rest, upper(status) AS status, id FROM orders ORDER BY 1 DESC, 2, 3 LIMIT 10;
-- l_floats: keys|full: floats, with intervals
SELECT weight, span, sku FROM products ORDER BY weight, sku LIMIT 9;
-- l_none: keys|full: none
SELECT id FROM orders ORDER BY id LIMIT 0;
-- r_limit_join: delta: the first rows of a join
SELECT o.id, c.name, o.total FROM orders o JOIN customers c ON c.id = o.customer ORDER BY o.day DESC NULLS LAST, o.id LIMIT 15;
-- r_limit_ties: delta: and all that are equal to the last
SELECT c.name, o.day FROM orders o JOIN customers c ON c.id = o.customer ORDER BY o.day FETCH FIRST 4 ROWS WITH TIES;
-- r_offset: delta: what is left after the first rows
SELECT o.id, i.line, i.amount FROM orders o JOIN items i ON i.order_id = o.id ORDER BY o.id, i.line OFFSET 30;
-- r_limit_none: delta: no row at all
SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer LIMIT 0;
-- r_limit_left: delta: an outer join, of which the nullable side is not shown
SELECT c.name, o.channel, row_number() OVER () IS NOT NULL AS any FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.paid ORDER BY c.id DESC, o.id LIMIT 25;
-- r_full: delta: a full join
SELECT o.status, s.cost FROM orders o FULL JOIN shipments s ON s.order_id = o.id ORDER BY coalesce(o.id, s.order_id) LIMIT 40;
-- r_left_chain: delta: two left joins
SELECT c.name, o.total, p.title, rank() OVER (ORDER BY o.day, o.id, i.line) AS place
FROM customers c LEFT JOIN (orders o JOIN items i ON i.order_id = o.id) ON o.customer = c.id LEFT JOIN products p ON p.sku = i.sku;
-- r_distinct_on: delta: DISTINCT ON over a join, by what is not shown
SELECT DISTINCT ON (c.region) o.id, c.credit, o.total FROM orders o JOIN customers c ON c.id = o.customer ORDER BY c.region, o.day DESC NULLS LAST, o.id;
-- r_lag: delta: neighbours and running totals over a join
SELECT i.order_id, i.line, lag(i.amount) OVER w AS before, sum(i.qty) OVER w AS running, first_value(c.credit) OVER w AS first
FROM items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer WINDOW w AS (ORDER BY o.day, o.id, i.line);
-- r_ntile: delta: quarters, and the share of a total
SELECT s.id, ntile(4) OVER (ORDER BY s.salary, s.id) AS quarter, s.salary * 100 / nullif(sum(s.salary) OVER (), 0) AS share FROM staff s;
-- r_two_windows: delta: two windows over a join
SELECT o.id, rank() OVER (ORDER BY o.channel, o.id) AS a, rank() OVER (PARTITION BY c.tier ORDER BY o.id DESC) AS b FROM orders o JOIN customers c ON c.id = o.customer;
-- r_images: delta: numeric, float, interval, json and text that look different
SELECT c.credit, p.weight, p.span, i.wait, to_jsonb(i.amount) AS amount, row_number() OVER (ORDER BY c.id, o.id, i.line) AS no
FROM items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer LEFT JOIN products p ON p.sku = i.sku;
-- r_union: delta: a window over UNION ALL, where rows have no key
SELECT u.credit, count(*) OVER (ORDER BY u.credit RANGE UNBOUNDED PRECEDING) AS n, max(u.at) OVER () AS last FROM (SELECT credit, since AS at FROM customers UNION ALL SELECT total, day FROM orders) u;
-- r_union_limit: delta: the first of UNION ALL, with a table
SELECT u.name, r.zone FROM (SELECT name, region FROM customers UNION ALL SELECT title, category FROM products) u JOIN regions r ON r.id = u.region ORDER BY 1, 2 LIMIT 12;
-- r_function: delta: a function in FROM
SELECT w, i.qty FROM items i, regexp_split_to_table(i.note, ' ') w ORDER BY w, i.qty LIMIT 10;
-- r_grouped: delta: aggregates of no kind that can be added, without keys
SELECT stddev(i.amount) AS amount, mode() WITHIN GROUP (ORDER BY o.status) AS status, array_agg(c.credit ORDER BY c.id, o.id, i.line) AS credits
FROM items i JOIN orders o ON o.id = i.order_id JOIN customers c ON c.id = o.customer;
-- r_grouped_hidden: delta: the same of groups that are not shown, with HAVING
SELECT string_agg(o.status, ',' ORDER BY o.id) AS states FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region HAVING count(DISTINCT c.credit) > 1;
-- r_having: delta: groups that cannot be added, compared with a total
SELECT customer, string_agg(status, ',' ORDER BY id) AS states FROM orders GROUP BY customer HAVING count(*) > (SELECT count(*) / 50 FROM orders);
-- r_cte_twice: delta: a LIMIT that is read twice
WITH newest AS (SELECT o.id, o.customer, o.total FROM orders o JOIN customers c ON c.id = o.customer ORDER BY o.day DESC NULLS LAST, o.id LIMIT 20)
SELECT a.id, b.id AS other, a.total FROM newest a JOIN newest b ON b.customer = a.customer AND b.id <> a.id;
-- r_in_limit: delta: IN over the first rows
SELECT c.id, c.name FROM customers c WHERE c.id IN (SELECT o.customer FROM orders o ORDER BY o.id DESC LIMIT 15);
-- r_scalar_limit: delta: the first row as a value
SELECT o.id, (SELECT s.name FROM staff s ORDER BY s.salary DESC NULLS LAST, s.id LIMIT 1) AS boss FROM orders o WHERE o.paid;
-- r_window_below: delta: a window without partitions below a join
SELECT c.name, q.no FROM (SELECT o.customer, row_number() OVER (ORDER BY o.id) AS no FROM orders o) q JOIN customers c ON c.id = q.customer WHERE q.no % 3 = 0;
-- r_groups_of_window: delta: groups of a window
SELECT q.quarter, count(*) AS n, sum(q.channel) AS channels FROM (SELECT o.channel, ntile(4) OVER (ORDER BY o.total NULLS FIRST, o.id) AS quarter FROM orders o JOIN customers c ON c.id = o.customer) q GROUP BY q.quarter;
-- r_over_groups: delta: the first rows of a table with groups
SELECT c.name, g.n FROM customers c JOIN (SELECT customer, count(*) AS n FROM orders GROUP BY customer) g ON g.customer = c.id ORDER BY g.n DESC, c.id LIMIT 7;
-- r_partitioned: delta: a partitioned table
SELECT e.id, e.kind, lag(e.happened) OVER (ORDER BY e.part, e.id) AS before FROM events e;
-- r_exists: delta: a LIMIT over EXISTS, and a subquery that stays
SELECT o.id, o.total, (SELECT max(n) FROM steps) AS most FROM orders o WHERE EXISTS (SELECT FROM items i WHERE i.order_id = o.id AND i.qty > 1) ORDER BY o.id DESC LIMIT 9;
-- r_lateral: keys: the first rows of each, in LATERAL
SELECT c.id, t.id AS order_id, t.total FROM customers c, LATERAL (SELECT o.id, o.total FROM orders o WHERE o.customer = c.id ORDER BY o.total DESC NULLS LAST, o.id LIMIT 2) t;
-- r_views: delta: over materialized views, which have no keys
SELECT m.status, m.amount, row_number() OVER (ORDER BY m.id, m.line) AS no FROM m_lines m;
-- r_srf: delta: a function that returns rows, and a LIMIT
SELECT o.id, generate_series(1, o.channel) AS g FROM orders o JOIN customers c ON c.id = o.customer ORDER BY 1, 2 LIMIT 30;
-- f_rollup: delta: ROLLUP
SELECT status, paid, count(*) AS n FROM orders GROUP BY ROLLUP (status, paid);
-- f_cube: delta: CUBE
SELECT tier, vip, count(*) AS n FROM customers GROUP BY CUBE (tier, vip);
-- f_sets: delta: GROUPING SETS
SELECT kind, part, sum(volume) AS volume FROM events GROUP BY GROUPING SETS ((kind), (part), ());
-- f_no_groups: delta: no group to be told
SELECT stddev(qty) AS qty, count(*) AS n FROM items;
-- f_hidden_key: delta: no group key is shown
SELECT string_agg(note, ',' ORDER BY line) AS notes FROM items GROUP BY order_id;
-- f_recursive: full: a recursive CTE over what changes
WITH RECURSIVE r AS (SELECT id, 0 AS depth FROM staff WHERE manager IS NULL UNION SELECT s.id, r.depth + 1 FROM r JOIN staff s ON s.manager = r.id WHERE r.depth < 4)
SELECT depth, count(*) AS n FROM r GROUP BY depth;
-- f_recursive_joined: delta whole(staff): joined with what changes
WITH RECURSIVE r AS (SELECT id, 0 AS depth FROM staff WHERE manager IS NULL UNION SELECT s.id, r.depth + 1 FROM r JOIN staff s ON s.manager = r.id WHERE r.depth < 4)
SELECT r.depth, c.tier, count(*) AS n, sum(c.credit) AS credit FROM r JOIN customers c ON c.id = r.id GROUP BY r.depth, c.tier;
-- f_recursive_nullable: delta whole(staff): what changes is on the nullable side of a join with it
WITH RECURSIVE r AS (SELECT id, id AS root FROM staff WHERE dept = 1 UNION SELECT s.id, r.root FROM r JOIN staff s ON s.manager = r.id)
SELECT r.root, count(o.id) AS n, max(o.day) AS last FROM r LEFT JOIN orders o ON o.customer = r.id GROUP BY r.root;
-- f_recursive_rows: keys whole(staff): read twice, one of them on the nullable side
WITH RECURSIVE r AS (SELECT id, 0 AS depth FROM staff WHERE manager IS NULL UNION SELECT s.id, r.depth + 1 FROM r JOIN staff s ON s.manager = r.id WHERE r.depth < 4)
SELECT o.id, o.total, a.depth, b.depth AS other FROM orders o JOIN r a ON a.id = o.customer LEFT JOIN r b ON b.id = o.channel;
-- f_recursive_of_steps: keys: correlated subqueries beside a recursive query over what never changes
WITH RECURSIVE r AS (SELECT n, label FROM steps WHERE n = 0 UNION ALL SELECT s.n, s.label FROM r JOIN steps s ON s.n = r.n + 1)
SELECT r.n, r.label, (SELECT count(*) FROM orders o WHERE o.customer = r.n) AS orders, EXISTS (SELECT FROM events e WHERE e.customer = r.n) AS has FROM r;
-- f_union: delta: no column is the same in both arms
SELECT upper(status) AS label FROM orders UNION SELECT upper(kind) FROM events;
-- i_groups: delta: rows of a table and of its child, with the same keys
SELECT id % 5 AS rest, sum(amount) AS amount, count(*) AS n FROM ledger GROUP BY 1;
-- i_joined: delta: joined with another table
SELECT c.tier, count(*) AS n FROM ledger l JOIN customers c ON c.id = l.id GROUP BY c.tier;
-- i_rows: keys: a copy
SELECT * FROM ledger;
-- i_nullable: keys: on the nullable side
SELECT c.id, l.amount FROM customers c LEFT JOIN ledger l ON l.id = c.id;
-- i_exists: keys: as a condition
SELECT c.id, c.name FROM customers c WHERE EXISTS (SELECT FROM ledger l WHERE l.id = c.id AND l.amount > 1);
-- f_keyless: full: a table without a key cannot be tracked
SELECT a, count(*) AS n FROM keyless GROUP BY a;
-- f_nullable_key: full: a unique column that may be null is no key
SELECT * FROM nullable_key;
-- w_counted: delta: whole rows of a table that an outer join makes null
SELECT c.tier, count(o) AS orders, count(*) FILTER (WHERE o IS NULL) AS without FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.tier;
-- w_alone: delta: the same, with a key
SELECT c.id, count(o.*) AS orders FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id;
