#!/usr/bin/python3
"""Tests refresh_mv.replace_query() while others write, read and refresh, and what a dump has of it.

Writers move amounts between groups; the view's query is replaced again and again, by one that
returns another version and now and then another column; readers look, by single statements and in
transactions with one snapshot.

- Every read finds the rows of one query and of one moment: one version, and the total of all amounts.
- No reader waits for longer than a part of what a replacement takes: the view is computed and merged while
  they read.
- Nobody is in a deadlock, and nothing fails but what is to be tried again under REPEATABLE READ.
- In the end the view is what its last query returns, changes are followed exactly, and a restored
  dump holds the same.

Takes 20 seconds.
"""
import collections
import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import psycopg2
import psycopg2.errors

DATABASE = "refresh_mv_replace"
RESTORED = "refresh_mv_replace_restored"
SECONDS = 16
ROWS = 60000
GROUPS = 30000
TOTAL = ROWS * 10
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE amounts (id integer PRIMARY KEY, grp integer NOT NULL, n bigint NOT NULL, note text);
    INSERT INTO amounts SELECT i, i % {GROUPS}, 10, 'note ' || i FROM generate_series(1, {ROWS}) AS i;
    CREATE TABLE names (grp integer PRIMARY KEY, name text NOT NULL);
    INSERT INTO names SELECT i, 'group ' || i FROM generate_series(0, {GROUPS} - 1) AS i;
    CREATE MATERIALIZED VIEW v AS SELECT grp, 0 AS version, sum(n) AS n FROM amounts GROUP BY grp;
    CREATE UNIQUE INDEX ON v (grp);
    CREATE VIEW above AS SELECT grp, version, n FROM v;
    CREATE MATERIALIZED VIEW further AS SELECT sum(n) AS n, max(version) AS version FROM v;
    ANALYZE;
    SELECT refresh_mv.track('v');
    SELECT refresh_mv.track('further');
    CALL refresh_mv.run();
"""
TABLES = ["amounts", "amounts JOIN names USING (grp)"]
COLUMNS = ["max(note)", "count(*)", "min(id)::text COLLATE \"C\"", "array_agg(n ORDER BY id)", "NULL::date"]


class Load:
    """What the threads share."""

    def __init__(self):
        self.end = time.monotonic() + SECONDS
        self.problems = []
        self.counts = collections.Counter()
        self.reads = []    # how long each took
        self.replaced = []
        self.lock = threading.Lock()

    def note(self, what, seconds=None, into=None):
        """Counts something done."""
        with self.lock:
            self.counts[what] += 1
            if into is not None:
                into.append(seconds)

    def worker(self, job, number):
        """The body of a thread: does a job again and again in a session of its own."""
        dice = random.Random(f"{job.__name__} {number}")
        try:
            with connect() as connection, connection.cursor() as cursor:
                while time.monotonic() < self.end and not self.problems:
                    job(self, cursor, dice)
        except Exception:  # whatever it is, it makes the test fail
            self.problems.append(f"{job.__name__}: {traceback.format_exc()}")


def connect(database=DATABASE):
    """A connection in autocommit."""
    connection = psycopg2.connect(dbname=database, options="-c deadlock_timeout=200ms -c client_min_messages=error")
    connection.autocommit = True
    return contextlib.closing(connection)


def execute(sql, database=DATABASE):
    """Runs SQL in a session of its own; returns the rows, if it returns any."""
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def write(load, cursor, dice):
    """Moves an amount, or renames."""
    first, second = dice.sample(range(1, ROWS + 1), 2)
    cursor.execute(f"UPDATE amounts SET n = n + CASE id WHEN {first} THEN 1 ELSE -1 END,"
                   f" note = 'note {dice.random()}' WHERE id IN ({first}, {second})")
    load.note("writes")
    time.sleep(0.002)


def read(load, cursor, dice):
    """Reads the view once, or several times under one snapshot."""
    snapshot = dice.random() < 0.3
    versions = set()
    if snapshot:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    for _ in range(3 if snapshot else 1):
        start = time.monotonic()
        cursor.execute("SELECT count(DISTINCT version), min(version), sum(n), count(*) FROM "
                       + dice.choice(["v", "above"]))
        kinds, version, total, rows = cursor.fetchone()
        load.note("reads", time.monotonic() - start, load.reads)
        versions.add(version)
        if (kinds, total, rows) != (1, TOTAL, GROUPS):
            load.problems.append(f"a torn read: {kinds} versions, total {total}, {rows} rows")
        if snapshot:
            time.sleep(dice.random() * 0.1)
    if snapshot:
        cursor.execute("COMMIT")
    if len(versions) != 1:
        load.problems.append(f"one snapshot shows versions {versions}")


def refresh(load, cursor, dice):
    """Refreshes all, or the one."""
    level = dice.choice(["READ COMMITTED", "REPEATABLE READ"])
    try:
        cursor.execute(f"BEGIN ISOLATION LEVEL {level}")
        cursor.execute("SELECT success, message FROM refresh_materialized_views_smart("
                       + dice.choice(["", "'{v}'", "'{further,v}'"]) + ")")
        success, message = cursor.fetchone()
        cursor.execute("COMMIT")
        if not success:
            load.problems.append(f"a refresh failed: {message}")
        load.note("refreshes")
    except psycopg2.errors.SerializationFailure:
        cursor.execute("ROLLBACK")
        load.note("refreshes to be tried again")
        if level == "READ COMMITTED":
            raise
    time.sleep(0.05)


class Replacer:
    """Replaces the view's query."""

    def __init__(self):
        self.version = 0
        self.columns = []

    def query(self, dice):
        """Another query."""
        self.version += 1
        if self.version % 3 == 0 and len(self.columns) < len(COLUMNS):
            self.columns.append(f"{COLUMNS[len(self.columns)]} AS c{len(self.columns)}")
        return (f"SELECT grp, {self.version} AS version, sum(n) AS n{''.join(', ' + c for c in self.columns)}"
                f" FROM {dice.choice(TABLES)} GROUP BY grp")

    def replace(self, load, cursor, dice):
        """Once."""
        start = time.monotonic()
        cursor.execute("SELECT rows_updated + rows_inserted FROM refresh_mv.replace_query('v', %s)", (self.query(dice),))
        if cursor.fetchone()[0] == 0:
            load.problems.append("a replacement has written nothing")
        load.note("replacements", time.monotonic() - start, load.replaced)
        time.sleep(0.2)


