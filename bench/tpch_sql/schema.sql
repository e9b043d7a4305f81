-- The eight tables of scale :scale, without indexes and constraints, and (in schema
-- gen) the functions that their values derive from by hashing: no two runs differ.
--   psql -v scale=1 -f schema.sql

\set ON_ERROR_STOP on

CREATE TABLE region (
    r_regionkey integer NOT NULL, r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (
    n_nationkey integer NOT NULL, n_name char(25) NOT NULL, n_regionkey integer NOT NULL, n_comment varchar(152));
CREATE TABLE part (
    p_partkey integer NOT NULL, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL, p_brand char(10) NOT NULL,
    p_type varchar(25) NOT NULL, p_size integer NOT NULL, p_container char(10) NOT NULL,
    p_retailprice numeric(15,2) NOT NULL, p_comment varchar(23) NOT NULL);
CREATE TABLE supplier (
    s_suppkey integer NOT NULL, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL,
    s_nationkey integer NOT NULL, s_phone char(15) NOT NULL, s_acctbal numeric(15,2) NOT NULL,
    s_comment varchar(101) NOT NULL);
CREATE TABLE partsupp (
    ps_partkey integer NOT NULL, ps_suppkey integer NOT NULL, ps_availqty integer NOT NULL,
    ps_supplycost numeric(15,2) NOT NULL, ps_comment varchar(199) NOT NULL);
CREATE TABLE customer (
    c_custkey integer NOT NULL, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
    c_nationkey integer NOT NULL, c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL,
    c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL);
CREATE TABLE orders (
    o_orderkey bigint NOT NULL, o_custkey integer NOT NULL, o_orderstatus char(1) NOT NULL,
    o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL,
    o_clerk char(15) NOT NULL, o_shippriority integer NOT NULL, o_comment varchar(79) NOT NULL);
CREATE TABLE lineitem (
    l_orderkey bigint NOT NULL, l_partkey integer NOT NULL, l_suppkey integer NOT NULL,
    l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
    l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL,
    l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL,
    l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
    l_comment varchar(44) NOT NULL);

CREATE SCHEMA gen;

-- A number from low to high that derives from key and salt alone.
CREATE FUNCTION gen.draw(key bigint, salt bigint, low integer, high integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT low + ((hashint8extended(key, salt) & 2147483647) % (high - low + 1))::integer';

-- One of the words.
CREATE FUNCTION gen.word(key bigint, salt bigint, words text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT words[gen.draw(key, salt, 1, cardinality(words))]';

-- A few words.
CREATE FUNCTION gen.comment(key bigint, salt bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT gen.word(key, salt, '{furiously,slyly,carefully,quickly,blithely,fluffily,daringly}') || ' ' ||
    gen.word(key, salt + 1, '{final,regular,express,ironic,even,bold,silent,pending,unusual}') || ' ' ||
    gen.word(key, salt + 2, '{deposits,foxes,accounts,ideas,theodolites,pinto beans,dolphins,packages}')
$$;

-- What may be the address of someone.
CREATE FUNCTION gen.address(key bigint, salt bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT substr(md5(key || ''/'' || salt), 1, gen.draw(key, salt, 10, 30))';

-- A telephone number, which begins with the country's code.
CREATE FUNCTION gen.phone(key bigint, salt bigint, nation integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT 10 + nation || '-' || gen.draw(key, salt, 100, 999) || '-' || gen.draw(key, salt + 1, 100, 999) || '-' ||
    gen.draw(key, salt + 2, 1000, 9999)
$$;

-- A balance.
CREATE FUNCTION gen.balance(key bigint, salt bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT gen.draw(key, salt, -99999, 999999) / 100.0';

-- The price of a part.
CREATE FUNCTION gen.price(part integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT (90000 + part / 10 % 20001 + 100 * (part % 1000)) / 100.0';

-- The supplier (of so many) of a part that is the ith of its four, from 0 on.
CREATE FUNCTION gen.supplier(part integer, i integer, suppliers integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT (part + i * (suppliers / 4 + (part - 1) / suppliers)) % suppliers + 1';

-- How many suppliers there are. Of parts there are 20, of customers 15 times as many.
SELECT format('CREATE FUNCTION gen.suppliers() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L',
    'SELECT ' || round(10000 * :scale)) \gexec

-- When an order of that key was placed; salt is as for gen.lines.
CREATE FUNCTION gen.order_date(key bigint, salt bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT date ''1992-01-01'' + gen.draw(key, salt, 0, 2405)';

-- The one to seven lines of an order. Another salt gives other lines.
CREATE FUNCTION gen.lines(key bigint, salt bigint) RETURNS SETOF lineitem
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT key, part, gen.supplier(part, gen.draw(id, salt + 1, 0, 3), gen.suppliers()), n, quantity,
    quantity * gen.price(part), gen.draw(id, salt + 2, 0, 10) / 100.0, gen.draw(id, salt + 3, 0, 8) / 100.0,
    CASE WHEN received > date '1995-06-17' THEN 'N'
        WHEN gen.draw(id, salt + 4, 0, 1) = 0 THEN 'R' ELSE 'A' END,
    CASE WHEN shipped > date '1995-06-17' THEN 'O' ELSE 'F' END,
    shipped, gen.order_date(key, salt) + gen.draw(id, salt + 5, 30, 90), received,
    gen.word(id, salt + 6, '{DELIVER IN PERSON,COLLECT COD,NONE,TAKE BACK RETURN}'),
    gen.word(id, salt + 7, '{REG AIR,AIR,RAIL,SHIP,TRUCK,MAIL,FOB}'), gen.comment(id, salt + 8)
FROM generate_series(1, gen.draw(key, salt + 9, 1, 7)) n
CROSS JOIN LATERAL (SELECT 8 * key + n) i (id)
CROSS JOIN LATERAL (SELECT gen.draw(id, salt + 10, 1, 20 * gen.suppliers()), gen.draw(id, salt + 11, 1, 50),
    gen.order_date(key, salt) + gen.draw(id, salt + 12, 1, 121)) a (part, quantity, shipped)
CROSS JOIN LATERAL (SELECT shipped + gen.draw(id, salt + 13, 1, 30)) b (received)
$$;

-- The order whose lines have these line states and this price.
CREATE FUNCTION gen.order(key bigint, salt bigint, lowest text, highest text, price numeric) RETURNS SETOF orders
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT key, customer + (customer % 3 = 0)::integer, CASE WHEN lowest = highest THEN lowest ELSE 'P' END,
    price, gen.order_date(key, salt),
    gen.word(key, salt + 14, '{1-URGENT,2-HIGH,3-MEDIUM,4-NOT SPECIFIED,5-LOW}'),
    'Clerk#' || to_char(gen.draw(key, salt + 15, 1, greatest(gen.suppliers() / 10, 1)), 'FM000000000'), 0,
    gen.comment(key, salt + 16) ||
        CASE WHEN gen.draw(key, salt + 19, 1, 90) = 1 THEN ' special packages haggle requests' ELSE '' END
FROM (SELECT gen.draw(key, salt + 20, 1, 15 * gen.suppliers() - 1)) c (customer)
$$;
