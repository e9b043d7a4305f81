-- Meters and a grid: readings in two tables by inheritance, tariffs in ranges, generators; load curves, losses, bills.

CREATE TABLE grids (id smallint PRIMARY KEY, name text NOT NULL);
CREATE TABLE meters (id integer PRIMARY KEY, grid smallint REFERENCES grids, kind text NOT NULL, installed date NOT NULL, removed date);
CREATE TABLE readings (meter integer NOT NULL, at timestamp NOT NULL, kwh numeric(10,3), PRIMARY KEY (meter, at));
CREATE TABLE checked_readings (checker text, PRIMARY KEY (meter, at)) INHERITS (readings);
CREATE TABLE tariffs (id integer PRIMARY KEY, kind text NOT NULL, hours int4range NOT NULL, valid daterange NOT NULL, cents numeric(6,3) NOT NULL);
CREATE TABLE production (plant text, at timestamp, mw double precision, PRIMARY KEY (plant, at));
CREATE TABLE outages (id integer PRIMARY KEY, grid smallint, during tsrange NOT NULL, cause text);
CREATE INDEX ON checked_readings (at);
INSERT INTO grids VALUES (1, 'North'), (2, 'South'), (3, 'Island');
INSERT INTO meters SELECT i, nullif(i % 3, 0), CASE WHEN i % 4 = 0 THEN 'industry' ELSE 'home' END, date '2023-12-01' + i, CASE WHEN i % 10 = 0 THEN date '2024-01-20' END FROM generate_series(1, 30) i;
INSERT INTO readings SELECT m, timestamp '2024-01-01' + h * interval '5 hours', CASE WHEN (m + h) % 13 > 0 THEN (m * h % 70) / 8.0 END
    FROM generate_series(1, 28) m, generate_series(0, 14) h WHERE (m + h) % 9 > 0;
INSERT INTO checked_readings SELECT m, timestamp '2024-01-04' + h * interval '7 hours', m / 4.0, CASE WHEN m % 2 = 0 THEN 'Ann' END FROM generate_series(1, 10) m, generate_series(0, 4) h;
INSERT INTO tariffs VALUES (1, 'home', '[0,7)', '[2024-01-01,2024-01-03)', 12.5), (2, 'home', '[7,24)', '[2024-01-01,2024-01-03)', 30), (3, 'home', '[0,24)', '[2024-01-03,)', 25),
    (4, 'industry', '[0,24)', '(,)', 11.125);
INSERT INTO production SELECT (ARRAY['wind', 'sun', 'water'])[p], timestamp '2024-01-01' + h * interval '1 hour', CASE WHEN h % 11 > 0 THEN (p * h % 32) / 4.0 END
    FROM generate_series(1, 3) p, generate_series(0, 71) h;
INSERT INTO outages VALUES (1, 1, '[2024-01-01 08:00,2024-01-01 11:00)', 'storm'), (2, 2, '[2024-01-02 00:00,)', NULL), (3, NULL, 'empty', 'none');

