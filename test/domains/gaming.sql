-- A game: players, matches, scores, items, clans; leader boards, ratings, streaks, inventories.

CREATE TYPE rarity AS ENUM ('common', 'rare', 'epic');
CREATE TYPE outing AS (match integer, won boolean, score integer);
CREATE TABLE clans (id integer PRIMARY KEY, name text NOT NULL, leader integer);
CREATE TABLE players (id integer PRIMARY KEY, nick text NOT NULL, clan integer, banned boolean NOT NULL DEFAULT false, joined date NOT NULL);
CREATE TABLE matches (id integer PRIMARY KEY, season smallint NOT NULL, map text, began timestamptz NOT NULL, ended timestamptz);
CREATE TABLE results (match integer, player integer, team smallint, won boolean, score integer, kills smallint, PRIMARY KEY (match, player));
CREATE TABLE items (id integer PRIMARY KEY, name text NOT NULL, rarity rarity NOT NULL, worth integer);
CREATE TABLE inventory (player integer, item integer, amount integer NOT NULL CHECK (amount >= 0), PRIMARY KEY (player, item));
CREATE INDEX ON results (player);
CREATE INDEX ON inventory (item);
INSERT INTO clans VALUES (1, 'Reds', 3), (2, 'Blues', 5), (3, 'Empty', NULL), (4, 'Greens', 900);
INSERT INTO players SELECT i, 'n' || i, nullif(i % 5, 0), i % 21 = 0, date '2024-01-01' + i FROM generate_series(1, 60) i;
INSERT INTO matches SELECT i, i / 40 + 1, (ARRAY['dust', 'ice', NULL])[i % 3 + 1], '2024-02-01 18:00+00'::timestamptz + i * interval '7 hours',
    CASE WHEN i % 10 > 0 THEN '2024-02-01 18:25+00'::timestamptz + i * interval '7 hours' END FROM generate_series(1, 100) i;
INSERT INTO results SELECT m, (m * 7 + p * 11) % 58 + 1, p % 2, CASE WHEN m % 10 > 0 THEN (m + p) % 2 = 0 END, (m * p * 13) % 100, (m + p * 3) % 12
    FROM generate_series(1, 98) m, generate_series(1, 6) p ON CONFLICT DO NOTHING;
INSERT INTO items SELECT i, 'Item ' || i, (ARRAY['common', 'rare', 'epic'])[i % 3 + 1]::rarity, nullif(i * 10, 50) FROM generate_series(1, 20) i;
INSERT INTO inventory SELECT p, i, p * i % 5 FROM generate_series(1, 55) p, generate_series(1, 18) i WHERE (p + i) % 6 = 0;

-- view leaderboard: all players by what they have scored, ranked by two rules
-- delta play judge enlist elect season_end; skip trade patch idle
SELECT p.id, p.nick, c.name AS clan, sum(r.score) AS score, rank() OVER (ORDER BY sum(r.score) DESC NULLS LAST) AS place,
       dense_rank() OVER (ORDER BY count(*) FILTER (WHERE r.won) DESC) AS place_by_wins
FROM players p JOIN results r ON r.player = p.id LEFT JOIN clans c ON c.id = p.clan WHERE NOT p.banned GROUP BY p.id, c.id;
CREATE UNIQUE INDEX ON leaderboard (id);
-- view season_top: the five best of each season
-- keys play judge season_end; skip trade patch enlist elect idle
SELECT season, place, player, score FROM (
    SELECT m.season, r.player, sum(r.score) AS score, row_number() OVER (PARTITION BY m.season ORDER BY sum(r.score) DESC, r.player) AS place
    FROM results r JOIN matches m ON m.id = r.match WHERE m.ended IS NOT NULL GROUP BY m.season, r.player) s WHERE place <= 5;
-- view clan_standings: clans with their members, leader, and shares, clans without members too
-- full enlist season_end (players has changed, and so has players, which is read in a subquery that has groups or aggregates); keys play judge elect;
-- skip trade patch idle
WITH members AS (SELECT clan, count(*) AS members, count(*) FILTER (WHERE banned) AS banned FROM players GROUP BY clan),
     wins AS (SELECT p.clan, count(*) AS wins FROM players p JOIN results r ON r.player = p.id AND r.won GROUP BY p.clan)
SELECT c.id, c.name, l.nick AS leader, coalesce(m.members, 0) AS members, coalesce(w.wins, 0) AS wins, round(w.wins::numeric / nullif(m.members, 0), 2) AS each
FROM clans c LEFT JOIN players l ON l.id = c.leader LEFT JOIN members m ON m.clan = c.id LEFT JOIN wins w ON w.clan = c.id;
-- view streaks: the longest series of wins, by gaps and islands
-- delta play judge season_end; skip trade patch enlist elect idle
SELECT player, max(length) AS longest FROM (
    SELECT player, island, count(*) AS length FROM (
        SELECT player, won, row_number() OVER (PARTITION BY player ORDER BY match) - row_number() OVER (PARTITION BY player, won ORDER BY match) AS island
        FROM results WHERE won IS NOT NULL) s WHERE won GROUP BY player, island) l GROUP BY player;
