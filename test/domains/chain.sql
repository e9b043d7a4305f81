-- An indexer of a chain: blocks, transactions, token transfers, prices; balances, holders, volumes, whales. Blocks are reorganized.

CREATE DOMAIN wei AS numeric(38,0) CHECK (VALUE >= 0);
CREATE TABLE blocks (height integer PRIMARY KEY, hash text NOT NULL, mined timestamptz NOT NULL, gas_used bigint);
CREATE TABLE transactions (hash text PRIMARY KEY, height integer NOT NULL REFERENCES blocks ON DELETE CASCADE, position integer NOT NULL,
                           sender text NOT NULL, receiver text, value wei NOT NULL, ok boolean NOT NULL, UNIQUE (height, position));
CREATE TABLE tokens (address text PRIMARY KEY, symbol text, decimals smallint NOT NULL);
CREATE TABLE transfers (height integer NOT NULL, log integer NOT NULL, tx text NOT NULL REFERENCES transactions ON DELETE CASCADE, token text NOT NULL,
                        "from" text, "to" text, amount wei NOT NULL, PRIMARY KEY (height, log));
CREATE TABLE prices (token text, day date, usd numeric(18,6) NOT NULL, PRIMARY KEY (token, day));
CREATE TABLE labels (address text PRIMARY KEY, name text NOT NULL, kinds text[]);
CREATE INDEX ON transactions (height);
CREATE INDEX ON transfers (tx);
CREATE INDEX ON transfers (token);
INSERT INTO blocks SELECT i, md5('b' || i), '2024-01-01 00:00+00'::timestamptz + i * interval '3 hours', CASE WHEN i % 9 > 0 THEN i * 21000 END FROM generate_series(1, 100) i;
INSERT INTO transactions SELECT md5('t' || i), i % 98 + 1, i / 98, '0x' || i % 17, CASE WHEN i % 13 > 0 THEN '0x' || i * 7 % 23 END,
    (i % 40)::numeric * 1e18, i % 8 > 0 FROM generate_series(1, 400) i;
INSERT INTO tokens VALUES ('0xt1', 'ONE', 6), ('0xt2', 'TWO', 18), ('0xt3', NULL, 0), ('0xt4', 'TWO', 18);
INSERT INTO transfers SELECT i % 98 + 1, i, md5('t' || i), '0xt' || i % 3 + 1, CASE WHEN i % 10 > 0 THEN '0x' || i % 17 END, CASE WHEN i % 15 > 0 THEN '0x' || i * 5 % 23 END,
    (i % 50 + 1)::numeric * 1000000 FROM generate_series(1, 380) i;
INSERT INTO prices SELECT '0xt' || t, date '2024-01-01' + d, t * 1.5 + d * 0.013 FROM generate_series(1, 2) t, generate_series(0, 10) d WHERE (t + d) % 4 > 0;
INSERT INTO labels VALUES ('0x3', 'Exchange', '{exchange,hot}'), ('0x5', 'Bridge', '{bridge}'), ('0x8', 'Nobody', NULL), ('0x9', 'Empty', '{}');

-- view holders: balance of each address in each token, from both sides of transfers
-- delta mine reorganize old bulk; skip price name fail idle
SELECT token, address, sum(delta) AS balance, count(*) AS moves, max(height) AS last FROM (
    SELECT token, "to" AS address, amount AS delta, height FROM transfers WHERE "to" IS NOT NULL
    UNION ALL SELECT token, "from", -amount, height FROM transfers WHERE "from" IS NOT NULL) b
GROUP BY token, address HAVING sum(delta) <> 0;
CREATE UNIQUE INDEX ON holders (token, address);
-- view holder_counts: over the view of holders
-- delta mine reorganize name old bulk; skip price fail idle
SELECT t.address, coalesce(t.symbol, 'unknown') AS symbol, count(h.address) AS holders, count(*) FILTER (WHERE h.balance < 0) AS short,
       sum(h.balance) AS supply, max(h.balance) AS largest
FROM tokens t LEFT JOIN holders h ON h.token = t.address GROUP BY t.address, t.symbol;
-- view whales: the three largest holders of each token, with their names
-- keys mine reorganize name old bulk; skip price fail idle
SELECT token, place, address, name, balance FROM (
    SELECT h.token, h.address, l.name, h.balance, row_number() OVER (PARTITION BY h.token ORDER BY h.balance DESC, h.address) AS place
    FROM holders h LEFT JOIN labels l ON l.address = h.address) w WHERE place <= 3;
-- view daily_volume: of each token in dollars, at the last price known
-- delta mine reorganize price name old bulk; skip fail idle
SELECT b.mined::date AS day, x.token, t.symbol, count(*) AS transfers, sum(x.amount) AS amount,
       sum(x.amount * p.usd) AS usd, count(*) FILTER (WHERE p.usd IS NULL) AS unpriced
