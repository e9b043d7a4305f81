-- Documents for a search: titles, texts, authors and subjects of a library as one vector, facets, similar names.
-- needs citext
-- needs pg_trgm

CREATE TABLE authors (id integer PRIMARY KEY, name citext NOT NULL, born integer);
CREATE TABLE books (id integer PRIMARY KEY, title text NOT NULL, language text, abstract text, year integer, withdrawn boolean NOT NULL DEFAULT false);
CREATE TABLE book_authors (book integer, author integer, position smallint NOT NULL, role text, PRIMARY KEY (book, author));
CREATE TABLE subjects (id integer PRIMARY KEY, parent integer, label citext NOT NULL);
CREATE TABLE book_subjects (book integer, subject integer, PRIMARY KEY (book, subject));
CREATE TABLE copies (id integer PRIMARY KEY, book integer, branch text, shelf text);
CREATE TABLE loans (id integer PRIMARY KEY, copy integer NOT NULL, lent date NOT NULL, returned date);
CREATE INDEX ON book_authors (author);
CREATE INDEX ON book_subjects (subject);
CREATE INDEX ON copies (book);
CREATE INDEX ON loans (copy);
INSERT INTO authors SELECT i, CASE WHEN i % 2 = 0 THEN 'Author ' ELSE 'AUTHOR ' END || i % 25, 1900 + i FROM generate_series(1, 40) i;
INSERT INTO books SELECT i, 'The ' || (ARRAY['quick', 'running', 'old', 'sleeping'])[i % 4 + 1] || ' ' || (ARRAY['foxes', 'rivers', 'cities'])[i % 3 + 1] || ' ' || i,
    (ARRAY['en', 'en', 'de', NULL])[i % 4 + 1], CASE WHEN i % 6 > 0 THEN 'About number ' || i || ' and others' END, nullif(1950 + i % 70, 1960), i % 25 = 0 FROM generate_series(1, 150) i;
INSERT INTO book_authors SELECT DISTINCT ON (1, 2) i % 145 + 1, i * 7 % 39 + 1, i % 3, CASE WHEN i % 5 = 0 THEN 'editor' END FROM generate_series(1, 220) i ORDER BY 1, 2, 3;
INSERT INTO subjects SELECT i, CASE WHEN i > 4 THEN i % 4 + 1 END, 'Subject ' || i FROM generate_series(1, 16) i;
INSERT INTO book_subjects SELECT DISTINCT i % 140 + 1, i * 5 % 15 + 1 FROM generate_series(1, 260) i;
INSERT INTO copies SELECT i, CASE WHEN i % 20 > 0 THEN i % 130 + 1 END, (ARRAY['Main', 'North', NULL])[i % 3 + 1], 'S' || i % 10 FROM generate_series(1, 200) i;
INSERT INTO loans SELECT i, i % 190 + 1, date '2024-01-01' + i, CASE WHEN i % 4 > 0 THEN date '2024-01-10' + i + i % 9 END FROM generate_series(1, 240) i;

-- view documents: all that is searched in of a book, weighted
-- keys acquire edit attribute inventory; skip classify lend idle
SELECT b.id, b.title, setweight(to_tsvector('english', b.title), 'A') || setweight(to_tsvector('simple', coalesce(string_agg(a.name::text, ' ' ORDER BY ba.position, a.id), '')), 'B')
       || setweight(to_tsvector('english', coalesce(b.abstract, '')), 'D') AS words
FROM books b LEFT JOIN book_authors ba ON ba.book = b.id LEFT JOIN authors a ON a.id = ba.author WHERE NOT b.withdrawn GROUP BY b.id;
CREATE INDEX ON documents USING gin (words);
-- view by_language: a vector in the language of each book
-- keys acquire edit inventory; skip attribute classify lend idle
SELECT id, CASE language WHEN 'en' THEN to_tsvector('english', title || ' ' || coalesce(abstract, '')) WHEN 'de' THEN to_tsvector('german', title || ' ' || coalesce(abstract, ''))
       ELSE to_tsvector('simple', title) END AS words FROM books;
-- view by_configuration: as above, by a cast to the configuration
-- untracked (Its result depends on more than data: cast from text to regconfig.)
SELECT id, to_tsvector(CASE language WHEN 'en' THEN 'english' WHEN 'de' THEN 'german' ELSE 'simple' END::regconfig, title || ' ' || coalesce(abstract, '')) AS words FROM books;
-- view cards: a book as one JSON document, with authors, subjects and copies
-- keys acquire edit attribute classify inventory; skip lend idle
SELECT b.id, jsonb_build_object('title', b.title, 'year', b.year,
       'authors', (SELECT jsonb_agg(jsonb_build_object('name', a.name, 'role', ba.role) ORDER BY ba.position, a.id) FROM book_authors ba JOIN authors a ON a.id = ba.author WHERE ba.book = b.id),
       'subjects', ARRAY(SELECT s.label::text FROM book_subjects bs JOIN subjects s ON s.id = bs.subject WHERE bs.book = b.id ORDER BY s.id),
       'copies', (SELECT count(*) FROM copies c WHERE c.book = b.id)) AS card
