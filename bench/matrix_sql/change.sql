-- Change :n sales from anywhere, in three transactions: 15 % new ones come, 15 % old ones
-- go, the others get another amount, and every fifth of them another category, status and
-- customer. What they get derives from :turn.
--   psql -v n=1000 -v turn=1 -f change.sql

\set ON_ERROR_STOP on

CREATE TEMP TABLE chosen AS
SELECT id, row_number() OVER (ORDER BY hash, id) AS number
FROM (SELECT id, hashint8extended(id, :turn) AS hash FROM sales ORDER BY hash, id LIMIT :n - :n * 15 / 100) s;
CREATE UNIQUE INDEX ON chosen (id);
ANALYZE chosen;

INSERT INTO sales
SELECT s.* FROM (SELECT max(id) AS last FROM sales) m, generate_series(1, :n * 15 / 100) i, sale(last + i, :turn) s;

DELETE FROM sales WHERE id IN (SELECT id FROM chosen WHERE number <= :n * 15 / 100);

UPDATE sales s
SET amount = new.amount, category = CASE WHEN number % 5 = 0 THEN new.category ELSE s.category END,
    status = CASE WHEN number % 5 = 0 THEN new.status ELSE s.status END,
    customer_id = CASE WHEN number % 5 = 0 THEN new.customer_id ELSE s.customer_id END
FROM chosen c, sale(c.id, :turn) new
WHERE s.id = c.id AND number > :n * 15 / 100;
