-- Fill the tables that schema.sql has made, then index them: primary keys, foreign
-- keys, and the columns of these.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET maintenance_work_mem = '512MB';

INSERT INTO region
SELECT n - 1, (ARRAY['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'])[n], gen.comment(n, 1000)
FROM generate_series(1, 5) n;

INSERT INTO nation
SELECT number - 1, name, region, gen.comment(number, 1100)
FROM unnest('{ALGERIA,ARGENTINA,BRAZIL,CANADA,EGYPT,ETHIOPIA,FRANCE,GERMANY,INDIA,INDONESIA,IRAN,IRAQ,JAPAN,
    JORDAN,KENYA,MOROCCO,MOZAMBIQUE,PERU,CHINA,ROMANIA,SAUDI ARABIA,VIETNAM,RUSSIA,UNITED KINGDOM,UNITED STATES}'::text[],
    '{0,1,1,1,4,0,3,3,2,2,4,4,2,4,0,0,0,1,2,3,4,2,3,3,1}'::integer[]) WITH ORDINALITY n (name, region, number);

-- Of 10,000 suppliers, five have complaints of customers in the comment, and five are recommended.
INSERT INTO supplier
SELECT n, 'Supplier#' || to_char(n, 'FM000000000'), gen.address(n, 1200), nation, gen.phone(n, 1201, nation),
    gen.balance(n, 1204),
    gen.comment(n, 1205) || CASE n % 2000 WHEN 77 THEN ' Customer fox Complaints' WHEN 78 THEN ' Customer fox Recommends'
        ELSE '' END
FROM generate_series(1, gen.suppliers()) n, LATERAL (SELECT gen.draw(n, 1208, 0, 24)) a (nation);

INSERT INTO customer
SELECT n, 'Customer#' || to_char(n, 'FM000000000'), gen.address(n, 1300), nation, gen.phone(n, 1301, nation),
    gen.balance(n, 1304), gen.word(n, 1305, '{AUTOMOBILE,BUILDING,FURNITURE,MACHINERY,HOUSEHOLD}'), gen.comment(n, 1306)
FROM generate_series(1, 15 * gen.suppliers()) n, LATERAL (SELECT gen.draw(n, 1309, 0, 24)) a (nation);

-- The 92 words of names of parts; five that differ make a name.
CREATE FUNCTION gen.colors() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT '{almond,antique,aquamarine,azure,beige,bisque,black,blanched,blue,blush,brown,burlywood,burnished,chartreuse,
    chiffon,chocolate,coral,cornflower,cornsilk,cream,cyan,dark,deep,dim,dodger,drab,firebrick,floral,forest,frosted,
    gainsboro,ghost,goldenrod,green,grey,honeydew,hot,indian,ivory,khaki,lace,lavender,lawn,lemon,light,lime,linen,
    magenta,maroon,medium,metallic,midnight,mint,misty,moccasin,navajo,navy,olive,orange,orchid,pale,papaya,peach,
    peru,pink,plum,powder,puff,purple,red,rose,rosy,royal,saddle,salmon,sandy,seashell,sienna,sky,slate,smoke,snow,
    spring,steel,tan,thistle,tomato,turquoise,violet,wheat,white,yellow}'::text[]
$$;

INSERT INTO part
SELECT n,
    (SELECT string_agg((gen.colors())[1 + (first + step * i) % 92], ' ' ORDER BY i) FROM generate_series(0, 4) i),
    'Manufacturer#' || maker, 'Brand#' || maker || gen.draw(n, 1400, 1, 5),
    gen.word(n, 1401, '{STANDARD,SMALL,MEDIUM,LARGE,ECONOMY,PROMO}') || ' ' ||
        gen.word(n, 1402, '{ANODIZED,BURNISHED,PLATED,POLISHED,BRUSHED}') || ' ' ||
        gen.word(n, 1403, '{TIN,NICKEL,BRASS,STEEL,COPPER}'),
    gen.draw(n, 1404, 1, 50),
    gen.word(n, 1405, '{SM,LG,MED,JUMBO,WRAP}') || ' ' || gen.word(n, 1406, '{CASE,BOX,BAG,JAR,PKG,PACK,CAN,DRUM}'),
    gen.price(n), left(gen.comment(n, 1407), 22)
FROM generate_series(1, 20 * gen.suppliers()) n,
    LATERAL (SELECT gen.draw(n, 1410, 1, 5), gen.draw(n, 1411, 0, 91), gen.draw(n, 1412, 1, 22)) a (maker, first, step);

INSERT INTO partsupp
SELECT n, gen.supplier(n, i, gen.suppliers()), gen.draw(4 * n + i, 1500, 1, 9999),
    gen.draw(4 * n + i, 1501, 100, 100000) / 100.0, gen.comment(4 * n + i, 1502)
FROM generate_series(1, 20 * gen.suppliers()) n, generate_series(0, 3) i;

-- Of 32 keys of orders, the first eight are in use.
INSERT INTO lineitem
SELECT l.*
FROM generate_series(0, 150 * gen.suppliers() - 1) n, gen.lines(n / 8 * 32 + n % 8 + 1, 0) l;

INSERT INTO orders
SELECT o.*
FROM (SELECT l_orderkey AS key, min(l_linestatus) AS lowest, max(l_linestatus) AS highest,
        sum(l_extendedprice * (1 + l_tax) * (1 - l_discount)) AS price
    FROM lineitem GROUP BY l_orderkey ORDER BY l_orderkey) l,
    gen.order(key, 0, lowest, highest, price) o;

ALTER TABLE region ADD PRIMARY KEY (r_regionkey);
ALTER TABLE nation ADD PRIMARY KEY (n_nationkey);
ALTER TABLE part ADD PRIMARY KEY (p_partkey);
ALTER TABLE supplier ADD PRIMARY KEY (s_suppkey);
ALTER TABLE partsupp ADD PRIMARY KEY (ps_partkey, ps_suppkey);
ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber);

CREATE INDEX ON nation (n_regionkey);
CREATE INDEX ON supplier (s_nationkey);
CREATE INDEX ON partsupp (ps_suppkey);
CREATE INDEX ON customer (c_nationkey);
CREATE INDEX ON orders (o_custkey);
CREATE INDEX ON lineitem (l_partkey);
CREATE INDEX ON lineitem (l_suppkey);

ALTER TABLE nation ADD FOREIGN KEY (n_regionkey) REFERENCES region;
ALTER TABLE supplier ADD FOREIGN KEY (s_nationkey) REFERENCES nation;
ALTER TABLE customer ADD FOREIGN KEY (c_nationkey) REFERENCES nation;
ALTER TABLE partsupp ADD FOREIGN KEY (ps_partkey) REFERENCES part, ADD FOREIGN KEY (ps_suppkey) REFERENCES supplier;
ALTER TABLE orders ADD FOREIGN KEY (o_custkey) REFERENCES customer;
ALTER TABLE lineitem ADD FOREIGN KEY (l_orderkey) REFERENCES orders,
    ADD FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp;

VACUUM ANALYZE;
CHECKPOINT;