-- view load_curve: consumption by grid and day, of both tables
-- delta read correct exchange winter; skip reprice produce restore idle
SELECT m.grid, r.at::date AS day, sum(r.kwh) AS kwh, count(*) AS readings, count(r.kwh) AS known, max(r.kwh) AS peak
FROM readings r JOIN meters m ON m.id = r.meter GROUP BY m.grid, r.at::date;
CREATE UNIQUE INDEX ON load_curve (grid, day);
-- view bills: by meter and tariff, from ranges of hours and days
-- delta read correct exchange reprice winter; skip produce restore idle
SELECT r.meter, t.id AS tariff, sum(r.kwh * t.cents) AS cents, count(*) AS n
FROM readings r JOIN meters m ON m.id = r.meter
JOIN tariffs t ON t.kind = m.kind AND t.hours @> extract(hour FROM r.at)::integer AND t.valid @> r.at::date GROUP BY r.meter, t.id;
-- view increments: from one reading to the next, with gaps
-- keys read correct winter; skip exchange reprice produce restore idle
SELECT meter, at, kwh, kwh - lag(kwh) OVER (PARTITION BY meter ORDER BY at) AS more, at - lag(at) OVER (PARTITION BY meter ORDER BY at) AS gap,
       avg(kwh) OVER (PARTITION BY meter ORDER BY at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS smooth
FROM readings WHERE kwh IS NOT NULL;
-- view balance: production and consumption side by side, by day
-- delta read correct produce winter; skip exchange reprice restore idle
WITH made AS (SELECT at::date AS day, sum(mw) AS mwh, count(mw) AS hours FROM production GROUP BY at::date),
     used AS (SELECT at::date AS day, sum(kwh) / 1000 AS mwh FROM readings GROUP BY at::date)
SELECT coalesce(m.day, u.day) AS day, m.mwh AS made, u.mwh AS used, m.hours FROM made m FULL JOIN used u ON u.day = m.day;
-- view mix: what each plant gives, and its share of all
-- delta produce winter; skip read correct exchange reprice restore idle
SELECT plant, sum(mw) AS mwh, round((100 * sum(mw) / sum(sum(mw)) OVER ())::numeric, 1) AS percent, max(mw) AS peak FROM production GROUP BY plant;
-- view affected: meters that had no power, and for how long
-- delta exchange restore winter; skip read correct reprice produce idle
SELECT o.id, o.cause, g.name AS grid, count(m.id) AS meters, upper(o.during) - lower(o.during) AS lasted, upper_inf(o.during) AS goes_on
FROM outages o LEFT JOIN grids g ON g.id = o.grid LEFT JOIN meters m ON m.grid = o.grid AND m.removed IS NULL
GROUP BY o.id, g.id;
-- view silent: meters without a reading on some day
-- keys read correct exchange winter; skip reprice produce restore idle
SELECT m.id, d.day::date AS day FROM meters m CROSS JOIN generate_series(timestamp '2024-01-01', '2024-01-04', '1 day') AS d(day)
WHERE m.removed IS NULL AND NOT EXISTS (SELECT FROM readings r WHERE r.meter = m.id AND r.at >= d.day AND r.at < d.day + interval '1 day');
-- view checkers: of the child alone
-- keys read correct winter; skip exchange reprice produce restore idle
SELECT coalesce(checker, 'nobody') AS checker, count(*) AS n, array_agg(DISTINCT meter ORDER BY meter) AS meters FROM checked_readings GROUP BY 1;
-- view raw: what the parent alone has
-- delta read correct winter; skip exchange reprice produce restore idle
SELECT meter, count(*) AS n, min(at) AS first FROM ONLY readings GROUP BY meter;

-- changes read: new readings in both tables
INSERT INTO readings SELECT m, timestamp '2024-01-04 06:30', m / 8.0 FROM generate_series(1, 29) m;
INSERT INTO checked_readings SELECT m, timestamp '2024-01-06 06:30', NULL, 'Bob' FROM generate_series(20, 24) m;
-- changes correct: readings by the parent's name, and moved in time
UPDATE readings SET kwh = kwh + 0.125 WHERE meter IN (2, 3);
UPDATE readings SET at = at + interval '1 day' WHERE meter = 4 AND at < '2024-01-02';
DELETE FROM readings WHERE meter = 5 AND at::date = '2024-01-04';
UPDATE checked_readings SET checker = 'Cid' WHERE meter = 6;
-- changes exchange: meters
UPDATE meters SET removed = '2024-02-01' WHERE id = 7;
UPDATE meters SET grid = 3 WHERE id IN (8, 9);
INSERT INTO meters VALUES (31, 1, 'home', '2024-02-01', NULL);
-- changes reprice: tariffs
UPDATE tariffs SET cents = 12.75 WHERE id = 1;
UPDATE tariffs SET hours = '[0,8)' WHERE id = 1;
UPDATE tariffs SET valid = '[2024-01-03,2024-01-05)' WHERE id = 3;
INSERT INTO tariffs VALUES (5, 'home', '[0,24)', '[2024-01-05,)', 26);
-- changes produce: and correct what was
INSERT INTO production SELECT p, timestamp '2024-01-04' + h * interval '1 hour', 2.25 FROM unnest(ARRAY['wind', 'coal']) p, generate_series(0, 5) h;
UPDATE production SET mw = 'NaN' WHERE plant = 'sun' AND at = '2024-01-02 05:00';
DELETE FROM production WHERE plant = 'water' AND at < '2024-01-01 06:00';
-- changes restore: the grid
UPDATE outages SET during = tsrange(lower(during), '2024-01-03 00:00') WHERE upper_inf(during);
INSERT INTO outages VALUES (4, 3, '[2024-01-05 00:00,2024-01-05 00:10]', 'test');
UPDATE grids SET name = 'Islands' WHERE id = 3;
-- changes idle: what nobody reads
UPDATE meters SET installed = installed + 1;
-- changes winter: all of it
UPDATE readings SET kwh = kwh * 2 WHERE at >= '2024-01-03';
INSERT INTO readings SELECT m, timestamp '2024-01-07 12:00', 1 FROM generate_series(1, 28) m;
DELETE FROM checked_readings WHERE meter = 1;
UPDATE meters SET kind = 'industry' WHERE id < 4;
DELETE FROM tariffs WHERE id = 2;
UPDATE production SET mw = 0 WHERE mw IS NULL;
DELETE FROM outages WHERE id = 1;
