-- The quantity of one line, which :turn chooses, becomes another one.
--   psql -v turn=1 -f one.sql

\set ON_ERROR_STOP on

UPDATE lineitem
SET l_quantity = CASE WHEN l_quantity < 50 THEN l_quantity + 1 ELSE 1 END
WHERE l_linenumber = 1 AND l_orderkey = (SELECT o_orderkey FROM orders
    WHERE o_orderkey >= 32 * gen.draw(1, 21000000 + :turn, 0, 75 * gen.suppliers() / 4 - 1)::bigint
    ORDER BY o_orderkey LIMIT 1);
