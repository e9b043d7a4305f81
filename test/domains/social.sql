-- A federated network: people, posts, replies, follows, reactions, tags; timelines, trends, counts.

CREATE TABLE people (id integer PRIMARY KEY, nick text NOT NULL, host text, joined timestamptz NOT NULL, hidden boolean NOT NULL DEFAULT false);
CREATE TABLE posts (id integer PRIMARY KEY, author integer REFERENCES people ON DELETE CASCADE, parent integer, body text NOT NULL,
                    posted timestamptz NOT NULL, deleted timestamptz);
CREATE TABLE follows (follower integer, followed integer, since timestamptz NOT NULL, PRIMARY KEY (follower, followed));
CREATE TABLE reactions (post integer, person integer, emoji text, PRIMARY KEY (post, person, emoji));
CREATE TABLE tags (id integer PRIMARY KEY, label text NOT NULL);
CREATE TABLE post_tags (post integer, tag integer, PRIMARY KEY (post, tag));
CREATE TABLE blocks (host text PRIMARY KEY, reason text);
CREATE INDEX ON posts (author);
CREATE INDEX ON posts (parent);
CREATE INDEX ON reactions (person);
CREATE INDEX ON post_tags (tag);
INSERT INTO people SELECT i, 'p' || i, (ARRAY[NULL, 'a.example', 'b.example', 'c.example'])[i % 4 + 1], '2024-01-01 00:00+00'::timestamptz + i * interval '1 day', i % 19 = 0
    FROM generate_series(1, 70) i;
INSERT INTO posts SELECT i, i * i % 66 + 1, CASE WHEN i % 3 = 0 THEN i / 2 END, 'Text ' || i, '2024-03-01 00:00+00'::timestamptz + i * interval '7 hours',
    CASE WHEN i % 23 = 0 THEN timestamptz '2024-08-01 00:00+00' END FROM generate_series(1, 300) i;
INSERT INTO follows SELECT DISTINCT ON (1, 2) i % 60 + 1, i * 7 % 67 + 1, '2024-05-01 00:00+00'::timestamptz + i % 30 * interval '1 day' FROM generate_series(1, 350) i ORDER BY 1, 2, 3;
INSERT INTO reactions SELECT DISTINCT i % 280 + 1, i * 11 % 70 + 1, (ARRAY['+1', 'heart', 'party'])[i % 3 + 1] FROM generate_series(1, 500) i;
INSERT INTO tags SELECT i, 'tag' || i FROM generate_series(1, 15) i;
INSERT INTO post_tags SELECT DISTINCT i % 290 + 1, i * i % 13 + 1 FROM generate_series(1, 330) i;
INSERT INTO blocks VALUES ('c.example', 'spam');

-- view profiles: each person with four counts, by scalar subqueries
-- keys write erase follow rename storm; skip react relabel block
SELECT p.id, p.nick || coalesce('@' || p.host, '') AS handle,
       (SELECT count(*) FROM posts o WHERE o.author = p.id AND o.deleted IS NULL) AS posts,
       (SELECT count(*) FROM follows f WHERE f.followed = p.id) AS followers,
       (SELECT count(*) FROM follows f WHERE f.follower = p.id) AS following,
       (SELECT max(o.posted) FROM posts o WHERE o.author = p.id) AS last_post
FROM people p WHERE NOT p.hidden;
CREATE UNIQUE INDEX ON profiles (id);
-- view threads: posts with their replies and reactions as JSON
-- full storm (people has changed, and so has posts, which is read in a subquery that has groups or aggregates); keys write react erase rename; skip
-- follow relabel block
SELECT o.id, o.body, a.nick, coalesce(r.replies, 0) AS replies, coalesce(x.reactions, '{}'::jsonb) AS reactions
FROM posts o LEFT JOIN people a ON a.id = o.author
LEFT JOIN (SELECT parent, count(*) AS replies FROM posts WHERE deleted IS NULL GROUP BY parent) r ON r.parent = o.id
LEFT JOIN (SELECT post, jsonb_object_agg(emoji, n ORDER BY emoji) AS reactions
           FROM (SELECT post, emoji, count(*) AS n FROM reactions GROUP BY post, emoji) e GROUP BY post) x ON x.post = o.id
WHERE o.deleted IS NULL;
-- view trends: the tags with the most people of the last weeks of the data, ranked
-- delta write erase relabel storm; skip react follow rename block
SELECT rank() OVER (ORDER BY t.people DESC) AS place, g.label, t.people, t.posts
FROM (SELECT pt.tag, count(DISTINCT o.author) AS people, count(*) AS posts FROM post_tags pt JOIN posts o ON o.id = pt.post
      WHERE o.posted >= '2024-04-01 00:00+00' GROUP BY pt.tag) t JOIN tags g ON g.id = t.tag;
