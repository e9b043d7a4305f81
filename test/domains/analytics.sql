-- Web analytics of many sites: visits, events, goals; days in each site's time zone, funnels, retention, sources.

CREATE TABLE sites (id integer PRIMARY KEY, domain text NOT NULL, zone text NOT NULL, deleted boolean NOT NULL DEFAULT false);
CREATE TABLE visitors (id integer PRIMARY KEY, site integer NOT NULL, country text, device text, first_seen timestamptz NOT NULL);
CREATE TABLE events (id bigint PRIMARY KEY, site integer NOT NULL, visitor integer, name text NOT NULL, path text, at timestamptz NOT NULL, props jsonb);
CREATE TABLE goals (id integer PRIMARY KEY, site integer NOT NULL, name text NOT NULL, event text, prefix text);
CREATE TABLE sources (host text PRIMARY KEY, label text NOT NULL, paid boolean);
CREATE INDEX ON events (visitor);
CREATE INDEX ON events (site, at);
INSERT INTO sites VALUES (1, 'one.example', 'UTC'), (2, 'two.example', 'Asia/Tokyo'), (3, 'three.example', 'America/New_York'), (4, 'quiet.example', 'UTC');
INSERT INTO visitors SELECT i, i % 3 + 1, (ARRAY['DE', 'JP', 'US', NULL])[i % 4 + 1], (ARRAY['phone', 'desktop', NULL])[i % 3 + 1],
    '2024-02-26 20:00+00'::timestamptz + i * interval '6 hours' FROM generate_series(1, 80) i;
INSERT INTO events SELECT i, i % 3 + 1, CASE WHEN i % 17 > 0 THEN i * 3 % 78 + 1 END, (ARRAY['view', 'view', 'click', 'signup', 'buy'])[i * i % 5 + 1],
    CASE WHEN i % 19 > 0 THEN '/' || (ARRAY['', 'docs/', 'blog/', 'docs/a', 'price'])[i % 5 + 1] END, '2024-03-01 00:30+00'::timestamptz + i * interval '50 minutes',
    CASE WHEN i % 4 > 0 THEN jsonb_build_object('referrer', 'r' || i % 6 || '.example', 'value', i % 30, 'tags', to_jsonb(ARRAY['t' || i % 3, 't' || i % 2])) END
    FROM generate_series(1, 600) i;
INSERT INTO goals VALUES (1, 1, 'Sign up', 'signup', NULL), (2, 1, 'Docs', 'view', '/docs'), (3, 2, 'Buy', 'buy', NULL), (4, 3, 'Never', 'nothing', NULL);
INSERT INTO sources VALUES ('r1.example', 'Search', false), ('r2.example', 'Ads', true), ('r3.example', 'Search', NULL);

