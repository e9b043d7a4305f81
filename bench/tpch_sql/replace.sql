-- :n new orders with their lines come in (RF1), then :n old ones with theirs go (RF2);
-- both from anywhere in the tables. What they are derives from :turn.
--   psql -v n=1500 -v turn=1 -f replace.sql

\set ON_ERROR_STOP on
SET client_min_messages = warning;

-- Keys from 9 to 31 of 32 that are not in use, and keys of old orders.
CREATE TEMP TABLE new_keys AS
SELECT key
FROM generate_series(1, :n + :n / 10 + 10) i,
    LATERAL (SELECT 32 * gen.draw(i, 2000 + :turn, 0, 75 * gen.suppliers() / 4 - 1)::bigint
        + gen.draw(i, 3000000 + :turn, 9, 31)) k (key)
WHERE NOT EXISTS (SELECT FROM orders WHERE o_orderkey = key)
GROUP BY key ORDER BY min(i) LIMIT :n;

CREATE TEMP TABLE old_keys AS
SELECT key
FROM generate_series(1, 2 * :n + 10) i,
    LATERAL (SELECT o_orderkey FROM orders
        WHERE o_orderkey >= 32 * gen.draw(i, 6000000 + :turn, 0, 75 * gen.suppliers() / 4 - 1)::bigint
            + gen.draw(i, 9000000 + :turn, 0, 7)
        ORDER BY o_orderkey LIMIT 1) k (key)
GROUP BY key ORDER BY min(i) LIMIT :n;

CREATE TEMP TABLE new_lines AS
SELECT l.* FROM new_keys, gen.lines(key, 100 * :turn) l;

BEGIN;
INSERT INTO orders
SELECT o.*
FROM (SELECT l_orderkey AS key, min(l_linestatus) AS lowest, max(l_linestatus) AS highest,
        sum(l_extendedprice * (1 + l_tax) * (1 - l_discount)) AS price
    FROM new_lines GROUP BY l_orderkey) l,
    gen.order(key, 100 * :turn, lowest, highest, price) o;
INSERT INTO lineitem SELECT * FROM new_lines;
COMMIT;

BEGIN;
DELETE FROM lineitem WHERE l_orderkey IN (SELECT key FROM old_keys);
DELETE FROM orders WHERE o_orderkey IN (SELECT key FROM old_keys);
COMMIT;

DROP TABLE new_keys, old_keys, new_lines;