FROM books b WHERE NOT b.withdrawn;
-- view facets: counts for all filters of the search page
-- delta acquire edit classify inventory; skip attribute lend idle
SELECT 'language' AS facet, coalesce(language, 'unknown') AS value, count(*) AS books FROM books WHERE NOT withdrawn GROUP BY 2
UNION ALL SELECT 'decade', (year / 10 * 10)::text, count(*) FROM books WHERE NOT withdrawn GROUP BY 2
UNION ALL SELECT 'subject', s.label::text, count(DISTINCT bs.book) FROM subjects s JOIN book_subjects bs ON bs.subject = s.id GROUP BY 2;
-- view author_names: names that differ in case alone are one
-- full attribute inventory (no column of its output tells which rows belong together); skip acquire edit classify lend idle
SELECT min(name::text) AS name, count(*) AS authors, min(born) AS first FROM authors GROUP BY name;
-- view lower_names: as above, by text
-- delta acquire attribute; skip edit classify lend idle inventory
SELECT lower(name::text) AS name, count(*) AS authors, min(id) AS first, count(DISTINCT ba.book) AS books FROM authors a LEFT JOIN book_authors ba ON ba.author = a.id GROUP BY 1;
-- view similar_titles: pairs of titles that look alike
-- keys acquire edit inventory; skip attribute classify lend idle
SELECT a.id, b.id AS other, round(similarity(a.title, b.title)::numeric, 2) AS similarity FROM books a JOIN books b ON b.year = a.year AND b.id > a.id WHERE similarity(a.title, b.title) > 0.4;
-- view subject_tree: subjects with those above and how many books are in them
-- keys acquire classify inventory; skip edit attribute lend idle
SELECT s.id, s.label, p.label AS above, count(bs.book) AS books FROM subjects s LEFT JOIN subjects p ON p.id = s.parent LEFT JOIN book_subjects bs ON bs.subject = s.id GROUP BY s.id, p.id;
-- view availability: what of each book is there, in which branches
-- keys acquire edit lend inventory; skip attribute classify idle
SELECT b.id, b.title, count(c.id) AS copies, count(c.id) FILTER (WHERE l.id IS NULL) AS here, array_agg(DISTINCT c.branch ORDER BY c.branch) FILTER (WHERE l.id IS NULL) AS branches
FROM books b LEFT JOIN copies c ON c.book = b.id LEFT JOIN loans l ON l.copy = c.id AND l.returned IS NULL GROUP BY b.id;
-- view popular: the most lent, with ties
-- delta acquire lend inventory; skip edit attribute classify idle
SELECT c.book, count(*) AS loans, max(l.lent) AS last FROM loans l JOIN copies c ON c.id = l.copy GROUP BY c.book ORDER BY count(*) DESC FETCH FIRST 5 ROWS WITH TIES;
-- view untouched: copies that nobody has ever borrowed
-- keys acquire lend inventory; skip edit attribute classify idle
SELECT c.id, c.branch FROM copies c LEFT JOIN loans l ON l.copy = c.id WHERE l.id IS NULL AND c.id NOT IN (SELECT copy FROM loans WHERE returned IS NULL);

-- changes acquire: books with all
INSERT INTO books SELECT i, 'The new foxes ' || i, 'en', NULL, 2024, false FROM generate_series(151, 156) i;
INSERT INTO book_authors SELECT i, i - 130, 0, NULL FROM generate_series(151, 155) i;
INSERT INTO book_subjects SELECT i, 3 FROM generate_series(151, 156) i;
INSERT INTO copies SELECT i, i - 50, 'North', NULL FROM generate_series(201, 206) i;
-- changes edit: books
UPDATE books SET title = 'The swimming city' WHERE id = 5;
UPDATE books SET language = 'de', abstract = 'Geänderte Häuser' WHERE id IN (7, 8);
UPDATE books SET withdrawn = NOT withdrawn WHERE id IN (25, 26);
UPDATE books SET year = 1977 WHERE year IS NULL;
DELETE FROM books WHERE id = 31;
-- changes attribute: authors and what they wrote
UPDATE authors SET name = 'author 1' WHERE id = 26;
UPDATE authors SET name = upper(name::text)::citext WHERE id IN (2, 3);
UPDATE book_authors SET position = 9 WHERE book = 40;
DELETE FROM book_authors WHERE author = 10;
INSERT INTO authors VALUES (41, 'Nobody', NULL);
-- changes classify: subjects
UPDATE subjects SET label = 'Rivers' WHERE id = 2;
UPDATE subjects SET parent = NULL WHERE id = 9;
INSERT INTO book_subjects VALUES (1, 16), (2, 16);
DELETE FROM book_subjects WHERE subject = 7;
-- changes lend: and return
INSERT INTO loans SELECT i, i - 100, '2024-10-01', NULL FROM generate_series(241, 250) i;
UPDATE loans SET returned = '2024-10-02' WHERE returned IS NULL AND id % 3 = 0;
DELETE FROM loans WHERE id = 17;
UPDATE copies SET branch = 'South' WHERE id % 50 = 0;
-- changes idle: shelves
UPDATE copies SET shelf = 'new';
-- changes inventory: all of it
DELETE FROM copies WHERE id % 40 = 1;
DELETE FROM loans WHERE lent < '2024-01-20';
UPDATE books SET withdrawn = true WHERE year < 1955;
UPDATE authors SET born = born + 1 WHERE id < 5;
INSERT INTO books VALUES (170, '', NULL, '', NULL, false);
INSERT INTO loans SELECT i, i - 90, '2024-11-01', '2024-11-05' FROM generate_series(260, 275) i;
UPDATE subjects SET label = label || '!';
