-- The office of a company that sells software: staff in a tree, tickets, deals, features that are used; service levels, pipelines, usage.

CREATE TABLE staff (id integer PRIMARY KEY, manager integer, name text NOT NULL, team text, salary numeric(10,2));
CREATE TABLE tenants (id integer PRIMARY KEY, name text NOT NULL, settings jsonb, created date NOT NULL);
CREATE TABLE tickets (id integer PRIMARY KEY, tenant integer, assignee integer, priority smallint, opened timestamptz NOT NULL, closed timestamptz, labels text[]);
CREATE TABLE comments (id integer PRIMARY KEY, ticket integer NOT NULL, author integer, body text, written timestamptz NOT NULL);
CREATE TABLE deals (id integer PRIMARY KEY, tenant integer, owner integer, stage text NOT NULL, amount numeric(12,2), moved date NOT NULL);
CREATE TABLE usage (tenant integer, feature text, day date, calls integer NOT NULL, PRIMARY KEY (tenant, feature, day));
CREATE TABLE limits (plan text, feature text, most integer, PRIMARY KEY (plan, feature));
CREATE INDEX ON comments (ticket);
CREATE INDEX ON tickets (tenant);
INSERT INTO staff SELECT i, CASE WHEN i > 1 THEN i / 3 + CASE WHEN i < 3 THEN 1 ELSE 0 END END, 'S' || i, (ARRAY['support', 'sales', NULL])[i % 3 + 1], CASE WHEN i % 8 > 0 THEN 3000 + i * 100.5 END FROM generate_series(1, 25) i;
INSERT INTO tenants SELECT i, 'Tenant ' || i, CASE WHEN i % 6 > 0 THEN jsonb_build_object('plan', (ARRAY['basic', 'pro'])[i % 2 + 1], 'beta', i % 4 = 0) END, date '2023-01-01' + i * 9 FROM generate_series(1, 40) i;
INSERT INTO tickets SELECT i, i % 38 + 1, CASE WHEN i % 10 > 0 THEN i % 24 + 1 END, i % 4, '2024-01-01 06:00+00'::timestamptz + i * interval '5 hours',
    CASE WHEN i % 5 > 0 THEN '2024-01-01 06:00+00'::timestamptz + i * interval '5 hours' + i % 9 * interval '17 hours' END, (ARRAY['{bug,ui}', '{}', NULL, '{bug}'])[i % 4 + 1]::text[] FROM generate_series(1, 200) i;
INSERT INTO comments SELECT i, i % 190 + 1, nullif(i % 26, 0), CASE WHEN i % 9 > 0 THEN 'Comment ' || i END, '2024-01-02 00:00+00'::timestamptz + i * interval '3 hours' FROM generate_series(1, 330) i;
INSERT INTO deals SELECT i, i % 42 + 1, i % 25 + 1, (ARRAY['lead', 'offer', 'won', 'lost'])[(i * i % 7 + i) % 4 + 1], CASE WHEN i % 8 > 0 THEN i * 123.45 END, date '2024-01-01' + i * 2 FROM generate_series(1, 120) i;
INSERT INTO usage SELECT t, f, date '2024-05-01' + d, t * d % 40 FROM generate_series(1, 30) t, unnest(ARRAY['api', 'export']) f, generate_series(0, 9) d WHERE (t + d) % 4 > 0;
INSERT INTO limits VALUES ('basic', 'api', 100), ('basic', 'export', 50), ('pro', 'api', 200), ('pro', 'export', NULL);

-- view service: how fast tickets are closed, by priority and month
-- keys open close year; skip moderate hire sell meter upgrade idle
SELECT date_trunc('month', opened AT TIME ZONE 'UTC') AS month, priority, count(*) AS opened, count(closed) AS closed,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM closed - opened)::integer) AS seconds,
       count(*) FILTER (WHERE closed - opened > CASE priority WHEN 0 THEN interval '1 day' ELSE interval '3 days' END) AS breached