FROM transfers x JOIN blocks b ON b.height = x.height JOIN tokens t ON t.address = x.token
LEFT JOIN prices p ON p.token = x.token AND p.day = b.mined::date GROUP BY 1, 2, 3;
-- view tip: the newest blocks
-- full reorganize (rows have to come up from behind those that the view held); keys mine old; skip price name fail idle bulk
SELECT height, hash, mined, gas_used FROM blocks ORDER BY height DESC LIMIT 10;
-- view head: the state of the chain in one row
-- delta mine reorganize fail old bulk; skip price name idle
SELECT max(height) AS height, count(*) AS blocks, sum(gas_used) AS gas, (SELECT count(*) FROM transactions) AS transactions,
       (SELECT count(DISTINCT sender) FROM transactions WHERE ok) AS senders FROM blocks;
-- view latest_blocks_transactions: what is in the newest block
-- delta mine reorganize fail bulk; skip price name old idle
SELECT t.hash, t.sender, t.receiver, t.value FROM transactions t WHERE t.height = (SELECT max(height) FROM blocks);
-- view activity: what each address sent and received, an outer join of both
-- keys mine reorganize fail bulk; skip price name old idle
SELECT coalesce(s.address, r.address) AS address, coalesce(s.n, 0) AS sent, coalesce(r.n, 0) AS received, s.value AS out, r.value AS "in"
FROM (SELECT sender AS address, count(*) AS n, sum(value) AS value FROM transactions WHERE ok GROUP BY sender) s
FULL JOIN (SELECT receiver AS address, count(*) AS n, sum(value) AS value FROM transactions WHERE ok GROUP BY receiver) r ON r.address = s.address;
-- view kinds: volume by kind of the receiver, of arrays
-- delta mine reorganize name fail bulk; skip price old idle
SELECT k.kind, count(*) AS n, sum(t.value) AS value, count(DISTINCT t.sender) AS senders
FROM transactions t JOIN labels l ON l.address = t.receiver CROSS JOIN LATERAL unnest(l.kinds) AS k(kind) GROUP BY k.kind;
-- view receipts: transactions with their transfers as JSON
-- keys mine reorganize old bulk; skip price name fail idle
SELECT t.hash, t.height, t.position, json_agg(json_build_object('token', x.token, 'amount', x.amount) ORDER BY x.log) FILTER (WHERE x.log IS NOT NULL) AS transfers
FROM transactions t LEFT JOIN transfers x ON x.tx = t.hash GROUP BY t.hash;

-- changes mine: new blocks with all that is in them
INSERT INTO blocks SELECT i, md5('b' || i), '2024-01-01 00:00+00'::timestamptz + i * interval '3 hours', i FROM generate_series(101, 104) i;
INSERT INTO transactions SELECT md5('t' || i), i % 4 + 101, i / 4, '0x' || i % 19, '0x3', 5, true FROM generate_series(401, 420) i;
INSERT INTO transfers SELECT i % 4 + 101, i, md5('t' || i), '0xt' || i % 4 + 1, '0x' || i % 19, '0x' || i % 30, 12345 FROM generate_series(401, 418) i;
-- changes reorganize: the last two blocks go, and come otherwise
DELETE FROM blocks WHERE height > 102;
DELETE FROM transfers WHERE height > 102;
INSERT INTO blocks VALUES (103, 'other', '2024-01-13 21:30+00', NULL);
INSERT INTO transactions VALUES ('other', 103, 0, '0x1', NULL, 0, false);
-- changes price: new days, one corrected
INSERT INTO prices VALUES ('0xt1', '2024-01-04', 2), ('0xt3', '2024-01-05', 0.000001), ('0xt1', '2024-01-13', 4);
UPDATE prices SET usd = usd * 2 WHERE token = '0xt2' AND day = '2024-01-04';
DELETE FROM prices WHERE day = '2024-01-06';
-- changes name: tokens and addresses
UPDATE tokens SET symbol = 'THREE' WHERE address = '0xt3';
INSERT INTO labels VALUES ('0x12', 'Miner', '{miner,hot}');
UPDATE labels SET kinds = kinds || '{cold}' WHERE address = '0x3';
DELETE FROM labels WHERE address = '0x5';
-- changes fail: transactions turn out to have failed
UPDATE transactions SET ok = NOT ok WHERE height % 30 = 0;
UPDATE transactions SET receiver = '0x99', value = value + 1 WHERE sender = '0x4' AND height < 20;
-- changes old: something in an old block
UPDATE blocks SET gas_used = gas_used + 1 WHERE height = 50;
UPDATE transfers SET amount = amount + 1, "to" = NULL WHERE height = 50;
-- changes idle: what is rolled back, and what nobody reads
BEGIN; DELETE FROM transfers WHERE height < 60; ROLLBACK;
UPDATE tokens SET decimals = decimals + 1;
-- changes bulk: half of all transfers
UPDATE transfers SET amount = amount * 2 WHERE height % 2 = 0;
DELETE FROM transactions WHERE height = 7;
INSERT INTO tokens VALUES ('0xt5', 'FIVE', 8);
UPDATE labels SET name = name || ' 2';
