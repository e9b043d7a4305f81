-- A hospital: patients, stays, measurements in an open schema, diagnoses in a code tree, prescriptions.

CREATE TYPE sex AS ENUM ('f', 'm', 'x');
CREATE TABLE patients (id integer PRIMARY KEY, born date, sex sex, postcode text);
CREATE TABLE wards (id text PRIMARY KEY, title text NOT NULL, beds integer NOT NULL);
CREATE TABLE stays (id integer PRIMARY KEY, patient integer NOT NULL, ward text, admitted timestamp NOT NULL, discharged timestamp, outcome text);
CREATE TABLE measurements (id integer PRIMARY KEY, stay integer NOT NULL, what text NOT NULL, value numeric, taken timestamp NOT NULL);
CREATE TABLE codes (code text PRIMARY KEY, title text NOT NULL, chapter char(1) GENERATED ALWAYS AS (left(code, 1)) STORED);
CREATE TABLE diagnoses (stay integer, code text, main boolean NOT NULL, PRIMARY KEY (stay, code));
CREATE TABLE prescriptions (id integer PRIMARY KEY, stay integer, drug text NOT NULL, days int4multirange);
CREATE INDEX ON stays (patient);
CREATE INDEX ON measurements (stay);
INSERT INTO patients SELECT i, CASE WHEN i % 14 > 0 THEN date '1940-01-01' + i * 300 END, (ARRAY['f', 'm', 'x', NULL])[i % 4 + 1]::sex, '1' || i % 8 FROM generate_series(1, 90) i;
INSERT INTO wards VALUES ('ICU', 'Intensive care', 3), ('SUR', 'Surgery', 8), ('INT', 'Internal', 12), ('NEW', 'Not open', 0);
INSERT INTO stays SELECT i, i * 7 % 85 + 1, (ARRAY['ICU', 'SUR', 'INT', NULL])[i % 4 + 1], timestamp '2024-01-01' + i * interval '9 hours',
    CASE WHEN i % 7 > 0 THEN timestamp '2024-01-01' + i * interval '9 hours' + i % 12 * interval '1 day' END, CASE WHEN i % 7 > 0 THEN (ARRAY['home', 'transfer', 'died'])[i * i % 3 + 1] END
    FROM generate_series(1, 160) i;
INSERT INTO measurements SELECT i, i % 155 + 1, (ARRAY['pulse', 'weight', 'temp', 'note'])[i % 4 + 1], CASE WHEN i % 4 < 3 THEN (i * 17 % 90 + 30) / 2.0 END,
    timestamp '2024-01-02' + i * interval '3 hours' FROM generate_series(1, 450) i;
INSERT INTO codes SELECT chr(65 + i % 5) || i, 'Disease ' || i FROM generate_series(1, 20) i;
INSERT INTO diagnoses SELECT DISTINCT ON (1, 2) i % 150 + 1, (SELECT code FROM codes WHERE substr(code, 2)::integer = i * 3 % 19 + 1), i < 150 FROM generate_series(1, 280) i ORDER BY 1, 2, 3;
INSERT INTO prescriptions SELECT i, i % 140 + 1, 'Drug ' || i % 9, CASE WHEN i % 6 > 0 THEN int4multirange(int4range(i % 5, i % 5 + 3), int4range(10, 10 + i % 4)) END FROM generate_series(1, 170) i;

-- view wide: measurements of a stay, one column each
-- delta admit measure discharge quarter; skip diagnose recode prescribe find idle
SELECT s.id, s.patient, max(m.value) FILTER (WHERE m.what = 'pulse') AS pulse, round(avg(m.value) FILTER (WHERE m.what = 'temp'), 3) AS temp,
       count(*) FILTER (WHERE m.what = 'note') AS notes, min(m.taken) AS first
FROM stays s LEFT JOIN measurements m ON m.stay = s.id GROUP BY s.id;
CREATE UNIQUE INDEX ON wide (id);
-- view newest: the newest value of each kind for each patient
-- keys admit measure discharge quarter; skip diagnose recode prescribe find idle
SELECT DISTINCT ON (s.patient, m.what) s.patient, m.what, m.value, m.taken FROM measurements m JOIN stays s ON s.id = m.stay ORDER BY s.patient, m.what, m.taken DESC;
-- view census: patients in each ward on each day
-- delta admit discharge find quarter; skip measure diagnose recode prescribe idle
SELECT w.id AS ward, d.day::date AS day, count(s.id) AS patients, w.beds - count(s.id) AS free
FROM wards w CROSS JOIN generate_series(timestamp '2024-01-05', '2024-01-30', '5 days') AS d(day)
LEFT JOIN stays s ON s.ward = w.id AND s.admitted <= d.day AND (s.discharged IS NULL OR s.discharged > d.day) GROUP BY w.id, d.day;
-- view readmissions: stays within 30 days of the one before
-- keys admit discharge quarter; skip measure diagnose recode prescribe find idle
SELECT id, patient, admitted, since FROM (
    SELECT id, patient, admitted, admitted - lag(discharged) OVER (PARTITION BY patient ORDER BY admitted, id) AS since FROM stays) s
