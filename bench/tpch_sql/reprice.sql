-- The prices of :n lines rise or fall, and the balances of :n customers change (RF3).
--   psql -v n=500 -v turn=1 -f reprice.sql

\set ON_ERROR_STOP on

-- Adding up to ten dollars to :n lines, the first ones of orders from anywhere.
BEGIN;
UPDATE lineitem l
SET l_extendedprice = l.l_extendedprice + gen.draw(l.l_orderkey, :turn, -1000, 1000) / 100.0
FROM (SELECT DISTINCT key
    FROM generate_series(1, :n) i,
        LATERAL (SELECT o_orderkey FROM orders
            WHERE o_orderkey >= 32 * gen.draw(i, 12000000 + :turn, 0, 75 * gen.suppliers() / 4 - 1)::bigint
                + gen.draw(i, 15000000 + :turn, 0, 7)
            ORDER BY o_orderkey LIMIT 1) k (key)) o
WHERE l.l_orderkey = o.key AND l.l_linenumber = 1;

UPDATE customer
SET c_acctbal = c_acctbal + gen.draw(c_custkey, :turn, -10000, 10000) / 100.0
WHERE c_custkey IN (SELECT gen.draw(i, 18000000 + :turn, 1, 15 * gen.suppliers()) FROM generate_series(1, :n) i);
COMMIT;