FROM tickets GROUP BY 1, 2;
-- view first_answers: the first comment of somebody who is not the customer
-- full hire (staff has changed, on the nullable side of a join, beside a lateral subquery or function); keys open close moderate year; skip sell meter
-- upgrade idle
SELECT t.id, t.tenant, c.author, s.name, c.written - t.opened AS waited FROM tickets t
LEFT JOIN LATERAL (SELECT author, written FROM comments WHERE ticket = t.id AND author IS NOT NULL ORDER BY written, id LIMIT 1) c ON true
LEFT JOIN staff s ON s.id = c.author;
CREATE UNIQUE INDEX ON first_answers (id);
-- view conversations: all comments of tickets that are open, as text
-- keys open close moderate hire year; skip sell meter upgrade idle
SELECT t.id, count(c.id) AS comments, string_agg(coalesce(s.name, 'customer') || ': ' || coalesce(c.body, '(empty)'), E'\n' ORDER BY c.written, c.id) AS text
FROM tickets t LEFT JOIN comments c ON c.ticket = t.id LEFT JOIN staff s ON s.id = c.author WHERE t.closed IS NULL GROUP BY t.id;
-- view labels: of arrays
-- delta open close year; skip moderate hire sell meter upgrade idle
SELECT l.label, count(*) AS tickets, count(*) FILTER (WHERE t.closed IS NULL) AS open FROM tickets t, unnest(t.labels) AS l(label) GROUP BY l.label;
-- view reports: everybody's staff, all the way down
-- full hire (staff has changed, which the recursive query tree reads); skip open close moderate sell meter upgrade idle year
WITH RECURSIVE tree AS (SELECT id AS boss, id AS member, 0 AS depth FROM staff UNION ALL SELECT t.boss, s.id, t.depth + 1 FROM tree t JOIN staff s ON s.manager = t.member)
SELECT b.id, b.name, count(*) - 1 AS reports, max(t.depth) AS levels, sum(s.salary) AS salaries FROM tree t JOIN staff b ON b.id = t.boss JOIN staff s ON s.id = t.member GROUP BY b.id;
-- view pay: each in comparison with the team
-- keys hire year; skip open close moderate sell meter upgrade idle
SELECT id, name, team, salary, avg(salary) OVER (PARTITION BY team) AS usual, percent_rank() OVER (PARTITION BY team ORDER BY salary NULLS FIRST) AS rank FROM staff;
-- view pipeline: deals by stage and owner, with their share of all
-- delta hire sell year; skip open close moderate meter upgrade idle
SELECT d.stage, s.name AS owner, count(*) AS deals, sum(d.amount) AS amount, round(sum(d.amount) / (SELECT sum(amount) FROM deals) * 100, 3) AS percent
FROM deals d LEFT JOIN staff s ON s.id = d.owner GROUP BY d.stage, s.name;
-- view usage_report: what tenants use in relation to what their plan allows
-- full year (limits has changed, and so has usage, which is read in a subquery that has groups or aggregates); keys meter upgrade; skip open close
-- moderate hire sell idle
WITH total AS (SELECT tenant, feature, sum(calls) AS calls, max(day) AS last FROM usage GROUP BY tenant, feature)
SELECT t.id, t.name, l.feature, coalesce(u.calls, 0) AS calls, l.most, CASE WHEN l.most IS NULL THEN 'free' WHEN u.calls > l.most THEN 'over' WHEN u.calls > 0.8 * l.most THEN 'near' ELSE 'fine' END AS state, u.last
FROM tenants t JOIN limits l ON l.plan = t.settings ->> 'plan' LEFT JOIN total u ON u.tenant = t.id AND u.feature = l.feature;
-- view growth: of each week, against the one before
-- delta meter year; skip open close moderate hire sell upgrade idle
SELECT week, calls, tenants, calls - lag(calls) OVER (ORDER BY week) AS more FROM (
    SELECT date_trunc('week', day)::date AS week, sum(calls) AS calls, count(DISTINCT tenant) AS tenants FROM usage GROUP BY 1) w;
