-- The medians of what bench/tpch or bench/matrix have measured, of the file :results; if :values
-- is set, of the views alone.
--   psql -v results=FILE [-v values=1] -f report.sql

\set ON_ERROR_STOP on

CREATE TEMP TABLE results (number integer GENERATED ALWAYS AS IDENTITY, size numeric, change text, form text,
    view text, method text, rows numeric, reason text, ms numeric, refresh_ms numeric,
    concurrently_ms numeric);
SELECT format('COPY results (size, change, form, view, method, rows, reason, ms, refresh_ms, concurrently_ms) FROM %L',
    :'results') \gexec

CREATE TEMP TABLE medians AS
SELECT size, change, form, view, string_agg(DISTINCT method, ',') AS method,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY refresh_ms) AS refresh_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY concurrently_ms) AS concurrently_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY rows) AS rows,
    max(reason) FILTER (WHERE method NOT IN ('skip', 'delta', 'keys')) AS reason, min(number) AS number
FROM results
GROUP BY size, change, form, view;

\if :{?values}
    SELECT size, change, form, view, method, round(ms::numeric, 3) AS ms, round(refresh_ms::numeric, 3) AS refresh_ms,
        round(concurrently_ms::numeric, 3) AS concurrently_ms, rows, reason
    FROM medians ORDER BY number;
    \quit
\endif

SELECT size, change, form, view, method, round(ms::numeric, 1) AS ms, round(refresh_ms::numeric, 1) AS refresh_ms,
    round(concurrently_ms::numeric, 1) AS concurrently_ms, round((refresh_ms / ms)::numeric, 1) AS times_as_fast, rows, reason
FROM (SELECT * FROM medians
    UNION ALL
    SELECT size, change, form, 'geometric mean of ' || count(*), '', exp(avg(ln(ms))), exp(avg(ln(refresh_ms))),
        exp(avg(ln(concurrently_ms))), NULL, '',
        max(number) + 1.5
    FROM medians WHERE view <> 'all' AND method <> 'skip'
    GROUP BY size, change, form) m
ORDER BY min(number) OVER (PARTITION BY size, change), form, number;

-- How good the choice was, if the alternatives were measured: it is good if it took at most 1.2 times what the best did, or half
-- a millisecond more, or was the same method.
WITH cases AS (
    SELECT size, change, view, max(ms) FILTER (WHERE form = 'alone') AS chosen,
        max(method) FILTER (WHERE form = 'alone') AS method, min(ms) FILTER (WHERE form IN ('exact', 'full')) AS best,
        (array_agg(method ORDER BY ms) FILTER (WHERE form IN ('exact', 'full')))[1] AS best_method,
        bool_or(form = 'exact') AND bool_or(form = 'full') AND bool_or(form = 'alone') AS measured
    FROM medians GROUP BY size, change, view),
judged AS (SELECT *, method = best_method OR chosen <= greatest(1.2 * best, best + 0.5) AS good FROM cases)
SELECT count(*) AS choices, count(*) FILTER (WHERE good) AS good, round(100.0 * count(*) FILTER (WHERE good) / count(*), 1) AS percent,
    round(max(chosen / best) FILTER (WHERE NOT good)::numeric, 2) AS worst,
    string_agg(format('%s %s %s: %s in %s ms, %s in %s', size, change, view, method, round(chosen::numeric, 1), best_method,
                      round(best::numeric, 1)), '; ') FILTER (WHERE NOT good) AS others
FROM judged WHERE measured AND method <> 'skip' HAVING count(*) > 0;