-- view map_stats: by map, with spread
-- keys play judge season_end; skip trade patch enlist elect idle
SELECT coalesce(m.map, 'unknown') AS map, count(DISTINCT m.id) AS matches, count(*) AS results, avg(r.score) AS mean, round(stddev_pop(r.score), 4) AS spread,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.kills) AS kills, sum(extract(epoch FROM m.ended - m.began)::integer) / 60 AS minutes
FROM matches m JOIN results r ON r.match = m.id GROUP BY 1;
-- view wealth: what inventories are worth, by rarity
-- delta trade patch season_end; skip play judge enlist elect idle
SELECT v.player, i.rarity, sum(v.amount) AS items, sum(v.amount * i.worth) AS worth, max(i.worth) FILTER (WHERE v.amount > 0) AS best
FROM inventory v JOIN items i ON i.id = v.item GROUP BY v.player, i.rarity;
-- view richest: above the average of all
-- delta trade patch season_end; skip play judge enlist elect idle
SELECT player, sum(worth) AS worth FROM wealth GROUP BY player HAVING sum(worth) > (SELECT avg(worth) FROM wealth);
-- view rivals: who met whom, and who won
-- delta play judge season_end; skip trade patch enlist elect idle
SELECT a.player, b.player AS rival, count(*) AS matches, count(*) FILTER (WHERE a.won AND NOT b.won) AS wins
FROM results a JOIN results b ON b.match = a.match AND b.team <> a.team AND a.player < b.player GROUP BY a.player, b.player HAVING count(*) >= 2;
-- view collectors: players who have every epic item
-- full trade season_end (inventory has changed, which the query reads as a whole);
-- keys patch enlist elect; skip play judge idle
SELECT p.id, p.nick FROM players p WHERE NOT EXISTS (
    SELECT FROM items i WHERE i.rarity = 'epic' AND i.worth < 100 AND NOT EXISTS (
        SELECT FROM inventory v WHERE v.player = p.id AND v.item = i.id AND v.amount > 0)) OR p.id IN (SELECT leader FROM clans);
-- view last_matches: five matches of every player, as an array of composites
-- full play judge season_end (results has changed, which the query reads as a whole); keys enlist; skip trade patch elect idle
SELECT p.id, p.nick, l.matches FROM players p LEFT JOIN LATERAL (
    SELECT array_agg(ROW(t.match, t.won, t.score)::outing ORDER BY t.match DESC) AS matches
    FROM (SELECT r.match, r.won, r.score FROM results r WHERE r.player = p.id ORDER BY r.match DESC LIMIT 5) t) l ON true;

-- changes play: matches with results
INSERT INTO matches SELECT i, 3, 'sand', '2024-04-01 00:00+00', '2024-04-01 00:20+00' FROM generate_series(101, 106) i;
INSERT INTO results SELECT m, p * m % 57 + 1, p % 2, p % 2 = 1, p * 11, p FROM generate_series(101, 106) m, generate_series(1, 6) p ON CONFLICT DO NOTHING;
UPDATE matches SET ended = began + interval '40 minutes' WHERE id = 10;
UPDATE results SET won = team = 1 WHERE match = 10;
-- changes judge: results are corrected and struck
UPDATE results SET score = score + 500 WHERE match = 3 AND player < 20;
UPDATE results SET won = NOT won WHERE match IN (5, 6);
UPDATE results SET player = 60 WHERE match = 7 AND team = 0 AND player = (SELECT min(player) FROM results WHERE match = 7 AND team = 0);
DELETE FROM results WHERE match = 8;
DELETE FROM matches WHERE id = 8;
-- changes trade: items
INSERT INTO inventory VALUES (59, 1, 3), (60, 2, 1), (59, 20, 2);
UPDATE inventory SET amount = amount + 1 WHERE item = 5;
DELETE FROM inventory WHERE player = 11;
-- changes patch: items are worth other things
UPDATE items SET worth = worth * 3 WHERE id = 6;
UPDATE items SET rarity = 'epic' WHERE id = 3;
UPDATE items SET name = name || '+';
INSERT INTO items VALUES (21, 'New', 'epic', 99);
-- changes enlist: players join, change clans, are banned
INSERT INTO players VALUES (61, 'fresh', 3, false, '2024-05-01');
UPDATE players SET clan = 1 WHERE id IN (10, 15);
UPDATE players SET banned = true WHERE id = 12;
UPDATE players SET nick = 'x' WHERE id = 13;
DELETE FROM players WHERE id = 14;
-- changes elect: clans
UPDATE clans SET leader = 6 WHERE id = 4;
UPDATE clans SET name = 'Crimson' WHERE id = 1;
DELETE FROM clans WHERE id = 3;
-- changes idle: what is read by none
UPDATE players SET joined = joined + 1;
-- changes season_end: all of it
UPDATE matches SET season = 9 WHERE season = 2 AND id % 3 = 0;
DELETE FROM results WHERE score < 10;
UPDATE inventory SET amount = 0 WHERE player % 7 = 0;
UPDATE players SET banned = false;
UPDATE items SET worth = NULL WHERE id = 9;
INSERT INTO results SELECT 9, p, 1, true, 77, 7 FROM generate_series(1, 20) p ON CONFLICT (match, player) DO UPDATE SET score = excluded.score;
INSERT INTO clans VALUES (5, 'Last', 1);