def differences(database=DATABASE):
    """How many rows of the view are not what its query returns."""
    query = execute("SELECT rtrim(pg_get_viewdef('v'), ';')", database)[0][0]
    return execute(f"SELECT (SELECT count(*) FROM (TABLE v EXCEPT ALL ({query})) AS d)"
                   f" + (SELECT count(*) FROM (({query}) EXCEPT ALL TABLE v) AS d)", database)[0][0]


def check_end(problems):
    """Compares the view with its query; refreshes follow changes exactly."""
    methods = []
    for change in ("", "UPDATE amounts SET n = n + 1, note = 'x' WHERE id = 7", "DELETE FROM amounts WHERE id = 8"):
        if change:
            execute(change)
        execute("CALL refresh_mv.run()")
        methods.append(execute("SELECT method FROM refresh_mv.history WHERE view = 'public.v' ORDER BY run DESC LIMIT 1")[0][0])
        if differences() != 0:
            problems.append(f"{differences()} rows differ after {change!r}")
    if set(methods[1:]) - {"delta", "keys"}:
        problems.append(f"changes are followed by {methods}")
    if execute("SELECT sum(n), max(version) FROM v") != execute("SELECT n, version FROM further"):
        problems.append("the view above is another one")


def check_dump(problems):
    """Restores a dump elsewhere."""
    execute(f"DROP DATABASE IF EXISTS {RESTORED}", "postgres")
    execute(f"CREATE DATABASE {RESTORED}", "postgres")
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["pg_dump", "-Fc", "-f", file.name, DATABASE], check=True)
        done = subprocess.run(["pg_restore", "-d", RESTORED, file.name], capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr:
        problems.append(f"the restore says: {done.stderr}")
    for what in ("SELECT pg_get_viewdef('v')", "SELECT md5(string_agg(v::text, ',' ORDER BY grp)) FROM v",
                 "SELECT string_agg(attname || format_type(atttypid, atttypmod) || attcollation, ',' ORDER BY attnum)"
                 " FROM pg_attribute WHERE attrelid = 'v'::regclass AND attnum > 0"):
        if execute(what) != execute(what, RESTORED):
            problems.append(f"restored, it is another view: {what}")


def main():
    """Sets up, loads, checks."""
    execute(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    execute(f"CREATE DATABASE {DATABASE}", "postgres")
    with connect() as connection, connection.cursor() as cursor:
        for statement in SETUP.split(";\n"):
            if statement.strip():
                cursor.execute(statement)
    load = Load()
    jobs = [write, read, read, read, refresh, Replacer().replace]
    threads = [threading.Thread(target=load.worker, args=(job, number)) for number, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not load.problems:
        check_end(load.problems)
        check_dump(load.problems)
    print(", ".join(f"{count} {what}" for what, count in sorted(load.counts.items())))
    if load.replaced and load.reads:
        load.reads.sort()
        print(f"a replacement took {sum(load.replaced) / len(load.replaced):.2f} s; reads: median"
              f" {load.reads[len(load.reads) // 2] * 1000:.0f} ms, longest {load.reads[-1] * 1000:.0f} ms")
        if load.counts["replacements"] < 5:
            load.problems.append("hardly anything was replaced")
    for problem in load.problems:
        print(problem)
    return 1 if load.problems else 0


if __name__ == "__main__":
    sys.exit(main())
