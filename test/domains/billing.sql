-- Subscriptions and invoices of a provider of software: revenue by month, what is overdue, what a customer is worth.

CREATE TYPE plan AS ENUM ('free', 'team', 'business');
CREATE DOMAIN cents AS bigint CHECK (VALUE >= -100000000);
CREATE TABLE accounts (id integer PRIMARY KEY, company text NOT NULL, country text, zone text NOT NULL DEFAULT 'UTC', opened timestamptz NOT NULL);
CREATE TABLE subscriptions (id integer PRIMARY KEY, account integer REFERENCES accounts ON DELETE CASCADE, plan plan NOT NULL, seats integer,
                            active tstzrange NOT NULL);
CREATE TABLE invoices (id integer PRIMARY KEY, account integer NOT NULL REFERENCES accounts ON DELETE CASCADE, issued timestamptz NOT NULL,
                       due date, total cents NOT NULL, currency char(3) NOT NULL, void boolean NOT NULL DEFAULT false);
CREATE TABLE payments (id integer PRIMARY KEY, invoice integer REFERENCES invoices ON DELETE SET NULL, paid timestamptz, amount cents NOT NULL,
                       details jsonb);
CREATE TABLE rates (currency char(3) PRIMARY KEY, rate numeric(10,4) NOT NULL);
CREATE INDEX ON invoices (account);
CREATE INDEX ON payments (invoice);
INSERT INTO accounts SELECT i, 'Company ' || i, (ARRAY['DE', 'FR', 'US', NULL])[i % 4 + 1], (ARRAY['UTC', 'Europe/Berlin', 'America/New_York'])[i % 3 + 1],
    '2023-01-01 00:00+00'::timestamptz + i * interval '13 days 5 hours' FROM generate_series(1, 60) i;
INSERT INTO subscriptions SELECT i, i % 55 + 1, (ARRAY['free', 'team', 'business'])[i % 3 + 1]::plan, nullif(i % 9, 0),
    tstzrange('2024-01-01 00:00+00'::timestamptz + i * interval '2 days', CASE WHEN i % 4 > 0 THEN '2024-03-01 00:00+00'::timestamptz + i * interval '3 days' END)
    FROM generate_series(1, 90) i;
INSERT INTO invoices SELECT i, i % 50 + 1, '2024-01-01 22:30+00'::timestamptz + i % 120 * interval '1 day 1 hour',
    CASE WHEN i % 7 > 0 THEN date '2024-01-15' + i % 120 END, (i * 37 % 500) * 100 - 900, (ARRAY['EUR', 'USD', 'GBP'])[i % 3 + 1], i % 17 = 0
    FROM generate_series(1, 400) i;
INSERT INTO payments SELECT i, CASE WHEN i % 11 > 0 THEN i % 380 + 1 END, CASE WHEN i % 13 > 0 THEN '2024-01-20 08:00+00'::timestamptz + i % 110 * interval '25 hours' END,
    (i * 53 % 400) * 100, CASE WHEN i % 5 > 0 THEN jsonb_build_object('method', (ARRAY['card', 'sepa', 'wire'])[i % 3 + 1], 'fee', i % 4) END
    FROM generate_series(1, 360) i;
INSERT INTO rates VALUES ('EUR', 1), ('USD', 0.9217), ('GBP', 1.1702);

-- view monthly_revenue: revenue by month and currency, void invoices apart
-- delta bill void month_end; skip pay rename subscribe exchange idle
SELECT date_trunc('month', issued AT TIME ZONE 'Europe/Berlin')::date AS month, currency, count(*) AS invoices,
       sum(total) FILTER (WHERE NOT void) AS revenue, sum(CASE WHEN void THEN total ELSE 0 END) AS voided, min(total) AS least
FROM invoices GROUP BY 1, 2;
CREATE UNIQUE INDEX ON monthly_revenue (month, currency);
-- view account_balance: what each account owes, by a chain of CTEs
-- keys bill pay void rename month_end; skip subscribe exchange idle
WITH billed AS (
    SELECT account, sum(total) AS billed, count(*) AS invoices, max(issued) AS last FROM invoices WHERE NOT void GROUP BY account
), settled AS (
    SELECT i.account, sum(p.amount) AS settled, count(DISTINCT p.details ->> 'method') AS methods
    FROM payments p JOIN invoices i ON i.id = p.invoice WHERE p.paid IS NOT NULL GROUP BY i.account
)
SELECT a.id, a.company, coalesce(a.country, '??') AS country, coalesce(b.billed, 0) AS billed, coalesce(s.settled, 0) AS settled,
       coalesce(b.billed, 0) - coalesce(s.settled, 0) AS open,
       CASE WHEN b.billed IS NULL THEN 'never billed' WHEN b.billed > coalesce(s.settled, 0) THEN 'owes' ELSE 'even' END AS state, s.methods, b.last
