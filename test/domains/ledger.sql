-- A double-entry ledger: balances, statements with running totals, trial balance; the journal is partitioned by year.

CREATE TABLE accounts (code text PRIMARY KEY, parent text REFERENCES accounts, title text NOT NULL, kind text NOT NULL);
CREATE TABLE entries (id bigint, booked date NOT NULL, text varchar(60), PRIMARY KEY (id, booked)) PARTITION BY RANGE (booked);
CREATE TABLE entries_2023 PARTITION OF entries FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE entries_2024 PARTITION OF entries FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE entries_rest PARTITION OF entries DEFAULT;
CREATE TABLE postings (entry bigint NOT NULL, line smallint NOT NULL, account text NOT NULL REFERENCES accounts ON UPDATE CASCADE, amount numeric(14,2) NOT NULL,
                       debit numeric(14,2) GENERATED ALWAYS AS (greatest(amount, 0)) STORED, PRIMARY KEY (entry, line));
CREATE INDEX ON postings (account);
CREATE TABLE periods (period daterange PRIMARY KEY, closed boolean NOT NULL);
INSERT INTO accounts VALUES ('1', NULL, 'Assets', 'asset'), ('11', '1', 'Cash', 'asset'), ('12', '1', 'Bank', 'asset'), ('121', '12', 'Savings', 'asset'),
    ('2', NULL, 'Liabilities', 'liability'), ('21', '2', 'Suppliers', 'liability'), ('4', NULL, 'Income', 'income'), ('41', '4', 'Sales', 'income'),
    ('6', NULL, 'Expenses', 'expense'), ('61', '6', 'Rent', 'expense'), ('62', '6', 'Wages', 'expense'), ('69', '6', 'Never used', 'expense');
INSERT INTO entries SELECT i, date '2023-06-01' + i * 2, CASE WHEN i % 6 > 0 THEN 'Entry ' || i % 40 END FROM generate_series(1, 250) i;
INSERT INTO postings SELECT i, 1, (ARRAY['11', '12', '121', '61', '62'])[i % 5 + 1], (i * 31 % 200) / 4.0 FROM generate_series(1, 250) i;
INSERT INTO postings SELECT i, 2, (ARRAY['41', '21', '12'])[i % 3 + 1], -(i * 31 % 200) / 4.0 FROM generate_series(1, 250) i WHERE i % 50 > 0;
INSERT INTO periods SELECT daterange(m::date, (m + interval '3 months')::date), m < '2024-01-01' FROM generate_series(timestamp '2023-04-01', '2024-10-01', '3 months') m;

CREATE VIEW lines AS
    SELECT p.entry, p.line, e.booked, e.text, p.account, p.amount, p.debit FROM postings p JOIN entries e ON e.id = p.entry;

-- view balances: the balance of every account, used or not
-- delta book correct reorganize recode year_end; skip rebook close idle
SELECT a.code, a.title, a.kind, coalesce(sum(p.amount), 0) AS balance, sum(p.debit) AS debit, count(p.entry) AS postings
FROM accounts a LEFT JOIN postings p ON p.account = a.code GROUP BY a.code;
CREATE UNIQUE INDEX ON balances (code);
-- view statement: each account's postings with the running balance, over an ordinary view
-- keys book correct rebook recode year_end; skip reorganize close idle
SELECT entry, line, account, booked, coalesce(text, '-') AS text, amount,
       sum(amount) OVER (PARTITION BY account ORDER BY booked, entry, line) AS balance, count(*) OVER (PARTITION BY account) AS of