-- view tagged: posts with all their tags, one row each
-- keys write erase relabel storm; skip react follow rename block
WITH labels AS (SELECT pt.post, g.id, g.label FROM post_tags pt LEFT JOIN tags g ON g.id = pt.tag)
SELECT o.id, o.author, jsonb_agg(jsonb_build_object('id', l.id, 'label', l.label) ORDER BY l.id) AS tags, string_agg(l.label, ', ' ORDER BY l.label) AS text
FROM posts o LEFT JOIN labels l ON l.post = o.id GROUP BY o.id;
-- view public_posts: what may be shown: not hidden, not blocked, with a reaction or a reply
-- keys write erase storm react rename block; skip follow relabel
SELECT o.id, p.nick, p.host, o.posted FROM posts o JOIN people p ON p.id = o.author
WHERE o.deleted IS NULL AND NOT p.hidden AND NOT EXISTS (SELECT FROM blocks b WHERE b.host = p.host)
  AND (EXISTS (SELECT FROM reactions r WHERE r.post = o.id) OR o.id IN (SELECT parent FROM posts WHERE parent IS NOT NULL));
-- view mutual: pairs that follow each other
-- keys follow storm; skip write react erase rename relabel block
SELECT f.follower AS one, f.followed AS other, least(f.since, g.since) AS since
FROM follows f JOIN follows g ON g.follower = f.followed AND g.followed = f.follower WHERE f.follower < f.followed;
-- view timelines: the three newest posts of whom one follows
-- keys write erase follow storm; skip react rename relabel block
SELECT f.follower, t.post, t.posted FROM follows f
CROSS JOIN LATERAL (SELECT o.id AS post, o.posted FROM posts o WHERE o.author = f.followed AND o.deleted IS NULL ORDER BY o.posted DESC, o.id LIMIT 3) t;
-- view activity: what people did, from four tables
-- delta write react erase follow rename storm; skip relabel block
SELECT who, sum(weight) AS score, count(*) FILTER (WHERE what = 'post') AS posts, count(*) FILTER (WHERE what = 'reaction') AS reactions, min(at) AS first FROM (
    SELECT author AS who, 'post' AS what, 3 AS weight, posted AS at FROM posts WHERE deleted IS NULL
    UNION ALL SELECT person, 'reaction', 1, NULL FROM reactions
    UNION ALL SELECT follower, 'follow', 2, since FROM follows
    UNION ALL SELECT id, 'join', 0, joined FROM people) a
GROUP BY who;
-- view hosts: how large other servers are, and whether they are blocked
-- delta write erase rename block storm; skip react follow relabel
SELECT coalesce(p.host, 'here') AS host, count(*) AS people, count(o.id) AS posts, bool_or(b.host IS NOT NULL) AS blocked, max(b.reason) AS reason
FROM people p LEFT JOIN posts o ON o.author = p.id AND o.deleted IS NULL LEFT JOIN blocks b ON b.host = p.host GROUP BY 1;

-- changes write: posts, replies and their tags
INSERT INTO posts SELECT i, i % 66 + 1, CASE WHEN i % 2 = 0 THEN i - 200 END, 'New ' || i, '2024-06-10 00:00+00'::timestamptz + i * interval '1 hour', NULL FROM generate_series(301, 320) i;
INSERT INTO post_tags SELECT i, i % 4 + 1 FROM generate_series(301, 320) i;
INSERT INTO tags VALUES (16, 'news');
INSERT INTO post_tags VALUES (301, 16), (302, 16), (5, 16);
-- changes react: to old and new posts; some take it back
INSERT INTO reactions SELECT i, i % 9 + 1, 'eyes' FROM generate_series(290, 310) i;
DELETE FROM reactions WHERE person = 12;
UPDATE reactions SET emoji = 'sad' WHERE post = 20 AND emoji = 'heart';
-- changes erase: posts are marked as deleted, restored, moved to other threads; and really deleted
UPDATE posts SET deleted = '2024-09-01 00:00+00' WHERE id % 40 = 2;
UPDATE posts SET deleted = NULL WHERE id = 23;
UPDATE posts SET parent = 1 WHERE id = 66;
UPDATE posts SET body = body || '!' WHERE id IN (1, 2);
DELETE FROM posts WHERE id IN (50, 51);
-- changes follow: and no longer
INSERT INTO follows SELECT 70, i, '2024-07-01 00:00+00' FROM generate_series(1, 12) i;
INSERT INTO follows SELECT i, 70, '2024-07-02 00:00+00' FROM generate_series(1, 6) i;
DELETE FROM follows WHERE follower = 30;
-- changes rename: a person, a tag, somebody hides, somebody leaves with all posts
UPDATE people SET nick = 'renamed' WHERE id = 5;
UPDATE people SET hidden = NOT hidden WHERE id IN (19, 20);
UPDATE people SET host = 'c.example' WHERE id = 21;
DELETE FROM people WHERE id = 33;
-- changes relabel: tags
UPDATE tags SET label = 'first' WHERE id = 1;
DELETE FROM tags WHERE id = 3;
-- changes block: hosts
INSERT INTO blocks VALUES ('b.example', NULL);
DELETE FROM blocks WHERE host = 'c.example';
-- changes storm: all of it
INSERT INTO posts SELECT i, i % 30 + 1, NULL, 'Storm', '2024-08-01 00:00+00', NULL FROM generate_series(400, 450) i;
INSERT INTO reactions SELECT i, 1, 'party' FROM generate_series(400, 450) i;
INSERT INTO post_tags SELECT i, 7 FROM generate_series(400, 430) i;
UPDATE people SET nick = nick || '_' WHERE id % 10 = 0;
UPDATE tags SET label = upper(label) WHERE id > 10;
DELETE FROM posts WHERE id % 25 = 0;
UPDATE blocks SET reason = 'abuse';
DELETE FROM follows WHERE followed = 8;