WHERE since < interval '30 days';
-- view mortality: by age group and sex, of stays that have ended
-- delta admit discharge find quarter; skip measure diagnose recode prescribe idle
SELECT width_bucket(2024 - extract(year FROM p.born), 0, 100, 5) AS age, p.sex, count(*) AS stays, count(*) FILTER (WHERE s.outcome = 'died') AS died
FROM stays s JOIN patients p ON p.id = s.patient WHERE s.discharged IS NOT NULL GROUP BY 1, 2;
-- view chapters: diagnoses by chapter and place among all
-- keys admit discharge diagnose recode quarter; skip measure prescribe find idle
SELECT c.chapter, count(*) AS diagnoses, count(DISTINCT s.patient) AS patients, bool_or(d.main) AS ever_main, string_agg(DISTINCT c.title, '; ' ORDER BY c.title) AS titles
FROM codes c LEFT JOIN diagnoses d ON d.code = c.code LEFT JOIN stays s ON s.id = d.stay GROUP BY c.chapter;
-- view comorbid: pairs of diagnoses of one stay that are found together more often than once
-- delta admit discharge diagnose quarter; skip measure recode prescribe find idle
SELECT a.code, b.code AS other, count(DISTINCT s.patient) AS patients FROM diagnoses a JOIN diagnoses b ON b.stay = a.stay AND a.code < b.code JOIN stays s ON s.id = a.stay
GROUP BY a.code, b.code HAVING count(DISTINCT s.patient) > 1;
-- view drugs: days for which each drug was given
-- keys prescribe quarter; skip admit measure discharge diagnose recode find idle
SELECT p.drug, count(*) AS prescriptions, range_agg(p.days) AS days, count(*) FILTER (WHERE p.days IS NULL) AS unknown FROM prescriptions p GROUP BY p.drug;
-- view outliers: values far from what is usual of their kind
-- keys measure quarter; skip admit discharge diagnose recode prescribe find idle
WITH usual AS (SELECT what, avg(value) AS mean, stddev_samp(value) AS spread FROM measurements GROUP BY what)
SELECT m.id, m.stay, m.what, m.value FROM measurements m JOIN usual u USING (what) WHERE abs(m.value - u.mean) > 1.5 * u.spread;
-- view long_stays: longer than the average of their ward
-- keys admit discharge quarter; skip measure diagnose recode prescribe find idle
SELECT s.id, s.ward, s.discharged - s.admitted AS lasted FROM stays s
WHERE s.discharged - s.admitted > (SELECT avg(t.discharged - t.admitted) FROM stays t WHERE t.ward = s.ward);

-- changes admit: patients and stays
INSERT INTO patients VALUES (91, '2024-01-01', 'f', '99'), (92, NULL, NULL, NULL);
INSERT INTO stays VALUES (161, 91, 'NEW', '2024-03-05', NULL, NULL), (162, 3, 'ICU', '2024-03-06', NULL, NULL), (163, 3, 'SUR', '2024-03-20', '2024-03-21', 'home');
-- changes measure: new values, corrected ones
INSERT INTO measurements SELECT i, i - 300, 'pulse', 60 + i % 7, '2024-03-10 00:00'::timestamp + i * interval '1 minute' FROM generate_series(451, 463) i;
UPDATE measurements SET value = 1000 WHERE id = 33;
UPDATE measurements SET what = 'temp' WHERE id IN (40, 41);
DELETE FROM measurements WHERE stay = 12;
-- changes discharge: stays end, change wards, patients
UPDATE stays SET discharged = '2024-03-01', outcome = 'home' WHERE discharged IS NULL AND id % 2 = 0;
UPDATE stays SET ward = 'INT' WHERE id IN (3, 4, 5);
UPDATE stays SET patient = 1 WHERE id = 50;
DELETE FROM stays WHERE id = 51;
-- changes diagnose: and correct that
INSERT INTO diagnoses SELECT s, 'A5', false FROM generate_series(100, 110) s ON CONFLICT DO NOTHING;
UPDATE diagnoses SET main = NOT main WHERE stay = 7;
DELETE FROM diagnoses WHERE stay % 40 = 0;
-- changes recode: codes
UPDATE codes SET title = 'Renamed' WHERE code = 'A5';
INSERT INTO codes VALUES ('Z1', 'Nothing');
DELETE FROM codes WHERE code = 'B6';
-- changes prescribe: drugs
UPDATE prescriptions SET days = '{[20,25)}' WHERE id = 8;
INSERT INTO prescriptions VALUES (171, 1, 'Drug 99', '{}'), (172, NULL, 'Drug 1', NULL);
DELETE FROM prescriptions WHERE drug = 'Drug 7';
-- changes find: out when somebody was born; a ward gets beds
UPDATE patients SET born = '1999-09-09' WHERE born IS NULL;
UPDATE patients SET sex = 'x' WHERE id = 8;
UPDATE wards SET beds = 4 WHERE id = 'NEW';
-- changes idle: what nobody reads
UPDATE patients SET postcode = '0';
UPDATE wards SET title = title || '.';
-- changes quarter: all of it
INSERT INTO stays SELECT i, i % 90 + 1, 'SUR', '2024-04-01', '2024-04-03', 'died' FROM generate_series(200, 220) i;
INSERT INTO measurements SELECT i, i - 300, 'weight', i, '2024-04-02' FROM generate_series(500, 520) i;
UPDATE measurements SET value = value + 0.10 WHERE what = 'temp' AND id < 100;
DELETE FROM patients WHERE id = 15;
UPDATE codes SET title = upper(title) WHERE chapter = 'C';
DELETE FROM diagnoses WHERE code = 'D8';
UPDATE prescriptions SET drug = 'Drug 2' WHERE drug = 'Drug 3';
