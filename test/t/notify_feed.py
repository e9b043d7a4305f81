#!/usr/bin/python3
"""Tests what those are told who LISTEN to refreshes, and who read the feed of a view.

Notifications: one for each refresh that wrote rows, at its commit and not before, valid JSON of less
than 8000 bytes whatever the names and keys, none of what is rolled back.

The feed: while two sessions change tables and refresh at random (by every method, in transactions of
several refreshes that are now and then rolled back, on commit, by core's REFRESH, with other queries), a
consumer applies the feed to a copy: after each call it is what the view was in the same snapshot.
"""
import contextlib
import json
import random
import select
import sys
import threading
import time
import traceback

import psycopg2
import psycopg2.errors

DATABASE = "refresh_mv_feed"
SECONDS = 15
SETUP = """
    CREATE EXTENSION refresh_mv;
    CREATE TABLE t (id integer PRIMARY KEY, g integer NOT NULL, n numeric, note text);
    INSERT INTO t SELECT i, i % 20, i, 'note ' || i FROM generate_series(1, 400) AS i;
    CREATE MATERIALIZED VIEW grouped AS SELECT g, sum(n) AS n, count(*) AS c, max(note) AS note FROM t GROUP BY g;
    CREATE MATERIALIZED VIEW rows AS SELECT id, n, note FROM t WHERE n > 10;
    CREATE MATERIALIZED VIEW bag AS SELECT g % 3 AS g, left(note, 6) AS note FROM t;
    CREATE MATERIALIZED VIEW at_commit AS SELECT g, count(*) AS c FROM t GROUP BY g;
    CREATE MATERIALIZED VIEW untracked AS SELECT g, sum(n) AS n FROM t GROUP BY g;
    SELECT refresh_mv.configure(v, feed_keep => '1 hour')
    FROM unnest('{grouped,rows,bag,at_commit,untracked}'::regclass[]) AS v;
    SELECT refresh_mv.track(v) FROM unnest('{grouped,rows,bag}'::regclass[]) AS v;
    SELECT refresh_mv.track('at_commit', on_commit => true);
    CALL refresh_mv.run();
"""
VIEWS = ["grouped", "rows", "bag", "at_commit", "untracked"]


def connect(database=DATABASE):
    """A connection in autocommit."""
    connection = psycopg2.connect(dbname=database, options="-c deadlock_timeout=200ms -c client_min_messages=error"
                                                           " -c refresh_mv.exact_cost_limit=1e9")
    connection.autocommit = True
    return contextlib.closing(connection)


