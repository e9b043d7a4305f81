-- Fill an empty database with :rows sales, and a customer for every 20 of these. All
-- values derive from the numbers of rows by hashing: no two runs differ.
--   psql -v rows=100000 -f load.sql

\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, region text NOT NULL);
INSERT INTO customers
SELECT n, 'Customer ' || n, 'Region ' || n % 20 FROM generate_series(1, greatest(:rows / 20, 1)) n;

CREATE TABLE sales (
    id bigint PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    category integer NOT NULL,
    status text NOT NULL,
    day date NOT NULL,
    quantity integer NOT NULL,
    amount numeric(12,2) NOT NULL,
    note text);

-- The sale of the number id; another salt gives another one.
CREATE FUNCTION sale(id bigint, salt bigint) RETURNS SETOF sales LANGUAGE sql STABLE AS
$$SELECT id, 1 + (h[1] % (SELECT max(id) FROM customers))::integer, (h[2] % groups)::integer,
    (ARRAY['new', 'open', 'paid', 'sent', 'closed'])[1 + h[3] % 5], date '2024-01-01' + (h[4] % 730)::integer,
    (1 + h[5] % 20)::integer, (100 + h[6] % 100000) / 100.0, 'note ' || h[7] % 1000
FROM (SELECT array_agg(hashint8extended(id, 10 * salt + i) & 2147483647 ORDER BY i) FROM generate_series(1, 7) i) a (h),
    (SELECT greatest(count(*) / 50, 1) FROM customers) g (groups)$$;

INSERT INTO sales SELECT s.* FROM generate_series(1, :rows) n, sale(n, 0) s;
CREATE INDEX ON sales (customer_id);
CREATE INDEX ON sales (category);
VACUUM ANALYZE;