-- view tenants_overview: over views and tables
-- keys open close moderate sell meter upgrade year; skip hire idle
SELECT t.id, t.name, t.settings ->> 'plan' AS plan, (t.settings ->> 'beta')::boolean AS beta, coalesce(k.tickets, 0) AS tickets, coalesce(w.won, 0) AS won, x.over, f.answered
FROM tenants t LEFT JOIN (SELECT tenant, count(*) AS tickets FROM tickets GROUP BY tenant) k ON k.tenant = t.id
LEFT JOIN (SELECT tenant, sum(amount) AS won FROM deals WHERE stage = 'won' GROUP BY tenant) w ON w.tenant = t.id
LEFT JOIN (SELECT id, bool_or(state = 'over') AS over FROM usage_report GROUP BY id) x ON x.id = t.id
LEFT JOIN (SELECT tenant, count(author) AS answered FROM first_answers GROUP BY tenant) f ON f.tenant = t.id;
-- view whole_rows: tenants as documents
-- keys sell upgrade year; skip open close moderate hire meter idle
SELECT t.id, to_jsonb(t) - 'created' AS document, (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.id) FROM deals d WHERE d.tenant = t.id AND d.stage <> 'lost') AS deals FROM tenants t;
-- view quiet: tenants that were active and are no longer
-- delta meter year; skip open close moderate hire sell upgrade idle
SELECT tenant FROM usage WHERE day < '2024-05-06' EXCEPT SELECT tenant FROM usage WHERE day >= '2024-05-06' AND calls > 10;

-- changes open: tickets with comments
INSERT INTO tickets SELECT i, i % 38 + 1, 2, 1, '2024-02-20 00:00+00', NULL, '{bug,urgent}' FROM generate_series(201, 210) i;
INSERT INTO comments SELECT i, i - 140, 3, 'Answer', '2024-02-20 00:00+00'::timestamptz + i * interval '1 minute' FROM generate_series(331, 348) i;
-- changes close: tickets are closed, assigned, moved
UPDATE tickets SET closed = '2024-03-01 00:00+00' WHERE closed IS NULL AND id % 3 = 0;
UPDATE tickets SET priority = 0, labels = '{}' WHERE id IN (1, 2, 3);
UPDATE tickets SET tenant = 40 WHERE id = 4;
DELETE FROM tickets WHERE id = 5;
-- changes moderate: comments
UPDATE comments SET body = 'removed' WHERE id % 100 = 0;
UPDATE comments SET author = NULL WHERE ticket = 9;
DELETE FROM comments WHERE ticket IN (10, 11);
-- changes hire: staff come, go, are promoted
INSERT INTO staff VALUES (26, 2, 'S26', 'sales', 5000);
UPDATE staff SET manager = 1 WHERE id = 7;
UPDATE staff SET salary = salary * 1.10 WHERE team = 'support' AND id < 12;
UPDATE staff SET name = 'Renamed' WHERE id = 4;
DELETE FROM staff WHERE id = 25;
-- changes sell: deals
UPDATE deals SET stage = 'won' WHERE stage = 'offer' AND id % 4 = 0;
UPDATE deals SET amount = 1000000 WHERE id = 3;
INSERT INTO deals VALUES (121, NULL, NULL, 'lead', NULL, '2024-09-09'), (122, 1, 1, 'won', 10, '2024-09-09');
DELETE FROM deals WHERE id = 4;
-- changes meter: usage
INSERT INTO usage SELECT t, 'api', '2024-05-13', 12 FROM generate_series(1, 33) t;
UPDATE usage SET calls = calls + 100 WHERE tenant = 2 AND day = '2024-05-03';
DELETE FROM usage WHERE tenant = 5;
-- changes upgrade: tenants and limits
UPDATE tenants SET settings = '{"plan": "pro"}' WHERE id IN (2, 6);
UPDATE limits SET most = 10 WHERE plan = 'basic' AND feature = 'export';
UPDATE tenants SET name = 'Bigger' WHERE id = 1;
INSERT INTO tenants VALUES (41, 'Fresh', '{"plan": "basic"}', '2024-06-01');
-- changes idle: dates that are read by few
UPDATE comments SET body = body;
UPDATE deals SET amount = amount;
-- changes year: all of it
INSERT INTO tickets SELECT i, 1, 1, 3, '2024-12-01 00:00+00', '2024-12-02 00:00+00', NULL FROM generate_series(300, 320) i;
INSERT INTO comments SELECT i, i, NULL, 'x', '2024-12-01 00:00+00' FROM generate_series(400, 420) i;
DELETE FROM usage WHERE day < '2024-05-03';
UPDATE staff SET team = 'all' WHERE team IS NULL;
DELETE FROM tenants WHERE id IN (7, 8);
DELETE FROM deals WHERE stage = 'lost' AND id > 60;
INSERT INTO limits VALUES ('pro', 'import', 1);