def run(connection, sql, *values):
    """Runs a statement; returns the rows, if it returns any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else None


def script(connection, text):
    """Runs statements one by one."""
    for statement in text.split(";\n"):
        if statement.strip():
            run(connection, statement)


# ---- notifications ----

def told(listener):
    """What a session has been told meanwhile, parsed."""
    run(listener, "SELECT 1")
    while select.select([listener], [], [], 0.1)[0]:
        listener.poll()
    payloads = [note.payload for note in listener.notifies if note.channel == "refresh_mv"]
    listener.notifies.clear()
    for payload in payloads:
        assert len(payload.encode()) < 8000, len(payload)
    return [json.loads(payload) for payload in payloads]


def check_notifications():
    """Refreshes in all ways, and looks what is told."""
    odd = 'Odd "view"\\ \' ü\n' + "x" * 40
    quoted = '"' + odd.replace('"', '""') + '"'
    with connect() as session, connect() as listener:
        run(listener, "LISTEN refresh_mv")
        run(session, "CREATE TABLE named (name text PRIMARY KEY, n integer)")
        run(session, f"CREATE MATERIALIZED VIEW {quoted} AS SELECT name, sum(n) AS \"the \"\"n\"\"\" FROM named GROUP BY name")
        run(session, "SELECT refresh_mv.configure(%s, notify => true)", quoted)
        refresh = "SELECT success FROM refresh_materialized_views_smart(ARRAY[%s]::regclass[])"
        assert not told(listener)
        # nothing to write: nothing to tell
        run(session, refresh, quoted)
        assert not told(listener)
        run(session, "INSERT INTO named VALUES ('a', 1), ('b\"\\', 2), ('ü\n', 3)")
        run(session, "BEGIN")
        run(session, refresh, quoted)
        assert not told(listener)
        run(session, "COMMIT")
        notes = told(listener)
        assert len(notes) == 1, notes
        note = notes[0]
        assert note["view"] == f"public.{quoted}" and note["method"] == "full" and note["run"] > 0, note
        assert (note["inserted"], note["updated"], note["deleted"]) == (3, 0, 0) and "mark" not in note, note
        assert sorted(key["name"] for key in note["keys"]) == ["a", "b\"\\", "ü\n"], note
        # rolled back, as a whole or in part
        run(session, "UPDATE named SET n = n + 1")
        run(session, "BEGIN")
        run(session, refresh, quoted)
        run(session, "ROLLBACK")
        run(session, "BEGIN")
        run(session, "SAVEPOINT s")
        run(session, refresh, quoted)
        run(session, "ROLLBACK TO s")
        run(session, "COMMIT")
        assert not told(listener)
        # on commit: no run; with a feed: its mark
        run(session, refresh, quoted)
        told(listener)
        run(session, "SELECT refresh_mv.configure(%s, feed_keep => '1 hour')", quoted)
        run(session, "SELECT refresh_mv.track(%s, on_commit => true)", quoted)
        run(session, refresh, quoted)
        assert not told(listener)
        run(session, "BEGIN")
        run(session, "UPDATE named SET n = 7 WHERE name = 'a'")
        run(session, "DELETE FROM named WHERE name LIKE 'b%%'")
        assert not told(listener)
        run(session, "COMMIT")
        notes = told(listener)
        assert len(notes) == 1 and notes[0]["run"] is None, notes
        assert (notes[0]["updated"], notes[0]["deleted"]) == (1, 1), notes
        assert notes[0]["mark"] == run(session, "SELECT mark FROM refresh_mv.feed(%s)", quoted)[0][0]
        assert {key["name"] for key in notes[0]["keys"]} == {"a", "b\"\\"}, notes
        run(session, "SELECT refresh_mv.track(%s, on_commit => false)", quoted)
        # keys that do not fit, by size of any sort, are not there, and the rest is
        for length, rows in ((20, 150), (200, 30), (200, 60), (7000, 1), (7900, 1), (100, 5000)):
            run(session, "TRUNCATE named")
            run(session, f"INSERT INTO named SELECT left({rows} || '-' || i || repeat('ü\"', {length}), {length}), i"
                         f" FROM generate_series(1, {rows}) AS i")
            run(session, refresh, quoted)
            notes = told(listener)
            assert len(notes) == 1 and notes[0]["inserted"] == rows, (length, rows, notes)
            assert ("keys" in notes[0]) == (rows * length < 4000), (length, rows, len(json.dumps(notes[0])))
        # core's REFRESH, and a view that is filled for the first time
        run(session, f"REFRESH MATERIALIZED VIEW {quoted}")
        run(session, f"REFRESH MATERIALIZED VIEW {quoted} WITH NO DATA")
        run(session, refresh, quoted)
        notes = told(listener)
        assert [note["method"] for note in notes] == ["rebuild"] * 3 and notes[2]["inserted"] is None, notes
        # others are not told of
        run(session, "SELECT refresh_mv.configure(%s, notify => false)", quoted)
        run(session, "INSERT INTO named VALUES ('z', 1)")
        run(session, refresh, quoted)
        assert not told(listener)
        run(session, f"DROP MATERIALIZED VIEW {quoted}")


# ---- the feed ----

class Load:
    """What the threads share."""

    def __init__(self):
        self.end = time.monotonic() + SECONDS
        self.problems = []
        self.counts = {}
        self.lock = threading.Lock()

    def count(self, what, by=1):
        """Counts something done."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + by

    def worker(self, job, *args):
        """The body of a thread."""
        try:
            job(self, *args)
        except Exception:  # whatever it is, it makes the test fail
            self.problems.append(f"{job.__name__}: {traceback.format_exc()}")


def some_refresh(dice):
    """A statement that refreshes."""
    views = "'{" + ",".join(dice.sample(VIEWS, dice.randint(1, len(VIEWS)))) + "}'"
    return dice.choice([
        f"SELECT success FROM refresh_materialized_views_smart({views})"] * 6 + [
        f"SELECT success FROM refresh_materialized_views(views => {views})",
        f"SELECT true FROM refresh_mv.refresh_where('grouped', 'g < {dice.randrange(20)}')"])


