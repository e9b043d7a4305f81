CALL helpers.begin_suite();
-- Windows around turned clocks: for every time zone, bucket and reach, the rows
-- in the window are right and those outside as they were.

-- One row an hour, for 400 days and some days to come.
CREATE TABLE source (tz timestamptz, lt timestamp, x int);
INSERT INTO source SELECT ts, ts AT TIME ZONE 'UTC', 1
    FROM generate_series((current_date - 400)::timestamptz, current_date + 3, '1 hour') ts;
CREATE INDEX ON source (tz);
CREATE INDEX ON source (lt);

-- The days of the last 11 months that are not 24 hours long in the session's zone,
-- counted back from today; and today, and the day before yesterday.
CREATE FUNCTION reaches() RETURNS SETOF int LANGUAGE sql STABLE AS $$
    SELECT 0 UNION SELECT 2 UNION
    SELECT n + around FROM generate_series(3, 330) n, generate_series(-1, 1) around
    WHERE (current_date - n + 1)::timestamptz - (current_date - n)::timestamptz <> interval '24 hours' $$;

-- Refreshes a view by the bucket once for each reach; counts the reaches and
-- the differences.
CREATE FUNCTION try(zone text, bucket text, OUT windows int, OUT full_instead int, OUT wrong bigint, OUT moved bigint, OUT fresh int)
LANGUAGE plpgsql AS $$
DECLARE
    days int;
    inside text;
    first text;
    n bigint;
    type text;
    tried regclass;
BEGIN
    PERFORM set_config('TimeZone', zone, true);
    EXECUTE format('CREATE MATERIALIZED VIEW tried AS SELECT %s AS bucket, sum(x), count(*) FROM source GROUP BY 1', bucket);
    tried := 'tried'::text::regclass;
    CREATE TEMP TABLE held (image bytea);
    windows := 0; full_instead := 0; wrong := 0; moved := 0; fresh := 0;
    FOR days IN SELECT * FROM reaches() ORDER BY 1 LOOP
        -- The bucket of the window's first day, at its first instant.
        EXECUTE format('SELECT least(%s, (current_date - %s))::text FROM (SELECT (current_date - %2$s)::timestamptz AS tz, (current_date - %2$s)::timestamp AS lt) s',
            bucket, days) INTO first;
        inside := format('bucket >= %L', first);
        EXECUTE format('TRUNCATE held; INSERT INTO held SELECT record_send(t) FROM tried t WHERE NOT (%s)', inside);
        UPDATE source SET x = x + 1 WHERE extract(hour FROM lt) = days % 24;
        SELECT refresh_type FROM refresh_materialized_views(true, days, ARRAY[tried]) INTO type;
        windows := windows + 1;
        full_instead := full_instead + (type <> 'incremental')::int;
        wrong := wrong + check_view(tried, inside);
        EXECUTE format('SELECT count(*) FROM (SELECT record_send(t) FROM tried t WHERE NOT (%s) EXCEPT ALL TABLE held) d', inside) INTO n;
        moved := moved + n;
        fresh := fresh + (check_view(tried) = 0)::int;
    END LOOP;
    DROP TABLE held;
    DROP MATERIALIZED VIEW tried;
END $$;
-- All must be 0; how many days have turned
-- clocks depends on the day.
SELECT zone, bucket, windows BETWEEN 2 AND 11 AS windows, full_instead, wrong, moved, fresh
FROM unnest('{America/St_Johns,America/New_York,Australia/Lord_Howe,Africa/Cairo,UTC}'::text[]) zone,
    unnest(ARRAY['tz::date', $$date_trunc('hour', tz)$$, $$date_trunc('week', tz)$$,
        $$(tz AT TIME ZONE 'America/Los_Angeles' - interval '4 hours')::date$$,
        $$date_trunc('day', lt AT TIME ZONE 'Asia/Beirut')$$, $$date_trunc('month', lt)::date$$]) bucket, try(zone, bucket) t;
DROP SCHEMA suite CASCADE;