FROM accounts a LEFT JOIN billed b ON b.account = a.id LEFT JOIN settled s ON s.account = a.id;
CREATE UNIQUE INDEX ON account_balance (id);
-- view recurring_revenue: a calendar of months with what subscriptions that are active then bring
-- keys subscribe month_end; skip bill pay void rename exchange idle
SELECT m.month::date AS month, s.plan, count(s.id) AS subscriptions, coalesce(sum(s.seats * CASE s.plan WHEN 'team' THEN 800 WHEN 'business' THEN 2100 ELSE 0 END), 0) AS cents
FROM generate_series(timestamptz '2024-01-01 00:00+00', timestamptz '2024-12-01 00:00+00', interval '1 month') AS m(month)
LEFT JOIN subscriptions s ON s.active @> m.month GROUP BY m.month, s.plan;
-- view overdue: invoices without enough payment, with a scalar subquery
-- keys bill pay void rename month_end; skip subscribe exchange idle
SELECT i.id, a.company, i.due, i.total - (SELECT coalesce(sum(p.amount), 0) FROM payments p WHERE p.invoice = i.id AND p.paid IS NOT NULL) AS missing
FROM invoices i JOIN accounts a ON a.id = i.account
WHERE NOT i.void AND i.due < date '2024-04-01'
  AND i.total > (SELECT coalesce(sum(p.amount), 0) FROM payments p WHERE p.invoice = i.id AND p.paid IS NOT NULL);
-- view payment_methods: how customers pay, by percentiles of the amount
-- keys pay month_end; skip bill void rename subscribe exchange idle
SELECT coalesce(details ->> 'method', 'unknown') AS method, count(*) AS n, sum((details ->> 'fee')::integer) AS fees,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median, percentile_disc(ARRAY[0.25, 0.9]) WITHIN GROUP (ORDER BY amount) AS marks,
       mode() WITHIN GROUP (ORDER BY (paid AT TIME ZONE 'UTC')::date) AS busiest
FROM payments GROUP BY 1;
-- view revenue_rollup: sums by country and currency, with totals
-- delta bill void rename exchange month_end; skip pay subscribe idle
SELECT a.country, i.currency, grouping(a.country, i.currency) AS level, count(*) AS invoices, sum(i.total * r.rate) AS euros
FROM invoices i JOIN accounts a ON a.id = i.account JOIN rates r ON r.currency = i.currency WHERE NOT i.void
GROUP BY ROLLUP (a.country, i.currency);
-- view churn: what each account moved to from one subscription to the next
-- keys subscribe month_end; skip bill pay void rename exchange idle
SELECT id, account, plan, lag(plan) OVER w AS before, seats - lag(seats) OVER w AS more_seats,
       CASE WHEN lag(plan) OVER w IS NULL THEN 'new' WHEN lag(plan) OVER w < plan THEN 'up' WHEN lag(plan) OVER w > plan THEN 'down' ELSE 'same' END AS move
FROM subscriptions WINDOW w AS (PARTITION BY account ORDER BY lower(active), id);

-- changes bill: new invoices, of a new account too
INSERT INTO accounts VALUES (61, 'Company 61', NULL, 'UTC', '2024-05-01 00:00+00');
INSERT INTO invoices SELECT i, CASE WHEN i % 2 = 0 THEN 61 ELSE i % 50 + 1 END, '2024-05-31 22:30+00'::timestamptz, date '2024-03-01', i * 10, 'EUR', i % 5 = 0
    FROM generate_series(401, 420) i;
-- changes pay: payments come in, some are corrected, some withdrawn
INSERT INTO payments SELECT i, i - 20, '2024-06-01 00:00+00', 50000, '{"method": "card", "fee": 2}' FROM generate_series(401, 430) i WHERE i < 421;
UPDATE payments SET amount = amount + 1 WHERE id % 40 = 0;
UPDATE payments SET invoice = 7, paid = NULL WHERE id BETWEEN 100 AND 103;
DELETE FROM payments WHERE id % 50 = 1;
-- changes void: invoices are voided, moved to other accounts and currencies, and deleted
UPDATE invoices SET void = NOT void WHERE id % 31 = 0;
UPDATE invoices SET account = account % 50 + 1 WHERE id IN (3, 4, 5);
UPDATE invoices SET currency = 'GBP' WHERE id = 20;
DELETE FROM invoices WHERE id IN (8, 9, 10);
-- changes rename: a company is renamed, and one moves; an account with no invoice goes
UPDATE accounts SET company = 'Other ' || id WHERE id IN (3, 58);
UPDATE accounts SET country = 'DE' WHERE id = 4;
DELETE FROM accounts WHERE id = 57;
-- changes subscribe: plans are changed
UPDATE subscriptions SET plan = 'business', seats = 3 WHERE id % 20 = 0;
UPDATE subscriptions SET active = tstzrange(lower(active), '2024-08-01 00:00+00') WHERE upper_inf(active) AND id < 40;
INSERT INTO subscriptions VALUES (91, 2, 'team', NULL, '[2024-12-15 00:00+00,)'), (92, NULL, 'free', 1, 'empty');
DELETE FROM subscriptions WHERE account = 9;
-- changes exchange: a rate is changed
UPDATE rates SET rate = 0.93 WHERE currency = 'USD';
-- changes idle: columns that nobody reads, and a change to and fro
UPDATE accounts SET zone = 'Asia/Tokyo';
UPDATE invoices SET total = total + 1 WHERE id = 30;
UPDATE invoices SET total = total - 1 WHERE id = 30;
-- changes month_end: all of it in one window
INSERT INTO invoices SELECT i, i % 50 + 1, '2024-07-01 12:00+00', NULL, i, 'USD', false FROM generate_series(500, 520) i;
INSERT INTO payments SELECT i, i, '2024-07-02 12:00+00', i - 5, NULL FROM generate_series(500, 515) i;
UPDATE accounts SET country = 'FR' WHERE country = 'US' AND id < 20;
UPDATE rates SET rate = rate * 2 WHERE currency = 'GBP';
DELETE FROM subscriptions WHERE id < 6;
DELETE FROM accounts WHERE id = 12;
