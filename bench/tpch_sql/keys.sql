-- Unique indexes on the views, in the first schema of search_path, without which there is no
-- REFRESH CONCURRENTLY. A view of one row has it on its value.
--   psql -f keys.sql

\set ON_ERROR_STOP on

CREATE UNIQUE INDEX ON q01 (l_returnflag, l_linestatus);
CREATE UNIQUE INDEX ON q02 (p_partkey, s_name);
CREATE UNIQUE INDEX ON q03 (l_orderkey);
CREATE UNIQUE INDEX ON q04 (o_orderpriority);
CREATE UNIQUE INDEX ON q05 (n_name);
CREATE UNIQUE INDEX ON q06 (revenue);
CREATE UNIQUE INDEX ON q07 (supp_nation, cust_nation, l_year);
CREATE UNIQUE INDEX ON q08 (o_year);
CREATE UNIQUE INDEX ON q09 (nation, o_year);
CREATE UNIQUE INDEX ON q10 (c_custkey);
CREATE UNIQUE INDEX ON q11 (ps_partkey);
CREATE UNIQUE INDEX ON q12 (l_shipmode);
CREATE UNIQUE INDEX ON q13 (c_count);
CREATE UNIQUE INDEX ON q14 (promo_revenue);
CREATE UNIQUE INDEX ON q15 (s_suppkey);
CREATE UNIQUE INDEX ON q16 (p_brand, p_type, p_size);
CREATE UNIQUE INDEX ON q17 (avg_yearly);
CREATE UNIQUE INDEX ON q18 (o_orderkey);
CREATE UNIQUE INDEX ON q19 (revenue);
CREATE UNIQUE INDEX ON q20 (s_name);
CREATE UNIQUE INDEX ON q21 (s_name);
CREATE UNIQUE INDEX ON q22 (cntrycode);