CREATE FUNCTION first_folder(path text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(nullif(split_part(path, '/', 2), ''), '(top)') $$;

-- view daily: views and visitors by the day of the site
-- delta track late move purge; skip learn campaign aim idle
SELECT s.id AS site, (e.at AT TIME ZONE s.zone)::date AS day, count(*) AS events, count(*) FILTER (WHERE e.name = 'view') AS views,
       count(DISTINCT e.visitor) AS visitors, round(100.0 * count(*) FILTER (WHERE e.name = 'buy') / count(*), 2) AS buys
FROM events e JOIN sites s ON s.id = e.site WHERE NOT s.deleted GROUP BY 1, 2;
CREATE UNIQUE INDEX ON daily (site, day);
-- view weekly: over the view of days
-- delta track late move purge; skip learn campaign aim idle
SELECT site, date_trunc('week', day)::date AS week, sum(events) AS events, max(visitors) AS most, count(*) AS days FROM daily GROUP BY 1, 2;
-- view calendar: every site on every day, with zeros, and the days before
-- keys track late move purge; skip learn campaign aim idle
SELECT s.domain, d.day::date AS day, coalesce(w.views, 0) AS views, sum(coalesce(w.views, 0)) OVER (PARTITION BY s.domain ORDER BY d.day ROWS 6 PRECEDING) AS week
FROM sites s CROSS JOIN generate_series(timestamp '2024-03-01', '2024-03-25', '1 day') AS d(day)
LEFT JOIN daily w ON w.site = s.id AND w.day = d.day::date;
-- view pages: of folders, by a function in SQL
-- delta track late purge; skip move learn campaign aim idle
SELECT site, first_folder(path) AS folder, count(*) AS n, count(DISTINCT path) AS paths, min(at) AS first, max(at) AS last FROM events GROUP BY 1, 2;
-- view referrers: of jsonb, with a dimension that may not know
-- delta track late campaign purge; skip move learn aim idle
SELECT e.site, coalesce(s.label, e.props ->> 'referrer', 'direct') AS source, bool_or(s.paid) AS paid, count(*) AS n, sum((e.props ->> 'value')::integer) AS value
FROM events e LEFT JOIN sources s ON s.host = e.props ->> 'referrer' GROUP BY 1, 2;
-- view funnel: visitors who viewed, then clicked, then bought
-- delta track late learn purge; skip move campaign aim idle
WITH viewed AS (SELECT visitor, min(at) AS at FROM events WHERE name = 'view' GROUP BY visitor),
     clicked AS (SELECT e.visitor, min(e.at) AS at FROM events e JOIN viewed v ON v.visitor = e.visitor AND e.at > v.at WHERE e.name = 'click' GROUP BY e.visitor),
     bought AS (SELECT e.visitor, min(e.at) AS at FROM events e JOIN clicked c ON c.visitor = e.visitor AND e.at > c.at WHERE e.name = 'buy' GROUP BY e.visitor)
SELECT p.site, count(v.visitor) AS viewed, count(c.visitor) AS clicked, count(b.visitor) AS bought
FROM visitors p LEFT JOIN viewed v ON v.visitor = p.id LEFT JOIN clicked c ON c.visitor = p.id LEFT JOIN bought b ON b.visitor = p.id GROUP BY p.site;
-- view retention: of the visitors of each week, how many came back after how many weeks
-- delta track late learn purge; skip move campaign aim idle
SELECT date_trunc('week', v.first_seen)::date AS cohort, floor(extract(epoch FROM e.at - v.first_seen) / 604800)::integer AS week, count(DISTINCT v.id) AS visitors
FROM visitors v JOIN events e ON e.visitor = v.id WHERE e.at >= v.first_seen GROUP BY 1, 2;
-- view sessions: events of visitors, a new session after a pause of six hours
-- keys track late purge; skip move learn campaign aim idle
SELECT visitor, session, min(at) AS began, max(at) - min(at) AS lasted, count(*) AS events, (array_agg(path ORDER BY at))[1] AS entry FROM (
    SELECT visitor, at, path, sum(fresh) OVER (PARTITION BY visitor ORDER BY at, id) AS session FROM (
        SELECT id, visitor, at, path, CASE WHEN at - lag(at) OVER (PARTITION BY visitor ORDER BY at, id) < interval '6 hours' THEN 0 ELSE 1 END AS fresh
        FROM events WHERE visitor IS NOT NULL) f) s
GROUP BY visitor, session;
-- view goal_hits: goals by a prefix or an event, those that were never reached too
-- delta track late aim purge; skip move learn campaign idle
SELECT g.id, g.name, count(e.id) AS hits, count(DISTINCT e.visitor) AS visitors
FROM goals g LEFT JOIN events e ON e.site = g.site AND e.name = g.event AND (g.prefix IS NULL OR e.path LIKE g.prefix || '%') GROUP BY g.id;
-- view tags: of arrays in jsonb
-- delta track late purge; skip move learn campaign aim idle
SELECT e.site, t.tag, count(*) AS n FROM events e CROSS JOIN LATERAL jsonb_array_elements_text(e.props -> 'tags') AS t(tag) GROUP BY 1, 2;
-- view devices: by all ways of grouping
-- delta track late learn purge; skip move campaign aim idle
SELECT v.device, v.country, count(*) AS events, count(DISTINCT v.id) AS visitors FROM visitors v LEFT JOIN events e ON e.visitor = v.id GROUP BY CUBE (v.device, v.country);

-- changes track: a day of events, of new visitors too
INSERT INTO visitors SELECT i, i % 3 + 1, 'FR', NULL, '2024-03-22 12:00+00' FROM generate_series(81, 84) i;
INSERT INTO events SELECT i, i % 3 + 1, i % 90 + 1, (ARRAY['view', 'click', 'buy'])[i % 3 + 1], '/docs/new', '2024-03-22 14:00+00'::timestamptz + i * interval '1 minute',
    jsonb_build_object('referrer', 'r2.example', 'value', 1, 'tags', '["t9"]'::jsonb) FROM generate_series(601, 640) i;
-- changes late: events of old days, some corrected, some deleted
INSERT INTO events VALUES (700, 1, 5, 'buy', NULL, '2024-03-02 10:00+00', NULL), (701, 4, NULL, 'view', '/', '2024-03-02 23:59+00', '{"tags": []}');
UPDATE events SET at = at + interval '1 day' WHERE id IN (100, 101);
UPDATE events SET visitor = NULL WHERE id IN (110, 111, 112);
UPDATE events SET props = props || '{"value": 1000}' WHERE id IN (121, 122);
DELETE FROM events WHERE id BETWEEN 130 AND 140;
-- changes move: a site to another zone, another is deleted, one is renamed
UPDATE sites SET zone = 'Europe/Berlin' WHERE id = 1;
UPDATE sites SET deleted = true WHERE id = 3;
UPDATE sites SET domain = 'loud.example' WHERE id = 4;
-- changes learn: of visitors
UPDATE visitors SET country = 'DE' WHERE country IS NULL AND id < 30;
UPDATE visitors SET device = 'tablet', first_seen = first_seen - interval '8 days' WHERE id = 10;
DELETE FROM visitors WHERE id = 11;
-- changes campaign: sources are told
INSERT INTO sources VALUES ('r4.example', 'Ads', true);
UPDATE sources SET label = 'Engines' WHERE label = 'Search' AND paid IS NULL;
DELETE FROM sources WHERE host = 'r2.example';
-- changes aim: at other goals
UPDATE goals SET prefix = '/price', event = 'click' WHERE id = 3;
INSERT INTO goals VALUES (5, 2, 'Blog', 'view', '/blog');
DELETE FROM goals WHERE id = 4;
-- changes idle: two that cancel each other
INSERT INTO events VALUES (900, 1, 1, 'view', '/', '2024-03-05 00:00+00', NULL);
DELETE FROM events WHERE id = 900;
-- changes purge: of a visitor, and of a time, with new ones in the same window
DELETE FROM events WHERE visitor IN (20, 21);
DELETE FROM visitors WHERE id IN (20, 21);
DELETE FROM events WHERE at < '2024-03-01 12:00+00';
INSERT INTO events SELECT i, 2, i % 70, 'view', '/', '2024-03-23 00:00+00', NULL FROM generate_series(1000, 1040) i;
UPDATE sites SET deleted = false;
UPDATE goals SET site = 1 WHERE id = 5;
