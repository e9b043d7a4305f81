-- Sensors that report all the time: what came in lately, by conditions on the time; devices, alarms, maintenance.

CREATE TABLE sites (id integer PRIMARY KEY, name text NOT NULL, keep interval NOT NULL);
CREATE TABLE devices (id integer PRIMARY KEY, site integer, model text, limits numrange, active boolean NOT NULL DEFAULT true);
CREATE TABLE samples (device integer NOT NULL, at timestamptz NOT NULL, value numeric(8,2), PRIMARY KEY (device, at));
CREATE TABLE alarms (id integer PRIMARY KEY, device integer NOT NULL, raised timestamptz NOT NULL, cleared timestamptz, level smallint NOT NULL);
CREATE TABLE visits (id integer PRIMARY KEY, device integer, day date NOT NULL, who text);
CREATE INDEX ON samples (at);
CREATE INDEX ON alarms (device);
INSERT INTO sites VALUES (1, 'Roof', '2 days'), (2, 'Cellar', '10 hours'), (3, 'Nowhere', '1 year');
INSERT INTO devices SELECT i, nullif(i % 3, 0), 'M' || i % 4, CASE WHEN i % 5 > 0 THEN numrange(i, i + 10) END, i % 8 > 0 FROM generate_series(1, 24) i;
INSERT INTO samples SELECT d, now() - n * interval '96 minutes' + d * interval '1.3 seconds', CASE WHEN (d + n) % 10 > 0 THEN d + n % 15 END FROM generate_series(1, 22) d, generate_series(1, 40) n;
INSERT INTO alarms SELECT i, i % 20 + 1, now() - i * interval '5 hours', CASE WHEN i % 3 > 0 THEN now() - i * interval '5 hours' + interval '90 minutes' END, i % 4 FROM generate_series(1, 50) i;
INSERT INTO visits SELECT i, i % 23 + 1, CURRENT_DATE - i, CASE WHEN i % 4 > 0 THEN 'Tech ' || i % 3 END FROM generate_series(0, 40) i;

-- view last_day: what each device has sent within a day
-- delta report resend retire; delta|skip alarm visit configure rename idle
SELECT device, count(*) AS n, avg(value) AS mean, min(value) AS low, max(value) AS high, max(at) AS last
FROM samples WHERE at > now() - interval '24 hours' GROUP BY device;
CREATE UNIQUE INDEX ON last_day (device);
-- view kept: by what each site keeps
-- delta report resend alarm visit configure rename idle retire
SELECT s.name, count(*) AS samples, count(DISTINCT d.id) AS devices FROM samples x JOIN devices d ON d.id = x.device JOIN sites s ON s.id = d.site
WHERE x.at > now() - s.keep GROUP BY s.name;
-- view excesses: samples outside of what is allowed, of the last two days
-- keys report resend configure retire; keys|skip alarm visit rename idle
SELECT x.device, x.at, x.value, d.limits, x.value > upper(d.limits) AS above FROM samples x JOIN devices d ON d.id = x.device
WHERE d.active AND NOT d.limits @> x.value::numeric AND x.at >= now() - interval '2 days';
-- view hourly: of all samples, by hour
-- delta report resend retire; skip alarm visit configure rename idle
SELECT device, date_trunc('hour', at) AS hour, count(*) AS n, sum(value) AS total, count(*) FILTER (WHERE value IS NULL) AS gaps FROM samples GROUP BY 1, 2;
-- view health: devices with what is known of each
-- full rename (sites has changed, on the nullable side of a join, beside a lateral subquery or function); keys report resend alarm visit configure
-- retire; skip idle
SELECT d.id, d.model, s.name AS site, h.last, coalesce(a.open, 0) AS open_alarms, v.day AS visited, v.who,
       CASE WHEN NOT d.active THEN 'off' WHEN a.open > 0 THEN 'alarm' WHEN h.last IS NULL THEN 'silent' ELSE 'fine' END AS state