FROM lines;
-- view trial_balance: debit and credit by kind and quarter, from ranges
-- delta book correct rebook reorganize recode close year_end; skip idle
SELECT lower(q.period) AS quarter, a.kind, sum(l.debit) AS debit, sum(l.debit - l.amount) AS credit, count(*) AS n, bool_and(q.closed) AS closed
FROM lines l JOIN periods q ON q.period @> l.booked JOIN accounts a ON a.code = l.account GROUP BY 1, 2;
-- view chart: the tree of accounts with its paths
-- full reorganize recode year_end (accounts has changed, which the recursive query tree reads); skip book correct rebook close idle
WITH RECURSIVE tree AS (
    SELECT code, title, 1 AS depth, title AS path FROM accounts WHERE parent IS NULL
    UNION ALL SELECT a.code, a.title, t.depth + 1, t.path || ' / ' || a.title FROM accounts a JOIN tree t ON a.parent = t.code
)
SELECT * FROM tree;
-- view rolled_up: balances of accounts with all below them, by a tree joined with postings
-- delta book correct; full reorganize recode year_end (accounts has changed, which the recursive query below reads); skip rebook close idle
WITH RECURSIVE below AS (
    SELECT code AS top, code FROM accounts
    UNION ALL SELECT b.top, a.code FROM below b JOIN accounts a ON a.parent = b.code
)
SELECT b.top, count(p.line) AS postings, sum(p.amount) AS balance FROM below b LEFT JOIN postings p ON p.account = b.code GROUP BY b.top;
-- view unbalanced: entries whose postings do not sum up to zero, or that have none
-- keys book correct rebook recode year_end; skip reorganize close idle
SELECT e.id, e.booked, sum(p.amount) AS off, array_agg(p.account ORDER BY p.line) AS accounts
FROM entries e LEFT JOIN postings p ON p.entry = e.id GROUP BY e.id, e.booked HAVING sum(p.amount) IS DISTINCT FROM 0;
-- view latest: the last entry of each account
-- keys book correct rebook recode year_end; skip reorganize close idle
SELECT DISTINCT ON (account) account, booked, entry, amount FROM lines ORDER BY account, booked DESC, entry DESC, line;
-- view year_2024: of one partition, by text
-- delta book rebook year_end; skip correct reorganize recode close idle
SELECT text, count(*) AS n, min(booked) AS first, max(booked) AS last FROM entries_2024 GROUP BY text HAVING count(*) > 1;

-- changes book: entries with their postings
INSERT INTO entries SELECT i, date '2024-09-01' + i % 40, 'Late ' || i % 3 FROM generate_series(251, 270) i;
INSERT INTO postings SELECT i, s, CASE s WHEN 1 THEN '12' ELSE '41' END, CASE s WHEN 1 THEN i ELSE -i END FROM generate_series(251, 268) i, generate_series(1, 2) s;
-- changes correct: amounts, accounts and lines
UPDATE postings SET amount = amount + 0.25 WHERE entry % 60 = 5;
UPDATE postings SET account = '69' WHERE entry IN (20, 21) AND line = 1;
UPDATE postings SET line = 9 WHERE entry = 30 AND line = 2;
DELETE FROM postings WHERE entry = 40;
-- changes rebook: entries change partitions, and text
UPDATE entries SET booked = booked + 366 WHERE id IN (10, 11, 12);
UPDATE entries SET booked = '2030-01-01' WHERE id = 13;
UPDATE entries SET text = NULL WHERE id % 100 = 1;
DELETE FROM entries WHERE id = 14;
-- changes reorganize: the tree of accounts
UPDATE accounts SET parent = '1' WHERE code = '121';
UPDATE accounts SET title = 'Bank and post' WHERE code = '12';
INSERT INTO accounts VALUES ('63', '6', 'Travel', 'expense');
-- changes recode: an account's key, which its postings follow
UPDATE accounts SET code = '22' WHERE code = '21';
-- changes close: a quarter
UPDATE periods SET closed = true WHERE period @> date '2024-02-01';
-- changes idle: nothing in the end
INSERT INTO accounts VALUES ('99', NULL, 'Mistake', 'x');
DELETE FROM accounts WHERE code = '99';
-- changes year_end: all of it
INSERT INTO entries SELECT i, date '2025-01-01' + i, NULL FROM generate_series(300, 310) i;
INSERT INTO postings SELECT i, 1, '62', i FROM generate_series(300, 320) i;
UPDATE postings SET amount = -amount WHERE account = '11';
UPDATE accounts SET kind = 'equity' WHERE code = '2';
DELETE FROM accounts WHERE code = '63';
UPDATE periods SET period = daterange('2024-10-01', '2025-07-01') WHERE period @> date '2024-11-01';