def some_change(dice):
    """A statement that changes the table."""
    first = dice.randrange(1, 500)
    return dice.choice([
        f"INSERT INTO t SELECT i, i % 20, i, 'note ' || i FROM generate_series({first}, {first + 5}) AS i ON CONFLICT DO NOTHING",
        f"DELETE FROM t WHERE id BETWEEN {first} AND {first + 4}",
        f"UPDATE t SET n = n + {dice.choice(['1', '1.50', '0.00'])} WHERE id BETWEEN {first} AND {first + 4}",
        f"UPDATE t SET g = {dice.randrange(22)}, note = note || '.' WHERE id = {first}"])


def change(load, number):
    """Changes and refreshes, in transactions or not."""
    dice = random.Random(number)
    with connect() as session:
        while time.monotonic() < load.end and not load.problems:
            try:
                if dice.random() < 0.5:
                    for _ in range(dice.randint(1, 3)):
                        run(session, some_change(dice))
                    run(session, some_refresh(dice))
                    load.count("refreshes")
                elif dice.random() < 0.1:
                    run(session, dice.choice([
                        "REFRESH MATERIALIZED VIEW untracked", "REFRESH MATERIALIZED VIEW rows",
                        "SELECT refresh_mv.replace_query('untracked', 'SELECT g, sum(n) "
                        f"+ {dice.randrange(3)} AS n FROM t GROUP BY g')", "CALL refresh_mv.run()",
                        "CALL refresh_mv.run('full')"]))
                    load.count("others")
                else:
                    run(session, "BEGIN" + dice.choice(["", " ISOLATION LEVEL REPEATABLE READ"]))
                    for _ in range(dice.randint(1, 4)):
                        run(session, "SAVEPOINT s")
                        run(session, dice.choice([some_change, some_change, some_refresh])(dice))
                        if dice.random() < 0.3:
                            run(session, "ROLLBACK TO s")
                    run(session, dice.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))
                    load.count("transactions")
            except (psycopg2.errors.SerializationFailure, psycopg2.errors.DeadlockDetected):
                run(session, "ROLLBACK")
                load.count("to be tried again")


def consume(load, view):
    """Applies the feed of a view to a copy, call by call, under a snapshot that shows the view, too."""
    dice = random.Random(view)
    mark = None
    copy = {}
    with connect() as session:
        last = False
        while not last and not load.problems:
            last = time.monotonic() > load.end + 2
            run(session, "BEGIN ISOLATION LEVEL REPEATABLE READ")
            rows = {}
            for (row,) in run(session, f"SELECT v::text FROM {view} AS v"):
                rows[row] = rows.get(row, 0) + 1
            changes = run(session, f"SELECT mark, change, row_text FROM refresh_mv.feed('{view}', %s)", mark)
            run(session, "COMMIT")
            load.count("calls of feed()")
            for new_mark, what, row in changes:
                if what == "start over":
                    assert len(changes) == 1, changes
                    copy = dict(rows)
                    load.count("starts over")
                else:
                    assert mark is not None and new_mark > mark - 1, (mark, new_mark)
                    copy[row] = copy.get(row, 0) + (1 if what == "came" else -1)
                    if copy[row] < 0:
                        load.problems.append(f"{view}: a row left that was not there: {row}")
                    if copy[row] == 0:
                        del copy[row]
                    load.count("changes")
                mark = new_mark
            if copy != rows:
                load.problems.append(f"{view}: the copy has {len(copy)} rows, the view {len(rows)}:"
                                     f" {sorted(set(copy.items()) ^ set(rows.items()))[:4]}")
            time.sleep(dice.random() * 0.05)


def main():
    """Sets up, checks."""
    with connect("postgres") as session:
        run(session, f"DROP DATABASE IF EXISTS {DATABASE}")
        run(session, f"CREATE DATABASE {DATABASE} ENCODING 'UTF8' TEMPLATE template0")
    with connect() as session:
        script(session, SETUP)
    check_notifications()
    load = Load()
    threads = [threading.Thread(target=load.worker, args=(change, number)) for number in range(2)] + [
        threading.Thread(target=load.worker, args=(consume, view)) for view in VIEWS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(", ".join(f"{count} {what}" for what, count in sorted(load.counts.items())))
    for problem in load.problems:
        print(problem)
    return 1 if load.problems else 0


if __name__ == "__main__":
    sys.exit(main())