FROM devices d LEFT JOIN sites s ON s.id = d.site
LEFT JOIN (SELECT device, max(at) AS last FROM samples GROUP BY device) h ON h.device = d.id
LEFT JOIN (SELECT device, count(*) AS open FROM alarms WHERE cleared IS NULL AND level > 0 GROUP BY device) a ON a.device = d.id
LEFT JOIN LATERAL (SELECT day, who FROM visits WHERE device = d.id ORDER BY day DESC, id DESC LIMIT 1) v ON true;
-- view due: visits of today and what is planned
-- keys visit configure retire; skip report resend alarm rename idle
SELECT v.id, v.device, d.model, v.day FROM visits v JOIN devices d ON d.id = v.device WHERE v.day >= CURRENT_DATE;
-- view alarm_ages: how old alarms are, which depends on the time of reading
-- untracked (Its result depends on more than data)
SELECT id, now() - raised AS age FROM alarms WHERE cleared IS NULL;
-- view recent_alarms: of either kind in the last five days, with who was there
-- keys alarm retire; skip report resend visit configure rename idle
SELECT 'open' AS kind, a.id, a.device, a.raised AS at FROM alarms a WHERE a.cleared IS NULL AND a.raised > CURRENT_TIMESTAMP - interval '5 days'
UNION ALL SELECT 'cleared', a.id, a.device, a.cleared FROM alarms a WHERE a.cleared > CURRENT_TIMESTAMP - interval '5 days';
-- view smooth: moving averages of the devices that are active
-- keys report resend configure retire; skip alarm visit rename idle
SELECT x.device, x.at, avg(x.value) OVER (PARTITION BY x.device ORDER BY x.at ROWS 3 PRECEDING) AS mean, ntile(4) OVER (PARTITION BY x.device ORDER BY x.value NULLS FIRST, x.at) AS quarter
FROM samples x JOIN devices d ON d.id = x.device AND d.active;

-- changes report: new samples
INSERT INTO samples SELECT d, now() - d * interval '1 second', d FROM generate_series(1, 23) d;
-- changes resend: what was lost or wrong, and what is too old
UPDATE samples SET value = 99 WHERE device = 3 AND at > now() - interval '10 hours';
INSERT INTO samples VALUES (4, now() - interval '30 days', 1), (4, now() - interval '47 hours', 100);
UPDATE samples SET at = at - interval '3 days' WHERE device = 5 AND value > 15;
DELETE FROM samples WHERE device = 6 AND at < now() - interval '1 day';
-- changes alarm: raised and cleared
INSERT INTO alarms VALUES (51, 1, now(), NULL, 3), (52, 2, now() - interval '1 hour', now(), 1);
UPDATE alarms SET cleared = now() WHERE cleared IS NULL AND id % 2 = 0;
UPDATE alarms SET level = 0 WHERE id = 9;
-- changes visit: devices
INSERT INTO visits VALUES (41, 3, CURRENT_DATE + 1, 'Eve'), (42, 4, CURRENT_DATE, NULL);
UPDATE visits SET device = 7 WHERE id = 0;
DELETE FROM visits WHERE id = 2;
-- changes configure: devices and sites
UPDATE devices SET limits = numrange(0, 5) WHERE id = 9;
UPDATE devices SET active = NOT active WHERE id IN (8, 10);
UPDATE sites SET keep = '1 day' WHERE id = 1;
INSERT INTO devices VALUES (25, 3, NULL, NULL);
-- changes rename: a site
UPDATE sites SET name = 'Basement' WHERE id = 2;
-- changes idle: what is written and taken back
INSERT INTO samples VALUES (1, now() - interval '1 minute', 1);
DELETE FROM samples WHERE device = 1 AND at > now() - interval '2 minutes' AND at < now() - interval '30 seconds';
-- changes retire: all of it
DELETE FROM samples WHERE at < now() - interval '50 hours';
DELETE FROM alarms WHERE device = 2;
UPDATE devices SET site = 3 WHERE id < 5;
INSERT INTO samples SELECT 24, now() - n * interval '10 minutes', n FROM generate_series(1, 20) n;
UPDATE visits SET who = 'Max' WHERE who IS NULL;
DELETE FROM devices WHERE id = 20;
